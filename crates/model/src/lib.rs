//! The words that the control plane and the media plane share: data only.
//!
//! Nothing here decides, waits, sounds or is sent. A type belongs here when both planes must mean
//! the same thing by it; everything else lives with the plane that uses it.

mod close_reason;
mod codec;
mod id;
mod level;
mod log_query;
mod media;
mod time;

pub use close_reason::CloseReason;
pub use codec::{Codec, Format, MediaDescription, MediaFlow};
pub use id::{
    AccountId, ApplicationId, CallId, ConferenceId, IdError, NumberId, QueueId, RecordingId,
    RequestId,
};
pub use level::AudioLevel;
pub use log_query::{Comparison, LogField, LogQuery, TextTest};
pub use media::{
    Audience, Beep, Digit, Gains, MediaCommand, MediaEvent, Privileges, PromptId, PromptOutcome,
    PromptSource, RecordedSide, RecordingFailure, Repeat,
};
pub use time::Timestamp;
