//! Plays a stream that is decoded.

use super::{
    Arrived, Decoding, Filed, Flow, NARROW_SAMPLES, Pause, QUIET_SLACK_US, SHORT_US, Schedule,
};
use crate::codec::MAX_PAYLOAD_BYTES;
use crate::frame::{Frame, rms};
use crate::jitter::StoredPacket;
use crate::jitter::time_scale::{Care, MAX_PIECE_MS, squeeze, stretch};
use crate::receiver::{Pulled, ReceiveCounters};

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

/// After so many ticks without a piece that resembles itself, less likeness will do.
const IMPATIENT: u32 = 50;
const DESPERATE: u32 = 100;

/// What is quiet in any room, and what is not.
const ALWAYS_QUIET: f32 = 0.002;
pub(super) const NEVER_QUIET: f32 = 0.02;

/// A frame is quiet while it is no louder than so many times the background noise.
const QUIET_OVER_FLOOR: f32 = 1.6;

/// How fast the estimate of the background noise rises towards a louder one.
const FLOOR_RISES: f32 = 1.01;

/// A stream that is decoded.
pub(super) struct Awake {
    pub(super) decoding: Box<Decoding>,
    pub(super) flow: Flow,
    /// The last packet announced a pause (DTX): what is invented now is comfort noise.
    pub(super) paused_by_peer: Option<Pause>,
    /// For so many ticks its length is not changed.
    pub(super) steady_for: u32,
}

impl Awake {
    /// A stream of which nothing was heard.
    pub(super) fn new(decoding: Box<Decoding>) -> Awake {
        Awake {
            decoding,
            flow: Flow::Silent { after: None },
            paused_by_peer: None,
            steady_for: 0,
        }
    }

    /// Files a packet.
    pub(super) fn insert(
        &mut self,
        schedule: &mut Schedule,
        arrived: Arrived<'_>,
        counters: &mut ReceiveCounters,
    ) {
        let Arrived {
            now,
            packet,
            payload,
        } = arrived;
        let position = packet.position;
        let wanted_from = match self.flow {
            Flow::Silent { after } => after,
            Flow::Playing { next } | Flow::Concealing { next, .. } => Some(next),
        };
        if packet.ends_talk {
            let comes_after_talk = wanted_from.is_some_and(|wanted| position >= wanted);
            if comes_after_talk {
                schedule.store.insert(packet, &[]);
            }
            schedule.loss.passes(packet.number);
            return;
        }
        let late = match self.flow {
            Flow::Silent { after } => after.is_some() && schedule.comes_late(now, position),
            Flow::Playing { next } => position < next,
            Flow::Concealing { next, invented } => position < next + invented as i64,
        };
        schedule.follow(now, packet, late);
        counters.late += u64::from(late);
        if wanted_from.is_some_and(|wanted| packet.end() <= wanted) {
            counters.discarded += 1;
            return;
        }
        match schedule.store.insert(packet, payload) {
            Filed::Stored { displaced } => counters.discarded += displaced as u64,
            Filed::PlaceTaken | Filed::TooLong => counters.discarded += 1,
        }
    }

    /// Fills a frame for the tick that began.
    pub(super) fn pull(
        &mut self,
        schedule: &mut Schedule,
        frame: &mut Frame,
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        let mut narrow = [0.0; NARROW_SAMPLES];
        let out = match self.decoding.is_narrow() {
            true => narrow.get_mut(..schedule.frame).unwrap_or_default(),
            false => frame.as_mut_slice(),
        };
        let pulled = self.fill(schedule, counters);
        self.scale(schedule, counters);
        self.decoding.queue.take(out);
        let narrow = narrow.get(..schedule.frame).unwrap_or_default();
        self.decoding.widen(narrow, pulled, frame)
    }

    /// Makes sure that a frame waits.
    pub(super) fn fill(
        &mut self,
        schedule: &mut Schedule,
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        let mut pulled = if self.decoding.queue.len() == 0 {
            Pulled::Silence
        } else {
            Pulled::Audio
        };
        for _ in 0..MAX_STEPS {
            let missing = schedule.frame.saturating_sub(self.decoding.queue.len());
            if missing == 0 {
                break;
            }
            let step = match self.flow {
                Flow::Silent { after } => self.wait(schedule, after, missing, counters),
                Flow::Playing { next } => self.go_on(schedule, next, 0, missing, counters),
                Flow::Concealing { next, invented } => {
                    self.go_on(schedule, next, invented, missing, counters)
                }
            };
            pulled = pulled.and(step);
        }
        pulled
    }

    /// Silence until the first packet is due, and then that packet.
    fn wait(
        &mut self,
        schedule: &mut Schedule,
        after: Option<i64>,
        missing: usize,
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        let Some(first) = schedule.store.first() else {
            self.decoding.queue.append(missing).fill(0.0);
            return Pulled::Silence;
        };
        if first.ends_talk {
            schedule.store.discard_first();
            schedule.last_number = Some(first.number);
            return Pulled::Silence;
        }
        schedule.delay.resume();
        let over = after.is_some_and(|after| first.end() <= after);
        // After an outage many may be due; all but the last would only make the delay longer.
        let next_is_due = schedule
            .store
            .second()
            .is_some_and(|second| self.is_due(schedule, second));
        if over || next_is_due {
            schedule.store.discard_first();
            counters.discarded += 1;
            return Pulled::Silence;
        }
        let wait_us = schedule
            .target_us(first.position, 0)
            .saturating_sub(self.offset_if(schedule, first.position));
        let wait = usize::try_from(schedule.rate.ticks(wait_us)).unwrap_or(0);
        self.decoding.queue.append(wait.min(missing)).fill(0.0);
        if wait >= missing {
            return Pulled::Silence;
        }
        self.begin_with(schedule, first, counters);
        Pulled::Audio
    }

    /// Plays the first packet after silence, right after what waits.
    pub(super) fn begin_with(
        &mut self,
        schedule: &mut Schedule,
        first: StoredPacket,
        counters: &mut ReceiveCounters,
    ) {
        schedule.offset_us = self.offset_if(schedule, first.position);
        self.play(schedule, first, first.position, counters);
        let ramp = schedule.rate.millis(RAMP_HALF_MS) / 2;
        let begin = self.decoding.queue.len().saturating_sub(first.samples);
        if let Some(risen) = self.decoding.queue.samples_mut().get_mut(begin..) {
            for (n, sample) in risen.iter_mut().take(ramp).enumerate() {
                *sample *= n as f32 / ramp as f32;
            }
        }
    }

    /// The packet that is wanted, or what stands in for it.
    fn go_on(
        &mut self,
        schedule: &mut Schedule,
        next: i64,
        invented: usize,
        missing: usize,
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        let Some(first) = schedule.store.first() else {
            schedule.delay.pause();
            return self.conceal(schedule, next, invented, missing, counters);
        };
        let heard = next.saturating_add(invented as i64);
        if first.ends_talk && first.position <= heard {
            schedule.store.discard_first();
            schedule.last_number = Some(first.number);
            self.paused_by_peer = Some(Pause {
                comfort: self.decoding.decoder.conceals_for(),
                invented: 0,
            });
            return self.conceal(schedule, next, invented, missing, counters);
        }
        if first.end() <= next {
            schedule.store.discard_first();
            counters.discarded += 1;
            return Pulled::Silence;
        }
        let gap = first
            .position
            .saturating_sub(next)
            .saturating_sub(invented as i64);
        let Some(gap) = usize::try_from(gap).ok().filter(|gap| *gap > 0) else {
            schedule.delay.resume();
            self.play(schedule, first, next, counters);
            return Pulled::Audio;
        };
        let may_repair = first.repairs && gap <= 3 * schedule.frame;
        if may_repair && self.repair(schedule, next, invented, gap, counters) {
            return Pulled::Audio;
        }
        self.conceal(schedule, next, invented, missing.min(gap), counters)
    }

    /// Decodes the first packet, which begins where audio is wanted or overlaps it.
    fn play(
        &mut self,
        schedule: &mut Schedule,
        packet: StoredPacket,
        wanted: i64,
        counters: &mut ReceiveCounters,
    ) {
        let before = self.decoding.queue.len();
        self.decode(schedule, packet, counters);
        let overlap = usize::try_from(wanted - packet.position).unwrap_or(0);
        let after = self.decoding.queue.len();
        if let Some(samples) = self.decoding.queue.samples_mut().get_mut(before..)
            && overlap > 0
        {
            let overlap = overlap.min(samples.len());
            samples.copy_within(overlap.., 0);
            self.decoding.queue.truncate(after - overlap);
        }
        self.flow = Flow::Playing { next: packet.end() };
    }

    /// Decodes the first packet to the queue's end.
    pub(super) fn decode(
        &mut self,
        schedule: &mut Schedule,
        packet: StoredPacket,
        counters: &mut ReceiveCounters,
    ) {
        let mut payload = [0; MAX_PAYLOAD_BYTES];
        let len = schedule.store.copy_first(&mut payload);
        schedule.store.discard_first();
        self.count_lost(schedule, packet, counters);
        if packet.new_source {
            self.decoding.decoder.reset();
        }
        let payload = payload.get(..len).unwrap_or_default();
        self.paused_by_peer = self
            .decoding
            .decoder
            .announces_pause(payload)
            .then(|| Pause {
                comfort: schedule.rate.millis(COMFORT_MS),
                invented: 0,
            });
        let samples = self.decoding.queue.append(packet.samples);
        counters.decoded_frames += 1;
        if self.decoding.decoder.decode(payload, samples).is_err() {
            counters.undecodable += 1;
            self.decoding.decoder.conceal(samples);
        }
    }

    /// Counts what was invented in a pause for packets that were lost before one that is decoded: it
    /// was no comfort noise.
    fn count_lost(
        &mut self,
        schedule: &mut Schedule,
        packet: StoredPacket,
        counters: &mut ReceiveCounters,
    ) {
        let last = schedule.last_number.replace(packet.number);
        let lost = match last {
            Some(last) if !packet.new_source => packet.number.saturating_sub(last + 1),
            Some(_) | None => 0,
        };
        if let Some(pause) = self.paused_by_peer {
            let lost = usize::try_from(lost).unwrap_or(usize::MAX);
            let invented = pause.invented.min(lost.saturating_mul(packet.samples));
            counters.concealed_samples += schedule.at_48_khz(invented);
        }
    }

    /// Fills the gap from what the packet after it says; false where it does not.
    fn repair(
        &mut self,
        schedule: &mut Schedule,
        next: i64,
        invented: usize,
        gap: usize,
        counters: &mut ReceiveCounters,
    ) -> bool {
        let mut payload = [0; MAX_PAYLOAD_BYTES];
        let len = schedule.store.copy_first(&mut payload);
        let payload = payload.get(..len).unwrap_or_default();
        let before = self.decoding.queue.len();
        let samples = self.decoding.queue.append(gap);
        if samples.len() < gap || !self.decoding.decoder.decode_fec(payload, samples) {
            self.decoding.queue.truncate(before);
            return false;
        }
        counters.repaired_samples += schedule.at_48_khz(gap);
        self.flow = Flow::Concealing {
            next,
            invented: invented + gap,
        };
        true
    }

    /// Invents samples, until nothing is left to invent from.
    fn conceal(
        &mut self,
        schedule: &mut Schedule,
        next: i64,
        invented: usize,
        samples: usize,
        counters: &mut ReceiveCounters,
    ) -> Pulled {
        // Opus conceals in steps of 2.5 ms.
        let samples = samples.next_multiple_of(schedule.rate.millis(5) / 2);
        let out = self.decoding.queue.append(samples);
        self.decoding.decoder.conceal(out);
        let invented = invented + out.len();
        let limit = self
            .paused_by_peer
            .map_or(self.decoding.decoder.conceals_for(), |pause| pause.comfort);
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
            None => counters.concealed_samples += schedule.at_48_khz(samples),
        }
        Pulled::Concealed
    }

    /// Stretches or squeezes what waits, towards the delay that the network asks for.
    fn scale(&mut self, schedule: &mut Schedule, counters: &mut ReceiveCounters) {
        let Flow::Playing { next } = self.flow else {
            return;
        };
        schedule.offset_us = self.offset_if(schedule, next);
        if self.steady_for > 0 {
            self.steady_for -= 1;
            return;
        }
        let short_us = schedule
            .offset_us
            .saturating_sub(schedule.target_us(next, 0));
        let excess_us = schedule
            .offset_us
            .saturating_sub(schedule.target_us(next, schedule.hysteresis_us()));
        let quiet = self.is_quiet(schedule);
        if short_us < SHORT_US {
            let (patience, likeness) = match (schedule.ticks_since_scaling, short_us) {
                (DESPERATE.., _) => (1, -1.0),
                (IMPATIENT.., _) => (1, 0.5),
                (_, ..-30_000) => (1, 0.75),
                (_, _) => (2, 0.9),
            };
            let care = self.care(quiet, likeness);
            if quiet || schedule.ticks_since_scaling >= patience {
                self.lengthen(schedule, -short_us, care, counters);
            }
        } else if excess_us > if quiet { QUIET_SLACK_US } else { SLACK_US } {
            let (patience, likeness) = match excess_us {
                150_000.. => (1, 0.5),
                60_000.. => (2, 0.75),
                _ => (5, 0.9),
            };
            let care = self.care(quiet, likeness);
            if quiet || schedule.ticks_since_scaling >= patience {
                self.shorten(schedule, excess_us, care, counters);
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
    fn lengthen(
        &mut self,
        schedule: &mut Schedule,
        by_us: i64,
        care: Care,
        counters: &mut ReceiveCounters,
    ) {
        let most = match care {
            Care::Quiet => usize::try_from(schedule.rate.ticks(by_us)).unwrap_or(0),
            Care::Likeness(_) => usize::MAX,
        };
        let most = most.max(schedule.rate.millis(5) / 2);
        if let Some(added) = stretch(&mut self.decoding.queue, schedule.rate, most, care) {
            counters.stretched_samples += schedule.at_48_khz(added);
            schedule.offset_us += schedule.rate.micros(added as i64);
            schedule.ticks_since_scaling = 0;
        }
    }

    /// Makes the delay shorter by a piece of sound, and by no more than this.
    fn shorten(
        &mut self,
        schedule: &mut Schedule,
        by_us: i64,
        care: Care,
        counters: &mut ReceiveCounters,
    ) {
        self.decode_ahead(schedule, counters);
        let most = usize::try_from(schedule.rate.ticks(by_us)).unwrap_or(0);
        let most = most.min(self.decoding.queue.len().saturating_sub(schedule.frame));
        if let Some(removed) = squeeze(&mut self.decoding.queue, schedule.rate, most, care) {
            counters.squeezed_samples += schedule.at_48_khz(removed);
            schedule.offset_us -= schedule.rate.micros(removed as i64);
            schedule.ticks_since_scaling = 0;
        }
    }

    /// Decodes what waits, so that a piece can be taken out.
    fn decode_ahead(&mut self, schedule: &mut Schedule, counters: &mut ReceiveCounters) {
        let wanted = schedule.frame + schedule.rate.millis(MAX_PIECE_MS);
        for _ in 0..MAX_STEPS {
            let Flow::Playing { next } = self.flow else {
                return;
            };
            match schedule.store.first() {
                Some(first)
                    if !first.ends_talk
                        && self.decoding.queue.len() < wanted
                        && first.position <= next =>
                {
                    if first.end() <= next {
                        schedule.store.discard_first();
                        counters.discarded += 1;
                    } else {
                        self.play(schedule, first, next, counters);
                    }
                }
                Some(_) | None => return,
            }
        }
    }

    /// Whether the frame that is about to be heard is background noise, or nothing.
    fn is_quiet(&mut self, schedule: &mut Schedule) -> bool {
        let frame = self.decoding.queue.samples();
        let level = rms(frame.get(..schedule.frame).unwrap_or(frame));
        schedule.floor = (schedule.floor * FLOOR_RISES)
            .min(level)
            .max(ALWAYS_QUIET / QUIET_OVER_FLOOR);
        level < NEVER_QUIET && level <= schedule.floor * QUIET_OVER_FLOOR
    }

    fn is_due(&self, schedule: &Schedule, packet: StoredPacket) -> bool {
        self.offset_if(schedule, packet.position) >= schedule.target_us(packet.position, 0)
    }

    /// How long after its position audio would be heard, if it came right after what waits.
    fn offset_if(&self, schedule: &Schedule, position: i64) -> i64 {
        let waiting_us = schedule.rate.micros(self.decoding.queue.len() as i64);
        schedule
            .ticks
            .at_us()
            .saturating_add(waiting_us)
            .saturating_sub(schedule.rate.micros(position))
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
