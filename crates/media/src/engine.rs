//! All conferences and legs of one media thread, on one tick.
//!
//! The engine is told everything: the time, commands, and through each leg's [`Transport`] the
//! datagrams. It allocates, locks and logs nothing after construction; what it no longer needs it
//! hands out as [`Retired`], to be dropped elsewhere.

use tutti_model::{Beep, CallId, Digit, MediaDescription, Privileges, PromptId, Timestamp};

use crate::conference::{Conference, MixClass};
use crate::leg::{Leg, LegMedia};
use crate::prompt::{Audio, Music, Prompt};
use crate::tap::Tap;
use crate::transport::Transport;

/// Legs send RTCP every 5 s, each at a tick of its own (RFC 3550 §6.2).
const TICKS_PER_REPORT: u64 = 250;

/// The room for any datagram that arrives; a longer one is cut and then malformed.
const RECEIVE_BUFFER: usize = 2_048;

/// A place for a leg, given out by the engine's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LegSlot(pub u16);

/// A place for a conference, given out by the engine's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConferenceSlot(pub u16);

/// What the engine's owner asks. A command for an empty place does nothing.
pub enum EngineCommand<T> {
    OpenConference {
        slot: ConferenceSlot,
        conference: Box<Conference>,
    },
    /// Legs that are still inside go on alone.
    CloseConference {
        slot: ConferenceSlot,
    },
    AddLeg {
        slot: LegSlot,
        leg: Box<Leg<T>>,
    },
    /// Takes the leg out, to be dropped or to move to another engine.
    RemoveLeg {
        slot: LegSlot,
    },
    /// Our answer is on its way: from now on the leg sends, and believes its peer.
    Answered {
        slot: LegSlot,
    },
    /// A new offer was answered; `media` comes along when the format changes.
    Reconfigure {
        slot: LegSlot,
        description: MediaDescription,
        media: Option<Box<LegMedia>>,
    },
    /// Bridges a leg; `class` is the shared encoder of its format, used if there is none yet.
    Join {
        slot: LegSlot,
        conference: ConferenceSlot,
        privileges: Privileges,
        class: Option<Box<MixClass>>,
    },
    Leave {
        slot: LegSlot,
    },
    SetPrivileges {
        slot: LegSlot,
        privileges: Privileges,
    },
    SetMixing {
        conference: ConferenceSlot,
        on: bool,
    },
    PlayMusic {
        conference: ConferenceSlot,
        audio: Audio,
    },
    StopMusic {
        conference: ConferenceSlot,
    },
    Beep {
        conference: ConferenceSlot,
        beep: Beep,
    },
    StartRecording {
        conference: ConferenceSlot,
        tap: Box<dyn Tap>,
    },
    StopRecording {
        conference: ConferenceSlot,
    },
    StartTrack {
        slot: LegSlot,
        tap: Box<dyn Tap>,
    },
    StopTrack {
        slot: LegSlot,
    },
    PlayPrompt {
        slot: LegSlot,
        prompt: Prompt,
    },
    StopPrompt {
        slot: LegSlot,
        prompt: PromptId,
    },
}

/// What the engine's owner learns.
pub enum EngineEvent<T> {
    PromptFinished { call: CallId, prompt: PromptId },
    DigitPressed { call: CallId, digit: Digit },
    LegSilent { call: CallId },
    Retired(Retired<T>),
}

/// What the engine has no use for any more.
pub enum Retired<T> {
    Leg {
        slot: LegSlot,
        leg: Box<Leg<T>>,
    },
    Conference {
        slot: ConferenceSlot,
        conference: Box<Conference>,
    },
    Media(Box<LegMedia>),
    Class(Box<MixClass>),
    Audio(Audio),
    Tap(Box<dyn Tap>),
    /// A command that named a place outside the engine, unused.
    Refused(EngineCommand<T>),
}

/// A leg and the conference it is in.
struct Seat<T> {
    leg: Box<Leg<T>>,
    conference: Option<ConferenceSlot>,
}

/// Mixes the conferences of one media thread.
pub struct Engine<T> {
    seats: Vec<Option<Seat<T>>>,
    conferences: Vec<Option<Box<Conference>>>,
    /// One past the highest leg that has been used, so that a tick need not look further.
    seats_used: usize,
    conferences_used: usize,
    ticks: u64,
    buffer: Box<[u8; RECEIVE_BUFFER]>,
}

impl<T: Transport> Engine<T> {
    /// Makes room for this many legs and conferences, once and for all.
    pub fn new(legs: u16, conferences: u16) -> Engine<T> {
        Engine {
            seats: (0..legs).map(|_| None).collect(),
            conferences: (0..conferences).map(|_| None).collect(),
            seats_used: 0,
            conferences_used: 0,
            ticks: 0,
            buffer: Box::new([0; RECEIVE_BUFFER]),
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
            EngineCommand::AddLeg { slot, leg } => match self.seats.get_mut(usize::from(slot.0)) {
                Some(place) => {
                    self.seats_used = self.seats_used.max(usize::from(slot.0) + 1);
                    if let Some(seat) = place.replace(Seat {
                        leg,
                        conference: None,
                    }) {
                        retire(Retired::Leg {
                            slot,
                            leg: seat.leg,
                        });
                    }
                }
                None => retire(Retired::Refused(EngineCommand::AddLeg { slot, leg })),
            },
            EngineCommand::RemoveLeg { slot } => {
                self.leave(now, slot, &mut retire);
                if let Some(seat) = self
                    .seats
                    .get_mut(usize::from(slot.0))
                    .and_then(Option::take)
                {
                    retire(Retired::Leg {
                        slot,
                        leg: seat.leg,
                    });
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
                let unused = match self.seat(slot) {
                    Some(seat) => seat.leg.reconfigure(now, description, media),
                    None => media,
                };
                if let Some(media) = unused {
                    retire(Retired::Media(media));
                }
            }
            EngineCommand::Join {
                slot,
                conference,
                privileges,
                class,
            } => {
                self.leave(now, slot, &mut retire);
                let unused = match self.conference(conference) {
                    Some(place) => class.and_then(|class| place.add_class(class)),
                    None => class,
                };
                if let Some(class) = unused {
                    retire(Retired::Class(class));
                }
                if self.conference(conference).is_some()
                    && let Some(seat) = self.seat(slot)
                {
                    seat.conference = Some(conference);
                    seat.leg.enter(privileges);
                }
            }
            EngineCommand::Leave { slot } => self.leave(now, slot, &mut retire),
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

    /// Receives, mixes and sends 20 ms for everybody.
    pub fn tick(&mut self, now: Timestamp, emit: &mut impl FnMut(EngineEvent<T>)) {
        let Engine {
            seats,
            conferences,
            seats_used,
            conferences_used,
            ticks,
            buffer,
        } = self;
        let seats = seats.get_mut(..*seats_used).unwrap_or_default();
        let conferences = conferences.get_mut(..*conferences_used).unwrap_or_default();

        for conference in conferences.iter_mut().flatten() {
            conference.begin_tick();
        }
        for seat in seats.iter_mut().flatten() {
            seat.leg.receive(buffer.as_mut_slice());
            seat.leg
                .contribute(now, place(conferences, seat.conference));
        }
        for conference in conferences.iter_mut().flatten() {
            conference.complete_mix();
            if let Some(music) = conference.take_finished_music() {
                emit(EngineEvent::Retired(Retired::Audio(music.into_audio())));
            }
        }
        for (index, seat) in seats.iter_mut().enumerate() {
            let Some(seat) = seat else { continue };
            let call = seat.leg.call();
            if let Some(prompt) = seat.leg.hear(place(conferences, seat.conference)) {
                emit(EngineEvent::PromptFinished {
                    call,
                    prompt: prompt.id(),
                });
                if let Some(audio) = prompt.into_audio() {
                    emit(EngineEvent::Retired(Retired::Audio(audio)));
                }
            }
            while let Some(digit) = seat.leg.poll_digit() {
                emit(EngineEvent::DigitPressed { call, digit });
            }
            if seat.leg.poll_silent(now) {
                emit(EngineEvent::LegSilent { call });
            }
            if (*ticks + index as u64).is_multiple_of(TICKS_PER_REPORT) {
                seat.leg.report(now);
            }
        }
        for conference in conferences.iter_mut().flatten() {
            conference.end_tick();
        }
        *ticks += 1;
    }

    /// A leg, to read its counters.
    pub fn leg(&self, slot: LegSlot) -> Option<&Leg<T>> {
        let seat = self.seats.get(usize::from(slot.0))?.as_ref()?;
        Some(&seat.leg)
    }

    fn seat(&mut self, slot: LegSlot) -> Option<&mut Seat<T>> {
        self.seats.get_mut(usize::from(slot.0))?.as_mut()
    }

    fn conference(&mut self, slot: ConferenceSlot) -> Option<&mut Conference> {
        place(&mut self.conferences, Some(slot))
    }

    fn leave(&mut self, now: Timestamp, slot: LegSlot, retire: &mut impl FnMut(Retired<T>)) {
        let Some(Some(seat)) = self.seats.get_mut(usize::from(slot.0)) else {
            return;
        };
        let left = seat.conference.take();
        if let Some(conference) = place(&mut self.conferences, left) {
            seat.leg.exit(now, conference);
        }
        if let Some(tap) = seat.leg.stop_track() {
            retire(Retired::Tap(tap));
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
            if let Some(tap) = conference.stop_recording() {
                retire(Retired::Tap(tap));
            }
            retire(Retired::Conference { slot, conference });
        }
    }
}

fn place(
    conferences: &mut [Option<Box<Conference>>],
    slot: Option<ConferenceSlot>,
) -> Option<&mut Conference> {
    conferences.get_mut(usize::from(slot?.0))?.as_deref_mut()
}
