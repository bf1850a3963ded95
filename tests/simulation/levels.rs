//! Quiet and loud talkers are heard alike.

use tutti_media::LegSettings;
use tutti_model::Codec;
use tutti_sim::{Mouth, Random, Talk, active_rms};

use crate::stage::*;

#[test]
fn a_quiet_and_a_loud_talker_are_within_4_db_after_three_seconds() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
        let quiet = level_after_three_seconds(codec, -40.0);
        let loud = level_after_three_seconds(codec, -12.0);
        println!("{codec:?}: −40 dBov is heard at {quiet:.1} dBov, −12 dBov at {loud:.1} dBov");
        assert!(
            (quiet - loud).abs() <= 4.0,
            "{codec:?}: {quiet} and {loud} dBov"
        );
    }
}

#[test]
fn a_quiet_talkers_noise_is_not_lifted_by_more_than_3_db() {
    let mut studio = studio_with(LegSettings::default(), 8);
    let mut random = Random::new(7);
    // Six seconds of speech, a pause of two, and speech again.
    let mut talk = Talk::new(Random::new(5), 110.0);
    let mut said = talk.seconds(6.0, -40.0).to_vec();
    said.resize(48_000 * 8, 0.0);
    said.extend_from_slice(&talk.seconds(2.0, -40.0));
    // A noise floor of −62 dBov under all of it.
    let noise: Vec<f32> = (0..said.len())
        .map(|_| (random.fraction() as f32 - 0.5) * 0.002_75)
        .collect();
    for (sample, noise) in said.iter_mut().zip(&noise) {
        *sample += noise;
    }
    let noise_db = rms_db(&noise);
    let mouth = Mouth::Sound(said.into());
    joined(&mut studio, Codec::L16At48, mouth, TALK_AND_LISTEN);
    let listener = joined(&mut studio, Codec::L16At48, Mouth::Shut, LISTEN_ONLY);
    let ear = heard(&mut studio, listener, 50 * 10);
    let heard_db = |from_ms: usize, to_ms: usize| rms_db(&ear[48 * from_ms..48 * to_ms]);
    // The gain comes down too slowly to be heard as a step; a breath is over before.
    println!(
        "noise of {noise_db:.1} dBov is heard at {:.1} dBov 0.3 s after a word, {:.1} after 0.9 s",
        heard_db(6_300, 6_400),
        heard_db(6_850, 7_000),
    );
    let pause_db = heard_db(6_850, 7_900);
    assert!(
        pause_db - noise_db <= 3.0,
        "{noise_db} becomes {pause_db} dBov"
    );
}

/// How loud speech of this level is heard between the third second and the eighth.
fn level_after_three_seconds(codec: Codec, dbov: f32) -> f64 {
    let mut studio = studio_with(LegSettings::default(), 8);
    let said = Talk::new(Random::new(5), 110.0).seconds(9.0, dbov);
    joined(&mut studio, codec, Mouth::Sound(said), TALK_AND_LISTEN);
    let listener = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
    let ear = heard(&mut studio, listener, 50 * 8);
    let rate = studio.caller(listener).unwrap().rate_hz() as usize;
    let late: Vec<f64> = ear[3 * rate..]
        .iter()
        .map(|sample| f64::from(*sample))
        .collect();
    20.0 * active_rms(&late).log10()
}
