//! The inbound side of one leg: from datagrams to one frame per tick.

mod gate;

use std::time::Duration;

use tutti_model::{AudioLevel, Digit, MediaDescription, Timestamp};

use crate::codec::CodecError;
use crate::codec::activity::{Activity, ActivityMeter, Said};
use crate::frame::{Frame, SAMPLE_RATE_HZ, rms};
pub use crate::jitter::DelayBounds;
use crate::jitter::{Arrived, ClockRate, Placed, Playout, StoredPacket, Timeline};
use crate::resampler::Resampler;
use crate::rtp::{
    ClientLevel, Malformed, NtpTime, Observation, Reception, ReportBlock, RtcpPacket, RtpPacket,
    SeqNo, SequenceTracker, TelephoneEvents, parse_compound,
};
use gate::Gate;
pub use gate::Rest;

/// Samples in a frame at 16 kHz, the highest rate that is not ours.
const NARROW_SAMPLES: usize = 320;

/// The longest round trip that is believed.
const MAX_RTT: Duration = Duration::from_secs(30);

/// How long the source that is heard must have been silent before another is: a packet of 20 ms was
/// missed, and one was not.
const SILENT_BEFORE_CHANGE: Duration = Duration::from_millis(30);

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
/// looks like a voice.
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
    /// Samples in a frame of the codec.
    frame: usize,
    claimed_level: Option<AudioLevel>,
    upsampler: Option<Resampler>,
    /// The resampler has not let out all of the last sound yet.
    is_ringing: bool,
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
        let playout = Playout::new(codec, bounds)?;
        let rate_hz = playout.decoder().sample_rate_hz();
        let clock_rate_hz = codec.clock_rate();
        let upsampler = if rate_hz == SAMPLE_RATE_HZ {
            None
        } else {
            Some(Resampler::new(rate_hz, SAMPLE_RATE_HZ)?)
        };
        Ok(Receiver {
            payload_type: description.payload_type,
            event_type: description.telephone_event,
            comfort_type: description.comfort_noise,
            level_extension: description.level_extension,
            clock_rate_hz,
            samples_per_tick: (rate_hz / clock_rate_hz).max(1) as usize,
            source: None,
            candidate: None,
            numbers: SequenceTracker::default(),
            timeline: Timeline::new(ClockRate::new(clock_rate_hz)),
            new_source: false,
            playout,
            meter: ActivityMeter::new(codec),
            gate: Gate::new(),
            frame: (rate_hz / 50) as usize,
            claimed_level: None,
            upsampler,
            is_ringing: false,
            events: TelephoneEvents::new(clock_rate_hz),
            last_heard: None,
            remote_report: None,
            counters: ReceiveCounters::default(),
        })
    }

    /// Says when packets may stay undecoded; while they do, every frame is silent.
    pub fn set_rest(&mut self, rest: Rest) {
        self.gate.set_rest(rest);
    }

    /// Whether nothing is decoded.
    pub fn is_resting(&self) -> bool {
        self.playout.is_resting()
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

    /// Fills one frame with what is heard in this tick.
    pub fn pull(&mut self, now: Timestamp, frame: &mut Frame) -> Pulled {
        self.playout.tick(now);
        let resting = self.playout.is_resting();
        match (resting, self.gate.tick(resting)) {
            (true, true) => {
                frame.fill(0.0);
                return Pulled::Silence;
            }
            (true, false) => self.wake(frame),
            (false, true) => {
                self.playout.rest();
                self.is_ringing = false;
                frame.fill(0.0);
                return Pulled::Silence;
            }
            (false, false) => {}
        }
        let pulled = self.pull_decoded(frame);
        if self.gate.wants_levels() {
            self.gate.heard(rms(frame));
        }
        if self.gate.is_probing() {
            frame.fill(0.0);
            return Pulled::Silence;
        }
        pulled
    }

    /// Decodes again. `unheard` is used up: what is written there is not to be heard.
    fn wake(&mut self, unheard: &mut Frame) {
        self.counters.woke += 1;
        let onset = self.gate.onset();
        let mut narrow = [0.0; NARROW_SAMPLES];
        let before = match &mut self.upsampler {
            Some(upsampler) => {
                upsampler.reset();
                narrow.get_mut(..self.frame).unwrap_or_default()
            }
            None => &mut [],
        };
        let known = self.playout.wake(onset, before, &mut self.counters);
        if let Some(upsampler) = &mut self.upsampler
            && known
        {
            upsampler.process(before, unheard);
        }
    }

    fn pull_decoded(&mut self, frame: &mut Frame) -> Pulled {
        let Some(upsampler) = &mut self.upsampler else {
            return self.playout.pull(frame, &mut self.counters);
        };
        let mut narrow = [0.0; NARROW_SAMPLES];
        let narrow = narrow.get_mut(..self.frame).unwrap_or_default();
        let pulled = self.playout.pull(narrow, &mut self.counters);
        if pulled == Pulled::Silence && !self.is_ringing {
            frame.fill(0.0);
            return Pulled::Silence;
        }
        upsampler.process(narrow, frame);
        // It delays sound by less than a frame, so that one more lets out all of it.
        self.is_ringing = pulled != Pulled::Silence;
        match pulled {
            Pulled::Audio => Pulled::Audio,
            Pulled::Concealed | Pulled::Silence => Pulled::Concealed,
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
        let Some(position) = self.place(now, seq, packet, self.frame) else {
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
        self.playout.pass(seq.as_u64());
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
        let samples = self
            .playout
            .decoder()
            .samples_in(packet.payload())
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
