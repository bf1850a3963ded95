//! The words of the API's closed lists, both ways.

use tutti_control_plane::{
    AccountStatus, AnsweredBy, CallChange, CallStatus, ConferenceStatus, DigitsReason, Direction,
    LogLevel, Machine, PlayBeep, QueueResult, RequestedStatus,
};
use tutti_model::CloseReason;

/// Something that the API writes as one word.
pub trait Word: Copy {
    /// The word, as the API spells it.
    fn word(self) -> &'static str;
}

/// Something that a client picks by its word.
pub trait Choice: Word + 'static {
    /// Everything there is to pick.
    const ALL: &'static [Self];

    /// What the word means; words are case-sensitive.
    fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|choice| choice.word() == word)
    }
}

impl Word for PlayBeep {
    fn word(self) -> &'static str {
        match self {
            PlayBeep::Always => "always",
            PlayBeep::Never => "never",
            PlayBeep::EntryOnly => "entryOnly",
            PlayBeep::ExitOnly => "exitOnly",
        }
    }
}

impl Choice for PlayBeep {
    const ALL: &'static [PlayBeep] = &[
        PlayBeep::Always,
        PlayBeep::Never,
        PlayBeep::EntryOnly,
        PlayBeep::ExitOnly,
    ];
}

impl Word for ConferenceStatus {
    fn word(self) -> &'static str {
        match self {
            ConferenceStatus::Empty => "empty",
            ConferenceStatus::Populated => "populated",
            ConferenceStatus::InProgress => "inProgress",
            ConferenceStatus::Terminated => "terminated",
        }
    }
}

impl Choice for ConferenceStatus {
    const ALL: &'static [ConferenceStatus] = &[
        ConferenceStatus::Empty,
        ConferenceStatus::Populated,
        ConferenceStatus::InProgress,
        ConferenceStatus::Terminated,
    ];
}

impl Word for RequestedStatus {
    fn word(self) -> &'static str {
        match self {
            RequestedStatus::Empty => "empty",
            RequestedStatus::Terminated => "terminated",
        }
    }
}

impl Choice for RequestedStatus {
    const ALL: &'static [RequestedStatus] = &[RequestedStatus::Empty, RequestedStatus::Terminated];
}

impl Word for CallStatus {
    fn word(self) -> &'static str {
        match self {
            CallStatus::Queued => "queued",
            CallStatus::Ringing => "ringing",
            CallStatus::InProgress => "inProgress",
            CallStatus::Completed => "completed",
            CallStatus::Busy => "busy",
            CallStatus::Failed => "failed",
            CallStatus::NoAnswer => "noAnswer",
            CallStatus::Canceled => "canceled",
        }
    }
}

impl Choice for CallStatus {
    const ALL: &'static [CallStatus] = &[
        CallStatus::Queued,
        CallStatus::Ringing,
        CallStatus::InProgress,
        CallStatus::Completed,
        CallStatus::Busy,
        CallStatus::Failed,
        CallStatus::NoAnswer,
        CallStatus::Canceled,
    ];
}

impl Word for CallChange {
    fn word(self) -> &'static str {
        match self {
            CallChange::Canceled => "canceled",
            CallChange::Completed => "completed",
        }
    }
}

impl Choice for CallChange {
    const ALL: &'static [CallChange] = &[CallChange::Canceled, CallChange::Completed];
}

impl Word for Direction {
    fn word(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::OutboundApi => "outboundAPI",
            Direction::OutboundDial => "outboundDial",
        }
    }
}

impl Word for AnsweredBy {
    fn word(self) -> &'static str {
        match self {
            AnsweredBy::Human => "human",
            AnsweredBy::Machine => "machine",
        }
    }
}

/// What a client wants to happen when a machine picks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineChoice {
    Redirect,
    HangUp,
}

impl Word for MachineChoice {
    fn word(self) -> &'static str {
        match self {
            MachineChoice::Redirect => "redirect",
            MachineChoice::HangUp => "hangup",
        }
    }
}

impl Choice for MachineChoice {
    const ALL: &'static [MachineChoice] = &[MachineChoice::Redirect, MachineChoice::HangUp];
}

impl Word for AccountStatus {
    fn word(self) -> &'static str {
        match self {
            AccountStatus::Active => "active",
            AccountStatus::Suspended => "suspended",
            AccountStatus::Closed => "closed",
        }
    }
}

impl Word for LogLevel {
    fn word(self) -> &'static str {
        match self {
            LogLevel::Info => "info",
            LogLevel::Warning => "warning",
            LogLevel::Error => "error",
        }
    }
}

impl Word for Machine {
    fn word(self) -> &'static str {
        match self {
            Machine::AnsweringMachine => "answering machine",
            Machine::FaxModem => "fax modem",
        }
    }
}

impl Word for DigitsReason {
    fn word(self) -> &'static str {
        match self {
            DigitsReason::FinishKey => "finishKey",
            DigitsReason::Timeout => "timeout",
            DigitsReason::MaxDigits => "maxDigits",
        }
    }
}

impl Word for QueueResult {
    fn word(self) -> &'static str {
        match self {
            QueueResult::QueueFull => "queueFull",
            QueueResult::Dequeued => "dequeued",
            QueueResult::Hangup => "hangup",
            QueueResult::SystemError => "systemError",
        }
    }
}

impl Word for CloseReason {
    fn word(self) -> &'static str {
        match self {
            CloseReason::Busy => "busy",
            CloseReason::Failed => "failed",
            CloseReason::NoAnswer => "noAnswer",
            CloseReason::CallCanceled => "callCanceled",
            CloseReason::FarEndHangup => "farEndHangup",
            CloseReason::AppHangup => "appHangup",
            CloseReason::AppReject => "appReject",
            CloseReason::AppNoPercl => "appNoPercl",
            CloseReason::AppInvalidPercl => "appInvalidPercl",
            CloseReason::ConferenceTerminated => "conferenceTerminated",
            CloseReason::ConferenceEmptied => "conferenceEmptied",
            CloseReason::RemovedFromConference => "removedFromConference",
            CloseReason::MachineDetected => "machineDetected",
            CloseReason::WebhookFailed => "webhookFailed",
            CloseReason::WebhookInvalidResponse => "webhookInvalidResponse",
            CloseReason::ConfigErrorNoApplication => "configErrorNoApplication",
            CloseReason::ConfigErrorNoVoiceUrl => "configErrorNoVoiceUrl",
            CloseReason::MaxRedirectsError => "maxRedirectsError",
            CloseReason::PerclProcessingError => "perclProcessingError",
            CloseReason::InternalError => "internalError",
            CloseReason::MaxDuration => "maxDuration",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[test]
    fn every_choice_is_found_by_its_own_word() {
        holds::<PlayBeep>();
        holds::<ConferenceStatus>();
        holds::<RequestedStatus>();
        holds::<CallStatus>();
        holds::<CallChange>();
        holds::<MachineChoice>();
    }

    #[test]
    fn words_are_case_sensitive() {
        assert_eq!(PlayBeep::from_word("Always"), None);
        assert_eq!(ConferenceStatus::from_word("inprogress"), None);
        assert_eq!(RequestedStatus::from_word("inProgress"), None);
    }

    fn holds<T: Choice + Debug + PartialEq>() {
        for choice in T::ALL {
            assert_eq!(T::from_word(choice.word()), Some(*choice));
        }
    }
}
