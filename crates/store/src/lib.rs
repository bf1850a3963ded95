//! Where facts live: records, the outbox and the accounts' logs, durable before anybody is told.
//!
//! It decides nothing and delivers nothing: it keeps what the control plane found to be true, hands
//! events to whoever delivers them, and answers the questions that the APIs ask. Every question
//! carries an account, and an account never sees what belongs to another.
//!
//! [`Store`] is the seam. Everything beside the `sqlite` folder is words that any database would
//! need; everything inside it is SQLite. A second database is a second variant of `Engine` in
//! `store.rs` and a second folder, with migrations of its own; the compiler then lists the methods
//! it must have.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod error;
mod event;
mod filter;
mod log;
mod open_state;
mod page;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod word;

pub use error::StoreError;
pub use event::{EventId, FailedAttempt, Lane, NewEvent, PendingEvent};
pub use filter::{
    ApplicationFilter, CallFilter, ConferenceFilter, LogFilter, NumberFilter, ParticipantFilter,
    QueueFilter, RecordingFilter, TimeRange,
};
pub use log::{LogLine, LogRecord};
pub use open_state::OpenState;
pub use page::{Listing, Page, Position};
pub use store::Store;
