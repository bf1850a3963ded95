//! Which datagram is waiting, and when did the kernel take it in?
//!
//! Sockets are read once per 20 ms, or more seldom; the kernel's own time stamps keep that from looking
//! like jitter.

use std::io;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// The largest datagram that is read; audio is far smaller.
pub(crate) const LARGEST: usize = 1_500;

/// Makes a socket ready for [`receive`].
pub(crate) fn prepare(socket: &UdpSocket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    stamped::enable(socket)
}

/// Takes the next waiting datagram: its length, and the moment it came. `None` when none waits.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, Instant)> {
    let (length, age) = stamped::receive(socket, buffer)?;
    let now = Instant::now();
    Some((length, now.checked_sub(age).unwrap_or(now)))
}

/// Room for datagrams that are taken together, shared by all legs of a thread.
pub(crate) struct Batch(stamped::Batch);

impl Batch {
    /// Empty room.
    pub(crate) fn new() -> Batch {
        Batch(stamped::Batch::new())
    }

    /// Takes everything that waits, up to a bound, with the moments it came.
    pub(crate) fn receive(&mut self, socket: &UdpSocket, take: impl FnMut(&[u8], Instant)) {
        self.0.receive(socket, take);
    }
}

/// A datagram is hardly older than this; a larger age means that the wall clock was set.
const OLDEST: Duration = Duration::from_secs(5);

#[cfg(target_os = "linux")]
mod stamped {
    use std::io::{self, IoSliceMut};
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::time::{Duration, Instant};

    use nix::sys::socket::{
        ControlMessageOwned, MsgFlags, MultiHeaders, recvmmsg, recvmsg, setsockopt, sockopt,
    };
    use nix::sys::time::TimeSpec;
    use nix::time::{ClockId, clock_gettime};

    pub(super) fn enable(socket: &UdpSocket) -> io::Result<()> {
        Ok(setsockopt(socket, sockopt::ReceiveTimestampns, &true)?)
    }

    pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, Duration)> {
        // Room for one control message with a timespec; more than the macro's 32 bytes.
        let mut control = [0_u8; 64];
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<()>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::MSG_DONTWAIT,
        )
        .ok()?;
        let stamp = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
            _ => None,
        });
        Some((message.bytes, stamp.and_then(age).unwrap_or_default()))
    }

    /// How many datagrams are taken with one system call.
    const SLOTS: usize = 16;

    /// How many system calls one socket gets at most; a flood must not keep the others waiting.
    const CALLS: usize = 4;

    pub(super) struct Batch {
        headers: MultiHeaders<()>,
        buffers: Box<[[u8; super::LARGEST]; SLOTS]>,
    }

    impl Batch {
        pub(super) fn new() -> Batch {
            Batch {
                headers: headers(),
                buffers: Box::new([[0; super::LARGEST]; SLOTS]),
            }
        }

        pub(super) fn receive(&mut self, socket: &UdpSocket, mut take: impl FnMut(&[u8], Instant)) {
            for _ in 0..CALLS {
                let mut slices = self
                    .buffers
                    .each_mut()
                    .map(|buffer| [IoSliceMut::new(buffer)]);
                let Ok(messages) = recvmmsg(
                    socket.as_raw_fd(),
                    &mut self.headers,
                    slices.iter_mut(),
                    MsgFlags::MSG_DONTWAIT,
                    None,
                ) else {
                    return;
                };
                let (now, wall) = (Instant::now(), clock_gettime(ClockId::CLOCK_REALTIME));
                let (mut taken, mut all_stamped) = (0, true);
                for message in messages {
                    taken += 1;
                    let stamp = message.cmsgs().ok().and_then(|mut controls| {
                        controls.find_map(|control| match control {
                            ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                            _ => None,
                        })
                    });
                    all_stamped &= stamp.is_some();
                    let age = stamp
                        .zip(wall.ok())
                        .and_then(|(stamp, wall)| age_at(stamp, wall))
                        .unwrap_or_default();
                    let came_at = now.checked_sub(age).unwrap_or(now);
                    for part in message.iovs() {
                        take(part, came_at);
                    }
                }
                if !all_stamped {
                    // The kernel has noted that no stamp came; fresh headers ask for one again.
                    self.headers = headers();
                }
                if taken < SLOTS {
                    return;
                }
            }
        }
    }

    fn headers() -> MultiHeaders<()> {
        MultiHeaders::preallocate(SLOTS, Some(nix::cmsg_space!(TimeSpec)))
    }

    fn age(stamp: TimeSpec) -> Option<Duration> {
        age_at(stamp, clock_gettime(ClockId::CLOCK_REALTIME).ok()?)
    }

    fn age_at(stamp: TimeSpec, now: TimeSpec) -> Option<Duration> {
        let age = Duration::from(now).checked_sub(Duration::from(stamp))?;
        (age < super::OLDEST).then_some(age)
    }
}

#[cfg(not(target_os = "linux"))]
mod stamped {
    use std::io;
    use std::net::UdpSocket;
    use std::time::{Duration, Instant};

    pub(super) struct Batch;

    impl Batch {
        pub(super) fn new() -> Batch {
            Batch
        }

        pub(super) fn receive(&mut self, socket: &UdpSocket, mut take: impl FnMut(&[u8], Instant)) {
            let mut buffer = [0; super::LARGEST];
            while let Ok(length) = socket.recv(&mut buffer) {
                take(buffer.get(..length).unwrap_or_default(), Instant::now());
            }
        }
    }

    pub(super) fn enable(_socket: &UdpSocket) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, Duration)> {
        let length = socket.recv(buffer).ok()?;
        Some((length, Duration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_keeps_the_moment_it_came() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        prepare(&receiver).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut buffer = [0; LARGEST];
        assert_eq!(receive(&receiver, &mut buffer), None);
        let before = Instant::now();
        sender
            .send_to(b"hello", receiver.local_addr().unwrap())
            .unwrap();
        let (length, at) = receive(&receiver, &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"hello");
        // The wall clock's own adjustments are the tolerance.
        let tolerance = Duration::from_millis(50);
        assert!(at + tolerance >= before && at <= Instant::now());
    }
    #[test]
    fn a_batch_keeps_the_order_and_the_moments() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        prepare(&receiver).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut batch = Batch::new();
        for round in 0..3_u8 {
            let before = Instant::now();
            for number in 0..20 {
                let datagram = [round, number];
                sender
                    .send_to(&datagram, receiver.local_addr().unwrap())
                    .unwrap();
            }
            let mut came = Vec::new();
            batch.receive(&receiver, |datagram, at| came.push((datagram.to_vec(), at)));
            let expected: Vec<_> = (0..20).map(|number| vec![round, number]).collect();
            assert!(came.iter().map(|(datagram, _)| datagram).eq(&expected));
            let tolerance = Duration::from_millis(50);
            assert!(came.iter().all(|(_, at)| *at + tolerance >= before));
        }
    }
}
