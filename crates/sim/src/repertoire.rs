//! What voices sound like on the wire.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

use tutti_media::{Audio, CodecError, Encoder, EncoderSettings, FRAME_SAMPLES, Frame};
use tutti_model::{Codec, Format};

use crate::voice::{AMPLITUDE, Tone, Voice};

/// Room for any payload of 20 ms: linear samples at 48 kHz take the most.
const MAX_PAYLOAD: usize = 2_048;

/// The payloads of every voice, encoded once for all simulations of a thread.
#[derive(Clone, Default)]
pub struct Repertoire {
    recitals: Rc<RefCell<BTreeMap<(Codec, Voice), Recital>>>,
}

impl Repertoire {
    /// A voice's payload in a frame, counted from when it began to speak.
    ///
    /// # Errors
    /// When the codec does not do its work.
    pub fn payload(
        &self,
        codec: Codec,
        voice: Voice,
        frame: usize,
    ) -> Result<Rc<[u8]>, CodecError> {
        match self.recitals.borrow_mut().entry((codec, voice)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Recital::new(codec, voice)?),
        }
        .payload(frame)
    }
}

/// One voice in one codec, as far as it has been encoded.
struct Recital {
    voice: Speech,
    payloads: Vec<Rc<[u8]>>,
}

impl Recital {
    fn new(codec: Codec, voice: Voice) -> Result<Recital, CodecError> {
        let tone = Tone::new(voice.tone_hz(), AMPLITUDE);
        Ok(Recital {
            voice: Speech::new(Sound::Tone(tone), &Format::plain(codec))?,
            payloads: Vec::new(),
        })
    }

    fn payload(&mut self, frame: usize) -> Result<Rc<[u8]>, CodecError> {
        while self.payloads.len() <= frame {
            self.payloads.push(self.voice.payload()?);
        }
        Ok(self
            .payloads
            .get(frame)
            .map(Rc::clone)
            .unwrap_or_else(|| Rc::from([])))
    }
}

/// What is said.
pub(crate) enum Sound {
    Tone(Tone),
    /// Once, and then nothing: silence is sent.
    Once {
        audio: Audio,
        at: usize,
    },
}

impl Sound {
    /// The next 20 ms.
    fn frame(&mut self) -> Frame {
        match self {
            Sound::Tone(tone) => tone.frame(),
            Sound::Once { audio, at } => {
                let rest = audio.get(*at..).unwrap_or_default();
                *at += FRAME_SAMPLES;
                let mut frame = [0.0; FRAME_SAMPLES];
                for (sample, said) in frame.iter_mut().zip(rest) {
                    *sample = *said;
                }
                frame
            }
        }
    }
}

/// A sound and its encoder.
pub(crate) struct Speech {
    sound: Sound,
    encoder: Encoder,
}

impl Speech {
    pub(crate) fn new(sound: Sound, format: &Format) -> Result<Speech, CodecError> {
        let encoder = Encoder::new(format, EncoderSettings::default())?;
        Ok(Speech { sound, encoder })
    }

    /// The next 20 ms, encoded.
    pub(crate) fn payload(&mut self) -> Result<Rc<[u8]>, CodecError> {
        let mut payload = [0; MAX_PAYLOAD];
        let len = self.encoder.encode(&self.sound.frame(), &mut payload)?;
        Ok(Rc::from(payload.get(..len).unwrap_or_default()))
    }
}
