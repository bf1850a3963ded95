//! The API's resources, as JSON.

mod account;
mod application;
mod call;
mod common;
mod conference;
mod log;
mod number;
mod participant;
mod queue;
mod recording;

pub use account::AccountResource;
pub use application::ApplicationResource;
pub use call::CallResource;
pub use common::account_uri;
pub(crate) use common::whole_seconds;
pub use conference::ConferenceResource;
pub use log::LogResource;
pub use number::NumberResource;
pub use participant::ParticipantResource;
pub use queue::{QueueMemberResource, QueueResource};
pub use recording::RecordingResource;
