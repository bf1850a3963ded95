//! The inbound side of one leg: from datagrams to one frame per tick.

mod gate;

use std::hint::black_box;
use std::time::Duration;

use tutti_model::{AudioLevel, Codec, Digit, MediaDescription, Timestamp};

use crate::codec::activity::{Activity, ActivityMeter, Said};
use crate::codec::{CodecError, samples_in};
use crate::frame::{Frame, rms};
pub use crate::jitter::DelayBounds;
use crate::jitter::{
    Arrived, ClockRate, KeepYours, Lender, Placed, Playout, StoredPacket, Timeline,
};
use crate::rtp::{
    ClientLevel, Malformed, NtpTime, Observation, Reception, ReportBlock, RtcpPacket, RtpPacket,
    SeqNo, SequenceTracker, TelephoneEvents, parse_compound,
};
use gate::Gate;
pub use gate::Rest;

/// The longest round trip that is believed.
const MAX_RTT: Duration = Duration::from_secs(30);

/// How long the source that is heard must have been silent before another is: a packet of 20 ms was
/// missed, and one was not.
const SILENT_BEFORE_CHANGE: Duration = Duration::from_millis(30);

/// For how many ticks of a rest a leg keeps what it was decoded with: 2 s. After them nothing is left
/// of it that would be heard.
const KEPT_TICKS: u32 = 100;

/// What a frame is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// What the peer said.
    Audio,
    /// At least in part a guess at what the peer said.
    Concealed,
    /// Nothing at all: every sample is 0.
    Silence,
}

/// What was received, and what became of it. Samples are counted at 48 kHz.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceiveCounters {
    /// RTP packets of the stream, each once.
    pub received: u64,
    /// Packets that never came, so far as is known.
    pub lost: u64,
    /// Packets that came after their playout time, used or not.
    pub late: u64,
    /// Packets that came and were not used.
    pub discarded: u64,
    /// Packets that came again.
    pub duplicate: u64,
    /// Packets that others had overtaken.
    pub reordered: u64,
    /// Datagrams that are not what they claim to be.
    pub malformed: u64,
    /// Packets of a payload type that was not negotiated.
    pub unknown_payload: u64,
    /// Packets that the codec could not read.
    pub undecodable: u64,
    /// Another source took over.
    pub ssrc_changes: u64,
    /// The sequence numbers began anew.
    pub sequence_restarts: u64,
    /// The source's clock jumped.
    pub timestamp_jumps: u64,
    /// Samples invented for missing ones.
    pub concealed_samples: u64,
    /// Missing samples that the packet after them described (in-band FEC).
    pub repaired_samples: u64,
    /// Samples added to make the playout delay longer.
    pub stretched_samples: u64,
    /// Samples removed to make the playout delay shorter.
    pub squeezed_samples: u64,
    /// Sound compound RTCP packets.
    pub rtcp_received: u64,
    /// Packets that were decoded.
    pub decoded_frames: u64,
    /// Packets that were not decoded because nobody needed them.
    pub skipped_frames: u64,
    /// How often decoding began again after a rest.
    pub woke: u64,
    /// How often that took something to decode with that another leg had given up.
    pub lent: u64,
    /// Ticks in which there was none, so that decoding began later.
    pub put_off: u64,
}

/// What the peer reports about the stream that it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteReport {
    /// Of the packets since its last report, how many 256ths were lost.
    pub fraction_lost: u8,
    /// Packets lost since the stream began.
    pub cumulative_lost: i32,
    /// Interarrival jitter at the peer.
    pub jitter: Duration,
    /// The time to the peer and back, where the report tells it.
    pub rtt: Option<Duration>,
}

/// Receives one leg's stream.
///
/// It allocates, locks and logs nothing after construction, and takes any datagram whatever: what is
/// wrong with one is returned and counted. Use it in this order: `handle_rtp` and `handle_rtcp` for
/// what has arrived, then one `pull` per tick, then `poll_digit` until it has none.
///
/// Whoever needs nothing of a leg and has heard no voice on it for a while says so with `set_rest`.
/// Then packets are only looked at, and decoded again, with the latest before them, as soon as one
/// looks like a voice. After a rest of 2 s it has nothing left to decode with, where somebody lends
/// it that when it wakes.
pub struct Receiver {
    payload_type: u8,
    event_type: Option<u8>,
    comfort_type: Option<u8>,
    level_extension: Option<u8>,
    clock_rate_hz: u32,
    /// Samples in a tick of the RTP clock; G.722 has two.
    samples_per_tick: usize,
    source: Option<Source>,
    /// Another source, and the number that would prove it.
    candidate: Option<(u32, u16)>,
    numbers: SequenceTracker,
    timeline: Timeline,
    /// The next audio packet is the first of its source.
    new_source: bool,
    playout: Playout,
    meter: ActivityMeter,
    gate: Gate,
    claimed_level: Option<AudioLevel>,
    events: TelephoneEvents,
    last_heard: Option<Timestamp>,
    remote_report: Option<RemoteReport>,
    counters: ReceiveCounters,
}

/// The source that is heard.
struct Source {
    reception: Reception,
    heard: Timestamp,
    /// Packets lost of the sources before it.
    lost_before: u64,
}

impl Receiver {
    /// Hears what was negotiated, with the usual bounds of the playout delay.
    ///
    /// # Errors
    /// When the codec cannot be set up.
    pub fn new(description: &MediaDescription) -> Result<Receiver, CodecError> {
        Receiver::with_bounds(description, DelayBounds::default())
    }

    /// The same with other bounds of the playout delay.
    ///
    /// # Errors
    /// When the codec cannot be set up.
    pub fn with_bounds(
        description: &MediaDescription,
        bounds: DelayBounds,
    ) -> Result<Receiver, CodecError> {
        let codec = description.format.codec;
        let clock_rate_hz = codec.clock_rate();
        Ok(Receiver {
            payload_type: description.payload_type,
            event_type: description.telephone_event,
            comfort_type: description.comfort_noise,
            level_extension: description.level_extension,
            clock_rate_hz,
            samples_per_tick: (codec.sample_rate() / clock_rate_hz).max(1) as usize,
            source: None,
            candidate: None,
            numbers: SequenceTracker::default(),
            timeline: Timeline::new(ClockRate::new(clock_rate_hz)),
            new_source: false,
            playout: Playout::new(codec, bounds)?,
            meter: ActivityMeter::new(codec),
            gate: Gate::new(),
            claimed_level: None,
            events: TelephoneEvents::new(clock_rate_hz),
            last_heard: None,
            remote_report: None,
            counters: ReceiveCounters::default(),
        })
    }

    /// Looks at what a packet and a tick need of a quiet stream, so that it is in the cache then.
    pub(crate) fn fetch(&self) {
        let reception = self.source.as_ref().map(|source| &source.reception);
        black_box((self.payload_type, self.remote_ssrc(), self.last_heard));
        black_box((
            reception.map(Reception::jitter_ticks),
            self.counters.received,
        ));
        self.playout.fetch();
    }

    /// Says when packets may stay undecoded; while they do, every frame is silent.
    pub fn set_rest(&mut self, rest: Rest) {
        self.gate.set_rest(rest);
    }

    /// Whether nothing is decoded.
    pub fn is_resting(&self) -> bool {
        self.playout.is_resting()
    }

    /// For how many ticks nothing has come that may be a voice.
    pub(crate) fn quiet_for(&self) -> u32 {
        self.gate.quiet_for()
    }

    /// Its codec, if it has given up what it was decoded with, and is lent another when it wakes.
    pub(crate) fn lacks_decoding(&self) -> Option<Codec> {
        let lacks = self.playout.lacks_decoding();
        lacks.then_some(self.playout.codec())
    }

    /// Whether a key is held down: its tone, if there is one, is not to be heard.
    pub fn is_pressing(&self, now: Timestamp) -> bool {
        self.events.is_pressing(now)
    }

    /// The level that the peer claims for its latest packet, where that was negotiated (RFC 6464).
    pub fn claimed_level(&self) -> Option<AudioLevel> {
        self.claimed_level
    }

    /// What was received so far.
    pub fn counters(&self) -> &ReceiveCounters {
        &self.counters
    }

    /// When a sound RTP or RTCP packet last came.
    pub fn last_heard(&self) -> Option<Timestamp> {
        self.last_heard
    }

    /// The source that is heard.
    pub fn remote_ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.reception.ssrc())
    }

    /// How long a packet that is exactly on time waits until it is heard.
    pub fn playout_delay(&self) -> Duration {
        self.playout.delay()
    }

    /// Interarrival jitter of the stream (RFC 3550 §6.4.1).
    pub fn jitter(&self) -> Duration {
        self.source.as_ref().map_or(Duration::ZERO, |source| {
            ticks_to_duration(source.reception.jitter_ticks(), self.clock_rate_hz)
        })
    }

    /// What the peer last reported about our stream.
    pub fn remote_report(&self) -> Option<&RemoteReport> {
        self.remote_report.as_ref()
    }

    /// Expects other payload types from now on, after a new offer that keeps the codec.
    pub fn describe(&mut self, description: &MediaDescription) {
        self.payload_type = description.payload_type;
        self.event_type = description.telephone_event;
        self.comfort_type = description.comfort_noise;
        self.level_extension = description.level_extension;
    }

    /// Takes an RTP packet.
    ///
    /// # Errors
    /// When it is not what it claims to be; it is counted, and nothing of it is heard.
    pub fn handle_rtp(&mut self, now: Timestamp, datagram: &[u8]) -> Result<(), Malformed> {
        self.take_rtp(now, datagram)
            .inspect_err(|_| self.counters.malformed += 1)
    }

    /// Takes an RTCP packet.
    ///
    /// # Errors
    /// When it is not what it claims to be; it is counted, and nothing of it is believed.
    pub fn handle_rtcp(&mut self, now: Timestamp, datagram: &[u8]) -> Result<(), Malformed> {
        let packets = parse_compound(datagram).inspect_err(|_| self.counters.malformed += 1)?;
        self.last_heard = Some(now);
        self.counters.rtcp_received += 1;
        for packet in packets {
            let mut reports = match packet {
                RtcpPacket::SenderReport {
                    ssrc,
                    info,
                    reports,
                } => {
                    if let Some(source) = &mut self.source
                        && source.reception.ssrc() == ssrc
                    {
                        source.reception.sender_report(now, info.ntp_time);
                    }
                    reports
                }
                RtcpPacket::ReceiverReport { reports, .. } => reports,
                RtcpPacket::SourceDescription { .. }
                | RtcpPacket::Goodbye { .. }
                | RtcpPacket::Unread { .. } => continue,
            };
            if let Some(report) = reports.next() {
                self.remote_report = Some(RemoteReport {
                    fraction_lost: report.fraction_lost,
                    cumulative_lost: report.cumulative_lost,
                    jitter: ticks_to_duration(report.jitter, self.clock_rate_hz),
                    rtt: round_trip(now, &report),
                });
            }
        }
        Ok(())
    }

    /// Keeps what becomes of a frame in a mix; false where there is no place for it, as nothing is
    /// decoded.
    pub(crate) fn keep_voice(&mut self, voice: &Frame) -> bool {
        let place = self.playout.voice_mut();
        place.map(|place| *place = *voice).is_some()
    }

    /// What was kept last.
    pub(crate) fn voice(&self) -> Option<&Frame> {
        self.playout.voice()
    }

    /// Whether a `pull` does nothing but let time go by until a packet comes.
    pub fn is_asleep(&self) -> bool {
        self.playout.is_asleep()
    }

    /// Whether it rests, and goes on to in the next tick if nothing more comes before it.
    pub(crate) fn rests_on(&self) -> bool {
        self.playout.is_resting() && self.gate.rests_on()
    }

    /// Makes up for ticks that went by without a `pull`, while it rested and nothing came.
    pub fn pass(&mut self, ticks: u32) {
        self.playout.pass(ticks);
        self.gate.pass(ticks);
    }

    /// Fills one frame with what is heard in this tick.
    pub fn pull(&mut self, now: Timestamp, frame: &mut Frame) -> Pulled {
        let pulled = self.pull_lent(now, &mut KeepYours, frame);
        if pulled == Pulled::Silence {
            frame.fill(0.0);
        }
        pulled
    }

    /// The same, where somebody lends what a leg is decoded with. A leg for which nothing is left is
    /// silent in this tick, and asks in the next again. The frame of a silence may hold anything.
    pub(crate) fn pull_lent(
        &mut self,
        now: Timestamp,
        lender: &mut impl Lender,
        frame: &mut Frame,
    ) -> Pulled {
        self.playout.tick(now);
        let resting = self.playout.is_resting();
        match (resting, self.gate.tick(resting)) {
            (true, true) => self.playout.rest_on(lender),
            (true, false) => self.wake(lender, frame),
            (false, true) => {
                let keeps_for = if self.gate.has_probed() {
                    0
                } else {
                    KEPT_TICKS
                };
                self.playout.rest(keeps_for);
            }
            (false, false) => {}
        }
        let pulled = self.playout.pull(frame, &mut self.counters);
        if self.playout.is_resting() {
            return pulled;
        }
        if self.gate.wants_levels() {
            self.gate.heard(rms(frame));
        }
        if self.gate.is_probing() {
            return Pulled::Silence;
        }
        pulled
    }

    /// Decodes again, if there is something to do that with. `unheard` is used up: what is written
    /// there is not to be heard.
    fn wake(&mut self, lender: &mut impl Lender, unheard: &mut Frame) {
        let (onset, need) = (self.gate.onset(), self.gate.need());
        let lacks = self.playout.lacks_decoding();
        let counters = &mut self.counters;
        if self.playout.wake(onset, need, lender, unheard, counters) {
            counters.woke += 1;
            counters.lent += u64::from(lacks);
        } else {
            counters.put_off += 1;
            self.gate.put_off();
        }
    }

    /// The next key that was pressed.
    pub fn poll_digit(&mut self) -> Option<Digit> {
        self.events.poll()
    }

    /// What to report about the stream; nothing when nothing came since the last report.
    pub fn report(&mut self, now: Timestamp) -> Option<ReportBlock> {
        self.source.as_mut()?.reception.report(now)
    }

    fn take_rtp(&mut self, now: Timestamp, datagram: &[u8]) -> Result<(), Malformed> {
        let packet = RtpPacket::parse(datagram)?;
        let payload_type = packet.payload_type();
        if Some(payload_type) == self.event_type {
            return self.take_event(now, &packet);
        }
        if payload_type == self.payload_type {
            return self.take_audio(now, &packet);
        }
        self.last_heard = Some(now);
        if Some(payload_type) == self.comfort_type {
            self.take_comfort_noise(now, &packet);
        } else {
            self.counters.unknown_payload += 1;
            self.count_unread(now, &packet);
        }
        Ok(())
    }

    /// Takes a packet that says that its sender is silent from here on (RFC 3389).
    fn take_comfort_noise(&mut self, now: Timestamp, packet: &RtpPacket<'_>) {
        let Some(seq) = self.admit(now, packet) else {
            return;
        };
        let Some(position) = self.place(now, seq, packet, self.playout.frame()) else {
            return;
        };
        let silence = Activity {
            level_db: None,
            said: Said::Silence,
            repairs: false,
        };
        let resting = self.playout.is_resting();
        self.gate.packet(position, &silence, None, !resting);
        let ends_talk = Arrived {
            now,
            packet: StoredPacket {
                position,
                samples: 0,
                number: seq.as_u64(),
                repairs: false,
                new_source: false,
                ends_talk: true,
            },
            payload: &[],
        };
        self.playout.insert(ends_talk, &mut self.counters);
    }

    fn take_event(&mut self, now: Timestamp, packet: &RtpPacket<'_>) -> Result<(), Malformed> {
        // What is wrong with it is told before anything is learnt from it.
        crate::rtp::TelephoneEvent::parse(packet.payload())?;
        self.last_heard = Some(now);
        let Some(seq) = self.admit(now, packet) else {
            return Ok(());
        };
        self.playout.follow_other(seq.as_u64());
        self.events
            .handle(now, packet.timestamp(), packet.marker(), packet.payload())
    }

    fn take_audio(&mut self, now: Timestamp, packet: &RtpPacket<'_>) -> Result<(), Malformed> {
        if packet.payload().is_empty() {
            // Some phones keep a NAT's mapping alive this way.
            self.last_heard = Some(now);
            self.counters.discarded += 1;
            self.count_unread(now, packet);
            return Ok(());
        }
        if packet.payload().len() > crate::codec::MAX_PAYLOAD_BYTES {
            return Err(Malformed::PayloadTooLong);
        }
        let samples = samples_in(self.playout.codec(), packet.payload())
            .ok_or(Malformed::PayloadNotOfCodec)?;
        self.last_heard = Some(now);
        let Some(seq) = self.admit(now, packet) else {
            return Ok(());
        };
        let new_source = self.new_source;
        let placed = self.place(now, seq, packet, samples);
        self.new_source = false;
        let Some(position) = placed else {
            return Ok(());
        };
        let payload = packet.payload();
        let activity = self.meter.look(payload);
        let claim = self
            .level_extension
            .and_then(|identifier| packet.extension(identifier))
            .and_then(ClientLevel::parse);
        self.claimed_level = claim.map(|claim| claim.level);
        let resting = self.playout.is_resting();
        self.gate.packet(position, &activity, claim, !resting);
        let arrived = Arrived {
            now,
            packet: StoredPacket {
                position,
                samples,
                number: seq.as_u64(),
                repairs: activity.repairs,
                new_source,
                ends_talk: false,
            },
            payload,
        };
        self.playout.insert(arrived, &mut self.counters);
        Ok(())
    }

    /// Places a packet on the timeline; returns the position of its first sample, if it has one.
    fn place(
        &mut self,
        now: Timestamp,
        seq: SeqNo,
        packet: &RtpPacket<'_>,
        samples: usize,
    ) -> Option<i64> {
        let ticks = samples / self.samples_per_tick;
        let new_source = self.new_source;
        let placed = self
            .timeline
            .place(now, seq, packet.timestamp(), ticks, new_source);
        let reception = &mut self.source.as_mut()?.reception;
        let position = match placed {
            Placed::At(position) => position,
            Placed::AfterJump(position) => {
                reception.clock_jumped();
                self.counters.timestamp_jumps += u64::from(!new_source);
                position
            }
            Placed::Nowhere => {
                self.counters.discarded += 1;
                return None;
            }
        };
        let arrived_ticks = ClockRate::new(self.clock_rate_hz).ticks(now.as_micros());
        reception.transit(arrived_ticks.saturating_sub(position));
        Some(position.saturating_mul(self.samples_per_tick as i64))
    }

    /// Decides whether a packet belongs to the stream; if so, its number.
    ///
    /// Another source is believed at its second packet in order, once the one before it is silent, so
    /// that neither a stray datagram nor a second stream disturbs the first.
    fn admit(&mut self, now: Timestamp, packet: &RtpPacket<'_>) -> Option<SeqNo> {
        let (ssrc, number) = (packet.ssrc(), packet.sequence_number());
        match &self.source {
            Some(source) if source.reception.ssrc() != ssrc => {
                let silent = now.since(source.heard) >= SILENT_BEFORE_CHANGE;
                let proof = self.candidate.replace((ssrc, number.wrapping_add(1)));
                if !silent || proof != Some((ssrc, number)) {
                    self.counters.discarded += 1;
                    return None;
                }
                self.counters.ssrc_changes += 1;
                let seq = self.numbers.begin(number);
                self.begin_source(now, ssrc, seq);
                self.count(now, seq);
                Some(seq)
            }
            Some(_) => self.follow(now, packet),
            None => {
                let seq = self.numbers.begin(number);
                self.begin_source(now, ssrc, seq);
                self.count(now, seq);
                Some(seq)
            }
        }
    }

    /// Counts a packet that is not read, lest it be taken for lost.
    fn count_unread(&mut self, now: Timestamp, packet: &RtpPacket<'_>) {
        if self.remote_ssrc() == Some(packet.ssrc()) {
            self.follow(now, packet);
        }
    }

    /// Judges a packet of the source that is heard by its number. Another run of numbers is believed
    /// at its second packet in order.
    fn follow(&mut self, now: Timestamp, packet: &RtpPacket<'_>) -> Option<SeqNo> {
        let seq = match self.numbers.observe(packet.sequence_number()) {
            Observation::Newest(seq) => seq,
            Observation::Overtaken(seq) => {
                self.counters.reordered += 1;
                seq
            }
            Observation::Duplicate => {
                self.counters.duplicate += 1;
                return None;
            }
            Observation::Unproven => {
                self.counters.discarded += 1;
                return None;
            }
            Observation::Restarted(seq) => {
                self.counters.sequence_restarts += 1;
                self.begin_source(now, packet.ssrc(), seq);
                seq
            }
        };
        self.count(now, seq);
        Some(seq)
    }

    fn begin_source(&mut self, now: Timestamp, ssrc: u32, seq: SeqNo) {
        self.candidate = None;
        self.new_source = true;
        self.gate.source_changed(ssrc);
        self.events.source_changed();
        let reception = Reception::new(ssrc, seq);
        self.source = Some(Source {
            reception,
            heard: now,
            lost_before: self.counters.lost,
        });
    }

    fn count(&mut self, now: Timestamp, seq: SeqNo) {
        self.counters.received += 1;
        if let Some(source) = &mut self.source {
            source.heard = now;
            source.reception.packet(seq);
            let lost = u64::try_from(source.reception.lost()).unwrap_or(0);
            self.counters.lost = source.lost_before + lost;
        }
    }
}

fn ticks_to_duration(ticks: u32, clock_rate_hz: u32) -> Duration {
    Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(clock_rate_hz))
}

/// The round-trip time from a report about our stream (RFC 3550 §6.4.1).
fn round_trip(now: Timestamp, report: &ReportBlock) -> Option<Duration> {
    if report.last_sr == 0 {
        return None;
    }
    let units = NtpTime::from(now)
        .middle()
        .wrapping_sub(report.last_sr)
        .wrapping_sub(report.delay_since_last_sr);
    // A negative one wraps around to something incredibly long.
    let rtt = Duration::from_micros(u64::from(units) * 1_000_000 / 65_536);
    (rtt <= MAX_RTT).then_some(rtt)
}

#[cfg(test)]
mod tests;
