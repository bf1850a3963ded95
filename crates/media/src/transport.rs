//! A leg's way to the network, as the engine sees it.

use std::net::SocketAddr;

use tutti_model::Timestamp;

/// Which of a leg's two flows a datagram belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Rtp,
    Rtcp,
}

/// A datagram that lies in the buffer given to [`Transport::receive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    pub channel: Channel,
    pub len: usize,
    pub from: SocketAddr,
    /// When it reached the machine.
    pub arrived: Timestamp,
}

/// The most legs that are asked about at once.
pub const GROUP: usize = 16;

/// To which legs of a group something may have come, by their places in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting(u16);

impl Waiting {
    /// Something may have come to everybody.
    pub const EVERYWHERE: Waiting = Waiting(u16::MAX);

    /// Notes that something may have come to whoever has this place.
    pub fn note(&mut self, place: usize) {
        self.0 |= bit(place);
    }

    /// Whether something may have come to whoever has this place.
    pub fn has(self, place: usize) -> bool {
        self.0 & bit(place) != 0
    }
}

fn bit(place: usize) -> u16 {
    debug_assert!(place < GROUP, "place {place} of a group of {GROUP}");
    1 << (place % GROUP)
}

/// Carries datagrams of one leg; it moves between threads with its leg.
///
/// No method blocks, allocates or fails loudly: a datagram that cannot be sent now is lost, as
/// datagrams are.
pub trait Transport {
    /// To which legs of a group RTP may have come since it was last taken from them; only they are
    /// asked for it.
    ///
    /// A transport that can tell this of many for less than a look at each does so.
    fn waiting<'a>(_group: impl Iterator<Item = &'a Self>) -> Waiting
    where
        Self: Sized + 'a,
    {
        Waiting::EVERYWHERE
    }

    /// Takes the next waiting datagram of a channel into `buffer`, if there is one.
    fn receive(&mut self, channel: Channel, buffer: &mut [u8]) -> Option<Datagram>;

    /// Sends a datagram.
    fn send(&mut self, channel: Channel, to: SocketAddr, datagram: &[u8]);

    /// Says that only RTP from this peer will be believed from now on, or again what others send.
    ///
    /// A transport may spare itself what it knows to be in vain.
    fn settle(&mut self, _peer: Option<SocketAddr>) {}

    /// Looks at what sending needs, so that it is in the cache when something is sent.
    fn fetch(&self) {}
}
