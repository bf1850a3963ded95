//! Does the bridge keep its promises to clients that nobody here wrote?
//!
//! Every test starts the real binary on loopback and looks at it only from outside: SIP, RTP, HTTP,
//! files. Nothing here asserts how fast a busy machine is; tests wait until something is so, and
//! give up after a generous time. `scripts/test` gets the programs that some of them need.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod announcements;
mod application;
mod bad_input;
mod baresip;
mod bridge;
mod callee;
mod commands;
mod crowds;
mod ear;
mod figures;
mod first_start;
mod flows;
mod guests;
mod key_phone;
mod live;
mod malformed;
mod node_sdk;
mod outbound;
mod parts;
mod patience;
mod python_sdk;
mod removal;
mod rest;
mod restart;
mod ringing;
mod schema;
mod sipp;
mod sipp_keys;
mod story;
mod tenants;
mod tool;
mod wait_music;
