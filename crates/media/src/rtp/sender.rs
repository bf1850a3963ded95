//! The outbound side of a leg: one packet per tick under the leg's own SSRC and timing.

use tutti_model::{Codec, Timestamp};

use super::digit_sender::HELD_FRAMES;
use super::{
    Header, NtpTime, PacketExtras, Press, ReportBlock, RtcpWriter, RtpTime, SenderInfo,
    TelephoneEvent, write_header, write_mixed_header,
};

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
    /// Where the event that is being sent begins.
    event_start: RtpTime,
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
            event_start: RtpTime::new(first_timestamp),
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
        let header = self.header(self.payload_type, marker);
        let len = write_header(&header, out);
        self.finish(len, payload, out)
    }

    /// The same with contributors and their levels in the header; [`MAX_HEADER`](super::MAX_HEADER)
    /// is the room that it may take.
    pub fn packetize_mixed(
        &mut self,
        payload: &[u8],
        marker: bool,
        extras: &PacketExtras<'_>,
        out: &mut [u8],
    ) -> usize {
        self.packetize_as(self.payload_type, payload, marker, extras, out)
    }

    /// The same with another payload type, as comfort noise has.
    pub fn packetize_as(
        &mut self,
        payload_type: u8,
        payload: &[u8],
        marker: bool,
        extras: &PacketExtras<'_>,
        out: &mut [u8],
    ) -> usize {
        let header = self.header(payload_type, marker);
        let len = write_mixed_header(&header, extras, out);
        self.finish(len, payload, out)
    }

    /// Writes a key's packet in place of a frame's audio (RFC 4733 §2.5.1): all of one press have
    /// the timestamp of its beginning, and audio goes on afterwards as a new talkspurt. Returns its
    /// length, or 0 where there is no room.
    pub fn packetize_press(&mut self, payload_type: u8, press: Press, out: &mut [u8]) -> usize {
        if press.is_first() {
            self.event_start = self.next_timestamp;
        }
        let event = TelephoneEvent {
            code: press.digit.event(),
            end: press.is_end(),
            duration_ticks: (press.held_frames() * self.frame_ticks) as u16,
        };
        let header = Header {
            marker: press.is_first(),
            timestamp: self.event_start,
            ..self.header(payload_type, false)
        };
        let len = write_header(&header, out);
        let len = self.finish(len, &event.to_bytes(), out);
        self.start_of_talkspurt = true;
        len
    }

    /// What the next packet says of itself.
    fn header(&self, payload_type: u8, marker: bool) -> Header {
        Header {
            marker: marker || self.start_of_talkspurt,
            payload_type,
            sequence_number: self.next_sequence,
            timestamp: self.next_timestamp,
            ssrc: self.ssrc,
        }
    }

    /// Appends the payload to a header of this length, which is 0 where it had no room.
    fn finish(&mut self, len: usize, payload: &[u8], out: &mut [u8]) -> usize {
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

// The longest event that the fastest clock counts, in the 16 bits of its duration.
const _: () = assert!(HELD_FRAMES * 48_000 / FRAMES_PER_SECOND <= 0xffff);

#[cfg(test)]
mod tests {
    use tutti_model::{AudioLevel, Digit};

    use super::super::{Contributor, DigitSender, RtcpPacket, RtpPacket, parse_compound};
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
    fn comfort_noise_and_mixed_packets_are_of_the_same_stream() {
        let mut sender = Sender::new(1, 5, 0, 0, Codec::Pcmu);
        let contributors = [Contributor {
            ssrc: 9,
            level: AudioLevel::from_minus_dbov(20),
        }];
        let extras = PacketExtras {
            contributors: &contributors,
            mixer_levels_extension: Some(2),
        };
        let mut out = [0; 300];
        let len = sender.packetize_mixed(&[0xff; 160], false, &extras, &mut out);
        let mixed = RtpPacket::parse(&out[..len]).unwrap();
        assert_eq!((mixed.payload_type(), mixed.payload().len()), (0, 160));
        assert_eq!(mixed.csrcs().collect::<Vec<_>>(), [9]);
        assert_eq!(mixed.extension(2), Some(&[20][..]));

        let len = sender.packetize_as(13, &[60], false, &PacketExtras::default(), &mut out);
        assert_eq!(len, 13);
        let noise = RtpPacket::parse(&out[..len]).unwrap();
        assert_eq!((noise.payload_type(), noise.payload()), (13, &[60][..]));
        assert_eq!(
            (noise.sequence_number(), noise.timestamp().as_u32()),
            (6, 160)
        );
        assert_eq!(sender.octets, 161);
    }

    #[test]
    fn a_press_goes_out_as_the_rfc_says_and_time_goes_on_behind_it() {
        let mut sender = Sender::new(1, 5, 1_000, 0, Codec::Pcmu);
        let mut digits = DigitSender::default();
        assert!(digits.press(Digit::from_char('#').unwrap()));
        let mut out = [0; 200];
        sender.packetize(&[0xff; 160], false, &mut out);
        let mut sent = Vec::new();
        for _ in 0..8 {
            let len = match digits.tick() {
                Some(press) => sender.packetize_press(101, press, &mut out),
                None => sender.packetize(&[0xff; 160], false, &mut out),
            };
            let packet = RtpPacket::parse(&out[..len]).unwrap();
            sent.push((packet.header(), packet.payload().to_vec()));
        }
        let durations = [160_u16, 320, 480, 640, 800, 800, 800];
        for (n, duration) in durations.into_iter().enumerate() {
            let (header, payload) = &sent[n];
            assert_eq!(header.payload_type, 101);
            assert_eq!(header.marker, n == 0);
            assert_eq!(header.sequence_number, 6 + n as u16);
            assert_eq!(header.timestamp.as_u32(), 1_160);
            let flags = if n >= 4 { 0x80 | 10 } else { 10 };
            let [d0, d1] = duration.to_be_bytes();
            assert_eq!(payload, &[11, flags, d0, d1]);
        }
        let (audio, _) = &sent[7];
        assert!(audio.marker);
        assert_eq!(audio.payload_type, 0);
        assert_eq!(audio.sequence_number, 13);
        assert_eq!(audio.timestamp.as_u32(), 1_000 + 8 * 160);
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
