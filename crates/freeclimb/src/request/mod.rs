//! What clients ask, read from bodies and queries and checked.

mod account;
mod application;
mod body;
mod call;
mod conference;
mod edit;
mod log;
mod number;
mod participant;
mod queue;
mod recording;
mod schema;
mod web_rtc;

pub use account::{AccountRequest, AccountUpdate};
pub use application::{ApplicationFilter, ApplicationRequest, ApplicationUpdate};
pub use body::members;
pub use call::{CallFilter, MakeCallRequest, NewCallRequest, UpdateCallRequest, update_call};
pub use conference::{
    ConferenceFilter, CreateConferenceRequest, UpdateConferenceRequest, create_conference,
    update_conference,
};
pub use edit::Edit;
pub use log::{FilterLogsRequest, LogFilter, filter_logs};
pub use number::{
    AvailableNumberFilter, BuyIncomingNumberRequest, IncomingNumberRequest, NumberFilter,
    NumberPurchase, NumberUpdate, is_e164,
};
pub use participant::{ParticipantFilter, UpdateConferenceParticipantRequest, update_participant};
pub use queue::{QueueFilter, QueueMemberFilter, QueueRequest, queue_options};
pub use recording::RecordingFilter;
pub use web_rtc::{CreateWebRtcToken, WebRtcTokenRequest};
