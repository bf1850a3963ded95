//! Whose voices are in a sound?
//!
//! An ear looks at 80 ms at a time through a Hann window and measures every voice's tone (Goertzel).
//! What it reports is the mean power over all windows: a short gap dims a voice, and hides none.

use std::fmt;

use crate::voice::{AMPLITUDE, Voice, Voices};

/// Windows that fit into a second: 80 ms each.
const WINDOWS_PER_SECOND: f32 = 12.5;

/// How far windows overlap: each begins a quarter after the one before.
const HOPS_PER_WINDOW: usize = 4;

/// How sure an ear can be of what it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clarity {
    /// Through G.711 and a network that loses nothing.
    Clear,
    /// Where repair or a lossy codec may bend tones.
    Rough,
}

impl Clarity {
    /// What is louder than this is heard, in dB relative to a voice as it is sent.
    fn audible_db(self) -> f32 {
        match self {
            Clarity::Clear => -3.0,
            Clarity::Rough => -10.0,
        }
    }

    /// What is softer than this is not heard.
    fn silent_db(self) -> f32 {
        match self {
            Clarity::Clear => -40.0,
            Clarity::Rough => -24.0,
        }
    }
}

/// A voice that is too soft to be there and too loud to be absent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unclear {
    pub voice: Voice,
    /// Relative to the voice as it is sent.
    pub level_db: f32,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the tone of {} Hz is neither there nor absent",
            self.voice.tone_hz()
        )?;
        write!(f, ": {:.1} dB", self.level_db)
    }
}

/// The voices in a sound.
///
/// # Errors
/// When a voice is neither there nor absent.
pub fn voices_in(samples: &[f32], rate_hz: u32, clarity: Clarity) -> Result<Voices, Unclear> {
    let mut heard = Voices::NONE;
    for voice in Voice::all() {
        let level_db = level_db(samples, rate_hz, voice.tone_hz());
        if level_db >= clarity.audible_db() {
            heard = heard.with(voice);
        } else if level_db > clarity.silent_db() {
            return Err(Unclear { voice, level_db });
        }
    }
    Ok(heard)
}

/// How loud a tone is in a sound, in dB relative to a voice as it is sent.
pub fn level_db(samples: &[f32], rate_hz: u32, tone_hz: f32) -> f32 {
    let window = (rate_hz as f32 / WINDOWS_PER_SECOND) as usize;
    let (mut power, mut windows) = (0.0, 0);
    for start in (0..samples.len()).step_by((window / HOPS_PER_WINDOW).max(1)) {
        if let Some(part) = samples.get(start..start + window) {
            power += amplitude(part, f64::from(tone_hz) / f64::from(rate_hz)).powi(2);
            windows += 1;
        }
    }
    let relative = power / f64::from(windows.max(1)) / f64::from(AMPLITUDE).powi(2);
    10.0 * relative.max(1e-12).log10() as f32
}

/// The peak amplitude of a tone in one window; `turns` is its share of a turn per sample.
fn amplitude(samples: &[f32], turns: f64) -> f64 {
    let step = std::f64::consts::TAU / samples.len() as f64;
    // The window's cosine comes from a rotation, like the tone's.
    let (window_sin, window_cos) = step.sin_cos();
    let (mut cos, mut sin) = (1.0_f64, 0.0_f64);
    let twice_cos = 2.0 * (turns * std::f64::consts::TAU).cos();
    let (mut last, mut before) = (0.0_f64, 0.0_f64);
    for sample in samples {
        let weight = 0.5 - 0.5 * cos;
        (cos, sin) = (
            cos * window_cos - sin * window_sin,
            sin * window_cos + cos * window_sin,
        );
        (last, before) = (
            f64::from(*sample) * weight + twice_cos * last - before,
            last,
        );
    }
    let energy = last * last + before * before - twice_cos * last * before;
    // A Hann window passes half of the amplitude.
    energy.max(0.0).sqrt() * 4.0 / samples.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::Tone;

    /// A fifth of a second of these voices together, at 48 kHz.
    fn sound(voices: Voices, amplitude: f32) -> Vec<f32> {
        let mut sum = vec![0.0; 9_600];
        for voice in Voice::all().filter(|voice| voices.has(*voice)) {
            let mut tone = Tone::new(voice.tone_hz(), amplitude);
            for (at, sample) in (0..10).flat_map(|_| tone.frame()).enumerate() {
                sum[at] += sample;
            }
        }
        sum
    }

    #[test]
    fn every_set_of_voices_is_heard_as_it_is() {
        for bits in 0..512_u32 {
            let voices: Voices = Voice::all()
                .enumerate()
                .filter(|(n, _)| bits & 1 << n != 0)
                .map(|(_, v)| v)
                .collect();
            let heard = voices_in(&sound(voices, AMPLITUDE), 48_000, Clarity::Clear);
            assert_eq!(heard, Ok(voices));
        }
    }

    #[test]
    fn a_voice_that_is_neither_there_nor_absent_is_named() {
        let voice = Voice::of_caller(3);
        let soft = sound(Voices::NONE.with(voice), AMPLITUDE / 10.0);
        let unclear = voices_in(&soft, 48_000, Clarity::Clear).unwrap_err();
        assert_eq!(unclear.voice, voice);
        assert!((unclear.level_db + 20.0).abs() < 0.1, "{unclear}");
    }

    #[test]
    fn beeps_are_no_voices() {
        for hz in tutti_media::ENTRY_TONES_HZ
            .into_iter()
            .chain(tutti_media::EXIT_TONES_HZ)
        {
            let mut tone = Tone::new(hz, AMPLITUDE);
            let beep: Vec<f32> = (0..10).flat_map(|_| tone.frame()).collect();
            assert_eq!(voices_in(&beep, 48_000, Clarity::Clear), Ok(Voices::NONE));
        }
    }
}
