//! How does a caller listen that decodes everything?

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtp::packet::Packet;
use webrtc_util::marshal::Unmarshal;

use super::{LegSetup, Notes, WavFile};
use crate::arrivals::{Arrival, Arrivals, Verdict};
use crate::codec::{Decoder, pcm_rate_hz};
use crate::datagram;
use crate::ear::Ear;
use crate::pip::{PipEar, PipRota};
use crate::residue::ResidueMeter;
use crate::rtp_stream::is_rtcp;
use crate::timeline::Cell;

/// How many frames the far end may be behind before its silence counts as silence.
const PATIENCE_FRAMES: i64 = 3;

/// How many missing packets in a row are stood in for; more are left to the silence that follows.
const MOST_CONCEALED: u16 = 5;

/// Datagrams taken per tick at most; a flood must not keep the other callers waiting.
const DATAGRAMS_PER_TICK: usize = 32;

/// Takes packets apart.
pub(super) struct Ears {
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

impl Ears {
    pub(super) fn new(setup: &LegSetup) -> io::Result<Ears> {
        let (codec, rate_hz) = (setup.codec, pcm_rate_hz(setup.codec));
        let says_tones = setup.habits.says.is_none();
        let speech = setup.speech.as_ref().filter(|_| says_tones);
        Ok(Ears {
            payload_type: setup.payload_type,
            rate_hz,
            decoder: Decoder::new(codec).map_err(io::Error::other)?,
            arrivals: Arrivals::new(codec.clock_rate()),
            ear: Ear::new(setup.vocabulary.clone(), rate_hz),
            own: setup.own,
            residue: speech.map(|speech| ResidueMeter::new(speech.voice, rate_hz)),
            pips: setup
                .pips
                .as_ref()
                .map(|part| (PipEar::new(rate_hz), Arc::clone(&part.rota))),
            recording: None,
            pcm: Vec::new(),
            waiting: Vec::with_capacity(DATAGRAMS_PER_TICK),
            behind_frames: 0,
            samples_over: 0,
        })
    }

    /// Keeps what is heard from now on.
    pub(super) fn record(&mut self, recording: Option<WavFile>) {
        self.recording = recording;
    }

    /// Takes all waiting datagrams and puts them into their order.
    pub(super) fn take_in(&mut self, socket: &UdpSocket, started: Instant, notes: &mut Notes) {
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

    /// Plays what has come, in its order.
    pub(super) fn listen(&mut self, now: Instant, notes: &mut Notes) {
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
            && let Some(began) = ear.listen(&self.pcm, came_at)
            && let Some(delay) = rota.delay(began)
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
