//! A naive observer: it believes effects as they come, and complains when they make no sense.

use std::collections::{BTreeMap, BTreeSet};

use tutti_model::{CallId, ConferenceId, MediaCommand, PromptId, RecordingId, Timestamp};

use crate::seconds::secs_rounded_up;
use crate::*;

/// What anybody can know who carries the effects out.
#[derive(Default)]
pub(super) struct Observer {
    pub(super) conferences: BTreeMap<ConferenceId, ConferenceView>,
    pub(super) calls: BTreeMap<CallId, CallView>,
    pub(super) recordings: BTreeMap<RecordingId, RecordingView>,
    /// Whether a call's next joining is one that starts a conference.
    pub(super) starters: BTreeMap<CallId, bool>,
}

pub(super) struct ConferenceView {
    pub(super) record: ConferenceRecord,
    told: Option<ConferenceStatus>,
    pub(super) participants: BTreeMap<CallId, ParticipantRecord>,
    legs: BTreeSet<CallId>,
    /// Who is there by what is told live, and whether it speaks.
    watched: BTreeMap<CallId, bool>,
    /// A starter has joined since it was empty.
    started: bool,
    is_open: bool,
    music: bool,
    mixing: bool,
}

pub(super) struct CallView {
    pub(super) record: CallRecord,
    pub(super) exchange: Option<u64>,
    pub(super) prompt: Option<PromptId>,
    signals: Vec<Signal>,
    has_leg: bool,
    ends_told: usize,
}

pub(super) struct RecordingView {
    pub(super) record: RecordingRecord,
    /// Started, and neither stopped nor ended by itself.
    pub(super) runs: bool,
    pub(super) stopped: bool,
    session_is_over: bool,
    told: bool,
}

impl Observer {
    pub(super) fn observe(&mut self, now: Timestamp, effects: &[Effect]) {
        let is_durable = |effect: &Effect| matches!(effect, Effect::Commit(_) | Effect::Notify(_));
        assert!(effects.is_sorted_by_key(|effect| !is_durable(effect)));
        for effect in effects {
            match effect {
                Effect::Commit(fact) => self.learn(now, fact),
                Effect::Notify(notification) => self.overhear(now, &notification.webhook),
                Effect::Ask(exchange) => {
                    let call = self.call(exchange.call);
                    assert!(call.exchange.replace(exchange.exchange) < Some(exchange.exchange));
                }
                Effect::Media(command) => self.watch(command),
                Effect::Signal { call, signal } => self.call(*call).signals.push(*signal),
                Effect::Log(_) => {}
                Effect::Live(event) => self.watch_live(event),
            }
        }
    }

    /// What must hold between two inputs.
    pub(super) fn check(&self, plane: &ControlPlane) {
        for (id, conference) in &self.conferences {
            self.check_conference(*id, conference);
        }
        for call in self.calls.values() {
            call.check();
        }
        let open = self.conferences.values().filter(|view| view.is_open);
        assert_eq!(plane.conference_count(), open.count());
        let alive = self.calls.values().filter(|view| view.has_leg);
        assert_eq!(plane.call_count(), alive.count());
        let participants = self.conferences.values().map(|view| view.legs.len());
        assert_eq!(plane.participant_count(), participants.sum::<usize>());
    }

    /// Forgets everything that ends with the process.
    pub(super) fn restart(&mut self) {
        for conference in self.conferences.values_mut() {
            conference.legs.clear();
            conference.watched.clear();
            conference.started = false;
            conference.is_open = false;
            conference.music = false;
            conference.mixing = false;
        }
        for call in self.calls.values_mut() {
            call.has_leg = false;
        }
        for recording in self.recordings.values_mut() {
            recording.runs = false;
            recording.session_is_over = true;
        }
    }

    fn check_conference(&self, id: ConferenceId, conference: &ConferenceView) {
        let status = conference.record.status;
        let expected = match (conference.legs.is_empty(), conference.started) {
            (true, _) => ConferenceStatus::Empty,
            (false, false) => ConferenceStatus::Populated,
            (false, true) => ConferenceStatus::InProgress,
        };
        if status == ConferenceStatus::Terminated {
            assert!(conference.legs.is_empty());
        } else {
            assert_eq!(status, expected);
        }
        if conference.record.status_callback_url.is_some() {
            assert_eq!(conference.told, Some(status));
        } else {
            assert_eq!(conference.told, None);
        }
        assert_eq!(conference.is_open, status != ConferenceStatus::Terminated);
        assert_eq!(conference.music, status == ConferenceStatus::Populated);
        assert_eq!(conference.mixing, status == ConferenceStatus::InProgress);

        let calls = self.calls.values().map(|view| &view.record);
        let said_to_be_in = calls.filter(|call| call.conference == Some(id));
        assert!(
            said_to_be_in
                .map(|call| call.id)
                .eq(conference.legs.iter().copied())
        );
        assert!(conference.participants.keys().eq(&conference.legs));
        assert!(conference.watched.keys().eq(&conference.legs));
        let starters = conference.participants.values();
        assert!(starters.filter(|p| p.started_conference).count() <= 1);

        let running: Vec<_> = self.running(id).map(|view| view.record.call).collect();
        let distinct: BTreeSet<_> = running.iter().collect();
        assert_eq!(running.len(), distinct.len());
        if !conference.mixing || !conference.record.record {
            assert_eq!(running, []);
        }
        for track in running.into_iter().flatten() {
            assert!(conference.legs.contains(&track));
        }
    }

    fn running(&self, id: ConferenceId) -> impl Iterator<Item = &RecordingView> {
        self.recordings
            .values()
            .filter(move |view| view.runs && view.record.conference == Some(id))
    }

    fn learn(&mut self, now: Timestamp, fact: &Fact) {
        match fact {
            Fact::Conference(record) => match self.conferences.get_mut(&record.id) {
                Some(view) => {
                    assert_eq!(record.revision, view.record.revision + 1);
                    assert_eq!((record.created, record.updated), (view.record.created, now));
                    assert_ne!(view.record.status, ConferenceStatus::Terminated);
                    view.record = record.clone();
                }
                None => {
                    assert_eq!((record.revision, record.updated), (1, now));
                    self.conferences
                        .insert(record.id, ConferenceView::new(record.clone()));
                }
            },
            Fact::Participant(record) => {
                let participants = &mut self.conference(record.conference).participants;
                let before = participants.insert(record.call, record.clone());
                assert_eq!(
                    record.revision,
                    before.map_or(1, |before| before.revision + 1)
                );
                assert_eq!(record.updated, now);
            }
            Fact::ParticipantGone { conference, call } => {
                assert!(
                    self.conference(*conference)
                        .participants
                        .remove(call)
                        .is_some()
                );
            }
            Fact::Call(record) => match self.calls.get_mut(&record.id) {
                Some(view) => {
                    assert_eq!(record.revision, view.record.revision + 1);
                    assert_eq!((record.created, record.updated), (view.record.created, now));
                    assert!(!view.record.status.is_final());
                    view.record = record.clone();
                }
                None => {
                    assert_eq!((record.revision, record.updated), (1, now));
                    self.calls.insert(record.id, CallView::new(record.clone()));
                }
            },
            Fact::Recording(record) => match self.recordings.get_mut(&record.id) {
                Some(view) => {
                    assert_eq!((record.revision, record.updated), (2, now));
                    assert_eq!(view.record.status, RecordingStatus::Open);
                    view.record = record.clone();
                    view.runs = false;
                }
                None => {
                    assert_eq!((record.revision, record.updated), (1, now));
                    self.recordings
                        .insert(record.id, RecordingView::new(record.clone()));
                }
            },
        }
    }

    fn overhear(&mut self, now: Timestamp, webhook: &Webhook) {
        match webhook {
            Webhook::ConferenceStatus {
                conference,
                status,
                recording,
                ..
            } => {
                let expected = match status {
                    ConferenceStatus::Empty => self.end_session(now, *conference),
                    ConferenceStatus::Populated
                    | ConferenceStatus::InProgress
                    | ConferenceStatus::Terminated => None,
                };
                assert_eq!(*recording, expected);
                self.conference(*conference).hear(*status);
            }
            Webhook::ConferenceRecordingStatus {
                conference,
                status,
                recording,
                ..
            } => {
                assert_eq!(self.conference(*conference).record.status, *status);
                let view = self.recordings.get_mut(&recording.recording).unwrap();
                assert!(matches!(view.record.status, RecordingStatus::Ready { .. }));
                assert_eq!(view.record.call, None);
                assert!(!std::mem::replace(&mut view.told, true));
            }
            Webhook::CallStatus { call, reason, .. } => {
                let view = self.call(call.call);
                assert_eq!(view.record.ended_reason, Some(*reason));
                assert_eq!(view.record.status, call.status);
                view.ends_told += 1;
            }
            Webhook::AddToConferenceNotification { .. } | Webhook::LeaveConference { .. } => {}
            Webhook::InboundCall { .. }
            | Webhook::Redirect { .. }
            | Webhook::CreateConference { .. } => panic!("a question is not a notification"),
        }
    }

    fn watch(&mut self, command: &MediaCommand) {
        match command {
            MediaCommand::OpenConference { conference } => {
                assert!(!std::mem::replace(
                    &mut self.conference(*conference).is_open,
                    true
                ));
            }
            MediaCommand::CloseConference { conference } => {
                let view = self.conference(*conference);
                assert!(view.legs.is_empty());
                assert!(std::mem::replace(&mut view.is_open, false));
            }
            MediaCommand::Join {
                conference, call, ..
            } => {
                assert!(self.call(*call).has_leg);
                let starts = self.starters.get(call).copied().unwrap_or(false);
                let view = self.conference(*conference);
                assert!(view.is_open && view.legs.insert(*call));
                view.started |= starts;
            }
            MediaCommand::Leave { call } => {
                let mut everywhere = self.conferences.values_mut();
                let view = everywhere.find(|view| view.legs.contains(call)).unwrap();
                view.legs.remove(call);
                view.started &= !view.legs.is_empty();
            }
            MediaCommand::SetPrivileges { call, privileges } => {
                let mut everybody = self
                    .conferences
                    .values()
                    .flat_map(|view| &view.participants);
                let (_, record) = everybody.find(|(known, _)| *known == call).unwrap();
                assert_eq!(
                    (record.talk, record.listen),
                    (privileges.talk, privileges.listen)
                );
            }
            MediaCommand::SetGains { call, .. } => assert!(self.call(*call).has_leg),
            MediaCommand::PressDigit { .. } => panic!("nobody asked for a key"),
            MediaCommand::PassDigit {
                conference, from, ..
            } => {
                let view = self.conference(*conference);
                assert!(view.mixing && view.legs.contains(from));
                assert!(view.participants.get(from).unwrap().dtmf_pass_through);
            }
            MediaCommand::SetMixing { conference, on } => {
                let mixing = &mut self.conference(*conference).mixing;
                assert_ne!(std::mem::replace(mixing, *on), *on);
            }
            MediaCommand::PlayMusic { conference, .. } => {
                assert!(!std::mem::replace(
                    &mut self.conference(*conference).music,
                    true
                ));
            }
            MediaCommand::StopMusic { conference } => {
                assert!(std::mem::replace(
                    &mut self.conference(*conference).music,
                    false
                ));
            }
            MediaCommand::Beep { conference, .. } => {
                assert!(!self.conference(*conference).legs.is_empty());
            }
            MediaCommand::StartRecording { recording, .. }
            | MediaCommand::StartTrack { recording, .. } => {
                let view = self.recordings.get_mut(recording).unwrap();
                assert!(!view.stopped && !std::mem::replace(&mut view.runs, true));
            }
            MediaCommand::StopRecording { recording } => {
                let view = self.recordings.get_mut(recording).unwrap();
                assert!(std::mem::replace(&mut view.runs, false));
                view.stopped = true;
            }
            MediaCommand::PlayPrompt { call, prompt, .. } => {
                let view = self.call(*call);
                assert!(view.has_leg && view.record.conference.is_none());
                assert!(view.prompt.replace(*prompt) < Some(*prompt));
            }
            MediaCommand::StopPrompt { .. } => {}
            MediaCommand::CloseLeg { call } => {
                assert!(
                    self.conferences
                        .values()
                        .all(|view| !view.legs.contains(call))
                );
                assert!(std::mem::replace(&mut self.call(*call).has_leg, false));
            }
        }
    }

    /// Whoever watches is told of those who are there, and of each joining and leaving.
    fn watch_live(&mut self, event: &LiveEvent) {
        let Some(conference) = event.conference else {
            assert!(matches!(event.news, LiveNews::Digit(_)));
            return;
        };
        let watched = &mut self.conference(conference).watched;
        match event.news {
            LiveNews::Joined => assert!(watched.insert(event.call, false).is_none()),
            LiveNews::Left => assert!(watched.remove(&event.call).is_some()),
            LiveNews::Speaking(speaking) => {
                assert_ne!(watched.insert(event.call, speaking), Some(speaking));
            }
            LiveNews::Digit(_) => assert!(watched.contains_key(&event.call)),
        }
    }

    /// The mix of the session that is over, by the facts alone: its commands come later.
    fn end_session(&mut self, now: Timestamp, id: ConferenceId) -> Option<RecordingSummary> {
        let mix = self.recordings.values_mut().find(|view| {
            view.record.conference == Some(id)
                && view.record.call.is_none()
                && view.record.status == RecordingStatus::Open
                && !view.session_is_over
        })?;
        mix.session_is_over = true;
        Some(RecordingSummary {
            recording: mix.record.id,
            duration_secs: secs_rounded_up(now.since(mix.record.created)),
        })
    }

    fn conference(&mut self, id: ConferenceId) -> &mut ConferenceView {
        self.conferences.get_mut(&id).unwrap()
    }

    fn call(&mut self, id: CallId) -> &mut CallView {
        self.calls.get_mut(&id).unwrap()
    }
}

impl ConferenceView {
    fn new(record: ConferenceRecord) -> ConferenceView {
        ConferenceView {
            record,
            told: None,
            participants: BTreeMap::new(),
            legs: BTreeSet::new(),
            watched: BTreeMap::new(),
            started: false,
            is_open: false,
            music: false,
            mixing: false,
        }
    }

    /// Steps through FreeClimb's conference diagram.
    fn hear(&mut self, status: ConferenceStatus) {
        use ConferenceStatus::{Empty, InProgress, Populated, Terminated};
        let legal = match self.told {
            None => status == Empty,
            Some(Empty) => status == Populated || status == Terminated,
            Some(Populated) => status == InProgress || status == Empty,
            Some(InProgress) => status == Empty,
            Some(Terminated) => false,
        };
        assert!(legal, "{:?} then {status:?}", self.told);
        self.told = Some(status);
    }
}

impl CallView {
    fn new(record: CallRecord) -> CallView {
        CallView {
            record,
            exchange: None,
            prompt: None,
            signals: Vec::new(),
            has_leg: true,
            ends_told: 0,
        }
    }

    fn check(&self) {
        let ended = self.record.status.is_final();
        assert_eq!(self.has_leg, !ended);
        assert_eq!(self.record.ended_reason.is_some(), ended);
        assert_eq!(self.record.ended.is_some(), ended);
        assert!(self.ends_told <= usize::from(ended));
        let legal = match self.signals[..] {
            [] => self.record.connected.is_none(),
            [Signal::Answer] => self.record.connected.is_some(),
            [Signal::Answer, Signal::HangUp] => ended && self.record.connected.is_some(),
            [Signal::Reject(reason)] => {
                self.record.connected.is_none() && self.record.ended_reason == Some(reason)
            }
            _ => false,
        };
        assert!(legal, "{:?} of {:?}", self.signals, self.record);
        let completed = self.record.status == CallStatus::Completed;
        assert!(!completed || self.record.connected.is_some());
    }

    /// Its application has been told of its end, if it has one.
    pub(super) fn check_told(&self) {
        let expected = usize::from(self.record.application.is_some());
        assert_eq!(self.ends_told, expected);
    }
}

impl RecordingView {
    fn new(record: RecordingRecord) -> RecordingView {
        RecordingView {
            record,
            runs: false,
            stopped: false,
            session_is_over: false,
            told: false,
        }
    }
}
