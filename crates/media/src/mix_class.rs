//! All legs that hear the same in the same encoding: encoded once.

use tutti_model::Format;

use crate::codec::{CodecError, EncoderSettings};
use crate::frame::Frame;
use crate::limiter::Limiter;
use crate::outlet::{Encoded, Outlet};

/// How many frames of the mix are remembered, to prime the encoder of a leg that leaves its class.
pub(crate) const RECENT_FRAMES: usize = 5;

/// What legs must have in common to share an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClassKey {
    pub format: Format,
    /// How much louder than it is the mix is heard, in decibels.
    pub output_db: i8,
}

/// All legs that hear the full mix with the same gain in the same encoding.
pub struct MixClass {
    key: ClassKey,
    gain: f32,
    /// Keeps a mix that is made louder below full scale.
    limiter: Limiter,
    outlet: Outlet,
    /// This tick has been encoded.
    encoded: bool,
    /// The encoder has heard the tick before, so that this one goes on from it.
    in_step: bool,
}

impl MixClass {
    /// Makes the shared end of a format.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn new(key: ClassKey, settings: EncoderSettings) -> Result<MixClass, CodecError> {
        Ok(MixClass {
            key,
            gain: gain(key.output_db),
            limiter: Limiter::default(),
            outlet: Outlet::new(key.format, settings)?,
            encoded: false,
            in_step: false,
        })
    }

    pub(crate) fn key(&self) -> ClassKey {
        self.key
    }

    /// Begins a tick: nobody has asked yet.
    pub(crate) fn begin_tick(&mut self) {
        self.in_step = self.encoded;
        self.encoded = false;
    }

    /// What this tick becomes, encoded when the first leg asks; `unlimited` makes the mix before its
    /// limiter.
    pub(crate) fn encoded(
        &mut self,
        mix: &Frame,
        unlimited: impl FnOnce() -> Frame,
        recent: &[Frame; RECENT_FRAMES],
        complexity: Option<u8>,
        encodes: &mut u64,
    ) -> Result<Encoded<'_>, CodecError> {
        if !self.encoded {
            self.encoded = true;
            self.outlet.set_complexity(complexity)?;
            // Whoever asks after a pause comes from an encoder that went on meanwhile.
            if !self.in_step {
                self.outlet.prime(recent.iter());
            }
            if self.key.output_db == 0 {
                self.outlet.encode(mix, encodes)?;
            } else {
                let mut heard = unlimited();
                amplify(&mut heard, self.gain);
                self.limiter.process(&mut heard);
                self.outlet.encode(&heard, encodes)?;
            }
        }
        Ok(self.outlet.encoded())
    }
}

/// The factor that makes sound so many decibels louder.
pub(crate) fn gain(decibels: i8) -> f32 {
    10.0_f32.powf(f32::from(decibels) / 20.0)
}

pub(crate) fn amplify(frame: &mut Frame, gain: f32) {
    for sample in frame.iter_mut() {
        *sample *= gain;
    }
}
