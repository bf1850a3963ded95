//! How many callers would a bridge have that costs nothing, because the kernel carries no more?
//!
//! Whatever a bridge is like, each listener's packet goes through a socket of its own once a tick, and
//! each packet that comes is read; of whom nothing need come, it is asked whether something has, since
//! anybody may speak at any time. A thread that does nothing else, with as many sockets as the row had
//! callers who read as seldom, says what is left for a bridge. On loopback it pays for the receiving
//! half, too, which is the other machine's on a real network.

use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::time::{ClockId, clock_gettime};

use super::floor_of_machine::on_core;
use crate::datagram::{self, Batch};
use crate::leg::{PTIME, TICKS_PER_READING};

/// Ticks before anything is measured: the first datagrams look for their way.
const WARM_UP_TICKS: usize = 25;

/// Peers take turns in so many parts of a tick.
const PHASES: usize = 8;

/// Of so many sockets at once it is asked whether something has come.
const GROUP: usize = 16;

/// What goes over the wire in a row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic {
    pub(super) sockets: usize,
    /// Octets of each datagram, with its RTP header.
    pub(super) octets: usize,
    /// Each peer sends in every so-manieth tick; `None` sends nothing.
    pub(super) peers_send_every: Option<usize>,
}

/// What the kernel alone costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct KernelAlone {
    /// CPU time for one socket in one tick: a datagram sent, and what came found and read.
    pub(super) a_tick: Duration,
}

impl KernelAlone {
    /// How many sockets fill a core.
    pub(super) fn per_core(&self) -> f64 {
        PTIME.as_secs_f64() / self.a_tick.as_secs_f64().max(1e-9)
    }

    /// What one socket takes of a core, in percent.
    pub(super) fn percent(&self) -> f64 {
        100.0 / self.per_core()
    }
}

/// Sends and reads on a core for a while, from and to peers where this thread may run.
///
/// # Errors
/// When there is no such core for us, or not so many sockets.
pub(super) async fn kernel_alone(
    core: usize,
    peers: IpAddr,
    traffic: Traffic,
    duration: Duration,
) -> anyhow::Result<KernelAlone> {
    let mut wires = Vec::with_capacity(traffic.sockets);
    for _ in 0..traffic.sockets {
        wires.push(wire(peers).context("a socket for the floor")?);
    }
    let (ours, theirs): (Vec<_>, Vec<_>) = wires.into_iter().unzip();
    let done = Arc::new(AtomicBool::new(false));
    let peers = std::thread::Builder::new().name("floor-peers".to_owned());
    let peers = peers.spawn({
        let done = Arc::clone(&done);
        move || be_peers(&theirs, traffic, &done)
    })?;
    let alone = on_core(Some(core), move || Ok(carry(&ours, traffic, duration))).await;
    done.store(true, Ordering::Relaxed);
    // It has nothing to say; a panic of it would have left datagrams unread.
    let _ = peers.join();
    alone
}

/// Two sockets that are connected to each other.
fn wire(peer: IpAddr) -> std::io::Result<(UdpSocket, UdpSocket)> {
    let ours = UdpSocket::bind(("127.0.0.1", 0))?;
    let theirs = UdpSocket::bind((peer, 0))?;
    ours.connect(theirs.local_addr()?)?;
    theirs.connect(ours.local_addr()?)?;
    datagram::prepare(&ours)?;
    datagram::prepare(&theirs)?;
    Ok((ours, theirs))
}

/// Reads what came and sends everybody a datagram, once a tick, as a bridge does for one conference.
fn carry(sockets: &[UdpSocket], traffic: Traffic, duration: Duration) -> KernelAlone {
    let packet = vec![0x80; traffic.octets];
    let mut buffer = [0; datagram::LARGEST];
    let mut deadline = Instant::now();
    let ends_at = deadline + PTIME * WARM_UP_TICKS as u32 + duration;
    let (mut tick, mut began) = (0_usize, Duration::ZERO);
    while tick <= WARM_UP_TICKS || Instant::now() < ends_at {
        if tick == WARM_UP_TICKS {
            began = thread_time();
        }
        deadline += PTIME;
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        if traffic.peers_send_every == Some(1) {
            for socket in sockets {
                // One that has not come yet is read the next time.
                let _ = datagram::receive(socket, &mut buffer);
            }
        } else {
            sockets
                .chunks(GROUP)
                .for_each(|group| read_what_came(group, &mut buffer));
        }
        for socket in sockets {
            // A peer that does not read fast enough loses it, and the way was gone.
            let _ = socket.send(&packet);
        }
        tick += 1;
    }
    let carried = (tick - WARM_UP_TICKS) * sockets.len();
    let used = thread_time().saturating_sub(began);
    KernelAlone {
        a_tick: used / u32::try_from(carried.max(1)).unwrap_or(u32::MAX),
    }
}

/// Asks of whom something has come, and reads that.
fn read_what_came(group: &[UdpSocket], buffer: &mut [u8]) {
    let Some(first) = group.first() else {
        return;
    };
    let question = |socket| PollFd::new(AsFd::as_fd(socket), PollFlags::POLLIN);
    let mut asked: [_; GROUP] = std::array::from_fn(|at| question(group.get(at).unwrap_or(first)));
    let asked = asked.get_mut(..group.len()).unwrap_or_default();
    // What is not found now is found in the next tick.
    let _ = poll(asked, PollTimeout::ZERO);
    for (socket, answer) in group.iter().zip(asked) {
        if answer.any() == Some(true) {
            let _ = datagram::receive(socket, buffer);
        }
    }
}

/// Sends and reads as callers do who only count, until it is done.
fn be_peers(sockets: &[UdpSocket], traffic: Traffic, done: &AtomicBool) {
    let packet = vec![0x80; traffic.octets];
    let mut batch = Batch::new();
    let parts: Vec<&[UdpSocket]> = sockets
        .chunks(sockets.len().div_ceil(PHASES).max(1))
        .collect();
    let mut deadline = Instant::now();
    for tick in 0_usize.. {
        for part in 0..PHASES {
            if done.load(Ordering::Relaxed) {
                return;
            }
            deadline += PTIME / PHASES as u32;
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            let part = parts.get(part).copied().unwrap_or_default();
            if let Some(every) = traffic.peers_send_every {
                for socket in due(part, tick, every) {
                    let _ = socket.send(&packet);
                }
            }
            for socket in due(part, tick, TICKS_PER_READING as usize) {
                batch.receive(socket, |_, _| {});
            }
        }
    }
}

/// Those of many sockets whose turn it is in a tick, if each has its turn in every so-manieth one.
fn due(sockets: &[UdpSocket], tick: usize, every: usize) -> impl Iterator<Item = &UdpSocket> {
    let every = every.max(1);
    sockets.iter().skip(tick % every).step_by(every)
}

/// CPU time that this thread has used.
fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernels_share_is_measured_whoever_sends() {
        let traffic = |peers_send_every| Traffic {
            sockets: 8,
            octets: 92,
            peers_send_every,
        };
        for peers_send_every in [None, Some(1), Some(20)] {
            let peers = IpAddr::from([127, 0, 0, 2]);
            let found = kernel_alone(
                0,
                peers,
                traffic(peers_send_every),
                Duration::from_millis(200),
            );
            let found = found.await.unwrap();
            assert!(
                found.a_tick > Duration::ZERO && found.a_tick < PTIME,
                "{found:?}"
            );
            assert!((found.per_core() * found.percent() - 100.0).abs() < 1e-6);
        }
    }

    #[test]
    fn everybody_has_a_turn_in_every_so_manieth_tick() {
        let sockets: Vec<UdpSocket> = (0..7)
            .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
            .collect();
        let turns: usize = (0..20).map(|tick| due(&sockets, tick, 5).count()).sum();
        assert_eq!(turns, 7 * 4);
        assert_eq!(due(&sockets, 3, 1).count(), 7);
        assert_eq!(due(&[], 3, 5).count(), 0);
    }
}
