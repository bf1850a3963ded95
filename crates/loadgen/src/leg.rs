//! What does a caller send and hear, 20 ms after 20 ms?
//!
//! A leg lives on one pacer thread. Everything others may know of it is in its [`Desk`].

use std::fs::File;
use std::io::{self, BufWriter};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hound::{SampleFormat, WavSpec, WavWriter};
use rtp::header::Header;
use rtp::packet::Packet;
use tutti_model::Codec;
use webrtc_util::marshal::{Marshal, MarshalSize, Unmarshal};

use crate::arrivals::{Arrival, Arrivals, Counters, Verdict};
use crate::codec::{Decoder, Encoder, pcm_rate_hz, to_i16};
use crate::datagram;
use crate::ear::{Ear, Heard, Vocabulary};
use crate::histogram::Histogram;
use crate::pip::{PipEar, PipRota, PipSender};
use crate::residue::{Residue, ResidueMeter};
use crate::timeline::{Cell, Timeline};
use crate::voice::{Manner, Talker, Voice};

/// The time between two packets.
pub(crate) const PTIME: Duration = Duration::from_millis(20);

/// How many frames the far end may be behind before its silence counts as silence.
const PATIENCE_FRAMES: i64 = 3;

/// How many missing packets in a row are stood in for; more are left to the silence that follows.
const MOST_CONCEALED: u16 = 5;

/// Datagrams taken per tick at most; a flood must not keep the other callers waiting.
const DATAGRAMS_PER_TICK: usize = 32;

/// Frames of silence after which a silent caller repeats one encoded frame.
const SETTLED_FRAMES: u32 = 10;

/// What a caller says, and how.
#[derive(Debug, Clone)]
pub struct Speech {
    pub voice: Voice,
    pub manner: Manner,
}

/// A talker's part in measuring delay: the rota, and its place on it.
#[derive(Debug, Clone)]
pub struct PipPart {
    pub rota: Arc<PipRota>,
    /// `None` only listens.
    pub talker: Option<usize>,
}

/// Everything a leg needs to begin.
pub(crate) struct LegSetup {
    pub socket: UdpSocket,
    pub remote: SocketAddr,
    pub codec: Codec,
    pub payload_type: u8,
    pub speech: Option<Speech>,
    pub vocabulary: Vocabulary,
    /// Where the caller's own voice is in the vocabulary.
    pub own: Option<usize>,
    pub pips: Option<PipPart>,
    pub recording: Option<WavFile>,
}

/// What a leg knows that others may read, and what others may ask of it.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    speaking: AtomicBool,
    notes: Mutex<Notes>,
}

/// What a leg has noticed so far.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    pub heard: Heard,
    pub timeline: Timeline,
    pub counters: Counters,
    /// The delay of pips from other callers.
    pub delays: Histogram,
    /// The level of the caller's own voice in each cell, in dB relative to a full-scale sine.
    pub own_levels_db: Vec<f32>,
    /// How loud the caller heard itself, over longer windows.
    pub residues: Vec<Residue>,
}

impl Desk {
    /// Asks the caller to speak, or to be silent.
    pub(crate) fn say(&self, speaking: bool) {
        self.speaking.store(speaking, Ordering::Relaxed);
    }

    /// Whether the caller has been asked to speak.
    pub(crate) fn is_speaking(&self) -> bool {
        self.speaking.load(Ordering::Relaxed)
    }

    /// What the leg has noticed so far. Held shortly: the leg waits for it.
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        // Notes are written whole by one thread; a panic elsewhere leaves them good.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller's media half.
pub struct Leg {
    desk: Arc<Desk>,
    mouth: Mouth,
    ears: Ears,
    socket: UdpSocket,
    started: Instant,
}

/// Makes packets.
struct Mouth {
    remote: SocketAddr,
    encoder: Encoder,
    talker: Option<Talker>,
    pips: Option<(PipSender, Arc<PipRota>)>,
    frame: Vec<f32>,
    packet: Packet,
    ticks_per_packet: u32,
    quiet_frames: u32,
    payload: Vec<u8>,
    wire: Vec<u8>,
}

/// Takes packets apart.
struct Ears {
    payload_type: u8,
    rate_hz: u32,
    decoder: Decoder,
    arrivals: Arrivals,
    ear: Ear,
    /// Where the caller's own voice is in the vocabulary.
    own: Option<usize>,
    residue: Option<ResidueMeter>,
    pips: Option<(PipEar, Arc<PipRota>)>,
    recording: Option<WavFile>,
    pcm: Vec<f32>,
    waiting: Vec<(Arrival, Instant, Bytes)>,
    /// Frames of time that have passed less frames of sound that have come.
    behind_frames: i64,
    samples_over: usize,
}

impl Leg {
    /// A leg that starts at the next tick, and the desk that tells of it.
    pub(crate) fn new(setup: LegSetup, now: Instant) -> io::Result<(Leg, Arc<Desk>)> {
        let rate_hz = pcm_rate_hz(setup.codec);
        datagram::prepare(&setup.socket)?;
        let sender = setup
            .pips
            .as_ref()
            .and_then(|part| Some((part.talker?, Arc::clone(&part.rota))));
        let residue = setup
            .speech
            .as_ref()
            .map(|speech| ResidueMeter::new(speech.voice, rate_hz));
        let mouth = Mouth {
            remote: setup.remote,
            encoder: Encoder::new(setup.codec).map_err(io::Error::other)?,
            talker: setup
                .speech
                .map(|speech| Talker::new(speech.voice, speech.manner, rate_hz)),
            pips: sender.map(|(talker, rota)| (PipSender::new(talker, rate_hz), rota)),
            frame: vec![0.0; rate_hz as usize / 50],
            packet: first_packet(setup.payload_type),
            ticks_per_packet: setup.codec.clock_rate() / 50,
            quiet_frames: 0,
            payload: Vec::new(),
            wire: Vec::new(),
        };
        let ears = Ears {
            payload_type: setup.payload_type,
            rate_hz,
            decoder: Decoder::new(setup.codec).map_err(io::Error::other)?,
            arrivals: Arrivals::new(setup.codec.clock_rate()),
            ear: Ear::new(setup.vocabulary, rate_hz),
            own: setup.own,
            residue,
            pips: setup.pips.map(|part| (PipEar::new(rate_hz), part.rota)),
            recording: setup.recording,
            pcm: Vec::new(),
            waiting: Vec::with_capacity(DATAGRAMS_PER_TICK),
            behind_frames: 0,
            samples_over: 0,
        };
        let desk = Arc::new(Desk::default());
        let leg = Leg {
            desk: Arc::clone(&desk),
            mouth,
            ears,
            socket: setup.socket,
            started: now,
        };
        Ok((leg, desk))
    }

    /// Listens to what has come and sends the next packet.
    pub fn tick(&mut self, now: Instant) {
        let speaking = self.desk.is_speaking();
        let mut notes = self.desk.notes();
        self.ears.take_in(&self.socket, self.started, &mut notes);
        self.ears.listen(now, &mut notes);
        match self.mouth.send(&self.socket, speaking, now) {
            Ok(()) => notes.counters.sent += 1,
            // A refused port is the bridge's answer to a leg that it has closed; it is counted, too.
            Err(_) => notes.counters.send_errors += 1,
        }
    }
}

impl Mouth {
    fn send(&mut self, socket: &UdpSocket, speaking: bool, now: Instant) -> io::Result<()> {
        self.frame.fill(0.0);
        let was_quiet = self.talker.as_ref().is_none_or(Talker::is_quiet);
        if let Some(talker) = &mut self.talker
            && (speaking || !was_quiet)
        {
            talker.speak(speaking, &mut self.frame);
        }
        if let Some((sender, rota)) = self.pips.as_mut().filter(|_| speaking) {
            sender.add_to(&mut self.frame, rota, now);
        }
        let silent = self.frame.iter().all(|sample| *sample == 0.0);
        self.quiet_frames = if silent {
            self.quiet_frames.saturating_add(1)
        } else {
            0
        };
        if self.quiet_frames <= SETTLED_FRAMES {
            self.encoder
                .encode(&self.frame, &mut self.payload)
                .map_err(io::Error::other)?;
            self.packet.payload = Bytes::copy_from_slice(&self.payload);
        }
        self.packet.header.marker = !silent && was_quiet;
        self.wire.resize(self.packet.marshal_size(), 0);
        let marshalled = self
            .packet
            .marshal_to(&mut self.wire)
            .map_err(io::Error::other)?;
        let header = &mut self.packet.header;
        header.sequence_number = header.sequence_number.wrapping_add(1);
        header.timestamp = header.timestamp.wrapping_add(self.ticks_per_packet);
        socket.send_to(&self.wire[..marshalled], self.remote)?;
        Ok(())
    }
}

impl Ears {
    /// Takes all waiting datagrams and puts them into their order.
    fn take_in(&mut self, socket: &UdpSocket, started: Instant, notes: &mut Notes) {
        let mut buffer = [0; datagram::LARGEST];
        for _ in 0..DATAGRAMS_PER_TICK {
            let Some((length, came_at)) = datagram::receive(socket, &mut buffer) else {
                break;
            };
            let mut wire = &buffer[..length];
            if is_rtcp(wire) {
                notes.counters.rtcp += 1;
                continue;
            }
            match Packet::unmarshal(&mut wire) {
                Ok(packet) if packet.header.payload_type == self.payload_type => {
                    let arrival = Arrival {
                        ssrc: packet.header.ssrc,
                        seq_no: packet.header.sequence_number,
                        rtp_time: packet.header.timestamp,
                        at: came_at.saturating_duration_since(started),
                    };
                    self.waiting.push((arrival, came_at, packet.payload));
                }
                Ok(_) | Err(_) => notes.counters.strays += 1,
            }
        }
        let first = self
            .waiting
            .first()
            .map_or(0, |(arrival, ..)| arrival.seq_no);
        self.waiting
            .sort_by_key(|(arrival, ..)| arrival.seq_no.wrapping_sub(first) as i16);
    }

    fn listen(&mut self, now: Instant, notes: &mut Notes) {
        self.behind_frames += 1;
        let mut waiting = std::mem::take(&mut self.waiting);
        for (arrival, came_at, payload) in waiting.drain(..) {
            match self.arrivals.take(arrival, &mut notes.counters) {
                Verdict::Play { missing } => {
                    for _ in 0..missing.min(MOST_CONCEALED) {
                        if self
                            .decoder
                            .conceal(self.rate_hz as usize / 50, &mut self.pcm)
                            .is_ok()
                        {
                            self.hear(came_at, notes);
                        }
                    }
                    self.play(&payload, came_at, notes);
                }
                Verdict::PlayAfresh => self.play(&payload, came_at, notes),
                Verdict::Overtaken | Verdict::Duplicate => {}
            }
        }
        self.waiting = waiting;
        if self.behind_frames > PATIENCE_FRAMES {
            self.pcm.clear();
            self.pcm.resize(self.rate_hz as usize / 50, 0.0);
            self.hear(now, notes);
        }
    }

    fn play(&mut self, payload: &[u8], came_at: Instant, notes: &mut Notes) {
        match self.decoder.decode(payload, &mut self.pcm) {
            Ok(()) => self.hear(came_at, notes),
            Err(_) => notes.counters.undecodable += 1,
        }
    }

    /// Gives the sound in `pcm` to everything that listens.
    fn hear(&mut self, came_at: Instant, notes: &mut Notes) {
        let frame_samples = self.rate_hz as usize / 50;
        let samples = self.samples_over + self.pcm.len();
        self.behind_frames -= (samples / frame_samples) as i64;
        self.samples_over = samples % frame_samples;
        if let Some((ear, rota)) = &mut self.pips
            && let Some(into) = ear.listen(&self.pcm, self.rate_hz)
            && let Some(delay) = rota.delay(came_at + into)
        {
            notes.delays.add(delay);
        }
        let own = self.own;
        notes.residues.extend(
            self.residue
                .as_mut()
                .and_then(|meter| meter.listen(&self.pcm, came_at)),
        );
        self.ear.listen(&self.pcm, |heard| {
            notes.timeline.push(Cell {
                ends_at: came_at,
                audible: heard.audible,
            });
            notes
                .own_levels_db
                .extend(own.and_then(|own| heard.levels_db.get(own)));
            notes.heard.clone_from(heard);
        });
        if let Some(recording) = &mut self.recording {
            recording.write(&self.pcm);
        }
    }
}

/// What a caller heard, as a file.
pub(crate) struct WavFile {
    writer: Option<WavWriter<BufWriter<File>>>,
}

impl WavFile {
    /// Creates a mono file of 16-bit samples for sound in this codec.
    pub(crate) fn create(path: &Path, codec: Codec) -> Result<WavFile, hound::Error> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: pcm_rate_hz(codec),
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        Ok(WavFile {
            writer: Some(WavWriter::create(path, spec)?),
        })
    }

    fn write(&mut self, pcm: &[f32]) {
        let failed = self.writer.as_mut().is_some_and(|writer| {
            pcm.iter()
                .any(|sample| writer.write_sample(to_i16(*sample)).is_err())
        });
        if failed {
            // A full disk ends the recording and not the call; the file's header tells its length.
            self.writer = None;
        }
    }
}

/// Tells RTCP from RTP on one port by its packet type (RFC 5761 §4).
fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}

/// A packet with a random beginning (RFC 3550 §5.1).
fn first_packet(payload_type: u8) -> Packet {
    Packet {
        header: Header {
            version: 2,
            payload_type,
            sequence_number: rand::random(),
            timestamp: rand::random(),
            ssrc: rand::random(),
            ..Header::default()
        },
        payload: Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ear::Sound;

    fn socket() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    fn leg(codec: Codec, voice: usize, socket: UdpSocket, remote: SocketAddr) -> (Leg, Arc<Desk>) {
        let names = ["Ada", "Ben"];
        let voices = names
            .iter()
            .enumerate()
            .map(|(n, name)| Sound::voice(name, Voice::nth(n)));
        let setup = LegSetup {
            socket,
            remote,
            codec,
            payload_type: 96,
            speech: Some(Speech {
                voice: Voice::nth(voice),
                manner: Manner::Syllables,
            }),
            vocabulary: Vocabulary::new(voices.collect()),
            own: Some(voice),
            pips: None,
            recording: None,
        };
        Leg::new(setup, Instant::now()).unwrap()
    }

    #[test]
    fn two_legs_hear_each_other_and_not_themselves() {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::Opus] {
            let ((ada_socket, ada_address), (ben_socket, ben_address)) = (socket(), socket());
            let (mut ada, ada_desk) = leg(codec, 0, ada_socket, ben_address);
            let (mut ben, ben_desk) = leg(codec, 1, ben_socket, ada_address);
            ada_desk.say(true);
            ben_desk.say(true);
            for _ in 0..30 {
                ada.tick(Instant::now());
                ben.tick(Instant::now());
            }
            assert_eq!(
                ada_desk.notes().heard.audible,
                [1].into_iter().collect(),
                "{codec:?}"
            );
            assert_eq!(
                ben_desk.notes().heard.audible,
                [0].into_iter().collect(),
                "{codec:?}"
            );
            let counters = ada_desk.notes().counters.clone();
            assert_eq!(
                (
                    counters.sent,
                    counters.received,
                    counters.lost,
                    counters.strays
                ),
                (30, 29, 0, 0)
            );
        }
    }

    #[test]
    fn a_far_end_that_sends_nothing_is_heard_as_silence() {
        let ((near, _), (_far, far_address)) = (socket(), socket());
        let (mut leg, desk) = leg(Codec::Pcmu, 0, near, far_address);
        for _ in 0..53 {
            leg.tick(Instant::now());
        }
        assert_eq!(desk.notes().timeline.cells().len(), 10);
        assert!(desk.notes().heard.audible.is_empty());
    }

    #[test]
    fn datagrams_that_are_not_audio_are_strays() {
        let ((near, near_address), (far, far_address)) = (socket(), socket());
        let (mut leg, desk) = leg(Codec::Pcmu, 0, near, far_address);
        for junk in [
            &b""[..],
            b"x",
            &[0x80, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 1],
            &[0xff; 300],
        ] {
            far.send_to(junk, near_address).unwrap();
        }
        let sender_report = [0x80, 200, 0, 6, 0, 0, 0, 0];
        far.send_to(&sender_report, near_address).unwrap();
        leg.tick(Instant::now());
        let counters = &desk.notes().counters;
        assert_eq!(
            (counters.strays, counters.rtcp, counters.received),
            (4, 1, 0)
        );
    }
}
