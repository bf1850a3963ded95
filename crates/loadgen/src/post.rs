//! What was sent late, so that it comes late?

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

/// Datagrams that wait for their moment, on one pacer thread.
#[derive(Default)]
pub(crate) struct Post {
    waiting: BinaryHeap<Reverse<Letter>>,
    /// Keeps letters of the same moment in their order.
    posted: u64,
}

struct Letter {
    due: Instant,
    number: u64,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
    datagram: Box<[u8]>,
}

impl Post {
    /// Keeps a datagram until its moment.
    pub(crate) fn send_at(
        &mut self,
        due: Instant,
        socket: &Arc<UdpSocket>,
        to: SocketAddr,
        datagram: &[u8],
    ) {
        self.posted += 1;
        self.waiting.push(Reverse(Letter {
            due,
            number: self.posted,
            socket: Arc::clone(socket),
            to,
            datagram: datagram.into(),
        }));
    }

    /// Sends everything whose moment has come.
    pub(crate) fn send_due(&mut self, now: Instant) {
        while self
            .waiting
            .peek()
            .is_some_and(|Reverse(next)| next.due <= now)
        {
            if let Some(Reverse(letter)) = self.waiting.pop() {
                // A packet that its way swallows is what this is about.
                let _ = letter.socket.send_to(&letter.datagram, letter.to);
            }
        }
    }
}

impl Ord for Letter {
    fn cmp(&self, other: &Letter) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Letter {
    fn partial_cmp(&self, other: &Letter) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Letter {
    fn eq(&self, other: &Letter) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Letter {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn datagrams_leave_in_the_order_of_their_moments() {
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        far.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let to = far.local_addr().unwrap();
        let near = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let (mut post, start) = (Post::default(), Instant::now());
        for (after, word) in [(30, b"c"), (10, b"a"), (10, b"b"), (50, b"d")] {
            post.send_at(start + Duration::from_millis(after), &near, to, word);
        }
        post.send_due(start + Duration::from_millis(40));
        let mut heard = [0; 3];
        for byte in &mut heard {
            far.recv(std::slice::from_mut(byte)).unwrap();
        }
        assert_eq!(&heard, b"abc");
        assert_eq!(post.waiting.len(), 1);
    }
}
