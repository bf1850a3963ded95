//! SDP offer and answer for SIP legs (RFC 8866, RFC 3264): one audio stream, plain RTP.
//!
//! Pure functions. They do not resolve names, choose ports or remember what was offered before.

mod answer;
mod attributes;
mod extensions;
mod offer;

use std::net::IpAddr;

use sdp_types::Session;
use tutti_model::Codec;

pub use answer::answer_offer;
pub use offer::{Extras, accept_answer, make_offer, make_offer_with};

/// What the bridge brings to a leg's description.
#[derive(Debug, Clone, Copy)]
pub struct LocalMedia<'a> {
    /// Where the bridge receives media.
    pub ip: IpAddr,
    pub rtp_port: u16,
    pub rtcp_port: u16,
    /// The codecs that may be used, best first.
    pub codecs: &'a [Codec],
    /// Names the session for its whole life.
    pub session_id: u64,
    /// Counts the descriptions of the session: one more in every new one (RFC 3264 §8).
    pub version: u64,
}

/// Why the peer's description cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SdpRefusal {
    #[error("the description cannot be read: {0}")]
    Malformed(String),
    #[error("the description has no c= line for its audio")]
    AddressMissing,
    #[error("the answer does not fit the offer: {0}")]
    AnswerMismatch(&'static str),
    #[error("the description has no audio stream")]
    NoAudio,
    #[error("the description has more than {MAX_STREAMS} streams")]
    TooManyStreams,
    #[error("the audio stream is switched off (port 0)")]
    StreamDisabled,
    #[error("the audio is carried over {0}, which is not RTP/AVP or RTP/AVPF")]
    UnsupportedProtocol(String),
    #[error("the address {0:?} is not a literal IP address")]
    NameAsAddress(String),
    #[error("the address {0} is not that of one host")]
    NotUnicast(IpAddr),
    #[error("the address {0} is of another IP version than the bridge's")]
    OtherIpVersion(IpAddr),
    #[error("no codec is known to both sides")]
    NoCommonCodec,
    #[error("packets of {0} ms are outside the 10 to 60 ms that are understood")]
    UnsupportedPacketTime(u32),
}

impl SdpRefusal {
    /// The response that refuses an offer for this reason.
    pub fn status(&self) -> u16 {
        match self {
            SdpRefusal::Malformed(_)
            | SdpRefusal::AddressMissing
            | SdpRefusal::AnswerMismatch(_) => 400,
            SdpRefusal::NoAudio
            | SdpRefusal::TooManyStreams
            | SdpRefusal::StreamDisabled
            | SdpRefusal::UnsupportedProtocol(_)
            | SdpRefusal::NameAsAddress(_)
            | SdpRefusal::NotUnicast(_)
            | SdpRefusal::OtherIpVersion(_)
            | SdpRefusal::NoCommonCodec
            | SdpRefusal::UnsupportedPacketTime(_) => 488,
        }
    }
}

/// Every stream of an offer costs a line in the answer, so their number is bounded.
const MAX_STREAMS: usize = 16;

fn parse(description: &[u8]) -> Result<Session, SdpRefusal> {
    let session =
        Session::parse(description).map_err(|error| SdpRefusal::Malformed(error.to_string()))?;
    if session.medias.len() > MAX_STREAMS {
        return Err(SdpRefusal::TooManyStreams);
    }
    Ok(session)
}

fn write(session: &Session) -> String {
    let mut bytes = Vec::new();
    // Writing to a Vec does not fail.
    let _ = session.write(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
