//! Plays a take to an engine of its own.

use std::collections::BTreeMap;

use tutti_media::{
    CONTRIBUTORS, CodecError, Conference, Engine, EngineCommand, EngineEvent, Leg, LegMedia,
    LegSettings, LegSlot, PHASES, Prompt,
};
use tutti_model::{CallId, Timestamp};

use crate::caller::{MAX_DATAGRAM, TO_BRIDGE, TO_CALLER};
use crate::clock::START;
use crate::digest::Digest;
use crate::take::{Cue, Take, Unreadable};
use crate::transport::{Line, SimTransport, line};

/// The name of every leg's source in RTCP.
pub(crate) const CNAME: &str = "sim@tutti";

/// Why a take could not be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayError {
    Unreadable,
    Codec(CodecError),
}

/// An engine with nobody at the far ends of its legs: what it sends is summed up and forgotten.
pub struct Deck {
    engine: Engine<SimTransport>,
    settings: LegSettings,
    now: Timestamp,
    far_ends: BTreeMap<LegSlot, FarEnd>,
    /// Of calls that are over.
    digests: BTreeMap<CallId, u64>,
    events: Vec<EngineEvent<SimTransport>>,
}

struct FarEnd {
    call: CallId,
    line: Line,
    digest: Digest,
}

impl Deck {
    /// An engine like the one that a take was made of.
    pub fn new(settings: LegSettings, legs: u16, conferences: u16) -> Deck {
        Deck {
            engine: Engine::new(legs, conferences),
            settings,
            now: START,
            far_ends: BTreeMap::new(),
            digests: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// Gives the engine everything in a take.
    ///
    /// # Errors
    /// When the take cannot be read, or a codec cannot be set up.
    pub fn play(&mut self, take: &Take) -> Result<(), PlayError> {
        take.cues().try_for_each(|cue| self.cue(cue?))
    }

    /// A checksum of every byte that was sent to each call.
    pub fn digests(&self) -> BTreeMap<CallId, u64> {
        let here = self.far_ends.values();
        let here = here.map(|far_end| (far_end.call, far_end.digest.value()));
        self.digests
            .iter()
            .map(|(call, digest)| (*call, *digest))
            .chain(here)
            .collect()
    }

    fn cue(&mut self, cue: Cue) -> Result<(), PlayError> {
        match cue {
            Cue::Now(now) => self.now = now,
            Cue::Tick => self.tick()?,
            Cue::Datagram {
                slot,
                channel,
                from,
                arrived,
                bytes,
            } => {
                if let Some(far_end) = self.far_ends.get_mut(&slot) {
                    far_end.line.deliver(channel, from, arrived, &bytes);
                }
            }
            other => {
                let (transport, line) = line(TO_BRIDGE, TO_CALLER);
                match other {
                    Cue::AddLeg { slot, call, .. } => {
                        let digest = Digest::default();
                        self.far_ends.insert(slot, FarEnd { call, line, digest });
                    }
                    Cue::RemoveLeg { slot } => {
                        if let Some(far_end) = self.far_ends.remove(&slot) {
                            self.digests.insert(far_end.call, far_end.digest.value());
                        }
                    }
                    _ => {}
                }
                if let Some(command) = command(other, &self.settings, transport)? {
                    self.handle(command);
                }
                self.bring_what_is_wanted()?;
            }
        }
        Ok(())
    }

    fn tick(&mut self) -> Result<(), CodecError> {
        let Deck {
            engine,
            events,
            now,
            ..
        } = self;
        engine.tick(*now, &mut |event| events.push(event));
        let mut buffer = [0; MAX_DATAGRAM];
        for far_end in self.far_ends.values_mut() {
            while let Some((_, _, len)) = far_end.line.collect(&mut buffer) {
                far_end.digest.add(buffer.get(..len).unwrap_or_default());
            }
        }
        self.bring_what_is_wanted()
    }

    fn handle(&mut self, command: EngineCommand<SimTransport>) {
        let Deck {
            engine,
            events,
            now,
            ..
        } = self;
        engine.handle(*now, command, &mut |event| events.push(event));
    }

    fn bring_what_is_wanted(&mut self) -> Result<(), CodecError> {
        for made in wanted(&mut self.events, &self.settings)? {
            self.handle(made);
        }
        // What an engine tells or gives back is not asked for here.
        self.events.clear();
        Ok(())
    }
}

/// What a cue asks of an engine; [`None`] for what is no command. A leg that comes in gets the
/// transport.
pub(crate) fn command(
    cue: Cue,
    settings: &LegSettings,
    transport: SimTransport,
) -> Result<Option<EngineCommand<SimTransport>>, CodecError> {
    Ok(Some(match cue {
        Cue::Now(_) | Cue::Tick | Cue::Datagram { .. } => return Ok(None),
        Cue::OpenConference { conference, id } => EngineCommand::OpenConference {
            slot: conference,
            conference: Box::new(Conference::new(
                id,
                conference.0 as u8 % PHASES,
                CONTRIBUTORS,
            )),
        },
        Cue::CloseConference { conference } => EngineCommand::CloseConference { slot: conference },
        Cue::AddLeg {
            slot,
            call,
            description,
            identity,
        } => {
            let signalling = description.remote_rtp.ip();
            let media = Box::new(LegMedia::new(description, settings, identity)?);
            let leg = Leg::new(call, transport, media, signalling, CNAME.into(), settings);
            let leg = Box::new(leg);
            EngineCommand::AddLeg { slot, leg }
        }
        Cue::RemoveLeg { slot } => EngineCommand::RemoveLeg { slot },
        Cue::Answered { slot } => EngineCommand::Answered { slot },
        Cue::Reconfigure {
            slot,
            description,
            identity,
        } => {
            let media = match identity {
                Some(identity) => Some(Box::new(LegMedia::new(
                    description.clone(),
                    settings,
                    identity,
                )?)),
                None => None,
            };
            EngineCommand::Reconfigure {
                slot,
                description,
                media,
            }
        }
        Cue::Join {
            slot,
            conference,
            privileges,
        } => EngineCommand::Join {
            slot,
            conference,
            privileges,
        },
        Cue::Leave { slot } => EngineCommand::Leave { slot },
        Cue::SetPrivileges { slot, privileges } => {
            EngineCommand::SetPrivileges { slot, privileges }
        }
        Cue::SetGains { slot, gains } => EngineCommand::SetGains { slot, gains },
        Cue::SetMixing { conference, on } => EngineCommand::SetMixing { conference, on },
        Cue::PlayMusic { conference, audio } => EngineCommand::PlayMusic { conference, audio },
        Cue::StopMusic { conference } => EngineCommand::StopMusic { conference },
        Cue::Beep { conference, beep } => EngineCommand::Beep { conference, beep },
        Cue::PlayPrompt {
            slot,
            prompt,
            audio,
            repeat,
        } => EngineCommand::PlayPrompt {
            slot,
            prompt: Prompt::new(prompt, audio, repeat),
        },
        Cue::StopPrompt { slot, prompt } => EngineCommand::StopPrompt { slot, prompt },
    }))
}

/// Takes what an engine wants to be made out of what it has told, and makes it.
pub(crate) fn wanted(
    events: &mut Vec<EngineEvent<SimTransport>>,
    settings: &LegSettings,
) -> Result<Vec<EngineCommand<SimTransport>>, CodecError> {
    events
        .extract_if(.., |event| matches!(event, EngineEvent::Wanted(_)))
        .filter_map(|event| match event {
            EngineEvent::Wanted(wanted) => Some(wanted.make(settings.encoder)),
            EngineEvent::PromptFinished { .. }
            | EngineEvent::DigitPressed { .. }
            | EngineEvent::LegSilent { .. }
            | EngineEvent::Speaking { .. }
            | EngineEvent::Voice { .. }
            | EngineEvent::Retired(_) => None,
        })
        .collect()
}

impl From<Unreadable> for PlayError {
    fn from(_: Unreadable) -> PlayError {
        PlayError::Unreadable
    }
}

impl From<CodecError> for PlayError {
    fn from(error: CodecError) -> PlayError {
        PlayError::Codec(error)
    }
}
