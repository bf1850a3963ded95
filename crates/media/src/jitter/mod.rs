//! The jitter buffer: holds packets until their playout time, which follows the network.
//!
//! Packets are placed on one continuous timeline ([`Timeline`]), wait in a fixed store
//! ([`PacketStore`]), and are played at a delay that follows their lateness ([`DelayEstimator`]).
//! What is decoded waits in a [`SampleQueue`], where it is stretched and squeezed
//! ([`time_scale`]). [`Playout`] puts them together and says what is heard in each tick. Decoder and
//! queue are a part of their own ([`Decoding`]), which a stream has only while it is decoded and for
//! a while afterwards.

mod decoding;
mod delay;
mod loss;
mod packet_store;
mod playout;
mod sample_queue;
mod tick_grid;
mod time_scale;
mod timeline;

pub use decoding::Decoding;
pub(crate) use decoding::{KeepYours, Lender, Need};
pub use delay::DelayBounds;
pub(crate) use playout::{Arrived, Playout};
pub(crate) use timeline::{Placed, Timeline};

use delay::DelayEstimator;
pub(crate) use packet_store::StoredPacket;
use packet_store::{Filed, PacketStore, StoreSize};
use sample_queue::SampleQueue;

/// Converts between a stream's ticks and microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockRate(u32);

impl ClockRate {
    pub(crate) const fn new(hz: u32) -> ClockRate {
        ClockRate(hz)
    }

    pub(crate) fn micros(self, ticks: i64) -> i64 {
        convert(ticks, i64::from(self.0), 1_000_000)
    }

    pub(crate) fn ticks(self, micros: i64) -> i64 {
        convert(micros, 1_000_000, i64::from(self.0))
    }

    /// Ticks in so many milliseconds.
    pub(crate) const fn millis(self, millis: u32) -> usize {
        (self.0 / 1_000 * millis) as usize
    }
}

/// Scales a count from one rate to another, towards zero; whole seconds apart, so that none overflows.
fn convert(count: i64, from_hz: i64, to_hz: i64) -> i64 {
    let from_hz = from_hz.max(1);
    let seconds = (count / from_hz).saturating_mul(to_hz);
    seconds.saturating_add(count % from_hz * to_hz / from_hz)
}
