//! Keeps a mix below full scale without clipping it.

use crate::frame::{FRAME_SAMPLES, Frame};

/// The loudest sample that leaves a limiter: −1 dBFS.
pub const CEILING: f32 = 0.891_250_9;

/// The look-ahead, and so the delay, in samples: 2.5 ms.
pub const LOOK_AHEAD_SAMPLES: usize = 120;

// A frame is whole blocks, and a block whole vectors.
const _: () = assert!(FRAME_SAMPLES.is_multiple_of(LOOK_AHEAD_SAMPLES));
const _: () = assert!(LOOK_AHEAD_SAMPLES.is_multiple_of(LANES));

/// For how many blocks the gain that a peak needs is held: 20 ms, a whole period of 50 Hz. Recovery
/// within a period would bend the wave.
const HOLD_BLOCKS: usize = 8;

/// How far the gain recovers in one block, as a part of what is missing to 1: about 80 ms.
const RELEASE_PER_BLOCK: f32 = 0.03;

/// The loudest sum that voices can make; whatever is beyond is broken, and silenced.
const LOUDEST: f32 = 1e6;

/// How many samples are compared at once.
const LANES: usize = 8;

/// A look-ahead limiter that works in blocks of [`LOOK_AHEAD_SAMPLES`].
///
/// The gain runs linearly through each block between two values that both suit the block's peak, so
/// no sample exceeds [`CEILING`] and no step is heard. It stays down for 20 ms after a peak, so that
/// a steady sound gets a steady gain. It allocates nothing, and copying one continues the same
/// signal elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Limiter {
    /// The block that waits for its successor's peak.
    held: [f32; LOOK_AHEAD_SAMPLES],
    /// The gain at the start of `held`.
    gain: f32,
    /// The gains that the last blocks need, the newest last; that one is for `held`.
    needed: [f32; HOLD_BLOCKS],
}

impl Default for Limiter {
    fn default() -> Limiter {
        Limiter {
            held: [0.0; LOOK_AHEAD_SAMPLES],
            gain: 1.0,
            needed: [1.0; HOLD_BLOCKS],
        }
    }
}

impl Limiter {
    /// Limits a frame in place; what comes out is [`LOOK_AHEAD_SAMPLES`] late.
    pub fn process(&mut self, frame: &mut Frame) {
        let (mut loudest, is_clean) = measure(frame);
        if !is_clean {
            clean(frame);
            loudest = measure(frame).0;
        }
        if loudest <= CEILING && self.gain == 1.0 && self.needed == [1.0; HOLD_BLOCKS] {
            self.pass(frame);
            return;
        }
        for block in frame.as_chunks_mut::<LOOK_AHEAD_SAMPLES>().0 {
            let (peak, _) = measure(block);
            let needed = if peak > CEILING { CEILING / peak } else { 1.0 };
            self.limit(needed, block);
        }
    }

    /// Delays a frame: nearly always nothing is loud, and nothing was.
    fn pass(&mut self, frame: &mut Frame) {
        let first = self.held;
        let (early, late) = frame.split_at(FRAME_SAMPLES - LOOK_AHEAD_SAMPLES);
        self.held.copy_from_slice(late);
        let early = early.len();
        frame.copy_within(..early, LOOK_AHEAD_SAMPLES);
        frame[..LOOK_AHEAD_SAMPLES].copy_from_slice(&first);
    }

    /// Exchanges a block for the one before it, limited.
    fn limit(&mut self, needed: f32, block: &mut [f32; LOOK_AHEAD_SAMPLES]) {
        let held = self.needed.iter().copied().fold(needed, f32::min);
        let recovered = self.gain + (1.0 - self.gain) * RELEASE_PER_BLOCK;
        let next = held.min(recovered);

        std::mem::swap(&mut self.held, block);
        let start = self.gain;
        let step = (next - start) / LOOK_AHEAD_SAMPLES as f32;
        for (index, sample) in (0_u16..).zip(block.iter_mut()) {
            let limited = *sample * (start + step * f32::from(index));
            // Only what rounding adds is cut off here.
            *sample = limited.clamp(-CEILING, CEILING);
        }
        self.needed.rotate_left(1);
        if let Some(newest) = self.needed.last_mut() {
            *newest = needed;
        }
        self.gain = if next > 0.999_9 { 1.0 } else { next };
    }
}

/// The peak of samples, in whole vectors of [`LANES`], and whether all of them are sound.
fn measure(samples: &[f32]) -> (f32, bool) {
    let mut peaks = [0.0_f32; LANES];
    let mut sums = [0.0_f32; LANES];
    for samples in samples.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let distance = samples[lane].abs();
            // This comparison passes over NaN, …
            if distance > peaks[lane] {
                peaks[lane] = distance;
            }
            // … and this sum does not.
            sums[lane] += distance;
        }
    }
    let peak = peaks.into_iter().fold(0.0, f32::max);
    (
        peak,
        peak <= LOUDEST && !sums.iter().any(|sum| sum.is_nan()),
    )
}

/// Silences what is no sound: neither NaN nor infinity poisons everybody's mix.
fn clean(frame: &mut Frame) {
    for sample in frame {
        if sample.is_nan() || sample.abs() > LOUDEST {
            *sample = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::peak;
    use crate::input::signals::{self, Signal, speech};

    /// The part of a tone that is not the tone, after a second of it.
    fn distortion(hz: f32, amplitude: f32) -> f64 {
        let mut limiter = Limiter::default();
        let mut tone = signals::sine(hz, 20.0 * (amplitude / std::f32::consts::SQRT_2).log10());
        let mut out = Vec::new();
        for index in 0..100 {
            let mut frame = tone.frame();
            limiter.process(&mut frame);
            if index >= 50 {
                out.extend(frame.iter().map(|sample| f64::from(*sample)));
            }
        }
        // One second, in which every whole frequency has whole periods.
        let (mut sine, mut cosine, mut all) = (0.0, 0.0, 0.0);
        for (index, sample) in out.iter().enumerate() {
            let (sin, cos) =
                (std::f64::consts::TAU * f64::from(hz) * index as f64 / 48_000.0).sin_cos();
            sine += sample * sin;
            cosine += sample * cos;
            all += sample * sample;
        }
        let tone = 2.0 * (sine * sine + cosine * cosine) / out.len() as f64;
        ((all - tone).max(0.0) / tone).sqrt()
    }

    #[test]
    fn a_tone_twelve_decibels_too_loud_is_distorted_by_less_than_three_percent() {
        for hz in [40.0, 50.0, 100.0, 133.0, 440.0, 997.0, 3_001.0] {
            let distortion = distortion(hz, CEILING * 4.0);
            assert!(distortion < 0.003, "{hz} Hz: {distortion}");
        }
    }

    #[test]
    fn twelve_talkers_at_once_are_neither_cut_off_nor_bent() {
        let mut limiter = Limiter::default();
        let mut talkers: Vec<Signal> = (1..=12).map(|seed| speech(-6.0, seed)).collect();
        let mut all = Vec::new();
        for _ in 0..250 {
            let mut frame = [0.0; FRAME_SAMPLES];
            for talker in &mut talkers {
                for (sum, sample) in frame.iter_mut().zip(talker.frame()) {
                    *sum += sample;
                }
            }
            let before = frame;
            limiter.process(&mut frame);
            assert!(peak(&frame) <= CEILING);
            // The sign of a sample that wraps is wrong.
            for (before, after) in before.iter().zip(&frame[LOOK_AHEAD_SAMPLES..]) {
                assert!(before * after >= 0.0);
                assert!(after.abs() <= before.abs());
            }
            all.extend_from_slice(&frame);
        }
        let level = signals::dbov(&all);
        assert!(level > -20.0, "the limiter must not mute: {level}");
    }

    #[test]
    fn a_peak_is_forgotten_after_a_fraction_of_a_second() {
        let mut limiter = Limiter::default();
        limiter.process(&mut [4.0; FRAME_SAMPLES]);
        let mut frame = [0.0; FRAME_SAMPLES];
        for _ in 0..50 {
            frame = [0.5; FRAME_SAMPLES];
            limiter.process(&mut frame);
        }
        assert_eq!(frame, [0.5; FRAME_SAMPLES]);
    }

    #[test]
    fn crafted_mixes_never_exceed_the_ceiling() {
        let crafted: [fn(usize) -> f32; 7] = [
            |at| if at % 96 < 48 { 12.0 } else { -12.0 },
            |_| 3.0,
            |_| f32::NAN,
            |at| {
                if at % 2 == 0 {
                    f32::INFINITY
                } else {
                    f32::NEG_INFINITY
                }
            },
            |at| if at % 7 == 0 { f32::MAX } else { 0.9 },
            |at| if at % 997 == 0 { 900_000.0 } else { 0.1 },
            |at| (at % 1_301) as f32 * if at % 2 == 0 { 1.0 } else { -1.0 },
        ];
        for (which, make) in crafted.into_iter().enumerate() {
            let mut limiter = Limiter::default();
            for index in 0..50 {
                let mut frame = std::array::from_fn(|at| make(index * FRAME_SAMPLES + at));
                limiter.process(&mut frame);
                let fits = frame.iter().all(|sample| sample.abs() <= CEILING);
                assert!(fits, "crafted mix {which}");
            }
            limiter.process(&mut [0.0; FRAME_SAMPLES]);
            let mut frame = [0.0; FRAME_SAMPLES];
            limiter.process(&mut frame);
            assert!(peak(&frame) == 0.0);
        }
    }

    fn sine(amplitude: f32, frame: usize) -> Frame {
        std::array::from_fn(|i| {
            let t = (frame * FRAME_SAMPLES + i) as f32 / 48_000.0;
            amplitude * (t * 440.0 * std::f32::consts::TAU).sin()
        })
    }

    #[test]
    fn a_quiet_signal_passes_unchanged_but_for_the_delay() {
        let mut limiter = Limiter::default();
        let first = sine(0.5, 0);
        let mut out = first;
        limiter.process(&mut out);
        assert_eq!(
            out[LOOK_AHEAD_SAMPLES..],
            first[..FRAME_SAMPLES - LOOK_AHEAD_SAMPLES]
        );
    }

    #[test]
    fn twelve_loud_talkers_neither_wrap_nor_exceed_the_ceiling() {
        let mut limiter = Limiter::default();
        let mut loudest = 0.0_f32;
        for index in 0..200 {
            let mut frame = sine(6.0, index);
            limiter.process(&mut frame);
            loudest = frame
                .iter()
                .fold(loudest, |peak, sample| peak.max(sample.abs()));
        }
        assert!(loudest <= CEILING + 1e-4, "{loudest}");
        assert!(loudest > 0.8, "the limiter must not mute: {loudest}");
    }

    #[test]
    fn the_ways_of_a_quiet_and_a_loud_frame_join_without_a_seam() {
        let mut limiter = Limiter::default();
        let mut tone = signals::sine(440.0, -9.0);
        let mut said = Vec::new();
        let mut heard = Vec::new();
        for index in 0..400 {
            let mut frame = tone.frame();
            if index % 100 == 0 {
                frame[123] = -1.5;
            }
            said.extend_from_slice(&frame);
            limiter.process(&mut frame);
            heard.extend_from_slice(&frame);
        }
        let late = &heard[LOOK_AHEAD_SAMPLES..];
        let mut last = 1.0_f32;
        for (&before, &after) in said.iter().zip(late) {
            if before.abs() > 1e-3 {
                let gain = after / before;
                assert!((gain - last).abs() < 0.03, "{last} {gain}");
                last = gain;
            }
        }
        assert_eq!(late[late.len() - 900..], said[late.len() - 900..late.len()]);
    }

    #[test]
    fn a_sudden_peak_makes_no_step_in_the_gain() {
        let mut limiter = Limiter::default();
        let mut last = 0.0;
        let mut largest_step = 0.0_f32;
        for index in 0..20 {
            let level = if index == 10 { 3.0 } else { 0.5 };
            let mut frame = [level; FRAME_SAMPLES];
            limiter.process(&mut frame);
            for (at, &sample) in frame.iter().enumerate() {
                let delayed_input_steps = (index == 10 || index == 11) && at == LOOK_AHEAD_SAMPLES;
                if index > 0 && !delayed_input_steps {
                    largest_step = largest_step.max(f32::abs(sample - last));
                }
                last = sample;
            }
        }
        assert!(largest_step < 0.03, "{largest_step}");
    }

    #[test]
    fn a_poisoned_sample_silences_itself_only() {
        let mut limiter = Limiter::default();
        let mut frame = [0.25; FRAME_SAMPLES];
        frame[7] = f32::NAN;
        frame[9] = f32::INFINITY;
        limiter.process(&mut frame);
        assert!(frame.iter().all(|sample| sample.is_finite()));
        assert_eq!(frame[LOOK_AHEAD_SAMPLES + 8], 0.25);
    }
}
