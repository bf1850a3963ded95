//! Tells a media thread which of its quiet legs have something to read, without asking each.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// Events that one look takes from the kernel at a time.
const EVENTS: usize = 256;

/// Which of a leg's sockets is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Rtp,
    Rtcp,
}

impl Wire {
    fn bit(self) -> u8 {
        match self {
            Wire::Rtp => 1,
            Wire::Rtcp => 2,
        }
    }
}

/// All quiet sockets of one media thread.
///
/// A socket that rests here costs nothing until a datagram arrives. Then it is reported once, and
/// its leg reads it at its ticks until it is quiet again. A leg that sends in every tick is never
/// reported: reading it costs less than hearing that it can be read.
pub(super) struct Watch {
    epoll: Epoll,
    /// For each place of a leg, the sockets that were reported and not looked at since.
    reported: Box<[AtomicU8]>,
}

/// One leg's place in a watch.
pub(super) struct WatchPlace {
    watch: Arc<Watch>,
    place: u16,
}

impl Watch {
    /// A watch over this many legs.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub(super) fn new(legs: u16) -> std::io::Result<Watch> {
        Ok(Watch {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            reported: (0..legs).map(|_| AtomicU8::new(0)).collect(),
        })
    }

    /// Learns which sockets can be read; it does not wait for any.
    pub(super) fn look(&self) {
        let mut events = [EpollEvent::empty(); EVENTS];
        // Each socket is reported once, so this ends; the bound is for whoever does not believe it.
        for _ in 0..self.reported.len() / EVENTS * 2 + 1 {
            let count = self
                .epoll
                .wait(&mut events, EpollTimeout::ZERO)
                .unwrap_or(0);
            for event in events.iter().take(count) {
                let (place, wire) = decoded(event.data());
                if let Some(reported) = self.reported.get(place) {
                    reported.fetch_or(wire.bit(), Ordering::Relaxed);
                }
            }
            if count < EVENTS {
                return;
            }
        }
    }
}

impl WatchPlace {
    /// Lets a leg's sockets rest here; RTCP does from the start, RTP once it is quiet.
    ///
    /// # Errors
    /// When the kernel has no room for more.
    pub(super) fn new(
        watch: &Arc<Watch>,
        place: u16,
        rtp: impl AsFd,
        rtcp: impl AsFd,
    ) -> std::io::Result<WatchPlace> {
        let place = WatchPlace {
            watch: Arc::clone(watch),
            place,
        };
        let epoll = &place.watch.epoll;
        let awake = EpollEvent::new(EpollFlags::EPOLLONESHOT, place.code(Wire::Rtp));
        epoll.add(rtp, awake)?;
        epoll.add(rtcp, place.resting(Wire::Rtcp))?;
        Ok(place)
    }

    /// Whether a socket was reported since the last time somebody asked.
    pub(super) fn take_report(&self, wire: Wire) -> bool {
        let Some(reported) = self.watch.reported.get(usize::from(self.place)) else {
            return true;
        };
        // Reading first spares the common case, in which nothing came, a locked instruction.
        let seen = reported.load(Ordering::Relaxed) & wire.bit() != 0;
        if seen {
            reported.fetch_and(!wire.bit(), Ordering::Relaxed);
        }
        seen
    }

    /// Whether any of the sockets was reported since somebody last asked for it.
    pub(super) fn has_report(&self) -> bool {
        let reported = self.watch.reported.get(usize::from(self.place));
        reported.is_none_or(|reported| reported.load(Ordering::Relaxed) != 0)
    }

    /// Asks to be told when a socket can be read. What came before is told as well.
    pub(super) fn rest(&self, wire: Wire, socket: impl AsFd) -> bool {
        let mut event = self.resting(wire);
        self.watch.epoll.modify(socket, &mut event).is_ok()
    }

    /// Takes both sockets out.
    pub(super) fn leave(self, rtp: impl AsFd, rtcp: impl AsFd) {
        // A socket that is not there needs not be taken out.
        let _ = self.watch.epoll.delete(rtp);
        let _ = self.watch.epoll.delete(rtcp);
    }

    fn resting(&self, wire: Wire) -> EpollEvent {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLONESHOT;
        EpollEvent::new(flags, self.code(wire))
    }

    fn code(&self, wire: Wire) -> u64 {
        u64::from(self.place) << 2 | u64::from(wire.bit())
    }
}

fn decoded(code: u64) -> (usize, Wire) {
    let wire = if code & 3 == u64::from(Wire::Rtp.bit()) {
        Wire::Rtp
    } else {
        Wire::Rtcp
    };
    (usize::try_from(code >> 2).unwrap_or(usize::MAX), wire)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_resting_socket_is_reported_once_and_an_awake_one_never() {
        let (watch, place, rtp, rtcp) = watched();
        send_to(&rtp);
        watch.look();
        assert!(!place.take_report(Wire::Rtp));
        assert!(place.rest(Wire::Rtp, &rtp));
        watch.look();
        assert!(place.take_report(Wire::Rtp));
        assert!(!place.take_report(Wire::Rtp));
        watch.look();
        assert!(!place.take_report(Wire::Rtp));
        assert!(!place.take_report(Wire::Rtcp));
        send_to(&rtcp);
        watch.look();
        assert!(place.take_report(Wire::Rtcp));
    }

    #[test]
    fn a_socket_that_left_is_not_reported() {
        let (watch, place, rtp, rtcp) = watched();
        place.leave(&rtp, &rtcp);
        let next = WatchPlace::new(&watch, 3, &rtp, &rtcp).unwrap();
        next.leave(&rtp, &rtcp);
        send_to(&rtcp);
        watch.look();
        assert!(
            watch
                .reported
                .iter()
                .all(|seen| seen.load(Ordering::Relaxed) == 0)
        );
    }

    #[test]
    fn more_sockets_than_one_look_takes_are_all_reported() {
        let watch = Arc::new(Watch::new(300).unwrap());
        let legs: Vec<_> = (0..300)
            .map(|place| {
                let (rtp, rtcp) = (socket(), socket());
                let place = WatchPlace::new(&watch, place, &rtp, &rtcp).unwrap();
                (place, rtp, rtcp)
            })
            .collect();
        for (place, rtp, _) in &legs {
            place.rest(Wire::Rtp, rtp);
            send_to(rtp);
        }
        watch.look();
        assert!(legs.iter().all(|(place, ..)| place.take_report(Wire::Rtp)));
    }

    fn watched() -> (Arc<Watch>, WatchPlace, UdpSocket, UdpSocket) {
        let watch = Arc::new(Watch::new(4).unwrap());
        let (rtp, rtcp) = (socket(), socket());
        let place = WatchPlace::new(&watch, 3, &rtp, &rtcp).unwrap();
        (watch, place, rtp, rtcp)
    }

    fn socket() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").unwrap()
    }

    /// On loopback a datagram is there when `send` returns.
    fn send_to(socket: &UdpSocket) {
        let to = socket.local_addr().unwrap();
        self::socket().send_to(b"x", to).unwrap();
    }
}
