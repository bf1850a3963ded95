//! Nobody hears itself.

use tutti_media::LegSlot;
use tutti_model::Codec;
use tutti_sim::{Mouth, Studio, Tone, level_db};

use crate::stage::*;

/// The peak of a sine at −12 dBov.
const MINUS_12_DBOV: f32 = 0.355;

const TONES_HZ: [f32; 6] = [564.0, 2_251.0, 1_397.0, 2_804.0, 1_761.0, 2_559.0];

/// What the first of six talkers says besides its own tone, to be compared.
const OTHER_TONE_HZ: f32 = 977.0;

#[test]
fn what_a_talker_hears_does_not_depend_on_what_it_says() {
    // Both runs are alike but for the first talker's own words, so that whatever differs in its ear
    // is what is left of them.
    // Opus is left out: it turns a difference of a bit into other noise of the same loudness.
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let said = |own_hz: f32| {
            let (mut studio, talkers) = six_talkers(codec, own_hz);
            studio.ticks(150).unwrap();
            heard(&mut studio, talkers[0], 100)
        };
        let (one, other) = (said(TONES_HZ[0]), said(OTHER_TONE_HZ));
        assert!(
            rms_db(&one) > -20.0,
            "the others are heard: {}",
            rms_db(&one)
        );
        let residue: Vec<f32> = one
            .iter()
            .zip(&other)
            .map(|(one, other)| one - other)
            .collect();
        let below_own_db = rms_db(&residue) - (-12.0);
        assert!(below_own_db <= -60.0, "{codec:?}: {below_own_db} dB");
    }
}

#[test]
fn each_of_six_talkers_hears_five_and_no_trace_of_itself() {
    let (mut studio, talkers) = six_talkers(Codec::Pcmu, TONES_HZ[0]);
    studio.ticks(100).unwrap();
    studio.callers().for_each(|caller| caller.start_listening());
    studio.ticks(50).unwrap();
    let own_db = level_db(
        &Tone::new(1_000.0, MINUS_12_DBOV).frame().repeat(4),
        48_000,
        1_000.0,
    );
    for (number, talker) in talkers.iter().enumerate() {
        let ear = studio.caller(*talker).unwrap();
        for (voice, hz) in TONES_HZ.iter().enumerate() {
            let level = level_db(ear.heard(), ear.rate_hz(), *hz) - own_db;
            if voice == number {
                assert!(level <= -40.0, "{number} hears itself at {level} dB");
            } else {
                assert!(level > -12.0, "{number} hears {voice} at {level} dB");
            }
        }
    }
}

fn six_talkers(codec: Codec, first_hz: f32) -> (Studio, Vec<LegSlot>) {
    let mut studio = studio();
    let tones = std::iter::once(first_hz).chain(TONES_HZ.into_iter().skip(1));
    let talkers = tones.map(|hz| {
        let mouth = Mouth::Tone(Tone::new(hz, MINUS_12_DBOV));
        joined(&mut studio, codec, mouth, TALK_AND_LISTEN)
    });
    let talkers = talkers.collect();
    (studio, talkers)
}
