//! Which legs are here, and whose turn is it?

use crate::leg::Leg;
use crate::transport::{GROUP, Transport, Waiting};

use super::ConferenceSlot;

/// Every leg's RTCP is read once a second, and it is asked whether its caller is gone, each at a tick of
/// its own. The kernel's time stamps tell when RTCP came, and nothing in it is urgent.
pub(super) const TICKS_PER_LOOK: u64 = 50;

/// Legs send RTCP every 5 s, each at a tick of its own (RFC 3550 §6.2).
pub(super) const TICKS_PER_REPORT: u64 = 250;

/// A leg and the conference it is in.
pub(super) struct Seat<T> {
    pub(super) leg: Box<Leg<T>>,
    pub(super) conference: Option<ConferenceSlot>,
}

/// How a leg stands to its next tick. It lies apart from the leg: of those whose turn it is not, nothing
/// else is touched.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    pub(super) phase: u8,
    /// It most likely says nothing, and may be served ahead of the tick.
    pub(super) is_quiet: bool,
    /// It was.
    pub(super) is_served: bool,
    /// How many ticks have passed it by, if it sleeps.
    pub(super) asleep: Option<u32>,
}

impl Standing {
    /// Its tick has not been dealt with ahead.
    pub(super) fn is_to_be_served(&self) -> bool {
        !self.is_served
    }

    /// It may be dealt with ahead of its tick.
    pub(super) fn may_be_served_early(&self) -> bool {
        self.is_quiet && !self.is_served
    }
}

/// The legs that lie side by side.
///
/// Memory is slow, and patient: who looks at all of them first waits for all of them at once, and
/// not for each in turn.
pub(super) struct Group<'a, T> {
    seats: &'a mut [Option<Seat<T>>],
    standings: &'a mut [Standing],
    phase: u8,
    first: usize,
}

/// A leg whose turn it is, with its number.
pub(super) struct Member<'a, T> {
    pub(super) index: usize,
    pub(super) seat: &'a mut Seat<T>,
    pub(super) standing: &'a mut Standing,
}

impl<T: Transport> Group<'_, T> {
    /// The places of those of its phase that stand so.
    pub(super) fn places(&self, stands_so: impl Fn(&Standing) -> bool) -> Places {
        let seats = self.seats.iter().zip(&*self.standings).enumerate();
        let bits = seats.map(|(place, (seat, standing))| {
            let has_turn = standing.phase == self.phase && stands_so(standing) && seat.is_some();
            u16::from(has_turn) << (place % GROUP)
        });
        Places(bits.fold(0, |all, bit| all | bit))
    }

    /// Who has this place.
    pub(super) fn member(&mut self, place: usize) -> Option<Member<'_, T>> {
        Some(Member {
            index: self.first + place,
            seat: self.seats.get_mut(place)?.as_mut()?,
            standing: self.standings.get_mut(place)?,
        })
    }

    /// To whom of these something may have come; what serving those needs is fetched.
    pub(super) fn waiting(&self, places: Places) -> Waiting {
        let legs = || places.filter_map(|place| Some(&*self.seats.get(place)?.as_ref()?.leg));
        let waiting = T::waiting(legs().map(|leg| leg.transport()));
        for (at, (place, leg)) in places.zip(legs()).enumerate() {
            let sleeps = |standing: &Standing| standing.asleep.is_some();
            if waiting.has(at) || !self.standings.get(place).is_some_and(sleeps) {
                leg.fetch_for_receiving();
            }
        }
        waiting
    }

    /// Ends what was served ahead; returns how many are quiet.
    pub(super) fn end_receiving(&mut self) -> usize {
        let phase = self.phase;
        let seats = self.seats.iter().zip(&mut *self.standings);
        let of_phase = seats.filter(|(seat, standing)| standing.phase == phase && seat.is_some());
        let quiet = of_phase.filter_map(|(_, standing)| {
            standing.is_served = false;
            standing.is_quiet.then_some(())
        });
        quiet.count()
    }

    /// Fetches what sending to these needs.
    pub(super) fn fetch_for_sending(&self, places: Places) {
        for place in places {
            if let Some(Some(seat)) = self.seats.get(place) {
                seat.leg.fetch_for_sending();
            }
        }
    }
}

/// Some places of a group, from the first to the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places(u16);

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let place = self.0.trailing_zeros();
        self.0 &= self.0.checked_sub(1)?;
        Some(place as usize)
    }
}

impl<T: Transport> Member<'_, T> {
    /// Whether a tick passes this leg by; one to which something may have come is woken.
    pub(super) fn sleeps_on(&mut self, tick: u64, has_news: bool) -> bool {
        match &mut self.standing.asleep {
            Some(passed) if !has_news && !has_turn(tick, self.index, TICKS_PER_LOOK) => {
                *passed = passed.saturating_add(1);
                true
            }
            Some(passed) => {
                self.seat.leg.wake(*passed);
                self.standing.asleep = None;
                false
            }
            None => false,
        }
    }
}

/// All legs, of which those of a phase have their turn, side by side.
pub(super) fn groups<'a, T>(
    seats: &'a mut [Option<Seat<T>>],
    standings: &'a mut [Standing],
    phase: u8,
) -> impl Iterator<Item = Group<'a, T>> {
    let chunks = seats.chunks_mut(GROUP).zip(standings.chunks_mut(GROUP));
    chunks
        .enumerate()
        .map(move |(at, (seats, standings))| Group {
            seats,
            standings,
            phase,
            first: at * GROUP,
        })
}

/// Whether it is a leg's turn for what each does once in so many ticks.
pub(super) fn has_turn(tick: u64, index: usize, every: u64) -> bool {
    (tick + index as u64).is_multiple_of(every)
}
