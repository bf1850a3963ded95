//! What can happen to the control plane.

use std::time::Duration;

use tutti_model::{
    AccountId, ApplicationId, CallId, CloseReason, ConferenceId, Digit, Gains, MediaEvent,
    NumberId, QueueId, RecordingId, Timestamp,
};

use crate::facts::{CallRecord, ConferenceRecord, ParticipantRecord, PlayBeep, QueueRecord};
use crate::script::{IfMachine, Keystroke, Script};

/// Something that happened, or that somebody asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// An application creates a conference.
    CreateConference {
        account: AccountId,
        options: ConferenceOptions,
    },
    /// An application changes a conference.
    UpdateConference {
        account: AccountId,
        conference: ConferenceId,
        change: ConferenceChange,
    },
    /// An application changes what a participant may do.
    UpdateParticipant {
        account: AccountId,
        conference: ConferenceId,
        call: CallId,
        change: ParticipantChange,
    },
    /// An application changes how loud a participant is heard, and hears.
    UpdateGains {
        account: AccountId,
        conference: ConferenceId,
        call: CallId,
        change: GainsChange,
    },
    /// An application wants to know what a participant does now; nothing changes.
    LookAtParticipant {
        account: AccountId,
        conference: ConferenceId,
        call: CallId,
    },
    /// An application removes a participant.
    RemoveParticipant {
        account: AccountId,
        conference: ConferenceId,
        call: CallId,
    },
    /// An application places a call.
    MakeCall { account: AccountId, call: NewCall },
    /// An application makes a queue.
    CreateQueue {
        account: AccountId,
        options: QueueOptions,
    },
    /// An application changes a queue.
    UpdateQueue {
        account: AccountId,
        queue: QueueId,
        options: QueueOptions,
    },
    /// An application wants to know who waits in a queue; nothing changes.
    LookAtQueue { account: AccountId, queue: QueueId },
    /// An application takes a call out of a queue.
    Dequeue {
        account: AccountId,
        queue: QueueId,
        who: Waiting,
    },
    /// An application ends a call.
    UpdateCall {
        account: AccountId,
        call: CallId,
        change: CallChange,
    },
    /// A call came in; its offer is understood and its leg is ready. The id is fresh.
    CallArrived {
        call: CallId,
        account: AccountId,
        from: String,
        to: String,
        route: Route,
    },
    /// The far end of a call that we place rings.
    CallRinging { call: CallId },
    /// The far end of a call that we place has answered.
    CallAnswered { call: CallId },
    /// A call that we place came to nothing, for this reason; the text says more, for the log.
    CallFailed {
        call: CallId,
        reason: CloseReason,
        detail: String,
    },
    /// The caller confirmed our answer (SIP: ACK).
    CallConfirmed { call: CallId },
    /// A call's signalling tells of a key (SIP INFO). Its media may tell of the same press.
    KeySignalled { call: CallId, digit: Digit },
    /// The far end hung up, gave up before the answer, or its transport is gone.
    CallGone { call: CallId, reason: CloseReason },
    /// A command webhook was answered, or was not.
    ScriptArrived {
        call: CallId,
        exchange: u64,
        outcome: Result<Script, ScriptFailure>,
    },
    /// What a recording holds is text now, or cannot be.
    Transcribed {
        call: CallId,
        recording: RecordingId,
        outcome: Result<Transcript, String>,
    },
    /// The media plane learnt something.
    Media(MediaEvent),
    /// A deadline may have passed.
    Timeout,
}

/// Where an incoming call leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To the application that answers for the dialled number.
    Application(ApplicationRoute),
    /// Straight into a conference, as talk, listen and startConfOnEnter.
    Conference(ConferenceId),
}

/// What answers for a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationRoute {
    pub number: NumberId,
    pub application: Option<ApplicationId>,
    pub voice_url: Option<String>,
    pub voice_fallback_url: Option<String>,
    pub status_callback_url: Option<String>,
}

/// A call that an application places (FreeClimb API, "Make a call").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// A number as E.164 with its plus sign, or a SIP URI.
    pub to: String,
    pub from: String,
    /// `from` is one of the account's numbers, this one.
    pub number: Option<NumberId>,
    pub application: Option<ApplicationId>,
    pub parent: Option<CallId>,
    /// Answers how the call goes on once somebody has picked up.
    pub call_connect_url: String,
    pub status_callback_url: Option<String>,
    /// How long it may ring; 175 s where more is asked for.
    pub timeout: Duration,
    /// Pressed once somebody has picked up.
    pub send_digits: Vec<Keystroke>,
    pub if_machine: Option<IfMachine>,
    /// What is pressed is masked in the log.
    pub private: bool,
}

/// What a queue is like; `None` leaves a thing as it is, or as it is without a word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueOptions {
    pub alias: Option<String>,
    /// At least 1, at most 1,000; 100 without a word.
    pub max_size: Option<u32>,
}

/// Which call of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The one that has waited longest.
    Front,
    Call(CallId),
}

/// A call that waits in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueMember {
    pub call: CallId,
    /// 1 for the one that has waited longest.
    pub position: u32,
    pub since: Timestamp,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    pub text: String,
    /// How long it took to understand it.
    pub took: Duration,
}

/// What a new conference is like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConferenceOptions {
    pub alias: Option<String>,
    pub play_beep: PlayBeep,
    pub record: bool,
    pub wait_url: Option<String>,
    pub status_callback_url: Option<String>,
}

/// What to change of a conference; `None` leaves a thing as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConferenceChange {
    pub alias: Option<String>,
    pub play_beep: Option<PlayBeep>,
    pub status: Option<RequestedStatus>,
}

/// The states an application may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedStatus {
    Empty,
    Terminated,
}

/// What to change of a participant; `None` leaves a thing as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ParticipantChange {
    pub talk: Option<bool>,
    pub listen: Option<bool>,
    pub dtmf_pass_through: Option<bool>,
}

/// What to change of a participant's gains; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GainsChange {
    /// In decibels, at most [`Gains::MOST_DB`] either way; more counts as that.
    pub input_db: Option<i8>,
    /// The same for what it hears.
    pub output_db: Option<i8>,
}

/// How an application ends a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallChange {
    /// Gives up a call that is not answered yet; hangs up one that is.
    Canceled,
    /// Hangs up.
    Completed,
}

/// Why a command webhook gave no script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptFailure {
    /// No answer, in time or at all, or an error status. The text says which.
    Unreachable(String),
    /// The answer is not PerCL. The text says where and why.
    Invalid(String),
}

/// What an accepted request gets back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Done,
    Conference(ConferenceRecord),
    Participant(ParticipantRecord),
    ParticipantNow(ParticipantNow),
    Call(CallRecord),
    Queue(QueueRecord),
    /// Who waits, the one that has waited longest first.
    QueueMembers(Vec<QueueMember>),
    QueueMember(QueueMember),
}

/// A participant at this moment: what is kept of it, and what is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantNow {
    pub record: ParticipantRecord,
    pub gains: Gains,
    /// It is heard to speak.
    pub speaking: bool,
}

/// Why a request changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such conference")]
    NoSuchConference,
    #[error("that call is not in that conference")]
    NoSuchParticipant,
    #[error("there is no such call, or it has ended")]
    NoSuchCall,
    #[error("there is no such queue")]
    NoSuchQueue,
    #[error("nobody waits in the queue")]
    QueueEmpty,
    #[error("that call does not wait in that queue")]
    NoSuchMember,
    #[error("the account has as many queues as it may have")]
    TooManyQueues,
    #[error("the parent call is neither in progress nor an inbound call that rings")]
    ParentNotLive,
    #[error("the account places more calls a second than it may")]
    DialledTooFast,
    #[error("the account has as many outbound calls as it may have at the same time")]
    TooManyOutboundCalls,
    #[error("the account has used up its minutes of outbound calls for today")]
    OutOfMinutes,
    #[error("the conference has been terminated")]
    ConferenceTerminated,
    #[error("the conference is full")]
    ConferenceFull,
    #[error("the account has as many conferences as it may have")]
    TooManyConferences,
    #[error("the bridge has as many conferences as it may have")]
    BridgeFull,
    #[error("the bridge is about to stop and takes no new calls")]
    Draining,
}
