//! How does a sound become one of another sample rate?
//!
//! For whole sounds, before anything is timed: exact and slow.

/// How far the filter reaches to each side, in periods of its cut-off frequency.
const REACH: f64 = 16.0;

/// The share of the lower rate's band that is kept; the filter's slope needs the rest.
const KEPT: f64 = 0.92;

/// The sound at another sample rate, without what that rate cannot carry.
pub(crate) fn resample(sound: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    if from_hz == to_hz {
        return sound.to_vec();
    }
    let cutoff_hz = f64::from(from_hz.min(to_hz)) / 2.0 * KEPT;
    filter(sound, from_hz, to_hz, cutoff_hz)
}

/// The sound without what lies above a frequency.
pub(crate) fn low_pass(sound: &[f32], rate_hz: u32, cutoff_hz: f64) -> Vec<f32> {
    filter(sound, rate_hz, rate_hz, cutoff_hz)
}

/// A windowed sinc. Where new samples lie between old ones repeats, so its values are tabled.
fn filter(sound: &[f32], from_hz: u32, to_hz: u32, cutoff_hz: f64) -> Vec<f32> {
    if from_hz == 0 || to_hz == 0 {
        return Vec::new();
    }
    let common = greatest_common_divisor(from_hz, to_hz);
    // Every `phases` new samples are `period` old ones.
    let (phases, period) = ((to_hz / common) as usize, (from_hz / common) as usize);
    let cutoff = 2.0 * cutoff_hz / f64::from(from_hz);
    let reach = REACH / cutoff;
    let taps = reach as usize * 2 + 1;
    let table: Vec<Vec<f32>> = (0..phases)
        .map(|phase| {
            let between = (phase * period % phases) as f64 / phases as f64;
            let tap = |n: usize| {
                let distance = n as f64 - (taps / 2) as f64 - between;
                cutoff * sinc(distance * cutoff) * hann((distance / reach).clamp(-1.0, 1.0))
            };
            (0..taps).map(|n| tap(n) as f32).collect()
        })
        .collect();
    let padding = std::iter::repeat_n(&0.0, taps / 2);
    let padded: Vec<f32> = padding
        .clone()
        .chain(sound)
        .chain(padding)
        .copied()
        .collect();
    let samples = sound.len() * phases / period;
    let sample = |at: usize| {
        let first = at * period / phases;
        let weights = table.get(at % phases).into_iter().flatten();
        let heard = padded.get(first..).unwrap_or_default();
        heard
            .iter()
            .zip(weights)
            .map(|(sample, weight)| sample * weight)
            .sum()
    };
    (0..samples).map(sample).collect()
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

fn sinc(x: f64) -> f64 {
    let turn = std::f64::consts::PI * x;
    if turn.abs() < 1e-9 {
        1.0
    } else {
        turn.sin() / turn
    }
}

/// The Hann window at a place between −1 and 1.
fn hann(place: f64) -> f64 {
    0.5 + 0.5 * (std::f64::consts::PI * place).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, rate_hz: u32) -> Vec<f32> {
        (0..rate_hz / 2)
            .map(|at| (std::f32::consts::TAU * hz * at as f32 / rate_hz as f32).sin())
            .collect()
    }

    fn level(sound: &[f32]) -> f32 {
        let inner = &sound[sound.len() / 4..sound.len() * 3 / 4];
        (inner.iter().map(|sample| sample * sample).sum::<f32>() / inner.len() as f32).sqrt()
    }

    #[test]
    fn a_tone_that_both_rates_carry_stays_as_loud() {
        for (from, to) in [(48_000, 8_000), (44_100, 48_000), (8_000, 16_000)] {
            let there = resample(&tone(1_000.0, from), from, to);
            assert_eq!(there.len(), to as usize / 2);
            assert!(
                (level(&there) - 0.707).abs() < 0.01,
                "{from} to {to}: {}",
                level(&there)
            );
        }
    }

    #[test]
    fn a_tone_that_the_lower_rate_cannot_carry_is_gone() {
        assert!(level(&resample(&tone(5_000.0, 48_000), 48_000, 8_000)) < 0.003);
        assert!(level(&low_pass(&tone(3_200.0, 16_000), 16_000, 2_500.0)) < 0.003);
    }
}
