//! Who has a place in the mix, where more speak than anybody could tell apart?
//!
//! A voice among dozens is not understood, but it costs as much as one that is: it is decoded, levelled,
//! and has a mix of its own. So a mix has so many places. Whoever is heard keeps his until he pauses while
//! another waits, and of those who wait the one who has waited longest comes first.

/// How long a contributor pauses, in ticks, until his place is another's: 200 ms, about a breath.
const PAUSE_TICKS: u32 = 10;

/// How long somebody who waits may pause, in ticks, until he is taken to have nothing more to say.
const PATIENCE_TICKS: u32 = 50;

/// The places in the mix of one conference, tick by tick.
pub(crate) struct Floor {
    places: u16,
    /// How many were taken when the tick began, or have been since.
    taken: u16,
    /// How many have been found taken in this tick.
    held: u16,
    /// How long the first in the queue has waited, in ticks; nobody waits at 0.
    longest_wait: u32,
    /// The same for those who have been found waiting in this tick, and how many they are.
    longest_found: u32,
    waiting: u16,
}

/// How a leg stands to the mix of its conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Turn {
    /// It says nothing that belongs there.
    #[default]
    Absent,
    /// It has a place, for so many ticks.
    Has(u32),
    /// It would be heard if there were a place, for so many ticks.
    Waits(u32),
}

impl Floor {
    /// A floor with so many places, one at least, all of them free.
    pub(crate) fn new(places: u16) -> Floor {
        Floor {
            places: places.max(1),
            taken: 0,
            held: 0,
            longest_wait: 0,
            longest_found: 0,
            waiting: 0,
        }
    }

    /// Whether somebody who has waited so long would be given a place.
    pub(crate) fn has_place(&self, waited: u32) -> bool {
        self.taken < self.places && waited >= self.longest_wait
    }

    /// Whether somebody waits.
    pub(crate) fn is_crowded(&self) -> bool {
        self.longest_wait > 0
    }

    /// Ends a tick, in which everybody was asked who has a place or waits for one; returns how many
    /// could not be heard.
    pub(crate) fn end_tick(&mut self) -> u16 {
        self.taken = std::mem::take(&mut self.held);
        self.longest_wait = std::mem::take(&mut self.longest_found);
        std::mem::take(&mut self.waiting)
    }

    fn note_waiting(&mut self, ticks: u32) {
        self.longest_found = self.longest_found.max(ticks);
        self.waiting = self.waiting.saturating_add(1);
    }

    fn take(&mut self, waited: u32) -> Turn {
        if self.has_place(waited) {
            self.taken += 1;
            Turn::Has(0)
        } else {
            Turn::Waits(waited)
        }
    }
}

impl Turn {
    /// Begins a tick of a leg that has been inaudible for so many, and whose packets have not looked like
    /// a voice for so many.
    pub(crate) fn begin_tick(&mut self, floor: &mut Floor, inaudible_for: u32, quiet_for: u32) {
        let calls = quiet_for <= PAUSE_TICKS;
        *self = match *self {
            // Nothing is decoded to find out what it says when nobody could hear it anyway.
            Turn::Absent if calls && floor.is_crowded() => floor.take(0),
            Turn::Has(ticks) if floor.is_crowded() && ticks.min(inaudible_for) >= PAUSE_TICKS => {
                Turn::Absent
            }
            Turn::Waits(_) if quiet_for > PATIENCE_TICKS => Turn::Absent,
            Turn::Waits(ticks) if calls => floor.take(ticks),
            turn @ (Turn::Absent | Turn::Has(_) | Turn::Waits(_)) => turn,
        };
        if let Turn::Waits(ticks) = self
            && calls
        {
            *ticks = ticks.saturating_add(1);
            floor.note_waiting(*ticks);
        }
    }

    /// Ends the tick of a leg that wants to be heard in it, or not; says whether it is.
    pub(crate) fn end_tick(&mut self, floor: &mut Floor, wants: bool) -> bool {
        *self = match *self {
            Turn::Absent if wants => floor.take(0),
            // Whoever has waited begins to be heard as soon as something of it is decoded.
            Turn::Has(ticks) if !wants && ticks >= PAUSE_TICKS => Turn::Absent,
            turn @ (Turn::Absent | Turn::Has(_) | Turn::Waits(_)) => turn,
        };
        match self {
            Turn::Absent => false,
            Turn::Has(ticks) => {
                *ticks = ticks.saturating_add(1);
                floor.held += 1;
                wants
            }
            Turn::Waits(0) => {
                floor.note_waiting(1);
                false
            }
            Turn::Waits(_) => false,
        }
    }

    /// Whether it has nothing to do with the mix.
    pub(crate) fn is_absent(self) -> bool {
        self == Turn::Absent
    }

    /// Whether nothing of it is heard, whatever it says.
    pub(crate) fn waits(self) -> bool {
        matches!(self, Turn::Waits(_))
    }

    /// Whether it waits, and goes on to in a tick that begins so.
    pub(crate) fn waits_on(self, floor: &Floor, quiet_for: u32) -> bool {
        let is_served = |ticks| quiet_for <= PAUSE_TICKS && floor.has_place(ticks);
        matches!(self, Turn::Waits(ticks) if quiet_for <= PATIENCE_TICKS && !is_served(ticks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A leg that talks, for ever or until a tick.
    struct Talker {
        turn: Turn,
        until: u32,
    }

    fn talkers(until: [u32; 4]) -> [Talker; 4] {
        until.map(|until| Talker {
            turn: Turn::Absent,
            until,
        })
    }

    /// Who is heard in a tick.
    fn heard(floor: &mut Floor, talkers: &mut [Talker], tick: u32) -> Vec<usize> {
        let mut heard = Vec::new();
        for (number, talker) in talkers.iter_mut().enumerate() {
            let quiet_for = (tick + 1).saturating_sub(talker.until);
            talker.turn.begin_tick(floor, quiet_for, quiet_for);
            // Whoever is heard goes on to have a mix of its own for long.
            let lingers = matches!(talker.turn, Turn::Has(_)) && quiet_for < 400;
            let wants = quiet_for == 0 || lingers;
            if talker.turn.end_tick(floor, wants) {
                heard.push(number);
            }
        }
        floor.end_tick();
        heard
    }

    #[test]
    fn whoever_comes_first_is_heard_until_he_pauses_and_then_who_has_waited_longest() {
        let mut floor = Floor::new(2);
        let mut talkers = talkers([1_100, 1_060, 0, u32::MAX]);
        let mut changes: Vec<Vec<usize>> = Vec::new();
        for tick in 1_000..1_200 {
            if tick == 1_005 {
                talkers[2].until = u32::MAX;
            }
            let heard = heard(&mut floor, &mut talkers, tick);
            if !heard.is_empty() && changes.last() != Some(&heard) {
                changes.push(heard);
            }
        }
        assert_eq!(
            changes,
            [vec![0, 1], vec![0], vec![0, 3], vec![3], vec![2, 3]]
        );
    }

    #[test]
    fn a_place_is_free_in_the_tick_after_somebody_paused_for_long_enough() {
        let mut floor = Floor::new(1);
        let mut talkers = talkers([50, u32::MAX, u32::MAX, u32::MAX]);
        let mut first = None;
        for tick in 0..100 {
            let heard = heard(&mut floor, &mut talkers[..2], tick);
            assert!(heard.len() <= 1);
            if heard == [1] {
                first = first.or(Some(tick));
            }
        }
        assert_eq!(first, Some(50 + PAUSE_TICKS));
    }

    #[test]
    fn nobody_pauses_for_too_long_where_nobody_waits() {
        let mut floor = Floor::new(1);
        let mut turn = Turn::Absent;
        turn.begin_tick(&mut floor, 0, 0);
        assert!(turn.end_tick(&mut floor, true));
        for quiet_for in 0..400 {
            floor.end_tick();
            turn.begin_tick(&mut floor, quiet_for, quiet_for);
            assert!(
                turn.end_tick(&mut floor, true),
                "lost after {quiet_for} ticks"
            );
        }
    }

    #[test]
    fn whoever_waits_and_has_nothing_more_to_say_waits_no_longer() {
        let mut floor = Floor::new(1);
        let mut talkers = talkers([u32::MAX, 50, u32::MAX, u32::MAX]);
        for tick in 0..50 + PATIENCE_TICKS {
            heard(&mut floor, &mut talkers[..2], tick);
            assert!(talkers[1].turn.waits(), "tick {tick}");
        }
        heard(&mut floor, &mut talkers[..2], 50 + PATIENCE_TICKS);
        assert!(talkers[1].turn.is_absent());
        assert!(!floor.is_crowded());
    }
}
