//! Says what is heard of one stream in each tick.

mod rest;

use std::time::Duration;

use tutti_model::{Codec, Timestamp};

use super::loss::Loss;
use super::tick_grid::{TICK_US, TickClock, asked_for_us, grid_us, shortest_us};
use super::time_scale::{Care, MAX_PIECE_MS, squeeze, stretch};
use super::{
    ClockRate, DelayBounds, DelayEstimator, Filed, PacketStore, SampleQueue, StoreSize,
    StoredPacket,
};
use crate::codec::{CodecError, Decoder, MAX_PACKET_MS, MAX_PAYLOAD_BYTES};
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

/// The delay may be so much greater than it must be before anything is done about it in speech.
const SLACK_US: i64 = 6_000;

/// The same while it is quiet: the shortest piece that is removed.
const QUIET_SLACK_US: i64 = 2_500;

/// The delay may be so much shorter than it should be; that is what rounding does.
const SHORT_US: i64 = -200;

/// So much more lateness than is measured is allowed for before the delay is made shorter, and an
/// eighth of what is measured: what was saved would soon be wanted again.
const HYSTERESIS_US: i64 = 2_000;

/// After so many ticks without a piece that resembles itself, less likeness will do.
const IMPATIENT: u32 = 50;
const DESPERATE: u32 = 100;

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
    pub(crate) packet: StoredPacket,
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
    flow: Flow,
    ticks: TickClock,
    /// How long after its position audio is heard.
    offset_us: i64,
    /// How much audio the newest packet held, and its common measure with a tick, in microseconds.
    packet_us: i64,
    grid_us: i64,
    loss: Loss,
    /// The number of the packet that was played last.
    last_number: Option<u64>,
    ticks_since_scaling: u32,
    /// The level of the background noise.
    floor: f32,
    /// The last packet announced a pause (DTX): what is invented now is comfort noise.
    paused_by_peer: Option<Pause>,
}

/// A pause that the peer announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pause {
    /// For so many samples something is heard of it.
    comfort: usize,
    /// So many were invented.
    invented: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    /// Nothing is heard until a packet is due; what ends before `after` has been heard or is lost.
    Silent { after: Option<i64> },
    /// The audio from `next` on is wanted.
    Playing { next: i64 },
    /// The same, and so many samples were invented while it was not there.
    Concealing { next: i64, invented: usize },
    /// Nothing is decoded: the leg is quiet and nobody needs it. What would be heard in this tick
    /// begins at `head`, once that is known, and what was decoded ends at `decoded`.
    Resting { head: Option<i64>, decoded: Decoded },
}

/// What was decoded when the rest began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decoded {
    /// What waits in the queue begins here.
    from: i64,
    /// And ends here.
    until: i64,
}

impl Playout {
    /// Plays a stream of this codec.
    ///
    /// # Errors
    /// When the codec cannot be set up.
    pub(crate) fn new(codec: Codec, bounds: DelayBounds) -> Result<Playout, CodecError> {
        let decoder = Decoder::new(codec)?;
        let rate = ClockRate::new(decoder.sample_rate_hz());
        Ok(Playout {
            decoder,
            rate,
            frame: rate.millis(20),
            store: PacketStore::new(StoreSize::of(codec)),
            delay: DelayEstimator::new(bounds),
            queue: SampleQueue::new(rate.millis(QUEUE_MS)),
            flow: Flow::Silent { after: None },
            ticks: TickClock::new(),
            offset_us: 0,
            packet_us: TICK_US,
            grid_us: TICK_US,
            loss: Loss::default(),
            last_number: None,
            ticks_since_scaling: 0,
            floor: NEVER_QUIET,
            paused_by_peer: None,
        })
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
            packet,
            payload,
        } = arrived;
        let position = packet.position;
        let wanted_from = match self.flow {
            Flow::Silent { after } => after,
            Flow::Playing { next } | Flow::Concealing { next, .. } => Some(next),
            Flow::Resting { .. } => None,
        };
        if packet.ends_talk {
            let comes_after_talk = wanted_from.is_some_and(|wanted| position >= wanted);
            if comes_after_talk {
                self.store.insert(packet, &[]);
            }
            self.loss.passes(packet.number);
            return;
        }
        let late = match self.flow {
            Flow::Silent { after } => after.is_some() && self.comes_late(now, position),
            Flow::Playing { next } => position < next,
            Flow::Concealing { next, invented } => position < next + invented as i64,
            Flow::Resting { head, .. } => head.is_some() && self.comes_late(now, position),
        };
        let packet_us = self.rate.micros(packet.samples as i64);
        if packet_us != self.packet_us {
            self.packet_us = packet_us;
            self.grid_us = grid_us(packet_us);
        }
        let transit_us = now.as_micros().saturating_sub(self.rate.micros(position));
        self.delay.packet(now, transit_us, late);
        counters.late += u64::from(late);
        if packet.new_source {
            self.loss.passes(packet.number);
        } else {
            self.loss.packet(packet.number, packet.repairs);
        }
        if wanted_from.is_some_and(|wanted| packet.end() <= wanted) {
            counters.discarded += 1;
            return;
        }
        let filed = self.store.insert(packet, payload);
        if let Flow::Resting { .. } = self.flow {
            self.keep_recent(packet, counters);
            return;
        }
        match filed {
            Filed::Stored { displaced } => counters.discarded += displaced as u64,
            Filed::PlaceTaken | Filed::TooLong => counters.discarded += 1,
        }
    }

    /// Follows a packet of this number in which there is no audio: it was not lost.
    pub(crate) fn pass(&mut self, number: u64) {
        self.loss.passes(number);
    }

    /// Lets a tick begin.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.ticks.tick(now);
        self.delay.tick();
        self.ticks_since_scaling = self.ticks_since_scaling.saturating_add(1);
        if let Flow::Resting {
            head: Some(head), ..
        } = &mut self.flow
        {
            *head = head.saturating_add(self.frame as i64);
        }
    }

    /// Fills `out`, which is one frame at the codec's rate, for the tick that began.
    pub(crate) fn pull(&mut self, out: &mut [f32], counters: &mut ReceiveCounters) -> Pulled {
        let pulled = self.fill(counters);
        self.scale(counters);
        self.queue.take(out);
        pulled
    }

    /// Makes sure that a frame waits.
    fn fill(&mut self, counters: &mut ReceiveCounters) -> Pulled {
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
                Flow::Silent { after } => self.wait(after, missing, counters),
                Flow::Playing { next } => self.go_on(next, 0, missing, counters),
                Flow::Concealing { next, invented } => {
                    self.go_on(next, invented, missing, counters)
                }
                Flow::Resting { .. } => {
                    self.queue.append(missing).fill(0.0);
                    Pulled::Silence
                }
            };
            pulled = pulled.and(step);
        }
        pulled
    }

    /// Silence until the first packet is due, and then that packet.
    fn wait(
        &mut self,
        after: Option<i64>,
        missing: usize,
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        let Some(first) = self.store.first() else {
            self.queue.append(missing).fill(0.0);
            return Pulled::Silence;
        };
        if first.ends_talk {
            self.store.discard_first();
            self.last_number = Some(first.number);
            return Pulled::Silence;
        }
        self.delay.resume();
        let over = after.is_some_and(|after| first.end() <= after);
        // After an outage many may be due; all but the last would only make the delay longer.
        let next_is_due = self
            .store
            .second()
            .is_some_and(|second| self.is_due(second));
        if over || next_is_due {
            self.store.discard_first();
            counters.discarded += 1;
            return Pulled::Silence;
        }
        let wait_us = self
            .target_us(first.position, 0)
            .saturating_sub(self.offset_if(first.position));
        let wait = usize::try_from(self.rate.ticks(wait_us)).unwrap_or(0);
        self.queue.append(wait.min(missing)).fill(0.0);
        if wait >= missing {
            return Pulled::Silence;
        }
        self.offset_us = self.offset_if(first.position);
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
        next: i64,
        invented: usize,
        missing: usize,
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        let Some(first) = self.store.first() else {
            self.delay.pause();
            return self.conceal(next, invented, missing, counters);
        };
        let heard = next.saturating_add(invented as i64);
        if first.ends_talk && first.position <= heard {
            self.store.discard_first();
            self.last_number = Some(first.number);
            self.paused_by_peer = Some(Pause {
                comfort: self.decoder.conceals_for(),
                invented: 0,
            });
            return self.conceal(next, invented, missing, counters);
        }
        if first.end() <= next {
            self.store.discard_first();
            counters.discarded += 1;
            return Pulled::Silence;
        }
        let gap = first
            .position
            .saturating_sub(next)
            .saturating_sub(invented as i64);
        let Some(gap) = usize::try_from(gap).ok().filter(|gap| *gap > 0) else {
            self.delay.resume();
            self.play(first, next, counters);
            return Pulled::Audio;
        };
        let may_repair = first.repairs && gap <= 3 * self.frame;
        if may_repair && self.repair(next, invented, gap, counters) {
            return Pulled::Audio;
        }
        self.conceal(next, invented, missing.min(gap), counters)
    }

    /// Decodes the first packet, which begins where audio is wanted or overlaps it.
    fn play(&mut self, packet: StoredPacket, wanted: i64, counters: &mut ReceiveCounters) {
        let before = self.queue.len();
        self.decode(packet, counters);
        let overlap = usize::try_from(wanted - packet.position).unwrap_or(0);
        let after = self.queue.len();
        if let Some(samples) = self.queue.samples_mut().get_mut(before..)
            && overlap > 0
        {
            let overlap = overlap.min(samples.len());
            samples.copy_within(overlap.., 0);
            self.queue.truncate(after - overlap);
        }
        self.flow = Flow::Playing { next: packet.end() };
    }

    /// Decodes the first packet to the queue's end.
    fn decode(&mut self, packet: StoredPacket, counters: &mut ReceiveCounters) {
        let mut payload = [0; MAX_PAYLOAD_BYTES];
        let len = self.store.copy_first(&mut payload);
        self.store.discard_first();
        self.count_lost(packet, counters);
        if packet.new_source {
            self.decoder.reset();
        }
        let payload = payload.get(..len).unwrap_or_default();
        self.paused_by_peer = self.decoder.announces_pause(payload).then(|| Pause {
            comfort: self.rate.millis(COMFORT_MS),
            invented: 0,
        });
        let samples = self.queue.append(packet.samples);
        counters.decoded_frames += 1;
        if self.decoder.decode(payload, samples).is_err() {
            counters.undecodable += 1;
            self.decoder.conceal(samples);
        }
    }

    /// Counts what was invented in a pause for packets that were lost before one that is decoded: it
    /// was no comfort noise.
    fn count_lost(&mut self, packet: StoredPacket, counters: &mut ReceiveCounters) {
        let last = self.last_number.replace(packet.number);
        let lost = match last {
            Some(last) if !packet.new_source => packet.number.saturating_sub(last + 1),
            Some(_) | None => 0,
        };
        if let Some(pause) = self.paused_by_peer {
            let lost = usize::try_from(lost).unwrap_or(usize::MAX);
            let invented = pause.invented.min(lost.saturating_mul(packet.samples));
            counters.concealed_samples += self.at_48_khz(invented);
        }
    }

    /// Fills the gap from what the packet after it says; false where it does not.
    fn repair(
        &mut self,
        next: i64,
        invented: usize,
        gap: usize,
        counters: &mut ReceiveCounters,
    ) -> bool {
        let mut payload = [0; MAX_PAYLOAD_BYTES];
        let len = self.store.copy_first(&mut payload);
        let payload = payload.get(..len).unwrap_or_default();
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
        let limit = self
            .paused_by_peer
            .map_or(self.decoder.conceals_for(), |pause| pause.comfort);
        self.flow = Flow::Concealing { next, invented };
        if invented >= limit {
            let len = out.len();
            for (n, sample) in out.iter_mut().enumerate() {
                *sample *= 1.0 - n as f32 / len as f32;
            }
            self.flow = Flow::Silent { after: Some(next) };
        }
        match &mut self.paused_by_peer {
            Some(pause) => pause.invented += samples,
            None => counters.concealed_samples += self.at_48_khz(samples),
        }
        Pulled::Concealed
    }

    /// Stretches or squeezes what waits, towards the delay that the network asks for.
    fn scale(&mut self, counters: &mut ReceiveCounters) {
        let Flow::Playing { next } = self.flow else {
            return;
        };
        self.offset_us = self.offset_if(next);
        let short_us = self.offset_us.saturating_sub(self.target_us(next, 0));
        let excess_us = self
            .offset_us
            .saturating_sub(self.target_us(next, self.hysteresis_us()));
        let quiet = self.is_quiet();
        if short_us < SHORT_US {
            let (patience, likeness) = match (self.ticks_since_scaling, short_us) {
                (DESPERATE.., _) => (1, -1.0),
                (IMPATIENT.., _) => (1, 0.5),
                (_, ..-30_000) => (1, 0.75),
                (_, _) => (2, 0.9),
            };
            let care = self.care(quiet, likeness);
            if quiet || self.ticks_since_scaling >= patience {
                self.lengthen(-short_us, care, counters);
            }
        } else if excess_us > if quiet { QUIET_SLACK_US } else { SLACK_US } {
            let (patience, likeness) = match excess_us {
                150_000.. => (1, 0.5),
                60_000.. => (2, 0.75),
                _ => (5, 0.9),
            };
            let care = self.care(quiet, likeness);
            if quiet || self.ticks_since_scaling >= patience {
                self.shorten(excess_us, care, counters);
            }
        }
    }

    fn care(&self, quiet: bool, likeness: f32) -> Care {
        if quiet {
            Care::Quiet
        } else {
            Care::Likeness(likeness)
        }
    }

    /// Makes the delay longer by a piece of sound: in silence by as much as is missing; in speech by
    /// a period, whatever its length.
    fn lengthen(&mut self, by_us: i64, care: Care, counters: &mut ReceiveCounters) {
        let most = match care {
            Care::Quiet => usize::try_from(self.rate.ticks(by_us)).unwrap_or(0),
            Care::Likeness(_) => usize::MAX,
        };
        let most = most.max(self.rate.millis(5) / 2);
        if let Some(added) = stretch(&mut self.queue, self.rate, most, care) {
            counters.stretched_samples += self.at_48_khz(added);
            self.offset_us += self.rate.micros(added as i64);
            self.ticks_since_scaling = 0;
        }
    }

    /// Makes the delay shorter by a piece of sound, and by no more than this.
    fn shorten(&mut self, by_us: i64, care: Care, counters: &mut ReceiveCounters) {
        self.decode_ahead(counters);
        let most = usize::try_from(self.rate.ticks(by_us)).unwrap_or(0);
        let most = most.min(self.queue.len().saturating_sub(self.frame));
        if let Some(removed) = squeeze(&mut self.queue, self.rate, most, care) {
            counters.squeezed_samples += self.at_48_khz(removed);
            self.offset_us -= self.rate.micros(removed as i64);
            self.ticks_since_scaling = 0;
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
                Some(first)
                    if !first.ends_talk && self.queue.len() < wanted && first.position <= next =>
                {
                    if first.end() <= next {
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

    fn is_due(&self, packet: StoredPacket) -> bool {
        self.offset_if(packet.position) >= self.target_us(packet.position, 0)
    }

    /// How long after its position audio is to be heard, where a packet begins at `position`.
    fn target_us(&self, position: i64, spare_us: i64) -> i64 {
        let allowed_us = self.delay.allowed_us().saturating_add(spare_us);
        let allowed_us = if self.loss.is_waited_for() {
            allowed_us.saturating_add(self.packet_us)
        } else {
            allowed_us
        };
        let position_us = self.rate.micros(position);
        shortest_us(allowed_us, position_us, self.grid_us, self.ticks.at_us())
    }

    /// So much more lateness is allowed for before the delay is made shorter.
    fn hysteresis_us(&self) -> i64 {
        HYSTERESIS_US + (self.delay.allowed_us() - self.delay.base_us()) / 8
    }

    /// How long after its position audio would be heard, if it came right after what waits.
    fn offset_if(&self, position: i64) -> i64 {
        let waiting_us = self.rate.micros(self.queue.len() as i64);
        self.ticks
            .at_us()
            .saturating_add(waiting_us)
            .saturating_sub(self.rate.micros(position))
    }

    /// Whether a packet comes after the tick that would have asked for it.
    fn comes_late(&self, now: Timestamp, position: i64) -> bool {
        let heard_us = self.rate.micros(position).saturating_add(self.offset_us);
        now.as_micros() > asked_for_us(heard_us, self.ticks.at_us())
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
