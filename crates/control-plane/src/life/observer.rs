//! A naive observer: it believes effects as they come, and complains when they make no sense.

use std::collections::{BTreeMap, BTreeSet};

use tutti_model::{
    AccountId, Audience, CallId, ConferenceId, MediaCommand, Privileges, QueueId, RecordedSide,
    RecordingId, Timestamp,
};

use super::views::{CallView, ConferenceView, RecordingView};
use crate::seconds::secs_rounded_up;
use crate::*;

/// What anybody can know who carries the effects out.
#[derive(Default)]
pub(crate) struct Observer {
    pub(crate) conferences: BTreeMap<ConferenceId, ConferenceView>,
    pub(crate) calls: BTreeMap<CallId, CallView>,
    pub(crate) recordings: BTreeMap<RecordingId, RecordingView>,
    pub(crate) queues: BTreeMap<QueueId, QueueRecord>,
    /// How often applications were told what a caller has pressed, or said.
    pub(crate) heard: Heard,
    /// Whether a call's next joining is one that starts a conference.
    pub(crate) starters: BTreeMap<CallId, bool>,
}

/// What callers were heard to press and say.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) digits: usize,
    pub(crate) controls: usize,
    pub(crate) utterances: usize,
    /// Those whose callers hung up.
    pub(crate) cut_off: usize,
    pub(crate) texts: usize,
}

impl Observer {
    pub(crate) fn observe(&mut self, now: Timestamp, effects: &[Effect]) {
        let is_durable = |effect: &Effect| matches!(effect, Effect::Commit(_) | Effect::Notify(_));
        assert!(effects.is_sorted_by_key(|effect| !is_durable(effect)));
        for effect in effects {
            match effect {
                Effect::Commit(fact) => self.learn(now, fact),
                Effect::Notify(notification) => self.overhear(now, &notification.webhook),
                Effect::Ask(exchange) => {
                    let call = self.call(exchange.call);
                    assert!(call.has_leg);
                    assert!(call.exchange.replace(exchange.exchange) < Some(exchange.exchange));
                    self.ask(&exchange.webhook);
                }
                Effect::Media(command) => self.watch(command),
                Effect::Dial(dial) => {
                    let view = self.call(dial.call);
                    assert_eq!(view.record.status, CallStatus::Queued);
                    assert!(!std::mem::replace(&mut view.has_leg, true));
                }
                Effect::Transcribe { call, recording } => {
                    let view = self.recordings.get_mut(recording).unwrap();
                    assert_eq!(view.record.call, Some(*call));
                    assert!(matches!(view.record.status, RecordingStatus::Ready { .. }));
                    assert!(!std::mem::replace(&mut view.transcribing, true));
                }
                Effect::Signal { call, signal } => self.call(*call).signals.push(*signal),
                Effect::Log(_) => {}
                Effect::Live(event) => self.watch_live(event),
            }
        }
    }

    /// What must hold between two inputs.
    pub(crate) fn check(&self, plane: &ControlPlane) {
        for (id, conference) in &self.conferences {
            self.check_conference(*id, conference);
        }
        for call in self.calls.values() {
            call.check();
        }
        for queue in self.queues.values() {
            self.check_queue(queue);
        }
        for recording in self.recordings.values().filter(|view| view.runs) {
            self.check_running(recording);
        }
        let open = self.conferences.values().filter(|view| view.is_open);
        assert_eq!(plane.conference_count(), open.count());
        let alive = self.calls.values().filter(|view| view.has_leg);
        assert_eq!(plane.call_count(), alive.count());
        let participants = self.conferences.values().map(|view| view.legs.len());
        assert_eq!(plane.participant_count(), participants.sum::<usize>());
    }

    /// What one account asks for changes nothing of another's.
    pub(crate) fn check_kept_apart(&self, account: AccountId, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Commit(fact) = effect {
                assert_eq!(self.owner(fact), account, "{fact:?}");
            }
        }
    }

    fn owner(&self, fact: &Fact) -> AccountId {
        match fact {
            Fact::Conference(record) => record.account,
            Fact::Participant(record) => record.account,
            Fact::ParticipantGone { conference, .. } => {
                self.conferences.get(conference).unwrap().record.account
            }
            Fact::Call(record) => record.account,
            Fact::Recording(record) => record.account,
            Fact::Queue(record) => record.account,
        }
    }

    /// Forgets everything that ends with the process.
    pub(crate) fn restart(&mut self) {
        for conference in self.conferences.values_mut() {
            conference.legs.clear();
            conference.privileges.clear();
            conference.watched.clear();
            conference.started = false;
            conference.is_open = false;
            conference.music = false;
            conference.mixing = false;
        }
        for call in self.calls.values_mut() {
            call.has_leg = false;
            call.told_in_queue = None;
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
        for (call, record) in &conference.participants {
            let privileges = Privileges {
                talk: record.talk,
                listen: record.listen,
            };
            assert_eq!(conference.privileges.get(call), Some(&privileges));
        }
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

    /// A call's recording ends with its call, and who says something is listened to.
    fn check_running(&self, recording: &RecordingView) {
        let Some(call) = recording.record.call.and_then(|id| self.calls.get(&id)) else {
            return;
        };
        assert!(call.has_leg);
        match recording.side {
            Some(RecordedSide::Caller) => {
                assert!(call.is_watched && !self.is_with_others(call.record.id));
            }
            Some(RecordedSide::Both) | None => {}
        }
    }

    fn is_with_others(&self, call: CallId) -> bool {
        let mut everywhere = self.conferences.values();
        everywhere.any(|view| view.legs.contains(&call))
    }

    fn check_queue(&self, queue: &QueueRecord) {
        let calls = self.calls.values().map(|view| &view.record);
        let members = calls.filter(|call| call.queue == Some(queue.id));
        assert_eq!(queue.current_size as usize, members.count());
        assert!(queue.taken_out > 0 || queue.waited.is_zero());
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
                    assert_eq!(
                        (record.revision, record.updated),
                        (view.record.revision + 1, now)
                    );
                    match view.record.status {
                        RecordingStatus::Open => view.runs = false,
                        RecordingStatus::Ready { .. } => {
                            // It was wanted for its text alone.
                            assert!(std::mem::replace(&mut view.transcribing, false));
                            assert_eq!(record.status, view.record.status);
                            assert_eq!(record.kept_until, Some(now));
                        }
                        RecordingStatus::Failed { .. } => panic!("what failed stays so"),
                    }
                    view.record = record.clone();
                }
                None => {
                    assert_eq!((record.revision, record.updated), (1, now));
                    self.recordings
                        .insert(record.id, RecordingView::new(record.clone()));
                }
            },
            Fact::Queue(record) => {
                let before = self.queues.insert(record.id, record.clone());
                assert_eq!(record.updated, now);
                assert!((1..=1_000).contains(&record.max_size));
                let Some(before) = before else {
                    assert_eq!((record.revision, record.current_size), (1, 0));
                    return;
                };
                assert_eq!(record.revision, before.revision + 1);
                assert_eq!(record.account, before.account);
                let joins = record.current_size > before.current_size;
                assert!(!joins || record.current_size <= record.max_size);
                assert!(record.taken_out - before.taken_out <= 1);
            }
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
            Webhook::CallStatus {
                call,
                reason,
                recording,
                ..
            } => {
                if let Some(told) = recording {
                    let view = self.recordings.get(&told.recording).unwrap();
                    let length = now.since(view.record.created);
                    assert_eq!(told.duration_secs, secs_rounded_up(length));
                    assert_eq!(view.record.call, Some(call.call));
                    assert_eq!(view.record.status, RecordingStatus::Open);
                    assert_eq!(view.record.conference, None);
                }
                let view = self.call(call.call);
                assert_eq!(view.record.ended_reason, Some(*reason));
                assert_eq!(view.record.status, call.status);
                view.ends_told += 1;
            }
            Webhook::OutDialConnect { call } | Webhook::OutDialApiConnect { call } => {
                self.call(call.call).connects_told += 1;
            }
            Webhook::AddToQueueNotification { call, queue } => {
                let told = &mut self.call(call.call).told_in_queue;
                assert_eq!(told.replace(*queue), None);
            }
            Webhook::RemoveFromQueueNotification { call, queue, .. } => {
                let told = &mut self.call(call.call).told_in_queue;
                assert_eq!(told.take(), Some(*queue));
            }
            // Whose caller hung up: nobody waits for a script.
            Webhook::Record { call, .. } | Webhook::Transcribe { call, .. } => {
                self.heard.cut_off += 1;
                assert!(self.call(call.call).record.status.is_final());
                self.check_utterance(webhook);
            }
            Webhook::Dequeue { call, .. } => {
                assert!(self.call(call.call).record.status.is_final());
            }
            Webhook::AddToConferenceNotification { .. }
            | Webhook::LeaveConference { .. }
            | Webhook::ParkNotification { .. } => {}
            Webhook::InboundCall { .. }
            | Webhook::Redirect { .. }
            | Webhook::OutDialStart { .. }
            | Webhook::MachineDetected { .. }
            | Webhook::GetDigits { .. }
            | Webhook::CallControl { .. }
            | Webhook::QueueWait { .. }
            | Webhook::ParkWait { .. }
            | Webhook::Unpark { .. }
            | Webhook::CreateConference { .. } => panic!("a question is not a notification"),
        }
    }

    /// Keeps in mind what is asked once only.
    fn ask(&mut self, webhook: &Webhook) {
        if let Webhook::OutDialConnect { call } | Webhook::OutDialApiConnect { call } = webhook {
            self.call(call.call).connects_told += 1;
        }
        self.heard.digits += usize::from(matches!(webhook, Webhook::GetDigits { .. }));
        self.heard.controls += usize::from(matches!(webhook, Webhook::CallControl { .. }));
        self.check_utterance(webhook);
    }

    /// What is told of an utterance is what is known of its recording.
    fn check_utterance(&mut self, webhook: &Webhook) {
        let (Webhook::Record {
            call, recording, ..
        }
        | Webhook::Transcribe {
            call, recording, ..
        }) = webhook
        else {
            return;
        };
        if let Webhook::Transcribe {
            transcript: Ok(_), ..
        } = webhook
        {
            self.heard.texts += 1;
        }
        if let Some(told) = recording {
            self.heard.utterances += 1;
            let view = self.recordings.get(&told.recording).unwrap();
            assert_eq!(view.record.call, Some(call.call));
            assert_eq!(view.record.conference, None);
            let known = RecordingStatus::Ready {
                duration: told.duration,
                size_bytes: told.size_bytes,
            };
            assert_eq!(view.record.status, known);
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
                conference,
                call,
                privileges,
            } => {
                assert!(self.call(*call).has_leg);
                let starts = self.starters.get(call).copied().unwrap_or(false);
                let view = self.conference(*conference);
                assert!(view.is_open && view.legs.insert(*call));
                view.privileges.insert(*call, *privileges);
                view.started |= starts;
            }
            MediaCommand::Leave { call } => {
                let mut everywhere = self.conferences.values_mut();
                let view = everywhere.find(|view| view.legs.contains(call)).unwrap();
                view.legs.remove(call);
                view.privileges.remove(call);
                view.started &= !view.legs.is_empty();
            }
            MediaCommand::SetPrivileges { call, privileges } => {
                let mut everywhere = self.conferences.values_mut();
                let view = everywhere.find(|view| view.legs.contains(call)).unwrap();
                let before = view.privileges.insert(*call, *privileges);
                assert_ne!(before, Some(*privileges));
            }
            MediaCommand::SetGains { call, .. } => assert!(self.call(*call).has_leg),
            MediaCommand::PressDigit { call, .. } => assert!(self.call(*call).has_leg),
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
            MediaCommand::RecordCall {
                call,
                recording,
                side,
            } => {
                assert!(self.call(*call).has_leg);
                assert!(*side == RecordedSide::Both || !self.is_with_others(*call));
                let of_the_same = self.recordings.values().filter(|view| {
                    view.runs && view.record.call == Some(*call) && view.side == Some(*side)
                });
                assert_eq!(of_the_same.count(), 0);
                let view = self.recordings.get_mut(recording).unwrap();
                assert_eq!(view.record.conference, None);
                assert!(!view.stopped && !std::mem::replace(&mut view.runs, true));
                view.side = Some(*side);
            }
            MediaCommand::StopRecording { recording } => {
                let view = self.recordings.get_mut(recording).unwrap();
                assert!(std::mem::replace(&mut view.runs, false));
                view.stopped = true;
            }
            MediaCommand::PlayPrompt {
                call,
                prompt,
                audience,
                ..
            } => {
                assert!(*audience == Audience::Call || self.is_with_others(*call));
                let view = self.call(*call);
                assert!(view.has_leg);
                assert!(view.prompt.replace(*prompt) < Some(*prompt));
            }
            MediaCommand::StopPrompt { call, prompt } => {
                let view = self.call(*call);
                assert!(view.has_leg && view.prompt == Some(*prompt));
            }
            MediaCommand::WatchVoice { call, on } => {
                let view = self.call(*call);
                assert!(view.has_leg);
                view.is_watched = *on;
            }
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
