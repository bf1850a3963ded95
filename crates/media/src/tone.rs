//! The sound of keys (ITU-T Q.23), for peers that read no telephone events.

use std::f64::consts::TAU;

use tutti_model::Digit;

use crate::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};
use crate::rtp::Press;

/// Peak of the lower tone: −10 dBm0, where a sine at full scale has 3.17 dBm0 (ITU-T G.711).
const LOW_PEAK: f32 = 0.2195;

/// Peak of the upper tone: −8 dBm0, since lines weaken high pitches more (ITU-T Q.24's twist).
const HIGH_PEAK: f32 = 0.2763;

/// How long a tone takes to come and to go, in samples: 5 ms.
const EDGE_SAMPLES: usize = 240;

/// The rows and columns of the keypad, in hertz.
const LOW_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];

/// Adds the part of a key's sound that belongs to this tick to what a leg hears.
///
/// It needs nothing from earlier ticks: the tones go on from frame to frame without a step.
pub fn add_key_tone(press: Press, frame: &mut Frame) {
    let Some(held) = press.sounding() else { return };
    let (low_hz, high_hz) = tones_hz(press.digit);
    let elapsed = held as usize * FRAME_SAMPLES;
    let mut low = Oscillator::starting_after(elapsed, low_hz);
    let mut high = Oscillator::starting_after(elapsed, high_hz);
    for (at, sample) in frame.iter_mut().enumerate() {
        let tone = LOW_PEAK * low.next_sample() + HIGH_PEAK * high.next_sample();
        *sample += envelope(at, press) * tone;
    }
}

/// The pair of pitches of a key.
fn tones_hz(digit: Digit) -> (f64, f64) {
    let [row1, row2, row3, row4] = LOW_HZ;
    let [col1, col2, col3, col4] = HIGH_HZ;
    let low = match digit.as_char() {
        '1' | '2' | '3' | 'A' => row1,
        '4' | '5' | '6' | 'B' => row2,
        '7' | '8' | '9' | 'C' => row3,
        _ => row4,
    };
    let high = match digit.as_char() {
        '1' | '4' | '7' | '*' => col1,
        '2' | '5' | '8' | '0' => col2,
        '3' | '6' | '9' | '#' => col3,
        _ => col4,
    };
    (low, high)
}

/// How loud sample `at` of a frame is: edges at the key's first and last frame alone.
fn envelope(at: usize, press: Press) -> f32 {
    let from_start = if press.is_first() { at } else { EDGE_SAMPLES };
    let to_end = if press.is_end() {
        FRAME_SAMPLES - 1 - at
    } else {
        EDGE_SAMPLES
    };
    let edge = from_start.min(to_end).min(EDGE_SAMPLES) as f32 / EDGE_SAMPLES as f32;
    // Without a corner at either end of the edge.
    edge * edge * (3.0 - 2.0 * edge)
}

/// A sine by rotation, which costs a few multiplications a sample.
struct Oscillator {
    at: (f32, f32),
    step: (f32, f32),
}

impl Oscillator {
    fn starting_after(samples: usize, pitch_hz: f64) -> Oscillator {
        let step = TAU * pitch_hz / f64::from(SAMPLE_RATE_HZ);
        let (sin, cos) = (step * samples as f64).sin_cos();
        let (step_sin, step_cos) = step.sin_cos();
        Oscillator {
            at: (cos as f32, sin as f32),
            step: (step_cos as f32, step_sin as f32),
        }
    }

    fn next_sample(&mut self) -> f32 {
        let ((cos, sin), (step_cos, step_sin)) = (self.at, self.step);
        self.at = (
            cos * step_cos - sin * step_sin,
            cos * step_sin + sin * step_cos,
        );
        sin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::DigitSender;

    fn sound_of(key: char) -> Vec<f32> {
        let mut sender = DigitSender::default();
        assert!(sender.press(Digit::from_char(key).unwrap()));
        let mut sound = Vec::new();
        while !sender.is_idle() {
            let mut frame = [0.0; FRAME_SAMPLES];
            if let Some(press) = sender.tick() {
                add_key_tone(press, &mut frame);
            }
            sound.extend(frame);
        }
        sound
    }

    /// The peak of a pitch in 80 ms from the middle of the sound, by the Goertzel algorithm.
    fn peak_of(sound: &[f32], pitch_hz: f64) -> f64 {
        let middle = &sound[480..480 + 3_840];
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in middle.iter().enumerate() {
            let (sin, cos) = (TAU * pitch_hz * n as f64 / 48_000.0).sin_cos();
            re += f64::from(*sample) * cos;
            im += f64::from(*sample) * sin;
        }
        2.0 * re.hypot(im) / middle.len() as f64
    }

    #[test]
    fn every_key_sounds_as_its_two_tones_and_no_other() {
        let keypad = ["123A", "456B", "789C", "*0#D"];
        for (row, keys) in keypad.iter().enumerate() {
            for (column, key) in keys.chars().enumerate() {
                let sound = sound_of(key);
                for (n, pitch_hz) in LOW_HZ.into_iter().enumerate() {
                    let peak = peak_of(&sound, pitch_hz);
                    let expected = if n == row { 0.2195 } else { 0.0 };
                    assert!((peak - expected).abs() < 0.03, "{key} {pitch_hz} {peak}");
                }
                for (n, pitch_hz) in HIGH_HZ.into_iter().enumerate() {
                    let peak = peak_of(&sound, pitch_hz);
                    let expected = if n == column { 0.2763 } else { 0.0 };
                    assert!((peak - expected).abs() < 0.03, "{key} {pitch_hz} {peak}");
                }
            }
        }
    }

    #[test]
    fn a_key_sounds_for_100_ms_without_a_step() {
        for key in "0123456789*#ABCD".chars() {
            let sound = sound_of(key);
            assert_eq!(sound.len(), 8 * FRAME_SAMPLES);
            // The steepest that two sines of these peaks can be from one sample to the next.
            let steepest = TAU as f32 * (LOW_PEAK * 941.0 + HIGH_PEAK * 1_633.0) / 48_000.0;
            let step = sound
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).abs())
                .fold(0.0, f32::max);
            assert!(step <= steepest * 1.02, "{key} {step}");
            let audible: Vec<_> = (0..sound.len())
                .filter(|at| sound[*at].abs() > 0.01)
                .collect();
            assert!(*audible.first().unwrap() < 150);
            assert!((4_650..4_800).contains(audible.last().unwrap()));
        }
    }

    #[test]
    fn the_tones_are_added_to_what_is_heard() {
        let mut sender = DigitSender::default();
        assert!(sender.press(Digit::from_char('5').unwrap()));
        let press = sender.tick().unwrap();
        let (mut alone, mut with_voice) = ([0.0; FRAME_SAMPLES], [0.25; FRAME_SAMPLES]);
        add_key_tone(press, &mut alone);
        add_key_tone(press, &mut with_voice);
        for (tone, both) in alone.iter().zip(with_voice) {
            assert!((both - tone - 0.25).abs() < 1e-6);
        }
    }
}
