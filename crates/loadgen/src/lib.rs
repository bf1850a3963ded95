//! What do many callers sound like? Synthetic participants over real SIP and RTP.
//!
//! A [`Caller`] has a voice of its own and an ear that knows the others', so it can tell whom it
//! hears. [`load()`] puts many of them on any SIP bridge; [`demo()`] walks one conference of a Tutti
//! bridge through its life. Nothing here is part of the bridge: RTP and G.711 are other code than the
//! bridge's, so that a mistake there is heard here.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod arrivals;
mod caller;
mod casting;
mod codec;
mod comparison;
mod crowd;
mod datagram;
mod demo;
mod ear;
mod floor;
mod g711;
mod histogram;
mod impairment;
mod judgement;
mod leg;
mod limit;
mod line;
mod load;
mod load_report;
mod metrics;
#[cfg(test)]
mod naive_bridge;
mod pacer;
mod pip;
mod post;
mod process;
mod recital;
mod resample;
mod residue;
mod rest;
mod rtp_stream;
mod speech;
mod suite;
mod svg;
mod timeline;
mod voice;

pub use arrivals::Counters;
pub use caller::{Caller, CallerPlan};
pub use codec::pcm_rate_hz;
pub use demo::{DemoBridge, DemoReport, Finding, demo};
pub use ear::{Audible, CELL, Ear, Heard, Sound, Tones, Vocabulary};
pub use histogram::Histogram;
pub use leg::{Notes, PipPart, Speech};
pub use limit::{LimitReport, Step, Unborne};
pub use line::{CallFailure, Line};
pub use load::{LoadArgs, LoadCodec, load, run};
pub use load_report::{LoadReport, Packets, Quantiles, Wrong};
pub use metrics::Ticks;
pub use pacer::Pacer;
pub use pip::PipRota;
pub use process::ProcessReport;
pub use recital::Quiet;
pub use residue::Residue;
pub use speech::SpeechError;
pub use timeline::{Cell, Stretch, Timeline, longest_run};
pub use voice::{Manner, Talker, Voice};
