//! What a stream needs while it is decoded, and only then.

use tutti_model::Codec;

use super::time_scale::MAX_PIECE_MS;
use super::{ClockRate, SampleQueue};
use crate::codec::{CodecError, Decoder, MAX_PACKET_MS};
use crate::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};
use crate::receiver::Pulled;
use crate::resampler::Resampler;

/// What is decoded ahead at most: a frame, the longest piece that may be removed, and a packet.
const QUEUE_MS: u32 = 20 + MAX_PIECE_MS + MAX_PACKET_MS + 5;

/// Decodes one stream, and keeps what is about to be heard of it: most of a leg's memory, 50 KB for
/// Opus.
///
/// A leg that rests for long gives it up to its thread's reserve, and is lent another when it wakes.
/// It allocates nothing after construction.
pub struct Decoding {
    codec: Codec,
    pub(super) decoder: Decoder,
    /// What was decoded and waits to be heard, at the codec's own rate.
    pub(super) queue: SampleQueue,
    /// Brings what is heard from the codec's rate to ours.
    upsampler: Option<Resampler>,
    /// The resampler has not let out all of the last sound yet.
    is_ringing: bool,
    /// What its leg added to a mix in this tick, so that it can be taken out of its own.
    pub(super) voice: Frame,
}

impl Decoding {
    /// Has heard nothing.
    ///
    /// # Errors
    /// When the codec cannot be set up.
    pub fn new(codec: Codec) -> Result<Decoding, CodecError> {
        let rate_hz = codec.sample_rate();
        let upsampler = match rate_hz {
            SAMPLE_RATE_HZ => None,
            _ => Some(Resampler::new(rate_hz, SAMPLE_RATE_HZ)?),
        };
        Ok(Decoding {
            codec,
            decoder: Decoder::new(codec)?,
            queue: SampleQueue::new(ClockRate::new(rate_hz).millis(QUEUE_MS)),
            upsampler,
            is_ringing: false,
            voice: [0.0; FRAME_SAMPLES],
        })
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Forgets what it has heard: another leg's stream comes.
    pub(crate) fn reset(&mut self) {
        self.decoder.reset();
        self.queue.truncate(0);
        self.quieten();
    }

    /// Whether its codec's rate is lower than ours.
    pub(super) fn is_narrow(&self) -> bool {
        self.upsampler.is_some()
    }

    /// Fills a frame from one at the codec's rate, where that is not ours.
    pub(super) fn widen(&mut self, narrow: &[f32], pulled: Pulled, frame: &mut Frame) -> Pulled {
        let Some(upsampler) = &mut self.upsampler else {
            return pulled;
        };
        if pulled == Pulled::Silence && !self.is_ringing {
            frame.fill(0.0);
            return Pulled::Silence;
        }
        upsampler.process(narrow, frame);
        // It delays sound by less than a frame, so that one more lets out all of it.
        self.is_ringing = pulled != Pulled::Silence;
        match pulled {
            Pulled::Audio => Pulled::Audio,
            Pulled::Concealed | Pulled::Silence => Pulled::Concealed,
        }
    }

    /// Lets nothing of the last sound out any more.
    pub(super) fn quieten(&mut self) {
        if let Some(upsampler) = &mut self.upsampler {
            upsampler.reset();
        }
        self.is_ringing = false;
    }
}

/// How much a stream needs to be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Every frame of it is needed.
    Must,
    /// A voice has begun, so it seems.
    Voice,
    /// It is looked into, to be sure that it is as quiet as it says.
    Probe,
}

/// Has decodings for streams that wake.
pub(crate) trait Lender {
    /// Lends one that has heard nothing, if one is left for this need.
    fn lend(&mut self, codec: Codec, need: Need) -> Option<Box<Decoding>>;

    /// Takes one from a stream that rests; it comes back while no more can be taken.
    fn take_back(&mut self, decoding: Box<Decoding>) -> Option<Box<Decoding>>;
}

/// Lets every stream keep the decoding that it has.
pub(crate) struct KeepYours;

impl Lender for KeepYours {
    fn lend(&mut self, _: Codec, _: Need) -> Option<Box<Decoding>> {
        None
    }

    fn take_back(&mut self, decoding: Box<Decoding>) -> Option<Box<Decoding>> {
        Some(decoding)
    }
}
