//! Takes the noise out of a voice.

use nnnoiseless::DenoiseState;

use crate::frame::{FRAME_SAMPLES, Frame};

/// How much later a denoised voice is, in samples: 10 ms.
pub const DENOISER_DELAY_SAMPLES: usize = DenoiseState::FRAME_SIZE;

/// Full scale, as the network was taught.
const FULL_SCALE: f32 = 32_768.0;

/// After how many frames of silence nothing of a voice is left inside.
const SILENT_FRAMES: u32 = 3;

/// RNNoise: a small recurrent network that keeps voices and lowers everything else.
///
/// It costs about 100 µs per frame, and its first frame on each thread allocates: see [`prepare_denoising`].
pub struct Denoiser {
    network: Box<DenoiseState<'static>>,
    /// For how many frames nothing has come in.
    silent_frames: u32,
}

impl Denoiser {
    /// A denoiser that has heard nothing.
    pub fn new() -> Denoiser {
        Denoiser {
            network: DenoiseState::new(),
            silent_frames: SILENT_FRAMES,
        }
    }

    /// Whether silence would come out as silence.
    pub fn is_at_rest(&self) -> bool {
        self.silent_frames >= SILENT_FRAMES
    }

    /// Denoises a frame in place and returns the mean square of what it has become.
    pub fn process(&mut self, frame: &mut Frame, is_silent: bool) -> f32 {
        self.silent_frames = if is_silent {
            self.silent_frames.saturating_add(1).min(SILENT_FRAMES)
        } else {
            0
        };
        let mut input = [0.0; DENOISER_DELAY_SAMPLES];
        let mut output = [0.0; DENOISER_DELAY_SAMPLES];
        let mut sum = 0.0;
        for half in frame.as_chunks_mut::<DENOISER_DELAY_SAMPLES>().0 {
            for (scaled, sample) in input.iter_mut().zip(half.iter()) {
                *scaled = sample * FULL_SCALE;
            }
            self.network.process_frame(&mut output, &input);
            for (sample, scaled) in half.iter_mut().zip(&output) {
                *sample = scaled / FULL_SCALE;
                sum += *sample * *sample;
            }
        }
        if self.is_at_rest() {
            frame.fill(0.0);
            return 0.0;
        }
        sum / FRAME_SAMPLES as f32
    }
}

/// Makes this thread ready for denoising: what its Fourier transforms share is allocated now.
///
/// Without it, a thread's first denoised frame allocates.
pub fn prepare_denoising() {
    let mut frame = [0.1; FRAME_SAMPLES];
    Denoiser::new().process(&mut frame, false);
}
