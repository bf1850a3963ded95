//! Which datagram is waiting, and when did the kernel take it in?
//!
//! Sockets are read once per 20 ms; the kernel's own time stamps keep that from looking like jitter.

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

/// A datagram is hardly older than this; a larger age means that the wall clock was set.
const OLDEST: Duration = Duration::from_secs(5);

#[cfg(target_os = "linux")]
mod stamped {
    use std::io::{self, IoSliceMut};
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
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

    fn age(stamp: TimeSpec) -> Option<Duration> {
        let now = clock_gettime(ClockId::CLOCK_REALTIME).ok()?;
        let age = Duration::from(now).checked_sub(Duration::from(stamp))?;
        (age < super::OLDEST).then_some(age)
    }
}

#[cfg(not(target_os = "linux"))]
mod stamped {
    use std::io;
    use std::net::UdpSocket;
    use std::time::Duration;

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
}
