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

/// Carries datagrams of one leg; it moves between threads with its leg.
///
/// Neither method blocks, allocates or fails loudly: a datagram that cannot be sent now is lost, as
/// datagrams are.
pub trait Transport {
    /// Takes the next waiting datagram into `buffer`, if there is one.
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Datagram>;

    /// Sends a datagram.
    fn send(&mut self, channel: Channel, to: SocketAddr, datagram: &[u8]);

    /// Says that only RTP from this peer will be believed from now on, or again what others send.
    ///
    /// A transport may spare itself what it knows to be in vain.
    fn settle(&mut self, _peer: Option<SocketAddr>) {}

    /// Whether it is known without a look when something comes: then [`has_news`](Self::has_news)
    /// tells, and nobody need ask for what has not come.
    fn tells_of_news(&self) -> bool {
        false
    }

    /// Whether something may have come since the last datagram was taken.
    fn has_news(&self) -> bool {
        true
    }
}
