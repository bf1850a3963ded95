//! Letting a quiet leg be: its packets are kept, and not decoded until somebody needs them.

use std::mem;

use super::{
    Arrived, Awake, Decoding, Flow, NARROW_SAMPLES, Playout, QUIET_SLACK_US, SHORT_US, Schedule,
    State,
};
use crate::frame::Frame;
use crate::jitter::{Lender, Need, StoredPacket};
use crate::receiver::{Pulled, ReceiveCounters};

/// How many packets are kept whose playout time has passed: a decoder that begins with them is as good
/// as one that has heard everything.
const KEPT: usize = 10;

/// What is missing between packets for longer than this is a pause, and leaves no mark on a decoder.
const GAP_FRAMES: usize = 5;

/// A voice that was not recognized at once is heard so many frames late at most.
const BACK_FRAMES: i64 = 3;

/// What waited for something to be decoded with is heard so many frames late at most: half a second.
const LATE_FRAMES: i64 = 25;

/// For so many ticks what is heard late is not shortened: the quiet before a word would be, and the
/// word's beginning with it.
const STEADY_TICKS: u32 = 5;

/// A stream that is not decoded: the leg is quiet and nobody needs it.
#[derive(Default)]
pub(super) struct Resting {
    /// What would be heard in this tick begins here, once that is known.
    head: Option<i64>,
    /// Until it is given up.
    kept: Option<Kept>,
    /// It is to be decoded again, from here on, and there was nothing to do that with.
    put_off: Option<i64>,
}

/// What a stream was decoded with before the rest.
struct Kept {
    decoding: Box<Decoding>,
    /// What waits in its queue begins here.
    from: i64,
    /// And ends here.
    until: i64,
    for_ticks: u32,
}

impl Playout {
    /// Whether nothing is decoded.
    pub(crate) fn is_resting(&self) -> bool {
        match self.state {
            State::Awake(_) => false,
            State::Resting(_) => true,
        }
    }

    /// Whether it has nothing to decode with.
    pub(crate) fn lacks_decoding(&self) -> bool {
        match &self.state {
            State::Awake(_) => false,
            State::Resting(resting) => resting.kept.is_none(),
        }
    }

    /// The place for what its leg adds to a mix, while there is something to decode with.
    pub(crate) fn voice(&self) -> Option<&Frame> {
        match &self.state {
            State::Awake(awake) => Some(&awake.decoding.voice),
            State::Resting(resting) => Some(&resting.kept.as_ref()?.decoding.voice),
        }
    }

    pub(crate) fn voice_mut(&mut self) -> Option<&mut Frame> {
        match &mut self.state {
            State::Awake(awake) => Some(&mut awake.decoding.voice),
            State::Resting(resting) => Some(&mut resting.kept.as_mut()?.decoding.voice),
        }
    }

    /// Whether it has given up all that it can, and waits for nothing.
    pub(crate) fn is_asleep(&self) -> bool {
        match &self.state {
            State::Awake(_) => false,
            State::Resting(resting) => resting.kept.is_none() && resting.put_off.is_none(),
        }
    }

    /// Decodes nothing from this tick on. It keeps what it has decoded with for so many ticks.
    pub(crate) fn rest(&mut self, keeps_for: u32) {
        let state = mem::replace(&mut self.state, State::Resting(Resting::default()));
        self.state = State::Resting(match state {
            State::Awake(awake) => awake.rest(keeps_for),
            State::Resting(resting) => resting,
        });
    }

    /// Goes on resting in this tick, and gives up what is not needed for that.
    pub(crate) fn rest_on(&mut self, lender: &mut impl Lender) {
        let State::Resting(resting) = &mut self.state else {
            return;
        };
        resting.put_off = None;
        resting.kept = match resting.kept.take() {
            Some(kept) => kept.rest_on(lender),
            None => None,
        };
    }

    /// Decodes again from this tick on, as though it had never stopped: the decoder is fed with what
    /// was kept. `onset` is where a voice began, if it was not recognized at once; it is heard late
    /// then. `unheard` is used up: what is written there is not to be heard.
    ///
    /// False while nothing is left to decode with. Then what is heard first when it is asked again is
    /// what would have been heard now.
    pub(crate) fn wake(
        &mut self,
        onset: Option<i64>,
        need: Need,
        lender: &mut impl Lender,
        unheard: &mut Frame,
        counters: &mut ReceiveCounters,
    ) -> bool {
        let Playout { schedule, state } = self;
        let State::Resting(resting) = state else {
            return true;
        };
        let kept = resting.kept.take();
        let decoded = kept.as_ref().map(|kept| (kept.from, kept.until));
        let decoding = match kept {
            Some(kept) => Some(kept.decoding),
            None => lender.lend(schedule.codec, need),
        };
        let Some(decoding) = decoding else {
            resting.put_off = resting
                .put_off
                .or_else(|| resting.begin(onset, schedule.frame));
            return false;
        };
        // The beginning of a voice is not the place for a change of length.
        schedule.ticks_since_scaling = 0;
        let mut awake = Awake::new(decoding);
        resting.resume(schedule, &mut awake, onset, decoded, unheard, counters);
        *state = State::Awake(awake);
        true
    }
}

impl Kept {
    fn rest_on(mut self, lender: &mut impl Lender) -> Option<Kept> {
        if self.for_ticks > 0 {
            self.for_ticks -= 1;
            return Some(self);
        }
        let decoding = lender.take_back(self.decoding)?;
        Some(Kept { decoding, ..self })
    }
}

impl Resting {
    /// Files a packet; only the latest of those that are over are kept.
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
        if packet.ends_talk {
            schedule.loss.passes(packet.number);
            return;
        }
        let late = self.head.is_some() && schedule.comes_late(now, packet.position);
        schedule.follow(now, packet, late);
        counters.late += u64::from(late);
        schedule.store.insert(packet, payload);
        schedule.delay.resume();
        self.follow_target(schedule, packet.position);
        let Some(begin) = self.begin(None, schedule.frame) else {
            return;
        };
        let over = schedule.store.count_until(begin);
        for _ in KEPT..over {
            schedule.store.discard_first();
            counters.skipped_frames += 1;
        }
    }

    /// Lets ticks go by.
    pub(super) fn pass(&mut self, ticks: u32, frame: usize) {
        let passed = (frame as i64).saturating_mul(i64::from(ticks));
        self.head = self.head.map(|head| head.saturating_add(passed));
    }

    /// Moves the head to where the network asks for it: in silence nobody hears that.
    fn follow_target(&mut self, schedule: &mut Schedule, position: i64) {
        let least_us = schedule.target_us(position, 0);
        let most_us = schedule.target_us(position, schedule.hysteresis_us());
        let tick_us = schedule.ticks.at_us();
        let offset_us = match self.head {
            Some(head) => tick_us.saturating_sub(schedule.rate.micros(head)),
            None => least_us,
        };
        let wanted_us = if offset_us.saturating_sub(least_us) < SHORT_US {
            least_us
        } else if offset_us.saturating_sub(most_us) > QUIET_SLACK_US {
            most_us
        } else {
            offset_us
        };
        schedule.offset_us = wanted_us;
        let rate = schedule.rate;
        self.head = Some(match self.head {
            Some(head) => head.saturating_sub(rate.ticks(wanted_us.saturating_sub(offset_us))),
            None => rate.ticks(tick_us.saturating_sub(wanted_us)),
        });
    }

    /// What is heard first if it wakes in this tick: the head, or so many whole frames earlier that
    /// the onset is heard, or what should have been heard when it was first to wake.
    fn begin(&self, onset: Option<i64>, frame: usize) -> Option<i64> {
        let (head, frame) = (self.head?, frame as i64);
        let frames_since = |position: i64| {
            let missed = head.saturating_sub(position).max(0);
            missed.saturating_add(frame - 1) / frame
        };
        let frames = match (self.put_off, onset) {
            (Some(put_off), _) => frames_since(put_off).min(LATE_FRAMES),
            (None, Some(onset)) => Some(frames_since(onset))
                .filter(|frames| *frames <= BACK_FRAMES)
                .unwrap_or(0),
            (None, None) => 0,
        };
        Some(head.saturating_sub(frames * frame))
    }

    /// Brings a stream that is to be decoded again to where it would be. Where what was `decoded`
    /// before the rest begins and ends is known if it is still there.
    fn resume(
        &self,
        schedule: &mut Schedule,
        awake: &mut Awake,
        onset: Option<i64>,
        decoded: Option<(i64, i64)>,
        unheard: &mut Frame,
        counters: &mut ReceiveCounters,
    ) {
        let until = decoded.map_or(i64::MIN, |(_, until)| until);
        let (Some(due), Some(begin)) = (self.head, self.begin(onset, schedule.frame)) else {
            awake.decoding.queue.truncate(0);
            let after = Some(until).filter(|until| *until != i64::MIN);
            awake.flow = Flow::Silent { after };
            return;
        };
        schedule.offset_us += schedule.rate.micros(due.saturating_sub(begin));
        if self.put_off.is_some() {
            awake.steady_for = STEADY_TICKS;
        }
        let mut narrow = [0.0; NARROW_SAMPLES];
        // What would have been heard before this tick is what a resampler must know.
        let before = match awake.decoding.is_narrow() {
            true => narrow.get_mut(..schedule.frame).unwrap_or_default(),
            false => &mut [],
        };
        let begin = begin.saturating_sub(before.len() as i64);
        match decoded.filter(|(_, until)| *until > begin) {
            Some((from, until)) => {
                // It was a short rest: what is wanted still waits.
                let gone = usize::try_from(begin.saturating_sub(from));
                awake.decoding.queue.discard(gone.unwrap_or(0));
                awake.flow = Flow::Playing { next: until };
                if gone.is_err() {
                    return;
                }
            }
            None => {
                awake.decoding.queue.truncate(0);
                let known_until = awake.prime(schedule, begin, until, counters);
                let first = schedule.store.first();
                let covered = first.is_some_and(|first| first.position <= begin);
                if !covered && begin.saturating_sub(known_until) > 3 * schedule.frame as i64 {
                    awake.flow = Flow::Silent { after: Some(begin) };
                    // What waited while this stream was put off is heard from its beginning.
                    let waited = |first: &StoredPacket| first.position < due;
                    if let Some(first) = first.filter(waited).filter(|_| self.put_off.is_some()) {
                        awake.begin_with(schedule, first, counters);
                    }
                    return;
                }
                awake.flow = Flow::Playing { next: begin };
            }
        }
        if before.is_empty() {
            return;
        }
        awake.fill(schedule, counters);
        awake.decoding.queue.take(before);
        awake.decoding.widen(before, Pulled::Audio, unheard);
    }
}

impl Awake {
    fn rest(mut self, keeps_for: u32) -> Resting {
        self.decoding.quieten();
        let waiting = self.decoding.queue.len() as i64;
        let (head, from, until) = match self.flow {
            Flow::Silent { after } => {
                self.decoding.queue.truncate(0);
                let until = after.unwrap_or(i64::MIN);
                (None, until, until)
            }
            Flow::Playing { next } => {
                let head = next.saturating_sub(waiting);
                (Some(head), head, next)
            }
            Flow::Concealing { next, invented } => {
                self.decoding.queue.truncate(0);
                let head = next.saturating_add(invented as i64);
                (Some(head), head, next)
            }
        };
        Resting {
            head,
            kept: Some(Kept {
                decoding: self.decoding,
                from,
                until,
                for_ticks: keeps_for,
            }),
            put_off: None,
        }
    }

    /// Lets the decoder hear what was kept, up to `begin`; returns where that ends. It goes on from
    /// what it knew before the rest: that resembles what it missed more than nothing does.
    fn prime(
        &mut self,
        schedule: &mut Schedule,
        begin: i64,
        decoded_until: i64,
        counters: &mut ReceiveCounters,
    ) -> i64 {
        let mut known_until = decoded_until;
        for _ in 0..schedule.store.count_until(begin) {
            let Some(packet) = schedule.store.first() else {
                break;
            };
            let gap = usize::try_from(packet.position.saturating_sub(known_until)).unwrap_or(0);
            if gap > 0 && gap <= GAP_FRAMES * schedule.frame {
                let lost = self.decoding.queue.append(gap);
                self.decoding.decoder.conceal(lost);
                self.decoding.queue.truncate(0);
            }
            schedule.last_number = None;
            self.decode(schedule, packet, counters);
            self.decoding.queue.truncate(0);
            known_until = packet.end();
        }
        known_until
    }
}
