//! The API's resources, as JSON.

mod account;
mod application;
mod call;
mod common;
mod conference;
mod number;
mod participant;
mod recording;

pub use account::AccountResource;
pub use application::ApplicationResource;
pub use call::CallResource;
pub use common::account_uri;
pub use conference::ConferenceResource;
pub use number::NumberResource;
pub use participant::ParticipantResource;
pub use recording::RecordingResource;
