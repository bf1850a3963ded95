//! Real threads and sockets on loopback. Tests wait until something is so; none asks how long it took.

mod calls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedReceiver;
use tutti_media::{CONTRIBUTORS, EncoderSettings, PHASES};
use tutti_model::{Codec, Digit, Format, MediaDescription, MediaFlow, Privileges, RecordingId};
use tutti_recording::{DiskFloor, RecorderEvent};

use super::*;
use crate::config::PortRange;

const BOTH: Privileges = Privileges {
    talk: true,
    listen: true,
};

#[test]
fn threads_rest_until_the_first_leg_and_after_the_last() {
    let mut stage = Stage::new(2, 100);
    stage.until_all_rest();
    assert!(stage.director.is_idle());

    let (call, phone) = stage.call();
    stage.packets(&phone, 5);
    stage.director.close_leg(call);
    stage.until("the leg is gone", |stage| stage.director.is_idle());
    stage.until_all_rest();
    let ticks = stage.ticks();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(stage.ticks(), ticks, "a thread that rests does not tick");
}

#[test]
fn a_conference_without_legs_wakes_nobody() {
    let mut stage = Stage::new(1, 100);
    let conference = stage.open();
    stage.director.set_mixing(conference, true);
    stage.until_all_rest();
    assert_eq!(stage.ticks(), 0);
    stage.director.close_conference(conference);
    stage.until("the conference is gone", |stage| stage.director.is_idle());
    assert_eq!(stage.ticks(), 0);
}

#[test]
fn many_threads_are_woken_for_every_command() {
    // Each command may come just as a thread lies down; a wake-up that is lost would end the test.
    let mut stage = Stage::new(1, 100);
    for _ in 0..300 {
        let conference = stage.open();
        stage.director.close_conference(conference);
        stage.until("the conference is gone", |stage| stage.director.is_idle());
    }
}

#[test]
fn a_leg_that_moves_to_its_conference_goes_on_with_its_stream() {
    let mut stage = Stage::new(2, 100);
    let conference = stage.open();
    stage.director.set_mixing(conference, true);
    let home = stage.director.conferences[&conference].home();
    // A call begins where the least is to be done, which is not where the conference is.
    let (call, phone) = stage.call();
    assert_eq!(stage.thread_of(call), Some(1 - home));
    stage.packets(&phone, 3);
    phone.send(0, 20);

    stage.director.join(call, conference, BOTH);
    stage.until("it has moved", |stage| stage.thread_of(call) == Some(home));
    phone.send(20, 5);
    let received = stage.packets(&phone, 40);
    for two in received.windows(2) {
        assert_eq!(two[0].ssrc, two[1].ssrc);
        assert_eq!(two[0].sequence.wrapping_add(1), two[1].sequence);
        assert_eq!(two[0].timestamp.wrapping_add(160), two[1].timestamp);
    }
}

#[test]
fn the_first_leg_of_a_codec_is_sent_audio_before_anybody_looks_what_its_thread_wants() {
    let codecs = [
        Codec::Opus,
        Codec::G722,
        Codec::Pcmu,
        Codec::Pcma,
        Codec::L16At16,
        Codec::L16At48,
    ];
    let mut stage = Stage::new(2, 100);
    for codec in codecs {
        // Two threads, and a first leg on each.
        for _ in 0..2 {
            let (call, bridge) = stage.offer(Ipv4Addr::LOCALHOST.into());
            let phone = Phone::new("127.0.0.1:0", bridge);
            let description = MediaDescription {
                format: Format::plain(codec),
                ..phone.description()
            };
            stage.director.describe_leg(call, description);
            stage.director.answered(call);
            // The director is not asked to do anything, so that no encoder can be made.
            let came = (0..10_000).find_map(|_| {
                std::thread::sleep(Duration::from_millis(1));
                phone.receive()
            });
            assert!(came.is_some(), "{codec:?}: nothing within 10 s");
        }
    }
}

#[test]
fn conferences_are_spread_over_threads_and_phases() {
    let mut stage = Stage::new(2, 100);
    let mut places = Vec::new();
    for _ in 0..2 * PHASES {
        let conference = stage.open();
        places.push(stage.director.conferences[&conference].home_place());
    }
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 2 * usize::from(PHASES));

    // A leg ticks with each of them, wherever it goes.
    let (call, phone) = stage.call();
    for conference in stage.open_conferences() {
        stage.director.join(call, conference, BOTH);
        let home = stage.director.conferences[&conference].home();
        stage.until("it is there", |stage| stage.thread_of(call) == Some(home));
        stage.packets(&phone, 5);
    }
}

#[test]
fn large_conferences_share_the_threads_in_whatever_order_they_were_made() {
    let mut stage = Stage::new(2, 100);
    let made: Vec<_> = (0..20).map(|_| stage.open()).collect();
    for conference in &made {
        stage.director.set_mixing(*conference, true);
    }
    // Every other one stays empty: those that fill up were all made on the same thread.
    let filled: Vec<_> = made.iter().copied().step_by(2).collect();
    let homes = |stage: &Stage| -> Vec<usize> {
        let home = |conference| stage.director.conferences[conference].home();
        filled.iter().map(home).collect()
    };
    assert!(homes(&stage).windows(2).all(|two| two[0] == two[1]));
    let calls: Vec<_> = (0..20).map(|_| stage.call()).collect();
    for (place, (call, _)) in calls.iter().enumerate() {
        stage.director.join(*call, filled[place / 2], BOTH);
    }
    let on_the_first = homes(&stage).iter().filter(|home| **home == 0).count();
    assert_eq!(on_the_first, 5, "of ten");
    for (place, (call, phone)) in calls.iter().enumerate() {
        stage.until("everybody is where the conference is", |stage| {
            stage.thread_of(*call) == Some(homes(stage)[place / 2])
        });
        stage.packets(phone, 3);
    }
    for conference in made {
        stage.director.close_conference(conference);
    }
    for (call, _) in &calls {
        stage.director.close_leg(*call);
    }
    stage.until("all is gone", |stage| stage.director.is_idle());
    stage.until_all_rest();
}

#[test]
fn an_empty_conference_takes_its_music_to_another_thread_and_stays_while_it_is_recorded() {
    let mut stage = Stage::new(2, 100);
    let conferences: Vec<_> = (0..6).map(|_| stage.open()).collect();
    let home = |stage: &Stage, conference| stage.director.conferences[&conference].home();
    let crowd: Vec<_> = (0..3).map(|_| stage.call()).collect();
    for (call, _) in &crowd {
        stage.director.join(*call, conferences[0], BOTH);
    }
    let hot = home(&stage, conferences[0]);
    stage.until("the crowd is there", |stage| {
        crowd
            .iter()
            .all(|(call, _)| stage.thread_of(*call) == Some(hot))
    });
    let mut near = conferences[1..]
        .iter()
        .copied()
        .filter(|conference| home(&stage, *conference) == hot);
    let (music, recorded) = (near.next().unwrap(), near.next().unwrap());

    let tone: Vec<f32> = (0..48_000).map(|n| 0.3 * (n as f32 * 0.06).sin()).collect();
    stage.director.play_music(music, tone.into());
    let (call, phone) = stage.call();
    stage.director.join(call, music, BOTH);
    assert_eq!(home(&stage, music), 1 - hot);
    stage.until_sound(&phone);

    let recording = RecordingId::from_bytes([1; 20]);
    stage.director.start_recording(recorded, recording);
    let (call, phone) = stage.call();
    stage.director.join(call, recorded, BOTH);
    assert_eq!(home(&stage, recorded), hot);
    stage.packets(&phone, 3);
}

#[test]
fn a_conference_grows_in_parts_and_shrinks_again() {
    let mut stage = Stage::new(3, 2);
    let conference = stage.open();
    let calls: Vec<_> = (0..7).map(|_| stage.call()).collect();
    for (call, _) in &calls {
        stage.director.join(*call, conference, BOTH);
    }
    stage.until("everybody is seated", |stage| {
        calls
            .iter()
            .all(|(call, _)| stage.thread_of(*call).is_some())
    });
    assert_eq!(stage.parts(conference), [3, 2, 2]);
    stage.director.set_mixing(conference, true);
    for (_, phone) in &calls {
        stage.packets(phone, 5);
    }

    // A digit goes to all parts, and back to nobody.
    let digit = Digit::from_char('5').unwrap();
    stage.director.pass_digit(conference, calls[0].0, digit);

    for (call, _) in &calls[2..6] {
        stage.director.leave(*call);
    }
    assert_eq!(stage.parts(conference), [3]);
    for (call, _) in &calls {
        stage.director.close_leg(*call);
    }
    stage.until("all legs are gone", |stage| stage.director.is_idle());
    assert_eq!(stage.parts(conference), [0], "home stays");
    stage.director.close_conference(conference);
    stage.until_all_rest();
}

#[test]
fn who_leaves_one_conference_for_another_frees_its_part() {
    let mut stage = Stage::new(2, 1);
    let (from, to) = (stage.open(), stage.open());
    let (first, _first) = stage.call();
    let (second, phone) = stage.call();
    stage.director.join(first, from, BOTH);
    stage.director.join(second, from, BOTH);
    assert_eq!(stage.parts(from), [1, 1]);
    stage.director.join(second, to, BOTH);
    stage.until("it has moved", |stage| stage.thread_of(second).is_some());
    assert_eq!((stage.parts(from), stage.parts(to)), (vec![1], vec![1]));
    stage.packets(&phone, 5);
    // A conference that is opened anew does not count who was in the one before it.
    stage.director.close_conference(to);
    stage.director.open_conference(to);
    stage.director.leave(second);
    assert_eq!(stage.parts(to), [0]);
}

#[test]
fn a_part_hears_music_and_mixes_from_its_first_tick() {
    let mut stage = Stage::new(2, 1);
    let conference = stage.open();
    let tone: Vec<f32> = (0..48_000).map(|n| 0.3 * (n as f32 * 0.06).sin()).collect();
    stage.director.play_music(conference, tone.into());
    let calls = [stage.call(), stage.call()];
    for (call, _) in &calls {
        stage.director.join(*call, conference, BOTH);
    }
    assert_eq!(stage.parts(conference), [1, 1]);
    for (_, phone) in &calls {
        stage.until_sound(phone);
    }
}

#[test]
fn a_thread_that_has_too_much_to_do_takes_nobody() {
    let mut stage = Stage::new(2, 100);
    let conference = stage.open();
    let hot = stage.director.conferences[&conference].home();
    assert!(stage.director.has_room());
    stage.overload(hot);
    assert!(stage.director.has_room(), "the other thread takes them");
    let (call, _phone) = stage.call();
    assert_eq!(stage.thread_of(call), Some(1 - hot));
    stage.director.join(call, conference, BOTH);
    assert_eq!(
        stage.parts(conference),
        [0, 1],
        "as a part of the conference"
    );

    stage.overload(1 - hot);
    assert!(!stage.director.has_room());
    let counters = stage.director.counters();
    assert_eq!(counters.refused.load(Ordering::Relaxed), 1);
    assert_eq!(counters.threads[hot].admits.load(Ordering::Relaxed), 0);
    assert_eq!(counters.threads[hot].complexity.load(Ordering::Relaxed), 1);
}

/// A director, and what it needs.
struct Stage {
    director: Director,
    conferences: u16,
    calls: u8,
    /// What the director has told.
    news: Vec<MediaEvent>,
    recordings: TempDir,
    recorded: UnboundedReceiver<RecorderEvent>,
}

/// The far end of a leg: PCMU over UDP.
struct Phone {
    socket: UdpSocket,
    bridge: SocketAddr,
}

/// What of a packet tells whether a stream goes on.
#[derive(Debug)]
struct Received {
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    payload: Vec<u8>,
}

impl Stage {
    fn new(threads: u16, part_legs: u16) -> Stage {
        let recordings = tempfile::tempdir().unwrap();
        let folder = recordings.path().to_owned();
        let (recorder, recorded) = Recorder::start(folder, DiskFloor::default()).unwrap();
        let clock = Clock::start();
        let range = PortRange {
            first: 30_000,
            last: 39_999,
        };
        let ports = PortPool::new(Ipv4Addr::LOCALHOST.into(), range, clock);
        let settings = MediaSettings {
            threads,
            legs: 64,
            conferences: 64,
            part_legs,
            contributors: CONTRIBUTORS,
            governor: true,
            priority: Priority::default(),
            leg: LegSettings {
                encoder: EncoderSettings {
                    complexity: 5,
                    bitrate_bps: 24_000,
                },
                ..LegSettings::default()
            },
        };
        Stage {
            director: Director::start(clock, settings, ports, recorder).unwrap(),
            conferences: 0,
            calls: 0,
            news: Vec::new(),
            recordings,
            recorded,
        }
    }

    fn open(&mut self) -> ConferenceId {
        self.conferences += 1;
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&self.conferences.to_be_bytes());
        let conference = ConferenceId::from_bytes(bytes);
        self.director.open_conference(conference);
        conference
    }

    fn open_conferences(&self) -> Vec<ConferenceId> {
        self.director.conferences.keys().copied().collect()
    }

    /// An answered call.
    fn call(&mut self) -> (CallId, Phone) {
        let (call, bridge) = self.offer(Ipv4Addr::LOCALHOST.into());
        let phone = Phone::new("127.0.0.1:0", bridge);
        self.director.describe_leg(call, phone.description());
        self.director.answered(call);
        (call, phone)
    }

    /// A leg about which nothing is agreed yet, and where it waits for audio.
    fn offer(&mut self, signalling: IpAddr) -> (CallId, SocketAddr) {
        self.calls += 1;
        let call = CallId::from_bytes([self.calls; 20]);
        let offer = self.director.offer_leg().unwrap();
        let bridge = SocketAddr::from((Ipv4Addr::LOCALHOST, offer.rtp_port));
        self.director.add_leg(call, offer, signalling, None);
        (call, bridge)
    }

    fn poll(&mut self) {
        let news = self.director.poll();
        self.news.extend(news);
    }

    fn thread_of(&self, call: CallId) -> Option<usize> {
        self.director.seat_of(call).map(|(thread, _)| thread)
    }

    /// How many legs each part of a conference has.
    fn parts(&self, conference: ConferenceId) -> Vec<usize> {
        self.director.conferences[&conference].legs_of_parts()
    }

    fn ticks(&self) -> u64 {
        let counters = self.director.counters();
        let ticks = counters.threads.iter();
        ticks
            .map(|counters| counters.ticks.load(Ordering::Relaxed))
            .sum()
    }

    fn overload(&mut self, thread: usize) {
        for _ in 0..2 {
            let lane = &mut self.director.lanes[thread];
            for _ in 0..50 {
                let counters = lane.counters();
                counters.loaded(Duration::from_millis(19), Duration::from_millis(20));
            }
            lane.govern(5);
        }
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&Stage) -> bool) {
        for _ in 0..10_000 {
            self.poll();
            if is_so(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{what}: not within 10 s");
    }

    /// The next packets that a phone gets, while the director goes on with its work.
    fn packets(&mut self, phone: &Phone, count: usize) -> Vec<Received> {
        let mut received = Vec::new();
        for _ in 0..10_000 {
            self.poll();
            while let Some(packet) = phone.receive() {
                received.push(packet);
                if received.len() == count {
                    return received;
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{} packets of {count} within 10 s", received.len());
    }

    /// Waits until what a phone gets is not silence.
    fn until_sound(&mut self, phone: &Phone) {
        while self.packets(phone, 1)[0].is_silent() {}
    }

    /// Waits until every thread has carried out all that it was asked, and lies down.
    fn until_all_rest(&mut self) {
        let rests = |stage: &Stage| -> Vec<u64> {
            let counters = stage.director.counters();
            let rests = counters.threads.iter();
            rests
                .map(|counters| counters.rests.load(Ordering::Relaxed))
                .collect()
        };
        let before = rests(self);
        // A wake-up without a command makes a thread that rests lie down once more.
        for lane in &self.director.lanes {
            lane.wake();
        }
        self.until("all threads rest", |stage| {
            rests(stage)
                .iter()
                .zip(&before)
                .all(|(now, before)| now > before)
        });
    }
}

impl Received {
    fn is_silent(&self) -> bool {
        self.payload.iter().all(|byte| matches!(byte, 0x7f | 0xff))
    }
}

impl Phone {
    /// A phone at this address that knows where the bridge is.
    fn new(address: &str, bridge: SocketAddr) -> Phone {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        Phone { socket, bridge }
    }

    /// What it says of itself in SDP.
    fn description(&self) -> MediaDescription {
        let here = self.socket.local_addr().unwrap();
        MediaDescription {
            format: Format::plain(Codec::Pcmu),
            payload_type: 0,
            telephone_event: None,
            comfort_noise: None,
            level_extension: None,
            mixer_levels_extension: None,
            remote_rtp: here,
            remote_rtcp: here,
            flow: MediaFlow {
                send: true,
                receive: true,
            },
        }
    }

    /// Sends so many packets of silence.
    fn send(&self, first: u16, count: u16) {
        for number in first..first + count {
            self.send_packet(number, [0xff; 160]);
        }
    }

    /// Sends 20 ms of a tone of 400 Hz, as loud as somebody who speaks.
    fn speak(&self, number: u16) {
        let period = [0xff, 0xa0, 0x98, 0x94, 0x93, 0x94, 0x98, 0xa0, 0xbf];
        let wave = |at: usize| match at % 20 {
            at @ 0..9 => period[at],
            9 => 0xff,
            at @ 10..19 => period[at - 10] & 0x7f,
            _ => 0x7f,
        };
        self.send_packet(number, std::array::from_fn(wave));
    }

    fn send_packet(&self, number: u16, payload: [u8; 160]) {
        let mut packet = vec![0x80, 0];
        packet.extend(number.to_be_bytes());
        packet.extend((u32::from(number) * 160).to_be_bytes());
        packet.extend([1, 2, 3, 4]);
        packet.extend(payload);
        self.socket.send_to(&packet, self.bridge).unwrap();
    }

    /// What has come, if it is audio.
    fn receive(&self) -> Option<Received> {
        let mut buffer = [0; 2_048];
        let len = self.socket.recv(&mut buffer).ok()?;
        // Reports come through the same port.
        if buffer[1] & 0x7f != 0 {
            return None;
        }
        let four = |at: usize| u32::from_be_bytes(buffer[at..at + 4].try_into().unwrap());
        Some(Received {
            sequence: u16::from_be_bytes([buffer[2], buffer[3]]),
            timestamp: four(4),
            ssrc: four(8),
            payload: buffer[12..len].to_vec(),
        })
    }
}
