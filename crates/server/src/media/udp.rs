//! A leg's two UDP sockets.

use std::array;
use std::hint::black_box;
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrStorage, connect, recvmsg, setsockopt,
    sockopt,
};
use nix::sys::time::TimeSpec;
use tutti_media::{Channel, Datagram, GROUP, Transport, Waiting};
use tutti_model::Timestamp;

use crate::clock::Clock;

/// After so many ticks with one datagram each, one is expected in the next.
const TICKS_STEADY: u8 = 8;

/// Datagrams that come further apart are not one for each tick.
const STEADY_GAP: Duration = Duration::from_millis(30);

/// How exactly the kernel's time stamps and our clock can be compared.
const STAMP_ERROR: Duration = Duration::from_micros(50);

/// RTP and RTCP of one leg, on neighbouring ports (RFC 3550 §11).
pub struct UdpLeg {
    rtp: UdpSocket,
    habit: Habit,
    /// The only peer that the kernel still lets through, where RTP goes, too.
    settled: Option<SocketAddr>,
    clock: Clock,
    /// Room for the kernel's time stamp.
    control: Vec<u8>,
    rtcp: UdpSocket,
}

impl Transport for UdpLeg {
    /// Asks the kernel about all at once, but for those whose next datagram is expected: reading that
    /// costs less than hearing that it can be read.
    ///
    /// An epoll set would be cheaper to ask, but not to be in: whatever a watched socket sends, the
    /// kernel looks whether somebody waits to send more (`benches/io.rs`).
    fn waiting<'a>(group: impl Iterator<Item = &'a UdpLeg>) -> Waiting {
        let mut waiting = Waiting::default();
        let mut group = group.take(GROUP).peekable();
        let Some(first) = group.peek().copied() else {
            return waiting;
        };
        let mut asked: [_; GROUP] = array::from_fn(|_| first.question());
        let mut places = [0; GROUP];
        let mut count = 0;
        for (place, leg) in group.enumerate() {
            if leg.habit.is_steady() {
                waiting.note(place);
            } else if let Some((question, of)) = asked.get_mut(count).zip(places.get_mut(count)) {
                *question = leg.question();
                *of = place;
                count += 1;
            }
        }
        let asked = asked.get_mut(..count).unwrap_or_default();
        if asked.is_empty() {
            return waiting;
        }
        if poll(asked, PollTimeout::ZERO).is_err() {
            return Waiting::EVERYWHERE;
        }
        for (answer, place) in asked.iter().zip(places) {
            // An error waits to be read, too.
            if answer.any() != Some(false) {
                waiting.note(place);
            }
        }
        waiting
    }

    fn receive(&mut self, channel: Channel, buffer: &mut [u8]) -> Option<Datagram> {
        if channel == Channel::Rtcp {
            return self.take(channel, buffer);
        }
        let taken = match self.habit.has_all {
            true => None,
            false => self.take(channel, buffer),
        };
        match taken {
            Some(datagram) => self.habit.note_read(self.clock.now(), datagram.arrived),
            None => self.habit.end_of_tick(),
        }
        taken
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

    fn fetch(&self) {
        black_box((self.rtp.as_raw_fd(), self.settled));
    }
}

impl UdpLeg {
    /// A leg with these two sockets.
    ///
    /// # Errors
    /// When the kernel does not stamp what arrives, or insists on blocking.
    pub(super) fn new(rtp: UdpSocket, rtcp: UdpSocket, clock: Clock) -> std::io::Result<UdpLeg> {
        for socket in [&rtp, &rtcp] {
            socket.set_nonblocking(true)?;
            setsockopt(socket, sockopt::ReceiveTimestampns, &true)?;
        }
        Ok(UdpLeg {
            rtp,
            habit: Habit::default(),
            settled: None,
            clock,
            control: cmsg_space!(TimeSpec),
            rtcp,
        })
    }

    /// What the kernel is asked: whether RTP can be read.
    fn question(&self) -> PollFd<'_> {
        PollFd::new(self.rtp.as_fd(), PollFlags::POLLIN)
    }

    fn take(&mut self, channel: Channel, buffer: &mut [u8]) -> Option<Datagram> {
        let socket = match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        };
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let fd = socket.as_raw_fd();
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
            channel,
            len: message.bytes,
            from,
            arrived,
        })
    }
}

/// How a peer has been sending, tick by tick.
#[derive(Debug, Default)]
struct Habit {
    /// How many datagrams of RTP were read in this tick.
    read: u8,
    /// Ticks in a row in which one datagram was read, and no tick was missed between them.
    steady_ticks: u8,
    /// The datagram of this tick is there, so that looking for another would be in vain.
    has_all: bool,
    /// When the last datagram came, and whether it followed closely on the one before.
    latest: Option<Timestamp>,
    follows: bool,
    /// When the last datagram was read, once its peer is steady.
    looked: Option<Timestamp>,
}

impl Habit {
    /// Whether one datagram is expected in the next tick.
    fn is_steady(&self) -> bool {
        self.steady_ticks >= TICKS_STEADY
    }

    /// Notes a datagram, and whether another one need be looked for in this tick.
    ///
    /// A phone that has sent one datagram for each tick will have sent one for this tick. Should a
    /// second one wait, it is meant for the next tick, is read there, and gives itself away by its
    /// age; then all is read again.
    fn note_read(&mut self, now: Timestamp, arrived: Timestamp) {
        self.read = self.read.saturating_add(1);
        let before = self.latest.replace(arrived);
        self.follows = before.is_some_and(|before| arrived.since(before) < STEADY_GAP);
        if self.is_steady() {
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
        self.steady_ticks = match read == 1 && self.follows {
            true => self.steady_ticks.saturating_add(1),
            false => 0,
        };
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
    fn of_a_quiet_leg_is_told_what_arrives_and_nothing_is_lost() {
        let (mut leg, to) = leg("127.0.0.1");
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        for sent in 0..3 {
            for _ in 0..8 {
                assert!(!UdpLeg::waiting([&leg].into_iter()).has(0));
            }
            for number in 0..3 {
                phone.send_to(&[10 * sent + number], to).unwrap();
            }
            assert!(UdpLeg::waiting([&leg].into_iter()).has(0));
            let expected = [10 * sent, 10 * sent + 1, 10 * sent + 2];
            assert_eq!(received(&mut leg), expected);
        }
    }

    #[test]
    fn of_a_whole_group_exactly_those_are_told_to_whom_something_came() {
        let mut legs: Vec<_> = (0..GROUP).map(|_| leg("127.0.0.1")).collect();
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        for sent_to in [
            vec![],
            vec![0],
            vec![15],
            vec![1, 2, 9],
            (0..GROUP).collect(),
        ] {
            for to in &sent_to {
                phone.send_to(&[1], legs[*to].1).unwrap();
            }
            let waiting = UdpLeg::waiting(legs.iter().map(|(leg, _)| leg));
            let told: Vec<_> = (0..GROUP).filter(|place| waiting.has(*place)).collect();
            assert_eq!(told, sent_to);
            for to in sent_to {
                assert_eq!(received(&mut legs[to].0), [1]);
            }
        }
    }

    #[test]
    fn of_a_steady_leg_is_always_told_and_it_is_not_steady_for_long_when_nothing_comes() {
        let (mut leg, _) = leg("127.0.0.1");
        leg.habit = steady(30);
        assert!(UdpLeg::waiting([&leg].into_iter()).has(0));
        assert_eq!(received(&mut leg), Vec::<u8>::new());
        assert!(!UdpLeg::waiting([&leg].into_iter()).has(0));
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
    fn rtcp_is_read_apart_from_rtp() {
        let (mut leg, to) = leg("127.0.0.1");
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to_rtcp = leg.rtcp.local_addr().unwrap();
        phone.send_to(&[1], to).unwrap();
        for number in 2..4 {
            phone.send_to(&[number], to_rtcp).unwrap();
        }
        assert_eq!(received(&mut leg), [1]);
        assert_eq!(received_through(&mut leg, Channel::Rtcp), [2, 3]);
    }

    #[test]
    fn a_peer_that_sends_every_other_tick_is_never_taken_for_steady() {
        let mut habit = Habit::default();
        for tick in 0..50 {
            // It is not read in between: nothing was told of it.
            let mut waiting = VecDeque::from([tick * 40_000 - 3_000]);
            assert_eq!(read(&mut habit, 2 * tick, &mut waiting), 1);
            assert!(!habit.is_steady());
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
        // One peer is steady, one is quiet for long and then sends a lot, one sends in pairs, and one
        // leaves a datagram out now and then.
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
                let waiting = UdpLeg::waiting(legs.iter().map(|(leg, _)| leg));
                for (place, ((leg, _), peer)) in legs.iter_mut().zip(peers).enumerate() {
                    for channel in [Channel::Rtp, Channel::Rtcp] {
                        let is_told = waiting.has(place) || channel == Channel::Rtcp;
                        while is_told && leg.receive(channel, &mut buffer).is_some() {
                            received += 1;
                        }
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
        received_through(leg, Channel::Rtp)
    }

    fn received_through(leg: &mut UdpLeg, channel: Channel) -> Vec<u8> {
        let mut buffer = [0; 64];
        let receive = || leg.receive(channel, &mut buffer).map(|_| buffer[0]);
        std::iter::from_fn(receive).collect()
    }
}
