//! How loud prepared sound is.

use super::SAMPLE_RATE;

/// What sound is for, which decides how loud it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As loud as a talker: −26 dBov.
    Prompt,
    /// 6 dB below a talker, and repeated without end.
    WaitMusic,
}

impl Level {
    /// Whether the sound begins again where it ends.
    pub(super) fn repeats(self) -> bool {
        match self {
            Level::Prompt => false,
            Level::WaitMusic => true,
        }
    }

    fn target_dbov(self) -> f32 {
        match self {
            Level::Prompt => -26.0,
            Level::WaitMusic => -32.0,
        }
    }
}

/// More would raise hiss to speech.
const MAX_GAIN_DB: f32 = 12.0;

/// −1 dBFS.
const MAX_PEAK: f32 = 0.891;

const BLOCK: usize = SAMPLE_RATE as usize / 50;

/// A block this far below the loudest is a pause.
const PAUSE_DB: f32 = 30.0;

/// Brings sound to its level by one gain throughout.
pub(super) fn level(samples: &mut [f32], level: Level) {
    let rms = rms_without_pauses(samples);
    if rms <= 0.0 {
        return;
    }
    let wanted = from_db(level.target_dbov()) / rms;
    let peak = samples
        .iter()
        .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let gain = wanted.min(from_db(MAX_GAIN_DB)).min(MAX_PEAK / peak);
    for sample in samples {
        *sample *= gain;
    }
}

/// The root mean square of what is not a pause: speech is as loud as its words.
pub(super) fn rms_without_pauses(samples: &[f32]) -> f32 {
    let power = |block: &[f32]| {
        block
            .iter()
            .map(|sample| f64::from(*sample).powi(2))
            .sum::<f64>()
            / block.len() as f64
    };
    let loudest = samples.chunks(BLOCK).map(power).fold(0.0, f64::max);
    let threshold = loudest * f64::from(from_db(-PAUSE_DB)).powi(2);
    let mut energy = 0.0;
    let mut count = 0;
    for block in samples.chunks(BLOCK) {
        let power = power(block);
        if power > threshold {
            energy += power * block.len() as f64;
            count += block.len();
        }
    }
    if count == 0 {
        0.0
    } else {
        (energy / count as f64).sqrt() as f32
    }
}

fn from_db(db: f32) -> f32 {
    10.0_f32.powf(db / 20.0)
}
