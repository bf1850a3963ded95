//! A leg's way to a network that exists in memory only.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;

use tutti_media::{Channel, Datagram, Transport};
use tutti_model::Timestamp;

/// The longest datagram that fits.
const MAX_DATAGRAM: usize = 1_500;

/// A line between a caller's end and a leg's end that holds this many datagrams each way.
///
/// After construction nothing here allocates: what does not fit is lost, as in a socket's buffer.
pub fn line(capacity: usize) -> (SimTransport, Line) {
    let queues = Rc::new(RefCell::new(Queues {
        to_bridge: VecDeque::with_capacity(capacity),
        to_caller: VecDeque::with_capacity(capacity),
        capacity,
        overflows: 0,
    }));
    (
        SimTransport {
            queues: Rc::clone(&queues),
        },
        Line { queues },
    )
}

/// The leg's end of a line.
pub struct SimTransport {
    queues: Rc<RefCell<Queues>>,
}

/// The caller's end of a line.
pub struct Line {
    queues: Rc<RefCell<Queues>>,
}

struct Queues {
    to_bridge: VecDeque<Parcel>,
    to_caller: VecDeque<Parcel>,
    capacity: usize,
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
        let mut queues = self.queues.borrow_mut();
        let Queues {
            to_bridge,
            capacity,
            overflows,
            ..
        } = &mut *queues;
        push(
            to_bridge,
            *capacity,
            overflows,
            (channel, from, arrived),
            datagram,
        );
    }

    /// Takes the next datagram from the bridge into `buffer`: which flow, where to, how long.
    pub fn collect(&mut self, buffer: &mut [u8]) -> Option<(Channel, SocketAddr, usize)> {
        let parcel = self.queues.borrow_mut().to_caller.pop_front()?;
        let len = copy(&parcel, buffer);
        Some((parcel.channel, parcel.address, len))
    }

    /// How many datagrams found no place.
    pub fn overflows(&self) -> u64 {
        self.queues.borrow().overflows
    }
}

impl Transport for SimTransport {
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Datagram> {
        let parcel = self.queues.borrow_mut().to_bridge.pop_front()?;
        let len = copy(&parcel, buffer);
        Some(Datagram {
            channel: parcel.channel,
            len,
            from: parcel.address,
            arrived: parcel.arrived,
        })
    }

    fn send(&mut self, channel: Channel, to: SocketAddr, datagram: &[u8]) {
        let mut queues = self.queues.borrow_mut();
        let Queues {
            to_caller,
            capacity,
            overflows,
            ..
        } = &mut *queues;
        let nobody_asks = Timestamp::from_micros(0);
        push(
            to_caller,
            *capacity,
            overflows,
            (channel, to, nobody_asks),
            datagram,
        );
    }
}

fn push(
    queue: &mut VecDeque<Parcel>,
    capacity: usize,
    overflows: &mut u64,
    (channel, address, arrived): (Channel, SocketAddr, Timestamp),
    datagram: &[u8],
) {
    let mut bytes = [0; MAX_DATAGRAM];
    match bytes.get_mut(..datagram.len()) {
        Some(room) if queue.len() < capacity => {
            room.copy_from_slice(datagram);
            queue.push_back(Parcel {
                channel,
                address,
                arrived,
                len: datagram.len(),
                bytes,
            });
        }
        Some(_) | None => *overflows += 1,
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
        let (mut transport, mut line) = line(2);
        for text in [b"one", b"two", b"six"] {
            line.deliver(Channel::Rtp, HERE, START, text);
            transport.send(Channel::Rtcp, HERE, text);
        }
        let mut buffer = [0; 2_048];
        let first = transport.receive(&mut buffer).unwrap();
        assert_eq!((first.len, first.from, first.arrived), (3, HERE, START));
        assert_eq!(&buffer[..3], b"one");
        assert!(transport.receive(&mut buffer).is_some());
        assert!(transport.receive(&mut buffer).is_none());
        assert_eq!(line.collect(&mut buffer), Some((Channel::Rtcp, HERE, 3)));
        assert_eq!(line.overflows(), 2);
    }
}
