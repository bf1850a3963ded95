//! A caller: a phone with a voice and an ear.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tutti_media::rtp::TelephoneEvent;
use tutti_media::{Audio, Channel, CodecError, Decoder, RtpPacket};
use tutti_model::{CallId, Codec, Format, MediaDescription, MediaFlow, Timestamp};

use crate::clock::TICK;
use crate::digest::Digest;
use crate::ear::{self, Clarity, Unclear};
use crate::network::{Impairments, Network};
use crate::packing::{Packed, Packing};
use crate::random::Random;
use crate::repertoire::{Repertoire, Sound, Speech};
use crate::rtp_stream::{COMFORT_NOISE, RtpStream, TELEPHONE_EVENT, payload_type};
use crate::transport::{Delivered, Line, SimTransport, line};
use crate::voice::{Tone, Voice, Voices};

/// How many datagrams wait for the bridge; a socket holds about as many.
pub(crate) const TO_BRIDGE: usize = 512;

/// How many wait for the phone; the bridge sends a packet or two in a tick.
pub(crate) const TO_CALLER: usize = 16;

pub(crate) const MAX_DATAGRAM: usize = 2_048;

/// The longest packet that is decoded, 120 ms at 48 kHz.
const MAX_SAMPLES: usize = 5_760;

/// The longest gap that is silence, and not another clock.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a caller is like.
pub struct CallerSetup {
    pub call: CallId,
    /// Tells the caller's address from others.
    pub number: u16,
    /// What both sides send; with in-band FEC both repair losses.
    pub format: Format,
    pub mouth: Mouth,
}

/// What a caller sends.
pub enum Mouth {
    /// Nothing at all, not even silence.
    Shut,
    Voice(Voice),
    /// A sound of its own, at any loudness.
    Tone(Tone),
    /// This once, and then encoded silence.
    Sound(Audio),
    /// These payloads over and over, whatever they are: one stands for 20 ms.
    Payloads(Rc<[Vec<u8>]>),
}

/// What a caller says, ready to be sent.
enum Saying {
    Nothing,
    Voice { voice: Voice, frames: usize },
    Speech(Box<Speech>),
    Payloads { payloads: Rc<[Vec<u8>]>, at: usize },
}

/// How a phone sends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habits {
    /// Milliseconds of audio in a packet: 10 to 60, and whole frames of 20 ms in Opus.
    pub ptime_ms: u16,
    /// How much faster its clock runs than the bridge's, in parts per million.
    pub skew_ppm: f64,
    /// How long it collects packets before it sends them all at once.
    pub chunk: Duration,
}

impl Default for Habits {
    fn default() -> Habits {
        Habits {
            ptime_ms: 20,
            skew_ppm: 0.0,
            chunk: Duration::ZERO,
        }
    }
}

/// What came from the bridge, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    pub packets: u64,
    /// Packets whose number does not follow the one before.
    pub gaps: u64,
    /// Packets whose timestamp does not follow from the audio before.
    pub steps: u64,
    /// Packets that went elsewhere than to this phone.
    pub astray: u64,
    /// The most RTP packets that came together.
    pub most_together: u64,
}

/// A key that the bridge pressed, as its packets tell of it (RFC 4733).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHeard {
    pub code: u8,
    /// The timestamp of its beginning.
    pub timestamp: u32,
    pub duration_ticks: u16,
    /// Its packets, and how many of them say that it is over.
    pub packets: u32,
    pub ends: u32,
}

/// A phone at the far end of a line.
///
/// What it sends crosses a [`Network`]. What it hears arrives as it was sent: how a phone copes with
/// a bad network is not the bridge's to promise.
pub struct Caller {
    call: CallId,
    number: u16,
    port: u16,
    format: Format,
    repertoire: Repertoire,
    saying: Saying,
    habits: Habits,
    /// How much of the phone's own time has passed, in microseconds, since its last frame.
    unsaid_us: f64,
    packing: Packing,
    /// What is collected to be sent at once, and since how many frames.
    chunk: (Vec<Vec<u8>>, u32),
    stream: RtpStream,
    uplink: Network,
    line: Line,
    /// How long after a tick this phone sends.
    phase: Duration,
    decoder: Decoder,
    /// What was heard since [`Caller::start_listening`].
    heard: Option<Vec<f32>>,
    /// A checksum of each payload that was heard.
    payloads: Vec<u64>,
    received: Received,
    keys: Vec<KeyHeard>,
    last_sequence: Option<u16>,
    /// The timestamp that follows from what has come.
    next_timestamp: Option<u32>,
    bridge_ssrc: u32,
    digest: Digest,
}

impl Caller {
    /// A caller, and the leg's end of its line.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn new(
        setup: CallerSetup,
        repertoire: &Repertoire,
        mut random: Random,
    ) -> Result<(Caller, SimTransport), CodecError> {
        let (transport, line) = line(TO_BRIDGE, TO_CALLER);
        let CallerSetup {
            call,
            number,
            format,
            mouth,
        } = setup;
        let drawn = random.bits();
        let stream = RtpStream::new(
            drawn as u32,
            (drawn >> 32) as u16,
            random.bits() as u32,
            format.codec,
        );
        let phase = TICK.mul_f64(random.fraction());
        let habits = Habits::default();
        let caller = Caller {
            call,
            number,
            port: 4_000,
            format,
            repertoire: repertoire.clone(),
            saying: saying(mouth, &format)?,
            habits,
            unsaid_us: 0.0,
            packing: Packing::new(format.codec, habits.ptime_ms),
            chunk: (Vec::new(), 0),
            stream,
            uplink: Network::new(random.fork()),
            line,
            phase,
            decoder: Decoder::new(format.codec)?,
            heard: None,
            payloads: Vec::new(),
            received: Received::default(),
            keys: Vec::new(),
            last_sequence: None,
            next_timestamp: None,
            bridge_ssrc: 0,
            digest: Digest::default(),
        };
        Ok((caller, transport))
    }

    /// Whose phone this is.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// What the phone has offered.
    pub fn description(&self) -> MediaDescription {
        let remote = self.address();
        MediaDescription {
            format: self.format,
            payload_type: payload_type(self.format.codec),
            telephone_event: Some(TELEPHONE_EVENT),
            comfort_noise: self.format.comfort_noise.then_some(COMFORT_NOISE),
            level_extension: None,
            mixer_levels_extension: None,
            remote_rtp: remote,
            remote_rtcp: remote,
            flow: MediaFlow {
                send: true,
                receive: true,
            },
        }
    }

    /// Where the phone is.
    pub fn address(&self) -> SocketAddr {
        let [high, low] = self.number.to_be_bytes();
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, high, low)), self.port)
    }

    /// Says something else from now on.
    ///
    /// # Errors
    /// When an encoder cannot be set up.
    pub fn say(&mut self, mouth: Mouth) -> Result<(), CodecError> {
        self.saying = saying(mouth, &self.format)?;
        Ok(())
    }

    /// Goes on in another format, as a re-INVITE agreed.
    ///
    /// # Errors
    /// When the codec cannot be set up.
    pub fn change_format(&mut self, format: Format, mouth: Mouth) -> Result<(), CodecError> {
        self.format = format;
        self.decoder = Decoder::new(format.codec)?;
        self.packing = Packing::new(format.codec, self.habits.ptime_ms);
        self.stream.change(&self.description());
        self.last_sequence = None;
        self.next_timestamp = None;
        self.say(mouth)
    }

    /// Sends otherwise from now on.
    pub fn behave(&mut self, habits: Habits) {
        self.habits = habits;
        self.packing = Packing::new(self.format.codec, habits.ptime_ms);
    }

    /// Sends this long after a tick from now on: less than a tick.
    pub fn set_phase(&mut self, phase: Duration) {
        self.phase = phase;
    }

    /// Presses a key (RFC 4733 §3.2).
    pub fn press(&mut self, code: u8) {
        self.packing.rest();
        self.stream.press(code);
    }

    /// Changes the network between this phone and the bridge.
    pub fn impair(&mut self, impairments: Impairments) {
        self.uplink.impair(impairments);
    }

    /// Lets nothing through until a moment, and then all at once.
    pub fn hold_up(&mut self, until: Timestamp) {
        self.uplink.hold(until);
    }

    /// Sends from another port from now on, as a phone behind a NAT does whose binding was lost.
    pub fn rebind(&mut self) {
        self.port += 2;
    }

    /// Speaks as another source from now on.
    pub fn change_ssrc(&mut self, ssrc: u32) {
        self.stream.change_ssrc(ssrc);
    }

    /// Numbers its packets anew.
    pub fn restart_sequence(&mut self, sequence: u16) {
        self.stream.restart_sequence(sequence);
    }

    /// Lets its timestamps jump, ahead or back.
    pub fn jump_timestamp(&mut self, ticks: i32) {
        self.stream.jump_timestamp(ticks);
    }

    /// Sends what was said in the tick that ends now, and hands over what has arrived.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn speak(&mut self, now: Timestamp) -> Result<(), CodecError> {
        self.talk(now)?;
        self.deliver(now);
        Ok(())
    }

    /// Sends what was said in the tick that ends now.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn talk(&mut self, now: Timestamp) -> Result<(), CodecError> {
        let tick_us = TICK.as_micros() as f64;
        let pace = 1.0 + self.habits.skew_ppm / 1e6;
        self.unsaid_us += tick_us * pace;
        // Half a nanosecond for what sums up in floating point.
        while self.unsaid_us + 5e-4 >= tick_us {
            self.unsaid_us -= tick_us;
            let ago = Duration::from_nanos((self.unsaid_us.max(0.0) / pace * 1e3) as u64);
            let ended = Timestamp::from_micros(now.as_micros() - ago.as_micros() as i64);
            self.talk_a_frame(ended + self.phase)?;
        }
        Ok(())
    }

    /// Hands over what has arrived by now.
    pub fn deliver(&mut self, now: Timestamp) {
        let from = self.address();
        while let Some((arrived, datagram)) = self.uplink.arrive(now) {
            self.line.deliver(Channel::Rtp, from, arrived, &datagram);
        }
    }

    fn talk_a_frame(&mut self, ended: Timestamp) -> Result<(), CodecError> {
        let codec = self.format.codec;
        let payload: Option<Rc<[u8]>> = match &mut self.saying {
            Saying::Nothing => None,
            Saying::Voice { voice, frames } => {
                *frames += 1;
                Some(self.repertoire.payload(codec, *voice, *frames - 1)?)
            }
            Saying::Speech(speech) => Some(speech.payload()?),
            Saying::Payloads { payloads, at } => {
                *at += 1;
                let turn = (*at - 1) % payloads.len().max(1);
                let payload = payloads.get(turn).cloned().unwrap_or_default();
                let packet = self.stream.audio(&payload, codec.clock_rate() / 50);
                self.post(ended, packet);
                return Ok(());
            }
        };
        if self.stream.is_pressed() {
            if let Some(packet) = self.stream.key() {
                self.post(ended, packet);
            }
        } else if let Some(payload) = payload.filter(|payload| !payload.is_empty()) {
            let before = self.packing.add(&payload);
            before
                .into_iter()
                .for_each(|packed| self.send(ended, packed));
            while let Some(packed) = self.packing.next() {
                self.send(ended, packed);
            }
        } else {
            if let Some(packed) = self.packing.rest() {
                self.send(ended, packed);
            }
            self.stream.skip();
        }
        self.close_chunk(ended);
        Ok(())
    }

    fn send(&mut self, ended: Timestamp, packed: Packed) {
        let Packed {
            payload,
            ticks,
            ticks_ago,
        } = packed;
        let clock = i64::from(self.format.codec.clock_rate());
        let ago_us = i64::from(ticks_ago) * 1_000_000 / clock;
        let packet = self.stream.audio(&payload, ticks);
        self.post(Timestamp::from_micros(ended.as_micros() - ago_us), packet);
    }

    fn post(&mut self, at: Timestamp, packet: Vec<u8>) {
        if self.habits.chunk.is_zero() {
            self.uplink.send(at, packet);
        } else {
            self.chunk.0.push(packet);
        }
    }

    /// Sends what has been collected, when it is time.
    fn close_chunk(&mut self, now: Timestamp) {
        self.chunk.1 += 1;
        if TICK * self.chunk.1 >= self.habits.chunk {
            let packets = std::mem::take(&mut self.chunk.0);
            packets
                .into_iter()
                .for_each(|packet| self.uplink.send(now, packet));
            self.chunk.1 = 0;
        }
    }

    /// Keeps a copy of everything that reaches the bridge's machine from now on.
    pub(crate) fn record(&mut self) {
        self.line.record();
    }

    /// Takes what has been kept.
    pub(crate) fn recorded(&mut self) -> Vec<Delivered> {
        self.line.recorded()
    }

    /// Sends a report about what was heard.
    pub fn report(&mut self, now: Timestamp) {
        let last = self.last_sequence.unwrap_or_default();
        let report = self.stream.receiver_report(self.bridge_ssrc, last);
        self.line
            .deliver(Channel::Rtcp, self.address(), now, &report);
    }

    /// Sends a datagram that means nothing.
    pub fn send_raw(&mut self, now: Timestamp, datagram: &[u8]) {
        self.line
            .deliver(Channel::Rtp, self.address(), now, datagram);
    }

    /// Somebody at any address sends a datagram to this phone's leg.
    pub fn send_from(&mut self, now: Timestamp, from: SocketAddr, datagram: &[u8]) {
        self.line.deliver(Channel::Rtp, from, now, datagram);
    }

    /// Keeps what is heard from now on.
    pub fn start_listening(&mut self) {
        self.heard = Some(Vec::new());
        self.payloads.clear();
    }

    /// A checksum of each payload that was heard since then.
    pub fn payloads(&self) -> &[u64] {
        &self.payloads
    }

    /// Takes what was heard since the last time, and listens on.
    pub fn take_heard(&mut self) -> Vec<f32> {
        self.heard.replace(Vec::new()).unwrap_or_default()
    }

    /// Takes what the bridge has sent. Where it has sent nothing for a while, and says so in its
    /// timestamps, there is silence, or what the codec puts in its place.
    ///
    /// # Errors
    /// When the bridge has sent something that is not audio.
    pub fn hear(&mut self) -> Result<(), CodecError> {
        let mut buffer = [0; MAX_DATAGRAM];
        let mut together = 0;
        while let Some((channel, to, len)) = self.line.collect(&mut buffer) {
            let datagram = buffer.get(..len).unwrap_or_default();
            self.digest.add(datagram);
            if to != self.address() {
                self.received.astray += 1;
                continue;
            }
            match (channel, RtpPacket::parse(datagram)) {
                (Channel::Rtp, Ok(packet)) => {
                    together += 1;
                    self.hear_packet(&packet)?;
                }
                // Reports are no sound.
                (Channel::Rtp, Err(_)) | (Channel::Rtcp, _) => {}
            }
        }
        self.received.most_together = self.received.most_together.max(together);
        Ok(())
    }

    fn hear_packet(&mut self, packet: &RtpPacket<'_>) -> Result<(), CodecError> {
        if packet.ssrc() != self.bridge_ssrc {
            self.next_timestamp = None;
            self.last_sequence = None;
        }
        let expected = self.last_sequence.map(|last| last.wrapping_add(1));
        if expected.is_some_and(|expected| expected != packet.sequence_number()) {
            self.received.gaps += 1;
        }
        self.received.packets += 1;
        self.last_sequence = Some(packet.sequence_number());
        self.bridge_ssrc = packet.ssrc();
        if packet.payload_type() == TELEPHONE_EVENT {
            self.hear_key(packet);
        }
        if packet.payload_type() != payload_type(self.format.codec) {
            return Ok(());
        }
        let codec = self.format.codec;
        let rate = self.decoder.sample_rate_hz();
        let per_tick = |samples: u32| samples * (codec.clock_rate() / 1_000) / (rate / 1_000);
        let gap = self
            .next_timestamp
            .map_or(0, |next| packet.timestamp().as_u32().wrapping_sub(next));
        let gap_samples = gap as usize * rate as usize / codec.clock_rate() as usize;
        if gap != 0 {
            self.received.steps += 1;
            if gap_samples < (LONGEST_PAUSE.as_secs() as usize) * rate as usize {
                self.hear_a_pause(gap_samples);
            }
        }
        let mut samples = [0.0; MAX_SAMPLES];
        let len = self.decoder.decode(packet.payload(), &mut samples)?;
        if let Some(heard) = &mut self.heard {
            heard.extend(samples.get(..len).unwrap_or_default());
            let mut digest = Digest::default();
            digest.add(packet.payload());
            self.payloads.push(digest.value());
        }
        self.next_timestamp = Some(
            packet
                .timestamp()
                .as_u32()
                .wrapping_add(per_tick(len as u32)),
        );
        Ok(())
    }

    fn hear_key(&mut self, packet: &RtpPacket<'_>) {
        let Ok(event) = TelephoneEvent::parse(packet.payload()) else {
            return;
        };
        let timestamp = packet.timestamp().as_u32();
        let same = |key: &&mut KeyHeard| key.timestamp == timestamp && key.code == event.code;
        match self.keys.last_mut().filter(same) {
            Some(key) => {
                key.duration_ticks = key.duration_ticks.max(event.duration_ticks);
                key.packets += 1;
                key.ends += u32::from(event.end);
            }
            None => self.keys.push(KeyHeard {
                code: event.code,
                timestamp,
                duration_ticks: event.duration_ticks,
                packets: 1,
                ends: u32::from(event.end),
            }),
        }
    }

    fn hear_a_pause(&mut self, samples: usize) {
        let mut pause = vec![0.0; samples];
        if self.format.codec == Codec::Opus {
            pause
                .chunks_mut(MAX_SAMPLES / 6)
                .for_each(|part| self.decoder.conceal(part));
        }
        if let Some(heard) = &mut self.heard {
            heard.append(&mut pause);
        }
    }

    /// What was heard since [`Caller::start_listening`], at [`Caller::rate_hz`].
    pub fn heard(&self) -> &[f32] {
        self.heard.as_deref().unwrap_or_default()
    }

    /// Samples in a second of what is heard.
    pub fn rate_hz(&self) -> u32 {
        self.decoder.sample_rate_hz()
    }

    /// The voices that were heard since [`Caller::start_listening`].
    ///
    /// # Errors
    /// When a voice is neither there nor absent.
    pub fn voices(&self, clarity: Clarity) -> Result<Voices, Unclear> {
        ear::voices_in(self.heard(), self.rate_hz(), clarity)
    }

    /// The keys that the bridge has pressed, in order.
    pub fn keys(&self) -> &[KeyHeard] {
        &self.keys
    }

    /// How many packets came from the bridge, and how many did not follow their predecessor.
    pub fn packets_and_gaps(&self) -> (u64, u64) {
        (self.received.packets, self.received.gaps)
    }

    /// What came from the bridge, counted.
    pub fn received(&self) -> Received {
        self.received
    }

    /// Counts anew what comes from the bridge.
    pub fn forget_received(&mut self) {
        self.received = Received::default();
    }

    /// A checksum of every byte that came from the bridge.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }
}

fn saying(mouth: Mouth, format: &Format) -> Result<Saying, CodecError> {
    let speech = |sound| Speech::new(sound, format).map(Box::new);
    Ok(match mouth {
        Mouth::Shut => Saying::Nothing,
        Mouth::Voice(voice) => Saying::Voice { voice, frames: 0 },
        Mouth::Tone(tone) => Saying::Speech(speech(Sound::Tone(tone))?),
        Mouth::Sound(audio) => Saying::Speech(speech(Sound::Once { audio, at: 0 })?),
        Mouth::Payloads(payloads) => Saying::Payloads { payloads, at: 0 },
    })
}
