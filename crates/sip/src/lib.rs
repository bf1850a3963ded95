//! How phones reach us: SIP calls in both directions (RFC 3261) and their SDP (RFC 3264).
//!
//! It does not know what a conference is, carries no media, resolves no name that a peer chose,
//! and keeps no registrations. Parsing, transactions and sockets are `sipx-sip`'s and
//! `sipx-transport`'s; no type of theirs is part of this crate's interface. Dialogs, what is
//! refused and with which code, the 2xx that is repeated until its ACK, and offer and answer are
//! here, decided by `UserAgent` without I/O and carried out by `Endpoint`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod admission;
mod auth;
mod call;
mod config;
mod dial;
mod dialog;
mod endpoint;
mod error;
mod event;
mod info;
mod message;
mod policy;
pub mod sdp;
mod uac;
mod uas;
mod user_agent;

pub use auth::{Credentials, Secret};
pub use config::{Config, Limits};
pub use dial::{Dial, Transport};
pub use endpoint::{Endpoint, bind};
pub use error::{BindError, DialError};
pub use event::{DialogId, EndReason, SipCounters, SipEvent};
