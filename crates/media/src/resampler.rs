//! Sound at another sample rate, band-limited.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use crate::codec::CodecError;

/// Converts between two rates in blocks of 10 ms.
///
/// The delay is half a block, 5 ms. Between 8 and 48 kHz the passband is flat to 0.05 dB up to
/// 3.4 kHz, 0.1 dB down at 3.5 kHz and 6 dB at 3.7 kHz; what would alias is at least 60 dB down. It
/// allocates nothing after construction.
pub struct Resampler {
    fft: Fft<f32>,
    block_in: usize,
    block_out: usize,
}

impl Resampler {
    /// Sets up the conversion; both rates are multiples of 100 Hz.
    ///
    /// # Errors
    /// When the library cannot convert between these rates.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Resampler, CodecError> {
        // A block of 10 ms is the shortest whose filter passes the telephone band. The Blackman
        // window is the steepest whose aliases stay below 60 dB.
        let block_in = (from_hz / 100) as usize;
        let fft = Fft::new_custom(
            from_hz as usize,
            to_hz as usize,
            block_in,
            1,
            1,
            WindowFunction::Blackman,
            FixedSync::Both,
        )
        .map_err(|_| CodecError::UnsupportedRates { from_hz, to_hz })?;
        let (block_in, block_out) = (fft.input_frames_next(), fft.output_frames_next());
        if block_in != (from_hz / 100) as usize || block_out != (to_hz / 100) as usize {
            return Err(CodecError::UnsupportedRates { from_hz, to_hz });
        }
        Ok(Resampler {
            fft,
            block_in,
            block_out,
        })
    }

    /// Converts whole blocks of 10 ms; what is left over at either end is silent or unread.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) {
        let blocks = input.chunks_exact(self.block_in);
        for (input, output) in blocks.zip(output.chunks_exact_mut(self.block_out)) {
            if self.process_block(input, output).is_none() {
                output.fill(0.0);
            }
        }
    }

    /// Forgets what came before.
    pub fn reset(&mut self) {
        self.fft.reset();
    }

    fn process_block(&mut self, input: &[f32], output: &mut [f32]) -> Option<()> {
        let input = InterleavedSlice::new(input, 1, self.block_in).ok()?;
        let mut output = InterleavedSlice::new_mut(output, 1, self.block_out).ok()?;
        self.fft
            .process_into_buffer(&input, &mut output, None)
            .ok()?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    fn tone(hz: f64, rate_hz: u32, samples: usize) -> Vec<f32> {
        let step = TAU * hz / f64::from(rate_hz);
        (0..samples)
            .map(|n| (0.5 * (step * n as f64).sin()) as f32)
            .collect()
    }

    fn convert(resampler: &mut Resampler, from_hz: u32, to_hz: u32, input: &[f32]) -> Vec<f32> {
        let mut output = vec![0.0; input.len() * to_hz as usize / from_hz as usize];
        let (chunk_in, chunk_out) = ((from_hz / 50) as usize, (to_hz / 50) as usize);
        for (input, output) in input.chunks(chunk_in).zip(output.chunks_mut(chunk_out)) {
            resampler.process(input, output);
        }
        output
    }

    /// The amplitude and the phase of one frequency in the signal.
    fn component(signal: &[f32], hz: f64, rate_hz: u32) -> (f64, f64) {
        let step = TAU * hz / f64::from(rate_hz);
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in signal.iter().enumerate() {
            re += f64::from(*sample) * (step * n as f64).cos();
            im += f64::from(*sample) * (step * n as f64).sin();
        }
        (2.0 * re.hypot(im) / signal.len() as f64, re.atan2(im))
    }

    fn db(ratio: f64) -> f64 {
        20.0 * ratio.max(1e-12).log10()
    }

    /// One second of a tone from which the start-up is cut away.
    fn steady(from_hz: u32, to_hz: u32, hz: f64) -> Vec<f32> {
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        let input = tone(hz, from_hz, from_hz as usize * 11 / 10);
        convert(&mut resampler, from_hz, to_hz, &input).split_off(to_hz as usize / 10)
    }

    const PAIRS: [(u32, u32); 4] = [
        (8_000, 48_000),
        (48_000, 8_000),
        (16_000, 48_000),
        (48_000, 16_000),
    ];

    #[test]
    fn the_delay_is_five_milliseconds() {
        for (from_hz, to_hz) in PAIRS {
            let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
            let mut impulse = vec![0.0; from_hz as usize / 10];
            impulse[0] = 1.0;
            let output = convert(&mut resampler, from_hz, to_hz, &impulse);
            let top = output
                .iter()
                .enumerate()
                .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            assert_eq!(top.unwrap().0, to_hz as usize / 200, "{from_hz} to {to_hz}");
        }
    }

    #[test]
    fn the_passband_is_flat() {
        for (from_hz, to_hz) in PAIRS {
            let nyquist = f64::from(from_hz.min(to_hz)) / 2.0;
            for n in 1..=34 {
                let hz = nyquist / 40.0 * f64::from(n);
                let (amplitude, _) = component(&steady(from_hz, to_hz, hz), hz, to_hz);
                let gain = db(amplitude / 0.5);
                assert!(
                    gain.abs() < 0.1,
                    "{from_hz} to {to_hz} at {hz} Hz: {gain} dB"
                );
            }
            let edge = nyquist * 0.875;
            let (amplitude, _) = component(&steady(from_hz, to_hz, edge), edge, to_hz);
            let gain = db(amplitude / 0.5);
            assert!(gain > -0.15, "{from_hz} to {to_hz} at {edge} Hz: {gain} dB");
        }
    }

    #[test]
    fn images_are_sixty_decibels_down() {
        for (from_hz, to_hz) in [(8_000, 48_000), (16_000, 48_000)] {
            for hz in [300.0, 1_000.0, 2_500.0, 3_400.0] {
                let output = steady(from_hz, to_hz, hz);
                for image in [f64::from(from_hz) - hz, f64::from(from_hz) + hz] {
                    let (amplitude, _) = component(&output, image, to_hz);
                    let level = db(amplitude / 0.5);
                    assert!(level < -60.0, "{hz} Hz at {image} Hz: {level} dB");
                }
            }
        }
    }

    #[test]
    fn aliases_are_sixty_decibels_down() {
        for (from_hz, to_hz) in [(48_000, 8_000), (48_000, 16_000)] {
            let nyquist = f64::from(to_hz) / 2.0;
            for hz in [
                nyquist * 1.02,
                nyquist * 1.2,
                nyquist * 1.9,
                18_000.0,
                23_000.0,
            ] {
                let output = steady(from_hz, to_hz, hz);
                let level = db(f64::from(crate::frame::rms(&output)) * 2.0_f64.sqrt() / 0.5);
                assert!(level < -60.0, "{hz} Hz to {to_hz}: {level} dB");
            }
        }
    }

    #[test]
    fn a_tone_goes_on_without_a_step_between_blocks() {
        for (from_hz, to_hz) in PAIRS {
            let output = steady(from_hz, to_hz, 1_000.0);
            let (amplitude, phase) = component(&output, 1_000.0, to_hz);
            let step = TAU * 1_000.0 / f64::from(to_hz);
            for (n, sample) in output.iter().enumerate() {
                let ideal = amplitude * (step * n as f64 + phase).sin();
                let error = db((f64::from(*sample) - ideal).abs() / 0.5);
                assert!(
                    error < -60.0,
                    "{from_hz} to {to_hz}: {error} dB at sample {n}"
                );
            }
        }
    }

    #[test]
    fn after_a_reset_nothing_of_before_is_heard() {
        let mut resampler = Resampler::new(8_000, 48_000).unwrap();
        let mut output = [1.0; 960];
        resampler.process(&[0.5; 160], &mut output);
        resampler.reset();
        resampler.process(&[0.0; 160], &mut output);
        assert!(output.iter().all(|sample| sample.abs() < 1e-9));
    }
}
