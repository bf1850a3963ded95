//! What applications are told, free of its spelling.

use std::time::Duration;

use tutti_model::{AccountId, CallId, CloseReason, ConferenceId, QueueId, RecordingId};

use crate::facts::{CallStatus, ConferenceStatus, Direction};
use crate::input::Transcript;

/// A message to an application (FreeClimb API, "Webhooks").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Webhook {
    /// An inbound call wants a script.
    InboundCall { call: CallContext },
    /// A `Redirect` wants a script.
    Redirect {
        call: CallContext,
        /// The webhook whose script began with the `Redirect`; it is repeated then.
        original: Option<Box<Webhook>>,
    },
    /// An `OutDial` has begun to place another call; the call that did it wants a script.
    OutDialStart { call: CallContext, dialled: CallId },
    /// A call placed by `OutDial` was answered, and wants a script, or came to nothing.
    OutDialConnect { call: CallContext },
    /// A call placed over REST was answered, and wants a script, or came to nothing.
    OutDialApiConnect { call: CallContext },
    /// A machine has picked up a call, and its script is asked for.
    MachineDetected { call: CallContext, machine: Machine },
    /// A `GetDigits` is over; the answer is a script.
    GetDigits {
        call: CallContext,
        digits: String,
        reason: DigitsReason,
        private: bool,
    },
    /// A `RecordUtterance` is over; unless its caller hung up, the answer is a script.
    Record {
        call: CallContext,
        /// `None` where nothing was recorded.
        recording: Option<UtteranceSummary>,
        reason: UtteranceReason,
        private: bool,
    },
    /// A `TranscribeUtterance` is over; unless its caller hung up, the answer is a script.
    Transcribe {
        call: CallContext,
        /// `None` where nothing was recorded, or nothing is kept.
        recording: Option<UtteranceSummary>,
        reason: UtteranceReason,
        /// The key that ended it.
        digit: Option<char>,
        /// What was said, and how long it took to understand; or why it is not known.
        transcript: Result<Transcript, String>,
        private_log: bool,
        private_recording: bool,
    },
    /// The sequence of keys for call control was pressed in a conference; the answer is a script.
    CallControl {
        call: CallContext,
        conference: ConferenceId,
        digits: String,
    },
    /// A call has joined a queue.
    AddToQueueNotification { call: CallContext, queue: QueueId },
    /// A call waits in a queue, and wants a script to wait with.
    QueueWait {
        call: CallContext,
        queue: QueueId,
        /// 1 for the one that has waited longest.
        position: u32,
        waited: Duration,
        size: u32,
    },
    /// A call is no longer in a queue, or never came in; unless it is over, the answer is a script.
    Dequeue {
        call: CallContext,
        queue: QueueId,
        result: QueueResult,
        waited: Duration,
    },
    /// A call has left a queue.
    RemoveFromQueueNotification {
        call: CallContext,
        queue: QueueId,
        result: QueueResult,
        waited: Duration,
    },
    /// A call was parked.
    ParkNotification { call: CallContext },
    /// A parked call wants a script to wait with.
    ParkWait { call: CallContext, waited: Duration },
    /// A call was unparked and wants a script.
    Unpark { call: CallContext, waited: Duration },
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
        /// What `StartRecordCall` has recorded.
        recording: Option<RecordingSummary>,
    },
}

/// What has picked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Machine {
    AnsweringMachine,
    FaxModem,
}

/// Why no more digits are awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigitsReason {
    FinishKey,
    Timeout,
    MaxDigits,
}

/// Why an utterance is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UtteranceReason {
    FinishKey,
    /// The caller was silent.
    Timeout,
    Hangup,
    MaxLength,
    /// The recording could not be made.
    Failed,
}

/// What became of a call that joined a queue, or was to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueResult {
    QueueFull,
    Dequeued,
    Hangup,
    SystemError,
}

/// A complete recording of an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UtteranceSummary {
    pub recording: RecordingId,
    pub duration: Duration,
    pub size_bytes: u64,
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
    pub queue: Option<QueueId>,
}

/// A recording in a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingSummary {
    pub recording: RecordingId,
    /// Rounded up.
    pub duration_secs: u64,
}
