//! How calls end.

/// Why a call ended: FreeClimb's `callEndedReason` (API page "callStatus"), one name for every reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    /// The callee was busy.
    Busy,
    /// The call could not be set up.
    Failed,
    /// Nobody answered in time.
    NoAnswer,
    /// The caller gave up, or the application cancelled, before an answer.
    CallCanceled,
    /// The far end hung up.
    FarEndHangup,
    /// The application hung up, by PerCL or REST.
    AppHangup,
    /// The application rejected the call.
    AppReject,
    /// A script ended without a terminal command, or was empty.
    AppNoPercl,
    /// A script could not be understood.
    AppInvalidPercl,
    /// The conference was terminated.
    ConferenceTerminated,
    /// The conference was emptied.
    ConferenceEmptied,
    /// The participant was removed and had nowhere to go on.
    RemovedFromConference,
    /// An answering machine was detected and the script asked to hang up.
    MachineDetected,
    /// A command webhook could not be reached or answered with an error.
    WebhookFailed,
    /// A command webhook answered with something unusable.
    WebhookInvalidResponse,
    /// The number has no application.
    ConfigErrorNoApplication,
    /// The application has no voiceUrl.
    ConfigErrorNoVoiceUrl,
    /// More redirects than one call may follow.
    MaxRedirectsError,
    /// A command failed while it ran.
    PerclProcessingError,
    /// The bridge failed.
    InternalError,
    /// The call reached its longest duration.
    MaxDuration,
}
