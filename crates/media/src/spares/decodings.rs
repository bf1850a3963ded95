//! What legs that wake are decoded with.

use tutti_model::Codec;

use super::{CODECS, RESERVE, Wanted};
use crate::jitter::{Decoding, Lender, Need};

/// While there is not one for every leg, legs in which a voice begins leave so many for those of which
/// every frame is needed.
const FOR_MUST: usize = RESERVE / 4;

/// Then legs that are only looked into leave so many for all others.
const FOR_OTHERS: usize = RESERVE / 2;

/// The most that are given up between two looks at them; legs keep what is more for a tick longer.
const MOST_SURPLUS: usize = RESERVE;

/// The decodings that nobody uses, and those that are on their way.
///
/// A leg that wakes decodes ten packets at once. So the reserve also bounds the work of a tick in which
/// a crowd wakes: what it does not hold is brought for the next.
pub(crate) struct Decodings {
    /// One for each of [`CODECS`].
    shelves: [Shelf; CODECS.len()],
    surplus: Vec<Box<Decoding>>,
}

/// What is there for the legs of one codec.
struct Shelf {
    decodings: Vec<Box<Decoding>>,
    on_their_way: usize,
    /// How many legs have given up theirs.
    without: usize,
}

impl Decodings {
    pub(crate) fn new() -> Decodings {
        Decodings {
            shelves: std::array::from_fn(|_| Shelf {
                decodings: Vec::with_capacity(2 * RESERVE),
                on_their_way: 0,
                without: 0,
            }),
            surplus: Vec::with_capacity(MOST_SURPLUS),
        }
    }

    /// A leg came that lacks a decoding of this codec, if of any.
    pub(crate) fn came(&mut self, lacks: Option<Codec>) {
        if let Some(shelf) = lacks.and_then(|codec| self.shelf(codec)) {
            shelf.without += 1;
        }
    }

    /// A leg is gone that lacked a decoding of this codec, if of any.
    pub(crate) fn went(&mut self, lacked: Option<Codec>) {
        if let Some(shelf) = lacked.and_then(|codec| self.shelf(codec)) {
            shelf.without = shelf.without.saturating_sub(1);
        }
    }

    /// Takes a new one that was asked for, or gives it up where there are enough.
    pub(crate) fn add(&mut self, decoding: Box<Decoding>) -> Option<Box<Decoding>> {
        let Some(shelf) = self.shelf(decoding.codec()) else {
            return Some(decoding);
        };
        shelf.on_their_way = shelf.on_their_way.saturating_sub(1);
        if shelf.is_full() {
            return Some(decoding);
        }
        shelf.decodings.push(decoding);
        None
    }

    /// A codec of which too few are left, each time one more is to be asked for.
    pub(super) fn poll_wanted(&mut self) -> Option<Wanted> {
        for (shelf, codec) in self.shelves.iter_mut().zip(CODECS) {
            let enough = shelf.without.min(RESERVE);
            if shelf.decodings.len() + shelf.on_their_way < enough {
                shelf.on_their_way += 1;
                return Some(Wanted::Decoding { codec });
            }
        }
        None
    }

    /// One that was given back and is not needed here.
    pub(crate) fn poll_surplus(&mut self) -> Option<Box<Decoding>> {
        self.surplus.pop()
    }

    fn shelf(&mut self, codec: Codec) -> Option<&mut Shelf> {
        let at = CODECS.into_iter().position(|known| known == codec)?;
        self.shelves.get_mut(at)
    }
}

impl Lender for Decodings {
    fn lend(&mut self, codec: Codec, need: Need) -> Option<Box<Decoding>> {
        let shelf = self.shelf(codec)?;
        let for_others = match need {
            Need::Must => 0,
            Need::Voice => FOR_MUST,
            Need::Probe => FOR_OTHERS,
        };
        // Where everybody can have one, nobody need leave any.
        let is_scarce = shelf.decodings.len() < shelf.without;
        if is_scarce && shelf.decodings.len() <= for_others {
            return None;
        }
        let decoding = shelf.decodings.pop()?;
        shelf.without = shelf.without.saturating_sub(1);
        Some(decoding)
    }

    fn take_back(&mut self, mut decoding: Box<Decoding>) -> Option<Box<Decoding>> {
        if self.surplus.len() == MOST_SURPLUS {
            return Some(decoding);
        }
        let Some(shelf) = self.shelf(decoding.codec()) else {
            return Some(decoding);
        };
        shelf.without += 1;
        if shelf.is_full() {
            self.surplus.push(decoding);
            return None;
        }
        // Here rather than when it is lent: a tick in which legs wake has enough to do.
        decoding.reset();
        shelf.decodings.push(decoding);
        None
    }
}

impl Shelf {
    fn is_full(&self) -> bool {
        self.decodings.len() >= 2 * RESERVE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODEC: Codec = Codec::Pcmu;

    fn decoding() -> Box<Decoding> {
        Box::new(Decoding::new(CODEC).unwrap())
    }

    fn bring_what_is_wanted(decodings: &mut Decodings) -> usize {
        let wanted = std::iter::from_fn(|| decodings.poll_wanted()).count();
        for _ in 0..wanted {
            assert!(decodings.add(decoding()).is_none());
        }
        wanted
    }

    #[test]
    fn a_few_legs_that_rest_need_nothing_but_what_they_gave_up() {
        let mut decodings = Decodings::new();
        for _ in 0..3 {
            assert!(decodings.take_back(decoding()).is_none());
        }
        assert_eq!(decodings.poll_wanted(), None);
        for need in [Need::Probe, Need::Voice, Need::Must] {
            assert!(decodings.lend(CODEC, need).is_some(), "{need:?}");
        }
        assert_eq!(decodings.poll_wanted(), None);
    }

    #[test]
    fn legs_that_come_without_find_a_reserve_and_no_more_is_made() {
        let mut decodings = Decodings::new();
        decodings.came(None);
        assert_eq!(decodings.poll_wanted(), None);
        for came in 1..=4 * RESERVE {
            decodings.came(Some(CODEC));
            assert_eq!(
                bring_what_is_wanted(&mut decodings),
                usize::from(came <= RESERVE)
            );
        }
        assert!(decodings.lend(Codec::Pcma, Need::Must).is_none());
        for _ in 0..4 * RESERVE {
            decodings.went(Some(CODEC));
        }
        assert!(decodings.lend(CODEC, Need::Must).is_some());
        assert_eq!(decodings.poll_wanted(), None);
    }

    #[test]
    fn while_there_are_few_those_who_must_find_the_last() {
        let mut decodings = Decodings::new();
        for _ in 0..8 * RESERVE {
            decodings.came(Some(CODEC));
        }
        assert_eq!(bring_what_is_wanted(&mut decodings), RESERVE);
        let lent = |decodings: &mut Decodings, need| {
            std::iter::from_fn(|| decodings.lend(CODEC, need)).count()
        };
        assert_eq!(lent(&mut decodings, Need::Probe), RESERVE - FOR_OTHERS);
        assert_eq!(lent(&mut decodings, Need::Voice), FOR_OTHERS - FOR_MUST);
        assert_eq!(lent(&mut decodings, Need::Must), FOR_MUST);
        assert_eq!(bring_what_is_wanted(&mut decodings), RESERVE);
    }

    #[test]
    fn what_is_more_than_enough_is_given_up_in_small_parts() {
        let mut decodings = Decodings::new();
        let mut given = (0..8 * RESERVE).map(|_| decoding());
        let taken = given
            .by_ref()
            .take_while(|_| decodings.take_back(decoding()).is_none())
            .count();
        assert_eq!(taken, 2 * RESERVE + MOST_SURPLUS);
        let surplus = std::iter::from_fn(|| decodings.poll_surplus()).count();
        assert_eq!(surplus, MOST_SURPLUS);
        assert!(decodings.take_back(decoding()).is_none());
    }
}
