//! What peers experience over real loopback sockets.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls_in;
mod calls_out;
mod peer;
mod refusals;
mod stream;
mod torture;
mod trunk;
mod trunk_calls;
