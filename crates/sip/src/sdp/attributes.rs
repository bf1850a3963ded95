//! What does one audio section say, and how is ours written?

use std::net::{IpAddr, SocketAddr};

use sdp_types::{Attribute, Connection, Media, Session};
use tutti_model::{Codec, Format, MediaDescription, MediaFlow};

use super::SdpRefusal;
use super::extensions::Extensions;

/// The peer's audio stream, as far as the bridge understands it.
#[derive(Debug)]
pub(super) struct AudioStream {
    /// The payload types that the bridge knows, in the peer's order.
    pub(super) payloads: Vec<Payload>,
    pub(super) remote_rtp: SocketAddr,
    pub(super) remote_rtcp: SocketAddr,
    /// RTP and RTCP share a port (RFC 5761).
    pub(super) rtcp_mux: bool,
    /// As the bridge sees it.
    pub(super) flow: MediaFlow,
    /// The header extensions that the bridge knows.
    pub(super) extensions: Extensions,
    /// The longest packet that the peer takes, in milliseconds.
    pub(super) max_packet_ms: Option<u32>,
}

/// One payload type of an audio section.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) number: u8,
    pub(super) encoding: Encoding,
    /// The value of its fmtp, or nothing.
    parameters: String,
}

/// The packet times that are understood, in milliseconds.
pub(super) const PACKET_MS: std::ops::RangeInclusive<u32> = 10..=60;

/// What a payload type carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Audio(Codec),
    TelephoneEvent {
        clock_rate: u32,
    },
    /// RFC 3389, at 8 kHz.
    ComfortNoise,
}

impl AudioStream {
    /// Reads an audio section, or says why it cannot be used with an address like `local_ip`.
    pub(super) fn read(
        session: &Session,
        media: &Media,
        local_ip: IpAddr,
    ) -> Result<AudioStream, SdpRefusal> {
        if media.port == 0 {
            return Err(SdpRefusal::StreamDisabled);
        }
        if !is_plain_rtp(&media.proto) {
            return Err(SdpRefusal::UnsupportedProtocol(media.proto.clone()));
        }
        let connection = media
            .connections
            .first()
            .or(session.connection.as_ref())
            .ok_or(SdpRefusal::AddressMissing)?;
        let ip = unicast(connection, local_ip)?;
        let max_packet_ms = check_packet_time(session, media)?;
        let rtcp_mux = has(media, "rtcp-mux");
        let remote_rtp = SocketAddr::new(ip, media.port);
        let flow = flow(session, media, ip);
        Ok(AudioStream {
            payloads: payloads(media),
            remote_rtp,
            remote_rtcp: remote_rtcp(media, remote_rtp, rtcp_mux),
            rtcp_mux,
            extensions: Extensions::read(session, media, flow),
            flow,
            max_packet_ms,
        })
    }

    /// The payload that carries the best of these codecs, where `rank` is least; of those, the peer's
    /// first choice.
    pub(super) fn choose(
        &self,
        codecs: &[Codec],
        rank: impl Fn(Codec) -> u8,
    ) -> Option<(&Payload, Codec)> {
        self.payloads
            .iter()
            .filter_map(|payload| match payload.encoding {
                Encoding::Audio(codec) if codecs.contains(&codec) => Some((payload, codec)),
                Encoding::Audio(_) | Encoding::TelephoneEvent { .. } | Encoding::ComfortNoise => {
                    None
                }
            })
            .min_by_key(|(_, codec)| rank(*codec))
    }

    /// The telephone-event payload that goes with a codec: of its RTP clock rate, since both share the
    /// stream's timestamps (RFC 4733 §2.1). Asterisk and others offer Opus with events at 8 kHz alone;
    /// better those than no digits at all.
    pub(super) fn telephone_event(&self, codec: Codec) -> Option<(u8, u32)> {
        let events = || {
            self.payloads
                .iter()
                .filter_map(|payload| match payload.encoding {
                    Encoding::TelephoneEvent { clock_rate } => Some((payload.number, clock_rate)),
                    Encoding::Audio(_) | Encoding::ComfortNoise => None,
                })
        };
        events()
            .find(|(_, clock_rate)| *clock_rate == codec.clock_rate())
            .or_else(|| events().next())
    }

    /// The payload type of comfort noise that goes with a codec. Only G.711 has none of its own and
    /// its clock (RFC 3389 §3).
    pub(super) fn comfort_noise(&self, codec: Codec) -> Option<u8> {
        match codec {
            Codec::Pcmu | Codec::Pcma => self
                .payloads
                .iter()
                .find(|payload| payload.encoding == Encoding::ComfortNoise)
                .map(|payload| payload.number),
            Codec::Opus | Codec::G722 | Codec::L16At16 | Codec::L16At48 => None,
        }
    }

    /// What is settled when this payload is taken.
    pub(super) fn settle(&self, payload: &Payload, codec: Codec) -> MediaDescription {
        let comfort_noise = self.comfort_noise(codec);
        MediaDescription {
            format: Format {
                comfort_noise: comfort_noise.is_some(),
                ..payload.format(codec)
            },
            payload_type: payload.number,
            telephone_event: self.telephone_event(codec).map(|(number, _)| number),
            comfort_noise,
            level_extension: self.extensions.level.as_ref().map(|level| level.id),
            mixer_levels_extension: self.extensions.mixer_levels,
            remote_rtp: self.remote_rtp,
            remote_rtcp: self.remote_rtcp,
            flow: self.flow,
        }
    }
}

impl Payload {
    /// How the bridge encodes for this payload type.
    pub(super) fn format(&self, codec: Codec) -> Format {
        match codec {
            Codec::Opus => Format {
                fec: self.parameter("useinbandfec") == Some("1"),
                dtx: self.parameter("usedtx") == Some("1"),
                cbr: self.parameter("cbr") == Some("1"),
                // RFC 7587 §6.1 bounds it; a value outside says nothing that can be followed.
                max_bitrate_bps: self
                    .parameter("maxaveragebitrate")
                    .and_then(|value| value.parse().ok())
                    .filter(|bitrate| (6_000..=510_000).contains(bitrate)),
                max_playback_hz: self
                    .parameter("maxplaybackrate")
                    .and_then(|value| value.parse().ok())
                    .and_then(playback_rate),
                ..Format::plain(codec)
            },
            Codec::G722 | Codec::Pcmu | Codec::Pcma | Codec::L16At16 | Codec::L16At48 => {
                Format::plain(codec)
            }
        }
    }

    /// The peer sends, and asks for, discontinuous transmission.
    pub(super) fn dtx(&self) -> bool {
        self.parameter("usedtx") == Some("1")
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.split(';').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// The rate among those that Opus knows (RFC 7587 §6.1) that serves a peer which plays no more than
/// this; none where that is all of them, or less than the least.
fn playback_rate(hz: u32) -> Option<u32> {
    match hz {
        0..8_000 | 48_000.. => None,
        8_000..12_000 => Some(8_000),
        12_000..16_000 => Some(12_000),
        16_000..24_000 => Some(16_000),
        24_000..48_000 => Some(24_000),
    }
}

/// The attributes that describe a codec under a payload type number.
pub(super) fn describe_codec(number: u8, codec: Codec, dtx: bool) -> Vec<Attribute> {
    let clock_rate = codec.clock_rate();
    match codec {
        Codec::Opus => {
            // The mixer is mono: what it sends is, and stereo would be mixed down.
            let usedtx = if dtx { ";usedtx=1" } else { "" };
            let parameters = format!("minptime=10;useinbandfec=1;stereo=0;sprop-stereo=0{usedtx}");
            vec![
                attribute("rtpmap", format!("{number} opus/{clock_rate}/2")),
                attribute("fmtp", format!("{number} {parameters}")),
            ]
        }
        Codec::G722 | Codec::Pcmu | Codec::Pcma | Codec::L16At16 | Codec::L16At48 => {
            let name = codec.encoding_name();
            vec![attribute("rtpmap", format!("{number} {name}/{clock_rate}"))]
        }
    }
}

/// The attribute that describes comfort noise under a payload type number.
pub(super) fn describe_comfort_noise(number: u8) -> Attribute {
    attribute("rtpmap", format!("{number} CN/8000"))
}

/// The attributes that describe telephone-event under a payload type number.
pub(super) fn describe_telephone_event(number: u8, clock_rate: u32) -> [Attribute; 2] {
    [
        attribute("rtpmap", format!("{number} telephone-event/{clock_rate}")),
        attribute("fmtp", format!("{number} 0-15")),
    ]
}

/// The direction attribute for what the bridge does.
pub(super) fn describe_flow(flow: MediaFlow) -> Attribute {
    let name = match (flow.send, flow.receive) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    };
    flag(name)
}

pub(super) fn attribute(name: &str, value: String) -> Attribute {
    Attribute {
        attribute: name.to_owned(),
        value: Some(value),
    }
}

pub(super) fn flag(name: &str) -> Attribute {
    Attribute {
        attribute: name.to_owned(),
        value: None,
    }
}

pub(super) fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|attribute| attribute.attribute == name)
        .and_then(|attribute| attribute.value.as_deref())
}

fn has(media: &Media, name: &str) -> bool {
    media
        .attributes
        .iter()
        .any(|attribute| attribute.attribute == name)
}

fn is_plain_rtp(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("RTP/AVP") || protocol.eq_ignore_ascii_case("RTP/AVPF")
}

fn unicast(connection: &Connection, local_ip: IpAddr) -> Result<IpAddr, SdpRefusal> {
    let ip = connection
        .try_address()
        .map_err(|_| SdpRefusal::NameAsAddress(connection.connection_address.clone()))?
        .ip;
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_multicast() || broadcast {
        return Err(SdpRefusal::NotUnicast(ip));
    }
    if ip.is_ipv4() != local_ip.is_ipv4() {
        return Err(SdpRefusal::OtherIpVersion(ip));
    }
    Ok(ip)
}

/// The longest packet that the peer takes, in milliseconds, if it says so.
fn check_packet_time(session: &Session, media: &Media) -> Result<Option<u32>, SdpRefusal> {
    let read = |name: &str| {
        value(&media.attributes, name)
            .or_else(|| value(&session.attributes, name))
            .and_then(|text| text.trim().parse::<u32>().ok())
    };
    match (read("ptime"), read("maxptime")) {
        (Some(ptime), _) if !PACKET_MS.contains(&ptime) => {
            Err(SdpRefusal::UnsupportedPacketTime(ptime))
        }
        // The bridge sends 20 ms.
        (_, Some(longest)) if longest < 20 => Err(SdpRefusal::UnsupportedPacketTime(longest)),
        (_, longest) => Ok(longest),
    }
}

/// RFC 3605: `a=rtcp:<port> [<nettype> <addrtype> <address>]`; else the port after RTP's.
fn remote_rtcp(media: &Media, remote_rtp: SocketAddr, rtcp_mux: bool) -> SocketAddr {
    if rtcp_mux {
        return remote_rtp;
    }
    let next = SocketAddr::new(
        remote_rtp.ip(),
        remote_rtp
            .port()
            .checked_add(1)
            .unwrap_or(remote_rtp.port()),
    );
    let Some(text) = value(&media.attributes, "rtcp") else {
        return next;
    };
    let mut fields = text.split_whitespace();
    let Some(port) = fields
        .next()
        .and_then(|port| port.parse().ok())
        .filter(|port| *port != 0)
    else {
        return next;
    };
    let ip = fields
        .nth(2)
        .and_then(|address| address.parse::<IpAddr>().ok())
        .filter(|ip| ip.is_ipv4() == remote_rtp.is_ipv4() && !ip.is_multicast())
        .unwrap_or(remote_rtp.ip());
    SocketAddr::new(ip, port)
}

/// The peer's direction, turned round. An address of zeros is hold as RFC 2543 wrote it:
/// nothing is sent there (RFC 3264 §8.4).
fn flow(session: &Session, media: &Media, ip: IpAddr) -> MediaFlow {
    let direction = |attributes: &[Attribute]| {
        attributes
            .iter()
            .find_map(|attribute| match attribute.attribute.as_str() {
                "sendrecv" => Some((true, true)),
                "sendonly" => Some((false, true)),
                "recvonly" => Some((true, false)),
                "inactive" => Some((false, false)),
                _ => None,
            })
    };
    let (send, receive) = direction(&media.attributes)
        .or_else(|| direction(&session.attributes))
        .unwrap_or((true, true));
    MediaFlow {
        send: send && !ip.is_unspecified(),
        receive,
    }
}

fn payloads(media: &Media) -> Vec<Payload> {
    media
        .fmt
        .split_whitespace()
        .filter_map(|number| number.parse::<u8>().ok())
        .filter(|number| *number < 128)
        .filter_map(|number| {
            Some(Payload {
                number,
                encoding: encoding(media, number)?,
                parameters: numbered(media, "fmtp", number)
                    .unwrap_or_default()
                    .to_owned(),
            })
        })
        .collect()
}

fn encoding(media: &Media, number: u8) -> Option<Encoding> {
    let Some(rtpmap) = numbered(media, "rtpmap", number) else {
        // Static payload types need no rtpmap (RFC 3551 §6).
        return match number {
            0 => Some(Encoding::Audio(Codec::Pcmu)),
            8 => Some(Encoding::Audio(Codec::Pcma)),
            9 => Some(Encoding::Audio(Codec::G722)),
            13 => Some(Encoding::ComfortNoise),
            _ => None,
        };
    };
    let mut fields = rtpmap.trim().split('/');
    let name = fields.next()?.to_ascii_lowercase();
    let clock_rate = fields.next()?.parse::<u32>().ok()?;
    let channels = match fields.next() {
        Some(channels) => channels.parse::<u32>().ok()?,
        None => 1,
    };
    match (name.as_str(), clock_rate, channels) {
        // RFC 7587 §7 demands two channels in the name of every stream; some write one.
        ("opus", 48_000, 1 | 2) => Some(Encoding::Audio(Codec::Opus)),
        // RFC 3551 §4.5.2 writes 8000 for 16 kHz; some write what it is.
        ("g722", 8_000 | 16_000, 1) => Some(Encoding::Audio(Codec::G722)),
        ("pcmu", 8_000, 1) => Some(Encoding::Audio(Codec::Pcmu)),
        ("pcma", 8_000, 1) => Some(Encoding::Audio(Codec::Pcma)),
        ("l16", 16_000, 1) => Some(Encoding::Audio(Codec::L16At16)),
        ("l16", 48_000, 1) => Some(Encoding::Audio(Codec::L16At48)),
        ("cn", 8_000, 1) => Some(Encoding::ComfortNoise),
        ("telephone-event", 8_000 | 16_000 | 48_000, 1) => {
            Some(Encoding::TelephoneEvent { clock_rate })
        }
        _ => None,
    }
}

/// The value of an attribute that begins with this payload type number.
fn numbered<'a>(media: &'a Media, name: &str, number: u8) -> Option<&'a str> {
    media
        .attributes
        .iter()
        .filter(|attribute| attribute.attribute == name)
        .filter_map(|attribute| attribute.value.as_deref()?.trim_start().split_once(' '))
        .find(|(of, _)| of.parse() == Ok(number))
        .map(|(_, rest)| rest)
}
