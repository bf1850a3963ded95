//! Where sound begins, ends, and begins again: without a click.

use super::SAMPLE_RATE;

/// 5 ms.
const EDGE: usize = SAMPLE_RATE as usize / 200;

/// Lets sound come from silence and go back to it.
pub(super) fn soften(samples: &mut [f32]) {
    let edge = EDGE.min(samples.len() / 2);
    let gain = |n: usize| (n as f32 + 0.5) / edge as f32;
    for (n, sample) in samples.iter_mut().take(edge).enumerate() {
        *sample *= gain(n);
    }
    for (n, sample) in samples.iter_mut().rev().take(edge).enumerate() {
        *sample *= gain(n);
    }
}

/// Lets the end of a loop flow into its beginning: where it does not do so by itself, its last 5 ms
/// move over its first.
pub(super) fn close_loop(samples: &mut Vec<f32>) {
    if samples.len() < 4 * EDGE || !jumps_at_the_seam(samples) {
        return;
    }
    let tail = samples.split_off(samples.len() - EDGE);
    for (n, (sample, end)) in samples.iter_mut().zip(tail).enumerate() {
        let gain = (n as f32 + 0.5) / EDGE as f32;
        *sample = *sample * gain + end * (1.0 - gain);
    }
}

/// Whether the step from the last sample to the first is larger than the steps around it.
fn jumps_at_the_seam(samples: &[f32]) -> bool {
    let largest_step = |part: &[f32]| {
        let steps = part.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        steps.fold(0.0_f32, f32::max)
    };
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return false;
    };
    let beginning = largest_step(&samples[..EDGE]);
    let end = largest_step(&samples[samples.len() - EDGE..]);
    (first - last).abs() > 1.5 * beginning.max(end) + 1e-4
}
