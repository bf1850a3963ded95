//! The media half of a bridge: an engine, and the callers at the far ends of its legs.

use std::collections::BTreeMap;

use tutti_media::{
    CodecError, Conference, ConferenceSlot, Encoder, EncoderSettings, Engine, EngineCommand,
    EngineEvent, Leg, LegMedia, LegSlot, MixClass, RtpIdentity,
};
use tutti_model::{CallId, ConferenceId, Format, MediaDescription, Privileges, Timestamp};

use crate::caller::{Caller, CallerSetup};
use crate::clock::Clock;
use crate::random::Random;
use crate::repertoire::Repertoire;
use crate::transport::SimTransport;

/// Room for what the engine tells in one tick, kept so that telling it allocates nothing.
const EVENTS: usize = 1_024;

/// An engine, a clock, and callers.
pub struct Studio {
    clock: Clock,
    random: Random,
    repertoire: Repertoire,
    engine: Engine<SimTransport>,
    callers: BTreeMap<LegSlot, Caller>,
    free: Vec<LegSlot>,
    events: Vec<EngineEvent<SimTransport>>,
    settings: EncoderSettings,
}

impl Studio {
    /// An empty studio with room for this many legs and conferences.
    pub fn new(random: Random, repertoire: Repertoire, legs: u16, conferences: u16) -> Studio {
        Studio {
            clock: Clock::default(),
            random,
            repertoire,
            engine: Engine::new(legs, conferences),
            callers: BTreeMap::new(),
            free: (0..legs).rev().map(LegSlot).collect(),
            events: Vec::with_capacity(EVENTS),
            settings: EncoderSettings::default(),
        }
    }

    /// The moment it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A caller dials, and its leg rings; `None` where there is no room.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn dial(&mut self, setup: CallerSetup) -> Result<Option<LegSlot>, CodecError> {
        let Some(slot) = self.free.last().copied() else {
            return Ok(None);
        };
        let (caller, leg) = self.prepare(setup)?;
        self.admit(slot, caller);
        self.handle(EngineCommand::AddLeg { slot, leg });
        Ok(Some(slot))
    }

    /// Builds a caller and its leg, to come in later.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn prepare(
        &mut self,
        setup: CallerSetup,
    ) -> Result<(Caller, Box<Leg<SimTransport>>), CodecError> {
        let (caller, transport) = Caller::new(setup, &self.repertoire, self.random.fork())?;
        let media = Box::new(self.media(caller.description())?);
        let signalling = caller.address().ip();
        let leg = Leg::new(
            caller.call(),
            transport,
            media,
            signalling,
            "sim@tutti".into(),
        );
        Ok((caller, Box::new(leg)))
    }

    /// A caller whose leg is answered at once.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn connect(&mut self, setup: CallerSetup) -> Result<Option<LegSlot>, CodecError> {
        let slot = self.dial(setup)?;
        if let Some(slot) = slot {
            self.handle(EngineCommand::Answered { slot });
        }
        Ok(slot)
    }

    /// Both directions of a leg's audio.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn media(&mut self, description: MediaDescription) -> Result<LegMedia, CodecError> {
        let identity = RtpIdentity {
            ssrc: self.random.bits() as u32,
            first_sequence: self.random.bits() as u16,
            first_timestamp: self.random.bits() as u32,
        };
        LegMedia::new(description, self.settings, identity)
    }

    /// Lets a caller speak and hear from now on; its leg comes with a command of its own.
    pub fn admit(&mut self, slot: LegSlot, caller: Caller) {
        self.free.retain(|free| *free != slot);
        self.callers.insert(slot, caller);
    }

    /// Lets a caller and its leg go, to be dropped or to move to another studio.
    pub fn release(&mut self, slot: LegSlot) -> Option<(Caller, Box<Leg<SimTransport>>)> {
        let caller = self.callers.remove(&slot)?;
        self.free.push(slot);
        self.handle(EngineCommand::RemoveLeg { slot });
        let at = self
            .events
            .iter()
            .position(|event| retired_leg(event) == Some(slot))?;
        match self.events.swap_remove(at) {
            EngineEvent::Retired(tutti_media::Retired::Leg { leg, .. }) => Some((caller, leg)),
            EngineEvent::Retired(_)
            | EngineEvent::PromptFinished { .. }
            | EngineEvent::DigitPressed { .. }
            | EngineEvent::LegSilent { .. } => None,
        }
    }

    /// Opens a conference that mixes, or not yet.
    pub fn open(&mut self, slot: ConferenceSlot, mixing: bool) {
        let id = ConferenceId::from_bytes([slot.0 as u8; 20]);
        let conference = Box::new(Conference::new(id));
        self.handle(EngineCommand::OpenConference { slot, conference });
        self.handle(EngineCommand::SetMixing {
            conference: slot,
            on: mixing,
        });
    }

    /// Bridges a caller.
    ///
    /// # Errors
    /// When an encoder cannot be set up.
    pub fn join(
        &mut self,
        slot: LegSlot,
        conference: ConferenceSlot,
        privileges: Privileges,
    ) -> Result<(), CodecError> {
        let class = match self.callers.get(&slot) {
            Some(caller) => Some(self.class(caller.description().format)?),
            None => None,
        };
        self.handle(EngineCommand::Join {
            slot,
            conference,
            privileges,
            class,
        });
        Ok(())
    }

    /// A shared encoder of a format.
    ///
    /// # Errors
    /// When it cannot be set up.
    pub fn class(&self, format: Format) -> Result<Box<MixClass>, CodecError> {
        Ok(Box::new(MixClass::new(
            format,
            Encoder::new(&format, self.settings)?,
        )))
    }

    /// Gives the engine a command.
    pub fn handle(&mut self, command: EngineCommand<SimTransport>) {
        let Studio {
            engine,
            events,
            clock,
            ..
        } = self;
        engine.handle(clock.now(), command, &mut |event| events.push(event));
    }

    /// Lets a tick pass: callers speak, the engine mixes, callers hear.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn tick(&mut self) -> Result<(), CodecError> {
        self.speak()?;
        self.mix();
        self.hear()
    }

    /// Lets some ticks pass.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn ticks(&mut self, count: u32) -> Result<(), CodecError> {
        (0..count).try_for_each(|_| self.tick())
    }

    /// The first part of a tick: callers speak.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn speak(&mut self) -> Result<(), CodecError> {
        self.clock.tick();
        let now = self.clock.now();
        self.callers
            .values_mut()
            .try_for_each(|caller| caller.speak(now))
    }

    /// The second part: the engine mixes. This is what a media thread does, and it alone.
    pub fn mix(&mut self) {
        let Studio {
            engine,
            events,
            clock,
            ..
        } = self;
        engine.tick(clock.now(), &mut |event| events.push(event));
    }

    /// The last part: callers hear.
    ///
    /// # Errors
    /// When the bridge has sent something that is not audio.
    pub fn hear(&mut self) -> Result<(), CodecError> {
        self.callers.values_mut().try_for_each(Caller::hear)
    }

    /// Takes what the engine has told.
    pub fn events(&mut self) -> Vec<EngineEvent<SimTransport>> {
        self.events.drain(..).collect()
    }

    /// A caller by its leg's place.
    pub fn caller(&mut self, slot: LegSlot) -> Option<&mut Caller> {
        self.callers.get_mut(&slot)
    }

    /// All callers.
    pub fn callers(&mut self) -> impl Iterator<Item = &mut Caller> {
        self.callers.values_mut()
    }

    /// A leg, to read its counters.
    pub fn leg(&self, slot: LegSlot) -> Option<&Leg<SimTransport>> {
        self.engine.leg(slot)
    }

    /// Where a call's leg is.
    pub fn slot_of(&self, call: CallId) -> Option<LegSlot> {
        self.callers
            .iter()
            .find(|(_, caller)| caller.call() == call)
            .map(|(slot, _)| *slot)
    }
}

fn retired_leg(event: &EngineEvent<SimTransport>) -> Option<LegSlot> {
    match event {
        EngineEvent::Retired(tutti_media::Retired::Leg { slot, .. }) => Some(*slot),
        EngineEvent::Retired(_)
        | EngineEvent::PromptFinished { .. }
        | EngineEvent::DigitPressed { .. }
        | EngineEvent::LegSilent { .. } => None,
    }
}
