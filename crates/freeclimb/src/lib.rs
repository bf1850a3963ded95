//! How FreeClimb's API says it: JSON shapes, validation, PerCL, webhook bodies and error codes.
//!
//! It decides nothing about calls or conferences, reads no clock, opens no socket or file and keeps
//! no state: bytes and records go in, words of the control plane or bytes come out.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod address;
pub mod attributes;
pub mod date;
pub mod error;
pub mod page;
pub mod percl;
pub mod pql;
pub mod query;
pub mod request;
pub mod resource;
pub mod signature;
pub mod webhook;
pub mod word;

#[cfg(test)]
mod garbage;
#[cfg(test)]
mod schemas;
