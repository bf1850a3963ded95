//! How does a caller's stream look on the wire? (RFC 3550 §5.1, §6.4.2)

/// Octets in an RTP header without contributors and extensions.
pub(crate) const HEADER: usize = 12;

/// The stream that one caller sends.
#[derive(Debug)]
pub(crate) struct OutgoingStream {
    payload_type: u8,
    ssrc: u32,
    sequence_number: u16,
    timestamp: u32,
    ticks_per_packet: u32,
}

impl OutgoingStream {
    /// A stream with a random beginning (RFC 3550 §5.1).
    pub(crate) fn new(payload_type: u8, ticks_per_packet: u32) -> OutgoingStream {
        OutgoingStream {
            payload_type,
            ssrc: rand::random(),
            sequence_number: rand::random(),
            timestamp: rand::random(),
            ticks_per_packet,
        }
    }

    /// Replaces `wire` by the packet that carries a payload.
    pub(crate) fn packet(&mut self, payload: &[u8], marker: bool, wire: &mut Vec<u8>) {
        wire.clear();
        let marker = if marker { 0x80 } else { 0 };
        wire.extend([0x80, marker | (self.payload_type & 0x7f)]);
        wire.extend(self.sequence_number.to_be_bytes());
        wire.extend(self.timestamp.to_be_bytes());
        wire.extend(self.ssrc.to_be_bytes());
        wire.extend(payload);
        self.sequence_number = self.sequence_number.wrapping_add(1);
        self.pause();
    }

    /// Lets a frame pass in which nothing is sent.
    pub(crate) fn pause(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(self.ticks_per_packet);
    }

    /// An empty receiver report with the shortest name: a sign of life of whoever sends nothing.
    pub(crate) fn sign_of_life(&self, wire: &mut Vec<u8>) {
        wire.clear();
        // RR without blocks, one word after the header.
        wire.extend([0x80, 201, 0, 1]);
        wire.extend(self.ssrc.to_be_bytes());
        // SDES with one chunk: a CNAME of five letters, and the end of the list.
        wire.extend([0x81, 202, 0, 3]);
        wire.extend(self.ssrc.to_be_bytes());
        wire.extend([1, 5, b't', b'u', b't', b't', b'i', 0]);
    }
}

/// What a listener that decodes nothing reads of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Glimpse {
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// Where its payload begins.
    pub(crate) payload_at: usize,
}

impl Glimpse {
    /// Reads a header; `None` where there is none.
    pub(crate) fn of(datagram: &[u8]) -> Option<Glimpse> {
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = *datagram else {
            return None;
        };
        if first >> 6 != 2 {
            return None;
        }
        let mut payload_at = HEADER + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let words = match *datagram.get(payload_at + 2..payload_at + 4)? {
                [high, low] => usize::from(u16::from_be_bytes([high, low])),
                _ => return None,
            };
            payload_at += 4 + 4 * words;
        }
        (payload_at <= datagram.len()).then_some(Glimpse {
            payload_type: second & 0x7f,
            sequence_number: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            payload_at,
        })
    }
}

/// Tells RTCP from RTP on one port by its packet type (RFC 5761 §4).
pub(crate) fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}

#[cfg(test)]
mod tests {
    use rtp::packet::Packet;
    use webrtc_util::marshal::Unmarshal;

    use super::*;

    #[test]
    fn another_implementation_reads_what_is_written() {
        let mut stream = OutgoingStream::new(96, 960);
        let mut wire = Vec::new();
        stream.packet(b"one", true, &mut wire);
        let first = Packet::unmarshal(&mut wire.as_slice()).unwrap();
        stream.pause();
        stream.packet(b"two", false, &mut wire);
        let second = Packet::unmarshal(&mut wire.as_slice()).unwrap();
        assert_eq!(
            (&first.payload[..], &second.payload[..]),
            (&b"one"[..], &b"two"[..])
        );
        assert!(first.header.marker && !second.header.marker);
        let (a, b) = (&first.header, &second.header);
        assert_eq!(b.sequence_number, a.sequence_number.wrapping_add(1));
        assert_eq!(b.timestamp, a.timestamp.wrapping_add(1_920));
        let glimpse = Glimpse::of(&wire).unwrap();
        assert_eq!(
            (
                glimpse.payload_type,
                glimpse.sequence_number,
                glimpse.ssrc,
                glimpse.payload_at
            ),
            (96, b.sequence_number, b.ssrc, HEADER)
        );
    }

    #[test]
    fn contributors_and_extensions_are_stepped_over() {
        let mut packet = vec![0x92, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        packet.extend([0; 8]);
        packet.extend([0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
        packet.push(7);
        assert_eq!(
            Glimpse::of(&packet).map(|glimpse| glimpse.payload_at),
            Some(28)
        );
        assert_eq!(Glimpse::of(&packet[..24]), None);
        assert_eq!(Glimpse::of(&packet[..11]), None);
    }

    #[test]
    fn a_sign_of_life_is_rtcp_of_whole_words() {
        let mut wire = Vec::new();
        OutgoingStream::new(0, 160).sign_of_life(&mut wire);
        assert!(is_rtcp(&wire));
        assert_eq!(wire.len(), 8 + 16);
    }
}
