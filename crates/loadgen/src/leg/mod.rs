//! What does a caller send and hear, 20 ms after 20 ms?
//!
//! A leg lives on one pacer thread. Everything others may know of it is in its [`Desk`].

mod counting;
mod ears;
mod mouth;
mod wav_file;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tutti_model::Codec;

use crate::arrivals::Counters;
use crate::datagram::{self, Batch};
use crate::ear::{Heard, Vocabulary};
use crate::floor::Floor;
use crate::histogram::Histogram;
use crate::impairment::{Impairments, Road};
use crate::pip::PipRota;
use crate::post::Post;
use crate::recital::Reciter;
use crate::residue::Residue;
use crate::rtp_stream::OutgoingStream;
use crate::timeline::Timeline;
use crate::voice::{Manner, Voice};

use counting::CountingEars;
pub(crate) use counting::TICKS_PER_READING;
use ears::Ears;
use mouth::Mouth;
pub(crate) use wav_file::WavFile;

/// The time between two packets.
pub(crate) const PTIME: Duration = Duration::from_millis(20);

/// How often a caller that sends nothing tells that it is there (RFC 3550 §6.2 has five seconds).
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

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

/// What a caller does otherwise than the plain one, who speaks live and listens to everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Habits {
    /// What it says in place of the tones of its voice.
    pub(crate) says: Option<Says>,
    /// What it sends while it does not talk; encoded silence if `None`.
    pub(crate) quiet: Option<Reciter>,
    /// Whose turn it is, where talkers take turns, and who of them the caller is.
    pub(crate) floor: Option<(Arc<Floor>, usize)>,
    /// It counts what comes and decodes nothing.
    pub(crate) counts_only: bool,
    /// It asks for discontinuous transmission.
    pub(crate) dtx: bool,
    pub(crate) impairments: Impairments,
}

/// What a talker says in place of the tones of its voice.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// Sound at the codec's rate, encoded as it is said.
    Live(Arc<[f32]>),
    /// What was encoded beforehand.
    Recited(Reciter),
}

/// Everything a leg needs to begin.
pub(crate) struct LegSetup {
    pub(crate) socket: UdpSocket,
    pub(crate) remote: SocketAddr,
    pub(crate) codec: Codec,
    pub(crate) payload_type: u8,
    pub(crate) speech: Option<Speech>,
    pub(crate) vocabulary: Vocabulary,
    /// Where the caller's own voice is in the vocabulary.
    pub(crate) own: Option<usize>,
    pub(crate) pips: Option<PipPart>,
    pub(crate) recording: Option<WavFile>,
    pub(crate) habits: Habits,
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
    stream: OutgoingStream,
    road: Road,
    hearing: Hearing,
    socket: Arc<UdpSocket>,
    remote: SocketAddr,
    started: Instant,
    last_sent: Instant,
    wire: Vec<u8>,
}

/// What the legs of one thread share.
pub(crate) struct Tools {
    pub(crate) post: Post,
    pub(crate) batch: Batch,
}

impl Tools {
    pub(crate) fn new() -> Tools {
        Tools {
            post: Post::default(),
            batch: Batch::new(),
        }
    }
}

/// How a leg listens.
enum Hearing {
    Full(Box<Ears>),
    Counting(CountingEars),
}

impl Leg {
    /// A leg that starts at the next tick, and the desk that tells of it.
    pub(crate) fn new(setup: LegSetup, now: Instant) -> io::Result<(Leg, Arc<Desk>)> {
        datagram::prepare(&setup.socket)?;
        let codec = setup.codec;
        let ticks_per_packet = codec.clock_rate() / 50;
        let (road, stream) = (
            Road::new(setup.habits.impairments),
            OutgoingStream::new(setup.payload_type, ticks_per_packet),
        );
        let hearing = if setup.habits.counts_only {
            Hearing::Counting(CountingEars::new(codec, setup.payload_type))
        } else {
            Hearing::Full(Box::new(Ears::new(&setup)?))
        };
        let (socket, remote) = (setup.socket.try_clone()?, setup.remote);
        let desk = Arc::new(Desk::default());
        let leg = Leg {
            desk: Arc::clone(&desk),
            mouth: Mouth::new(&setup)?,
            stream,
            road,
            hearing: hearing.recording(setup.recording),
            socket: Arc::new(socket),
            remote,
            started: now,
            last_sent: now,
            wire: Vec::new(),
        };
        Ok((leg, desk))
    }

    /// Sends what is due, and listens to what has come. Says in how many of the next ticks it has nothing
    /// to do; it counts them as done.
    ///
    /// Thousands of legs do not fit into a cache: to touch one costs more than many a tick of it.
    pub(crate) fn tick(&mut self, now: Instant, tools: &mut Tools) -> u32 {
        let speaking = self.desk.is_speaking();
        let desk = Arc::clone(&self.desk);
        let mut notes = desk.notes();
        while let Some(due) = self.road.next_due() {
            self.send(
                speaking,
                now + due,
                now,
                &mut tools.post,
                &mut notes.counters,
            );
        }
        match &mut self.hearing {
            Hearing::Full(ears) => {
                ears.take_in(&self.socket, self.started, &mut notes);
                ears.listen(now, &mut notes);
            }
            Hearing::Counting(ears) => ears.take_in(
                &mut tools.batch,
                &self.socket,
                self.started,
                &mut notes.counters,
            ),
        }
        drop(notes);
        self.pass_over()
    }

    /// Passes over the ticks in which it would neither send nor listen.
    fn pass_over(&mut self) -> u32 {
        let Hearing::Counting(ears) = &mut self.hearing else {
            return 0;
        };
        if !self.road.is_even() {
            return 0;
        }
        let ticks = self.mouth.pass_over(ears.idle_ticks());
        ears.pass_over(ticks);
        for _ in 0..ticks {
            self.stream.pause();
        }
        ticks
    }

    /// Sends the next packet, if the mouth has one, due at a moment in this tick.
    fn send(
        &mut self,
        speaking: bool,
        due: Instant,
        now: Instant,
        post: &mut Post,
        counters: &mut Counters,
    ) {
        match self.mouth.next(speaking, due) {
            Some(frame) => self
                .stream
                .packet(frame.payload, frame.marker, &mut self.wire),
            None => {
                self.stream.pause();
                if now.saturating_duration_since(self.last_sent) < SIGN_OF_LIFE {
                    return;
                }
                self.stream.sign_of_life(&mut self.wire);
            }
        }
        self.last_sent = now;
        let Some(delay) = self.road.delay() else {
            counters.sent += 1;
            return;
        };
        let leaves_at = due + delay;
        if leaves_at > now {
            counters.sent += 1;
            return post.send_at(leaves_at, &self.socket, self.remote, &self.wire);
        }
        match self.socket.send_to(&self.wire, self.remote) {
            Ok(_) => counters.sent += 1,
            // A refused port is the bridge's answer to a leg that it has closed; it is counted, too.
            Err(_) => counters.send_errors += 1,
        }
    }
}

impl Hearing {
    fn recording(mut self, recording: Option<WavFile>) -> Hearing {
        match &mut self {
            Hearing::Full(ears) => ears.record(recording),
            Hearing::Counting(_) => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ear::Sound;
    use crate::recital::{Quiet, Recital};
    use crate::rtp_stream::Glimpse;

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
            habits: Habits::default(),
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
                ada.tick(Instant::now(), &mut Tools::new());
                ben.tick(Instant::now(), &mut Tools::new());
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
            leg.tick(Instant::now(), &mut Tools::new());
        }
        assert_eq!(desk.notes().timeline.cells().len(), 10);
        assert!(desk.notes().heard.audible.is_empty());
    }

    #[test]
    fn ticks_that_are_passed_over_change_nothing_that_is_sent() {
        const TICKS: u32 = 150;
        for quiet in [Quiet::Dtx, Quiet::Nothing, Quiet::Silence] {
            let recital = Arc::new(Recital::of_quiet(Codec::Opus, quiet).unwrap());
            let ((near, _), (far, far_address)) = (socket(), socket());
            far.set_nonblocking(true).unwrap();
            let setup = LegSetup {
                socket: near,
                remote: far_address,
                codec: Codec::Opus,
                payload_type: 96,
                speech: None,
                vocabulary: Vocabulary::new(Vec::new()),
                own: None,
                pips: None,
                recording: None,
                habits: Habits {
                    quiet: Some(Reciter::new(Arc::clone(&recital), 37)),
                    counts_only: true,
                    ..Habits::default()
                },
            };
            let (mut leg, _desk) = Leg::new(setup, Instant::now()).unwrap();
            let mut tools = Tools::new();
            let (mut ticks, mut touched) = (0, 0);
            while ticks < TICKS {
                ticks += 1 + leg.tick(Instant::now(), &mut tools);
                touched += 1;
            }
            let mut all = Reciter::new(recital, 37);
            let expected: Vec<u32> = (0..ticks).filter(|_| all.next().is_some()).collect();
            let sent = std::iter::from_fn(|| {
                let mut datagram = [0; datagram::LARGEST];
                let length = far.recv(&mut datagram).ok()?;
                Glimpse::of(&datagram[..length]).map(|glimpse| glimpse.timestamp)
            });
            let sent: Vec<u32> = sent.collect();
            let ticks_of_sent = sent.iter().map(|time| time.wrapping_sub(sent[0]) / 960);
            let expected = expected.iter().map(|tick| tick - expected[0]);
            assert!(ticks_of_sent.eq(expected), "{quiet:?}: {sent:?}");
            let passes_over = quiet != Quiet::Silence;
            assert_eq!(touched < TICKS / 2, passes_over, "{quiet:?}: {touched}");
        }
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
        leg.tick(Instant::now(), &mut Tools::new());
        let counters = &desk.notes().counters;
        assert_eq!(
            (counters.strays, counters.rtcp, counters.received),
            (4, 1, 0)
        );
    }
}
