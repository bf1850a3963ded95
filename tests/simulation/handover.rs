//! A leg goes back and forth between its own encoder and the one it shares, and does not hear it.

use std::time::Duration;

use tutti_media::{LegSettings, PrivateTimes};
use tutti_model::Codec;
use tutti_sim::{Mouth, Random, Studio, Talk, Tone, snr_db};

use crate::stage::*;

const SECONDS: u32 = 12;

#[test]
fn a_tone_bends_no_more_when_its_encoder_changes_every_half_second() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let said = || Mouth::Tone(Tone::new(564.0, 0.3));
        let (ear, still) = switch_and_stay(codec, said);
        let (bent, steady) = (sharpest_bend(&ear), sharpest_bend(&still));
        println!("{codec:?}: bends {:.2} times as sharp", bent / steady);
        assert!(bent < 1.5 * steady, "{codec:?}: {bent} after {steady}");
        assert!((rms_db(&ear) - rms_db(&still)).abs() < 0.2, "{codec:?}");
    }
}

#[test]
fn speech_is_the_same_to_a_bit_in_codecs_that_remember_nothing() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::L16At48] {
        let speech = Talk::new(Random::new(5), 110.0).seconds(SECONDS as f32 + 4.0, -26.0);
        let (ear, still) = switch_and_stay(codec, || Mouth::Sound(speech.clone()));
        let snr = snr_db(&still, &ear);
        println!("{codec:?}: {snr:.1} dB between who switches and who does not");
        assert!(snr > 60.0, "{codec:?}: {snr} dB");
    }
}

/// A studio in which a mix of one's own ends almost at once.
fn studio_that_switches() -> Studio {
    let private = PrivateTimes {
        least: Duration::from_millis(100),
        most: Duration::from_millis(100),
    };
    studio_with(
        LegSettings {
            private,
            ..plain_settings()
        },
        8,
    )
}

/// What somebody hears who whispers for two fifths of every second, and so has a mix of its own for
/// half of it; and what it hears when it does not.
fn switch_and_stay(codec: Codec, said: impl Fn() -> Mouth) -> (Vec<f32>, Vec<f32>) {
    let hears = |whispers: bool| {
        let mut studio = studio_that_switches();
        joined(&mut studio, codec, said(), TALK_AND_LISTEN);
        // So that there is an encoder to leave and to come back to.
        let stays = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
        let silence = Mouth::Sound([].into());
        let switches = joined(&mut studio, codec, silence, TALK_AND_LISTEN);
        studio.ticks(100).unwrap();
        let mouth = Mouth::Sound(whisper(if whispers { SECONDS } else { 0 }));
        studio.caller(switches).unwrap().say(mouth).unwrap();
        for slot in [switches, stays] {
            studio.caller(slot).unwrap().start_listening();
        }
        studio.ticks(50 * SECONDS).unwrap();
        let changes = changes(&mut studio, switches, stays);
        let expected = if whispers {
            2 * SECONDS - 2..=2 * SECONDS
        } else {
            0..=0
        };
        assert!(expected.contains(&changes), "{codec:?}: {changes} changes");
        studio.caller(switches).unwrap().take_heard()
    };
    (hears(true), hears(false))
}
