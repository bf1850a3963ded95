//! What whoever watches an account is told at once.

use tutti_model::{AccountId, CallId, ConferenceId, Digit, Timestamp};

/// Something that just happened to a call. It is not kept, and nobody is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveEvent {
    pub account: AccountId,
    /// Where the call is, or was until now; nothing for one that is in no conference.
    pub conference: Option<ConferenceId>,
    pub call: CallId,
    pub at: Timestamp,
    pub news: LiveNews,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiveNews {
    /// The call is a participant from now on.
    Joined,
    /// It is no participant any more; whether it spoke does not matter then.
    Left,
    /// It began to speak, or has stopped.
    Speaking(bool),
    /// A key was pressed, once, however its phone said so.
    Digit(Digit),
}
