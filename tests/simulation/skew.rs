//! A phone's clock is never quite right, and nobody must hear it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tutti_media::{EngineCommand, FRAME_SAMPLES, Frame, Tap};
use tutti_model::Codec;
use tutti_sim::{Habits, Mouth, Tone, fit, level_db};

use crate::stage::*;

const TONE_HZ: f32 = 564.0;

/// How much longer or shorter than what was said its recording may be.
const MOST_LONGER_MS: f64 = 20.0;

#[test]
fn two_hours_with_a_clock_500_ppm_fast_are_heard_without_a_seam() {
    talk(Codec::Pcmu, 500.0, 120);
}

#[test]
fn two_hours_with_a_clock_500_ppm_slow_are_heard_without_a_seam() {
    talk(Codec::Pcmu, -500.0, 120);
}

#[test]
fn ten_minutes_of_pcma_with_a_slow_clock_are_heard_without_a_seam() {
    talk(Codec::Pcma, -500.0, 10);
}

#[test]
fn twenty_minutes_with_a_clock_1000_ppm_wrong_are_heard_without_a_seam() {
    talk(Codec::Pcmu, 1_000.0, 20);
    talk(Codec::Pcmu, -1_000.0, 20);
}

#[test]
fn twenty_minutes_of_g722_with_a_wrong_clock_are_heard_without_a_seam() {
    talk(Codec::G722, 1_000.0, 10);
    talk(Codec::G722, -500.0, 10);
}

#[test]
fn thirteen_minutes_of_opus_with_a_wrong_clock_are_heard_without_a_seam() {
    talk(Codec::Opus, 500.0, 10);
    talk(Codec::Opus, -1_000.0, 3);
}

/// Where sound was in a recording: its first and last loud sample, and how long it is in all.
#[derive(Default)]
struct Span {
    first: AtomicU64,
    last: AtomicU64,
    frames: AtomicU64,
}

struct SpanTap(Arc<Span>);

impl Tap for SpanTap {
    fn push(&mut self, position: u64, frame: &Frame) {
        let loud = |sample: &f32| sample.abs() > 0.05;
        if let Some(at) = frame.iter().position(loud) {
            let at = position + at as u64;
            let _ = self
                .0
                .first
                .compare_exchange(0, at, Ordering::Relaxed, Ordering::Relaxed);
        }
        if let Some(at) = frame.iter().rposition(loud) {
            self.0.last.store(position + at as u64, Ordering::Relaxed);
        }
        self.0.frames.fetch_add(1, Ordering::Relaxed);
    }
}

/// Somebody says a tone for some minutes, by a clock that is wrong by so much.
fn talk(codec: Codec, skew_ppm: f64, minutes: u32) {
    let mut studio = studio();
    let silence = || Mouth::Sound([].into());
    let talker = joined(&mut studio, codec, silence(), TALK_AND_LISTEN);
    let listener = joined(&mut studio, codec, Mouth::Shut, LISTEN_ONLY);
    let habits = Habits {
        skew_ppm,
        ..Habits::default()
    };
    studio.caller(talker).unwrap().behave(habits);
    studio.ticks(500).unwrap();
    let span = Arc::<Span>::default();
    studio.handle(EngineCommand::StartRecording {
        conference: CONFERENCE,
        tap: Box::new(SpanTap(Arc::clone(&span))),
    });
    studio.ticks(50).unwrap();
    let before = *studio.leg(talker).unwrap().receive_counters();
    let tone = Mouth::Tone(Tone::new(TONE_HZ, 0.3));
    studio.caller(talker).unwrap().say(tone).unwrap();
    studio.ticks(100).unwrap();
    let steady = sharpest_bend(&heard(&mut studio, listener, 10));
    studio.caller(listener).unwrap().start_listening();
    let rate = studio.caller(listener).unwrap().rate_hz();
    let (mut sharpest, mut softest_db) = (0.0_f32, f32::MAX);
    let spoken = minutes * 60 * 50;
    for _ in 0..(spoken - 110) / 50 {
        studio.ticks(50).unwrap();
        let heard = studio.caller(listener).unwrap().take_heard();
        sharpest = sharpest.max(sharpest_bend(&heard));
        softest_db = softest_db.min(level_db(&heard, rate, TONE_HZ));
    }
    studio.ticks((spoken - 110) % 50).unwrap();
    studio.caller(talker).unwrap().say(silence()).unwrap();
    studio.ticks(100).unwrap();

    let after = *studio.leg(talker).unwrap().receive_counters();
    let heard_s =
        (span.last.load(Ordering::Relaxed) - span.first.load(Ordering::Relaxed)) as f64 / 48_000.0;
    let longer_ms = 1_000.0 * (heard_s - f64::from(spoken) / 50.0);
    println!(
        "{codec:?} {skew_ppm:+} ppm, {minutes} min: {longer_ms:+.1} ms too long, bends {:.2} times \
         as sharp, {} samples taken out, {} put in",
        sharpest / steady,
        after.squeezed_samples - before.squeezed_samples,
        after.stretched_samples - before.stretched_samples,
    );
    let recorded = span.frames.load(Ordering::Relaxed) * FRAME_SAMPLES as u64;
    assert_eq!(
        recorded,
        u64::from(50 + spoken + 100) * FRAME_SAMPLES as u64
    );
    assert!(
        longer_ms.abs() < MOST_LONGER_MS,
        "{codec:?}: {longer_ms} ms"
    );
    assert_eq!(
        after.concealed_samples, before.concealed_samples,
        "{after:?}"
    );
    assert_eq!(
        after.timestamp_jumps + after.sequence_restarts,
        0,
        "{after:?}"
    );
    assert!(
        sharpest < 2.0 * steady,
        "{codec:?}: {sharpest} after {steady}"
    );
    assert!(softest_db > 9.0, "{codec:?}: {softest_db} dB");
}

#[test]
fn a_skewed_phone_really_is_faster_by_so_much() {
    // Its tone, sampled by a wrong clock, is heard at another frequency.
    let mut studio = studio();
    let tone = Mouth::Tone(Tone::new(1_000.0, 0.3));
    let talker = joined(&mut studio, Codec::Pcmu, tone, TALK_AND_LISTEN);
    let habits = Habits {
        skew_ppm: 1_000.0,
        ..Habits::default()
    };
    studio.caller(talker).unwrap().behave(habits);
    studio.ticks(50_000).unwrap();
    let counters = studio.leg(talker).unwrap().receive_counters();
    assert!(
        (50_040..=50_060).contains(&(counters.received + 8)),
        "{counters:?}"
    );
    // A look at one second: whatever was taken out was taken out without bending the tone.
    let listener = joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    let sound = heard(&mut studio, listener, 50);
    assert!(fit(&sound[800..1_600], 1_000.0 / 8_000.0).amplitude > 0.25);
}
