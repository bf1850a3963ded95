//! What a datagram costs: sent and received in the ways that a media thread could choose from.
//!
//! Each figure is for one pass over 500 sockets, as many as have their own ports and peers. On
//! loopback a datagram's whole way to the other socket is part of sending it.

#![allow(clippy::unwrap_used)]

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use criterion::{BatchSize, Bencher, Criterion, Throughput, criterion_group, criterion_main};
use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use tutti_media::GROUP;

const LEGS: usize = 500;

/// G.711 in packets of 20 ms.
const DATAGRAM: [u8; 172] = [0x80; 172];

/// Our sockets and the peer of each.
struct Wires {
    ours: Vec<UdpSocket>,
    peers: Vec<UdpSocket>,
}

impl Wires {
    fn new() -> Wires {
        let bind = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
            socket
        };
        Wires {
            ours: (0..LEGS).map(|_| bind()).collect(),
            peers: (0..LEGS).map(|_| bind()).collect(),
        }
    }

    fn peer_addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.peers)
    }

    /// Has every peer send one datagram, after all others are gone.
    fn fill(&self) {
        drain(&self.ours);
        for (peer, to) in self.peers.iter().zip(addresses(&self.ours)) {
            peer.send_to(&DATAGRAM, to).unwrap();
        }
    }
}

fn addresses(sockets: &[UdpSocket]) -> Vec<SocketAddr> {
    let address = |socket: &UdpSocket| socket.local_addr().unwrap();
    sockets.iter().map(address).collect()
}

fn drain(sockets: &[UdpSocket]) {
    let mut buffer = [0; 512];
    for socket in sockets {
        while socket.recv_from(&mut buffer).is_ok() {}
    }
}

/// Reads a datagram with the kernel's time stamp, as a leg does.
fn receive(socket: &UdpSocket, control: &mut [u8]) -> bool {
    let mut buffer = [0; 2_048];
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(control), flags).is_ok()
}

fn send(criterion: &mut Criterion) {
    let wires = Wires::new();
    let peers = wires.peer_addresses();
    let mut group = criterion.benchmark_group("send");
    group.throughput(Throughput::Elements(LEGS as u64));
    group.bench_function("to an address", |bencher| {
        bencher.iter_batched(
            || drain(&wires.peers),
            |()| {
                for (socket, to) in wires.ours.iter().zip(&peers) {
                    socket.send_to(&DATAGRAM, to).unwrap();
                }
            },
            BatchSize::PerIteration,
        );
    });
    for (socket, to) in wires.ours.iter().zip(&peers) {
        socket.connect(to).unwrap();
    }
    group.bench_function("connected", |bencher| {
        bencher.iter_batched(
            || drain(&wires.peers),
            |()| {
                for socket in &wires.ours {
                    socket.send(&DATAGRAM).unwrap();
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let wires = Wires::new();
    let mut control = cmsg_space!(TimeSpec);
    let mut group = criterion.benchmark_group("receive");
    group.throughput(Throughput::Elements(LEGS as u64));
    group.bench_function("nothing", |bencher| {
        bencher.iter(|| {
            for socket in &wires.ours {
                assert!(!receive(socket, &mut control));
            }
        });
    });
    group.bench_function("one datagram", |bencher| {
        bencher.iter_batched(
            || wires.fill(),
            |()| {
                for socket in &wires.ours {
                    assert!(receive(socket, &mut control));
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("one datagram, and that there is no other", |bencher| {
        bencher.iter_batched(
            || wires.fill(),
            |()| {
                for socket in &wires.ours {
                    while receive(socket, &mut control) {}
                }
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Two ways to learn what has come without reading each socket, and what the second costs those who
/// send: whoever is in an epoll set is looked after whenever it has sent something.
fn watch(criterion: &mut Criterion) {
    let wires = Wires::new();
    let peers = wires.peer_addresses();
    for (socket, to) in wires.ours.iter().zip(&peers) {
        socket.connect(to).unwrap();
    }
    let mut asked: Vec<_> = wires
        .ours
        .iter()
        .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
        .collect();
    let mut group = criterion.benchmark_group("watch");
    group.throughput(Throughput::Elements(LEGS as u64));
    group.bench_function("poll, nothing came", |bencher| {
        bencher.iter(|| {
            for asked in asked.chunks_mut(GROUP) {
                poll(asked, PollTimeout::ZERO).unwrap();
            }
        });
    });
    let send = |bencher: &mut Bencher<'_>| {
        bencher.iter_batched(
            || drain(&wires.peers),
            |()| {
                for socket in &wires.ours {
                    socket.send(&DATAGRAM).unwrap();
                }
            },
            BatchSize::PerIteration,
        );
    };
    group.bench_function("send, not watched", send);
    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    for (n, socket) in wires.ours.iter().enumerate() {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, n as u64);
        epoll.add(socket, event).unwrap();
    }
    let mut events = vec![EpollEvent::empty(); LEGS];
    group.bench_function("epoll, nothing came", |bencher| {
        bencher.iter(|| epoll.wait(&mut events, EpollTimeout::ZERO).unwrap());
    });
    group.bench_function("send, watched by epoll", send);
    group.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(50)
}

criterion_group! {
    name = benches;
    config = quick();
    targets = send, read, watch
}
criterion_main!(benches);
