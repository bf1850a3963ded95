//! Legs that have given up what they were decoded with, and are lent it when they wake.

use super::*;

const ALL: [Codec; 6] = [
    Codec::Opus,
    Codec::Pcmu,
    Codec::Pcma,
    Codec::G722,
    Codec::L16At16,
    Codec::L16At48,
];

/// A pool that has what another leg has given up, whose tone it has decoded.
fn used(format: Format) -> Pool {
    let mut other = Call::with(format, tone);
    other.pool.takes = true;
    other.run(50);
    other.receiver.set_rest(Rest::Always);
    other.run(150);
    assert_eq!(other.receiver.lacks_decoding(), Some(format.codec));
    other.pool
}

/// A leg that rests, until its word, for longer than it keeps what it is decoded with.
fn rested(format: Format, sound: Sound) -> Call {
    let mut call = Call::with(format, sound);
    call.voice_from = Some(0.002);
    call.pool = used(format);
    call.run(290);
    assert!(call.receiver.is_resting(), "{format:?}");
    assert_eq!(call.receiver.lacks_decoding(), Some(format.codec));
    call
}

/// The same call, always decoded.
fn always(format: Format, sound: Sound) -> Call {
    let mut call = Call::with(format, sound);
    call.run(290);
    call
}

#[test]
fn a_leg_gives_up_what_it_is_decoded_with_after_two_seconds_of_rest_and_not_before() {
    for codec in ALL {
        let mut call = Call::with(format(codec, false), |_| 0.0);
        call.pool.takes = true;
        call.run(100);
        call.receiver.set_rest(Rest::Always);
        call.run(KEPT_TICKS as usize + 1);
        assert!(call.pool.decodings.is_empty(), "{codec:?}");
        assert_eq!(call.receiver.lacks_decoding(), None);
        call.run(1);
        assert_eq!(call.pool.decodings.len(), 1, "{codec:?}");
        assert_eq!(call.receiver.lacks_decoding(), Some(codec));
        call.receiver.set_rest(Rest::Never);
        call.run(1);
        assert!(!call.receiver.is_resting(), "{codec:?}");
        let counters = call.receiver.counters();
        assert_eq!((counters.woke, counters.lent, counters.put_off), (1, 1, 0));
    }
}

#[test]
fn what_a_leg_keeps_in_a_rest_is_small() {
    let kept = std::mem::size_of::<Receiver>();
    assert!(kept <= 4_096, "{kept} bytes beside the store's blocks");
}

#[test]
fn a_leg_keeps_what_nobody_takes() {
    let mut call = Call::with(format(Codec::Opus, false), |_| 0.0);
    call.receiver.set_rest(Rest::Always);
    call.run(300);
    assert_eq!(call.receiver.lacks_decoding(), None);
    call.receiver.set_rest(Rest::Never);
    call.run(1);
    assert_eq!(call.receiver.counters().woke, 1);
    assert_eq!(call.receiver.counters().lent, 0);
}

#[test]
fn a_word_is_heard_whole_with_what_another_leg_has_used() {
    let sounds: [(&str, Sound, f32); 5] = [
        ("silence", in_silence, 0.002),
        ("a faint noise", over_a_faint_noise, 0.002),
        ("a noise", over_a_noise, 0.004),
        ("soft in silence", soft_in_silence, 0.002),
        ("soft over a noise", soft_over_a_noise, 0.002),
    ];
    let mut bad = Vec::new();
    for codec in ALL {
        for (name, sound, voice_from) in sounds {
            let format = format(codec, false);
            let mut call = Call::with(format, sound);
            call.voice_from = Some(voice_from);
            call.pool = used(format);
            let (rested, whole, onset) = compare(&mut call);
            let lent = call.receiver.counters().lent;
            // A noise that is taken for a voice at times is no long rest.
            if name.ends_with("silence") {
                assert_eq!(lent, 1, "{codec:?}, {name}");
            }
            if rested < 0.8 || onset < 40.0 || whole < 40.0 {
                bad.push((codec, name, rested, whole, onset));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn a_word_for_which_nothing_is_left_at_first_is_heard_later_from_its_beginning() {
    for (codec, dtx) in ALL
        .map(|codec| (codec, false))
        .into_iter()
        .chain([(Codec::Opus, true)])
    {
        for refused in [1, 3, 6] {
            let format = format(codec, dtx);
            let mut always = always(format, in_silence);
            let mut late = rested(format, in_silence);
            late.pool.refuses = refused;
            let ideal = always.run(30).samples;
            let heard = late.run(40).samples;
            let counters = late.receiver.counters();
            assert_eq!((counters.lent, counters.put_off), (1, refused.into()));
            let begin = ideal.iter().position(|sample| sample.abs() > 0.01).unwrap();
            let ideal = &ideal[begin - 480..][..2_880];
            let snr = |late: usize| {
                let heard = &heard[begin - 480 + late..];
                let difference: Vec<f32> = ideal.iter().zip(heard).map(|(a, b)| a - b).collect();
                20.0 * (rms(ideal) / rms(&difference).max(1e-9)).log10()
            };
            // The silence before it is heard in less time than it took.
            let most = (refused as usize + 3) * FRAME_SAMPLES;
            let snr = (0..=most).map(snr).fold(f32::MIN, f32::max);
            assert!(snr >= 40.0, "{codec:?} {dtx} {refused}: {snr} dB");
        }
    }
}

#[test]
fn a_word_that_waits_long_is_heard_to_its_end_and_the_delay_shrinks_back() {
    for codec in ALL {
        let mut call = rested(format(codec, false), in_silence);
        call.pool.refuses = 20;
        let delay = call.delay_ms();
        let before = *call.receiver.counters();
        let heard = call.run(80);
        let loud = heard
            .samples
            .chunks(FRAME_SAMPLES)
            .filter(|frame| rms(frame) > 0.02)
            .count();
        // It was 30 frames long, and is squeezed a little.
        assert!((20..=32).contains(&loud), "{codec:?}: {loud} frames");
        let counters = *call.receiver.counters();
        assert_eq!(counters.put_off, 20, "{codec:?}");
        assert_eq!(counters.discarded, before.discarded, "{codec:?}");
        assert_eq!(counters.concealed_samples, before.concealed_samples);
        call.receiver.set_rest(Rest::Never);
        call.voice_from = None;
        call.run(200);
        assert!((call.delay_ms() - delay).abs() <= 20, "{codec:?}");
    }
}

#[test]
fn a_word_that_is_over_before_there_is_anything_to_hear_it_with_is_heard_all_the_same() {
    for codec in ALL {
        let mut call = rested(format(codec, false), |t| {
            if t < WORD + 0.14 { word(t) as f32 } else { 0.0 }
        });
        call.pool.refuses = 22;
        let heard = call.run(100);
        let loud = heard
            .samples
            .chunks(FRAME_SAMPLES)
            .filter(|frame| rms(frame) > 0.02)
            .count();
        assert!((6..=9).contains(&loud), "{codec:?}: {loud} frames");
        assert!(call.receiver.is_resting(), "{codec:?}");
    }
}

#[test]
fn what_waits_too_long_is_heard_from_half_a_second_back() {
    for codec in ALL {
        let mut call = rested(
            format(codec, false),
            |t| {
                if t < WORD { 0.0 } else { tone(t) }
            },
        );
        call.pool.refuses = 100;
        call.run(120);
        assert!(!call.receiver.is_resting(), "{codec:?}");
        assert!(call.delay_ms() <= 540, "{codec:?}: {} ms", call.delay_ms());
        let heard = call.run(100);
        assert_eq!(heard.audio, 100, "{codec:?}");
    }
}

#[test]
fn whoever_is_muted_while_nothing_is_left_is_not_heard_later() {
    let mut call = rested(format(Codec::Opus, false), in_silence);
    call.pool.refuses = u32::MAX;
    call.run(30);
    assert!(call.receiver.counters().put_off >= 10);
    call.voice_from = None;
    call.receiver.set_rest(Rest::Always);
    call.run(1);
    let put_off = call.receiver.counters().put_off;
    call.run(20);
    call.receiver.set_rest(Rest::WhileQuiet);
    call.pool.refuses = 0;
    let heard = call.run(100);
    assert_eq!(heard.silence, 100);
    assert_eq!(call.receiver.counters().put_off, put_off);
}

#[test]
fn a_claim_is_looked_into_with_what_is_left_and_for_no_longer_than_that_takes() {
    let mut call = Call::with(Format::plain(Codec::Opus), |t| 0.0005 * noise(t) as f32);
    call.sender.low_delay = true;
    call.sender.claim = Some(|_| 70);
    call.voice_from = Some(0.002);
    call.pool.takes = true;
    call.run(340);
    let before = *call.receiver.counters();
    let lacked = (0..1_000).filter(|_| {
        call.run(1);
        call.receiver.lacks_decoding().is_some()
    });
    let lacked = lacked.count();
    let counters = *call.receiver.counters();
    assert!((3..=5).contains(&(counters.lent - before.lent)));
    assert!(lacked >= 970, "{lacked} of 1000 ticks");
    // While there is nothing to do it with, it rests.
    call.pool.refuses = u32::MAX;
    assert_eq!(call.run(500).silence, 500);
    let counters = *call.receiver.counters();
    assert!((5..=25).contains(&counters.put_off), "{counters:?}");
}
