//! The media half of a bridge: an engine, and the callers at the far ends of its legs.

use std::collections::BTreeMap;
use std::time::Duration;

use tutti_media::{
    CodecError, ConferenceSlot, Engine, EngineCommand, EngineEvent, Leg, LegMedia, LegSettings,
    LegSlot, PHASES, RtpIdentity, Work,
};
use tutti_model::{CallId, ConferenceId, MediaDescription, Privileges, Timestamp};

use crate::caller::{Caller, CallerSetup};
use crate::clock::{Clock, TICK};
use crate::deck::{CNAME, command, wanted};
use crate::random::Random;
use crate::repertoire::Repertoire;
use crate::take::{Cue, Take};
use crate::transport::{SimTransport, line};

/// Room for what the engine tells in one tick, kept so that telling it allocates nothing.
const EVENTS: usize = 1_024;

/// An engine, a clock, and callers.
pub struct Studio {
    clock: Clock,
    /// Until when callers have spoken.
    spoken: Timestamp,
    random: Random,
    repertoire: Repertoire,
    engine: Engine<SimTransport>,
    callers: BTreeMap<LegSlot, Caller>,
    free: Vec<LegSlot>,
    events: Vec<EngineEvent<SimTransport>>,
    settings: LegSettings,
    take: Option<Take>,
    /// How long before a tick the engine serves who is quiet.
    ahead: Option<Duration>,
    /// Encoders that the engine wanted and got.
    made: u64,
}

impl Studio {
    /// An empty studio with room for this many legs and conferences.
    pub fn new(random: Random, repertoire: Repertoire, legs: u16, conferences: u16) -> Studio {
        let clock = Clock::default();
        Studio {
            clock,
            spoken: clock.now(),
            random,
            repertoire,
            engine: Engine::new(legs, conferences),
            callers: BTreeMap::new(),
            free: (0..legs).rev().map(LegSlot).collect(),
            events: Vec::with_capacity(EVENTS),
            settings: LegSettings::default(),
            take: None,
            ahead: None,
            made: 0,
        }
    }

    /// Builds legs and encoders with other settings from now on.
    pub fn set_settings(&mut self, settings: LegSettings) {
        self.settings = settings;
    }

    /// How legs and encoders are built.
    pub fn settings(&self) -> LegSettings {
        self.settings
    }

    /// Keeps everything that the engine is given from now on; it must have been given nothing yet.
    /// From then on commands go through [`Studio::cue`].
    pub fn record(&mut self) {
        self.take = Some(Take::new());
    }

    /// What has been recorded.
    pub fn take(&mut self) -> Option<Take> {
        self.take.take()
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
        let (caller, transport) = Caller::new(setup, &self.repertoire, self.random.fork())?;
        let cue = Cue::AddLeg {
            slot,
            call: caller.call(),
            description: caller.description(),
            identity: self.identity(),
        };
        self.admit(slot, caller);
        self.cue_with(cue, transport)?;
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
            CNAME.into(),
            &self.settings,
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
            self.ask(Cue::Answered { slot });
        }
        Ok(slot)
    }

    /// Both directions of a leg's audio.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn media(&mut self, description: MediaDescription) -> Result<LegMedia, CodecError> {
        let identity = self.identity();
        LegMedia::new(description, &self.settings, identity)
    }

    /// The names of another stream.
    pub fn identity(&mut self) -> RtpIdentity {
        RtpIdentity {
            ssrc: self.random.bits() as u32,
            first_sequence: self.random.bits() as u16,
            first_timestamp: self.random.bits() as u32,
        }
    }

    /// Lets a caller speak and hear from now on; its leg comes with a command of its own.
    pub fn admit(&mut self, slot: LegSlot, mut caller: Caller) {
        self.free.retain(|free| *free != slot);
        if self.take.is_some() {
            caller.record();
        }
        self.callers.insert(slot, caller);
    }

    /// Lets a caller and its leg go, to be dropped or to move to another studio.
    pub fn release(&mut self, slot: LegSlot) -> Option<(Caller, Box<Leg<SimTransport>>)> {
        let caller = self.callers.remove(&slot)?;
        self.free.push(slot);
        self.ask(Cue::RemoveLeg { slot });
        let at = self
            .events
            .iter()
            .position(|event| retired_leg(event) == Some(slot))?;
        match self.events.swap_remove(at) {
            EngineEvent::Retired(tutti_media::Retired::Leg { leg, .. }) => Some((caller, leg)),
            EngineEvent::Retired(_)
            | EngineEvent::PromptFinished { .. }
            | EngineEvent::DigitPressed { .. }
            | EngineEvent::LegSilent { .. }
            | EngineEvent::Speaking { .. }
            | EngineEvent::Voice { .. }
            | EngineEvent::Wanted(_) => None,
        }
    }

    /// Opens a conference that mixes, or not yet.
    pub fn open(&mut self, slot: ConferenceSlot, mixing: bool) {
        self.ask(Cue::OpenConference {
            conference: slot,
            id: ConferenceId::from_bytes([slot.0 as u8; 20]),
        });
        self.ask(Cue::SetMixing {
            conference: slot,
            on: mixing,
        });
    }

    /// Bridges a caller.
    pub fn join(&mut self, slot: LegSlot, conference: ConferenceSlot, privileges: Privileges) {
        self.ask(Cue::Join {
            slot,
            conference,
            privileges,
        });
    }

    /// Gives the engine a cue for which no codec is needed, so that nothing can fail.
    fn ask(&mut self, cue: Cue) {
        let asked = self.cue(cue);
        debug_assert!(asked.is_ok(), "{asked:?}");
    }

    /// Gives the engine something that can be recorded: a command, not a datagram or a tick.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn cue(&mut self, cue: Cue) -> Result<(), CodecError> {
        // A leg that nobody is at the far end of.
        let (transport, _) = line(0, 0);
        self.cue_with(cue, transport)
    }

    fn cue_with(&mut self, cue: Cue, transport: SimTransport) -> Result<(), CodecError> {
        if let Some(take) = &mut self.take {
            take.add(&Cue::Now(self.clock.now()));
            take.add(&cue);
        }
        if let Some(command) = command(cue, &self.settings, transport)? {
            self.give(command);
        }
        self.bring_what_is_wanted()
    }

    /// Gives the engine a command that is not recorded.
    ///
    /// # Panics
    /// When this studio records, since its take would be another story.
    pub fn handle(&mut self, command: EngineCommand<SimTransport>) {
        assert!(self.take.is_none(), "what is recorded goes through cue()");
        self.give(command);
    }

    fn give(&mut self, command: EngineCommand<SimTransport>) {
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
        self.late_tick(Duration::ZERO)
    }

    /// Lets some ticks pass.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn ticks(&mut self, count: u32) -> Result<(), CodecError> {
        (0..count).try_for_each(|_| self.tick())
    }

    /// Lets a tick pass in which the engine is this late; callers are not.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn late_tick(&mut self, late: Duration) -> Result<(), CodecError> {
        let before = self.clock.now();
        self.clock.tick();
        if let Some(ahead) = self.ahead {
            self.wait(before + TICK.saturating_sub(ahead))?;
            self.serve_early();
        }
        let now = self.clock.now() + late;
        self.wait(now)?;
        self.mix_at(now);
        self.hear()
    }

    /// Lets the machine stand still for some ticks: callers go on, and the engine leaves them out.
    ///
    /// # Errors
    /// When a codec does not do its work.
    ///
    /// # Panics
    /// When this studio records, since no take has a word for it.
    pub fn stand_still(&mut self, ticks: u32) -> Result<(), CodecError> {
        assert!(self.take.is_none(), "a pause cannot be recorded");
        (0..ticks).for_each(|_| self.clock.tick());
        self.wait(self.clock.now())?;
        self.engine.skip(ticks);
        Ok(())
    }

    /// The first part of a tick: callers speak.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn speak(&mut self) -> Result<(), CodecError> {
        self.clock.tick();
        self.wait(self.clock.now())
    }

    /// Has quiet legs served so long before each tick from now on, as a media thread does.
    ///
    /// # Panics
    /// When this studio records, since no take has a word for it.
    pub fn set_ahead(&mut self, ahead: Duration) {
        assert!(self.take.is_none(), "what is done ahead cannot be recorded");
        self.ahead = Some(ahead);
    }

    /// Has the engine hurry in the ticks to come, or no longer, as a media thread does that is late.
    ///
    /// # Panics
    /// When this studio records, since no take has a word for it.
    pub fn hurry(&mut self, hurries: bool) {
        assert!(self.take.is_none(), "a hurry cannot be recorded");
        self.engine.hurry(hurries);
    }

    /// Between the first and the second part: the engine serves who is quiet.
    pub fn serve_early(&mut self) {
        let (due, events) = (self.clock.now(), &mut self.events);
        for phase in 0..PHASES {
            let mut emit = |event| events.push(event);
            self.engine.prepare_phase(due, phase, || true, &mut emit);
        }
    }

    /// The second part: the engine mixes. This is what a media thread does, and it alone.
    pub fn mix(&mut self) {
        self.mix_at(self.clock.now());
    }

    /// The last part: callers hear, and the engine gets what it wants to be made.
    ///
    /// # Errors
    /// When the bridge has sent something that is not audio, or a codec cannot be set up.
    pub fn hear(&mut self) -> Result<(), CodecError> {
        self.callers.values_mut().try_for_each(Caller::hear)?;
        self.bring_what_is_wanted()
    }

    fn bring_what_is_wanted(&mut self) -> Result<(), CodecError> {
        for made in wanted(&mut self.events, &self.settings)? {
            let is_encoder = !matches!(made, EngineCommand::AddDecoding { .. });
            self.made += u64::from(is_encoder);
            self.give(made);
        }
        Ok(())
    }

    /// Callers speak, and networks deliver, until a moment.
    fn wait(&mut self, until: Timestamp) -> Result<(), CodecError> {
        while self.spoken + TICK <= until {
            self.spoken = self.spoken + TICK;
            let now = self.spoken;
            self.callers
                .values_mut()
                .try_for_each(|caller| caller.talk(now))?;
        }
        self.callers
            .values_mut()
            .for_each(|caller| caller.deliver(until));
        self.bring_what_is_wanted()
    }

    fn mix_at(&mut self, now: Timestamp) {
        let Studio {
            engine,
            events,
            callers,
            take,
            ..
        } = self;
        if let Some(take) = take {
            for (slot, caller) in callers {
                for delivered in caller.recorded() {
                    take.add(&Cue::Datagram {
                        slot: *slot,
                        channel: delivered.channel,
                        from: delivered.from,
                        arrived: delivered.arrived,
                        bytes: delivered.bytes,
                    });
                }
            }
            take.add(&Cue::Now(now));
            take.add(&Cue::Tick);
        }
        engine.tick(now, &mut |event| events.push(event));
    }

    /// Takes what the engine has told.
    pub fn events(&mut self) -> Vec<EngineEvent<SimTransport>> {
        self.events.drain(..).collect()
    }

    /// How many encoders the engine wanted, and got.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// A caller by its leg's place.
    pub fn caller(&mut self, slot: LegSlot) -> Option<&mut Caller> {
        self.callers.get_mut(&slot)
    }

    /// All callers.
    pub fn callers(&mut self) -> impl Iterator<Item = &mut Caller> {
        self.callers.values_mut()
    }

    /// Frames that the engine has encoded so far.
    pub fn encodes(&self) -> u64 {
        self.work().encodes
    }

    /// What the engine has done so far.
    pub fn work(&self) -> Work {
        self.engine.work()
    }

    /// Whether the engine has so many quiet legs in a phase that its ticks are worth preparing.
    pub fn has_crowd(&self, phase: u8) -> bool {
        self.engine.has_crowd(phase)
    }

    /// Whether a tick would do nothing: the engine holds no legs, and no conference makes a sound.
    pub fn is_idle(&self) -> bool {
        self.engine.is_idle()
    }

    /// Encoders that the engine holds.
    pub fn encoders(&self) -> usize {
        self.engine.encoders()
    }

    /// A leg, to read its counters.
    pub fn leg(&self, slot: LegSlot) -> Option<&Leg<SimTransport>> {
        self.engine.leg(slot)
    }

    /// The places of all legs that have a caller.
    pub fn slots(&self) -> impl Iterator<Item = LegSlot> {
        self.callers.keys().copied()
    }

    /// The legs of all callers.
    pub fn legs(&self) -> impl Iterator<Item = &Leg<SimTransport>> {
        self.slots().filter_map(|slot| self.leg(slot))
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
        | EngineEvent::LegSilent { .. }
        | EngineEvent::Speaking { .. }
        | EngineEvent::Voice { .. }
        | EngineEvent::Wanted(_) => None,
    }
}
