//! From any sample rate to 48 kHz, piece by piece.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use super::SAMPLE_RATE;
use super::decode::AudioError;

/// Samples that the filter is given at once, where the rates allow it.
const CHUNK: usize = 1_024;

/// How much of a loop's beginning is computed a second time, after its end: 10 ms.
const OVERLAP: usize = SAMPLE_RATE as usize / 100;

/// Brings mono sound to 48 kHz without moving it in time.
pub(super) struct Resampler {
    /// `None` where nothing is to be done.
    filter: Option<Filter>,
    output: Vec<f32>,
    /// The first 40 ms of a loop, which its end flows into.
    head: Vec<f32>,
    head_len: usize,
}

struct Filter {
    fft: Fft<f32>,
    /// Input for which there is not enough yet.
    waiting: Vec<f32>,
    scratch: Vec<f32>,
    input_len: usize,
    /// Output that the filter's own delay puts in front.
    delay: usize,
}

impl Resampler {
    /// With `repeats`, the end of the output flows into its beginning.
    pub(super) fn new(rate: u32, repeats: bool) -> Result<Resampler, AudioError> {
        let filter = if rate == SAMPLE_RATE {
            None
        } else {
            Some(Filter::new(rate)?)
        };
        Ok(Resampler {
            filter,
            output: Vec::new(),
            head: Vec::new(),
            head_len: if repeats { rate as usize / 25 } else { 0 },
        })
    }

    pub(super) fn push(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        let Some(filter) = &mut self.filter else {
            self.output.extend_from_slice(samples);
            return Ok(());
        };
        let missing = self.head_len - self.head.len();
        self.head.extend(samples.iter().take(missing));
        filter.push(samples, &mut self.output)
    }

    /// Everything that was pushed, at 48 kHz: as long as it was.
    pub(super) fn finish(mut self) -> Result<Vec<f32>, AudioError> {
        let Some(mut filter) = self.filter else {
            return Ok(self.output);
        };
        let len = filter.output_len();
        filter.push(&self.head, &mut self.output)?;
        filter.flush(len + OVERLAP, &mut self.output)?;
        let mut output = self.output;
        output.drain(..filter.delay);
        if !self.head.is_empty() && len > OVERLAP {
            // The filter saw silence before the beginning; after the end it saw what precedes it
            // in a loop.
            output.copy_within(len..len + OVERLAP, 0);
        }
        output.truncate(len);
        Ok(output)
    }
}

impl Filter {
    fn new(rate: u32) -> Result<Filter, AudioError> {
        let (from, to) = (rate as usize, SAMPLE_RATE as usize);
        let fft =
            Fft::new(from, to, CHUNK, 1, FixedSync::Input).map_err(|error| unresampled(&error))?;
        Ok(Filter {
            scratch: vec![0.0; fft.output_frames_max()],
            delay: fft.output_delay(),
            fft,
            waiting: Vec::new(),
            input_len: 0,
        })
    }

    fn push(&mut self, samples: &[f32], output: &mut Vec<f32>) -> Result<(), AudioError> {
        self.input_len += samples.len();
        self.waiting.extend_from_slice(samples);
        let mut used = 0;
        while self.waiting.len() - used >= self.fft.input_frames_next() {
            let input = self.waiting.get(used..).unwrap_or_default();
            let (read, written) = process(&mut self.fft, input, None, &mut self.scratch)?;
            used += read;
            output.extend(self.scratch.iter().take(written));
        }
        self.waiting.drain(..used);
        Ok(())
    }

    /// Brings out what is still inside, until there is this much after the delay.
    fn flush(&mut self, len: usize, output: &mut Vec<f32>) -> Result<(), AudioError> {
        let mut rest = self.waiting.len();
        while output.len() < len + self.delay {
            let (_, written) =
                process(&mut self.fft, &self.waiting, Some(rest), &mut self.scratch)?;
            rest = 0;
            output.extend(self.scratch.iter().take(written));
        }
        Ok(())
    }

    /// How long the output for everything pushed so far is.
    fn output_len(&self) -> usize {
        (self.input_len as f64 * self.fft.resample_ratio()).round() as usize
    }
}

/// Filters one chunk; `partial` says how much of it there is, and the rest is silence.
fn process(
    fft: &mut Fft<f32>,
    input: &[f32],
    partial: Option<usize>,
    output: &mut [f32],
) -> Result<(usize, usize), AudioError> {
    let indexing = partial.map(|frames| Indexing::new().partial_len(frames));
    let (input_len, output_len) = (input.len(), output.len());
    let input = InterleavedSlice::new(input, 1, input_len).map_err(|error| unresampled(&error))?;
    let mut output =
        InterleavedSlice::new_mut(output, 1, output_len).map_err(|error| unresampled(&error))?;
    fft.process_into_buffer(&input, &mut output, indexing.as_ref())
        .map_err(|error| unresampled(&error))
}

fn unresampled(error: &impl ToString) -> AudioError {
    AudioError::Unresampled {
        reason: error.to_string(),
    }
}
