//! Encoders and decoders that wait for a leg which begins to speak.

mod decodings;

use tutti_model::{Codec, Format};

use crate::codec::{CodecError, EncoderSettings};
use crate::engine::{ConferenceSlot, EngineCommand};
use crate::jitter::Decoding;
use crate::mix_class::{ClassKey, MixClass};
use crate::outlet::Outlet;

pub(crate) use decodings::Decodings;

/// How many encoders and decodings of one codec are kept in reserve; of what is given back, twice as
/// many stay.
const RESERVE: usize = 16;

/// How many of each codec there are before its first leg comes.
const AT_FIRST: usize = 2;

/// The most encoders that wait at all; more are given up.
const MOST: usize = 128;

/// The codecs there are, each with a reserve of its own.
const CODECS: [Codec; 6] = [
    Codec::Opus,
    Codec::G722,
    Codec::Pcmu,
    Codec::Pcma,
    Codec::L16At16,
    Codec::L16At48,
];

/// What an engine cannot make for itself, since making it allocates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A conference has legs with this in common, and no shared encoder for them.
    Class {
        conference: ConferenceSlot,
        key: ClassKey,
    },
    /// Few encoders of this codec are left for legs that begin to speak.
    Outlet { codec: Codec },
    /// Few decodings of this codec are left for legs that have none.
    Decoding { codec: Codec },
}

impl Wanted {
    /// What an engine is best brought before its first leg, which would miss its first packets while
    /// its encoder is made: an encoder of every codec, and one for a leg that comes in the same tick.
    pub fn at_first() -> impl Iterator<Item = Wanted> {
        let outlets = CODECS.map(|codec| [Wanted::Outlet { codec }; AT_FIRST]);
        outlets.into_iter().flatten()
    }

    /// Makes what is wanted, in the command that brings it.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn make<T>(self, settings: EncoderSettings) -> Result<EngineCommand<T>, CodecError> {
        Ok(match self {
            Wanted::Class { conference, key } => EngineCommand::AddClass {
                conference,
                class: Box::new(MixClass::new(key, settings)?),
            },
            Wanted::Outlet { codec } => EngineCommand::AddOutlet {
                outlet: Box::new(Outlet::new(Format::plain(codec), settings)?),
            },
            Wanted::Decoding { codec } => EngineCommand::AddDecoding {
                decoding: Box::new(Decoding::new(codec)?),
            },
        })
    }
}

/// The encoders and decodings that nobody uses, and those that are on their way.
#[expect(
    clippy::vec_box,
    reason = "they move to legs and back without an allocation"
)]
pub(crate) struct Spares {
    outlets: Vec<Box<Outlet>>,
    /// Of each of [`CODECS`]: whether a leg has it, and how many encoders were asked for.
    demands: [Demand; CODECS.len()],
    pub(crate) decodings: Decodings,
}

#[derive(Debug, Clone, Copy, Default)]
struct Demand {
    in_use: bool,
    on_their_way: usize,
}

impl Spares {
    pub(crate) fn new() -> Spares {
        Spares {
            outlets: Vec::with_capacity(MOST),
            demands: [Demand::default(); CODECS.len()],
            decodings: Decodings::new(),
        }
    }

    /// Says that legs of this codec are here.
    pub(crate) fn expect(&mut self, codec: Codec) {
        if let Some(demand) = self.demand(codec) {
            demand.in_use = true;
        }
    }

    /// How many encoders nobody uses.
    pub(crate) fn len(&self) -> usize {
        self.outlets.len()
    }

    /// Takes an encoder for this format, if one is left; it remembers another stream.
    pub(crate) fn take(&mut self, format: Format) -> Option<Box<Outlet>> {
        let at = self
            .outlets
            .iter()
            .rposition(|outlet| outlet.codec() == format.codec)?;
        let mut outlet = self.outlets.swap_remove(at);
        match outlet.serve(format) {
            Ok(()) => Some(outlet),
            Err(_) => {
                self.outlets.push(outlet);
                None
            }
        }
    }

    /// Takes an encoder back, or gives it up where there are enough.
    pub(crate) fn give(&mut self, outlet: Box<Outlet>) -> Option<Box<Outlet>> {
        if self.outlets.len() == MOST || self.count(outlet.codec()) >= 2 * RESERVE {
            return Some(outlet);
        }
        self.outlets.push(outlet);
        None
    }

    /// Takes a new encoder that was asked for.
    pub(crate) fn add(&mut self, outlet: Box<Outlet>) -> Option<Box<Outlet>> {
        if let Some(demand) = self.demand(outlet.codec()) {
            demand.on_their_way = demand.on_their_way.saturating_sub(1);
        }
        self.give(outlet)
    }

    /// A codec of which too few encoders or decodings are left, each time one more is to be asked for.
    pub(crate) fn poll_wanted(&mut self) -> Option<Wanted> {
        for (at, codec) in CODECS.into_iter().enumerate() {
            let left = self.count(codec);
            let demand = self.demands.get_mut(at)?;
            if demand.in_use && left + demand.on_their_way < RESERVE {
                demand.on_their_way += 1;
                return Some(Wanted::Outlet { codec });
            }
        }
        self.decodings.poll_wanted()
    }

    fn count(&self, codec: Codec) -> usize {
        self.outlets
            .iter()
            .filter(|outlet| outlet.codec() == codec)
            .count()
    }

    fn demand(&mut self, codec: Codec) -> Option<&mut Demand> {
        let at = CODECS.into_iter().position(|known| known == codec)?;
        self.demands.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlet(codec: Codec) -> Box<Outlet> {
        Box::new(Outlet::new(Format::plain(codec), EncoderSettings::default()).unwrap())
    }

    #[test]
    fn a_reserve_is_asked_for_once_and_again_when_it_shrinks() {
        let mut spares = Spares::new();
        assert_eq!(spares.poll_wanted(), None);
        spares.expect(Codec::Pcmu);
        let mut asked = 0;
        while spares.poll_wanted().is_some() {
            asked += 1;
        }
        assert_eq!(asked, RESERVE);
        for _ in 0..asked {
            assert!(spares.add(outlet(Codec::Pcmu)).is_none());
        }
        assert_eq!(spares.poll_wanted(), None);
        assert!(spares.take(Format::plain(Codec::Pcma)).is_none());
        assert!(spares.take(Format::plain(Codec::Pcmu)).is_some());
        let codec = Codec::Pcmu;
        assert_eq!(spares.poll_wanted(), Some(Wanted::Outlet { codec }));
        assert_eq!(spares.poll_wanted(), None);
    }

    #[test]
    fn more_than_enough_encoders_are_given_up() {
        let mut spares = Spares::new();
        let kept = (0..4 * RESERVE)
            .filter(|_| spares.give(outlet(Codec::Pcmu)).is_none())
            .count();
        assert_eq!(kept, 2 * RESERVE);
    }
}
