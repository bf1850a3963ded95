//! Keeps a mix below full scale without clipping it.

use crate::frame::{FRAME_SAMPLES, Frame};

/// The loudest sample that leaves a limiter: −1 dBFS.
pub const CEILING: f32 = 0.891_250_9;

/// The look-ahead, and so the delay, in samples: 2.5 ms.
pub const LOOK_AHEAD_SAMPLES: usize = 120;

const BLOCKS: usize = FRAME_SAMPLES / LOOK_AHEAD_SAMPLES;

/// How far the gain recovers in one block, as a part of what is missing to 1: about 80 ms.
const RELEASE_PER_BLOCK: f32 = 0.03;

/// A look-ahead limiter that works in blocks of [`LOOK_AHEAD_SAMPLES`].
///
/// The gain runs linearly through each block between two values that both suit the block's peak, so
/// no sample exceeds [`CEILING`] and no step is heard. It allocates nothing, and copying one
/// continues the same signal elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Limiter {
    /// The block that waits for its successor's peak.
    held: [f32; LOOK_AHEAD_SAMPLES],
    /// The gain that suits `held`.
    held_gain: f32,
    /// The gain at the start of `held`.
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Limiter {
        Limiter {
            held: [0.0; LOOK_AHEAD_SAMPLES],
            held_gain: 1.0,
            gain: 1.0,
        }
    }
}

impl Limiter {
    /// Limits a frame in place; what comes out is [`LOOK_AHEAD_SAMPLES`] late.
    pub fn process(&mut self, frame: &mut Frame) {
        for block in 0..BLOCKS {
            let span = block * LOOK_AHEAD_SAMPLES..(block + 1) * LOOK_AHEAD_SAMPLES;
            let Some(incoming) = frame.get_mut(span) else {
                return;
            };
            self.process_block(incoming);
        }
    }

    fn process_block(&mut self, block: &mut [f32]) {
        let mut peak = 0.0_f32;
        for sample in block.iter_mut() {
            // A NaN or an infinity from a decoder must not poison everybody's mix.
            if !sample.is_finite() {
                *sample = 0.0;
            }
            peak = peak.max(sample.abs());
        }
        let needed = if peak > CEILING { CEILING / peak } else { 1.0 };
        let recovered = self.gain + (1.0 - self.gain) * RELEASE_PER_BLOCK;
        let next = self.held_gain.min(needed).min(recovered);

        let step = (next - self.gain) / LOOK_AHEAD_SAMPLES as f32;
        if step == 0.0 && next == 1.0 {
            for (held, sample) in self.held.iter_mut().zip(block.iter_mut()) {
                std::mem::swap(held, sample);
            }
        } else {
            let mut gain = self.gain;
            for (held, sample) in self.held.iter_mut().zip(block.iter_mut()) {
                std::mem::swap(held, sample);
                *sample *= gain;
                gain += step;
            }
        }
        self.held_gain = needed;
        self.gain = if next > 0.999_9 { 1.0 } else { next };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
