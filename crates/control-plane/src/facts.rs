//! What is true now, as the store keeps it and the APIs show it.

use std::fmt;
use std::time::Duration;

use tutti_model::{
    AccountId, ApplicationId, CallId, CloseReason, ConferenceId, NumberId, QueueId, RecordingId,
    Timestamp,
};

/// A change that must be durable before anybody is told of it. Each carries the whole new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    Conference(ConferenceRecord),
    Participant(ParticipantRecord),
    /// The participant is no longer in the conference.
    ParticipantGone {
        conference: ConferenceId,
        call: CallId,
    },
    Call(CallRecord),
    Recording(RecordingRecord),
    Queue(QueueRecord),
}

/// Whose coming and going is announced by a beep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PlayBeep {
    #[default]
    Always,
    Never,
    EntryOnly,
    ExitOnly,
}

/// Where a conference is in its life (FreeClimb API, "Conferences").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConferenceStatus {
    Empty,
    /// Somebody waits; they hear wait music and not each other.
    Populated,
    InProgress,
    Terminated,
}

/// A conference as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceRecord {
    pub id: ConferenceId,
    pub account: AccountId,
    pub alias: Option<String>,
    pub play_beep: PlayBeep,
    pub record: bool,
    pub status: ConferenceStatus,
    pub wait_url: Option<String>,
    /// Set only where a script created the conference.
    pub action_url: Option<String>,
    pub status_callback_url: Option<String>,
    pub revision: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// A participant as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantRecord {
    pub account: AccountId,
    pub conference: ConferenceId,
    pub call: CallId,
    pub talk: bool,
    pub listen: bool,
    pub dtmf_pass_through: bool,
    /// This participant's joining started the conference.
    pub started_conference: bool,
    pub revision: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// Who began the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Inbound,
    OutboundApi,
    OutboundDial,
}

/// Where a call is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallStatus {
    Queued,
    Ringing,
    InProgress,
    Completed,
    Busy,
    Failed,
    NoAnswer,
    Canceled,
}

impl CallStatus {
    /// Whether nothing more can happen to the call.
    pub fn is_final(self) -> bool {
        match self {
            CallStatus::Queued | CallStatus::Ringing | CallStatus::InProgress => false,
            CallStatus::Completed
            | CallStatus::Busy
            | CallStatus::Failed
            | CallStatus::NoAnswer
            | CallStatus::Canceled => true,
        }
    }
}

/// Who picked up an outbound call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnsweredBy {
    Human,
    Machine,
}

/// A call as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    pub id: CallId,
    pub account: AccountId,
    pub application: Option<ApplicationId>,
    pub parent: Option<CallId>,
    pub number: Option<NumberId>,
    pub from: String,
    pub to: String,
    pub direction: Direction,
    pub status: CallStatus,
    pub conference: Option<ConferenceId>,
    /// Where the call waits to be taken out.
    pub queue: Option<QueueId>,
    pub answered_by: Option<AnsweredBy>,
    pub ended_reason: Option<CloseReason>,
    pub started: Option<Timestamp>,
    pub connected: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub revision: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// How far a recording is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordingStatus {
    /// Being written.
    Open,
    /// Complete, of this length and size.
    Ready { duration: Duration, size_bytes: u64 },
    /// Ended early; the text says why. What was written is kept.
    Failed { reason: String },
}

/// A recording as it stands. Its file is named after its identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingRecord {
    pub id: RecordingId,
    pub account: AccountId,
    /// The participant whose track it is; `None` for the mix.
    pub call: Option<CallId>,
    pub conference: Option<ConferenceId>,
    pub status: RecordingStatus,
    /// When it is deleted, where its script asked for privacy; such a recording cannot be played.
    pub kept_until: Option<Timestamp>,
    pub revision: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// A queue as it stands (FreeClimb API, "Queues").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRecord {
    pub id: QueueId,
    pub account: AccountId,
    pub alias: Option<String>,
    /// As many calls may wait in it.
    pub max_size: u32,
    /// As many wait in it now.
    pub current_size: u32,
    /// Calls that were taken out of it so far, those that hung up not among them.
    pub taken_out: u64,
    /// How long all of those have waited, together.
    pub waited: Duration,
    pub revision: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// An application as it stands: the URLs that answer for its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationRecord {
    pub id: ApplicationId,
    pub account: AccountId,
    pub alias: Option<String>,
    pub voice_url: Option<String>,
    pub voice_fallback_url: Option<String>,
    pub call_connect_url: Option<String>,
    pub status_callback_url: Option<String>,
    pub sms_url: Option<String>,
    pub sms_fallback_url: Option<String>,
    pub revision: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// An incoming phone number as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberRecord {
    pub id: NumberId,
    pub account: AccountId,
    /// What answers for the number; `None` while nothing does.
    pub application: Option<ApplicationId>,
    /// As E.164 with its plus sign; one account at most has it.
    pub phone_number: String,
    pub alias: Option<String>,
    pub revision: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// Whether an account may do anything (FreeClimb API, "Accounts").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AccountStatus {
    #[default]
    Active,
    /// Its requests and its calls are refused until it is active again.
    Suspended,
    /// Refused for good.
    Closed,
}

/// An account as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountRecord {
    pub id: AccountId,
    /// SHA-256 of the API key; the key itself is kept nowhere.
    pub api_key_hash: [u8; 32],
    /// Each signs every webhook, so they are kept as they are: one, or two while one is replaced.
    pub signing_secrets: Vec<String>,
    pub status: AccountStatus,
    pub alias: Option<String>,
    pub label: Option<String>,
    pub revision: u32,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl fmt::Debug for AccountRecord {
    /// Prints which account it is and none of its secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountRecord")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
