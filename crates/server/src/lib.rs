//! The running bridge: sockets, threads, clocks and files around the pure crates.
//!
//! It decides nothing about conferences (that is `tutti-control-plane`) and computes no sound (that
//! is `tutti-media`); it waits for the network, hands what arrives to whoever decides, and carries
//! the decisions out.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod account_command;
mod accounts;
pub mod audio;
mod bridge;
mod clock;
pub mod config;
mod control;
mod dialling;
pub mod egress;
pub mod http;
mod journal;
mod listener;
mod media;
mod metrics;
mod retention;
mod transcriber;
mod webhooks;

pub use accounts::Credentials;
pub use bridge::{Bridge, StartError};

/// Counts allocations where a test forbids them.
#[cfg(test)]
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
