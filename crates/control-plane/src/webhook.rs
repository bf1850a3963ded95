//! What applications are told, free of its spelling.

use tutti_model::{AccountId, CallId, CloseReason, ConferenceId, RecordingId};

use crate::facts::{CallStatus, ConferenceStatus, Direction};

/// A message to an application (FreeClimb API, "Webhooks").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Webhook {
    /// An inbound call wants a script.
    InboundCall { call: CallContext },
    /// A `Redirect` wants a script.
    Redirect { call: CallContext },
    /// A script created a conference; its actionUrl wants to know, and answers with a script.
    CreateConference {
        call: CallContext,
        conference: ConferenceId,
    },
    /// A conference changed its status.
    ConferenceStatus {
        account: AccountId,
        conference: ConferenceId,
        status: ConferenceStatus,
        /// The recording of the session that ended, where one was made.
        recording: Option<RecordingSummary>,
    },
    /// A conference's recording is complete on disk.
    ConferenceRecordingStatus {
        account: AccountId,
        conference: ConferenceId,
        status: ConferenceStatus,
        recording: RecordingSummary,
    },
    /// A leg was bridged.
    AddToConferenceNotification {
        call: CallContext,
        conference: ConferenceId,
    },
    /// A leg was unbridged; unless its caller hung up, the answer is a script.
    LeaveConference {
        call: CallContext,
        conference: ConferenceId,
    },
    /// A call ended.
    CallStatus {
        call: CallContext,
        reason: CloseReason,
        /// From start to end, rounded up.
        duration_secs: u64,
    },
}

/// The standard parameters of a call's webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallContext {
    pub account: AccountId,
    pub call: CallId,
    pub parent: Option<CallId>,
    pub from: String,
    pub to: String,
    pub status: CallStatus,
    pub direction: Direction,
    pub conference: Option<ConferenceId>,
}

/// A recording in a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingSummary {
    pub recording: RecordingId,
    /// Rounded up.
    pub duration_secs: u64,
}
