//! Codecs and what two sides agreed about a leg's audio.

use std::net::SocketAddr;

/// An audio codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Opus, used as 48 kHz mono (RFC 6716, RFC 7587).
    Opus,
    /// G.722 at 64 kbit/s; samples at 16 kHz, though its RTP clock runs at 8 kHz (RFC 3551 §4.5.2).
    G722,
    /// G.711 µ-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma,
    /// 16-bit linear samples at 16 kHz (RFC 3551 §4.5.11), for trunks and tests.
    L16At16,
    /// 16-bit linear samples at 48 kHz (RFC 3551 §4.5.11), for trunks and tests.
    L16At48,
}

impl Codec {
    /// The encoding name in SDP.
    pub fn encoding_name(self) -> &'static str {
        match self {
            Codec::Opus => "opus",
            Codec::G722 => "G722",
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::L16At16 | Codec::L16At48 => "L16",
        }
    }

    /// RTP timestamp ticks in a second.
    pub fn clock_rate(self) -> u32 {
        match self {
            Codec::Opus | Codec::L16At48 => 48_000,
            Codec::L16At16 => 16_000,
            Codec::G722 | Codec::Pcmu | Codec::Pcma => 8_000,
        }
    }

    /// Samples in a second of what it carries; G.722's RTP clock runs at half of that.
    pub fn sample_rate(self) -> u32 {
        match self {
            Codec::G722 => 16_000,
            Codec::Opus | Codec::Pcmu | Codec::Pcma | Codec::L16At16 | Codec::L16At48 => {
                self.clock_rate()
            }
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
    /// The peer wants every packet of the same size (Opus `cbr`).
    pub cbr: bool,
    /// The most the peer wants to receive (Opus `maxaveragebitrate`), in bits per second.
    pub max_bitrate_bps: Option<u32>,
    /// The highest rate that the peer plays (Opus `maxplaybackrate`), in hertz: what lies above half
    /// of it need not be sent.
    pub max_playback_hz: Option<u32>,
    /// The peer takes comfort noise in place of silence (RFC 3389).
    pub comfort_noise: bool,
}

impl Format {
    /// The plain form of a codec, without options.
    pub fn plain(codec: Codec) -> Format {
        Format {
            codec,
            fec: false,
            dtx: false,
            cbr: false,
            max_bitrate_bps: None,
            max_playback_hz: None,
            comfort_noise: false,
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
    /// The RTP payload type of comfort noise, where negotiated (RFC 3389).
    pub comfort_noise: Option<u8>,
    /// The identifier of the header extension in which the peer tells its level (RFC 6464).
    pub level_extension: Option<u8>,
    /// The identifier of the header extension in which we tell contributors' levels (RFC 6465).
    pub mixer_levels_extension: Option<u8>,
    /// Where the peer says that it receives RTP.
    pub remote_rtp: SocketAddr,
    /// Where the peer says that it receives RTCP; equal to `remote_rtp` with rtcp-mux (RFC 5761).
    pub remote_rtcp: SocketAddr,
    pub flow: MediaFlow,
}
