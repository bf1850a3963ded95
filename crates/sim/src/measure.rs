//! What a sound is worth: how pure a tone is, how late a voice comes, how far two sounds differ.

use std::f64::consts::TAU;

/// A tone as it was found in a sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Its peak.
    pub amplitude: f64,
    /// Where it is at the first sample, in degrees from −180 to 180.
    pub phase_deg: f64,
    /// What is left when it is taken away, relative to it (distortion and noise).
    pub residue_db: f64,
}

/// Finds a tone of `turns` per sample in samples that hold many whole turns of it.
pub fn fit(samples: &[f32], turns: f64) -> Fit {
    let (re, im) = phasor(samples, turns);
    let amplitude = re.hypot(im);
    let mut left = 0.0;
    for (n, sample) in samples.iter().enumerate() {
        let (sin, cos) = (TAU * (turns * n as f64).fract()).sin_cos();
        left += (f64::from(*sample) - re * sin - im * cos).powi(2);
    }
    let tone = amplitude * amplitude / 2.0;
    let left = left / samples.len().max(1) as f64;
    Fit {
        amplitude,
        phase_deg: im.atan2(re).to_degrees(),
        residue_db: 10.0 * (left / tone.max(1e-20)).max(1e-15).log10(),
    }
}

/// The sine and cosine parts of a tone, through a rectangular window.
fn phasor(samples: &[f32], turns: f64) -> (f64, f64) {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sin, cos) = (TAU * (turns * n as f64).fract()).sin_cos();
        re += f64::from(*sample) * sin;
        im += f64::from(*sample) * cos;
    }
    let scale = 2.0 / samples.len().max(1) as f64;
    (re * scale, im * scale)
}

/// The shortest way from one angle to another, in degrees.
pub fn turned_deg(from: f64, to: f64) -> f64 {
    (to - from + 540.0).rem_euclid(360.0) - 180.0
}

/// How far `sound` differs from `ideal`, in dB below `ideal`; of the shorter length.
pub fn snr_db(ideal: &[f32], sound: &[f32]) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for (ideal, sound) in ideal.iter().zip(sound) {
        signal += f64::from(*ideal).powi(2);
        noise += f64::from(ideal - sound).powi(2);
    }
    10.0 * (signal.max(1e-20) / noise.max(1e-20)).log10()
}

/// By how many samples `part` is best found in `whole`, from its start, and how alike the two are
/// there, from −1 to 1.
pub fn find(part: &[f32], whole: &[f32]) -> (usize, f64) {
    let part_energy: f64 = part.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let last = whole.len().saturating_sub(part.len());
    let mut energy: f64 = whole
        .iter()
        .take(part.len())
        .map(|sample| f64::from(*sample).powi(2))
        .sum();
    let mut best = (0, -1.0);
    for (at, window) in whole.windows(part.len().max(1)).enumerate().take(last + 1) {
        let product: f32 = window.iter().zip(part).map(|(a, b)| a * b).sum();
        let alike = f64::from(product) / (part_energy * energy).sqrt().max(1e-12);
        if alike > best.1 {
            best = (at, alike);
        }
        let leaves = window.first().copied().unwrap_or_default();
        let comes = whole.get(at + part.len()).copied().unwrap_or_default();
        energy += f64::from(comes).powi(2) - f64::from(leaves).powi(2);
        energy = energy.max(0.0);
    }
    best
}

/// Every n-th sample, after a mean over n: enough to compare sounds of 48 kHz with those of phones.
pub fn thinned(samples: &[f32], n: usize) -> Vec<f32> {
    samples
        .chunks_exact(n.max(1))
        .map(|chunk| chunk.iter().sum::<f32>() / n as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_tone_is_found_with_its_phase_and_what_is_beside_it() {
        let sound: Vec<f32> = (0..4_800)
            .map(|n| {
                let angle = TAU * f64::from(n) / 48.0;
                (0.5 * (angle + 1.0).sin() + 0.005 * (3.0 * angle).sin()) as f32
            })
            .collect();
        let fit = fit(&sound, 1.0 / 48.0);
        assert!((fit.amplitude - 0.5).abs() < 1e-4, "{fit:?}");
        assert!(
            (fit.phase_deg - 1.0_f64.to_degrees()).abs() < 0.1,
            "{fit:?}"
        );
        assert!((fit.residue_db + 40.0).abs() < 0.1, "{fit:?}");
        assert!((turned_deg(170.0, -170.0) - 20.0).abs() < 1e-9);
    }

    #[test]
    fn a_part_is_found_where_it_was_cut_out() {
        let mut random = Random::new(2);
        let whole: Vec<f32> = (0..4_000).map(|_| random.fraction() as f32 - 0.5).collect();
        let quieter: Vec<f32> = whole[700..1_500]
            .iter()
            .map(|sample| sample * 0.1)
            .collect();
        let (at, alike) = find(&quieter, &whole);
        assert_eq!(at, 700);
        assert!(alike > 0.999, "{alike}");
        assert!(snr_db(&whole, &whole) > 100.0);
    }
}
