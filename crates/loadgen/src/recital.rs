//! What is sent that was encoded beforehand?
//!
//! Thousands of callers cannot encode on one core, and need not: they recite. A recital is a beginning
//! and a part that repeats; each caller is somewhere else in it. Where it repeats, a decoder hears a
//! seam.

use std::sync::Arc;

use tutti_model::Codec;

use crate::codec::{Encoder, TranscodeError, recital_rate_hz};
use crate::speech::Dice;

/// Frames of silence after which an encoder does in silence what it goes on to do.
const SETTLED_FRAMES: usize = 50;

/// How long a repeated silence is, in frames.
const SILENCE_FRAMES: usize = 200;

/// Packets that even a caller who sends nothing begins with, so that the bridge learns its address.
const OPENING_PACKETS: usize = 5;

/// Root mean square of the noise in a quiet room: −60 dBov.
const ROOM_NOISE: f32 = 0.001;

/// Packets of this size or less hold no sound, and need not be sent (RFC 6716 §2.1.9 calls it DTX).
const UNSENT_BYTES: usize = 2;

/// What callers send while they do not talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Quiet {
    /// They babble all the time, all at once.
    Voice,
    /// Encoded silence in every frame.
    #[default]
    Silence,
    /// A quiet room's noise in every frame.
    Noise,
    /// Nothing but Opus's refreshes; after a first packet nothing at all where the codec has none.
    Dtx,
    /// Nothing after five packets, but a receiver report every five seconds.
    Nothing,
}

/// Payloads in the order in which they are sent; `None` sends nothing in that frame.
#[derive(Debug)]
pub(crate) struct Recital {
    opening: Vec<Option<Box<[u8]>>>,
    repeated: Vec<Option<Box<[u8]>>>,
}

impl Recital {
    /// Speech at [`crate::speech::RATE_HZ`] or any other sound at [`recital_rate_hz`], over and over.
    pub(crate) fn of_sound(
        codec: Codec,
        sound: &[f32],
        loss_percent: u8,
    ) -> Result<Recital, TranscodeError> {
        let encoder = Encoder::for_recital(codec, false, loss_percent)?;
        Ok(Recital {
            opening: Vec::new(),
            repeated: encode_all(encoder, codec, sound, false)?,
        })
    }

    /// What is sent instead of talking; babbling is [`Recital::of_sound`].
    pub(crate) fn of_quiet(codec: Codec, quiet: Quiet) -> Result<Recital, TranscodeError> {
        let frame = recital_rate_hz(codec) as usize / 50;
        let mut sound = vec![0.0; (SETTLED_FRAMES + SILENCE_FRAMES) * frame];
        let dtx = match quiet {
            Quiet::Noise | Quiet::Voice => {
                let mut dice = Dice(0x5eed);
                // Evenly spread numbers up to a level have a root mean square of 0.577 of it.
                sound.fill_with(|| dice.between(-1.0, 1.0) * ROOM_NOISE / 0.577);
                false
            }
            Quiet::Dtx => true,
            Quiet::Silence | Quiet::Nothing => false,
        };
        let encoder = Encoder::for_recital(codec, dtx, 0)?;
        let mut opening = encode_all(encoder, codec, &sound, dtx)?;
        let mut repeated = opening.split_off(SETTLED_FRAMES.min(opening.len()));
        let codec_has_dtx = codec == Codec::Opus;
        match quiet {
            Quiet::Voice | Quiet::Silence | Quiet::Noise => {}
            Quiet::Dtx if codec_has_dtx => {}
            Quiet::Dtx => {
                opening.truncate(1);
                repeated = vec![None];
            }
            Quiet::Nothing => {
                opening.truncate(OPENING_PACKETS);
                repeated = vec![None];
            }
        }
        Ok(Recital { opening, repeated })
    }

    fn frame(&self, at: usize) -> Option<&[u8]> {
        let frame = match at.checked_sub(self.opening.len()) {
            None => self.opening.get(at),
            Some(at) => self.repeated.get(at % self.repeated.len().max(1)),
        };
        frame?.as_deref()
    }
}

fn encode_all(
    mut encoder: Encoder,
    codec: Codec,
    sound: &[f32],
    dtx: bool,
) -> Result<Vec<Option<Box<[u8]>>>, TranscodeError> {
    let frame = recital_rate_hz(codec) as usize / 50;
    let mut payload = Vec::new();
    sound
        .chunks_exact(frame)
        .map(|frame| {
            encoder.encode(frame, &mut payload)?;
            let is_sent = !dtx || payload.len() > UNSENT_BYTES;
            Ok(is_sent.then(|| payload.as_slice().into()))
        })
        .collect()
}

/// One caller's place in a recital.
#[derive(Debug, Clone)]
pub(crate) struct Reciter {
    recital: Arc<Recital>,
    at: usize,
    /// Skipped when the opening is over, so that callers are not all at the same place.
    offset: usize,
}

impl Reciter {
    /// At the beginning; `offset` frames of the repeated part are left out after the opening.
    pub(crate) fn new(recital: Arc<Recital>, offset: usize) -> Reciter {
        Reciter {
            recital,
            at: 0,
            offset,
        }
    }

    /// Passes over the next frames, while nothing is sent in them, so many at most; says how many.
    pub(crate) fn pass_over(&mut self, most: u32) -> u32 {
        for passed in 0..most {
            let here = self.at;
            if self.next().is_some() {
                self.at = here;
                return passed;
            }
        }
        most
    }

    /// The next frame's payload; `None` where nothing is sent.
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        if self.at == self.recital.opening.len() {
            self.at += self.offset;
        }
        let at = self.at;
        self.at += 1;
        // The place stays small, however long the call lasts.
        let (opening, whole) = (self.recital.opening.len(), self.recital.repeated.len());
        if self.at > opening + whole + self.offset {
            self.at -= whole;
        }
        self.recital.frame(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(codec: Codec, quiet: Quiet, frames: usize) -> Vec<Option<usize>> {
        let recital = Arc::new(Recital::of_quiet(codec, quiet).unwrap());
        let mut reciter = Reciter::new(recital, 7);
        (0..frames)
            .map(|_| reciter.next().map(<[u8]>::len))
            .collect()
    }

    #[test]
    fn silence_is_sent_in_every_frame() {
        for codec in [Codec::Opus, Codec::Pcmu] {
            let sizes = sizes(codec, Quiet::Silence, 1_000);
            assert!(
                sizes.iter().all(|size| size.is_some_and(|size| size > 2)),
                "{codec:?}"
            );
        }
    }

    #[test]
    fn dtx_refreshes_every_four_hundred_milliseconds_or_never() {
        let opus = sizes(Codec::Opus, Quiet::Dtx, 1_000);
        let sent = opus[100..].iter().flatten().count();
        assert!((35..=60).contains(&sent), "{sent} of 900 frames");
        let pcmu = sizes(Codec::Pcmu, Quiet::Dtx, 1_000);
        assert_eq!(pcmu.iter().flatten().count(), 1);
    }

    #[test]
    fn nothing_begins_with_a_few_packets() {
        let sizes = sizes(Codec::Opus, Quiet::Nothing, 500);
        assert_eq!(sizes.iter().flatten().count(), OPENING_PACKETS);
        assert!(sizes[..OPENING_PACKETS].iter().all(Option::is_some));
    }

    #[test]
    fn a_recital_goes_on_where_it_was_and_begins_again_at_its_end() {
        let sound: Vec<f32> = (0..4).flat_map(|n| [n as f32 / 8.0; 160]).collect();
        let recital = Arc::new(Recital::of_sound(Codec::Pcmu, &sound, 0).unwrap());
        let mut reciter = Reciter::new(Arc::clone(&recital), 1);
        let heard: Vec<u8> = (0..9).filter_map(|_| Some(reciter.next()?[0])).collect();
        let of = |at: usize| recital.frame(at).unwrap()[0];
        assert_eq!(heard, [1, 2, 3, 0, 1, 2, 3, 0, 1].map(of));
    }
}
