//! What happens in a tick, and before it?

use tutti_model::Timestamp;

use super::seats::{Member, Standing, TICKS_PER_LOOK, TICKS_PER_REPORT, groups, has_turn};
use super::{Engine, EngineEvent, PHASES, Retired, end_prompt, place};
use crate::conference::Conference;
use crate::frame::Frame;
use crate::leg::Desk;
use crate::spares::{Spares, Wanted};
use crate::transport::{Channel, Transport};

/// From so many quiet legs on a tick is prepared: fewer are served as fast as a thread wakes up.
const CROWD: usize = 64;

impl<T: Transport> Engine<T> {
    /// Receives, mixes and sends 20 ms for everybody.
    pub fn tick(&mut self, now: Timestamp, emit: &mut impl FnMut(EngineEvent<T>)) {
        for phase in 0..PHASES {
            self.tick_phase(now, phase, emit);
        }
    }

    /// Receives, mixes and sends 20 ms for the conferences and legs of one phase.
    pub fn tick_phase(&mut self, now: Timestamp, phase: u8, emit: &mut impl FnMut(EngineEvent<T>)) {
        let Some(ticks) = self.ticks.get_mut(usize::from(phase)) else {
            return;
        };
        let tick = *ticks;
        *ticks += 1;
        for conference in self.conferences_of(phase) {
            conference.begin_tick();
        }
        self.receive(now, phase, tick, emit);
        self.complete_mixes(phase, emit);
        self.send(now, phase, tick, emit);
        let waits = self.conferences_of(phase).map(Conference::end_tick);
        let waits: u64 = waits.map(u64::from).sum();
        self.work.waits += waits;
    }

    /// Serves quiet legs ahead of the tick of their phase that is `due`, for as long as `goes_on` says.
    ///
    /// What has come to them is filed, and they are silent in the tick unless it is a voice. So a tick
    /// has little to do before its mix is complete, however many listen. What comes after this waits
    /// for the tick after that.
    pub fn prepare_phase(
        &mut self,
        due: Timestamp,
        phase: u8,
        mut goes_on: impl FnMut() -> bool,
        emit: &mut impl FnMut(EngineEvent<T>),
    ) {
        let Some(tick) = self.ticks.get(usize::from(phase)).copied() else {
            return;
        };
        let mut hall = Hall {
            conferences: &mut self.conferences,
            spares: &mut self.spares,
            buffer: &mut *self.buffer,
            scratch: &mut self.scratch,
            now: due,
            tick,
        };
        let seats = self.seats.get_mut(..self.seats_used).unwrap_or_default();
        for mut group in groups(seats, &mut self.standings, phase) {
            if !goes_on() {
                return;
            }
            let places = group.places(Standing::may_be_served_early);
            let waiting = group.waiting(places);
            for (nth, at) in places.enumerate() {
                let Some(mut member) = group.member(at) else {
                    continue;
                };
                member.standing.is_served = member.sleeps_on(tick, waiting.has(nth)) || {
                    hall.take(&mut member, waiting.has(nth), emit);
                    let conference = place(hall.conferences, member.seat.conference);
                    let stays_quiet = member.seat.leg.stays_quiet(conference.as_deref());
                    if stays_quiet {
                        hall.listen(&mut member, emit);
                    }
                    stays_quiet
                };
                self.work.served_ahead += u64::from(member.standing.is_served);
            }
        }
    }

    /// Whether so many legs of a phase are quiet that it is worth while to prepare its ticks.
    pub fn has_crowd(&self, phase: u8) -> bool {
        let quiet = self.quiet.get(usize::from(phase)).copied();
        quiet.is_some_and(|quiet| quiet >= CROWD) && !self.is_phase_idle(phase)
    }

    /// Takes what has come to the legs of a phase, and adds what they say to their conferences.
    fn receive(
        &mut self,
        now: Timestamp,
        phase: u8,
        tick: u64,
        emit: &mut impl FnMut(EngineEvent<T>),
    ) {
        let mut hall = Hall {
            conferences: &mut self.conferences,
            spares: &mut self.spares,
            buffer: &mut *self.buffer,
            scratch: &mut self.scratch,
            now,
            tick,
        };
        let mut quiet = 0;
        let seats = self.seats.get_mut(..self.seats_used).unwrap_or_default();
        for mut group in groups(seats, &mut self.standings, phase) {
            let places = group.places(Standing::is_to_be_served);
            let waiting = group.waiting(places);
            for (nth, at) in places.enumerate() {
                if let Some(mut member) = group.member(at)
                    && !member.sleeps_on(tick, waiting.has(nth))
                {
                    hall.take(&mut member, waiting.has(nth), emit);
                    hall.listen(&mut member, emit);
                    member.standing.is_quiet = member.seat.leg.is_quiet();
                }
            }
            quiet += group.end_receiving();
        }
        if let Some(place) = self.quiet.get_mut(usize::from(phase)) {
            *place = quiet;
        }
        while let Some(surplus) = self.spares.decodings.poll_surplus() {
            emit(EngineEvent::Retired(Retired::Decoding(surplus)));
        }
    }

    /// Ends the mixes of a phase: all that is heard in this tick is there.
    fn complete_mixes(&mut self, phase: u8, emit: &mut impl FnMut(EngineEvent<T>)) {
        for conference in self.conferences_of(phase) {
            conference.complete_mix();
            while let Some(trunk) = conference.take_finished_trunk() {
                emit(EngineEvent::Retired(Retired::Trunk(trunk)));
            }
            if let Some(music) = conference.take_finished_music() {
                emit(EngineEvent::Retired(Retired::Audio(music.into_audio())));
            }
            while let Some(over) = conference.take_finished_prompt() {
                end_prompt(over.finished(), over, emit);
            }
        }
    }

    /// Sends the legs of a phase what they hear.
    fn send(
        &mut self,
        now: Timestamp,
        phase: u8,
        tick: u64,
        emit: &mut impl FnMut(EngineEvent<T>),
    ) {
        let complexity = self.complexity();
        let conferences = &mut self.conferences;
        let seats = self.seats.get_mut(..self.seats_used).unwrap_or_default();
        let mut desk = Desk {
            spares: &mut self.spares,
            complexity,
            encodes: &mut self.work.encodes,
            datagram: self.buffer.as_mut_slice(),
            class_wanted: None,
            surplus: None,
        };
        // Who talks with others is not kept waiting for all who only listen.
        for is_quiet in [false, true] {
            for mut group in groups(&mut *seats, &mut self.standings, phase) {
                let places = group.places(|standing| standing.is_quiet == is_quiet);
                group.fetch_for_sending(places);
                for at in places {
                    let Some(Member { index, seat, .. }) = group.member(at) else {
                        continue;
                    };
                    let conference = place(conferences, seat.conference);
                    if let Some(prompt) = seat.leg.hear(conference, &mut desk) {
                        emit(EngineEvent::PromptFinished {
                            call: seat.leg.call(),
                            prompt: prompt.id(),
                        });
                        if let Some(audio) = prompt.into_audio() {
                            emit(EngineEvent::Retired(Retired::Audio(audio)));
                        }
                    }
                    if let Some(outlet) = desk.surplus.take() {
                        emit(EngineEvent::Retired(Retired::Outlet(outlet)));
                    }
                    if let Some(key) = desk.class_wanted.take()
                        && let Some(conference) = seat.conference
                        && place(conferences, seat.conference)
                            .is_some_and(|place| place.asks_for(key))
                    {
                        emit(EngineEvent::Wanted(Wanted::Class { conference, key }));
                    }
                    if has_turn(tick, index, TICKS_PER_LOOK) && seat.leg.poll_silent(now) {
                        let call = seat.leg.call();
                        emit(EngineEvent::LegSilent { call });
                    }
                    if has_turn(tick, index, TICKS_PER_REPORT) {
                        seat.leg.report(now, desk.datagram);
                    }
                }
            }
        }
        while let Some(wanted) = desk.spares.poll_wanted() {
            emit(EngineEvent::Wanted(wanted));
        }
    }
}

/// What legs are served with while they are listened to.
struct Hall<'a> {
    conferences: &'a mut [Option<Box<Conference>>],
    spares: &'a mut Spares,
    buffer: &'a mut [u8],
    scratch: &'a mut Frame,
    now: Timestamp,
    tick: u64,
}

impl Hall<'_> {
    /// Takes what has come to a leg.
    fn take<T: Transport>(
        &mut self,
        member: &mut Member<'_, T>,
        has_news: bool,
        emit: &mut impl FnMut(EngineEvent<T>),
    ) {
        let leg = &mut member.seat.leg;
        if has_turn(self.tick, member.index, TICKS_PER_LOOK) {
            leg.receive(Channel::Rtcp, self.buffer);
        }
        if has_news && leg.receive(Channel::Rtp, self.buffer) {
            let call = leg.call();
            while let Some(digit) = leg.poll_digit() {
                emit(EngineEvent::DigitPressed { call, digit });
            }
        }
        leg.settle(self.now);
    }

    /// Adds what a leg says in this tick to its conference.
    fn listen<T: Transport>(
        &mut self,
        member: &mut Member<'_, T>,
        emit: &mut impl FnMut(EngineEvent<T>),
    ) {
        let leg = &mut member.seat.leg;
        let conference = place(self.conferences, member.seat.conference);
        let lender = &mut self.spares.decodings;
        if let Some(speaking) = leg.contribute(self.now, conference, lender, self.scratch) {
            let call = leg.call();
            emit(EngineEvent::Speaking { call, speaking });
        }
        if let Some(speaking) = leg.poll_voice() {
            let call = leg.call();
            emit(EngineEvent::Voice { call, speaking });
        }
        if leg.may_sleep(self.now) {
            member.standing.asleep = Some(0);
        }
    }
}
