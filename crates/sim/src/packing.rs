//! How a phone packs its audio: 20 ms at a time, or more, or less.

use std::rc::Rc;

use tutti_model::Codec;

/// Milliseconds of audio in a payload that an encoder makes.
const FRAME_MS: u32 = 20;

/// The most frames that one Opus packet of 120 ms holds here.
const MOST_FRAMES: usize = 6;

/// Collects encoded frames and gives out payloads of another length.
#[derive(Debug, Clone)]
pub(crate) struct Packing {
    codec: Codec,
    ptime_ms: u32,
    /// Of a codec that can be cut anywhere.
    bytes: Vec<u8>,
    /// Of Opus, whose frames stay whole.
    frames: Vec<Rc<[u8]>>,
}

/// A payload, and when it was complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) payload: Vec<u8>,
    /// How much time it takes on the RTP clock.
    pub(crate) ticks: u32,
    /// How long before the end of what was added last it was complete, on the RTP clock.
    pub(crate) ticks_ago: u32,
}

impl Packing {
    pub(crate) fn new(codec: Codec, ptime_ms: u16) -> Packing {
        Packing {
            codec,
            ptime_ms: u32::from(ptime_ms).max(1),
            bytes: Vec::new(),
            frames: Vec::new(),
        }
    }

    /// Adds the encoded audio of 20 ms; returns what had to be sent before it.
    pub(crate) fn add(&mut self, payload: &Rc<[u8]>) -> Option<Packed> {
        if self.codec != Codec::Opus {
            self.bytes.extend_from_slice(payload);
            return None;
        }
        // Only frames of one configuration fit into one packet (RFC 6716 §3.2).
        let fits = |first: &Rc<[u8]>| configuration(first) == configuration(payload);
        let before = match self.frames.first() {
            Some(first) if !fits(first) => self.rest().map(|packed| Packed {
                ticks_ago: self.ticks(FRAME_MS),
                ..packed
            }),
            Some(_) | None => None,
        };
        self.frames.push(Rc::clone(payload));
        before
    }

    /// The next payload that is complete.
    pub(crate) fn next(&mut self) -> Option<Packed> {
        if self.codec == Codec::Opus {
            let wanted = self.ptime_ms.div_ceil(FRAME_MS) as usize;
            return if self.frames.len() >= wanted.clamp(1, MOST_FRAMES) {
                self.rest()
            } else {
                None
            };
        }
        let ticks = self.ticks(self.ptime_ms);
        let length = self.bytes_in(ticks);
        if self.bytes.len() < length {
            return None;
        }
        let rest = self.bytes.split_off(length);
        let payload = std::mem::replace(&mut self.bytes, rest);
        Some(Packed {
            payload,
            ticks,
            ticks_ago: self.bytes.len() as u32 / self.bytes_in(1) as u32,
        })
    }

    /// Whatever there is, complete or not.
    pub(crate) fn rest(&mut self) -> Option<Packed> {
        if self.codec == Codec::Opus {
            let frames = std::mem::take(&mut self.frames);
            return (!frames.is_empty()).then(|| Packed {
                ticks: self.ticks(FRAME_MS) * frames.len() as u32,
                payload: joined(&frames),
                ticks_ago: 0,
            });
        }
        let payload = std::mem::take(&mut self.bytes);
        let ticks = payload.len() as u32 / self.bytes_in(1) as u32;
        (ticks > 0).then_some(Packed {
            payload,
            ticks,
            ticks_ago: 0,
        })
    }

    fn ticks(&self, ms: u32) -> u32 {
        self.codec.clock_rate() * ms / 1_000
    }

    fn bytes_in(&self, ticks: u32) -> usize {
        let per_tick = match self.codec {
            Codec::L16At16 | Codec::L16At48 => 2,
            Codec::Opus | Codec::G722 | Codec::Pcmu | Codec::Pcma => 1,
        };
        ticks as usize * per_tick
    }
}

/// What frames of one packet have in common: all of the first byte but the count.
fn configuration(payload: &[u8]) -> Option<u8> {
    payload.first().map(|toc| toc & 0xfc)
}

/// One packet of several frames of any length (RFC 6716 §3.2.5).
fn joined(frames: &[Rc<[u8]>]) -> Vec<u8> {
    let (Some(first), true) = (frames.first(), frames.len() > 1) else {
        return frames
            .first()
            .map(|frame| frame.to_vec())
            .unwrap_or_default();
    };
    let toc = configuration(first).unwrap_or_default() | 3;
    let mut packet = vec![toc, 0x80 | frames.len() as u8];
    let bodies = || {
        frames
            .iter()
            .map(|frame| frame.get(1..).unwrap_or_default())
    };
    for body in bodies().take(frames.len() - 1) {
        // Lengths up to 251 take a byte, others two (RFC 6716 §3.2.1).
        match body.len() {
            short @ 0..=251 => packet.push(short as u8),
            long => {
                let low = 252 + (long & 3);
                packet.extend([low as u8, ((long - low) / 4) as u8]);
            }
        }
    }
    bodies().for_each(|body| packet.extend_from_slice(body));
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use tutti_media::{Decoder, Encoder, EncoderSettings};
    use tutti_model::Format;

    use crate::voice::Tone;

    #[test]
    fn thirty_milliseconds_come_out_of_twenty_without_a_loss() {
        let mut packing = Packing::new(Codec::Pcmu, 30);
        let (mut out, mut sizes, mut ago) = (Vec::new(), Vec::new(), Vec::new());
        for frame in 0..9_u8 {
            let payload: Rc<[u8]> = (0..160).map(|n| n ^ frame).collect();
            assert_eq!(packing.add(&payload), None);
            while let Some(packed) = packing.next() {
                sizes.push(packed.ticks);
                ago.push(packed.ticks_ago);
                out.extend(packed.payload);
            }
        }
        assert_eq!(sizes, [240; 6]);
        assert_eq!(ago, [80, 0, 80, 0, 80, 0]);
        let whole: Vec<u8> = (0..9_u8)
            .flat_map(|frame| (0..160).map(move |n| n ^ frame))
            .collect();
        assert_eq!(out, whole);
    }

    #[test]
    fn sixty_milliseconds_of_opus_in_a_packet_sound_as_three_packets_do() {
        let format = Format::plain(Codec::Opus);
        let mut encoder = Encoder::new(&format, EncoderSettings::default()).unwrap();
        let (mut apart, mut together) = (decoder(), decoder());
        let mut packing = Packing::new(Codec::Opus, 60);
        let mut tone = Tone::new(440.0, 0.3);
        let mut room = [0.0; 5_760];
        let (mut one, mut three) = (Vec::new(), Vec::new());
        for _ in 0..30 {
            let mut payload = [0; 1_500];
            let len = encoder.encode(&tone.frame(), &mut payload).unwrap();
            let samples = apart.decode(&payload[..len], &mut room).unwrap();
            three.extend_from_slice(&room[..samples]);
            let before = packing.add(&Rc::from(&payload[..len]));
            for packed in before.into_iter().chain(packing.next()) {
                let samples = together.decode(&packed.payload, &mut room).unwrap();
                assert_eq!(samples as u32, packed.ticks);
                one.extend_from_slice(&room[..samples]);
            }
        }
        packing.rest();
        assert_eq!(one.len(), three.len());
        assert_eq!(one, three);
    }

    fn decoder() -> Decoder {
        Decoder::new(Codec::Opus).unwrap()
    }
}
