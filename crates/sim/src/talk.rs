//! Something that sounds enough like speech to be levelled, encoded and concealed as speech is.

use std::f64::consts::TAU;

use tutti_media::{Audio, SAMPLE_RATE_HZ};

use crate::random::Random;

const RATE: f64 = SAMPLE_RATE_HZ as f64;

/// The first three formants of five vowels, in hertz.
const VOWELS: [[f64; 3]; 5] = [
    [730.0, 1_090.0, 2_440.0],
    [530.0, 1_840.0, 2_480.0],
    [270.0, 2_290.0, 3_010.0],
    [570.0, 840.0, 2_410.0],
    [300.0, 870.0, 2_240.0],
];

/// How wide and how loud formants are.
const BANDWIDTHS: [f64; 3] = [80.0, 100.0, 140.0];
const WEIGHTS: [f64; 3] = [1.0, 0.5, 0.25];

/// Below this, relative to the loudest 20 ms, nobody speaks.
const ACTIVE_DB: f64 = -25.0;

/// Somebody who talks on and on: syllables of voiced and unvoiced sound in phrases with pauses.
pub struct Talk {
    random: Random,
    pitch_hz: f64,
    /// How much higher than usual the present syllable is: nobody says two alike.
    higher: f64,
    turn: f64,
    vowel: [f64; 3],
    next_vowel: [f64; 3],
    resonators: [Resonator; 3],
    hiss: Resonator,
    /// Samples of the present syllable that are over, and how long it is.
    at: usize,
    length: usize,
    /// Syllables until the next pause.
    phrase: usize,
    kind: Syllable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syllable {
    Voiced,
    /// It begins with an unvoiced consonant.
    Consonant,
    Pause,
}

#[derive(Debug, Clone, Copy, Default)]
struct Resonator {
    last: f64,
    before: f64,
}

impl Resonator {
    /// Passes what is near a frequency, at a gain of about one.
    fn pass(&mut self, input: f64, hz: f64, bandwidth_hz: f64) -> f64 {
        let radius = (-std::f64::consts::PI * bandwidth_hz / RATE).exp();
        let cos = (TAU * hz / RATE).cos();
        let gain = (1.0 - radius)
            * (1.0 - 2.0 * radius * (2.0 * cos * cos - 1.0) + radius * radius).sqrt();
        let output = gain * input + 2.0 * radius * cos * self.last - radius * radius * self.before;
        self.before = self.last;
        self.last = output;
        output
    }
}

impl Talk {
    /// A voice of this pitch that is about to begin.
    pub fn new(random: Random, pitch_hz: f32) -> Talk {
        Talk {
            random,
            pitch_hz: f64::from(pitch_hz),
            higher: 1.0,
            turn: 0.0,
            vowel: VOWELS[0],
            next_vowel: VOWELS[1],
            resonators: [Resonator::default(); 3],
            hiss: Resonator::default(),
            at: 0,
            length: 0,
            phrase: 8,
            kind: Syllable::Voiced,
        }
    }

    /// The next seconds of it, at this level while it speaks (RMS in dBov).
    pub fn seconds(&mut self, seconds: f32, dbov: f32) -> Audio {
        let count = (f64::from(seconds) * RATE) as usize;
        let raw: Vec<f64> = (0..count).map(|_| self.sample()).collect();
        let gain = 10_f64.powf(f64::from(dbov) / 20.0) / active_rms(&raw).max(1e-9);
        raw.iter()
            .map(|sample| (sample * gain).clamp(-0.99, 0.99) as f32)
            .collect()
    }

    fn sample(&mut self) -> f64 {
        if self.at >= self.length {
            self.next_syllable();
        }
        let through = self.at as f64 / self.length as f64;
        self.at += 1;
        if self.kind == Syllable::Pause {
            return self.formants(0.0, through);
        }
        // Up within 30 ms, down over the last third.
        let rise = (self.at as f64 / (0.03 * RATE)).min(1.0);
        let fall = ((1.0 - through) * 3.0).min(1.0);
        let envelope = rise * fall;
        if self.kind == Syllable::Consonant && through < 0.25 {
            let noise = self.random.fraction() * 2.0 - 1.0;
            return 0.8 * envelope * self.hiss.pass(noise, 3_800.0, 1_800.0)
                + self.formants(0.0, through);
        }
        let hz = self.pitch_hz * self.higher * (1.08 - 0.16 * through);
        self.turn = (self.turn + hz / RATE).fract();
        // A saw is as rich in harmonics as a glottis is.
        let glottis = 1.0 - 2.0 * self.turn;
        self.formants(envelope * glottis, through)
    }

    fn formants(&mut self, input: f64, through: f64) -> f64 {
        let mut sum = 0.0;
        for (number, resonator) in self.resonators.iter_mut().enumerate() {
            let hz = self.vowel[number] + (self.next_vowel[number] - self.vowel[number]) * through;
            sum += WEIGHTS[number] * resonator.pass(input, hz, BANDWIDTHS[number]);
        }
        sum
    }

    fn next_syllable(&mut self) {
        self.at = 0;
        self.vowel = self.next_vowel;
        self.higher = 0.8 + 0.4 * self.random.fraction();
        self.next_vowel = VOWELS[self.random.below(VOWELS.len())];
        let (kind, shortest, longest) = if self.phrase == 0 {
            self.phrase = 5 + self.random.below(8);
            (Syllable::Pause, 0.3, 0.7)
        } else {
            self.phrase -= 1;
            let kind = if self.random.chance(0.5) {
                Syllable::Consonant
            } else {
                Syllable::Voiced
            };
            (kind, 0.15, 0.3)
        };
        self.kind = kind;
        let seconds = shortest + (longest - shortest) * self.random.fraction();
        self.length = (seconds * RATE) as usize;
    }
}

/// The RMS of those 20 ms in which somebody speaks.
pub fn active_rms(samples: &[f64]) -> f64 {
    let energies: Vec<f64> = samples
        .chunks(960)
        .map(|part| part.iter().map(|sample| sample * sample).sum::<f64>() / part.len() as f64)
        .collect();
    let loudest = energies.iter().copied().fold(0.0, f64::max);
    let floor = loudest * 10_f64.powf(ACTIVE_DB / 10.0);
    let active: Vec<f64> = energies
        .into_iter()
        .filter(|energy| *energy > floor)
        .collect();
    (active.iter().sum::<f64>() / active.len().max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_talks_and_pauses_at_the_level_that_was_asked_for() {
        let talk = Talk::new(Random::new(1), 120.0).seconds(20.0, -26.0);
        let samples: Vec<f64> = talk.iter().map(|sample| f64::from(*sample)).collect();
        let level_db = 20.0 * active_rms(&samples).log10();
        assert!((level_db + 26.0).abs() < 0.5, "{level_db}");
        let silent = talk
            .chunks(960)
            .filter(|part| part.iter().all(|sample| sample.abs() < 1e-3))
            .count();
        assert!((30..500).contains(&silent), "{silent} of 1,000 frames");
    }
}
