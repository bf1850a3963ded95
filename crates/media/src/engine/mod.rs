//! All conferences and legs of one media thread, on one tick.
//!
//! The engine is told everything: the time, commands, and through each leg's [`Transport`] the
//! datagrams. It allocates, locks and logs nothing after construction; what it no longer needs it
//! hands out as [`Retired`], to be dropped elsewhere.

mod seats;
mod tick;
mod words;

use tutti_model::{CallId, Digit, PromptId, Timestamp};

use crate::conference::Conference;
use crate::frame::{FRAME_SAMPLES, Frame};
use crate::leg::Leg;
use crate::prompt::{ConferencePrompt, Music, Prompt};
use crate::spares::Spares;
use crate::transport::Transport;
use seats::{Seat, Standing};

pub use words::{ConferenceSlot, EngineCommand, EngineEvent, LegSlot, Retired, Work};

/// In how many parts a tick may be done: a conference belongs to one of them, so that a thousand
/// conferences do not send in the same instant.
pub const PHASES: u8 = 4;

/// How hard encoders try in a hurry: Opus takes a third of the time that it takes at 5.
const HURRIED: u8 = 1;

/// The room for any datagram; a longer one that arrives is cut and then malformed.
const DATAGRAM: usize = 2_048;

/// Mixes the conferences of one media thread.
pub struct Engine<T> {
    seats: Vec<Option<Seat<T>>>,
    conferences: Vec<Option<Box<Conference>>>,
    /// One past the highest leg that has been used, so that a tick need not look further.
    seats_used: usize,
    conferences_used: usize,
    /// What must be known of each leg before it is looked at.
    standings: Vec<Standing>,
    /// How many legs of each phase were quiet in its last tick.
    quiet: [usize; PHASES as usize],
    legs: usize,
    ticks: [u64; PHASES as usize],
    spares: Spares,
    /// How hard encoders may try, where they were told.
    complexity: Option<u8>,
    hurries: bool,
    work: Work,
    buffer: Box<[u8; DATAGRAM]>,
    scratch: Box<Frame>,
}

impl<T: Transport> Engine<T> {
    /// Makes room for this many legs and conferences, once and for all.
    pub fn new(legs: u16, conferences: u16) -> Engine<T> {
        Engine {
            seats: (0..legs).map(|_| None).collect(),
            conferences: (0..conferences).map(|_| None).collect(),
            seats_used: 0,
            conferences_used: 0,
            standings: vec![Standing::default(); usize::from(legs)],
            quiet: [0; PHASES as usize],
            legs: 0,
            ticks: [0; PHASES as usize],
            spares: Spares::new(),
            complexity: None,
            hurries: false,
            work: Work::default(),
            buffer: Box::new([0; DATAGRAM]),
            scratch: Box::new([0.0; FRAME_SAMPLES]),
        }
    }

    /// Encodes the ticks to come as cheaply as speech bears, or as well as it may again: for an owner
    /// that has fallen behind, so that it catches up before anybody has to wait.
    pub fn hurry(&mut self, hurries: bool) {
        self.hurries = hurries;
    }

    /// What it has done so far.
    pub fn work(&self) -> Work {
        self.work
    }

    /// Encoders that are here: those of legs, shared ones, and those that nobody uses.
    pub fn encoders(&self) -> usize {
        let legs = self.seats.iter().flatten();
        let of_legs = legs.filter(|seat| seat.leg.has_outlet()).count();
        let conferences = self.conferences.iter().flatten();
        let shared: usize = conferences.map(|place| place.class_count()).sum();
        of_legs + shared + self.spares.len()
    }

    /// Whether a tick would do nothing: no legs are here, and no conference makes a sound.
    pub fn is_idle(&self) -> bool {
        self.legs == 0
            && self
                .conferences
                .iter()
                .take(self.conferences_used)
                .flatten()
                .all(|conference| conference.is_at_rest())
    }

    /// Whether a tick of this phase would do nothing.
    pub fn is_phase_idle(&self, phase: u8) -> bool {
        let nobody = self
            .seats
            .iter()
            .zip(&self.standings)
            .take(self.seats_used)
            .all(|(seat, standing)| standing.phase != phase || seat.is_none());
        nobody
            && self
                .conferences
                .iter()
                .take(self.conferences_used)
                .flatten()
                .all(|conference| conference.phase() != phase || conference.is_at_rest())
    }

    /// Leaves out ticks that a pause of the machine made worthless: streams and recordings have a
    /// gap as long as it was.
    pub fn skip(&mut self, ticks: u32) {
        for seat in self.seats.iter_mut().take(self.seats_used).flatten() {
            seat.leg.skip(ticks);
        }
        for conference in self.conferences.iter_mut().flatten() {
            conference.skip(ticks);
        }
    }

    /// Applies a command, in time for the next tick.
    pub fn handle(
        &mut self,
        now: Timestamp,
        command: EngineCommand<T>,
        emit: &mut impl FnMut(EngineEvent<T>),
    ) {
        let mut retire = |retired| emit(EngineEvent::Retired(retired));
        match command {
            EngineCommand::OpenConference { slot, conference } => {
                match self.conferences.get_mut(usize::from(slot.0)) {
                    Some(place) => {
                        self.conferences_used = self.conferences_used.max(usize::from(slot.0) + 1);
                        if let Some(conference) = place.replace(conference) {
                            retire(Retired::Conference { slot, conference });
                        }
                    }
                    None => retire(Retired::Refused(EngineCommand::OpenConference {
                        slot,
                        conference,
                    })),
                }
            }
            EngineCommand::CloseConference { slot } => self.close_conference(slot, &mut retire),
            EngineCommand::AddLeg { slot, mut leg } => {
                match self.seats.get_mut(usize::from(slot.0)) {
                    Some(place) => {
                        self.seats_used = self.seats_used.max(usize::from(slot.0) + 1);
                        self.spares.expect(leg.format().codec);
                        self.spares.decodings.came(leg.lacks_decoding());
                        leg.arrive(now);
                        if let Some(standing) = self.standings.get_mut(usize::from(slot.0)) {
                            *standing = Standing {
                                phase: (slot.0 % u16::from(PHASES)) as u8,
                                ..Standing::default()
                            };
                        }
                        let seat = Seat {
                            leg,
                            conference: None,
                        };
                        match place.replace(seat) {
                            Some(seat) => {
                                self.spares.decodings.went(seat.leg.lacks_decoding());
                                retire(Retired::Leg {
                                    slot,
                                    leg: seat.leg,
                                });
                            }
                            None => self.legs += 1,
                        }
                        while let Some(wanted) = self.spares.poll_wanted() {
                            emit(EngineEvent::Wanted(wanted));
                        }
                    }
                    None => retire(Retired::Refused(EngineCommand::AddLeg { slot, leg })),
                }
            }
            EngineCommand::RemoveLeg { slot } => {
                self.wake(slot);
                self.leave(slot, emit);
                if let Some(mut seat) = self
                    .seats
                    .get_mut(usize::from(slot.0))
                    .and_then(Option::take)
                {
                    self.legs -= 1;
                    self.spares.decodings.went(seat.leg.lacks_decoding());
                    if let Some(speaking) = seat.leg.hush() {
                        let call = seat.leg.call();
                        emit(EngineEvent::Speaking { call, speaking });
                    }
                    let mut retire = |retired| emit(EngineEvent::Retired(retired));
                    // Encoders stay where they are needed next.
                    let outlet = seat.leg.take_outlet();
                    if let Some(surplus) = outlet.and_then(|outlet| self.spares.give(outlet)) {
                        retire(Retired::Outlet(surplus));
                    }
                    retire(Retired::Leg {
                        slot,
                        leg: seat.leg,
                    });
                }
            }
            EngineCommand::Early { slot } => {
                if let Some(seat) = self.seat(slot) {
                    seat.leg.early();
                }
            }
            EngineCommand::Answered { slot } => {
                if let Some(seat) = self.seat(slot) {
                    seat.leg.answered(now);
                }
            }
            EngineCommand::Reconfigure {
                slot,
                description,
                media,
            } => {
                self.wake(slot);
                let Some(Some(seat)) = self.seats.get_mut(usize::from(slot.0)) else {
                    if let Some(media) = media {
                        retire(Retired::Media(media));
                    }
                    return;
                };
                self.spares.decodings.went(seat.leg.lacks_decoding());
                if let Some(media) = seat.leg.reconfigure(now, description, media) {
                    retire(Retired::Media(media));
                }
                self.spares.expect(seat.leg.format().codec);
                self.spares.decodings.came(seat.leg.lacks_decoding());
            }
            EngineCommand::Join {
                slot,
                conference,
                privileges,
            } => {
                self.leave(slot, emit);
                let phase = self.conference(conference).map(|place| place.phase());
                if let Some(phase) = phase
                    && let Some(seat) = self.seat(slot)
                {
                    seat.conference = Some(conference);
                    if let Some(speaking) = seat.leg.hush() {
                        let call = seat.leg.call();
                        emit(EngineEvent::Speaking { call, speaking });
                    }
                    seat.leg.enter(privileges);
                    if let Some(standing) = self.standings.get_mut(usize::from(slot.0)) {
                        standing.phase = phase;
                    }
                }
            }
            EngineCommand::Leave { slot } => self.leave(slot, emit),
            EngineCommand::SetGains { slot, gains } => {
                if let Some(seat) = self.seat(slot) {
                    seat.leg.set_gains(gains);
                }
            }
            EngineCommand::PressDigit { slot, digit } => {
                if let Some(seat) = self.seat(slot) {
                    seat.leg.press(digit);
                }
            }
            EngineCommand::PassDigit {
                conference,
                from,
                digit,
            } => self.pass_digit(conference, from, digit),
            EngineCommand::AddClass { conference, class } => {
                let unused = match self.conference(conference) {
                    Some(conference) => conference.add_class(class),
                    None => Some(class),
                };
                if let Some(class) = unused {
                    retire(Retired::Class(class));
                }
            }
            EngineCommand::AddOutlet { outlet } => {
                if let Some(surplus) = self.spares.add(outlet) {
                    retire(Retired::Outlet(surplus));
                }
            }
            EngineCommand::AddDecoding { decoding } => {
                if let Some(surplus) = self.spares.decodings.add(decoding) {
                    retire(Retired::Decoding(surplus));
                }
            }
            EngineCommand::SetComplexity(complexity) => self.complexity = complexity,
            EngineCommand::AddTrunk { conference, trunk } => {
                let unused = match self.conference(conference) {
                    Some(conference) => conference.add_trunk(trunk),
                    None => Some(trunk),
                };
                if let Some(trunk) = unused {
                    retire(Retired::Trunk(trunk));
                }
            }
            EngineCommand::SetPrivileges { slot, privileges } => {
                if let Some(seat) = self.seat(slot) {
                    seat.leg.set_privileges(privileges);
                }
            }
            EngineCommand::SetMixing { conference, on } => {
                if let Some(conference) = self.conference(conference) {
                    conference.set_mixing(on);
                }
            }
            EngineCommand::PlayMusic { conference, audio } => match self.conference(conference) {
                Some(conference) => {
                    if let Some(replaced) = conference.play_music(Music::new(audio)) {
                        retire(Retired::Audio(replaced.into_audio()));
                    }
                }
                None => retire(Retired::Audio(audio)),
            },
            EngineCommand::StopMusic { conference } => {
                if let Some(conference) = self.conference(conference) {
                    conference.stop_music();
                }
            }
            EngineCommand::Beep { conference, beep } => {
                if let Some(conference) = self.conference(conference) {
                    conference.beep(beep);
                }
            }
            EngineCommand::StartRecording { conference, tap } => {
                let unused = match self.conference(conference) {
                    Some(conference) => conference.start_recording(tap),
                    None => Some(tap),
                };
                if let Some(tap) = unused {
                    retire(Retired::Tap(tap));
                }
            }
            EngineCommand::StopRecording { conference } => {
                let tap = self
                    .conference(conference)
                    .and_then(Conference::stop_recording);
                if let Some(tap) = tap {
                    retire(Retired::Tap(tap));
                }
            }
            EngineCommand::StartTrack { slot, tap } => {
                let unused = match self.seat(slot) {
                    Some(seat) => seat.leg.start_track(tap),
                    None => Some(tap),
                };
                if let Some(tap) = unused {
                    retire(Retired::Tap(tap));
                }
            }
            EngineCommand::StopTrack { slot } => {
                if let Some(tap) = self.seat(slot).and_then(|seat| seat.leg.stop_track()) {
                    retire(Retired::Tap(tap));
                }
            }
            EngineCommand::RecordCall { slot, recording } => {
                let unused = match self.seat(slot) {
                    Some(seat) => seat.leg.record_call(now, recording),
                    None => Some(recording),
                };
                if let Some(recording) = unused {
                    retire(Retired::CallRecording(recording));
                }
            }
            EngineCommand::StopCallRecording { slot, recording } => {
                let stopped = self
                    .seat(slot)
                    .and_then(|seat| seat.leg.stop_call_recording(recording));
                if let Some(recording) = stopped {
                    retire(Retired::CallRecording(recording));
                }
            }
            EngineCommand::WatchVoice { slot, on } => {
                if let Some(seat) = self.seat(slot) {
                    seat.leg.watch_voice(on);
                }
            }
            EngineCommand::PlayToConference { conference, prompt } => {
                let unused = match self.conference(conference) {
                    Some(conference) => conference.play_prompt(prompt),
                    None => Some(prompt),
                };
                if let Some(prompt) = unused {
                    end_prompt(prompt.told(), prompt, emit);
                }
            }
            EngineCommand::StopConferencePrompt {
                conference,
                call,
                prompt,
            } => {
                if let Some(conference) = self.conference(conference) {
                    conference.stop_prompt(call, prompt);
                }
            }
            EngineCommand::PlayPrompt { slot, prompt } => {
                let unused = match self.seat(slot) {
                    Some(seat) => seat.leg.play(prompt),
                    None => Some(prompt),
                };
                if let Some(audio) = unused.and_then(Prompt::into_audio) {
                    retire(Retired::Audio(audio));
                }
            }
            EngineCommand::StopPrompt { slot, prompt } => {
                let stopped = self
                    .seat(slot)
                    .and_then(|seat| seat.leg.stop_prompt(prompt));
                if let Some(audio) = stopped.and_then(Prompt::into_audio) {
                    retire(Retired::Audio(audio));
                }
            }
        }
    }

    /// A leg, to read its counters.
    pub fn leg(&self, slot: LegSlot) -> Option<&Leg<T>> {
        let seat = self.seats.get(usize::from(slot.0))?.as_ref()?;
        Some(&seat.leg)
    }

    /// How hard encoders may try in this tick.
    fn complexity(&self) -> Option<u8> {
        if self.hurries {
            Some(self.complexity.map_or(HURRIED, |most| most.min(HURRIED)))
        } else {
            self.complexity
        }
    }

    /// A leg to which something happens, so that it sleeps no longer.
    fn seat(&mut self, slot: LegSlot) -> Option<&mut Seat<T>> {
        self.wake(slot);
        self.seats.get_mut(usize::from(slot.0))?.as_mut()
    }

    fn wake(&mut self, slot: LegSlot) {
        let at = usize::from(slot.0);
        let standing = self.standings.get_mut(at);
        let passed = standing.and_then(|standing| standing.asleep.take());
        if let Some(passed) = passed
            && let Some(Some(seat)) = self.seats.get_mut(at)
        {
            seat.leg.wake(passed);
        }
    }

    fn conferences_of(&mut self, phase: u8) -> impl Iterator<Item = &mut Conference> {
        let used = self.conferences.get_mut(..self.conferences_used);
        let conferences = used.unwrap_or_default().iter_mut().flatten();
        conferences
            .map(|conference| &mut **conference)
            .filter(move |conference| conference.phase() == phase)
    }

    fn conference(&mut self, slot: ConferenceSlot) -> Option<&mut Conference> {
        place(&mut self.conferences, Some(slot))
    }

    fn leave(&mut self, slot: LegSlot, emit: &mut impl FnMut(EngineEvent<T>)) {
        self.wake(slot);
        let Some(Some(seat)) = self.seats.get_mut(usize::from(slot.0)) else {
            return;
        };
        let left = seat.conference.take();
        if let Some(conference) = place(&mut self.conferences, left) {
            seat.leg.exit(conference);
            if let Some(speaking) = seat.leg.hush() {
                let call = seat.leg.call();
                emit(EngineEvent::Speaking { call, speaking });
            }
        }
        if let Some(tap) = seat.leg.stop_track() {
            emit(EngineEvent::Retired(Retired::Tap(tap)));
        }
    }

    fn pass_digit(&mut self, conference: ConferenceSlot, from: Option<LegSlot>, digit: Digit) {
        for (index, seat) in self.seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            let pressed_here = from.is_some_and(|from| usize::from(from.0) == index);
            if seat.conference == Some(conference) && !pressed_here && seat.leg.listens() {
                seat.leg.press(digit);
            }
        }
    }

    fn close_conference(&mut self, slot: ConferenceSlot, retire: &mut impl FnMut(Retired<T>)) {
        for seat in self.seats.iter_mut().flatten() {
            if seat.conference == Some(slot) {
                seat.conference = None;
            }
        }
        let closed = self
            .conferences
            .get_mut(usize::from(slot.0))
            .and_then(Option::take);
        if let Some(mut conference) = closed {
            if let Some(music) = conference.take_music() {
                retire(Retired::Audio(music.into_audio()));
            }
            while let Some(prompt) = conference.take_prompt() {
                if let Some(audio) = prompt.into_audio() {
                    retire(Retired::Audio(audio));
                }
            }
            if let Some(tap) = conference.stop_recording() {
                retire(Retired::Tap(tap));
            }
            while let Some(trunk) = conference.take_trunk() {
                retire(Retired::Trunk(trunk));
            }
            retire(Retired::Conference { slot, conference });
        }
    }
}

/// Gives up a conference's prompt, and tells its end if somebody is to know.
fn end_prompt<T>(
    told: Option<(CallId, PromptId)>,
    prompt: ConferencePrompt,
    emit: &mut impl FnMut(EngineEvent<T>),
) {
    if let Some((call, prompt)) = told {
        emit(EngineEvent::PromptFinished { call, prompt });
    }
    if let Some(audio) = prompt.into_audio() {
        emit(EngineEvent::Retired(Retired::Audio(audio)));
    }
}

fn place(
    conferences: &mut [Option<Box<Conference>>],
    slot: Option<ConferenceSlot>,
) -> Option<&mut Conference> {
    conferences.get_mut(usize::from(slot?.0))?.as_deref_mut()
}
