//! Compound RTCP packets: reports, CNAMEs and goodbyes (RFC 3550 §6).

use tutti_model::Timestamp;

use super::{Malformed, RtpTime};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_SECS: i64 = 2_208_988_800;

const CNAME: u8 = 1;
const REPORT_LEN: usize = 24;

/// A wall-clock time as RTCP carries it: seconds since 1900 and their 2⁻³² parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NtpTime(u64);

impl NtpTime {
    /// The time with this value on the wire.
    pub const fn from_bits(bits: u64) -> NtpTime {
        NtpTime(bits)
    }

    /// The value on the wire.
    pub const fn as_bits(self) -> u64 {
        self.0
    }

    /// The middle 32 bits, in which reports name one another: units of 1/65 536 s.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

impl From<Timestamp> for NtpTime {
    fn from(time: Timestamp) -> NtpTime {
        let micros = time.as_micros();
        let secs = micros.div_euclid(1_000_000).wrapping_add(NTP_TO_UNIX_SECS) as u32;
        let fraction = (micros.rem_euclid(1_000_000) as u64) << 32;
        NtpTime((u64::from(secs) << 32) | (fraction / 1_000_000))
    }
}

/// What one receiver says of one source (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source that the report is about.
    pub ssrc: u32,
    /// Of the packets since the last report, how many 256ths were lost.
    pub fraction_lost: u8,
    /// Packets lost since the stream began; negative when duplicates outweigh them.
    pub cumulative_lost: i32,
    /// The highest sequence number, with its cycles above it.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks of the stream's clock.
    pub jitter: u32,
    /// The middle bits of the last sender report's time; 0 when there was none.
    pub last_sr: u32,
    /// How long ago that report arrived, in 1/65 536 s.
    pub delay_since_last_sr: u32,
}

/// What a sender says of itself (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    pub ntp_time: NtpTime,
    /// The same moment on the stream's own clock.
    pub rtp_time: RtpTime,
    pub packets: u32,
    /// Payload bytes without headers and padding.
    pub octets: u32,
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtcpPacket<'a> {
    SenderReport {
        ssrc: u32,
        info: SenderInfo,
        reports: Reports<'a>,
    },
    ReceiverReport {
        ssrc: u32,
        reports: Reports<'a>,
    },
    /// The first chunk's source, and its CNAME where it has one.
    SourceDescription {
        cname: Option<(u32, &'a [u8])>,
    },
    Goodbye {
        sources: Sources<'a>,
    },
    /// A type that nobody here reads.
    Unread {
        packet_type: u8,
    },
}

/// The report blocks of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reports<'a>(&'a [u8]);

impl Iterator for Reports<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.0.split_first_chunk::<REPORT_LEN>()?;
        self.0 = rest;
        let (words, _) = block.as_chunks::<4>();
        let [ssrc, lost, highest, jitter, last_sr, delay] = *words else {
            return None;
        };
        let lost = u32::from_be_bytes(lost);
        Some(ReportBlock {
            ssrc: u32::from_be_bytes(ssrc),
            fraction_lost: (lost >> 24) as u8,
            // Shifted up and down again, the 24-bit number keeps its sign.
            cumulative_lost: ((lost << 8) as i32) >> 8,
            highest_sequence: u32::from_be_bytes(highest),
            jitter: u32::from_be_bytes(jitter),
            last_sr: u32::from_be_bytes(last_sr),
            delay_since_last_sr: u32::from_be_bytes(delay),
        })
    }
}

/// The sources that say goodbye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources<'a>(&'a [u8]);

impl Iterator for Sources<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (ssrc, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*ssrc))
    }
}

/// The packets of a compound whose every length was checked.
#[derive(Debug, Clone, Copy)]
pub struct RtcpPackets<'a>(&'a [u8]);

impl<'a> Iterator for RtcpPackets<'a> {
    type Item = RtcpPacket<'a>;

    fn next(&mut self) -> Option<RtcpPacket<'a>> {
        let (packet, rest) = split_packet(self.0).ok()??;
        self.0 = rest;
        packet.read().ok()
    }
}

/// Reads a compound packet; nothing of it counts unless all of it is sound (RFC 3550 A.2).
///
/// # Errors
/// When any length in it is a lie, or no report comes first.
pub fn parse_compound(datagram: &[u8]) -> Result<RtcpPackets<'_>, Malformed> {
    if datagram.len() < 8 {
        return Err(Malformed::Truncated);
    }
    let mut rest = datagram;
    let mut first = true;
    while let Some((packet, after)) = split_packet(rest)? {
        let is_report = matches!(packet.packet_type, SENDER_REPORT | RECEIVER_REPORT);
        if first && !is_report {
            return Err(Malformed::NoReportFirst);
        }
        if packet.padded && !after.is_empty() {
            return Err(Malformed::RtcpPaddingMisplaced);
        }
        packet.read()?;
        first = false;
        rest = after;
    }
    Ok(RtcpPackets(datagram))
}

/// Writes a compound packet, one packet after the other.
#[derive(Debug)]
pub struct RtcpWriter<'a> {
    out: &'a mut [u8],
    /// How much is written; none when something found no room.
    len: Option<usize>,
}

impl<'a> RtcpWriter<'a> {
    /// Writes into this buffer.
    pub fn new(out: &'a mut [u8]) -> RtcpWriter<'a> {
        RtcpWriter { out, len: Some(0) }
    }

    /// Adds a sender report, with what is said of the other side's stream.
    pub fn sender_report(&mut self, ssrc: u32, info: &SenderInfo, report: Option<&ReportBlock>) {
        let len = if report.is_some() {
            28 + REPORT_LEN
        } else {
            28
        };
        self.start(SENDER_REPORT, u8::from(report.is_some()), len);
        self.put(&ssrc.to_be_bytes());
        self.put(&info.ntp_time.as_bits().to_be_bytes());
        self.put(&info.rtp_time.as_u32().to_be_bytes());
        self.put(&info.packets.to_be_bytes());
        self.put(&info.octets.to_be_bytes());
        self.report(report);
    }

    /// Adds a receiver report.
    pub fn receiver_report(&mut self, ssrc: u32, report: Option<&ReportBlock>) {
        let len = if report.is_some() { 8 + REPORT_LEN } else { 8 };
        self.start(RECEIVER_REPORT, u8::from(report.is_some()), len);
        self.put(&ssrc.to_be_bytes());
        self.report(report);
    }

    /// Adds a source description with a CNAME; what is longer than 255 bytes is cut.
    pub fn cname(&mut self, ssrc: u32, cname: &str) {
        let cname = cname.as_bytes();
        let cname = cname.get(..255).unwrap_or(cname);
        // The list of items ends with at least one zero, and with its word.
        let chunk = (4 + 2 + cname.len() + 1).next_multiple_of(4);
        self.start(SOURCE_DESCRIPTION, 1, 4 + chunk);
        self.put(&ssrc.to_be_bytes());
        self.put(&[CNAME, cname.len() as u8]);
        self.put(cname);
        self.put([0_u8; 4].get(..chunk - 6 - cname.len()).unwrap_or_default());
    }

    /// Adds a goodbye.
    pub fn goodbye(&mut self, ssrc: u32) {
        self.start(GOODBYE, 1, 8);
        self.put(&ssrc.to_be_bytes());
    }

    /// The length of what was written; 0 when something found no room.
    pub fn finish(self) -> usize {
        self.len.unwrap_or(0)
    }

    fn report(&mut self, report: Option<&ReportBlock>) {
        let Some(report) = report else { return };
        let lost = report.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        self.put(&report.ssrc.to_be_bytes());
        self.put(&((u32::from(report.fraction_lost) << 24) | lost).to_be_bytes());
        self.put(&report.highest_sequence.to_be_bytes());
        self.put(&report.jitter.to_be_bytes());
        self.put(&report.last_sr.to_be_bytes());
        self.put(&report.delay_since_last_sr.to_be_bytes());
    }

    fn start(&mut self, packet_type: u8, count: u8, len: usize) {
        let [l0, l1] = ((len / 4 - 1) as u16).to_be_bytes();
        self.put(&[0x80 | count, packet_type, l0, l1]);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.len = self.len.and_then(|len| {
            let end = len + bytes.len();
            self.out.get_mut(len..end)?.copy_from_slice(bytes);
            Some(end)
        });
    }
}

/// One packet whose length fits; its contents are not read yet.
struct RawPacket<'a> {
    packet_type: u8,
    count: usize,
    padded: bool,
    /// What follows the common header.
    body: &'a [u8],
}

fn split_packet(bytes: &[u8]) -> Result<Option<(RawPacket<'_>, &[u8])>, Malformed> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let ([first, packet_type, l0, l1], rest) = bytes
        .split_first_chunk::<4>()
        .ok_or(Malformed::RtcpBeyondEnd)?;
    if first >> 6 != 2 {
        return Err(Malformed::WrongVersion);
    }
    let len = usize::from(u16::from_be_bytes([*l0, *l1])) * 4;
    let (body, rest) = rest.split_at_checked(len).ok_or(Malformed::RtcpBeyondEnd)?;
    let packet = RawPacket {
        packet_type: *packet_type,
        count: usize::from(first & 0x1f),
        padded: first & 0x20 != 0,
        body,
    };
    Ok(Some((packet, rest)))
}

impl<'a> RawPacket<'a> {
    fn read(&self) -> Result<RtcpPacket<'a>, Malformed> {
        let body = self.contents()?;
        match self.packet_type {
            SENDER_REPORT => {
                let (ssrc, body) = word(body)?;
                let (info, body) = body
                    .split_first_chunk::<20>()
                    .ok_or(Malformed::RtcpContentsBeyondEnd)?;
                let (words, _) = info.as_chunks::<4>();
                let [seconds, fraction, rtp_time, packets, octets] = *words else {
                    return Err(Malformed::RtcpContentsBeyondEnd);
                };
                let seconds = u64::from(u32::from_be_bytes(seconds)) << 32;
                let info = SenderInfo {
                    ntp_time: NtpTime(seconds | u64::from(u32::from_be_bytes(fraction))),
                    rtp_time: RtpTime::new(u32::from_be_bytes(rtp_time)),
                    packets: u32::from_be_bytes(packets),
                    octets: u32::from_be_bytes(octets),
                };
                let reports = Reports(counted(body, self.count * REPORT_LEN)?);
                Ok(RtcpPacket::SenderReport {
                    ssrc,
                    info,
                    reports,
                })
            }
            RECEIVER_REPORT => {
                let (ssrc, body) = word(body)?;
                let reports = Reports(counted(body, self.count * REPORT_LEN)?);
                Ok(RtcpPacket::ReceiverReport { ssrc, reports })
            }
            SOURCE_DESCRIPTION => {
                let cname = if self.count == 0 {
                    None
                } else {
                    first_cname(body)?
                };
                Ok(RtcpPacket::SourceDescription { cname })
            }
            GOODBYE => Ok(RtcpPacket::Goodbye {
                sources: Sources(counted(body, self.count * 4)?),
            }),
            packet_type => Ok(RtcpPacket::Unread { packet_type }),
        }
    }

    /// The body without padding.
    fn contents(&self) -> Result<&'a [u8], Malformed> {
        if !self.padded {
            return Ok(self.body);
        }
        let padding = usize::from(*self.body.last().ok_or(Malformed::RtcpPaddingMisplaced)?);
        let len = self
            .body
            .len()
            .checked_sub(padding)
            .filter(|_| padding != 0);
        len.and_then(|len| self.body.get(..len))
            .ok_or(Malformed::RtcpPaddingMisplaced)
    }
}

fn word(bytes: &[u8]) -> Result<(u32, &[u8]), Malformed> {
    let (word, rest) = bytes
        .split_first_chunk::<4>()
        .ok_or(Malformed::RtcpContentsBeyondEnd)?;
    Ok((u32::from_be_bytes(*word), rest))
}

fn counted(bytes: &[u8], len: usize) -> Result<&[u8], Malformed> {
    bytes.get(..len).ok_or(Malformed::RtcpContentsBeyondEnd)
}

/// Walks the items of the first chunk (RFC 3550 §6.5).
fn first_cname(body: &[u8]) -> Result<Option<(u32, &[u8])>, Malformed> {
    let (ssrc, mut items) = word(body)?;
    let mut cname = None;
    loop {
        let (kind, rest) = items
            .split_first()
            .ok_or(Malformed::RtcpContentsBeyondEnd)?;
        if *kind == 0 {
            return Ok(cname);
        }
        let (len, rest) = rest.split_first().ok_or(Malformed::RtcpContentsBeyondEnd)?;
        let text = counted(rest, usize::from(*len))?;
        if *kind == CNAME && cname.is_none() {
            cname = Some((ssrc, text));
        }
        items = rest.get(text.len()..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: ReportBlock = ReportBlock {
        ssrc: 7,
        fraction_lost: 64,
        cumulative_lost: -3,
        highest_sequence: 0x0002_1234,
        jitter: 55,
        last_sr: 0xaabb_ccdd,
        delay_since_last_sr: 65_536,
    };

    const INFO: SenderInfo = SenderInfo {
        ntp_time: NtpTime::from_bits(0x0102_0304_0506_0708),
        rtp_time: RtpTime::new(960),
        packets: 50,
        octets: 8_000,
    };

    fn compound(write: impl FnOnce(&mut RtcpWriter<'_>)) -> Vec<u8> {
        let mut bytes = vec![0; 200];
        let mut writer = RtcpWriter::new(&mut bytes);
        write(&mut writer);
        let len = writer.finish();
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn a_written_compound_is_read_back() {
        for cname in ["", "a", "ab", "abc", "abcd", "leg-1@bridge.example"] {
            let bytes = compound(|writer| {
                writer.sender_report(9, &INFO, Some(&BLOCK));
                writer.cname(9, cname);
                writer.goodbye(9);
            });
            assert_eq!(bytes.len() % 4, 0);
            let mut packets = parse_compound(&bytes).unwrap();
            let Some(RtcpPacket::SenderReport {
                ssrc: 9,
                info,
                mut reports,
            }) = packets.next()
            else {
                panic!("no sender report");
            };
            assert_eq!(info, INFO);
            assert_eq!(reports.next(), Some(BLOCK));
            assert_eq!(reports.next(), None);
            let description = RtcpPacket::SourceDescription {
                cname: Some((9, cname.as_bytes())),
            };
            assert_eq!(packets.next(), Some(description));
            let Some(RtcpPacket::Goodbye { sources }) = packets.next() else {
                panic!("stays")
            };
            assert_eq!(sources.collect::<Vec<_>>(), [9]);
            assert_eq!(packets.next(), None);
        }
    }

    #[test]
    fn every_lie_about_a_length_is_named() {
        let rr = |count: u8, words: u16, rest: &[u8]| {
            let [l0, l1] = words.to_be_bytes();
            let mut bytes = vec![0x80 | count, RECEIVER_REPORT, l0, l1];
            bytes.extend_from_slice(rest);
            bytes
        };
        let then = |rest: &[u8]| {
            let mut bytes = rr(0, 1, &[0; 4]);
            bytes.extend_from_slice(rest);
            bytes
        };
        let lies: [(Vec<u8>, Malformed); 15] = [
            (vec![], Malformed::Truncated),
            (vec![0x80, 201, 0, 0], Malformed::Truncated),
            (rr(0, 2, &[0; 4]), Malformed::RtcpBeyondEnd),
            (rr(1, 1, &[0; 4]), Malformed::RtcpContentsBeyondEnd),
            (rr(31, 7, &[0; 28]), Malformed::RtcpContentsBeyondEnd),
            (
                rr(0, 0, &[0x80, 201, 0, 0]),
                Malformed::RtcpContentsBeyondEnd,
            ),
            (
                vec![0x80, SENDER_REPORT, 0, 1, 0, 0, 0, 0],
                Malformed::RtcpContentsBeyondEnd,
            ),
            (
                vec![0x80, SOURCE_DESCRIPTION, 0, 1, 0, 0, 0, 0],
                Malformed::NoReportFirst,
            ),
            (
                vec![0x40, RECEIVER_REPORT, 0, 1, 0, 0, 0, 0],
                Malformed::WrongVersion,
            ),
            (then(&[0x80]), Malformed::RtcpBeyondEnd),
            (
                then(&[0x82, GOODBYE, 0, 1, 0, 0, 0, 0]),
                Malformed::RtcpContentsBeyondEnd,
            ),
            (
                then(&[0x81, SOURCE_DESCRIPTION, 0, 2, 0, 0, 0, 0, 1, 9, 0, 0]),
                Malformed::RtcpContentsBeyondEnd,
            ),
            (
                then(&[0x81, SOURCE_DESCRIPTION, 0, 2, 0, 0, 0, 0, 1, 2, 0, 0]),
                Malformed::RtcpContentsBeyondEnd,
            ),
            (
                then(&[0xa0, 204, 0, 1, 0, 0, 0, 9]),
                Malformed::RtcpPaddingMisplaced,
            ),
            (
                then(&[0xa0, 204, 0, 1, 0, 0, 0, 4, 0x80, 204, 0, 0]),
                Malformed::RtcpPaddingMisplaced,
            ),
        ];
        for (bytes, lie) in lies {
            assert_eq!(parse_compound(&bytes).err(), Some(lie), "{bytes:02x?}");
        }
    }

    #[test]
    fn nothing_is_half_written_where_there_is_no_room() {
        for room in 0..60 {
            let mut bytes = [0; 60];
            let mut writer = RtcpWriter::new(&mut bytes[..room]);
            writer.receiver_report(1, Some(&BLOCK));
            writer.cname(1, "c@example");
            assert_eq!(
                writer.finish(),
                if room < 52 { 0 } else { 52 },
                "room {room}"
            );
        }
    }

    #[test]
    fn ntp_counts_from_1900() {
        let time = NtpTime::from(Timestamp::from_micros(1_500_000));
        assert_eq!(time.as_bits() >> 32, 2_208_988_801);
        assert_eq!(time.as_bits() as u32, 0x8000_0000);
        assert_eq!(time.middle(), 0x7e81_8000);
    }
}
