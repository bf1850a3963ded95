//! Makes decoded sound shorter or longer by whole pitch periods, so that nobody hears it.
//!
//! Two neighbouring stretches of sound that resemble each other are blended into one, or one is said
//! twice. Nothing is cut: every seam is a cross-fade.

use super::{ClockRate, SampleQueue};

/// The shortest and the longest piece that is added or removed: 2.5 and 15 ms.
const MIN_PIECE_HALF_MS: u32 = 5;
pub(crate) const MAX_PIECE_MS: u32 = 15;

/// How much sound is compared: 10 ms.
const COMPARED_MS: u32 = 10;

/// The search goes over the sound at this rate, and is made finer afterwards.
const SEARCH_RATE_HZ: u32 = 8_000;
const SEARCH_MIN: usize = (SEARCH_RATE_HZ / 2_000 * MIN_PIECE_HALF_MS) as usize;
const SEARCH_MAX: usize = (SEARCH_RATE_HZ / 1_000 * MAX_PIECE_MS) as usize;
const SEARCH_COMPARED: usize = (SEARCH_RATE_HZ / 1_000 * COMPARED_MS) as usize;
const SEARCH_LEN: usize = SEARCH_MAX + SEARCH_COMPARED;

/// What a change of length may do to the sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Care {
    /// It is quiet: any two pieces will do.
    Quiet,
    /// The pieces must resemble each other at least so much; 1 is equality.
    Likeness(f32),
}

/// Removes a piece of at most `most` samples at the queue's front; returns its length.
pub(crate) fn squeeze(
    queue: &mut SampleQueue,
    rate: ClockRate,
    most: usize,
    care: Care,
) -> Option<usize> {
    let piece = piece(queue.samples(), rate, most, care)?;
    let (first, rest) = queue.samples_mut().split_at_mut_checked(piece)?;
    for (n, (first, second)) in first.iter().zip(rest).enumerate() {
        let weight = n as f32 / piece as f32;
        *second = first * (1.0 - weight) + *second * weight;
    }
    queue.discard(piece);
    Some(piece)
}

/// Adds a piece of at most `most` samples at the queue's front; returns its length.
pub(crate) fn stretch(
    queue: &mut SampleQueue,
    rate: ClockRate,
    most: usize,
    care: Care,
) -> Option<usize> {
    let piece = piece(queue.samples(), rate, most, care)?;
    if !queue.prepend(piece) {
        return None;
    }
    let (added, rest) = queue.samples_mut().split_at_mut_checked(piece)?;
    let (first, second) = rest.split_at_mut_checked(piece)?;
    added.copy_from_slice(first);
    // After the first piece its successor begins, and becomes the first again.
    for (n, (first, second)) in first.iter_mut().zip(second).enumerate() {
        let weight = n as f32 / piece as f32;
        *first = *second * (1.0 - weight) + *first * weight;
    }
    Some(piece)
}

/// The length at which the front of the sound resembles what follows it most, if that is enough.
fn piece(samples: &[f32], rate: ClockRate, most: usize, care: Care) -> Option<usize> {
    let factor = rate.millis(1_000) / SEARCH_RATE_HZ as usize;
    let least = SEARCH_MIN * factor;
    // Both pieces must be there.
    let most = most.min(SEARCH_MAX * factor).min(samples.len() / 2);
    if most < least {
        return None;
    }
    let likeness_wanted = match care {
        Care::Quiet => return Some(most),
        Care::Likeness(likeness) => likeness,
    };
    let compared = rate.millis(COMPARED_MS);
    let most = most.min(samples.len().checked_sub(compared)?);
    if most < least {
        return None;
    }
    let mut coarse = [0.0; SEARCH_LEN];
    let coarse_len = ((most + compared) / factor).min(SEARCH_LEN);
    for (coarse, samples) in coarse.iter_mut().zip(samples.chunks_exact(factor)) {
        *coarse = samples.iter().sum::<f32>();
    }
    let coarse = coarse.get(..coarse_len)?;
    let (rough, _) = best_lag(coarse, SEARCH_MIN..=most / factor, SEARCH_COMPARED)?;
    let fine =
        (rough * factor).saturating_sub(factor).max(least)..=(rough * factor + factor).min(most);
    let (lag, likeness) = best_lag(samples, fine, compared)?;
    (likeness >= likeness_wanted).then_some(lag)
}

/// The lag at which the front resembles itself most, and how much it does.
fn best_lag(
    samples: &[f32],
    lags: std::ops::RangeInclusive<usize>,
    compared: usize,
) -> Option<(usize, f32)> {
    let front = samples.get(..compared)?;
    let energy = dot(front, front);
    let mut best = None;
    for lag in lags {
        let Some(lagged) = samples.get(lag..lag + compared) else {
            break;
        };
        let likeness = dot(front, lagged) / (energy * dot(lagged, lagged) + 1e-12).sqrt();
        if best.is_none_or(|(_, most)| likeness > most) {
            best = Some((lag, likeness));
        }
    }
    best
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Independent sums let the compiler use whole vector registers.
    let mut sums = [0.0_f32; 8];
    let (a, b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    for (a, b) in a.iter().zip(b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::rms;

    const RATES: [ClockRate; 2] = [ClockRate::new(8_000), ClockRate::new(48_000)];

    fn queue_of(rate: ClockRate, millis: u32, sound: impl Fn(f32) -> f32) -> SampleQueue {
        let mut queue = SampleQueue::new(rate.millis(135));
        for (n, sample) in queue.append(rate.millis(millis)).iter_mut().enumerate() {
            *sample = sound(n as f32 / rate.millis(1_000) as f32);
        }
        queue
    }

    fn vowel(t: f32) -> f32 {
        let phase = std::f32::consts::TAU * 160.0 * t;
        (1..=10)
            .map(|k| 0.2 / k as f32 * (k as f32 * phase).sin())
            .sum()
    }

    fn steepest(samples: &[f32]) -> f32 {
        samples
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f32::max)
    }

    #[test]
    fn a_vowel_is_changed_by_whole_periods_and_sounds_the_same() {
        for rate in RATES {
            let before = queue_of(rate, 60, vowel);
            let period = rate.millis(1_000) / 160;

            let mut shorter = queue_of(rate, 60, vowel);
            let removed = squeeze(&mut shorter, rate, usize::MAX, Care::Likeness(0.9)).unwrap();
            assert!(removed.is_multiple_of(period), "{removed} samples");
            assert_eq!(shorter.len(), before.len() - removed);

            let mut longer = queue_of(rate, 60, vowel);
            let added = stretch(&mut longer, rate, usize::MAX, Care::Likeness(0.9)).unwrap();
            assert!(added.is_multiple_of(period), "{added} samples");
            assert_eq!(longer.len(), before.len() + added);

            for after in [shorter.samples(), longer.samples()] {
                let error: Vec<f32> = before
                    .samples()
                    .iter()
                    .zip(after)
                    .map(|(a, b)| a - b)
                    .collect();
                assert!(rms(&error) < rms(before.samples()) * 0.02);
                assert!(steepest(after) <= steepest(before.samples()) * 1.05);
            }
        }
    }

    #[test]
    fn no_more_is_removed_than_is_asked_for() {
        for rate in RATES {
            let mut queue = queue_of(rate, 60, |_| 0.0);
            let most = rate.millis(4);
            assert_eq!(squeeze(&mut queue, rate, most, Care::Quiet), Some(most));
            assert_eq!(squeeze(&mut queue, rate, rate.millis(1), Care::Quiet), None);
        }
    }

    #[test]
    fn what_does_not_resemble_itself_is_left_alone() {
        for rate in RATES {
            let noise = |t: f32| ((t * 7_919.0).sin() * 43_758.547).fract() * 0.5;
            let mut queue = queue_of(rate, 60, noise);
            assert_eq!(
                squeeze(&mut queue, rate, usize::MAX, Care::Likeness(0.9)),
                None
            );
            assert_eq!(
                stretch(&mut queue, rate, usize::MAX, Care::Likeness(0.9)),
                None
            );
            assert_eq!(queue.len(), rate.millis(60));
        }
    }

    #[test]
    fn too_little_sound_is_left_alone() {
        for rate in RATES {
            for millis in 0..5 {
                let mut queue = queue_of(rate, millis, vowel);
                assert_eq!(squeeze(&mut queue, rate, usize::MAX, Care::Quiet), None);
                assert_eq!(
                    stretch(&mut queue, rate, usize::MAX, Care::Likeness(0.1)),
                    None
                );
            }
        }
    }
}
