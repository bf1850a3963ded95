//! A leg's way to a network that exists in memory only.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use tutti_media::{Channel, Datagram, Transport, Waiting};
use tutti_model::Timestamp;

/// The longest datagram that fits: 20 ms of linear samples at 48 kHz.
const MAX_DATAGRAM: usize = 2_048;

/// A line between a caller's end and a leg's end that holds this many datagrams on each way.
///
/// What does not fit is lost, as in a socket's buffer. The leg's end allocates nothing after
/// construction; the caller's end does while a queue to the bridge is longer than ever before.
pub fn line(to_bridge: usize, to_caller: usize) -> (SimTransport, Line) {
    let queues = Rc::new(RefCell::new(Queues {
        to_bridge: Queue::new(to_bridge, 0),
        to_caller: Queue::new(to_caller, to_caller),
    }));
    (
        SimTransport {
            queues: Rc::clone(&queues),
        },
        Line {
            queues,
            delivered: None,
        },
    )
}

/// The leg's end of a line.
pub struct SimTransport {
    queues: Rc<RefCell<Queues>>,
}

/// The caller's end of a line.
pub struct Line {
    queues: Rc<RefCell<Queues>>,
    delivered: Option<Vec<Delivered>>,
}

/// A datagram that has reached the bridge's machine.
pub(crate) struct Delivered {
    pub(crate) channel: Channel,
    pub(crate) from: SocketAddr,
    pub(crate) arrived: Timestamp,
    pub(crate) bytes: Vec<u8>,
}

struct Queues {
    to_bridge: Queue,
    to_caller: Queue,
}

struct Queue {
    parcels: VecDeque<Parcel>,
    most: usize,
    overflows: u64,
}

struct Parcel {
    channel: Channel,
    /// Where it comes from on the way to the bridge, and where it goes to on the way back.
    address: SocketAddr,
    arrived: Timestamp,
    len: usize,
    bytes: [u8; MAX_DATAGRAM],
}

impl Line {
    /// Hands a datagram to the bridge.
    pub fn deliver(
        &mut self,
        channel: Channel,
        from: SocketAddr,
        arrived: Timestamp,
        datagram: &[u8],
    ) {
        if let Some(delivered) = &mut self.delivered {
            delivered.push(Delivered {
                channel,
                from,
                arrived,
                bytes: datagram.to_vec(),
            });
        }
        let mut queues = self.queues.borrow_mut();
        queues.to_bridge.push((channel, from, arrived), datagram);
    }

    /// Keeps a copy of everything that is handed to the bridge from now on.
    pub(crate) fn record(&mut self) {
        self.delivered.get_or_insert_default();
    }

    /// Takes what has been kept.
    pub(crate) fn recorded(&mut self) -> Vec<Delivered> {
        self.delivered
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Takes the next datagram from the bridge into `buffer`: which flow, where to, how long.
    pub fn collect(&mut self, buffer: &mut [u8]) -> Option<(Channel, SocketAddr, usize)> {
        let parcel = self.queues.borrow_mut().to_caller.parcels.pop_front()?;
        let len = copy(&parcel, buffer);
        Some((parcel.channel, parcel.address, len))
    }

    /// How many datagrams found no place.
    pub fn overflows(&self) -> u64 {
        let queues = self.queues.borrow();
        queues.to_bridge.overflows + queues.to_caller.overflows
    }
}

impl Transport for SimTransport {
    fn waiting<'a>(group: impl Iterator<Item = &'a SimTransport>) -> Waiting {
        let mut waiting = Waiting::default();
        for (place, _) in group.enumerate().filter(|(_, leg)| leg.waits(Channel::Rtp)) {
            waiting.note(place);
        }
        waiting
    }

    fn receive(&mut self, channel: Channel, buffer: &mut [u8]) -> Option<Datagram> {
        let parcels = &mut self.queues.borrow_mut().to_bridge.parcels;
        let next = parcels.iter().position(|parcel| parcel.channel == channel);
        let parcel = parcels.remove(next?)?;
        let len = copy(&parcel, buffer);
        Some(Datagram {
            channel: parcel.channel,
            len,
            from: parcel.address,
            arrived: parcel.arrived,
        })
    }

    fn send(&mut self, channel: Channel, to: SocketAddr, datagram: &[u8]) {
        let nobody_asks = Timestamp::from_micros(0);
        let mut queues = self.queues.borrow_mut();
        queues.to_caller.push((channel, to, nobody_asks), datagram);
    }
}

impl SimTransport {
    fn waits(&self, channel: Channel) -> bool {
        let parcels = &self.queues.borrow().to_bridge.parcels;
        parcels.iter().any(|parcel| parcel.channel == channel)
    }
}

impl Queue {
    fn new(most: usize, from_the_start: usize) -> Queue {
        Queue {
            parcels: VecDeque::with_capacity(from_the_start),
            most,
            overflows: 0,
        }
    }

    fn push(&mut self, envelope: (Channel, SocketAddr, Timestamp), datagram: &[u8]) {
        let (channel, address, arrived) = envelope;
        let mut bytes = [0; MAX_DATAGRAM];
        match bytes.get_mut(..datagram.len()) {
            Some(room) if self.parcels.len() < self.most => {
                room.copy_from_slice(datagram);
                self.parcels.push_back(Parcel {
                    channel,
                    address,
                    arrived,
                    len: datagram.len(),
                    bytes,
                });
            }
            Some(_) | None => self.overflows += 1,
        }
    }
}

/// Copies as much of a datagram as there is room for.
fn copy(parcel: &Parcel, buffer: &mut [u8]) -> usize {
    let bytes = parcel.bytes.get(..parcel.len).unwrap_or_default();
    let len = bytes.len().min(buffer.len());
    for (room, byte) in buffer.iter_mut().zip(bytes) {
        *room = *byte;
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::START;

    const HERE: SocketAddr = SocketAddr::new(
        std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
        4_000,
    );

    #[test]
    fn datagrams_pass_both_ways_and_a_full_line_loses_the_newest() {
        let (mut transport, mut line) = line(2, 2);
        for text in [b"one", b"two", b"six"] {
            line.deliver(Channel::Rtp, HERE, START, text);
            transport.send(Channel::Rtcp, HERE, text);
        }
        let mut buffer = [0; 2_048];
        assert!(transport.receive(Channel::Rtcp, &mut buffer).is_none());
        let first = transport.receive(Channel::Rtp, &mut buffer).unwrap();
        assert_eq!((first.len, first.from, first.arrived), (3, HERE, START));
        assert_eq!(&buffer[..3], b"one");
        assert!(transport.receive(Channel::Rtp, &mut buffer).is_some());
        assert!(transport.receive(Channel::Rtp, &mut buffer).is_none());
        assert_eq!(line.collect(&mut buffer), Some((Channel::Rtcp, HERE, 3)));
        assert_eq!(line.overflows(), 2);
    }

    #[test]
    fn those_of_a_group_are_told_who_have_rtp_to_take() {
        let mut lines: Vec<_> = (0..3).map(|_| line(2, 2)).collect();
        for (at, channel) in [(0, Channel::Rtcp), (2, Channel::Rtp)] {
            lines[at].1.deliver(channel, HERE, START, b"one");
        }
        let waiting = SimTransport::waiting(lines.iter().map(|(transport, _)| transport));
        assert_eq!([0, 1, 2].map(|at| waiting.has(at)), [false, false, true]);
    }
}
