//! The RTP header (RFC 3550 §5.1).

use super::extension::element;
use super::{Malformed, PacketExtras, RtpTime};

/// The length of a header without CSRCs and extension.
const FIXED: usize = 12;

/// The room for any header that we write: all contributors and their levels.
pub const MAX_HEADER: usize = FIXED + 15 * 4 + 4 + 16;

/// Whether a datagram on a multiplexed flow is RTCP (RFC 5761 §4, RFC 7983).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, 192..=223, ..])
}

/// An RTP packet, as a view into its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    header: Header,
    csrcs: &'a [u8],
    extension: Option<(u16, &'a [u8])>,
    payload: &'a [u8],
}

/// What every RTP packet says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence_number: u16,
    pub timestamp: RtpTime,
    pub ssrc: u32,
}

impl<'a> RtpPacket<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// When any length in it is a lie.
    pub fn parse(datagram: &'a [u8]) -> Result<RtpPacket<'a>, Malformed> {
        let (fixed, rest) = datagram
            .split_first_chunk::<FIXED>()
            .ok_or(Malformed::Truncated)?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != 2 {
            return Err(Malformed::WrongVersion);
        }
        if is_rtcp(datagram) {
            return Err(Malformed::RtcpAmongRtp);
        }
        let (csrcs, rest) = rest
            .split_at_checked(usize::from(first & 0x0f) * 4)
            .ok_or(Malformed::CsrcsBeyondEnd)?;
        let (extension, rest) = if first & 0x10 == 0 {
            (None, rest)
        } else {
            let ([p0, p1, l0, l1], rest) = rest
                .split_first_chunk::<4>()
                .ok_or(Malformed::ExtensionBeyondEnd)?;
            let len = usize::from(u16::from_be_bytes([*l0, *l1])) * 4;
            let (body, rest) = rest
                .split_at_checked(len)
                .ok_or(Malformed::ExtensionBeyondEnd)?;
            (Some((u16::from_be_bytes([*p0, *p1]), body)), rest)
        };
        let payload = if first & 0x20 == 0 {
            rest
        } else {
            without_padding(rest).ok_or(Malformed::PaddingBeyondEnd)?
        };
        Ok(RtpPacket {
            header: Header {
                marker: second & 0x80 != 0,
                payload_type: second & 0x7f,
                sequence_number: u16::from_be_bytes([s0, s1]),
                timestamp: RtpTime::new(u32::from_be_bytes([t0, t1, t2, t3])),
                ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            },
            csrcs,
            extension,
            payload,
        })
    }

    /// The fixed part of the header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Whether this is the first packet of a talkspurt (RFC 3551 §4.1) or of an event.
    pub fn marker(&self) -> bool {
        self.header.marker
    }

    /// What the payload is.
    pub fn payload_type(&self) -> u8 {
        self.header.payload_type
    }

    /// The sequence number as it is on the wire.
    pub fn sequence_number(&self) -> u16 {
        self.header.sequence_number
    }

    /// The sampling instant of the payload's first sample.
    pub fn timestamp(&self) -> RtpTime {
        self.header.timestamp
    }

    /// The stream's source.
    pub fn ssrc(&self) -> u32 {
        self.header.ssrc
    }

    /// Who contributed to a mixed packet.
    pub fn csrcs(&self) -> impl Iterator<Item = u32> + 'a {
        let (csrcs, _) = self.csrcs.as_chunks::<4>();
        csrcs.iter().map(|csrc| u32::from_be_bytes(*csrc))
    }

    /// The extension element with this identifier (RFC 8285), in either form.
    pub fn extension(&self, identifier: u8) -> Option<&'a [u8]> {
        let (profile, body) = self.extension?;
        element(profile, body, identifier)
    }

    /// The payload without padding.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Writes a header without CSRCs and extension. Returns its length, or 0 where there is no room.
pub fn write_header(header: &Header, out: &mut [u8]) -> usize {
    let Some(out) = out.first_chunk_mut::<FIXED>() else {
        return 0;
    };
    let [s0, s1] = header.sequence_number.to_be_bytes();
    let [t0, t1, t2, t3] = header.timestamp.as_u32().to_be_bytes();
    let [c0, c1, c2, c3] = header.ssrc.to_be_bytes();
    let second = (header.payload_type & 0x7f) | (u8::from(header.marker) << 7);
    *out = [0x80, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3];
    FIXED
}

/// Writes a header with contributors and their levels. Returns its length, at most [`MAX_HEADER`],
/// or 0 where there is no room.
pub fn write_mixed_header(header: &Header, extras: &PacketExtras<'_>, out: &mut [u8]) -> usize {
    if write_header(header, out) == 0 {
        return 0;
    }
    let rest = out.get_mut(FIXED..).unwrap_or_default();
    let Some((len, has_extension)) = extras.write(rest) else {
        return 0;
    };
    if let Some(first) = out.first_mut() {
        *first |= u8::from(has_extension) << 4 | extras.named().len() as u8;
    }
    FIXED + len
}

/// Cuts off the padding, whose last byte says how long it is, itself included.
fn without_padding(bytes: &[u8]) -> Option<&[u8]> {
    let padding = usize::from(*bytes.last()?);
    if padding == 0 {
        return None;
    }
    bytes.get(..bytes.len().checked_sub(padding)?)
}

#[cfg(test)]
mod tests {
    use tutti_model::AudioLevel;

    use super::super::{Contributor, MAX_CONTRIBUTORS};
    use super::*;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 111,
        sequence_number: 0xfffe,
        timestamp: RtpTime::new(0x0102_0304),
        ssrc: 0xdead_beef,
    };

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED];
        assert_eq!(write_header(&HEADER, &mut bytes), FIXED);
        bytes[0] = first;
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn a_written_header_is_read_back() {
        let bytes = packet(0x80, b"voice");
        let read = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(read.header(), HEADER);
        assert_eq!(read.payload(), b"voice");
        assert!((0..=255).all(|identifier| read.extension(identifier).is_none()));
        assert_eq!(read.csrcs().count(), 0);
    }

    #[test]
    fn csrcs_extension_and_padding_are_not_payload() {
        let rest = [
            0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 0x52, 7, 8, 9, b'h', b'i', 0, 0, 3,
        ];
        let bytes = packet(0xb2, &rest);
        let read = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(read.csrcs().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(read.extension(5), Some(&[7, 8, 9][..]));
        assert_eq!(read.extension(6), None);
        assert_eq!(read.payload(), b"hi");
    }

    #[test]
    fn contributors_and_their_levels_are_read_back_whatever_their_number() {
        for count in 0..=20_usize {
            let contributors: Vec<_> = (0..count)
                .map(|n| Contributor {
                    ssrc: 0x0100_0000 + n as u32,
                    level: AudioLevel::from_minus_dbov(10 + n as u8),
                })
                .collect();
            for mixer_levels_extension in [None, Some(0), Some(1), Some(14), Some(15)] {
                let extras = PacketExtras {
                    contributors: &contributors,
                    mixer_levels_extension,
                };
                let mut bytes = [0xee; MAX_HEADER + 2];
                let len = write_mixed_header(&HEADER, &extras, &mut bytes);
                assert!(len <= MAX_HEADER && len.is_multiple_of(4), "{len}");
                let read = RtpPacket::parse(&bytes[..len + 2]).unwrap();
                assert_eq!(read.header(), HEADER);
                assert_eq!(read.payload(), [0xee; 2]);
                let named = count.min(MAX_CONTRIBUTORS);
                let csrcs: Vec<_> = contributors.iter().map(|one| one.ssrc).collect();
                assert!(read.csrcs().eq(csrcs[..named].iter().copied()));
                let expected =
                    mixer_levels_extension.filter(|id| matches!(id, 1 | 14) && count > 0);
                let levels: Vec<_> = (10..10 + named as u8).collect();
                for identifier in 1..=15 {
                    let element = read.extension(identifier);
                    assert_eq!(
                        element,
                        (expected == Some(identifier)).then_some(&levels[..])
                    );
                }
                if count > 0 {
                    let cut = &mut bytes[..len - 1];
                    assert_eq!(write_mixed_header(&HEADER, &extras, cut), 0);
                }
            }
        }
    }

    #[test]
    fn a_mixed_header_of_nobody_is_the_plain_one() {
        let (mut plain, mut mixed) = ([0; FIXED], [0; FIXED]);
        write_header(&HEADER, &mut plain);
        let extras = PacketExtras {
            contributors: &[],
            mixer_levels_extension: Some(3),
        };
        assert_eq!(write_mixed_header(&HEADER, &extras, &mut mixed), FIXED);
        assert_eq!(plain, mixed);
    }

    #[test]
    fn every_lie_about_a_length_is_named() {
        let lies: [(Vec<u8>, Malformed); 12] = [
            (vec![], Malformed::Truncated),
            (vec![0x80; 11], Malformed::Truncated),
            (packet(0x40, b"x"), Malformed::WrongVersion),
            (packet(0xc0, b"x"), Malformed::WrongVersion),
            (packet(0x81, &[0; 3]), Malformed::CsrcsBeyondEnd),
            (packet(0x8f, &[0; 59]), Malformed::CsrcsBeyondEnd),
            (
                packet(0x90, &[0xbe, 0xde, 0]),
                Malformed::ExtensionBeyondEnd,
            ),
            (
                packet(0x90, &[0xbe, 0xde, 0, 1, 1, 1, 1]),
                Malformed::ExtensionBeyondEnd,
            ),
            (
                packet(0x90, &[0xbe, 0xde, 0xff, 0xff]),
                Malformed::ExtensionBeyondEnd,
            ),
            (packet(0xa0, &[]), Malformed::PaddingBeyondEnd),
            (packet(0xa0, &[1, 2, 0]), Malformed::PaddingBeyondEnd),
            (packet(0xa0, &[1, 2, 4]), Malformed::PaddingBeyondEnd),
        ];
        for (bytes, lie) in lies {
            assert_eq!(RtpPacket::parse(&bytes), Err(lie), "{bytes:02x?}");
        }
    }

    #[test]
    fn rtcp_is_told_from_rtp_by_its_second_byte() {
        assert!(is_rtcp(&[0x80, 200]));
        assert!(is_rtcp(&[0x81, 201, 0]));
        assert!(!is_rtcp(&[0x80, 0x80 | 111]));
        assert!(!is_rtcp(&[0x80, 0]));
        assert!(!is_rtcp(&[0x00, 200]));
        assert!(!is_rtcp(&[0x80]));
        let mut bytes = packet(0x80, b"x");
        bytes[1] = 200;
        assert_eq!(RtpPacket::parse(&bytes), Err(Malformed::RtcpAmongRtp));
    }

    #[test]
    fn no_header_is_written_where_there_is_no_room() {
        assert_eq!(write_header(&HEADER, &mut [0; FIXED - 1]), 0);
    }
}
