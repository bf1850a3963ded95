//! Codecs and what two sides agreed about a leg's audio.

use std::net::SocketAddr;

/// An audio codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Opus, used as 48 kHz mono (RFC 6716, RFC 7587).
    Opus,
    /// G.711 µ-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma,
}

impl Codec {
    /// The encoding name in SDP.
    pub fn encoding_name(self) -> &'static str {
        match self {
            Codec::Opus => "opus",
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
        }
    }

    /// RTP timestamp ticks in a second.
    pub fn clock_rate(self) -> u32 {
        match self {
            Codec::Opus => 48_000,
            Codec::Pcmu | Codec::Pcma => 8_000,
        }
    }
}

/// How audio is carried to a leg. Legs with equal formats can share one encoded payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Format {
    pub codec: Codec,
    /// The peer reads in-band FEC (Opus `useinbandfec`).
    pub fec: bool,
    /// The peer wants discontinuous transmission (Opus `usedtx`).
    pub dtx: bool,
    /// The most the peer wants to receive (Opus `maxaveragebitrate`), in bits per second.
    pub max_bitrate_bps: Option<u32>,
}

impl Format {
    /// The plain form of a codec, without options.
    pub fn plain(codec: Codec) -> Format {
        Format {
            codec,
            fec: false,
            dtx: false,
            max_bitrate_bps: None,
        }
    }
}

/// Which way audio flows on a leg, as the bridge sees it (RFC 3264 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MediaFlow {
    /// The bridge sends.
    pub send: bool,
    /// The bridge receives.
    pub receive: bool,
}

/// What an offer and its answer settled about a leg's audio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaDescription {
    pub format: Format,
    /// The RTP payload type of audio that the bridge sends; it accepts the same.
    pub payload_type: u8,
    /// The RTP payload type of telephone-event, where negotiated (RFC 4733).
    pub telephone_event: Option<u8>,
    /// Where the peer says that it receives RTP.
    pub remote_rtp: SocketAddr,
    /// Where the peer says that it receives RTCP; equal to `remote_rtp` with rtcp-mux (RFC 5761).
    pub remote_rtcp: SocketAddr,
    pub flow: MediaFlow,
}
