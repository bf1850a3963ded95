//! What can happen to the control plane.

use tutti_model::{
    AccountId, ApplicationId, CallId, CloseReason, ConferenceId, Digit, Gains, MediaEvent, NumberId,
};

use crate::facts::{ConferenceRecord, ParticipantRecord, PlayBeep};
use crate::script::Script;

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
