//! The whole bridge on a simulated clock and network, checked against a naive model.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ahead;
mod allocation;
mod calls;
mod churn;
mod conference_prompts;
mod continuity;
mod crowded;
mod economy;
mod handover;
mod hostile;
mod identity;
mod latency;
mod lending;
mod levels;
mod machines;
mod minus;
mod network;
mod pesq;
mod promises;
mod random;
mod recording;
mod replay;
mod report;
mod scheduler;
mod skew;
mod sources;
mod speech;
mod stage;
mod tone;
mod utterances;
mod wake;
mod watch;

/// Counts what the media thread must never do; see [`allocation`].
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
