//! Whatever a phone sends, the others hear a mix that is no louder than it may be.

use std::rc::Rc;

use tutti_media::{CEILING, EngineCommand, EngineEvent};
use tutti_model::Codec;
use tutti_sim::{Mouth, Random, Studio, Talk, Tone, snr_db, tape};

use crate::stage::*;

#[test]
fn twelve_talkers_of_one_tone_at_minus_6_dbov_are_limited_without_distortion() {
    let mut studio = studio();
    for _ in 0..12 {
        let tone = Mouth::Tone(Tone::new(400.0, 0.708));
        joined(&mut studio, Codec::L16At48, tone, TALK_AND_LISTEN);
    }
    let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(100).unwrap();
    let ear = heard(&mut studio, listener, 100);
    assert!(peak(&ear) <= CEILING + 1e-3, "{}", peak(&ear));
    let worst = ear
        .chunks_exact(4_800)
        .map(|part| tutti_sim::fit(part, 400.0 / 48_000.0).residue_db)
        .fold(f64::MIN, f64::max);
    let percent = 100.0 * 10_f64.powf(worst / 20.0);
    println!("limiter: THD+N {percent:.3} % with 12 talkers at −6 dBov");
    assert!(percent < 3.0, "{percent} %");
}

#[test]
fn squares_and_direct_current_leave_the_mix_below_its_ceiling() {
    let square: Vec<f32> = (0..48_000 * 4)
        .map(|n| if n / 240 % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    let direct = vec![0.95_f32; 48_000 * 4];
    let both: Vec<f32> = square.iter().map(|sample| 0.4 * sample + 0.59).collect();
    for (name, sound) in [
        ("square", square),
        ("direct current", direct),
        ("both", both),
    ] {
        for codec in [Codec::Pcmu, Codec::L16At48, Codec::Opus] {
            let mut studio = studio();
            joined(
                &mut studio,
                codec,
                Mouth::Sound(sound.clone().into()),
                TALK_AND_LISTEN,
            );
            joined(
                &mut studio,
                codec,
                Mouth::Sound(sound.clone().into()),
                TALK_AND_LISTEN,
            );
            joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
            let (head, tape) = tape();
            studio.handle(EngineCommand::StartRecording {
                conference: CONFERENCE,
                tap: Box::new(head),
            });
            studio.ticks(180).unwrap();
            let mix = tape.samples();
            assert!(mix.iter().all(|sample| sample.is_finite()));
            assert!(
                peak(&mix) <= CEILING + 1e-3,
                "{name} in {codec:?}: {}",
                peak(&mix)
            );
            // Nothing of the direct current is left after a second.
            let late = &mix[96_000..144_000];
            let mean: f32 = late.iter().sum::<f32>() / late.len() as f32;
            assert!(mean.abs() < 0.02, "{name} in {codec:?}: {mean}");
        }
    }
}

#[test]
fn payloads_that_are_no_audio_disturb_nobody_and_press_no_key() {
    let mut random = Random::new(77);
    let mut payloads: Vec<Vec<u8>> = (0..200)
        .map(|_| {
            let length = random.below(300);
            (0..length).map(|_| random.bits() as u8).collect()
        })
        .collect();
    payloads.push(Vec::new());
    // Opus: 120 ms of nothing, 48 frames in a packet, frames that are longer than the packet.
    payloads.extend([
        vec![0xff, 48],
        vec![0x1b, 0x06],
        vec![0xfb, 0xbf, 250, 250],
        vec![0xfc],
    ]);
    let payloads: Rc<[Vec<u8>]> = payloads.into();
    for codec in [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::L16At16] {
        let ears = |garbage: Option<Rc<[Vec<u8>]>>| {
            let mut studio = studio();
            let said = Talk::new(Random::new(2), 140.0).seconds(14.0, -24.0);
            joined(
                &mut studio,
                Codec::L16At48,
                Mouth::Sound(said),
                TALK_AND_LISTEN,
            );
            let mouth = garbage.map_or(Mouth::Shut, Mouth::Payloads);
            // It may not speak: whatever it sends, the others hear the talker alone.
            joined(&mut studio, codec, mouth, LISTEN_ONLY);
            let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
            studio.ticks(50).unwrap();
            let ear = heard(&mut studio, listener, 500);
            (ear, digits(&mut studio))
        };
        let ((alone, _), (beside, pressed)) = (ears(None), ears(Some(Rc::clone(&payloads))));
        assert_eq!(pressed, 0, "{codec:?}");
        assert!(snr_db(&alone, &beside) > 100.0, "{codec:?}");

        // And when it may speak, the mix stays a mix.
        let mut studio = studio();
        let mouth = Mouth::Payloads(Rc::clone(&payloads));
        joined(&mut studio, codec, mouth, TALK_AND_LISTEN);
        let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
        let ear = heard(&mut studio, listener, 500);
        assert!(peak(&ear) <= CEILING + 1e-3, "{codec:?}: {}", peak(&ear));
        assert_eq!(digits(&mut studio), 0, "{codec:?}");
    }
}

#[test]
fn datagrams_that_are_no_packets_are_counted_and_nothing_else() {
    let mut studio = studio();
    let said = Talk::new(Random::new(2), 140.0).seconds(14.0, -24.0);
    let talker = joined(
        &mut studio,
        Codec::Pcmu,
        Mouth::Sound(said),
        TALK_AND_LISTEN,
    );
    let mut random = Random::new(5);
    studio.ticks(20).unwrap();
    let before = *studio.leg(talker).unwrap().receive_counters();
    for _ in 0..500 {
        let now = studio.now();
        let length = random.below(40);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.bits() as u8).collect();
        // Every other one at least begins like RTCP.
        if let (true, [first, second, ..]) = (random.chance(0.5), bytes.as_mut_slice()) {
            (*first, *second) = (0x80 | (*first & 0x3f), 200 + *second % 7);
        } else if let Some(first) = bytes.first_mut() {
            // No version 2, so that it cannot be a packet of another source.
            *first &= 0x3f;
        }
        studio.caller(talker).unwrap().send_raw(now, &bytes);
        studio.tick().unwrap();
    }
    let leg = studio.leg(talker).unwrap();
    let after = *leg.receive_counters();
    assert!(leg.counters().malformed > 200, "{:?}", leg.counters());
    assert_eq!(after.received - before.received, 500, "{after:?}");
    assert_eq!(
        (after.lost, after.concealed_samples),
        (before.lost, before.concealed_samples)
    );
    assert_eq!(digits(&mut studio), 0);
}

/// How many keys the engine has told of.
fn digits(studio: &mut Studio) -> usize {
    let pressed = |event: &EngineEvent<_>| matches!(event, EngineEvent::DigitPressed { .. });
    studio
        .events()
        .iter()
        .filter(|event| pressed(event))
        .count()
}
