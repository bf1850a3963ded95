//! What clients ask, read from bodies and queries and checked.

mod account;
mod application;
mod body;
mod call;
mod conference;
mod edit;
mod number;
mod participant;
mod recording;

pub use account::AccountUpdate;
pub use application::{ApplicationFilter, ApplicationUpdate};
pub use body::members;
pub use call::{CallFilter, update_call};
pub use conference::{ConferenceFilter, create_conference, update_conference};
pub use edit::Edit;
pub use number::{AvailableNumberFilter, NumberFilter, NumberPurchase, NumberUpdate, is_e164};
pub use participant::{ParticipantFilter, update_participant};
pub use recording::RecordingFilter;
