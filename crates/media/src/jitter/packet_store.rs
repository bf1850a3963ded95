//! Undecoded packets in the order of their audio, in memory that is taken once.

use std::hint::black_box;

use tutti_model::Codec;

use crate::codec::MAX_PAYLOAD_BYTES;

/// The most packets that wait.
const SLOTS: usize = 64;

/// The most blocks; payloads are kept in chains of them.
const MAX_BLOCKS: usize = 128;

/// How much memory payloads may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreSize {
    block_bytes: usize,
    blocks: usize,
}

impl StoreSize {
    /// What holds 300 ms of a codec at least, and 64 packets where they are short.
    pub(crate) fn of(codec: Codec) -> StoreSize {
        let (block_bytes, blocks) = match codec {
            // 8 KiB: 64 packets at 24 kbit/s, 300 ms at 200 kbit/s.
            Codec::Opus => (64, 128),
            // 10 KiB: 64 packets of 20 ms.
            Codec::Pcmu | Codec::Pcma | Codec::G722 => (160, 64),
            // 40 KiB for 64 packets of 20 ms at 16 kHz, and for 21 at 48 kHz.
            Codec::L16At16 | Codec::L16At48 => (640, 64),
        };
        StoreSize {
            block_bytes,
            blocks,
        }
    }
}

/// Ends a chain.
const NONE: u8 = u8::MAX;

/// Packets that wait to be decoded.
pub(crate) struct PacketStore {
    slots: [Slot; SLOTS],
    len: usize,
    block_bytes: usize,
    blocks: Box<[u8]>,
    /// The block that follows each block in its chain.
    next: [u8; MAX_BLOCKS],
    free: u8,
    free_blocks: usize,
}

/// What is known of a packet without decoding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredPacket {
    /// Where its audio begins on the timeline.
    pub(crate) position: i64,
    /// How much audio it is.
    pub(crate) samples: usize,
    /// Its extended sequence number.
    pub(crate) number: u64,
    /// It describes the packet before it, too (in-band FEC).
    pub(crate) repairs: bool,
    /// Nothing before it is of the same source.
    pub(crate) new_source: bool,
    /// It is no audio, but says that none follows for a while (RFC 3389).
    pub(crate) ends_talk: bool,
}

impl StoredPacket {
    /// Where its audio ends.
    pub(crate) fn end(&self) -> i64 {
        self.position.saturating_add(self.samples as i64)
    }
}

/// A packet and where its payload is, in little room: a leg has many slots.
#[derive(Debug, Clone, Copy)]
struct Slot {
    position: i64,
    number: u64,
    /// No packet is as long as 65,535 samples.
    samples: u16,
    payload_len: u16,
    first_block: u8,
    repairs: bool,
    new_source: bool,
    ends_talk: bool,
}

impl Slot {
    fn new(packet: StoredPacket, payload_len: usize, first_block: u8) -> Slot {
        debug_assert!(packet.samples <= usize::from(u16::MAX));
        Slot {
            position: packet.position,
            number: packet.number,
            samples: packet.samples as u16,
            payload_len: payload_len as u16,
            first_block,
            repairs: packet.repairs,
            new_source: packet.new_source,
            ends_talk: packet.ends_talk,
        }
    }

    fn packet(&self) -> StoredPacket {
        StoredPacket {
            position: self.position,
            samples: usize::from(self.samples),
            number: self.number,
            repairs: self.repairs,
            new_source: self.new_source,
            ends_talk: self.ends_talk,
        }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filed {
    /// It waits; so many others had to go to make room.
    Stored { displaced: usize },
    /// Another packet has the same place.
    PlaceTaken,
    /// It is longer than any packet.
    TooLong,
}

impl PacketStore {
    pub(crate) fn new(size: StoreSize) -> PacketStore {
        let mut next = [NONE; MAX_BLOCKS];
        let chained = size.blocks.min(MAX_BLOCKS).saturating_sub(1);
        for (n, next) in next.iter_mut().enumerate().take(chained) {
            *next = n as u8 + 1;
        }
        let packet = StoredPacket {
            position: 0,
            samples: 0,
            number: 0,
            repairs: false,
            new_source: false,
            ends_talk: false,
        };
        PacketStore {
            slots: [Slot::new(packet, 0, NONE); SLOTS],
            len: 0,
            block_bytes: size.block_bytes,
            blocks: vec![0; size.block_bytes * (chained + 1)].into_boxed_slice(),
            next,
            free: 0,
            free_blocks: chained + 1,
        }
    }

    /// Looks at where the next packet will lie.
    pub(crate) fn fetch(&self) {
        let free = usize::from(self.free);
        black_box((
            self.slots.get(self.len).map(|slot| slot.position),
            self.next.get(free).copied(),
        ));
        let block = free * self.block_bytes;
        let ends = [block, block + self.block_bytes / 2];
        black_box(ends.map(|at| self.blocks.get(at).copied()));
    }

    /// Files a packet; the oldest go when there is no room.
    pub(crate) fn insert(&mut self, packet: StoredPacket, payload: &[u8]) -> Filed {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Filed::TooLong;
        }
        let waiting = self.slots.get(..self.len).unwrap_or_default();
        let found = waiting.binary_search_by_key(&packet.position, |slot| slot.position);
        let Err(mut index) = found else {
            return Filed::PlaceTaken;
        };
        let mut displaced = 0;
        while self.len == SLOTS || self.free_blocks * self.block_bytes < payload.len() {
            if self.discard_first().is_none() {
                return Filed::TooLong;
            }
            displaced += 1;
            index = index.saturating_sub(1);
        }
        let first_block = self.store(payload);
        self.slots.copy_within(index..self.len, index + 1);
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Slot::new(packet, payload.len(), first_block);
        }
        self.len += 1;
        Filed::Stored { displaced }
    }

    /// The packet whose audio comes first.
    pub(crate) fn first(&self) -> Option<StoredPacket> {
        self.slots.get(..self.len)?.first().map(Slot::packet)
    }

    /// The packet after that.
    pub(crate) fn second(&self) -> Option<StoredPacket> {
        self.slots.get(..self.len)?.get(1).map(Slot::packet)
    }

    /// How many packets end before a position, or there.
    pub(crate) fn count_until(&self, position: i64) -> usize {
        let waiting = self.slots.get(..self.len).unwrap_or_default();
        waiting
            .iter()
            .take_while(|slot| slot.packet().end() <= position)
            .count()
    }

    /// Copies the first packet's payload to the front of `out`; returns its length.
    pub(crate) fn copy_first(&self, out: &mut [u8; MAX_PAYLOAD_BYTES]) -> usize {
        let Some(slot) = self.slots.get(..self.len).and_then(|slots| slots.first()) else {
            return 0;
        };
        let len = usize::from(slot.payload_len);
        let mut block = slot.first_block;
        let wanted = out.get_mut(..len).unwrap_or_default();
        for out in wanted.chunks_mut(self.block_bytes) {
            let begin = usize::from(block) * self.block_bytes;
            if let Some(stored) = self.blocks.get(begin..begin + out.len()) {
                out.copy_from_slice(stored);
            }
            block = self.next.get(usize::from(block)).copied().unwrap_or(NONE);
        }
        len
    }

    /// Forgets the first packet.
    pub(crate) fn discard_first(&mut self) -> Option<StoredPacket> {
        let slot = *self.slots.get(..self.len)?.first()?;
        self.slots.copy_within(1..self.len, 0);
        self.len -= 1;
        let mut block = slot.first_block;
        for _ in 0..MAX_BLOCKS {
            let Some(next) = self.next.get_mut(usize::from(block)) else {
                break;
            };
            let after = std::mem::replace(next, self.free);
            self.free = block;
            self.free_blocks += 1;
            block = after;
        }
        Some(slot.packet())
    }

    /// Copies a payload into free blocks; there are enough.
    fn store(&mut self, payload: &[u8]) -> u8 {
        debug_assert!(self.free_blocks * self.block_bytes >= payload.len());
        let mut first = NONE;
        // From the end, so that each block finds the one that follows it.
        for bytes in payload.chunks(self.block_bytes).rev() {
            let block = self.free;
            let begin = usize::from(block) * self.block_bytes;
            let (Some(next), Some(stored)) = (
                self.next.get_mut(usize::from(block)),
                self.blocks.get_mut(begin..begin + bytes.len()),
            ) else {
                break;
            };
            self.free = std::mem::replace(next, first);
            self.free_blocks -= 1;
            stored.copy_from_slice(bytes);
            first = block;
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: usize = 128;

    fn store() -> PacketStore {
        PacketStore::new(StoreSize::of(Codec::Opus))
    }

    fn at(position: i64) -> StoredPacket {
        StoredPacket {
            position,
            samples: 160,
            number: 0,
            repairs: false,
            new_source: false,
            ends_talk: false,
        }
    }

    fn take(store: &mut PacketStore) -> Option<(i64, Vec<u8>)> {
        let mut out = [0; MAX_PAYLOAD_BYTES];
        let len = store.copy_first(&mut out);
        store
            .discard_first()
            .map(|packet| (packet.position, out[..len].to_vec()))
    }

    #[test]
    fn packets_come_out_in_the_order_of_their_audio() {
        let mut store = store();
        for n in [3, 0, 4, 1, 2] {
            let payload = vec![n; 1 + usize::from(n) * 200];
            assert_eq!(
                store.insert(at(i64::from(n) * 160), &payload),
                Filed::Stored { displaced: 0 }
            );
        }
        assert_eq!(store.insert(at(320), b"again"), Filed::PlaceTaken);
        for n in 0..5_u8 {
            let expected = (i64::from(n) * 160, vec![n; 1 + usize::from(n) * 200]);
            assert_eq!(take(&mut store), Some(expected));
        }
        assert_eq!(take(&mut store), None);
        assert_eq!(store.free_blocks, BLOCKS);
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let mut store = store();
        for n in 0..SLOTS as i64 {
            assert_eq!(store.insert(at(n), b"x"), Filed::Stored { displaced: 0 });
        }
        assert_eq!(
            store.insert(at(1_000), b"x"),
            Filed::Stored { displaced: 1 }
        );
        assert_eq!(store.first(), Some(at(1)));
        // Two of the longest payloads need all blocks but those that 62 short ones hold.
        let longest = [7; MAX_PAYLOAD_BYTES];
        let displaced = store.insert(at(2_000), &longest);
        assert_eq!(displaced, Filed::Stored { displaced: 1 });
        let displaced = store.insert(at(2_001), &longest);
        assert_eq!(displaced, Filed::Stored { displaced: 1 });
        let displaced = store.insert(at(2_002), &longest);
        assert!(matches!(displaced, Filed::Stored { displaced: 20.. }));
        assert_eq!(
            store.insert(at(3_000), &[0; MAX_PAYLOAD_BYTES + 1]),
            Filed::TooLong
        );
    }

    #[test]
    fn no_block_is_ever_lost_and_no_payload_ever_mixed_up() {
        let mut store = store();
        let mut seed = 7_u32;
        for round in 0..20_000_i64 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let len = (seed >> 8) as usize % (MAX_PAYLOAD_BYTES + 1);
            let position = round + i64::from(seed >> 28);
            store.insert(at(position), &vec![position as u8; len]);
            if seed & 0x40 != 0
                && let Some((position, payload)) = take(&mut store)
            {
                assert!(
                    payload.iter().all(|byte| *byte == position as u8),
                    "round {round}"
                );
            }
        }
        while take(&mut store).is_some() {}
        assert_eq!(store.free_blocks, BLOCKS);
    }
}
