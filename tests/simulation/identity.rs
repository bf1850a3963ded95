//! Everybody hears the sum of all others, to the bit.

use tutti_media::{EngineCommand, FRAME_SAMPLES, LegSlot};
use tutti_model::Codec;
use tutti_sim::{Mouth, Random, ReferenceMixer, Studio, Talk, Tape, Tone, level_db, snr_db, tape};

use crate::report;
use crate::stage::*;

/// How many talk.
const TALKERS: usize = 6;

const SECONDS: u32 = 6;

#[test]
fn every_output_is_the_sum_of_the_others_to_one_bit() {
    let mut studio = studio();
    // All six together stay below the limiter.
    let talkers: Vec<LegSlot> = (0..TALKERS)
        .map(|number| {
            let mut talk = Talk::new(Random::new(number as u64), 90.0 + 25.0 * number as f32);
            let said = talk.seconds(SECONDS as f32 + 3.0, -38.0);
            joined(
                &mut studio,
                Codec::L16At48,
                Mouth::Sound(said),
                TALK_AND_LISTEN,
            )
        })
        .collect();
    let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(100).unwrap();
    let tracks: Vec<Tape> = talkers
        .iter()
        .map(|slot| track(&mut studio, *slot))
        .collect();
    studio.callers().for_each(|caller| caller.start_listening());
    studio.ticks(SECONDS * 50).unwrap();

    let voices: Vec<Vec<f32>> = tracks.iter().map(Tape::samples).collect();
    let loudest = voices.iter().map(|voice| peak(voice)).fold(0.0, f32::max);
    assert!(loudest > 0.02, "{loudest}");
    let reference = ReferenceMixer::new(voices);
    let everybody = (0..TALKERS).map(Some).chain([None]);
    let slots = talkers.iter().copied().chain([listener]);
    for (own, slot) in everybody.zip(slots) {
        let heard = studio.caller(slot).unwrap().take_heard();
        // A track is aligned with its conference, which is older.
        let must = reference.hears_i16(own);
        let must = &must[must.len() - heard.len()..];
        // The first frame still holds what the limiter kept of the tick before.
        let worst = heard
            .iter()
            .zip(must)
            .skip(FRAME_SAMPLES)
            .map(|(heard, must)| ((heard * 32_768.0).round() as i32 - i32::from(*must)).abs())
            .max();
        assert!(
            worst <= Some(1),
            "{own:?} hears {worst:?} steps beside the sum"
        );
    }
}

#[test]
fn what_is_said_in_linear_samples_enters_the_mix_as_it_was_said() {
    let mut studio = studio();
    let said = Talk::new(Random::new(3), 130.0).seconds(12.0, -26.0);
    let mouth = Mouth::Sound(said.clone());
    let talker = joined(&mut studio, Codec::L16At48, mouth, TALK_AND_LISTEN);
    studio.ticks(50).unwrap();
    let tape = track(&mut studio, talker);
    studio.ticks(500).unwrap();
    let track = tape.samples();
    let part = &track[100_000..124_000];
    let (at, alike) = tutti_sim::find(part, &said[90_000..130_000]);
    assert!(alike > 0.99, "{alike}");
    // What keeps out direct current turns the lowest frequencies a little.
    let snr = snr_db(&said[90_000 + at..][..24_000], part);
    println!("what is said and what enters the mix: {snr:.1} dB");
    assert!(snr > 20.0, "{snr} dB");
}

#[test]
fn six_loud_talkers_hear_no_trace_of_themselves_in_linear_samples() {
    // Tones that do not fall on each other, so that one's own can be looked for.
    let tones_hz = [564.0, 2_251.0, 1_397.0, 2_804.0, 1_761.0, 2_559.0];
    let minus_12_dbov = 0.355;
    let mut studio = studio();
    let talkers: Vec<LegSlot> = tones_hz
        .iter()
        .map(|hz| {
            let tone = Mouth::Tone(Tone::new(*hz, minus_12_dbov));
            joined(&mut studio, Codec::L16At48, tone, TALK_AND_LISTEN)
        })
        .collect();
    studio.ticks(150).unwrap();
    let tracks: Vec<Tape> = talkers
        .iter()
        .map(|slot| track(&mut studio, *slot))
        .collect();
    studio.callers().for_each(|caller| caller.start_listening());
    studio.ticks(100).unwrap();
    let reference = ReferenceMixer::new(tracks.iter().map(Tape::samples).collect());
    let mut worst_db = f32::MIN;
    for (number, slot) in talkers.iter().enumerate() {
        let heard = studio.caller(*slot).unwrap().take_heard();
        let own_db = level_db(&tracks_tone(tones_hz[number]), 48_000, tones_hz[number]);
        // The limiter bends five tones at −12 dBov, and may bend them into the sixth's place: what
        // counts is what an ideal limiter would not put there, so levels are compared with those of
        // the same sum without the talker.
        let residue_db = level_db(&heard, 48_000, tones_hz[number]) - own_db;
        let others = reference.hears(Some(number));
        assert!(peak(&heard) <= tutti_media::CEILING + 1e-3);
        assert!(others.iter().any(|sample| sample.abs() > 0.9), "it is loud");
        assert!(
            residue_db <= -60.0,
            "{number} hears itself at {residue_db} dB"
        );
        worst_db = worst_db.max(residue_db);
    }
    // In linear samples: what each talker's encoder is given.
    let name = "Own voice before encoding, 6 talkers at −12 dBov";
    let figure = (name, f64::from(worst_db), "dB");
    report::write("cargo test --test simulation identity", &[figure]);
}

/// A tone as loud as the talkers', for comparison.
fn tracks_tone(hz: f32) -> Vec<f32> {
    let mut tone = Tone::new(hz, 0.355);
    (0..50).flat_map(|_| tone.frame()).collect()
}

/// Records a talker's own voice from the next tick on.
fn track(studio: &mut Studio, slot: LegSlot) -> Tape {
    let (head, tape) = tape();
    studio.handle(EngineCommand::StartTrack {
        slot,
        tap: Box::new(head),
    });
    tape
}
