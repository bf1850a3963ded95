//! Lives of the control plane that nobody has thought of, watched by a naive observer. What must always
//! hold panics where it does not: this is for tests and fuzzing alone.

mod chance;
mod inventing;
pub(crate) mod observer;
mod views;
pub(crate) mod words;

use std::collections::BTreeSet;
use std::time::Duration;

use tutti_model::{AccountId, CloseReason, MediaEvent, RecordingId, Timestamp};

pub(crate) use self::chance::Chance;
use self::observer::Observer;
use self::words::*;
use crate::*;

/// As many things happen in a life at most.
pub(crate) const STEPS: usize = 240;

/// Lives as these bytes decide, step after step until they are used up; panics where that makes no sense.
#[cfg(feature = "fuzz")]
pub fn live(bytes: &[u8]) {
    let mut life = Life::new(Chance::from_bytes(bytes));
    let ends = life.chance.one_in(2);
    for _ in 0..STEPS {
        if life.chance.is_used_up() {
            break;
        }
        life.step();
    }
    if ends {
        life.end();
    } else {
        life.restart();
    }
}

/// A control plane, and everything that happens to it.
pub(crate) struct Life {
    pub(crate) chance: Chance,
    plane: ControlPlane,
    now: Timestamp,
    pub(crate) observer: Observer,
    callers: u8,
    scripts_used: BTreeSet<u64>,
}

impl Life {
    pub(crate) fn new(chance: Chance) -> Life {
        Life {
            chance,
            plane: ControlPlane::new(tight_limits(), counting_ids()),
            now: START,
            observer: Observer::default(),
            callers: 0,
            scripts_used: BTreeSet::new(),
        }
    }

    /// Lets one thing happen.
    pub(crate) fn step(&mut self) {
        let input = self.invent();
        self.happens(input);
    }

    fn happens(&mut self, input: Input) {
        let timeout = input == Input::Timeout;
        let asker = self.asker(&input);
        let sign = Sign::of(&input);
        self.expect_joining(&input);
        let mut effects = Vec::new();
        let result = self.plane.handle(self.now, input, &mut effects);
        assert!(result.is_ok() || effects.is_empty());
        self.observer.observe(self.now, &effects);
        self.observer.check(&self.plane);
        if let Some(sign) = sign {
            sign.check(&effects);
        }
        if let Some(account) = asker {
            self.observer.check_kept_apart(account, &effects);
        }
        if timeout {
            let next = self.plane.next_deadline();
            assert!(next.is_none_or(|(at, _)| at > self.now));
        }
    }

    /// Everybody goes home, and every conference is terminated.
    pub(crate) fn end(&mut self) {
        for call in self.alive() {
            self.happens(Input::CallGone {
                call,
                reason: CloseReason::FarEndHangup,
            });
        }
        let conferences = self.observer.conferences.values();
        let conferences: Vec<_> = conferences.map(|view| view.record.clone()).collect();
        for ConferenceRecord { id, account, .. } in conferences {
            let change = ConferenceChange {
                status: Some(RequestedStatus::Terminated),
                ..ConferenceChange::default()
            };
            self.happens(Input::UpdateConference {
                account,
                conference: id,
                change,
            });
        }
        for call in self.observer.calls.values() {
            call.check_told();
        }
        for recording in self.observer.recordings.values() {
            let ended = recording.record.status != RecordingStatus::Open;
            assert!(!recording.runs && (recording.stopped || ended));
        }
        self.finish_recordings();
        assert_eq!(self.plane.next_deadline(), None);
        assert!(self.plane.unheard.is_empty());
        // Nobody is forgotten where calls are counted.
        self.now = self.now + Duration::from_secs(24 * 60 * 60);
        for _ in 0..tight_limits().outbound.at_once {
            let call = call_to('X');
            let account = ACCOUNT;
            let input = Input::MakeCall { account, call };
            let placed = self.plane.handle(self.now, input, &mut Vec::new());
            assert!(placed.is_ok(), "{placed:?}");
        }
    }

    /// Every file is complete, and what was said in it is known or never will be.
    fn finish_recordings(&mut self) {
        let all: Vec<_> = self.observer.recordings.keys().copied().collect();
        for recording in all {
            self.happens(Input::Media(ready(recording)));
        }
        self.now = self.now + Duration::from_secs(60);
        self.happens(Input::Timeout);
    }

    /// The process ends, and another takes over what is on disk.
    pub(crate) fn restart(&mut self) {
        self.observer.restart();
        self.plane = ControlPlane::new(tight_limits(), counting_ids());
        let observer = &self.observer;
        let conferences = observer
            .conferences
            .values()
            .map(|view| view.record.clone());
        let calls = observer.calls.values().map(|view| view.record.clone());
        let participants = observer
            .conferences
            .values()
            .flat_map(|view| view.participants.values());
        let recordings = observer.recordings.values().map(|view| view.record.clone());
        let mut effects = Vec::new();
        self.plane.restore(
            self.now,
            conferences.collect(),
            calls.collect(),
            participants.cloned().collect(),
            recordings.collect(),
            self.observer.queues.values().cloned().collect(),
            &mut effects,
        );
        self.observer.observe(self.now, &effects);
        self.observer.check(&self.plane);
        for recording in self.observer.recordings.keys().copied().collect::<Vec<_>>() {
            self.happens(Input::Media(ready(recording)));
        }
        for recording in self.observer.recordings.values() {
            assert_ne!(recording.record.status, RecordingStatus::Open);
        }
    }

    /// Whose wish an input is, if it is one account's.
    fn asker(&self, input: &Input) -> Option<AccountId> {
        match input {
            Input::CreateConference { account, .. }
            | Input::UpdateConference { account, .. }
            | Input::UpdateParticipant { account, .. }
            | Input::UpdateGains { account, .. }
            | Input::LookAtParticipant { account, .. }
            | Input::RemoveParticipant { account, .. }
            | Input::MakeCall { account, .. }
            | Input::CreateQueue { account, .. }
            | Input::UpdateQueue { account, .. }
            | Input::LookAtQueue { account, .. }
            | Input::Dequeue { account, .. }
            | Input::UpdateCall { account, .. } => Some(*account),
            Input::ScriptArrived { call, .. } => {
                let view = self.observer.calls.get(call)?;
                Some(view.record.account)
            }
            Input::CallArrived { .. }
            | Input::CallRinging { .. }
            | Input::CallAnswered { .. }
            | Input::CallFailed { .. }
            | Input::Transcribed { .. }
            | Input::CallConfirmed { .. }
            | Input::KeySignalled { .. }
            | Input::CallGone { .. }
            | Input::Media(_)
            | Input::Timeout => None,
        }
    }

    /// Keeps in mind whether a call will start the conference that it is about to join.
    fn expect_joining(&mut self, input: &Input) {
        match input {
            Input::CallArrived {
                call,
                route: Route::Conference(_),
                ..
            } => {
                self.observer.starters.insert(*call, true);
            }
            Input::ScriptArrived {
                call,
                exchange,
                outcome,
            } => {
                let view = self.observer.calls.get(call);
                let awaited = view.is_some_and(|view| view.exchange == Some(*exchange));
                if awaited && self.scripts_used.insert(*exchange) {
                    for command in outcome.iter().flat_map(|script| &script.commands) {
                        if let Command::AddToConference(how) = command {
                            self.observer
                                .starters
                                .insert(*call, how.start_conf_on_enter);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

/// For whom it is told that somebody speaks.
#[derive(Clone, Copy)]
enum Sign {
    /// For those who look on at a conference.
    OfSpeaker,
    /// For those who listen to a call.
    OfVoice,
}

impl Sign {
    fn of(input: &Input) -> Option<Sign> {
        match input {
            Input::Media(MediaEvent::Speaking { .. }) => Some(Sign::OfSpeaker),
            Input::Media(MediaEvent::Voice { .. }) => Some(Sign::OfVoice),
            _ => None,
        }
    }

    /// Neither is taken for the other.
    fn check(self, effects: &[Effect]) {
        let is_live = |effect: &Effect| matches!(effect, Effect::Live(_));
        let is_spoken = |effect: &Effect| match effect {
            Effect::Live(live) => matches!(live.news, LiveNews::Speaking(_)),
            _ => false,
        };
        match self {
            Sign::OfSpeaker => assert!(effects.iter().all(is_live), "{effects:?}"),
            Sign::OfVoice => assert!(!effects.iter().any(is_spoken), "{effects:?}"),
        }
    }
}

/// Limits that are reached all the time.
fn tight_limits() -> Limits {
    Limits {
        conferences_per_account: 3,
        conferences: 3,
        participants_per_conference: 3,
        redirects_per_call: 1,
        call_duration: Duration::from_secs(100),
        queues_per_account: 2,
        outbound: OutboundLimits {
            calls_per_second: 1,
            at_once: 4,
            minutes_per_day: 12,
            call_duration: Duration::from_secs(70),
        },
    }
}

fn ready(recording: RecordingId) -> MediaEvent {
    MediaEvent::RecordingReady {
        recording,
        duration: Duration::from_millis(1_500),
        size_bytes: 44,
    }
}
