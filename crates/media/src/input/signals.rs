//! Voices and noises for tests: made from numbers, the same in every run.

use std::f32::consts::TAU;

use crate::frame::{Frame, rms};

const RATE: f32 = 48_000.0;

/// A signal without end.
pub struct Signal {
    next: Box<dyn FnMut() -> f32>,
}

impl Signal {
    fn new(next: impl FnMut() -> f32 + 'static) -> Signal {
        Signal {
            next: Box::new(next),
        }
    }

    /// The next 20 ms.
    pub fn frame(&mut self) -> Frame {
        std::array::from_fn(|_| (self.next)())
    }

    /// Both at once.
    pub fn over(mut self, mut other: Signal) -> Signal {
        Signal::new(move || (self.next)() + (other.next)())
    }

    /// Noise with the same power at all frequencies.
    pub fn white(level_dbov: f32, seed: u32) -> Signal {
        let mut random = Random(seed);
        Signal::new(move || random.next()).at(level_dbov)
    }

    /// Noise that loses 3 dB per octave (Kellet's sum of one-poles).
    pub fn pink(level_dbov: f32, seed: u32) -> Signal {
        let mut random = Random(seed);
        let mut state = [0.0_f32; 3];
        Signal::new(move || {
            let white = random.next();
            state[0] = 0.997_65 * state[0] + 0.099_046 * white;
            state[1] = 0.963 * state[1] + 0.296_516_4 * white;
            state[2] = 0.57 * state[2] + 1.052_691_3 * white;
            state[0] + state[1] + state[2] + 0.184_8 * white
        })
        .at(level_dbov)
    }

    /// A fan: noise below some 600 Hz, and the blades' whirr.
    pub fn fan(level_dbov: f32, seed: u32) -> Signal {
        let mut random = Random(seed);
        let mut state = [0.0_f32; 2];
        let mut phase = 0.0_f32;
        Signal::new(move || {
            state[0] += 0.08 * (random.next() - state[0]);
            state[1] += 0.08 * (state[0] - state[1]);
            phase = (phase + TAU * 130.0 / RATE) % TAU;
            state[1] + 0.05 * phase.sin()
        })
        .at(level_dbov)
    }

    /// The same with a level of so many dBov over its first five seconds.
    fn at(mut self, level_dbov: f32) -> Signal {
        let mut first: Vec<f32> = (0..240_000).map(|_| (self.next)()).collect();
        let factor = 10.0_f32.powf(level_dbov / 20.0) / rms(&first);
        let mut index = 0;
        Signal::new(move || {
            let sample = match first.get(index) {
                Some(sample) => *sample,
                None => {
                    first.clear();
                    (self.next)()
                }
            };
            index = index.saturating_add(1);
            sample * factor
        })
    }
}

/// A tone.
pub fn sine(hz: f32, level_dbov: f32) -> Signal {
    let amplitude = 10.0_f32.powf(level_dbov / 20.0) * std::f32::consts::SQRT_2;
    let mut phase = 0.0_f64;
    let step = std::f64::consts::TAU * f64::from(hz) / f64::from(RATE);
    Signal::new(move || {
        phase = (phase + step) % std::f64::consts::TAU;
        amplitude * phase.sin() as f32
    })
}

/// Something like speech without long pauses: harmonics of a gliding pitch under two formants, four
/// to five syllables a second, every fifth one a hiss.
pub fn speech(level_dbov: f32, seed: u32) -> Signal {
    let mut random = Random(seed);
    let mut at = 0_usize;
    let mut length = 10_000_usize;
    let mut syllable = 0_u32;
    let (mut pitch, mut glide) = (120.0_f32, 0.0_f32);
    let (mut first, mut second) = (500.0_f32, 1_500.0_f32);
    let mut phase = 0.0_f32;
    Signal::new(move || {
        if at >= length {
            at = 0;
            syllable += 1;
            length = 9_500 + (random.next().abs() * 2_500.0) as usize;
            pitch = 100.0 + random.next().abs() * 60.0;
            glide = random.next() * 30.0;
            first = 350.0 + random.next().abs() * 400.0;
            second = 1_100.0 + random.next().abs() * 1_100.0;
        }
        let place = at as f32 / length as f32;
        at += 1;
        let swing = if place < 0.1 {
            (place * 10.0 * TAU / 4.0).sin()
        } else {
            ((place - 0.1) / 0.9 * TAU / 4.0).cos()
        };
        let envelope = swing * swing + 0.02;
        if syllable % 5 == 4 {
            return envelope * 0.6 * random.next();
        }
        phase = (phase + TAU * (pitch + glide * place) / RATE) % TAU;
        let voiced: f32 = (1..=24)
            .map(|harmonic| {
                let hz = pitch * harmonic as f32;
                let formant = |centre: f32| 1.0 / (1.0 + ((hz - centre) / 120.0).powi(2));
                (formant(first) + 0.4 * formant(second) + 0.02) * (phase * harmonic as f32).sin()
            })
            .sum();
        envelope * voiced
    })
    .at(level_dbov)
}

/// The level of samples.
pub fn dbov(samples: &[f32]) -> f32 {
    20.0 * rms(samples).max(1e-9).log10()
}

/// Numbers between −1 and 1 that look random (a linear congruential generator).
struct Random(u32);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }
}
