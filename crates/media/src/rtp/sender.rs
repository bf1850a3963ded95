//! The outbound side of a leg: one packet per tick under the leg's own SSRC and timing.

use tutti_model::{Codec, Timestamp};

use super::{Header, NtpTime, ReportBlock, RtcpWriter, RtpTime, SenderInfo, write_header};

/// Ticks of the bridge in a second.
const FRAMES_PER_SECOND: u32 = 50;

/// Numbers and stamps the packets of one stream.
#[derive(Debug, Clone)]
pub struct Sender {
    ssrc: u32,
    payload_type: u8,
    next_sequence: u16,
    /// The timestamp of the frame that comes next.
    next_timestamp: RtpTime,
    frame_ticks: u32,
    /// The next packet begins a talkspurt.
    start_of_talkspurt: bool,
    packets: u32,
    octets: u32,
}

impl Sender {
    /// A stream that begins with these numbers, drawn by whoever builds it.
    pub fn new(
        ssrc: u32,
        first_seq: u16,
        first_timestamp: u32,
        payload_type: u8,
        codec: Codec,
    ) -> Sender {
        Sender {
            ssrc,
            payload_type,
            next_sequence: first_seq,
            next_timestamp: RtpTime::new(first_timestamp),
            frame_ticks: codec.clock_rate() / FRAMES_PER_SECOND,
            start_of_talkspurt: true,
            packets: 0,
            octets: 0,
        }
    }

    /// The stream's source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Packets sent so far.
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Writes the packet of one frame and goes on to the next. Returns its length, or 0 where there
    /// is no room; time goes on even then.
    pub fn packetize(&mut self, payload: &[u8], marker: bool, out: &mut [u8]) -> usize {
        let header = Header {
            marker: marker || self.start_of_talkspurt,
            payload_type: self.payload_type,
            sequence_number: self.next_sequence,
            timestamp: self.next_timestamp,
            ssrc: self.ssrc,
        };
        let len = write_header(&header, out);
        let Some(body) = out.get_mut(len..len + payload.len()).filter(|_| len > 0) else {
            self.skip();
            return 0;
        };
        body.copy_from_slice(payload);
        self.start_of_talkspurt = false;
        self.next_sequence = self.next_sequence.wrapping_add(1);
        self.next_timestamp = self.next_timestamp.plus(self.frame_ticks);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        len + payload.len()
    }

    /// Lets a frame pass without a packet: the next one begins a talkspurt.
    pub fn skip(&mut self) {
        self.next_timestamp = self.next_timestamp.plus(self.frame_ticks);
        self.start_of_talkspurt = true;
    }

    /// Writes a compound packet: a sender report, or a receiver report while nothing was sent, and
    /// the CNAME. Returns its length, or 0 where there is no room.
    pub fn sender_report(
        &mut self,
        now: Timestamp,
        cname: &str,
        report: Option<ReportBlock>,
        out: &mut [u8],
    ) -> usize {
        let mut writer = RtcpWriter::new(out);
        self.write_report(now, cname, report, &mut writer);
        writer.finish()
    }

    /// Writes the last compound packet of the stream, which ends with a goodbye.
    pub fn goodbye(&mut self, now: Timestamp, cname: &str, out: &mut [u8]) -> usize {
        let mut writer = RtcpWriter::new(out);
        self.write_report(now, cname, None, &mut writer);
        writer.goodbye(self.ssrc);
        writer.finish()
    }

    fn write_report(
        &self,
        now: Timestamp,
        cname: &str,
        report: Option<ReportBlock>,
        writer: &mut RtcpWriter<'_>,
    ) {
        if self.packets == 0 {
            writer.receiver_report(self.ssrc, report.as_ref());
        } else {
            let info = SenderInfo {
                ntp_time: NtpTime::from(now),
                rtp_time: self.next_timestamp,
                packets: self.packets,
                octets: self.octets,
            };
            writer.sender_report(self.ssrc, &info, report.as_ref());
        }
        writer.cname(self.ssrc, cname);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RtcpPacket, RtpPacket, parse_compound};
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn time_and_number_go_on_over_the_wrap_around() {
        let mut sender = Sender::new(1, 0xffff, 0xffff_ffff, 0, Codec::Pcmu);
        let mut out = [0; 200];
        let mut sent = Vec::new();
        for _ in 0..3 {
            let len = sender.packetize(&[0xff; 160], false, &mut out);
            assert_eq!(len, 172);
            sent.push(RtpPacket::parse(&out[..len]).unwrap().header());
        }
        let numbers: Vec<_> = sent.iter().map(|header| header.sequence_number).collect();
        let stamps: Vec<_> = sent
            .iter()
            .map(|header| header.timestamp.as_u32())
            .collect();
        let markers: Vec<_> = sent.iter().map(|header| header.marker).collect();
        assert_eq!(numbers, [0xffff, 0, 1]);
        assert_eq!(stamps, [0xffff_ffff, 159, 319]);
        assert_eq!(markers, [true, false, false]);
    }

    #[test]
    fn after_a_skipped_frame_the_next_packet_is_marked_and_numbered_without_a_gap() {
        let mut sender = Sender::new(1, 5, 0, 111, Codec::Opus);
        let mut out = [0; 200];
        sender.packetize(b"a", false, &mut out);
        sender.skip();
        let len = sender.packetize(b"b", false, &mut out);
        let header = RtpPacket::parse(&out[..len]).unwrap().header();
        assert_eq!(
            (header.sequence_number, header.timestamp.as_u32()),
            (6, 1_920)
        );
        assert!(header.marker);
    }

    #[test]
    fn a_packet_without_room_is_not_sent_but_time_goes_on() {
        let mut sender = Sender::new(1, 5, 0, 111, Codec::Opus);
        assert_eq!(sender.packetize(b"abc", false, &mut [0; 14]), 0);
        assert_eq!(sender.packetize(b"abc", false, &mut []), 0);
        let mut out = [0; 15];
        assert_eq!(sender.packetize(b"abc", false, &mut out), 15);
        let header = RtpPacket::parse(&out).unwrap().header();
        assert_eq!(
            (header.sequence_number, header.timestamp.as_u32()),
            (5, 1_920)
        );
    }

    #[test]
    fn who_has_sent_nothing_sends_a_receiver_report() {
        let mut sender = Sender::new(1, 5, 0, 0, Codec::Pcmu);
        let mut out = [0; 100];
        let len = sender.sender_report(NOW, "a@b", None, &mut out);
        let first = parse_compound(&out[..len]).unwrap().next();
        assert!(matches!(
            first,
            Some(RtcpPacket::ReceiverReport { ssrc: 1, .. })
        ));

        let mut packet = [0; 200];
        sender.packetize(&[0; 160], false, &mut packet);
        let len = sender.sender_report(NOW, "a@b", None, &mut out);
        let first = parse_compound(&out[..len]).unwrap().next();
        let Some(RtcpPacket::SenderReport { info, .. }) = first else {
            panic!("no report")
        };
        assert_eq!((info.packets, info.octets), (1, 160));
        assert_eq!(info.rtp_time.as_u32(), 160);

        let len = sender.goodbye(NOW, "a@b", &mut out);
        let last = parse_compound(&out[..len]).unwrap().last();
        assert!(matches!(last, Some(RtcpPacket::Goodbye { .. })));
    }
}
