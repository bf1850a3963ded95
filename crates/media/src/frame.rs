//! One tick of sound, and what can be read off samples.

use dasp::sample::FromSample;

/// Samples in a second of the sound that is mixed.
pub const SAMPLE_RATE_HZ: u32 = 48_000;

/// Samples in a frame: 20 ms, mono.
pub const FRAME_SAMPLES: usize = 960;

/// One tick of sound; ±1.0 is full scale.
pub type Frame = [f32; FRAME_SAMPLES];

/// The root mean square of samples; nothing at all is silent.
pub fn rms(samples: &[f32]) -> f32 {
    // Independent sums let the compiler use whole vector registers.
    let mut sums = [0.0_f32; 8];
    let mut chunks = samples.chunks_exact(8);
    for chunk in &mut chunks {
        for (sum, sample) in sums.iter_mut().zip(chunk) {
            *sum += sample * sample;
        }
    }
    let rest: f32 = chunks
        .remainder()
        .iter()
        .map(|sample| sample * sample)
        .sum();
    let energy = sums.iter().sum::<f32>() + rest;
    (energy / samples.len().max(1) as f32).sqrt()
}

/// The greatest distance from zero.
pub fn peak(samples: &[f32]) -> f32 {
    samples
        .iter()
        .fold(0.0, |peak, sample| sample.abs().max(peak))
}

/// A sample as a 16-bit integer, rounded; what is too loud is clipped, and what is no number is 0.
pub fn to_i16(sample: f32) -> i16 {
    let scaled = sample * 32_768.0;
    (scaled + 0.5_f32.copysign(scaled)) as i16
}

/// A 16-bit integer as a sample.
pub fn from_i16(sample: i16) -> f32 {
    f32::from_sample_(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_16_bit_sample_survives_a_round_trip() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(to_i16(from_i16(sample)), sample);
        }
    }

    #[test]
    fn what_is_too_loud_is_clipped_and_what_is_no_number_is_silent() {
        assert_eq!(to_i16(7.0), i16::MAX);
        assert_eq!(to_i16(f32::NEG_INFINITY), i16::MIN);
        assert_eq!(to_i16(f32::NAN), 0);
        assert_eq!(to_i16(0.4 / 32_768.0), 0);
        assert_eq!(to_i16(-0.6 / 32_768.0), -1);
    }

    #[test]
    fn a_full_scale_square_has_an_rms_and_a_peak_of_one() {
        let square: Vec<f32> = (0..957)
            .map(|n| if n % 2 == 0 { 1.0 } else { -1.0 })
            .collect();
        assert!((rms(&square) - 1.0).abs() < 1e-6);
        assert!((peak(&square) - 1.0).abs() < 1e-6);
        assert!(rms(&[]).abs() < 1e-9);
    }
}
