//! Conferences of any size, for measuring a tick.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use tutti_media::{
    CONTRIBUTORS, Channel, CodecError, Conference, ConferenceSlot, Datagram, Encoder,
    EncoderSettings, Engine, EngineCommand, EngineEvent, FRAME_SAMPLES, Leg, LegMedia, LegSettings,
    LegSlot, RtpIdentity, Transport, Waiting, Wanted,
};
use tutti_model::{
    CallId, Codec, ConferenceId, Format, MediaDescription, MediaFlow, Privileges, Timestamp,
};

use crate::clock::Clock;
use crate::repertoire::Repertoire;
use crate::rtp_stream::payload_type;
use crate::voice::Voice;

const HEADER: usize = 12;

/// How many different packets a leg sends, over and over: more than a jitter buffer holds.
const PACKETS: usize = 64;

/// Gives a leg a packet every tick, and forgets what it sends.
pub struct BenchTransport {
    packets: Rc<[Vec<u8>]>,
    ssrc: u32,
    frame_ticks: u32,
    sent: u32,
    /// The packet of this tick has not been taken yet.
    due: bool,
    now: Rc<Cell<Timestamp>>,
    from: SocketAddr,
    bytes_out: Rc<Cell<u64>>,
    out: [u8; 1_500],
}

impl Transport for BenchTransport {
    /// Something comes in every tick to whoever is sent anything at all.
    fn waiting<'a>(group: impl Iterator<Item = &'a BenchTransport>) -> Waiting {
        let mut waiting = Waiting::default();
        for (place, _) in group.enumerate().filter(|(_, leg)| !leg.packets.is_empty()) {
            waiting.note(place);
        }
        waiting
    }

    fn receive(&mut self, channel: Channel, buffer: &mut [u8]) -> Option<Datagram> {
        if channel == Channel::Rtcp {
            return None;
        }
        self.due = !self.due;
        if self.due {
            return None;
        }
        let packet = self.packets.get(self.sent as usize % PACKETS)?;
        let room = buffer.get_mut(..packet.len())?;
        room.copy_from_slice(packet);
        let [_, _, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = room else {
            return None;
        };
        [*s0, *s1] = (self.sent as u16).to_be_bytes();
        [*t0, *t1, *t2, *t3] = self.sent.wrapping_mul(self.frame_ticks).to_be_bytes();
        [*c0, *c1, *c2, *c3] = self.ssrc.to_be_bytes();
        self.sent = self.sent.wrapping_add(1);
        Some(Datagram {
            channel,
            len: packet.len(),
            from: self.from,
            arrived: self.now.get(),
        })
    }

    fn send(&mut self, _: Channel, _: SocketAddr, datagram: &[u8]) {
        if let Some(room) = self.out.get_mut(..datagram.len()) {
            room.copy_from_slice(datagram);
            self.bytes_out
                .set(self.bytes_out.get() + datagram.len() as u64);
        }
    }
}

/// What listeners send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A voice that nobody may hear: they have no privilege to talk.
    Muted,
    /// Encoded silence; they might talk.
    Silent,
    /// No packets at all; they might talk.
    Absent,
}

/// An engine with conferences in it.
pub struct BenchWorld {
    engine: Engine<BenchTransport>,
    clock: Clock,
    now: Rc<Cell<Timestamp>>,
    bytes_out: Rc<Cell<u64>>,
    repertoire: Repertoire,
    /// Packets of silence, encoded once for all.
    silences: BTreeMap<Codec, Vec<Vec<u8>>>,
    wanted: Vec<Wanted>,
    legs: u16,
    conferences: u16,
}

impl BenchWorld {
    /// An engine with room for this many legs and conferences.
    pub fn new(legs: u16, conferences: u16) -> BenchWorld {
        let clock = Clock::default();
        BenchWorld {
            engine: Engine::new(legs, conferences),
            clock,
            now: Rc::new(Cell::new(clock.now())),
            bytes_out: Rc::new(Cell::new(0)),
            repertoire: Repertoire::default(),
            silences: BTreeMap::new(),
            wanted: Vec::new(),
            legs: 0,
            conferences: 0,
        }
    }

    /// One more conference, with a talker in each codec of `talkers`, and listeners likewise.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn add_conference(
        &mut self,
        talkers: &[Codec],
        listeners: &[Codec],
    ) -> Result<(), CodecError> {
        self.add_conference_before(talkers, listeners, Audience::Muted)
    }

    /// The same with listeners who send something else.
    ///
    /// # Errors
    /// When a codec cannot be set up.
    pub fn add_conference_before(
        &mut self,
        talkers: &[Codec],
        listeners: &[Codec],
        audience: Audience,
    ) -> Result<(), CodecError> {
        let slot = ConferenceSlot(self.conferences);
        self.conferences += 1;
        let id = ConferenceId::from_bytes([slot.0 as u8; 20]);
        let conference = Box::new(Conference::new(id, 0, CONTRIBUTORS));
        self.handle(EngineCommand::OpenConference { slot, conference });
        self.handle(EngineCommand::SetMixing {
            conference: slot,
            on: true,
        });
        for (number, codec) in talkers.iter().enumerate() {
            let packets = self.voice(*codec, Voice::of_caller(number))?;
            self.add_leg(slot, *codec, packets, true)?;
        }
        for codec in listeners {
            let packets = match audience {
                Audience::Muted => self.voice(*codec, Voice::of_caller(0))?,
                Audience::Silent => self.silence(*codec)?,
                Audience::Absent => Vec::new(),
            };
            self.add_leg(slot, *codec, packets, audience != Audience::Muted)?;
        }
        Ok(())
    }

    /// Lets a tick pass, and returns how many bytes have been sent so far.
    pub fn tick(&mut self) -> u64 {
        self.clock.tick();
        let now = self.clock.now();
        self.now.set(now);
        let BenchWorld { engine, wanted, .. } = self;
        engine.tick(now, &mut |event| note(&event, wanted));
        self.bring_what_is_wanted();
        self.bytes_out.get()
    }

    /// Packets with a voice in them.
    fn voice(&self, codec: Codec, voice: Voice) -> Result<Vec<Vec<u8>>, CodecError> {
        (0..PACKETS)
            .map(|frame| {
                Ok(packet(
                    codec,
                    &self.repertoire.payload(codec, voice, frame)?,
                ))
            })
            .collect()
    }

    /// Packets of encoded silence.
    fn silence(&mut self, codec: Codec) -> Result<Vec<Vec<u8>>, CodecError> {
        Ok(match self.silences.entry(codec) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(unknown) => unknown.insert(silence(codec)?).clone(),
        })
    }

    fn add_leg(
        &mut self,
        conference: ConferenceSlot,
        codec: Codec,
        packets: Vec<Vec<u8>>,
        talk: bool,
    ) -> Result<(), CodecError> {
        let slot = LegSlot(self.legs);
        self.legs += 1;
        let [high, low] = slot.0.to_be_bytes();
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, high, low)), 4_000);
        let transport = BenchTransport {
            packets: packets.into(),
            ssrc: u32::from(slot.0),
            frame_ticks: codec.clock_rate() / 50,
            sent: 0,
            due: true,
            now: Rc::clone(&self.now),
            from: remote,
            bytes_out: Rc::clone(&self.bytes_out),
            out: [0; 1_500],
        };
        let format = Format::plain(codec);
        let settings = LegSettings::default();
        let description = MediaDescription {
            format,
            payload_type: payload_type(codec),
            telephone_event: None,
            comfort_noise: None,
            level_extension: None,
            mixer_levels_extension: None,
            remote_rtp: remote,
            remote_rtcp: remote,
            flow: MediaFlow {
                send: true,
                receive: true,
            },
        };
        let identity = RtpIdentity {
            ssrc: 1,
            first_sequence: 0,
            first_timestamp: 0,
        };
        let media = Box::new(LegMedia::new(description, &settings, identity)?);
        let call = CallId::from_bytes([slot.0 as u8; 20]);
        let leg = Box::new(Leg::new(
            call,
            transport,
            media,
            remote.ip(),
            "bench@tutti".into(),
            &settings,
        ));
        self.handle(EngineCommand::AddLeg { slot, leg });
        self.handle(EngineCommand::Answered { slot });
        let privileges = Privileges { talk, listen: true };
        self.handle(EngineCommand::Join {
            slot,
            conference,
            privileges,
        });
        Ok(())
    }

    fn handle(&mut self, command: EngineCommand<BenchTransport>) {
        let now = self.clock.now();
        let BenchWorld { engine, wanted, .. } = self;
        engine.handle(now, command, &mut |event| note(&event, wanted));
        self.bring_what_is_wanted();
    }

    /// Brings what the engine has asked for.
    fn bring_what_is_wanted(&mut self) {
        while let Some(wanted) = self.wanted.pop() {
            if let Ok(command) = wanted.make(LegSettings::default().encoder) {
                self.handle(command);
            }
        }
    }
}

fn note(event: &EngineEvent<BenchTransport>, wanted: &mut Vec<Wanted>) {
    if let EngineEvent::Wanted(want) = event {
        wanted.push(*want);
    }
}

/// Packets of encoded silence, as an encoder makes them that has heard nothing else for a while.
fn silence(codec: Codec) -> Result<Vec<Vec<u8>>, CodecError> {
    let mut encoder = Encoder::new(&Format::plain(codec), EncoderSettings::default())?;
    let mut payload = [0; 2_048];
    let mut frames = (0..2 * PACKETS).map(|_| {
        let len = encoder.encode(&[0.0; FRAME_SAMPLES], &mut payload)?;
        Ok(packet(codec, payload.get(..len).unwrap_or_default()))
    });
    frames.by_ref().take(PACKETS).for_each(drop);
    frames.collect()
}

/// A payload behind a header whose changing fields are filled in when it is sent.
fn packet(codec: Codec, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; HEADER];
    if let [version, kind, ..] = packet.as_mut_slice() {
        (*version, *kind) = (0x80, payload_type(codec));
    }
    packet.extend_from_slice(payload);
    packet
}
