//! A leg's two UDP sockets.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use nix::cmsg_space;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrStorage, connect, recvmsg, setsockopt,
    sockopt,
};
use nix::sys::time::TimeSpec;
use tutti_media::{Channel, Datagram, Transport};
use tutti_model::Timestamp;

use super::watch::{Watch, WatchPlace, Wire};
use crate::clock::Clock;

/// After so many ticks without a datagram a socket is not read until one is reported.
const TICKS_AWAKE: u8 = 4;

/// After so many ticks with one datagram each, one is expected in the next.
const TICKS_STEADY: u8 = 8;

/// How exactly the kernel's time stamps and our clock can be compared.
const STAMP_ERROR: Duration = Duration::from_micros(50);

/// RTP and RTCP of one leg, on neighbouring ports (RFC 3550 §11).
pub struct UdpLeg {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    clock: Clock,
    /// Room for the kernel's time stamp.
    control: Vec<u8>,
    /// Where this leg's sockets are watched while it is on a thread.
    place: Option<WatchPlace>,
    /// The RTP socket is not read until it is reported.
    rests: bool,
    habit: Habit,
    /// The only peer that the kernel still lets through, where RTP goes, too.
    settled: Option<SocketAddr>,
}

impl Transport for UdpLeg {
    fn receive(&mut self, buffer: &mut [u8]) -> Option<Datagram> {
        if self.reads_rtp()
            && let Some(datagram) = self.receive_rtp(buffer)
        {
            self.habit.note_read(self.clock.now(), datagram.arrived);
            return Some(datagram);
        }
        if let Some(datagram) = self.receive_rtcp(buffer) {
            return Some(datagram);
        }
        self.end_of_tick();
        None
    }

    fn send(&mut self, channel: Channel, to: SocketAddr, datagram: &[u8]) {
        // A full socket buffer or an unreachable peer loses a datagram, as networks do; the peer's
        // silence is noticed elsewhere.
        let _ = match channel {
            // The kernel knows the way of a connected socket, and need not look for it.
            Channel::Rtp if self.settled == Some(to) => self.rtp.send(datagram),
            Channel::Rtp => self.rtp.send_to(datagram, to),
            Channel::Rtcp => self.rtcp.send_to(datagram, to),
        };
    }

    fn settle(&mut self, peer: Option<SocketAddr>) {
        if peer == self.settled {
            return;
        }
        self.settled = peer.filter(|peer| self.rtp.connect(peer).is_ok());
        if self.settled.is_none() {
            // Also when a new peer cannot be had: the old one must not be the only one any more.
            let _ = connect(self.rtp.as_raw_fd(), &nobody());
        }
    }

    fn tells_of_news(&self) -> bool {
        self.rests
    }

    fn has_news(&self) -> bool {
        self.place.as_ref().is_none_or(WatchPlace::has_report)
    }
}

impl UdpLeg {
    /// A leg with these two sockets.
    ///
    /// # Errors
    /// When the kernel does not stamp what arrives, or insists on blocking.
    pub(super) fn new(rtp: UdpSocket, rtcp: UdpSocket, clock: Clock) -> std::io::Result<UdpLeg> {
        rtp.set_nonblocking(true)?;
        rtcp.set_nonblocking(true)?;
        setsockopt(&rtp, sockopt::ReceiveTimestampns, &true)?;
        Ok(UdpLeg {
            rtp,
            rtcp,
            clock,
            control: cmsg_space!(TimeSpec),
            place: None,
            rests: false,
            habit: Habit::default(),
            settled: None,
        })
    }

    /// Has its sockets watched by a thread while they are quiet.
    pub(super) fn enter(&mut self, watch: &Arc<Watch>, place: u16) {
        self.leave();
        // A leg that cannot be watched is read in every tick.
        self.place = WatchPlace::new(watch, place, &self.rtp, &self.rtcp).ok();
    }

    /// Takes its sockets from the thread that watched them.
    pub(super) fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            place.leave(&self.rtp, &self.rtcp);
        }
        self.rests = false;
        self.habit = Habit::default();
    }

    fn reads_rtp(&mut self) -> bool {
        if self.rests
            && let Some(place) = &self.place
            && place.take_report(Wire::Rtp)
        {
            self.rests = false;
        }
        !self.rests && !self.habit.has_all
    }

    fn end_of_tick(&mut self) {
        self.habit.end_of_tick();
        if !self.rests
            && self.habit.quiet_ticks >= TICKS_AWAKE
            && let Some(place) = &self.place
        {
            self.rests = place.rest(Wire::Rtp, &self.rtp);
        }
    }

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

    fn receive_rtcp(&mut self, buffer: &mut [u8]) -> Option<Datagram> {
        if let Some(place) = &self.place
            && !place.take_report(Wire::Rtcp)
        {
            return None;
        }
        let received = self.rtcp.recv_from(buffer);
        if let Some(place) = &self.place {
            // What is left is reported once more.
            place.rest(Wire::Rtcp, &self.rtcp);
        }
        let (len, from) = received.ok()?;
        Some(Datagram {
            channel: Channel::Rtcp,
            len,
            from,
            arrived: self.clock.now(),
        })
    }
}

/// How a peer has been sending, tick by tick.
#[derive(Debug, Default)]
struct Habit {
    /// How many datagrams of RTP were read in this tick.
    read: u8,
    /// Ticks in a row in which nothing was read, and in which one datagram was.
    quiet_ticks: u8,
    steady_ticks: u8,
    /// The datagram of this tick is there, so that looking for another would be in vain.
    has_all: bool,
    /// When the last datagram was read, once its peer is steady.
    looked: Option<Timestamp>,
}

impl Habit {
    /// Notes a datagram, and whether another one need be looked for in this tick.
    ///
    /// A phone that has sent one datagram for each tick will have sent one for this tick. Should a
    /// second one wait, it is meant for the next tick, is read there, and gives itself away by its
    /// age; then all is read again.
    fn note_read(&mut self, now: Timestamp, arrived: Timestamp) {
        self.read = self.read.saturating_add(1);
        if self.steady_ticks >= TICKS_STEADY {
            let looked = self.looked.replace(now);
            let is_new = looked.is_some_and(|looked| arrived > looked + STAMP_ERROR);
            self.has_all = self.read == 1 && is_new;
        } else {
            self.looked = None;
        }
    }

    fn end_of_tick(&mut self) {
        self.has_all = false;
        let read = std::mem::take(&mut self.read);
        let count = |goes_on: bool, ticks: u8| if goes_on { ticks.saturating_add(1) } else { 0 };
        self.steady_ticks = count(read == 1, self.steady_ticks);
        self.quiet_ticks = count(read == 0, self.quiet_ticks);
    }
}

/// The address that takes a socket back from its peer, of either family (connect(2): `AF_UNSPEC`).
fn nobody() -> SockaddrIn {
    SockaddrIn::from(libc::sockaddr_in {
        sin_family: libc::AF_UNSPEC as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: 0 },
        sin_zero: [0; 8],
    })
}

fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = storage.as_sockaddr_in() {
        return Some(SocketAddr::from((v4.ip(), v4.port())));
    }
    let v6 = storage.as_sockaddr_in6()?;
    Some(SocketAddr::from((v6.ip(), v6.port())))
}

fn duration(stamp: TimeSpec) -> Duration {
    let seconds = u64::try_from(stamp.tv_sec()).unwrap_or(0);
    let nanos = u32::try_from(stamp.tv_nsec()).unwrap_or(0).min(999_999_999);
    Duration::new(seconds, nanos)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use assert_no_alloc::{assert_no_alloc, reset_violation_count, violation_count};

    use super::*;

    #[test]
    fn a_quiet_leg_wakes_for_what_arrives_and_loses_nothing() {
        let watch = Arc::new(Watch::new(1).unwrap());
        let (mut leg, to) = leg("127.0.0.1");
        leg.enter(&watch, 0);
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        for sent in 0..3 {
            for _ in 0..2 * TICKS_AWAKE {
                watch.look();
                assert_eq!(received(&mut leg), Vec::<u8>::new());
            }
            assert!(leg.rests);
            for number in 0..3 {
                phone.send_to(&[10 * sent + number], to).unwrap();
            }
            watch.look();
            assert_eq!(
                received(&mut leg),
                [10 * sent, 10 * sent + 1, 10 * sent + 2]
            );
            assert!(!leg.rests);
        }
    }

    /// Reads what waits at a tick as a leg does; returns how many datagrams that were.
    fn read(habit: &mut Habit, tick: i64, waiting: &mut VecDeque<i64>) -> usize {
        let mut count = 0;
        while !habit.has_all
            && let Some(arrived) = waiting.pop_front()
        {
            habit.note_read(at(tick * 20_000), at(arrived));
            count += 1;
        }
        habit.end_of_tick();
        count
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    /// A peer that has long sent one datagram for each tick, up to this one.
    fn steady(until: i64) -> Habit {
        let mut habit = Habit::default();
        for tick in 0..until {
            let mut waiting = VecDeque::from([tick * 20_000 - 3_000]);
            assert_eq!(read(&mut habit, tick, &mut waiting), 1);
        }
        habit
    }

    #[test]
    fn of_a_steady_peer_what_comes_too_early_is_read_in_the_next_tick_and_all_from_then_on() {
        let mut habit = steady(30);
        let mut waiting = VecDeque::from([597_000, 598_000]);
        assert_eq!(read(&mut habit, 30, &mut waiting), 1);
        waiting.extend([617_000, 618_000]);
        assert_eq!(read(&mut habit, 31, &mut waiting), 3);
        waiting.extend([637_000, 638_000]);
        assert_eq!(read(&mut habit, 32, &mut waiting), 2);
    }

    #[test]
    fn after_a_tick_without_a_datagram_all_is_read() {
        let mut habit = steady(30);
        assert_eq!(read(&mut habit, 30, &mut VecDeque::new()), 0);
        let mut waiting = VecDeque::from([601_000, 617_000]);
        assert_eq!(read(&mut habit, 31, &mut waiting), 2);
    }

    #[test]
    fn a_peer_that_sends_twice_for_each_tick_is_never_taken_for_steady() {
        let mut habit = Habit::default();
        for tick in 0..100 {
            let mut waiting = VecDeque::from([tick * 20_000 - 13_000, tick * 20_000 - 3_000]);
            assert_eq!(read(&mut habit, tick, &mut waiting), 2);
        }
    }

    #[test]
    fn a_steady_leg_loses_nothing() {
        let (mut leg, to) = leg("127.0.0.1");
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut read = Vec::new();
        for number in 0..100 {
            phone.send_to(&[number], to).unwrap();
            // A second one waits now and then.
            if number % 7 != 0 {
                read.extend(received(&mut leg));
            }
        }
        for _ in 0..3 {
            read.extend(received(&mut leg));
        }
        assert_eq!(read, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_leg_takes_what_waits_for_it_to_another_thread() {
        let (here, there) = (Watch::new(1).unwrap(), Watch::new(8).unwrap());
        let (here, there) = (Arc::new(here), Arc::new(there));
        let (mut leg, to) = leg("127.0.0.1");
        leg.enter(&here, 0);
        while !leg.rests {
            received(&mut leg);
        }
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.send_to(&[1], to).unwrap();
        leg.leave();
        phone.send_to(&[2], to).unwrap();
        leg.enter(&there, 7);
        phone.send_to(&[3], to).unwrap();
        there.look();
        assert_eq!(received(&mut leg), [1, 2, 3]);
    }

    #[test]
    fn rtcp_is_read_of_a_quiet_leg() {
        let watch = Arc::new(Watch::new(1).unwrap());
        let (mut leg, _) = leg("127.0.0.1");
        leg.enter(&watch, 0);
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = leg.rtcp.local_addr().unwrap();
        for number in 0..3 {
            while !leg.rests {
                received(&mut leg);
            }
            phone.send_to(&[number], to).unwrap();
            phone.send_to(&[number + 10], to).unwrap();
            watch.look();
            let mut read = received(&mut leg);
            watch.look();
            read.extend(received(&mut leg));
            assert_eq!(read, [number, number + 10]);
        }
    }

    #[test]
    fn a_settled_leg_hears_its_peer_alone_until_it_is_unsettled() {
        for ip in ["127.0.0.1", "::1"] {
            if UdpSocket::bind((ip, 0)).is_err() {
                println!("{ip} is not to be had here");
                continue;
            }
            let (mut leg, to) = leg(ip);
            let bind = || UdpSocket::bind((to.ip(), 0)).unwrap();
            let (peer, stranger) = (bind(), bind());
            let at = peer.local_addr().unwrap();
            leg.settle(Some(at));
            stranger.send_to(&[1], to).unwrap();
            peer.send_to(&[2], to).unwrap();
            assert_eq!(received(&mut leg), [2]);
            leg.send(Channel::Rtp, at, &[3]);
            let mut buffer = [0; 8];
            let (_, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((buffer[0], from), (3, to));

            leg.settle(None);
            stranger.send_to(&[4], to).unwrap();
            peer.send_to(&[5], to).unwrap();
            assert_eq!(received(&mut leg), [4, 5]);
            leg.send(Channel::Rtp, stranger.local_addr().unwrap(), &[6]);
            let (_, from) = stranger.recv_from(&mut buffer).unwrap();
            assert_eq!((buffer[0], from), (6, to));
        }
    }

    #[test]
    fn a_thousand_ticks_of_real_sockets_allocate_nothing() {
        const TICKS: u32 = 1_000;
        let watch = Arc::new(Watch::new(3).unwrap());
        // One peer is steady, one is quiet for long and then sends a lot, one sends in pairs; a fourth
        // leg is not watched.
        let sends: [fn(u32) -> u32; 4] = [
            |_| 1,
            |tick| if tick % 50 == 0 { 3 } else { 0 },
            |tick| if tick % 2 == 0 { 2 } else { 0 },
            |tick| u32::from(tick % 7 != 0),
        ];
        let ips = ["127.0.0.1", "::1", "127.0.0.1", "127.0.0.1"];
        let bind = |ip| UdpSocket::bind((ip, 0)).ok();
        let ips = ips.map(|ip| bind(ip).map_or("127.0.0.1", |_| ip));
        let mut legs = ips.map(leg);
        let phones = ips.map(|ip| bind(ip).unwrap());
        let peers = phones.each_ref().map(|phone| phone.local_addr().unwrap());
        let rtcp = legs
            .each_ref()
            .map(|(leg, _)| leg.rtcp.local_addr().unwrap());
        for (place, (leg, _)) in (0..3).zip(&mut legs) {
            leg.enter(&watch, place);
        }
        let (mut sent, mut received, mut heard) = (0, 0, 0);
        let mut buffer = [0; 2_048];
        // The last ticks bring what waits still.
        for tick in 0..TICKS + 10 {
            for (at, phone) in phones.iter().enumerate().filter(|_| tick < TICKS) {
                for _ in 0..sends[at](tick) {
                    phone.send_to(&[0x80; 172], legs[at].1).unwrap();
                    sent += 1;
                }
                if tick % 250 == 100 {
                    phone.send_to(&[0x80; 60], rtcp[at]).unwrap();
                    sent += 1;
                }
            }
            reset_violation_count();
            assert_no_alloc(|| {
                watch.look();
                for ((leg, _), peer) in legs.iter_mut().zip(peers) {
                    while leg.receive(&mut buffer).is_some() {
                        received += 1;
                    }
                    let settled = tick % 200 >= 100;
                    leg.settle(settled.then_some(peer));
                    leg.send(Channel::Rtp, peer, &buffer[..172]);
                    if tick % 250 == 0 {
                        leg.send(Channel::Rtcp, peer, &buffer[..60]);
                    }
                }
            });
            assert_eq!(violation_count(), 0, "tick {tick} allocates");
            for phone in &phones {
                phone.set_nonblocking(true).unwrap();
                while phone.recv(&mut buffer).is_ok() {
                    heard += 1;
                }
            }
        }
        assert_eq!(received, sent);
        let ticks_with_rtcp = (TICKS + 10).div_ceil(250);
        assert_eq!(heard, 4 * (TICKS + 10 + ticks_with_rtcp));
    }

    fn leg(ip: &str) -> (UdpLeg, SocketAddr) {
        // A port that was asked for by number, as those of the pool are: a socket gives one that the
        // kernel chose back when it is unsettled.
        let bind = || {
            let free = UdpSocket::bind((ip, 0)).unwrap().local_addr().unwrap();
            UdpSocket::bind(free).ok()
        };
        let bind = || std::iter::repeat_with(bind).flatten().next().unwrap();
        let leg = UdpLeg::new(bind(), bind(), Clock::start()).unwrap();
        let at = leg.rtp.local_addr().unwrap();
        (leg, at)
    }

    /// The first byte of all that a tick reads.
    fn received(leg: &mut UdpLeg) -> Vec<u8> {
        let mut buffer = [0; 64];
        std::iter::from_fn(|| leg.receive(&mut buffer).map(|_| ()).map(|()| buffer[0])).collect()
    }
}
