//! The UDP ports that legs may have.

use std::net::{IpAddr, UdpSocket};

use super::udp::UdpLeg;
use crate::clock::Clock;
use crate::config::PortRange;

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
        UdpLeg::new(rtp, rtcp, self.clock)
    }
}

/// Every port is in use.
#[derive(Debug, thiserror::Error)]
#[error("no pair of ports in media.ports = {range} is free")]
pub struct NoFreePort {
    range: PortRange,
}
