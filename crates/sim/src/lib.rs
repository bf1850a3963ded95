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
mod deck;
mod digest;
mod ear;
mod measure;
mod network;
mod outbound;
mod packing;
mod random;
mod reference;
mod reference_mixer;
mod repertoire;
mod rtp_stream;
mod scenario;
mod sounding;
mod studio;
mod take;
mod talk;
mod tape;
mod told;
mod trace;
mod transport;
mod voice;
mod wire;
mod world;

pub use bench_world::{Audience, BenchTransport, BenchWorld};
pub use caller::{Caller, CallerSetup, Habits, KeyHeard, Mouth, Received};
pub use check::{Mismatch, check, replay};
pub use clock::{Clock, START, TICK};
pub use deck::{Deck, PlayError};
pub use ear::{Clarity, Unclear, level_db, voices_in};
pub use measure::{Fit, find, fit, snr_db, thinned, turned_deg};
pub use network::{Bursts, Impairments, Network};
pub use random::Random;
pub use reference::Reference;
pub use reference_mixer::ReferenceMixer;
pub use repertoire::Repertoire;
pub use scenario::{Action, Afterwards, ConferencePlan, How, Scenario};
pub use studio::Studio;
pub use take::{Cue, Take, Unreadable};
pub use talk::{Talk, active_rms};
pub use tape::{Tape, TapeHead, tape};
pub use told::{About, News};
pub use trace::Trace;
pub use transport::{Line, SimTransport, line};
pub use voice::{AMPLITUDE, Tone, Voice, Voices};
pub use world::World;
