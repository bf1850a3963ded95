//! Which RTP header extensions are agreed on (RFC 8285)?

use std::ops::RangeInclusive;

use sdp_types::{Attribute, Media, Session};
use tutti_model::MediaFlow;

use super::attributes::attribute;

/// The peer tells its own level (RFC 6464).
const LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// A mixer tells the levels of its contributors (RFC 6465).
const MIXER_LEVELS_URI: &str = "urn:ietf:params:rtp-hdrext:csrc-audio-level";

/// The identifiers that fit into a one-byte header (RFC 8285 §4.2).
const IDS: RangeInclusive<u8> = 1..=14;

/// Ours, where we offer them.
const LEVEL_ID: u8 = 1;
const MIXER_LEVELS_ID: u8 = 2;

/// The extensions that can be used on a stream as it flows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    /// From the peer to the bridge.
    pub(super) level: Option<Level>,
    /// The identifier of contributors' levels, from the bridge to the peer.
    pub(super) mixer_levels: Option<u8>,
}

/// How the peer tells its level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) id: u8,
    /// The `vad` attribute, which an answer repeats.
    vad: Option<String>,
}

impl Extensions {
    /// Reads a stream's mappings, or the session's where the stream has none (RFC 8285 §5).
    pub(super) fn read(session: &Session, media: &Media, flow: MediaFlow) -> Extensions {
        let mut extensions = Extensions::default();
        let is_map = |attribute: &&Attribute| attribute.attribute == "extmap";
        let own = media.attributes.iter().filter(is_map);
        let shared = session.attributes.iter().filter(is_map);
        let mut taken = None;
        for map in own.chain(shared).filter_map(Map::read) {
            if taken == Some(map.id) {
                continue;
            }
            if map.uri == LEVEL_URI && extensions.level.is_none() && map.sends && flow.receive {
                extensions.level = Some(Level {
                    id: map.id,
                    vad: map.vad.map(str::to_owned),
                });
            } else if map.uri == MIXER_LEVELS_URI
                && extensions.mixer_levels.is_none()
                && map.receives
                && flow.send
            {
                extensions.mixer_levels = Some(map.id);
            } else {
                continue;
            }
            taken = Some(map.id);
        }
        extensions
    }

    /// The attributes that accept them, each in the one direction that is used.
    pub(super) fn describe(&self) -> impl Iterator<Item = Attribute> {
        let level = self.level.as_ref().map(|Level { id, vad }| {
            let vad = vad.as_ref().map_or(String::new(), |vad| format!(" {vad}"));
            attribute("extmap", format!("{id}/recvonly {LEVEL_URI}{vad}"))
        });
        let mixer_levels = self
            .mixer_levels
            .map(|id| attribute("extmap", format!("{id}/sendonly {MIXER_LEVELS_URI}")));
        level.into_iter().chain(mixer_levels)
    }

    /// The attributes that offer both: to read the peer's level, and to tell contributors'.
    pub(super) fn offered() -> impl Iterator<Item = Attribute> {
        [
            format!("{LEVEL_ID} {LEVEL_URI} vad=on"),
            format!("{MIXER_LEVELS_ID} {MIXER_LEVELS_URI}"),
        ]
        .into_iter()
        .map(|map| attribute("extmap", map))
    }
}

/// One `a=extmap:<id>[/<direction>] <uri> [<attributes>]`, as far as the bridge can use it.
struct Map<'a> {
    id: u8,
    /// The peer sends the extension, where it sends at all.
    sends: bool,
    /// The peer receives it.
    receives: bool,
    uri: &'a str,
    vad: Option<&'a str>,
}

impl Map<'_> {
    fn read(attribute: &Attribute) -> Option<Map<'_>> {
        let mut words = attribute.value.as_deref()?.split_ascii_whitespace();
        let name = words.next()?;
        let (id, direction) = name.split_once('/').unwrap_or((name, "sendrecv"));
        let (sends, receives) = match direction {
            "sendrecv" => (true, true),
            "sendonly" => (true, false),
            "recvonly" => (false, true),
            _ => (false, false),
        };
        Some(Map {
            id: id.parse().ok().filter(|id| IDS.contains(id))?,
            sends,
            receives,
            uri: words.next()?,
            vad: words.find(|word| matches!(*word, "vad=on" | "vad=off")),
        })
    }
}
