//! Gains that change without a click.

use crate::frame::{FRAME_SAMPLES, Frame};

/// How long a full change takes, in samples: 10 ms.
const RAMP_SAMPLES: f32 = 480.0;

/// A gain between 0 and 1 that moves to its target over 10 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    gain: f32,
    target: f32,
}

impl Ramp {
    /// Starts at rest.
    pub fn resting_at(gain: f32) -> Ramp {
        Ramp { gain, target: gain }
    }

    /// Moves towards 1 or 0 from the next sample on.
    pub fn turn(&mut self, on: bool) {
        self.target = if on { 1.0 } else { 0.0 };
    }

    /// Whether nothing passes, and nothing will.
    pub fn is_closed(&self) -> bool {
        self.gain == 0.0 && self.target == 0.0
    }

    /// Whether everything passes unchanged.
    pub fn is_open(&self) -> bool {
        self.gain == 1.0 && self.target == 1.0
    }

    /// Whether the gain is where it is to be.
    pub fn is_at_rest(&self) -> bool {
        self.gain == self.target
    }

    /// Lets a silent frame pass: the gain arrives where it was on its way to.
    pub fn pass(&mut self) {
        self.gain = self.target;
    }

    /// Applies the gain to a frame and moves on.
    pub fn apply(&mut self, frame: &mut Frame) {
        if self.is_open() {
            return;
        }
        if self.is_closed() {
            frame.fill(0.0);
            return;
        }
        let step = (self.target - self.gain).signum() / RAMP_SAMPLES;
        for sample in frame.iter_mut() {
            if self.gain != self.target {
                let next = self.gain + step;
                let passed = (step > 0.0) == (next >= self.target);
                self.gain = if passed { self.target } else { next };
            }
            *sample *= self.gain;
        }
    }
}

/// A gain of any size that moves to each frame's target along a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameGain {
    factor: f32,
}

impl Default for FrameGain {
    fn default() -> FrameGain {
        FrameGain { factor: 1.0 }
    }
}

impl FrameGain {
    /// Applies the gain to a frame; its last sample has the target's.
    pub fn apply(&mut self, target: f32, frame: &mut Frame) {
        let start = self.factor;
        self.factor = target;
        if start == target {
            if target != 1.0 {
                for sample in frame.iter_mut() {
                    *sample *= target;
                }
            }
            return;
        }
        let step = (target - start) / FRAME_SAMPLES as f32;
        for (index, sample) in (1_u16..).zip(frame.iter_mut()) {
            *sample *= start + step * f32::from(index);
        }
    }

    /// Takes the target at once, where there is nothing that could click.
    pub fn jump(&mut self, target: f32) {
        self.factor = target;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_reaches_its_target_within_the_frame_and_has_no_step() {
        let mut gain = FrameGain::default();
        let mut all = Vec::new();
        for target in [1.0, 4.0, 4.0, 0.25] {
            let mut frame = [1.0; FRAME_SAMPLES];
            gain.apply(target, &mut frame);
            assert!((frame[FRAME_SAMPLES - 1] - target).abs() < 1e-5);
            all.extend_from_slice(&frame);
        }
        assert!(all.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 0.004));
        assert!(all[..FRAME_SAMPLES].iter().all(|sample| *sample == 1.0));
        gain.jump(1.0);
        let mut frame = [0.3; FRAME_SAMPLES];
        gain.apply(1.0, &mut frame);
        assert_eq!(frame, [0.3; FRAME_SAMPLES]);
    }

    #[test]
    fn a_turn_takes_ten_milliseconds_and_has_no_step() {
        let mut ramp = Ramp::resting_at(1.0);
        ramp.turn(false);
        let mut frame = [1.0; FRAME_SAMPLES];
        ramp.apply(&mut frame);
        assert!(
            frame
                .windows(2)
                .all(|pair| (pair[0] - pair[1]).abs() < 0.003)
        );
        assert!(frame[470] > 0.0 && frame[482] == 0.0);
        assert!(ramp.is_closed());
        ramp.turn(true);
        let mut frame = [1.0; FRAME_SAMPLES];
        ramp.apply(&mut frame);
        assert!(frame[0] < 0.01 && frame[482] == 1.0 && ramp.is_open());
    }
}
