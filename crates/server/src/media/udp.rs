//! A leg's two UDP sockets.

use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrLike, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use tutti_media::{Channel, Datagram, Transport};

use crate::clock::Clock;
use crate::config::PortRange;

/// RTP and RTCP of one leg, on neighbouring ports (RFC 3550 §11).
pub struct UdpLeg {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    clock: Clock,
    /// Room for the kernel's time stamp.
    control: Vec<u8>,
    /// RTCP is rare: its socket is looked at in every eighth call of an empty RTP socket.
    looks: u8,
}

impl Transport for UdpLeg {
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Datagram> {
        if let Some(datagram) = self.receive_rtp(buffer) {
            return Some(datagram);
        }
        self.looks = self.looks.wrapping_add(1);
        if !self.looks.is_multiple_of(8) {
            return None;
        }
        let (len, from) = self.rtcp.recv_from(buffer).ok()?;
        Some(Datagram {
            channel: Channel::Rtcp,
            len,
            from,
            arrived: self.clock.now(),
        })
    }

    fn send(&mut self, channel: Channel, to: SocketAddr, datagram: &[u8]) {
        let socket = match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        };
        // A full socket buffer or an unreachable peer loses a datagram, as networks do; the peer's
        // silence is noticed elsewhere.
        let _ = socket.send_to(datagram, to);
    }
}

impl UdpLeg {
    fn receive_rtp(&mut self, buffer: &mut [u8]) -> Option<Datagram> {
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let fd = self.rtp.as_raw_fd();
        let message =
            recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut self.control), flags).ok()?;
        let from = message
            .address
            .and_then(|address| socket_address(&address))?;
        let stamp = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(duration(stamp)),
            _ => None,
        });
        let arrived =
            stamp.map_or_else(|| self.clock.now(), |stamp| self.clock.at_wall_time(stamp));
        Some(Datagram {
            channel: Channel::Rtp,
            len: message.bytes,
            from,
            arrived,
        })
    }
}

/// The ports that legs may have, given out in turn.
pub struct PortPool {
    ip: IpAddr,
    range: PortRange,
    next: u16,
    clock: Clock,
}

impl PortPool {
    /// Gives out ports of one address.
    pub fn new(ip: IpAddr, range: PortRange, clock: Clock) -> PortPool {
        PortPool {
            ip,
            range,
            next: range.first.next_multiple_of(2),
            clock,
        }
    }

    /// Binds the next free pair of ports; the even one is for RTP.
    ///
    /// # Errors
    /// When no pair is free.
    pub fn bind(&mut self) -> Result<(UdpLeg, u16), NoFreePort> {
        let first = self.range.first.next_multiple_of(2);
        let pairs = (u32::from(self.range.last) + 1).saturating_sub(u32::from(first)) / 2;
        for _ in 0..pairs {
            let port = self.next;
            let wraps = u32::from(port) + 3 > u32::from(self.range.last);
            self.next = if wraps { first } else { port + 2 };
            if let Ok(leg) = self.bind_pair(port) {
                return Ok((leg, port));
            }
        }
        Err(NoFreePort { range: self.range })
    }

    fn bind_pair(&self, port: u16) -> std::io::Result<UdpLeg> {
        let rtp = UdpSocket::bind((self.ip, port))?;
        let rtcp = UdpSocket::bind((self.ip, port + 1))?;
        rtp.set_nonblocking(true)?;
        rtcp.set_nonblocking(true)?;
        setsockopt(&rtp, sockopt::ReceiveTimestampns, &true)?;
        let control = cmsg_space!(TimeSpec);
        Ok(UdpLeg {
            rtp,
            rtcp,
            clock: self.clock,
            control,
            looks: 0,
        })
    }
}

/// Every port is in use.
#[derive(Debug, thiserror::Error)]
#[error("no pair of ports in media.ports = {range} is free")]
pub struct NoFreePort {
    range: PortRange,
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::from((v4.ip(), v4.port())));
    }
    let v6 = storage.as_sockaddr_in6()?;
    debug_assert!(storage.family().is_some());
    Some(SocketAddr::from((v6.ip(), v6.port())))
}

fn duration(stamp: TimeSpec) -> Duration {
    let seconds = u64::try_from(stamp.tv_sec()).unwrap_or(0);
    let nanos = u32::try_from(stamp.tv_nsec()).unwrap_or(0).min(999_999_999);
    Duration::new(seconds, nanos)
}
