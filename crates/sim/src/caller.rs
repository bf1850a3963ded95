//! A caller: a phone with a voice and an ear.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tutti_media::{Channel, CodecError, Decoder, RtpPacket};
use tutti_model::{CallId, Codec, Format, MediaDescription, MediaFlow, Timestamp};

use crate::clock::TICK;
use crate::digest::Digest;
use crate::ear::{self, Clarity, Unclear};
use crate::network::{Impairments, Network};
use crate::random::Random;
use crate::repertoire::{Repertoire, Speech};
use crate::rtp_stream::{RtpStream, TELEPHONE_EVENT, payload_type};
use crate::transport::{Line, SimTransport, line};
use crate::voice::{Tone, Voice, Voices};

/// How many datagrams wait on a caller's line; more than come in a tick of any network here.
const LINE_CAPACITY: usize = 32;

const MAX_DATAGRAM: usize = 1_500;

/// The longest packet that is decoded, 120 ms at 48 kHz.
const MAX_SAMPLES: usize = 5_760;

/// What a caller is like.
pub struct CallerSetup {
    pub call: CallId,
    /// Tells the caller's address from others.
    pub number: u16,
    pub codec: Codec,
    /// Both sides repair losses with in-band FEC, where the codec can.
    pub fec: bool,
    pub mouth: Mouth,
}

/// What a caller sends.
pub enum Mouth {
    /// Nothing at all, not even silence.
    Shut,
    Voice(Voice),
    /// A sound of its own, at any loudness.
    Tone(Tone),
}

/// What a caller says, ready to be sent.
enum Saying {
    Nothing,
    Voice { voice: Voice, frames: usize },
    Tone(Box<Speech>),
}

/// A phone at the far end of a line.
///
/// What it sends crosses a [`Network`]. What it hears arrives as it was sent: how a phone copes with
/// a bad network is not the bridge's to promise.
pub struct Caller {
    call: CallId,
    number: u16,
    codec: Codec,
    fec: bool,
    repertoire: Repertoire,
    saying: Saying,
    stream: RtpStream,
    uplink: Network,
    line: Line,
    /// How long after a tick this phone sends.
    phase: Duration,
    decoder: Decoder,
    /// What was heard since [`Caller::start_listening`].
    heard: Option<Vec<f32>>,
    packets: u64,
    /// Packets whose number does not follow the one before.
    gaps: u64,
    last_sequence: Option<u16>,
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
        let (transport, line) = line(LINE_CAPACITY);
        let CallerSetup {
            call,
            number,
            codec,
            fec,
            mouth,
        } = setup;
        let drawn = random.bits();
        let stream = RtpStream::new(
            drawn as u32,
            (drawn >> 32) as u16,
            random.bits() as u32,
            codec,
        );
        let phase = TICK.mul_f64(random.fraction());
        let caller = Caller {
            call,
            number,
            codec,
            fec,
            repertoire: repertoire.clone(),
            saying: saying(mouth, &format(codec, fec))?,
            stream,
            uplink: Network::new(random.fork()),
            line,
            phase,
            decoder: Decoder::new(codec)?,
            heard: None,
            packets: 0,
            gaps: 0,
            last_sequence: None,
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
            format: format(self.codec, self.fec),
            payload_type: payload_type(self.codec),
            telephone_event: Some(TELEPHONE_EVENT),
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
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, high, low)), 4_000)
    }

    /// Says something else from now on.
    ///
    /// # Errors
    /// When an encoder cannot be set up.
    pub fn say(&mut self, mouth: Mouth) -> Result<(), CodecError> {
        self.saying = saying(mouth, &format(self.codec, self.fec))?;
        Ok(())
    }

    /// Goes on in another codec, as a re-INVITE agreed.
    ///
    /// # Errors
    /// When the codec cannot be set up.
    pub fn change_codec(&mut self, codec: Codec, mouth: Mouth) -> Result<(), CodecError> {
        self.codec = codec;
        self.decoder = Decoder::new(codec)?;
        self.stream.change(&self.description());
        self.last_sequence = None;
        self.say(mouth)
    }

    /// Presses a key (RFC 4733 §3.2).
    pub fn press(&mut self, code: u8) {
        self.stream.press(code);
    }

    /// Changes the network between this phone and the bridge.
    pub fn impair(&mut self, impairments: Impairments) {
        self.uplink.impair(impairments);
    }

    /// Sends the packet of the tick that ends now, and hands over what has arrived.
    ///
    /// # Errors
    /// When a codec does not do its work.
    pub fn speak(&mut self, now: Timestamp) -> Result<(), CodecError> {
        let payload = match &mut self.saying {
            Saying::Nothing => None,
            Saying::Voice { voice, frames } => {
                *frames += 1;
                Some(self.repertoire.payload(self.codec, *voice, *frames - 1)?)
            }
            Saying::Tone(speech) => Some(speech.payload()?),
        };
        match payload {
            Some(payload) => {
                let packet = self.stream.next(&payload);
                self.uplink.send(now + self.phase, packet);
            }
            None => self.stream.skip(),
        }
        let from = self.address();
        while let Some((arrived, datagram)) = self.uplink.arrive(now) {
            self.line.deliver(Channel::Rtp, from, arrived, &datagram);
        }
        Ok(())
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

    /// Keeps what is heard from now on.
    pub fn start_listening(&mut self) {
        self.heard = Some(Vec::new());
    }

    /// Takes what the bridge has sent.
    ///
    /// # Errors
    /// When the bridge has sent something that is not audio.
    pub fn hear(&mut self) -> Result<(), CodecError> {
        let mut buffer = [0; MAX_DATAGRAM];
        while let Some((channel, _, len)) = self.line.collect(&mut buffer) {
            let datagram = buffer.get(..len).unwrap_or_default();
            self.digest.add(datagram);
            match (channel, RtpPacket::parse(datagram)) {
                (Channel::Rtp, Ok(packet)) => {
                    self.packets += 1;
                    let expected = self.last_sequence.map(|last| last.wrapping_add(1));
                    if expected.is_some_and(|expected| expected != packet.sequence_number()) {
                        self.gaps += 1;
                    }
                    self.last_sequence = Some(packet.sequence_number());
                    self.bridge_ssrc = packet.ssrc();
                    if packet.payload_type() == payload_type(self.codec) {
                        decode(&mut self.decoder, packet.payload(), &mut self.heard)?;
                    }
                }
                // Reports are no sound.
                (Channel::Rtp, Err(_)) | (Channel::Rtcp, _) => {}
            }
        }
        Ok(())
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

    /// How many packets came from the bridge, and how many did not follow their predecessor.
    pub fn packets_and_gaps(&self) -> (u64, u64) {
        (self.packets, self.gaps)
    }

    /// A checksum of every byte that came from the bridge.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }
}

fn format(codec: Codec, fec: bool) -> Format {
    Format {
        fec,
        ..Format::plain(codec)
    }
}

fn saying(mouth: Mouth, format: &Format) -> Result<Saying, CodecError> {
    Ok(match mouth {
        Mouth::Shut => Saying::Nothing,
        Mouth::Voice(voice) => Saying::Voice { voice, frames: 0 },
        Mouth::Tone(tone) => Saying::Tone(Box::new(Speech::new(tone, format)?)),
    })
}

/// Decodes a payload, and keeps it where somebody listens.
fn decode(
    decoder: &mut Decoder,
    payload: &[u8],
    heard: &mut Option<Vec<f32>>,
) -> Result<(), CodecError> {
    let mut samples = [0.0; MAX_SAMPLES];
    let len = decoder.decode(payload, &mut samples)?;
    if let Some(heard) = heard {
        heard.extend(samples.get(..len).unwrap_or_default());
    }
    Ok(())
}
