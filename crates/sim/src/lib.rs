//! Is it right? The whole bridge on a clock and a network of our own, checked against a naive model.
//!
//! Callers speak one bit each: every voice is a tone, so that whoever listens can tell exactly whose
//! voices are in what it hears. A seed decides everything; nothing here reads a clock, opens a
//! socket, spawns a thread or draws randomness, and SIP, HTTP and files are left out.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod application;
mod bench_world;
mod caller;
mod check;
mod clock;
mod digest;
mod ear;
mod network;
mod random;
mod reference;
mod repertoire;
mod rtp_stream;
mod scenario;
mod sounding;
mod studio;
mod tape;
mod told;
mod transport;
mod voice;
mod world;

pub use bench_world::{BenchTransport, BenchWorld};
pub use caller::{Caller, CallerSetup, Mouth};
pub use check::{Mismatch, check, replay};
pub use clock::{Clock, START, TICK};
pub use ear::{Clarity, Unclear, level_db, voices_in};
pub use network::{Impairments, Network};
pub use random::Random;
pub use reference::Reference;
pub use repertoire::Repertoire;
pub use scenario::{Action, Afterwards, ConferencePlan, How, Scenario};
pub use studio::Studio;
pub use tape::{Tape, TapeHead, tape};
pub use told::{About, News};
pub use transport::{Line, SimTransport, line};
pub use voice::{AMPLITUDE, Tone, Voice, Voices};
pub use world::World;
