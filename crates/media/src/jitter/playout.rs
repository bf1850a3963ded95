//! Says what is heard of one stream in each tick.

use std::time::Duration;

use tutti_model::Timestamp;

use super::time_scale::{Care, MAX_PIECE_MS, squeeze, stretch};
use super::{
    ClockRate, DelayBounds, DelayEstimator, Filed, PacketStore, SampleQueue, StoredPacket,
};
use crate::codec::{Decoder, MAX_PACKET_MS, MAX_PAYLOAD_BYTES};
use crate::frame::{SAMPLE_RATE_HZ, rms};
use crate::receiver::{Pulled, ReceiveCounters};

/// What is decoded ahead at most: a frame, the longest piece that may be removed, and a packet.
const QUEUE_MS: u32 = 20 + MAX_PIECE_MS + MAX_PACKET_MS + 5;

/// For how long comfort noise goes on after a packet that announced a pause; Opus renews it every
/// 400 ms (RFC 7587 §3.1.3).
const COMFORT_MS: u32 = 500;

/// How long sound takes to rise after silence, and to fall before it: in half milliseconds.
const RAMP_HALF_MS: u32 = 5;

/// The most that is done for one tick: every packet that can wait is played or discarded, and what
/// is missing between them concealed.
const MAX_STEPS: usize = 160;

/// The delay may be so much greater than it must be before anything is done about it in speech. It is
/// more than the longest piece that is removed, lest that make the delay too short.
const SLACK_US: i64 = 18_000;

/// The same while it is quiet.
const QUIET_SLACK_US: i64 = 5_000;

/// The delay may be so much shorter than it should be; the target has as much to spare.
const SHORT_US: i64 = -2_000;

/// What is quiet in any room, and what is not.
const ALWAYS_QUIET: f32 = 0.002;
const NEVER_QUIET: f32 = 0.02;

/// A frame is quiet while it is no louder than so many times the background noise.
const QUIET_OVER_FLOOR: f32 = 1.6;

/// How fast the estimate of the background noise rises towards a louder one.
const FLOOR_RISES: f32 = 1.01;

/// A packet that arrived, placed on the timeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived<'a> {
    pub(crate) now: Timestamp,
    pub(crate) position: i64,
    pub(crate) samples: usize,
    /// Nothing before it is of the same source.
    pub(crate) new_source: bool,
    pub(crate) payload: &'a [u8],
}

/// Plays one stream: decodes, repairs, conceals, stretches and squeezes.
///
/// It works at the codec's own rate. It allocates nothing after construction.
pub(crate) struct Playout {
    decoder: Decoder,
    rate: ClockRate,
    frame: usize,
    store: PacketStore,
    delay: DelayEstimator,
    queue: SampleQueue,
    payload: Box<[u8; MAX_PAYLOAD_BYTES]>,
    flow: Flow,
    /// How long after its position audio is heard, smoothed over a few ticks.
    offset_us: i64,
    ticks_since_scaling: u32,
    /// The level of the background noise.
    floor: f32,
    /// The last packet announced a pause (DTX): what is invented now is comfort noise.
    paused_by_peer: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Nothing is heard until a packet is due; what ends before `after` has been heard or is lost.
    Silent { after: Option<i64> },
    /// The audio from `next` on is wanted.
    Playing { next: i64 },
    /// The same, and so many samples were invented while it was not there.
    Concealing { next: i64, invented: usize },
}

impl Playout {
    pub(crate) fn new(decoder: Decoder, bounds: DelayBounds) -> Playout {
        let rate = ClockRate::new(decoder.sample_rate_hz());
        Playout {
            decoder,
            rate,
            frame: rate.millis(20),
            store: PacketStore::new(),
            delay: DelayEstimator::new(bounds),
            queue: SampleQueue::new(rate.millis(QUEUE_MS), rate.millis(MAX_PIECE_MS)),
            payload: Box::new([0; MAX_PAYLOAD_BYTES]),
            flow: Flow::Silent { after: None },
            offset_us: 0,
            ticks_since_scaling: 0,
            floor: NEVER_QUIET,
            paused_by_peer: false,
        }
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// How long a packet that is exactly on time waits until it is heard.
    pub(crate) fn delay(&self) -> Duration {
        let delay_us = self.offset_us.saturating_sub(self.delay.base_us());
        Duration::from_micros(u64::try_from(delay_us).unwrap_or(0))
    }

    /// Files a packet.
    pub(crate) fn insert(&mut self, arrived: Arrived<'_>, counters: &mut ReceiveCounters) {
        let Arrived {
            now,
            position,
            samples,
            new_source,
            payload,
        } = arrived;
        let wanted_from = match self.flow {
            Flow::Silent { after } => after,
            Flow::Playing { next } | Flow::Concealing { next, .. } => Some(next),
        };
        let transit_us = now.as_micros().saturating_sub(self.rate.micros(position));
        let late = match self.flow {
            Flow::Silent { after } => after.is_some() && transit_us > self.offset_us,
            Flow::Playing { next } => position < next,
            Flow::Concealing { next, invented } => position < next + invented as i64,
        };
        self.delay.packet(now, transit_us, late);
        counters.late += u64::from(late);
        if wanted_from.is_some_and(|wanted| position + samples as i64 <= wanted) {
            counters.discarded += 1;
            return;
        }
        match self.store.insert(
            StoredPacket {
                position,
                samples,
                new_source,
            },
            payload,
        ) {
            Filed::Stored { displaced } => counters.discarded += displaced as u64,
            Filed::PlaceTaken | Filed::TooLong => counters.discarded += 1,
        }
    }

    /// Fills `out`, which is one frame at the codec's rate.
    pub(crate) fn pull(
        &mut self,
        now: Timestamp,
        out: &mut [f32],
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        self.delay.tick();
        self.ticks_since_scaling = self.ticks_since_scaling.saturating_add(1);
        let mut pulled = if self.queue.len() == 0 {
            Pulled::Silence
        } else {
            Pulled::Audio
        };
        for _ in 0..MAX_STEPS {
            let missing = self.frame.saturating_sub(self.queue.len());
            if missing == 0 {
                break;
            }
            let step = match self.flow {
                Flow::Silent { after } => self.wait(now, after, missing, counters),
                Flow::Playing { next } => self.go_on(now, next, 0, missing, counters),
                Flow::Concealing { next, invented } => {
                    self.go_on(now, next, invented, missing, counters)
                }
            };
            pulled = pulled.and(step);
        }
        self.scale(now, counters);
        self.queue.take(out);
        pulled
    }

    /// Silence until the first packet is due, and then that packet.
    fn wait(
        &mut self,
        now: Timestamp,
        after: Option<i64>,
        missing: usize,
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        let Some(first) = self.store.first() else {
            self.queue.append(missing).fill(0.0);
            return Pulled::Silence;
        };
        self.delay.resume(now);
        let end = first.position + first.samples as i64;
        let over = after.is_some_and(|after| end <= after);
        // After an outage many may be due; all but the last would only make the delay longer.
        let next_is_due = self
            .store
            .second()
            .is_some_and(|second| self.is_due(now, second));
        if over || next_is_due {
            self.store.discard_first();
            counters.discarded += 1;
            return Pulled::Silence;
        }
        let wait_us = self
            .delay
            .target_us()
            .saturating_sub(self.offset_if(now, first.position));
        let wait = usize::try_from(self.rate.ticks(wait_us)).unwrap_or(0);
        self.queue.append(wait.min(missing)).fill(0.0);
        if wait >= missing {
            return Pulled::Silence;
        }
        self.offset_us = self.offset_if(now, first.position);
        self.play(first, first.position, counters);
        let ramp = self.ramp();
        let begin = self.queue.len().saturating_sub(first.samples);
        if let Some(risen) = self.queue.samples_mut().get_mut(begin..) {
            for (n, sample) in risen.iter_mut().take(ramp).enumerate() {
                *sample *= n as f32 / ramp as f32;
            }
        }
        Pulled::Audio
    }

    /// The packet that is wanted, or what stands in for it.
    fn go_on(
        &mut self,
        now: Timestamp,
        next: i64,
        invented: usize,
        missing: usize,
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        let Some(first) = self.store.first() else {
            self.delay.pause(now);
            return self.conceal(next, invented, missing, counters);
        };
        if first.position + first.samples as i64 <= next {
            self.store.discard_first();
            counters.discarded += 1;
            return Pulled::Silence;
        }
        let gap = first
            .position
            .saturating_sub(next)
            .saturating_sub(invented as i64);
        let Some(gap) = usize::try_from(gap).ok().filter(|gap| *gap > 0) else {
            self.delay.resume(now);
            self.play(first, next, counters);
            return Pulled::Audio;
        };
        if gap <= 3 * self.frame && self.repair(next, invented, gap, counters) {
            return Pulled::Audio;
        }
        self.conceal(next, invented, missing.min(gap), counters)
    }

    /// Decodes the first packet, which begins where audio is wanted or overlaps it.
    fn play(&mut self, packet: StoredPacket, wanted: i64, counters: &mut ReceiveCounters) {
        let len = self.store.copy_first(&mut self.payload);
        self.store.discard_first();
        if packet.new_source {
            self.decoder.reset();
        }
        let payload = self.payload.get(..len).unwrap_or_default();
        self.paused_by_peer = self.decoder.announces_pause(payload);
        let before = self.queue.len();
        let samples = self.queue.append(packet.samples);
        if self.decoder.decode(payload, samples).is_err() {
            counters.undecodable += 1;
            self.decoder.conceal(samples);
        }
        let overlap = usize::try_from(wanted - packet.position)
            .unwrap_or(0)
            .min(samples.len());
        if overlap > 0 {
            let len = samples.len() - overlap;
            samples.copy_within(overlap.., 0);
            self.queue.truncate(before + len);
        }
        self.flow = Flow::Playing {
            next: packet.position + packet.samples as i64,
        };
    }

    /// Fills the gap from what the packet after it says; false where it does not.
    fn repair(
        &mut self,
        next: i64,
        invented: usize,
        gap: usize,
        counters: &mut ReceiveCounters,
    ) -> bool {
        let len = self.store.copy_first(&mut self.payload);
        let payload = self.payload.get(..len).unwrap_or_default();
        let before = self.queue.len();
        let samples = self.queue.append(gap);
        if samples.len() < gap || !self.decoder.decode_fec(payload, samples) {
            self.queue.truncate(before);
            return false;
        }
        counters.repaired_samples += self.at_48_khz(gap);
        self.flow = Flow::Concealing {
            next,
            invented: invented + gap,
        };
        true
    }

    /// Invents samples, until nothing is left to invent from.
    fn conceal(
        &mut self,
        next: i64,
        invented: usize,
        samples: usize,
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        // Opus conceals in steps of 2.5 ms.
        let samples = samples.next_multiple_of(self.rate.millis(5) / 2);
        let out = self.queue.append(samples);
        self.decoder.conceal(out);
        let invented = invented + out.len();
        let limit = if self.paused_by_peer {
            self.rate.millis(COMFORT_MS)
        } else {
            self.decoder.conceals_for()
        };
        self.flow = Flow::Concealing { next, invented };
        if invented >= limit {
            let len = out.len();
            for (n, sample) in out.iter_mut().enumerate() {
                *sample *= 1.0 - n as f32 / len as f32;
            }
            self.flow = Flow::Silent { after: Some(next) };
        }
        if !self.paused_by_peer {
            counters.concealed_samples += self.at_48_khz(samples);
        }
        Pulled::Concealed
    }

    /// Stretches or squeezes what waits, towards the delay that the network asks for.
    fn scale(&mut self, now: Timestamp, counters: &mut ReceiveCounters) {
        let Flow::Playing { next } = self.flow else {
            return;
        };
        self.offset_us += (self.offset_if(now, next) - self.offset_us) / 8;
        let excess_us = self.offset_us.saturating_sub(self.delay.target_us());
        let quiet = self.is_quiet();
        let (patience, care) = match (quiet, excess_us) {
            (true, _) => (1, Care::Quiet),
            (false, 150_000..) => (1, Care::Likeness(0.5)),
            (false, 60_000..) => (2, Care::Likeness(0.75)),
            (false, ..-30_000) => (1, Care::Likeness(0.75)),
            (false, ..0) => (2, Care::Likeness(0.9)),
            (false, _) => (5, Care::Likeness(0.9)),
        };
        if self.ticks_since_scaling < patience {
            return;
        }
        let slack_us = if quiet { QUIET_SLACK_US } else { SLACK_US };
        if excess_us > slack_us {
            self.decode_ahead(counters);
            let most = usize::try_from(self.rate.ticks(excess_us)).unwrap_or(0);
            let most = most.min(self.queue.len().saturating_sub(self.frame));
            if let Some(removed) = squeeze(&mut self.queue, self.rate, most, care) {
                counters.squeezed_samples += self.at_48_khz(removed);
                self.offset_us -= self.rate.micros(removed as i64);
                self.ticks_since_scaling = 0;
            }
        } else if excess_us < SHORT_US {
            // In silence as much as is missing; in speech a period, whatever its length.
            let most = match care {
                Care::Quiet => usize::try_from(self.rate.ticks(-excess_us)).unwrap_or(0),
                Care::Likeness(_) => usize::MAX,
            };
            let most = most.max(self.rate.millis(5) / 2);
            if let Some(added) = stretch(&mut self.queue, self.rate, most, care) {
                counters.stretched_samples += self.at_48_khz(added);
                self.offset_us += self.rate.micros(added as i64);
                self.ticks_since_scaling = 0;
            }
        }
    }

    /// Decodes what waits, so that a piece can be taken out.
    fn decode_ahead(&mut self, counters: &mut ReceiveCounters) {
        let wanted = self.frame + self.rate.millis(MAX_PIECE_MS);
        for _ in 0..MAX_STEPS {
            let Flow::Playing { next } = self.flow else {
                return;
            };
            match self.store.first() {
                Some(first) if self.queue.len() < wanted && first.position <= next => {
                    if first.position + first.samples as i64 <= next {
                        self.store.discard_first();
                        counters.discarded += 1;
                    } else {
                        self.play(first, next, counters);
                    }
                }
                Some(_) | None => return,
            }
        }
    }

    /// Whether the frame that is about to be heard is background noise, or nothing.
    fn is_quiet(&mut self) -> bool {
        let frame = self.queue.samples();
        let level = rms(frame.get(..self.frame).unwrap_or(frame));
        self.floor = (self.floor * FLOOR_RISES)
            .min(level)
            .max(ALWAYS_QUIET / QUIET_OVER_FLOOR);
        level < NEVER_QUIET && level <= self.floor * QUIET_OVER_FLOOR
    }

    fn is_due(&self, now: Timestamp, packet: StoredPacket) -> bool {
        self.offset_if(now, packet.position) >= self.delay.target_us()
    }

    /// How long after its position audio would be heard, if it came right after what waits.
    fn offset_if(&self, now: Timestamp, position: i64) -> i64 {
        let waiting_us = self.rate.micros(self.queue.len() as i64);
        now.as_micros()
            .saturating_add(waiting_us)
            .saturating_sub(self.rate.micros(position))
    }

    fn ramp(&self) -> usize {
        self.rate.millis(RAMP_HALF_MS) / 2
    }

    fn at_48_khz(&self, samples: usize) -> u64 {
        samples as u64 * u64::from(SAMPLE_RATE_HZ) / self.rate.millis(1_000) as u64
    }
}

impl Pulled {
    /// What a frame is that consists of two parts.
    fn and(self, other: Pulled) -> Pulled {
        match (self, other) {
            (Pulled::Concealed, _) | (_, Pulled::Concealed) => Pulled::Concealed,
            (Pulled::Audio, _) | (_, Pulled::Audio) => Pulled::Audio,
            (Pulled::Silence, Pulled::Silence) => Pulled::Silence,
        }
    }
}
