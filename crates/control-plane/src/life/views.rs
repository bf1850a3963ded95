//! What anybody can know of a conference, a call or a recording, by the effects alone.

use std::collections::{BTreeMap, BTreeSet};

use tutti_model::{CallId, Privileges, PromptId, QueueId, RecordedSide};

use crate::*;

pub(crate) struct ConferenceView {
    pub(crate) record: ConferenceRecord,
    pub(super) told: Option<ConferenceStatus>,
    pub(crate) participants: BTreeMap<CallId, ParticipantRecord>,
    pub(super) legs: BTreeSet<CallId>,
    pub(super) privileges: BTreeMap<CallId, Privileges>,
    /// Who is there by what is told live, and whether it speaks.
    pub(super) watched: BTreeMap<CallId, bool>,
    /// A starter has joined since it was empty.
    pub(super) started: bool,
    pub(super) is_open: bool,
    pub(super) music: bool,
    pub(super) mixing: bool,
}

pub(crate) struct CallView {
    pub(crate) record: CallRecord,
    pub(super) exchange: Option<u64>,
    pub(super) prompt: Option<PromptId>,
    pub(super) signals: Vec<Signal>,
    pub(super) has_leg: bool,
    /// Its voice is listened to.
    pub(super) is_watched: bool,
    pub(super) ends_told: usize,
    /// How often its callConnectUrl was asked, or told.
    pub(super) connects_told: usize,
    /// Where it waits by what is told.
    pub(super) told_in_queue: Option<QueueId>,
}

pub(crate) struct RecordingView {
    pub(crate) record: RecordingRecord,
    /// Started, and neither stopped nor ended by itself.
    pub(super) runs: bool,
    pub(super) stopped: bool,
    /// What is to become of its text: asked for, and not known yet.
    pub(super) transcribing: bool,
    pub(super) side: Option<RecordedSide>,
    pub(super) session_is_over: bool,
    pub(super) told: bool,
}

impl ConferenceView {
    pub(super) fn new(record: ConferenceRecord) -> ConferenceView {
        ConferenceView {
            record,
            told: None,
            participants: BTreeMap::new(),
            legs: BTreeSet::new(),
            privileges: BTreeMap::new(),
            watched: BTreeMap::new(),
            started: false,
            is_open: false,
            music: false,
            mixing: false,
        }
    }

    /// Steps through FreeClimb's conference diagram.
    pub(super) fn hear(&mut self, status: ConferenceStatus) {
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
    pub(super) fn new(record: CallRecord) -> CallView {
        CallView {
            has_leg: record.direction == Direction::Inbound,
            record,
            exchange: None,
            prompt: None,
            signals: Vec::new(),
            is_watched: false,
            ends_told: 0,
            connects_told: 0,
            told_in_queue: None,
        }
    }

    pub(super) fn check(&self) {
        let ended = self.record.status.is_final();
        assert_eq!(self.has_leg, !ended);
        assert_eq!(self.record.ended_reason.is_some(), ended);
        assert_eq!(self.record.ended.is_some(), ended);
        assert!(self.ends_told <= usize::from(ended));
        assert!(self.connects_told <= 1);
        assert_eq!(self.told_in_queue, self.record.queue);
        assert!(self.record.conference.is_none() || self.record.queue.is_none());
        let outbound = self.record.direction != Direction::Inbound;
        let signals = match &self.signals[..] {
            [Signal::EarlyMedia, rest @ ..] if !outbound => rest,
            all => all,
        };
        let legal = match *signals {
            [] if outbound => true,
            [Signal::HangUp] if outbound => ended,
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
    pub(crate) fn check_told(&self) {
        let outbound = self.record.direction != Direction::Inbound;
        let expected = usize::from(self.record.application.is_some() || outbound);
        assert_eq!(self.ends_told, expected);
        assert_eq!(self.connects_told, usize::from(outbound));
    }
}

impl RecordingView {
    pub(super) fn new(record: RecordingRecord) -> RecordingView {
        RecordingView {
            record,
            runs: false,
            stopped: false,
            transcribing: false,
            side: None,
            session_is_over: false,
            told: false,
        }
    }
}
