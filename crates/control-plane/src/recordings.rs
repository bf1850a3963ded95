//! Recordings that are not complete yet, and who is told when they are.

use std::collections::BTreeMap;
use std::time::Duration;

use tutti_model::{CallId, MediaCommand, RecordedSide, RecordingId, RequestId};

use crate::effect::Stream;
use crate::facts::{
    CallRecord, ConferenceRecord, ConferenceStatus, Fact, RecordingRecord, RecordingStatus,
};
use crate::ids::Ids;
use crate::seconds::secs_rounded_up;
use crate::turn::Turn;
use crate::webhook::{RecordingSummary, Webhook};

/// How long a recording can be fetched that its script keeps to itself.
const KEPT_BRIEFLY: Duration = Duration::from_secs(120);

/// The open recordings of all conferences and calls. They may be over before their recordings are.
#[derive(Default)]
pub(crate) struct Recordings {
    open: BTreeMap<RecordingId, OpenRecording>,
}

/// A recording whose file is not complete.
pub(crate) struct OpenRecording {
    pub(crate) record: RecordingRecord,
    pub(crate) request: RequestId,
    /// The statusCallbackUrl of its conference.
    pub(crate) status_callback_url: Option<String>,
    pub(crate) keep: Keep,
}

/// How long a recording is kept once it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Always,
    /// [`KEPT_BRIEFLY`]; the recording is complete when it is as long as this.
    Briefly {
        longest: Duration,
    },
    /// Nobody wants it.
    Not,
}

impl Recordings {
    /// Starts recording the mix of a conference, or the track of a call in it.
    pub(crate) fn start(
        &mut self,
        turn: &mut Turn,
        ids: &mut Ids,
        conference: &ConferenceRecord,
        call: Option<CallId>,
    ) -> RecordingId {
        let recording = ids.recording();
        let record = RecordingRecord {
            id: recording,
            account: conference.account,
            call,
            conference: Some(conference.id),
            status: RecordingStatus::Open,
            kept_until: None,
            revision: 1,
            created: turn.now,
            updated: turn.now,
        };
        turn.commit(Fact::Recording(record.clone()));
        turn.media(match call {
            Some(call) => MediaCommand::StartTrack {
                conference: conference.id,
                call,
                recording,
            },
            None => MediaCommand::StartRecording {
                conference: conference.id,
                recording,
            },
        });
        self.watch(OpenRecording {
            record,
            request: turn.request,
            status_callback_url: conference.status_callback_url.clone(),
            keep: Keep::Always,
        });
        recording
    }

    /// Starts recording a call, wherever it is and goes.
    pub(crate) fn start_of_call(
        &mut self,
        turn: &mut Turn,
        ids: &mut Ids,
        call: &CallRecord,
        side: RecordedSide,
        keep: Keep,
    ) -> RecordingId {
        let recording = ids.recording();
        let record = RecordingRecord {
            id: recording,
            account: call.account,
            call: Some(call.id),
            conference: None,
            status: RecordingStatus::Open,
            kept_until: match keep {
                Keep::Always | Keep::Not => None,
                // Should this process end before the recording does.
                Keep::Briefly { longest } => Some(turn.now + longest + KEPT_BRIEFLY),
            },
            revision: 1,
            created: turn.now,
            updated: turn.now,
        };
        turn.commit(Fact::Recording(record.clone()));
        turn.media(MediaCommand::RecordCall {
            call: call.id,
            recording,
            side,
        });
        self.watch(OpenRecording {
            record,
            request: turn.request,
            status_callback_url: None,
            keep,
        });
        recording
    }

    /// Keeps a recording no longer than until it is complete.
    pub(crate) fn discard(&mut self, recording: RecordingId) {
        if let Some(open) = self.open.get_mut(&recording) {
            open.keep = Keep::Not;
        }
    }

    /// Expects the end of a recording that is already open.
    pub(crate) fn watch(&mut self, recording: OpenRecording) {
        self.open.insert(recording.record.id, recording);
    }

    /// Takes out a recording that has ended.
    pub(crate) fn take(&mut self, recording: RecordingId) -> Option<OpenRecording> {
        self.open.remove(&recording)
    }
}

impl OpenRecording {
    /// Records that the file is complete, and tells of it if it holds a mix.
    pub(crate) fn ready(
        mut self,
        turn: &mut Turn,
        duration: Duration,
        size_bytes: u64,
        conference_status: ConferenceStatus,
    ) -> RecordingRecord {
        self.end(
            turn,
            RecordingStatus::Ready {
                duration,
                size_bytes,
            },
        );
        if let (None, Some(conference), Some(url)) = (
            self.record.call,
            self.record.conference,
            self.status_callback_url,
        ) {
            turn.notify(
                self.record.account,
                Stream::Conference(conference),
                url,
                Webhook::ConferenceRecordingStatus {
                    account: self.record.account,
                    conference,
                    status: conference_status,
                    recording: RecordingSummary {
                        recording: self.record.id,
                        duration_secs: secs_rounded_up(duration),
                    },
                },
            );
        }
        self.record
    }

    /// Records that the recording ended early.
    pub(crate) fn failed(mut self, turn: &mut Turn, reason: String) -> RecordingRecord {
        self.end(turn, RecordingStatus::Failed { reason });
        self.record
    }

    fn end(&mut self, turn: &mut Turn, status: RecordingStatus) {
        self.record.status = status;
        self.record.kept_until = match self.keep {
            Keep::Always => None,
            Keep::Briefly { .. } => Some(turn.now + KEPT_BRIEFLY),
            Keep::Not => Some(turn.now),
        };
        self.record.revision = self.record.revision.saturating_add(1);
        self.record.updated = turn.now;
        turn.commit(Fact::Recording(self.record.clone()));
    }
}
