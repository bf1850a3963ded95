//! A tone goes through the engine for ten minutes, and stays one: nothing is put in or left out.

use tutti_model::Codec;
use tutti_sim::{Fit, Mouth, Tone, fit, turned_deg};

use crate::stage::*;

const TONE_HZ: f32 = 1_000.0;

const SECONDS: u32 = 600;

/// How far a tone may turn from one tenth of a second to the next: a sample too many at 8 kHz
/// turns this one by 45 degrees.
const MOST_TURNED_DEG: f64 = 5.0;

#[test]
fn ten_minutes_of_pcmu_lose_and_gain_no_sample() {
    ten_minutes(Codec::Pcmu, -45.0);
}

#[test]
fn ten_minutes_of_pcma_lose_and_gain_no_sample() {
    ten_minutes(Codec::Pcma, -54.0);
}

#[test]
fn ten_minutes_of_g722_lose_and_gain_no_sample() {
    ten_minutes(Codec::G722, -40.0);
}

#[test]
fn ten_minutes_of_opus_lose_and_gain_no_sample() {
    ten_minutes(Codec::Opus, -29.0);
}

#[test]
fn ten_minutes_of_linear_samples_at_16_khz_lose_and_gain_no_sample() {
    ten_minutes(Codec::L16At16, -80.0);
}

#[test]
fn ten_minutes_of_linear_samples_at_48_khz_lose_and_gain_no_sample() {
    ten_minutes(Codec::L16At48, -80.0);
}

/// Lets a tone through, and looks at every tenth of a second of it.
fn ten_minutes(codec: Codec, most_residue_db: f64) {
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
    joined(&mut studio, codec, tone, TALK_AND_LISTEN);
    let listener = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(250).unwrap();
    let rate = studio.caller(listener).unwrap().rate_hz();
    let turns = f64::from(TONE_HZ) / f64::from(rate);
    studio.caller(listener).unwrap().start_listening();
    let (mut most_turned, mut worst, mut best) = (0.0_f64, f64::MIN, f64::MAX);
    let (mut loudest, mut softest) = (0.0_f64, f64::MAX);
    let mut last: Option<Fit> = None;
    for second in 0..SECONDS {
        studio.ticks(50).unwrap();
        let heard = studio.caller(listener).unwrap().take_heard();
        assert_eq!(heard.len(), rate as usize, "second {second}");
        for part in heard.chunks_exact(rate as usize / 10) {
            let found = fit(part, turns);
            if let Some(last) = last {
                let turned = turned_deg(last.phase_deg, found.phase_deg).abs();
                most_turned = most_turned.max(turned);
            }
            (worst, best) = (worst.max(found.residue_db), best.min(found.residue_db));
            loudest = loudest.max(found.amplitude);
            softest = softest.min(found.amplitude);
            last = Some(found);
        }
    }
    let uneven_db = 20.0 * (loudest / softest).log10();
    println!(
        "{codec:?}: turned by {most_turned:.2} degrees at most, THD+N {best:.1} to {worst:.1} dB, \
         level within {uneven_db:.2} dB"
    );
    assert!(
        most_turned < MOST_TURNED_DEG,
        "{codec:?}: {most_turned} degrees"
    );
    assert!(worst < most_residue_db, "{codec:?}: THD+N of {worst} dB");
    assert!(uneven_db < 1.0, "{codec:?}: {uneven_db} dB");
}
