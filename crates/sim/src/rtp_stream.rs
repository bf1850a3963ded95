//! What a caller's phone puts on the wire.
//!
//! Written from RFC 3550 and RFC 4733 and not with the bridge's own writer, so that a mistake there
//! does not hide itself.

use tutti_model::{Codec, MediaDescription};

/// A phone's packets.
#[derive(Debug, Clone)]
pub(crate) struct RtpStream {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    payload_type: u8,
    telephone_event: u8,
    frame_ticks: u32,
    /// The next packet of audio begins a talkspurt.
    marker: bool,
    press: Option<Press>,
}

/// A key that is held down.
#[derive(Debug, Clone, Copy)]
struct Press {
    code: u8,
    start: u32,
    duration_ticks: u16,
    /// Packets that are left; the last three say that the key is released.
    packets_left: u8,
}

/// How many packets a press takes: 80 ms held, and the end thrice.
const PACKETS_PER_PRESS: u8 = 7;

const ENDS_PER_PRESS: u8 = 3;

impl RtpStream {
    pub(crate) fn new(ssrc: u32, sequence: u16, timestamp: u32, codec: Codec) -> RtpStream {
        RtpStream {
            ssrc,
            sequence,
            timestamp,
            payload_type: payload_type(codec),
            telephone_event: TELEPHONE_EVENT,
            frame_ticks: codec.clock_rate() / 50,
            marker: true,
            press: None,
        }
    }

    /// Goes on in another format.
    pub(crate) fn change(&mut self, description: &MediaDescription) {
        self.payload_type = description.payload_type;
        self.telephone_event = description.telephone_event.unwrap_or(TELEPHONE_EVENT);
        self.frame_ticks = description.format.codec.clock_rate() / 50;
        self.marker = true;
    }

    /// Presses a key; it takes the place of audio while it lasts.
    pub(crate) fn press(&mut self, code: u8) {
        self.press = Some(Press {
            code,
            start: self.timestamp,
            duration_ticks: 0,
            packets_left: PACKETS_PER_PRESS,
        });
    }

    /// Whether a key is held down.
    pub(crate) fn is_pressed(&self) -> bool {
        self.press.is_some()
    }

    /// A packet of this frame's key, if one is held down.
    pub(crate) fn key(&mut self) -> Option<Vec<u8>> {
        let press = self.press.take()?;
        let packet = self.event(press);
        self.timestamp = self.timestamp.wrapping_add(self.frame_ticks);
        Some(packet)
    }

    /// A packet of audio that takes this long on the RTP clock.
    pub(crate) fn audio(&mut self, audio: &[u8], ticks: u32) -> Vec<u8> {
        let marker = std::mem::take(&mut self.marker);
        let packet = self.packet(self.payload_type, marker, self.timestamp, audio);
        self.timestamp = self.timestamp.wrapping_add(ticks);
        packet
    }

    /// A frame without a packet.
    pub(crate) fn skip(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(self.frame_ticks);
        self.marker = true;
    }

    /// Speaks as another source from now on (RFC 3550 §8).
    pub(crate) fn change_ssrc(&mut self, ssrc: u32) {
        self.ssrc = ssrc;
    }

    /// Goes on with another number.
    pub(crate) fn restart_sequence(&mut self, sequence: u16) {
        self.sequence = sequence;
    }

    /// Goes on this much later on the RTP clock, or earlier.
    pub(crate) fn jump_timestamp(&mut self, ticks: i32) {
        self.timestamp = self.timestamp.wrapping_add_signed(ticks);
    }

    /// A receiver report with a CNAME about the bridge's stream (RFC 3550 §6.4.2, §6.5).
    pub(crate) fn receiver_report(&self, source: u32, highest_sequence: u16) -> Vec<u8> {
        let mut report = vec![0x81, 201, 0, 7];
        report.extend(self.ssrc.to_be_bytes());
        report.extend(source.to_be_bytes());
        report.extend([0; 4]);
        report.extend(u32::from(highest_sequence).to_be_bytes());
        report.extend([0; 12]);
        report.extend([0x81, 202, 0, 3]);
        report.extend(self.ssrc.to_be_bytes());
        report.extend([1, 5]);
        report.extend(b"a@sim");
        report.push(0);
        report
    }

    fn event(&mut self, mut press: Press) -> Vec<u8> {
        let first = press.packets_left == PACKETS_PER_PRESS;
        let end = press.packets_left <= ENDS_PER_PRESS;
        if press.packets_left >= ENDS_PER_PRESS {
            press.duration_ticks = press.duration_ticks.saturating_add(self.frame_ticks as u16);
        }
        let [d0, d1] = press.duration_ticks.to_be_bytes();
        let payload = [press.code, if end { 0x8a } else { 0x0a }, d0, d1];
        press.packets_left -= 1;
        if press.packets_left > 0 {
            self.press = Some(press);
        } else {
            self.marker = true;
        }
        self.packet(self.telephone_event, first, press.start, &payload)
    }

    fn packet(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type | if marker { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }
}

/// The payload type of key presses.
pub(crate) const TELEPHONE_EVENT: u8 = 101;

/// The payload type of a codec's audio.
pub(crate) fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::L16At16 => 97,
        Codec::L16At48 => 98,
        Codec::Opus => 111,
    }
}

/// The payload type of comfort noise (RFC 3389 §4).
pub(crate) const COMFORT_NOISE: u8 = 13;
