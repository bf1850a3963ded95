//! A whole bridge without sockets: the control plane decides, the studio sounds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tutti_control_plane::{
    CallChange, CallRecord, ConferenceChange, ConferenceOptions, ConferenceStatus, ControlPlane,
    Effect, Fact, Input, Limits, LogEntry, Notification, OutboundLimits, ParticipantChange,
    Refusal, Reply, RequestedStatus, Route, Script, Signal, Stream,
};
use tutti_media::{Audio, CodecError, ConferenceSlot, EngineCommand, LegSlot};
use tutti_model::{
    AccountId, Beep, CallId, CloseReason, Codec, ConferenceId, Format, PromptId, RecordingId,
    Timestamp,
};

use crate::application::{self, Application};
use crate::caller::{Caller, CallerSetup, Mouth};
use crate::network::Impairments;
use crate::outbound::Callee;
use crate::random::Random;
use crate::repertoire::Repertoire;
use crate::scenario::{Action, ConferencePlan, How};
use crate::sounding::Recording;
use crate::studio::Studio;
use crate::told::{About, News};
use crate::voice::Voice;

pub(crate) const ACCOUNT: AccountId = AccountId::from_bytes([0xac; 20]);

const LEGS: u16 = 16;
const CONFERENCES: u16 = 4;

/// A bridge, its callers, and an application that answers at once.
pub struct World {
    plane: ControlPlane,
    pub(crate) studio: Studio,
    /// Conferences in the order of their creation.
    conferences: Vec<ConferenceId>,
    statuses: BTreeMap<ConferenceId, ConferenceStatus>,
    pub(crate) places: BTreeMap<ConferenceId, ConferenceSlot>,
    pub(crate) free: Vec<ConferenceSlot>,
    /// Calls in the order of their dialling.
    pub(crate) calls: Vec<CallId>,
    call_records: BTreeMap<CallId, CallRecord>,
    pub(crate) application: Application,
    /// Who is called next.
    pub(crate) callee: Option<Callee>,
    /// Who is on the line, by the caller's number.
    pub(crate) on_the_line: BTreeMap<usize, (CallId, LegSlot)>,
    participants: BTreeMap<CallId, ConferenceId>,
    pub(crate) recordings: BTreeMap<RecordingId, Recording>,
    /// What was recorded of calls, in the order in which it was complete.
    pub(crate) call_recordings: Vec<Vec<f32>>,
    pub(crate) music: Audio,
    pub(crate) prompt: Audio,
    pub(crate) record_beep: Audio,
    /// Which conference each leg hears.
    pub(crate) bridged: BTreeMap<CallId, ConferenceId>,
    /// Which prompts of a call its conference hears.
    pub(crate) announced: BTreeSet<(CallId, PromptId)>,
    /// What follows from what has been done.
    pub(crate) consequences: VecDeque<Input>,
    told: BTreeMap<About, Vec<News>>,
    pub(crate) beeps: Vec<(Timestamp, ConferenceId, Beep)>,
    log: Vec<LogEntry>,
    pub(crate) digests: BTreeMap<CallId, u64>,
}

impl World {
    /// An empty bridge; the seed decides everything that is left to chance.
    pub fn new(seed: u64, repertoire: &Repertoire) -> World {
        let mut random = Random::new(seed);
        let mut ids = random.fork();
        let prompt = Voice::PROMPT.second();
        World {
            plane: ControlPlane::new(limits(), Box::new(move || ids.id())),
            studio: Studio::new(random.fork(), repertoire.clone(), LEGS, CONFERENCES),
            conferences: Vec::new(),
            statuses: BTreeMap::new(),
            places: BTreeMap::new(),
            free: (0..CONFERENCES).rev().map(ConferenceSlot).collect(),
            calls: Vec::new(),
            call_records: BTreeMap::new(),
            application: Application::default(),
            callee: None,
            on_the_line: BTreeMap::new(),
            participants: BTreeMap::new(),
            recordings: BTreeMap::new(),
            call_recordings: Vec::new(),
            music: Voice::MUSIC.second(),
            prompt,
            record_beep: tutti_media::record_beep(),
            bridged: BTreeMap::new(),
            announced: BTreeSet::new(),
            consequences: VecDeque::new(),
            told: BTreeMap::new(),
            beeps: Vec::new(),
            log: Vec::new(),
            digests: BTreeMap::new(),
        }
    }

    /// Creates a conference whose application wants to know everything.
    ///
    /// # Errors
    /// When a codec does not do its work; so it is with every method here that can fail.
    pub fn create(&mut self, plan: ConferencePlan) -> Result<Option<ConferenceId>, CodecError> {
        let options = ConferenceOptions {
            play_beep: plan.play_beep,
            record: plan.record,
            status_callback_url: Some("http://app/conference".into()),
            ..ConferenceOptions::default()
        };
        let input = Input::CreateConference {
            account: ACCOUNT,
            options,
        };
        match self.feed(input)? {
            Ok(Reply::Conference(record)) => Ok(Some(record.id)),
            Ok(
                Reply::Done
                | Reply::Participant(_)
                | Reply::ParticipantNow(_)
                | Reply::Call(_)
                | Reply::Queue(_)
                | Reply::QueueMembers(_)
                | Reply::QueueMember(_),
            )
            | Err(_) => Ok(None),
        }
    }

    /// Does what an action says; one that makes no sense does nothing.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn act(&mut self, action: &Action, codecs: &[Codec]) -> Result<(), CodecError> {
        match *action {
            Action::Dial {
                caller,
                conference,
                how,
            } => {
                let codec = codecs.get(caller).copied().unwrap_or(Codec::Pcmu);
                self.dial(caller, codec, conference, how)
            }
            Action::HangUp { caller } => self.hang_up(caller),
            Action::SetTalk { caller, on } => self.change(
                caller,
                ParticipantChange {
                    talk: Some(on),
                    ..Default::default()
                },
            ),
            Action::SetListen { caller, on } => self.change(
                caller,
                ParticipantChange {
                    listen: Some(on),
                    ..Default::default()
                },
            ),
            Action::Remove { caller } => match self.participant(caller) {
                Some((call, conference)) => self
                    .feed(Input::RemoveParticipant {
                        account: ACCOUNT,
                        conference,
                        call,
                    })
                    .map(|_| ()),
                None => Ok(()),
            },
            Action::Empty { conference } => self.request(conference, RequestedStatus::Empty),
            Action::Terminate { conference } => {
                self.request(conference, RequestedStatus::Terminated)
            }
            Action::Impair {
                caller,
                impairments,
            } => {
                self.impair(caller, impairments);
                Ok(())
            }
        }
    }

    /// A caller dials; the application's script does as `how` says.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn dial(
        &mut self,
        caller: usize,
        codec: Codec,
        conference: usize,
        how: How,
    ) -> Result<(), CodecError> {
        let Some(id) = self.conferences.get(conference).copied() else {
            return Ok(());
        };
        let scripts = match how {
            How::Directly => None,
            How::ByScript { afterwards, .. } => Some((
                application::script(application::add_to_conference(id, how)),
                application::afterwards(afterwards, &self.conferences),
            )),
        };
        let route = match how {
            How::Directly => Route::Conference(id),
            How::ByScript { .. } => Route::Application(application::application()),
        };
        self.arrive(caller, codec, route, scripts)
    }

    /// A caller dials an application that answers with this script.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn dial_script(
        &mut self,
        caller: usize,
        codec: Codec,
        on_arrival: Script,
    ) -> Result<(), CodecError> {
        let scripts = (on_arrival, Script::default());
        self.arrive(
            caller,
            codec,
            Route::Application(application::application()),
            Some(scripts),
        )
    }

    /// A caller hangs up.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn hang_up(&mut self, caller: usize) -> Result<(), CodecError> {
        match self.on_the_line.get(&caller) {
            Some((call, _)) => {
                let (call, reason) = (*call, CloseReason::FarEndHangup);
                self.feed(Input::CallGone { call, reason }).map(|_| ())
            }
            None => Ok(()),
        }
    }

    /// The application ends a caller's call.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn complete(&mut self, caller: usize) -> Result<(), CodecError> {
        match self.on_the_line.get(&caller) {
            Some((call, _)) => {
                let (call, change) = (*call, CallChange::Completed);
                self.feed(Input::UpdateCall {
                    account: ACCOUNT,
                    call,
                    change,
                })
                .map(|_| ())
            }
            None => Ok(()),
        }
    }

    /// Lets some ticks pass, and every deadline in them.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn ticks(&mut self, count: u32) -> Result<(), CodecError> {
        for _ in 0..count {
            self.studio.tick()?;
            for event in self.studio.events() {
                self.learn(&event)?;
            }
            let now = self.studio.now();
            while self.plane.next_deadline().is_some_and(|(at, _)| at <= now) {
                self.feed(Input::Timeout)?.ok();
            }
        }
        Ok(())
    }

    /// Everybody who is on the line keeps what they hear from now on.
    pub fn start_listening(&mut self) {
        self.studio.callers().for_each(Caller::start_listening);
    }

    /// Who is on the line.
    pub fn callers(&self) -> Vec<usize> {
        self.on_the_line.keys().copied().collect()
    }

    /// A caller who is on the line.
    pub fn caller(&mut self, caller: usize) -> Option<&mut Caller> {
        let (_, slot) = *self.on_the_line.get(&caller)?;
        self.studio.caller(slot)
    }

    /// The name of a conference.
    pub fn conference(&self, number: usize) -> Option<ConferenceId> {
        self.conferences.get(number).copied()
    }

    /// The status of every conference, as it was last committed.
    pub fn statuses(&self) -> Vec<ConferenceStatus> {
        self.conferences
            .iter()
            .filter_map(|id| self.statuses.get(id).copied())
            .collect()
    }

    /// A call as it was last committed.
    pub fn call_record(&self, call: CallId) -> Option<&CallRecord> {
        self.call_records.get(&call)
    }

    /// What was recorded of calls, in the order in which it was complete.
    pub fn call_recordings(&self) -> &[Vec<f32>] {
        &self.call_recordings
    }

    /// What applications were told, stream by stream.
    pub fn told(&self) -> &BTreeMap<About, Vec<News>> {
        &self.told
    }

    /// Every beep, and when it began.
    pub fn beeps(&self) -> Vec<(Timestamp, Beep)> {
        self.beeps
            .iter()
            .map(|(at, _, beep)| (*at, *beep))
            .collect()
    }

    /// What was logged.
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// A checksum of every byte that each call heard, in the order of their dialling.
    pub fn digests(&mut self) -> Vec<u64> {
        for caller in self.studio.callers() {
            self.digests.insert(caller.call(), caller.digest());
        }
        self.digests.values().copied().collect()
    }

    /// Changes the network between a caller and the bridge.
    pub fn impair(&mut self, caller: usize, impairments: Impairments) {
        if let Some(caller) = self.caller(caller) {
            caller.impair(impairments);
        }
    }

    fn arrive(
        &mut self,
        caller: usize,
        codec: Codec,
        route: Route,
        scripts: Option<(Script, Script)>,
    ) -> Result<(), CodecError> {
        if self.on_the_line.contains_key(&caller) {
            return Ok(());
        }
        let call = call_id(self.calls.len());
        self.calls.push(call);
        if let Some((on_arrival, on_leaving)) = scripts {
            self.application.prepare(call, on_arrival, on_leaving);
        }
        let mouth = Mouth::Voice(Voice::of_caller(caller));
        let setup = CallerSetup {
            call,
            number: caller as u16,
            format: Format::plain(codec),
            mouth,
        };
        let Some(slot) = self.studio.dial(setup)? else {
            return Ok(());
        };
        self.on_the_line.insert(caller, (call, slot));
        let input = Input::CallArrived {
            call,
            account: ACCOUNT,
            from: format!("+1800555{caller:04}"),
            to: "+18005551000".into(),
            route,
        };
        if self.feed(input)?.is_err() {
            self.close(call);
        }
        Ok(())
    }

    fn change(&mut self, caller: usize, change: ParticipantChange) -> Result<(), CodecError> {
        match self.participant(caller) {
            Some((call, conference)) => self
                .feed(Input::UpdateParticipant {
                    account: ACCOUNT,
                    conference,
                    call,
                    change,
                })
                .map(|_| ()),
            None => Ok(()),
        }
    }

    fn request(&mut self, conference: usize, status: RequestedStatus) -> Result<(), CodecError> {
        let Some(conference) = self.conferences.get(conference).copied() else {
            return Ok(());
        };
        let change = ConferenceChange {
            status: Some(status),
            ..ConferenceChange::default()
        };
        self.feed(Input::UpdateConference {
            account: ACCOUNT,
            conference,
            change,
        })
        .map(|_| ())
    }

    fn participant(&self, caller: usize) -> Option<(CallId, ConferenceId)> {
        let (call, _) = self.on_the_line.get(&caller)?;
        Some((*call, *self.participants.get(call)?))
    }

    /// Feeds an input, carries out its effects, and then whatever follows from them.
    pub(crate) fn feed(&mut self, input: Input) -> Result<Result<Reply, Refusal>, CodecError> {
        let reply = self.feed_one(input)?;
        while let Some(consequence) = self.consequences.pop_front() {
            self.feed_one(consequence)?.ok();
        }
        Ok(reply)
    }

    fn feed_one(&mut self, input: Input) -> Result<Result<Reply, Refusal>, CodecError> {
        let mut effects = Vec::new();
        let reply = self.plane.handle(self.studio.now(), input, &mut effects);
        for effect in effects {
            self.carry_out(effect)?;
        }
        Ok(reply)
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), CodecError> {
        match effect {
            Effect::Commit(fact) => self.commit(fact),
            Effect::Notify(notification) => self.notify(&notification),
            Effect::Ask(exchange) => {
                let script = self.application.answer(exchange.call, &exchange.webhook);
                self.consequences.push_back(Input::ScriptArrived {
                    call: exchange.call,
                    exchange: exchange.exchange,
                    outcome: Ok(script),
                });
            }
            Effect::Media(command) => return self.sound(command),
            Effect::Dial(dial) => return self.ring(dial.call),
            Effect::Transcribe { call, recording } => {
                self.consequences.push_back(Input::Transcribed {
                    call,
                    recording,
                    outcome: Err("nobody writes it down".into()),
                });
            }
            Effect::Signal {
                call,
                signal: Signal::EarlyMedia,
            } => {
                if let Some(slot) = self.slot_of(call) {
                    self.studio.handle(EngineCommand::Early { slot });
                }
            }
            Effect::Signal {
                call,
                signal: Signal::Answer,
            } => {
                if let Some(slot) = self.slot_of(call) {
                    self.studio.handle(EngineCommand::Answered { slot });
                }
                self.consequences.push_back(Input::CallConfirmed { call });
            }
            // The leg is closed by a command of its own.
            Effect::Signal {
                signal: Signal::Reject(_) | Signal::HangUp,
                ..
            } => {}
            Effect::Log(entry) => self.log.push(entry),
            // Nobody watches.
            Effect::Live(_) => {}
        }
        Ok(())
    }

    fn commit(&mut self, fact: Fact) {
        match fact {
            Fact::Conference(record) => {
                if self.statuses.insert(record.id, record.status).is_none() {
                    self.conferences.push(record.id);
                }
            }
            Fact::Participant(record) => {
                self.participants.insert(record.call, record.conference);
            }
            Fact::ParticipantGone { call, .. } => {
                self.participants.remove(&call);
            }
            Fact::Call(record) => {
                self.call_records.insert(record.id, record);
            }
            Fact::Recording(_) | Fact::Queue(_) => {}
        }
    }

    fn notify(&mut self, notification: &Notification) {
        let Some(news) = News::of(&notification.webhook) else {
            return;
        };
        let position = |ids: &[ConferenceId], id| ids.iter().position(|known| *known == id);
        let about = match (notification.stream, news) {
            (Stream::Conference(id), News::RecordingReady) => {
                position(&self.conferences, id).map(About::Recordings)
            }
            (Stream::Conference(id), _) => position(&self.conferences, id).map(About::Conference),
            (Stream::Call(id), _) => self
                .calls
                .iter()
                .position(|call| *call == id)
                .map(About::Call),
        };
        if let Some(about) = about {
            self.told.entry(about).or_default().push(news);
        }
    }
}

/// Everybody for whom there is a leg may be called at once.
fn limits() -> Limits {
    Limits {
        outbound: OutboundLimits {
            calls_per_second: u32::from(LEGS),
            ..OutboundLimits::default()
        },
        ..Limits::default()
    }
}

/// Calls are named so that their order is that of their dialling.
fn call_id(number: usize) -> CallId {
    let mut bits = [0; 20];
    for (bit, byte) in bits.iter_mut().zip((number as u64).to_be_bytes()) {
        *bit = byte;
    }
    CallId::from_bytes(bits)
}
