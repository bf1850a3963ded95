//! How our words are written in columns. A spelling never changes: old rows keep it.

use tutti_control_plane::{
    AccountStatus, AnsweredBy, CallStatus, ConferenceStatus, Direction, LogLevel, PlayBeep,
};
use tutti_model::CloseReason;

/// A value that is written as one word.
pub(crate) trait Word: Copy {
    /// The word for this value.
    fn word(self) -> &'static str;

    /// The value of this word, if it is one of them.
    fn from_word(word: &str) -> Option<Self>;
}

macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal,)* })*) => {$(
        impl Word for $type {
            fn word(self) -> &'static str {
                match self {
                    $($type::$variant => $word,)*
                }
            }

            fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($type::$variant),)*
                    _ => None,
                }
            }
        }
    )*};
}

words! {
    AccountStatus {
        Active = "active",
        Suspended = "suspended",
        Closed = "closed",
    }
    PlayBeep {
        Always = "always",
        Never = "never",
        EntryOnly = "entryOnly",
        ExitOnly = "exitOnly",
    }
    ConferenceStatus {
        Empty = "empty",
        Populated = "populated",
        InProgress = "inProgress",
        Terminated = "terminated",
    }
    Direction {
        Inbound = "inbound",
        OutboundApi = "outboundApi",
        OutboundDial = "outboundDial",
    }
    CallStatus {
        Queued = "queued",
        Ringing = "ringing",
        InProgress = "inProgress",
        Completed = "completed",
        Busy = "busy",
        Failed = "failed",
        NoAnswer = "noAnswer",
        Canceled = "canceled",
    }
    AnsweredBy {
        Human = "human",
        Machine = "machine",
    }
    LogLevel {
        Info = "info",
        Warning = "warning",
        Error = "error",
    }
    CloseReason {
        Busy = "busy",
        Failed = "failed",
        NoAnswer = "noAnswer",
        CallCanceled = "callCanceled",
        FarEndHangup = "farEndHangup",
        AppHangup = "appHangup",
        AppReject = "appReject",
        AppNoPercl = "appNoPercl",
        AppInvalidPercl = "appInvalidPercl",
        ConferenceTerminated = "conferenceTerminated",
        ConferenceEmptied = "conferenceEmptied",
        RemovedFromConference = "removedFromConference",
        MachineDetected = "machineDetected",
        WebhookFailed = "webhookFailed",
        WebhookInvalidResponse = "webhookInvalidResponse",
        ConfigErrorNoApplication = "configErrorNoApplication",
        ConfigErrorNoVoiceUrl = "configErrorNoVoiceUrl",
        MaxRedirectsError = "maxRedirectsError",
        PerclProcessingError = "perclProcessingError",
        InternalError = "internalError",
        MaxDuration = "maxDuration",
    }
}
