//! Says what is heard of one stream in each tick.

mod awake;
mod rest;

use std::hint::black_box;
use std::time::Duration;

use tutti_model::{Codec, Timestamp};

use super::loss::Loss;
use super::tick_grid::{TICK_US, TickClock, asked_for_us, grid_us, shortest_us};
use super::{
    ClockRate, Decoding, DelayBounds, DelayEstimator, Filed, PacketStore, StoreSize, StoredPacket,
};
use crate::codec::CodecError;
use crate::frame::{Frame, SAMPLE_RATE_HZ};
use crate::receiver::{Pulled, ReceiveCounters};
use awake::{Awake, NEVER_QUIET};
use rest::Resting;

/// The delay may be so much greater than it must be while it is quiet: the shortest piece that is
/// removed.
const QUIET_SLACK_US: i64 = 2_500;

/// The delay may be so much shorter than it should be; that is what rounding does.
const SHORT_US: i64 = -200;

/// So much more lateness than is measured is allowed for before the delay is made shorter, and an
/// eighth of what is measured: what was saved would soon be wanted again.
const HYSTERESIS_US: i64 = 2_000;

/// Samples in a frame at 16 kHz, the highest rate that is not ours.
const NARROW_SAMPLES: usize = 320;

/// A packet that arrived, placed on the timeline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived<'a> {
    pub(crate) now: Timestamp,
    pub(crate) packet: StoredPacket,
    pub(crate) payload: &'a [u8],
}

/// Plays one stream: decodes, repairs, conceals, stretches and squeezes.
///
/// It works at the codec's own rate, and what comes out is at 48 kHz. It allocates nothing after
/// construction.
pub(crate) struct Playout {
    schedule: Schedule,
    state: State,
}

/// Whether the stream is decoded.
enum State {
    Awake(Awake),
    Resting(Resting),
}

/// The packets that wait, and when they are due: what goes on in a rest, too.
struct Schedule {
    codec: Codec,
    rate: ClockRate,
    /// Samples in a frame.
    frame: usize,
    store: PacketStore,
    delay: DelayEstimator,
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
}

/// A pause that the peer announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pause {
    /// For so many samples something is heard of it.
    comfort: usize,
    /// So many were invented.
    invented: usize,
}

/// Where a stream that is decoded is.
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
    /// Plays a stream of this codec.
    ///
    /// # Errors
    /// When the codec cannot be set up.
    pub(crate) fn new(codec: Codec, bounds: DelayBounds) -> Result<Playout, CodecError> {
        let rate = ClockRate::new(codec.sample_rate());
        Ok(Playout {
            schedule: Schedule {
                codec,
                rate,
                frame: rate.millis(20),
                store: PacketStore::new(StoreSize::of(codec)),
                delay: DelayEstimator::new(bounds),
                ticks: TickClock::new(),
                offset_us: 0,
                packet_us: TICK_US,
                grid_us: TICK_US,
                loss: Loss::default(),
                last_number: None,
                ticks_since_scaling: 0,
                floor: NEVER_QUIET,
            },
            state: State::Awake(Awake::new(Box::new(Decoding::new(codec)?))),
        })
    }

    /// Looks at what a packet and a tick need, so that it is in the cache then.
    pub(crate) fn fetch(&self) {
        let Schedule {
            store,
            delay,
            ticks,
            offset_us,
            ..
        } = &self.schedule;
        store.fetch();
        black_box((delay.base_us(), ticks.at_us(), *offset_us));
    }

    /// What it plays.
    pub(crate) fn codec(&self) -> Codec {
        self.schedule.codec
    }

    /// Samples in a frame of the codec.
    pub(crate) fn frame(&self) -> usize {
        self.schedule.frame
    }

    /// How long a packet that is exactly on time waits until it is heard.
    pub(crate) fn delay(&self) -> Duration {
        let Schedule {
            offset_us, delay, ..
        } = &self.schedule;
        let delay_us = offset_us.saturating_sub(delay.base_us());
        Duration::from_micros(u64::try_from(delay_us).unwrap_or(0))
    }

    /// Files a packet.
    pub(crate) fn insert(&mut self, arrived: Arrived<'_>, counters: &mut ReceiveCounters) {
        match &mut self.state {
            State::Awake(awake) => awake.insert(&mut self.schedule, arrived, counters),
            State::Resting(resting) => resting.insert(&mut self.schedule, arrived, counters),
        }
    }

    /// Follows a packet of this number in which there is no audio: it was not lost.
    pub(crate) fn follow_other(&mut self, number: u64) {
        self.schedule.loss.passes(number);
    }

    /// Lets a tick begin.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        let schedule = &mut self.schedule;
        schedule.ticks.tick(now);
        schedule.delay.tick();
        schedule.ticks_since_scaling = schedule.ticks_since_scaling.saturating_add(1);
        match &mut self.state {
            State::Awake(_) => {}
            State::Resting(resting) => resting.pass(1, schedule.frame),
        }
    }

    /// Lets ticks go by of which nobody wants to hear anything, while nothing is decoded.
    pub(crate) fn pass(&mut self, ticks: u32) {
        let schedule = &mut self.schedule;
        schedule.ticks.pass(ticks);
        schedule.delay.pass(ticks);
        schedule.ticks_since_scaling = schedule.ticks_since_scaling.saturating_add(ticks);
        match &mut self.state {
            State::Awake(_) => {}
            State::Resting(resting) => resting.pass(ticks, schedule.frame),
        }
    }

    /// Fills a frame for the tick that began; during a rest it is silent, and left as it is.
    pub(crate) fn pull(&mut self, frame: &mut Frame, counters: &mut ReceiveCounters) -> Pulled {
        match &mut self.state {
            State::Awake(awake) => awake.pull(&mut self.schedule, frame, counters),
            State::Resting(_) => Pulled::Silence,
        }
    }
}

impl Schedule {
    /// Follows when a packet came; `late` says that it came after its playout time.
    fn follow(&mut self, now: Timestamp, packet: StoredPacket, late: bool) {
        let packet_us = self.rate.micros(packet.samples as i64);
        if packet_us != self.packet_us {
            self.packet_us = packet_us;
            self.grid_us = grid_us(packet_us);
        }
        let position_us = self.rate.micros(packet.position);
        let transit_us = now.as_micros().saturating_sub(position_us);
        self.delay.packet(now, transit_us, late);
        if packet.new_source {
            self.loss.passes(packet.number);
        } else {
            self.loss.packet(packet.number, packet.repairs);
        }
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

    /// Whether a packet comes after the tick that would have asked for it.
    fn comes_late(&self, now: Timestamp, position: i64) -> bool {
        let heard_us = self.rate.micros(position).saturating_add(self.offset_us);
        now.as_micros() > asked_for_us(heard_us, self.ticks.at_us())
    }

    fn at_48_khz(&self, samples: usize) -> u64 {
        samples as u64 * u64::from(SAMPLE_RATE_HZ) / self.rate.millis(1_000) as u64
    }
}
