//! Legs that are not decoded while nobody needs them.

mod lent;

use super::*;

type Sound = fn(f64) -> f32;

/// When the word begins, in seconds, and how long it is.
const WORD: f64 = 6.013;
const WORD_S: f64 = 0.6;

/// White noise that is the same for the same moment.
fn noise(t: f64) -> f64 {
    let mut bits = (t * 48_000.0).round() as u64;
    bits = (bits ^ (bits >> 15)).wrapping_mul(0x2c1b_3c6d_9e37_79b9);
    bits = (bits ^ (bits >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// A word after 6 s of a room.
fn word(t: f64) -> f64 {
    if !(WORD..WORD + WORD_S).contains(&t) {
        return 0.0;
    }
    let phase = std::f64::consts::TAU * (140.0 * t + 2.0 * (3.0 * t).sin());
    let rise = ((t - WORD) / 0.01).min(1.0);
    rise * (1..=20)
        .map(|k| 0.15 / f64::from(k) * (f64::from(k) * phase).sin())
        .sum::<f64>()
}

/// 40 ms of something like an f, at about -46 dBov, before the word.
fn fricative(t: f64) -> f64 {
    if !(WORD - 0.04..WORD).contains(&t) {
        return 0.0;
    }
    0.005 * 1.7 * (noise(t) - noise(t - 1.0 / 48_000.0))
}

fn in_silence(t: f64) -> f32 {
    word(t) as f32
}

fn over_a_faint_noise(t: f64) -> f32 {
    (word(t) + 0.0005 * noise(t)) as f32
}

fn over_a_noise(t: f64) -> f32 {
    (word(t) + 0.0017 * noise(t)) as f32
}

fn over_a_fan(t: f64) -> f32 {
    (word(t) + 0.005 * noise(t)) as f32
}

fn soft_in_silence(t: f64) -> f32 {
    (word(t) + fricative(t)) as f32
}

fn soft_over_a_noise(t: f64) -> f32 {
    (word(t) + fricative(t) + 0.0005 * noise(t)) as f32
}

fn format(codec: Codec, dtx: bool) -> Format {
    Format {
        dtx,
        fec: codec == Codec::Opus,
        ..Format::plain(codec)
    }
}

/// A resting leg against one that is always decoded: the share of ticks that it rests before the
/// word, and how far its error lies below the word, over all of the word and over its beginning.
fn wake(format: Format, sound: Sound, voice_from: f32) -> (f64, f32, f32) {
    let mut resting = Call::with(format, sound);
    resting.voice_from = Some(voice_from);
    compare(&mut resting)
}

/// The same for any leg that has not begun.
fn compare(resting: &mut Call) -> (f64, f32, f32) {
    let mut always = Call::with(resting.format, resting.sender.sound);
    let mut rested = 0;
    let (mut ideal, mut heard) = (Vec::new(), Vec::new());
    for tick in 0..348 {
        ideal.extend(always.run(1).samples);
        heard.extend(resting.run(1).samples);
        rested += usize::from((100..290).contains(&tick) && resting.receiver.is_resting());
    }
    let begin = ((WORD - 0.04) * 48_000.0) as usize;
    // It is heard a packet and its delay after it was said.
    let begin = begin + 960 + always.receiver.playout_delay().as_micros() as usize * 48 / 1_000;
    let error = |samples: usize, late: usize| {
        let span = begin..begin + samples;
        let difference: Vec<f32> = ideal[span.clone()]
            .iter()
            .zip(&heard[begin + late..])
            .map(|(ideal, heard)| ideal - heard)
            .collect();
        20.0 * (rms(&ideal[span]) / rms(&difference).max(1e-9)).log10()
    };
    // A voice that was doubted at first is heard a frame or two late, until that is made up for.
    let late = [960, 1_920].map(|late| error(3_840, late));
    let onset = late.into_iter().fold(error(3_840, 0), f32::max);
    (rested as f64 / 190.0, error(28_800, 0), onset)
}

#[test]
fn a_word_that_wakes_a_leg_is_heard_whole() {
    let sounds: [(&str, Sound, f32); 6] = [
        ("silence", in_silence, 0.002),
        ("a faint noise", over_a_faint_noise, 0.002),
        ("a noise", over_a_noise, 0.004),
        ("a fan", over_a_fan, 0.008),
        ("soft in silence", soft_in_silence, 0.002),
        ("soft over a noise", soft_over_a_noise, 0.002),
    ];
    let mut bad = Vec::new();
    for codec in [
        Codec::Opus,
        Codec::Pcmu,
        Codec::Pcma,
        Codec::G722,
        Codec::L16At16,
        Codec::L16At48,
    ] {
        for (name, sound, voice_from) in sounds {
            let (rested, whole, onset) = wake(format(codec, false), sound, voice_from);
            // Over a fan Opus' own detector errs at times, and is doubted.
            let doubted = codec == Codec::Opus && name == "a fan";
            if rested < 0.8 || onset < 40.0 || (whole < 40.0 && !doubted) {
                bad.push((codec, name, rested, whole, onset));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_word_after_a_pause_with_dtx_is_heard_whole() {
    for (name, sound, voice_from) in [
        ("silence", in_silence as Sound, 0.002),
        ("a faint noise", over_a_faint_noise, 0.002),
    ] {
        let (rested, whole, onset) = wake(format(Codec::Opus, true), sound, voice_from);
        assert!(rested > 0.9, "{name}: rested {rested}");
        assert!(
            onset >= 40.0 && whole >= 40.0,
            "{name}: {onset} and {whole} dB"
        );
    }
}

#[test]
fn a_resting_leg_goes_on_counting_and_hears_keys() {
    for codec in CODECS {
        let mut call = Call::with(format(codec, false), |_| 0.0);
        call.voice_from = Some(0.002);
        call.run(200);
        assert!(call.receiver.is_resting(), "{codec:?}");
        let before = *call.receiver.counters();
        call.sender.fate = |n, _| match n % 10 {
            3 => Fate::Lost,
            _ => Fate::After(0),
        };
        let heard = call.run(500);
        assert_eq!(heard.silence, 500, "{codec:?}");
        let counters = *call.receiver.counters();
        assert_eq!(counters.lost - before.lost, 50, "{codec:?}");
        assert_eq!(counters.received - before.received, 450, "{codec:?}");
        assert_eq!(counters.concealed_samples, before.concealed_samples);
        assert_eq!(counters.decoded_frames, before.decoded_frames, "{codec:?}");
        assert!(counters.skipped_frames >= before.skipped_frames + 440);
        assert_eq!(counters.discarded, before.discarded);
        assert!(call.receiver.report(call.now()).is_some());

        let number = call.sender.number;
        call.sender.number = number.wrapping_add(1);
        let event = rtp_marked(
            EVENT,
            true,
            number,
            1,
            call.sender.timestamp,
            &[5, 10, 0, 160],
        );
        assert_eq!(call.receiver.handle_rtp(call.now(), &event), Ok(()));
        assert!(call.receiver.is_pressing(call.now()));
        call.run(1);
        assert_eq!(call.receiver.poll_digit().map(Digit::as_char), Some('5'));
        assert!(call.receiver.is_resting());
    }
}

#[test]
fn a_resting_leg_follows_the_network_and_wakes_without_a_late_packet() {
    for codec in CODECS {
        let mut call = Call::with(
            format(codec, false),
            |t| if t < 10.0 { 0.0 } else { tone(t) },
        );
        call.voice_from = Some(0.002);
        call.run(200);
        assert!(call.receiver.is_resting(), "{codec:?}");
        call.sender.fate = |_, seed| Fate::After(i64::from(seed % 40_000));
        call.run(300);
        let before = *call.receiver.counters();
        let heard = call.run(50);
        assert!(!call.receiver.is_resting(), "{codec:?}");
        assert!(heard.audio >= 45, "{codec:?}: {} frames", heard.audio);
        let counters = call.receiver.counters();
        assert!(counters.late - before.late <= 2, "{codec:?}: {counters:?}");
        assert!(call.delay_ms() >= 35, "{codec:?}: {} ms", call.delay_ms());
    }
}

#[test]
fn a_hum_that_begins_wakes_a_leg_only_for_a_while() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::L16At48] {
        let mut call = Call::with(format(codec, false), |t| {
            let hum = (std::f64::consts::TAU * 100.0 * t).sin() + 0.2 * noise(t);
            if t < 4.0 { 0.0 } else { 0.006 * hum as f32 }
        });
        call.voice_from = Some(0.01);
        call.run(190);
        assert!(call.receiver.is_resting(), "{codec:?}");
        call.run(300);
        let resting = (0..200).filter(|_| {
            call.run(1);
            call.receiver.is_resting()
        });
        let resting = resting.count();
        assert!(resting >= 170, "{codec:?}: {resting} of 200 ticks");
    }
}

#[test]
fn a_leg_that_may_not_rest_never_does() {
    for codec in CODECS {
        let mut call = Call::with(format(codec, false), |_| 0.0);
        for _ in 0..300 {
            call.run(1);
            assert!(!call.receiver.is_resting(), "{codec:?}");
        }
        // Nor does one whose owner changes its mind.
        call.voice_from = Some(0.002);
        call.run(100);
        assert!(call.receiver.is_resting(), "{codec:?}");
        call.voice_from = None;
        call.receiver.set_rest(Rest::Never);
        call.run(1);
        assert!(!call.receiver.is_resting(), "{codec:?}");
    }
}

#[test]
fn a_claim_of_silence_lets_rest_what_only_decoding_could_judge_and_a_lie_is_found_out() {
    // CELT's packets do not tell a noise from a voice.
    let celt = |claim: fn(f64) -> u8, sound: Sound| {
        let mut call = Call::with(Format::plain(Codec::Opus), sound);
        call.sender.low_delay = true;
        call.sender.claim = Some(claim);
        call.voice_from = Some(0.002);
        call
    };
    let mut honest = celt(
        |t| {
            if (7.0..8.0).contains(&t) {
                0x80 | 20
            } else {
                70
            }
        },
        |t| {
            if (7.0..8.0).contains(&t) {
                tone(t)
            } else {
                0.0005 * noise(t) as f32
            }
        },
    );
    honest.run(340);
    assert!(honest.receiver.is_resting());
    assert_eq!(
        honest.receiver.claimed_level().map(AudioLevel::minus_dbov),
        Some(70)
    );
    let word = honest.run(30);
    let loud = word
        .samples
        .chunks(FRAME_SAMPLES)
        .filter(|frame| rms(frame) > 0.1);
    assert!(loud.count() >= 18);

    let mut liar = celt(
        |_| 70,
        |t| {
            if t < 7.0 {
                0.0005 * noise(t) as f32
            } else {
                tone(t)
            }
        },
    );
    liar.run(340);
    assert!(liar.receiver.is_resting());
    // It is listened to every five seconds, and believed no more.
    liar.run(300);
    assert!(!liar.receiver.is_resting());
    let heard = liar.run(100);
    assert_eq!(heard.audio, 100);
    // Without a claim such a leg is decoded always.
    let mut silent = Call::with(Format::plain(Codec::Opus), |t| 0.0005 * noise(t) as f32);
    silent.sender.low_delay = true;
    silent.voice_from = Some(0.002);
    silent.run(300);
    assert!(!silent.receiver.is_resting());
}

#[test]
fn digital_silence_lets_any_leg_rest() {
    let mut call = Call::with(Format::plain(Codec::Opus), |_| 0.0);
    call.sender.low_delay = true;
    call.voice_from = Some(0.002);
    call.run(100);
    assert!(call.receiver.is_resting());
}

#[test]
fn another_source_is_not_taken_for_the_one_before() {
    for codec in CODECS {
        let mut call = Call::with(
            format(codec, false),
            |t| if t < 6.0 { 0.0 } else { tone(t) },
        );
        call.voice_from = Some(0.002);
        call.run(250);
        assert!(call.receiver.is_resting(), "{codec:?}");
        call.sender.ssrc = 9;
        call.sender.number = 40_000;
        call.sender.timestamp = 7;
        call.run(47);
        let heard = call.run(50);
        assert!(heard.audio >= 46, "{codec:?}: {} frames", heard.audio);
        assert_eq!(call.receiver.counters().ssrc_changes, 1);
    }
}
