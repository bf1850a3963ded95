//! Does the whole main job work on one machine, in under a minute?
//!
//! The bridge is started by whoever calls [`demo`]; here are the application that it asks, the
//! callers that use it, and the judgement of what they heard.

mod application;
mod captions;
mod cast;
mod expectation;
mod picture;
mod report;

mod tones;
mod walk;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context;

pub use expectation::Finding;
pub use report::DemoReport;

/// A running bridge, as the demo reaches it. Both addresses are on loopback.
#[derive(Debug, Clone)]
pub struct DemoBridge {
    /// Where the HTTP API listens, as in `http://127.0.0.1:8080`.
    pub api_base: String,
    /// The account: `AC` and 40 hexadecimal digits.
    pub account: String,
    pub api_key: String,
    /// With it, every webhook must be signed.
    pub signing_secret: Option<String>,
    /// Where SIP is received.
    pub sip: SocketAddr,
}

/// Walks one conference through its life, writes what happened into a directory, and prints a summary.
///
/// What went wrong is in the report; an error means that there could be no report.
pub async fn demo(bridge: DemoBridge, out: &Path) -> anyhow::Result<DemoReport> {
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let story = walk::walk(&bridge, out).await?;
    let report = report::report(&story, bridge.signing_secret.is_some(), out)?;
    println!("{report}");
    Ok(report)
}
