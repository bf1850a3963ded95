//! What do many callers sound like? Synthetic participants over real SIP and RTP.
//!
//! A [`Caller`] has a voice of its own and an ear that knows the others', so it can tell whom it
//! hears. [`load()`] puts many of them on any SIP bridge; [`demo()`] walks one conference of a Tutti
//! bridge through its life. Nothing here is part of the bridge: RTP and G.711 are other code than the
//! bridge's, so that a mistake there is heard here.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod arrivals;
mod caller;
mod codec;
mod datagram;
mod demo;
mod ear;
mod g711;
mod histogram;
mod leg;
mod line;
mod load;
mod load_report;
#[cfg(test)]
mod naive_bridge;
mod pacer;
mod pip;
mod residue;
mod timeline;
mod voice;

pub use arrivals::Counters;
pub use caller::{Caller, CallerPlan};
pub use codec::pcm_rate_hz;
pub use demo::{DemoBridge, DemoReport, Finding, demo};
pub use ear::{Audible, CELL, Ear, Heard, Sound, Tones, Vocabulary};
pub use histogram::Histogram;
pub use leg::{Notes, PipPart, Speech};
pub use line::{CallFailure, Line};
pub use load::{LoadArgs, load};
pub use load_report::{LoadReport, Packets, Quantiles, Wrong};
pub use pacer::Pacer;
pub use pip::PipRota;
pub use residue::Residue;
pub use timeline::{Cell, Stretch, Timeline, longest_run};
pub use voice::{Manner, Talker, Voice};
