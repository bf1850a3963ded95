//! The jitter buffer: holds packets until their playout time, which follows the network.
//!
//! Packets are placed on one continuous timeline ([`Timeline`]), wait in a fixed store
//! ([`PacketStore`]), and are played at a delay that follows their lateness ([`DelayEstimator`]).
//! What is decoded waits in a [`SampleQueue`], where it is stretched and squeezed
//! ([`time_scale`]). [`Playout`] puts them together and says what is heard in each tick.

mod delay;
mod packet_store;
mod playout;
mod sample_queue;
mod time_scale;
mod timeline;

pub(crate) use delay::DelayBounds;
pub(crate) use playout::{Arrived, Playout};
pub(crate) use timeline::{Placed, Timeline};

use delay::DelayEstimator;
use packet_store::{Filed, PacketStore, StoredPacket};
use sample_queue::SampleQueue;

/// Converts between a stream's ticks and microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockRate(u32);

impl ClockRate {
    pub(crate) const fn new(hz: u32) -> ClockRate {
        ClockRate(hz)
    }

    pub(crate) fn micros(self, ticks: i64) -> i64 {
        (i128::from(ticks) * 1_000_000 / i128::from(self.0)) as i64
    }

    pub(crate) fn ticks(self, micros: i64) -> i64 {
        (i128::from(micros) * i128::from(self.0) / 1_000_000) as i64
    }

    /// Ticks in so many milliseconds.
    pub(crate) const fn millis(self, millis: u32) -> usize {
        (self.0 / 1_000 * millis) as usize
    }
}
