//! The whole bridge on a simulated clock and network, checked against a naive model.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod allocation;
mod continuity;
mod minus;
mod promises;
mod random;
mod recording;
mod stage;

/// Counts what the media thread must never do; see [`allocation`].
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
