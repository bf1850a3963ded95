//! Takes out what no ear can hear: the constant part of a voice, and samples that are no sound.

use crate::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};

/// Where the high-pass takes 3 dB, in hertz; at 100 Hz it takes 0.1 dB.
const CORNER_HZ: f64 = 15.0;

/// The loudest sample that a decoder can mean; whatever is beyond is broken, and silenced.
const LOUDEST: f32 = 8.0;

/// The mean square below which a frame is nothing: −100 dBov, a third of a 16-bit step.
const NOTHING: f32 = 1e-10;

/// The smallest output that is remembered: smaller ones only slow the processor down.
const SMALLEST: f32 = 1e-12;

/// How many samples the recursion advances at once.
const LANES: usize = 8;

/// A one-pole high-pass, y\[n\] = x\[n\] − x\[n−1\] + a·y\[n−1\], that comes to rest at exactly 0.
///
/// Written with the recursion unrolled eight samples into the past, so that eight outputs are
/// computed side by side and none waits for its neighbour.
#[derive(Debug, Clone, Copy)]
pub struct DcBlocker {
    /// The last samples that came in.
    inputs: [f32; LANES],
    /// The last samples that went out.
    outputs: [f32; LANES],
    /// The pole and its second, fourth and eighth power.
    pole: [f32; 4],
    /// What makes the highest frequency pass unchanged.
    gain: f32,
}

impl Default for DcBlocker {
    fn default() -> DcBlocker {
        let pole = (-std::f64::consts::TAU * CORNER_HZ / f64::from(SAMPLE_RATE_HZ)).exp();
        DcBlocker {
            inputs: [0.0; LANES],
            outputs: [0.0; LANES],
            pole: [1, 2, 4, 8].map(|power| pole.powi(power) as f32),
            gain: ((1.0 + pole) / 2.0) as f32,
        }
    }
}

impl DcBlocker {
    /// Whether silence would come out as silence.
    pub fn is_at_rest(&self) -> bool {
        self.inputs == [0.0; LANES] && self.outputs == [0.0; LANES]
    }

    /// Filters a frame in place and returns the mean square of what it has become.
    ///
    /// A mean square of 0 means that every sample is exactly 0.
    pub fn process(&mut self, frame: &mut Frame) -> f32 {
        // Each stage looks into the past as far as it doubles the step of the recursion.
        let mut input = [0.0; FRAME_SAMPLES + LANES];
        let (past, present) = input.split_at_mut(LANES);
        past.copy_from_slice(&self.inputs);
        for (kept, &sample) in present.iter_mut().zip(frame.iter()) {
            // A comparison with NaN is false, so this silences NaN and infinities as well.
            *kept = if sample.abs() <= LOUDEST { sample } else { 0.0 };
        }
        self.inputs
            .copy_from_slice(&present[FRAME_SAMPLES - LANES..]);

        let [one, two, four, eight] = self.pole;
        let mut differences = [0.0; FRAME_SAMPLES + 7];
        for (index, difference) in differences.iter_mut().enumerate() {
            *difference = (input[index + 1] - input[index]) * self.gain;
        }
        let mut pairs = [0.0; FRAME_SAMPLES + 6];
        for (index, pair) in pairs.iter_mut().enumerate() {
            *pair = differences[index + 1] + one * differences[index];
        }
        let mut fours = [0.0; FRAME_SAMPLES + 4];
        for (index, sum) in fours.iter_mut().enumerate() {
            *sum = pairs[index + 2] + two * pairs[index];
        }
        for (index, sum) in frame.iter_mut().enumerate() {
            *sum = fours[index + 4] + four * fours[index];
        }

        let mut last = self.outputs;
        let mut squares = [0.0_f32; LANES];
        for samples in frame.as_chunks_mut::<LANES>().0 {
            for lane in 0..LANES {
                last[lane] = samples[lane] + eight * last[lane];
                squares[lane] += last[lane] * last[lane];
            }
            *samples = last;
        }
        self.outputs = last.map(|sample| if sample.abs() < SMALLEST { 0.0 } else { sample });

        let mean_square = squares.iter().sum::<f32>() / FRAME_SAMPLES as f32;
        if mean_square < NOTHING {
            frame.fill(0.0);
            if self.inputs == [0.0; LANES] {
                self.outputs = [0.0; LANES];
            }
            return 0.0;
        }
        mean_square
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{from_i16, rms};
    use crate::input::signals::{Signal, dbov, sine};

    #[test]
    fn what_can_be_heard_passes_with_its_level() {
        for hz in [100.0, 300.0, 1_000.0, 3_400.0, 12_000.0] {
            let mut blocker = DcBlocker::default();
            let mut tone = sine(hz, -20.0);
            let mut level = 0.0;
            for _ in 0..20 {
                let mut frame = tone.frame();
                let mean_square = blocker.process(&mut frame);
                assert!((mean_square.sqrt() - rms(&frame)).abs() < 1e-5);
                level = dbov(&frame);
            }
            assert!((level + 20.0).abs() < 0.15, "{hz} Hz: {level}");
        }
    }

    #[test]
    fn it_is_the_one_pole_high_pass_that_it_claims_to_be() {
        let mut blocker = DcBlocker::default();
        let (pole, gain) = (f64::from(blocker.pole[0]), f64::from(blocker.gain));
        let mut noise = Signal::white(-12.0, 5);
        let (mut last_in, mut last_out) = (0.0_f64, 0.0_f64);
        for _ in 0..10 {
            let mut frame = noise.frame();
            let before = frame;
            blocker.process(&mut frame);
            for (&x, &y) in before.iter().zip(&frame) {
                let expected = gain * (f64::from(x) - last_in) + pole * last_out;
                (last_in, last_out) = (f64::from(x), expected);
                assert!((f64::from(y) - expected).abs() < 1e-5, "{y} {expected}");
            }
        }
    }

    #[test]
    fn an_idle_a_law_line_becomes_exact_silence_within_a_tenth_of_a_second() {
        let mut blocker = DcBlocker::default();
        for index in 0..20 {
            let mut frame = [from_i16(8); FRAME_SAMPLES];
            let mean_square = blocker.process(&mut frame);
            if index >= 5 {
                assert_eq!(frame, [0.0; FRAME_SAMPLES]);
                assert!(mean_square == 0.0);
            }
        }
    }

    #[test]
    fn silence_after_any_sound_brings_it_to_rest() {
        let mut blocker = DcBlocker::default();
        let mut offset = sine(300.0, -6.0);
        for _ in 0..10 {
            let mut frame = offset.frame().map(|sample| sample + 0.8);
            blocker.process(&mut frame);
        }
        assert!(!blocker.is_at_rest());
        let mut last = None;
        for _ in 0..10 {
            let mut frame = [0.0; FRAME_SAMPLES];
            blocker.process(&mut frame);
            // The constant part fades; it does not jump.
            assert!(
                frame
                    .windows(2)
                    .all(|pair| (pair[0] - pair[1]).abs() < 2.5e-3)
            );
            last = frame.last().copied();
        }
        assert_eq!(last, Some(0.0));
        assert!(blocker.is_at_rest());
    }

    #[test]
    fn samples_that_are_no_sound_are_silenced() {
        let mut blocker = DcBlocker::default();
        for _ in 0..5 {
            let mut frame: Frame = std::array::from_fn(|index| match index % 4 {
                0 => f32::INFINITY,
                1 => f32::NEG_INFINITY,
                2 => f32::NAN,
                _ => f32::MAX,
            });
            assert!(blocker.process(&mut frame) == 0.0);
            assert_eq!(frame, [0.0; FRAME_SAMPLES]);
        }
        let mut frame = [0.0; FRAME_SAMPLES];
        frame[100] = f32::NAN;
        frame[200] = 0.5;
        blocker.process(&mut frame);
        assert!((frame[200] - 0.5).abs() < 0.001);
        assert!(frame.iter().all(|sample| sample.is_finite()));
    }
}
