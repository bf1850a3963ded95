//! What voices sound like on the wire.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

use tutti_media::{CodecError, Encoder, EncoderSettings};
use tutti_model::{Codec, Format};

use crate::voice::{AMPLITUDE, Tone, Voice};

/// Room for any payload of 20 ms.
const MAX_PAYLOAD: usize = 1_500;

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
            voice: Speech::new(tone, &Format::plain(codec))?,
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

/// A tone and its encoder.
pub(crate) struct Speech {
    tone: Tone,
    encoder: Encoder,
}

impl Speech {
    pub(crate) fn new(tone: Tone, format: &Format) -> Result<Speech, CodecError> {
        let encoder = Encoder::new(format, EncoderSettings::default())?;
        Ok(Speech { tone, encoder })
    }

    /// The next 20 ms, encoded.
    pub(crate) fn payload(&mut self) -> Result<Rc<[u8]>, CodecError> {
        let mut payload = [0; MAX_PAYLOAD];
        let len = self.encoder.encode(&self.tone.frame(), &mut payload)?;
        Ok(Rc::from(payload.get(..len).unwrap_or_default()))
    }
}
