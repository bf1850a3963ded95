//! The media threads as the director sees them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tutti_media::{Conference, ConferenceSlot, EngineCommand, EngineEvent, Leg, LegSlot, PHASES};
use tutti_model::ConferenceId;

use super::super::counters::{Loads, ThreadCounters};
use super::super::governor::{Governor, Verdict};
use super::super::scheduling::Priority;
use super::super::thread::{ThreadHandle, ThreadSettings};
use super::super::udp::UdpLeg;
use super::MediaSettings;

/// One media thread, its free places, and what waits for it.
pub(super) struct Lane {
    handle: ThreadHandle,
    /// Commands that found the ring full, in order.
    backlog: VecDeque<EngineCommand<UdpLeg>>,
    free_legs: Vec<LegSlot>,
    free_conferences: Vec<ConferenceSlot>,
    /// Places in the mix of each conference.
    contributors: u16,
    legs: usize,
    /// Legs that are on their way to it from other threads.
    coming: usize,
    /// Conferences that tick in each phase.
    conferences: [usize; PHASES as usize],
    /// What was sent to the thread and has not come back.
    closing: usize,
    governor: Option<Governor>,
    /// What the governor has seen already.
    seen: Loads,
}

impl Lane {
    /// Starts a thread of a media plane.
    pub(super) fn start(
        index: usize,
        thread: ThreadSettings,
        plane: &MediaSettings,
    ) -> std::io::Result<Lane> {
        let complexity = plane.leg.encoder.complexity;
        let handle = ThreadHandle::spawn(index, thread)?;
        handle
            .counters
            .complexity
            .store(complexity, Ordering::Relaxed);
        Ok(Lane {
            handle,
            backlog: VecDeque::new(),
            free_legs: (0..thread.legs).rev().map(LegSlot).collect(),
            free_conferences: (0..thread.conferences).rev().map(ConferenceSlot).collect(),
            contributors: plane.contributors,
            legs: 0,
            coming: 0,
            conferences: [0; PHASES as usize],
            closing: 0,
            governor: plane.governor.then(|| Governor::new(complexity)),
            seen: Loads::NONE,
        })
    }

    pub(super) fn counters(&self) -> &Arc<ThreadCounters> {
        &self.handle.counters
    }

    /// What the system has given to the thread.
    pub(super) fn priority(&self) -> Priority {
        self.handle.priority
    }

    /// How much there is to do, for whoever looks for the quietest.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.legs(), self.conferences.iter().sum())
    }

    /// How many legs it has, those that are on their way included.
    pub(super) fn legs(&self) -> usize {
        self.legs + self.coming
    }

    /// A leg sets out for here.
    pub(super) fn expect_leg(&mut self) {
        self.coming += 1;
    }

    /// A leg that set out for here has come.
    pub(super) fn leg_came(&mut self) {
        self.coming = self.coming.saturating_sub(1);
    }

    /// Whether the governor lets more legs come.
    pub(super) fn admits(&self) -> bool {
        self.governor
            .as_ref()
            .is_none_or(|governor| governor.verdict().admits)
    }

    pub(super) fn has_leg_place(&self) -> bool {
        !self.free_legs.is_empty()
    }

    pub(super) fn has_conference_place(&self) -> bool {
        !self.free_conferences.is_empty()
    }

    /// Whether nothing waits for the thread, and nothing is expected from it.
    pub(super) fn is_settled(&self) -> bool {
        self.backlog.is_empty() && self.closing == 0
    }

    /// Brings a leg in, if there is a place.
    pub(super) fn add_leg(&mut self, leg: Box<Leg<UdpLeg>>) -> Option<LegSlot> {
        let slot = self.free_legs.pop()?;
        self.legs += 1;
        self.send(EngineCommand::AddLeg { slot, leg });
        Some(slot)
    }

    /// Takes a leg out. Commands come in order, so whoever gets its place next finds it empty.
    pub(super) fn remove_leg(&mut self, slot: LegSlot) {
        self.send(EngineCommand::RemoveLeg { slot });
        self.free_legs.push(slot);
        self.legs -= 1;
    }

    /// Opens a conference that ticks in this phase, or in the one with the fewest.
    pub(super) fn open_conference(
        &mut self,
        id: ConferenceId,
        phase: Option<u8>,
    ) -> Option<(ConferenceSlot, u8)> {
        let slot = self.free_conferences.pop()?;
        let phase = phase.unwrap_or_else(|| self.emptiest_phase());
        if let Some(count) = self.conferences.get_mut(usize::from(phase)) {
            *count += 1;
        }
        let conference = Box::new(Conference::new(id, phase, self.contributors));
        self.send(EngineCommand::OpenConference { slot, conference });
        Some((slot, phase))
    }

    /// Closes a conference, whose place is free for the next command.
    pub(super) fn close_conference(&mut self, slot: ConferenceSlot, phase: u8) {
        self.send(EngineCommand::CloseConference { slot });
        self.free_conferences.push(slot);
        self.closing += 1;
        if let Some(count) = self.conferences.get_mut(usize::from(phase)) {
            *count -= 1;
        }
    }

    /// A closed conference has come back.
    pub(super) fn closed(&mut self) {
        self.closing = self.closing.saturating_sub(1);
    }

    /// Sends a command after all that wait already.
    pub(super) fn send(&mut self, command: EngineCommand<UdpLeg>) {
        self.backlog.push_back(command);
        self.flush();
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn flush(&mut self) {
        while let Some(command) = self.backlog.pop_front() {
            if let Err(command) = self.handle.send(command) {
                self.backlog.push_front(command);
                return;
            }
        }
    }

    /// Wakes the thread, if it rests.
    #[cfg(test)]
    pub(super) fn wake(&self) {
        self.handle.wake();
    }

    /// The next thing that the thread has to say.
    pub(super) fn next_event(&mut self) -> Option<EngineEvent<UdpLeg>> {
        self.handle.events.pop().ok()
    }

    /// Lets the governor look at one more second.
    pub(super) fn govern(&mut self, configured: u8) {
        let loads = self.handle.counters.loads();
        let second = loads.since(&self.seen);
        self.seen = loads;
        let Some(governor) = &mut self.governor else {
            return;
        };
        let before = governor.verdict();
        let Verdict { complexity, admits } = governor.observe(second);
        if complexity != before.complexity {
            self.send(EngineCommand::SetComplexity(complexity));
        }
        let counters = &self.handle.counters;
        let effective = complexity.unwrap_or(configured);
        counters.complexity.store(effective, Ordering::Relaxed);
        counters.admits.store(u8::from(admits), Ordering::Relaxed);
    }

    fn emptiest_phase(&self) -> u8 {
        (0..PHASES)
            .min_by_key(|phase| self.conferences.get(usize::from(*phase)))
            .unwrap_or(0)
    }
}
