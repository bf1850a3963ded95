//! A bridge so simple that it must be right, or wrong on purpose: what callers are tested against.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtp::header::Header;
use rtp::packet::Packet;
use tutti_model::Codec;
use tutti_sip::SipEvent;
use tutti_sip::sdp::{LocalMedia, answer_offer};
use webrtc_util::marshal::{Marshal, Unmarshal};

use crate::g711;

/// What the bridge does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Everybody hears the whole mix, and thus themselves.
    Echo,
    /// The second caller's voice is not in the mix.
    SecondIsUnheard,
}

/// Mixes all its callers into one conference, in PCMU.
pub(crate) struct NaiveBridge {
    address: SocketAddr,
    running: Arc<AtomicBool>,
}

struct NaiveLeg {
    socket: UdpSocket,
    remote: SocketAddr,
    waiting: VecDeque<Vec<i32>>,
    seq_no: u16,
}

impl NaiveBridge {
    /// Starts on a free port of loopback.
    pub(crate) async fn start(fault: Fault) -> NaiveBridge {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (endpoint, mut events) = tutti_sip::bind(tutti_sip::Config::new(listen))
            .await
            .unwrap();
        let address = endpoint.local_addr();
        let legs: Arc<Mutex<Vec<NaiveLeg>>> = Arc::default();
        let running = Arc::new(AtomicBool::new(true));
        std::thread::spawn({
            let (legs, running) = (Arc::clone(&legs), Arc::clone(&running));
            move || mix_while(&running, &legs, fault)
        });
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if let SipEvent::Invite {
                    dialog,
                    offer: Some(offer),
                    ..
                } = event
                {
                    let (leg, answer) = new_leg(&offer);
                    legs.lock().unwrap().push(leg);
                    endpoint.answer(dialog, answer).await;
                }
            }
        });
        NaiveBridge { address, running }
    }

    /// What to call.
    pub(crate) fn target(&self) -> String {
        format!("sip:conference@{}", self.address)
    }
}

impl Drop for NaiveBridge {
    fn drop(&mut self) {
        self.running.store(false, Ordering::Relaxed);
    }
}

fn new_leg(offer: &[u8]) -> (NaiveLeg, String) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let port = socket.local_addr().unwrap().port();
    let local = LocalMedia {
        ip: Ipv4Addr::LOCALHOST.into(),
        rtp_port: port,
        rtcp_port: port,
        codecs: &[Codec::Pcmu],
        session_id: 1,
        version: 1,
    };
    let (media, answer) = answer_offer(offer, &local).unwrap();
    (
        NaiveLeg {
            socket,
            remote: media.remote_rtp,
            waiting: VecDeque::new(),
            seq_no: 0,
        },
        answer,
    )
}

fn mix_while(running: &AtomicBool, legs: &Mutex<Vec<NaiveLeg>>, fault: Fault) {
    let mut deadline = Instant::now();
    while running.load(Ordering::Relaxed) {
        std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
        deadline += Duration::from_millis(20);
        let mut legs = legs.lock().unwrap();
        let frames: Vec<Vec<i32>> = legs.iter_mut().map(next_frame).collect();
        for (own, leg) in legs.iter_mut().enumerate() {
            let is_heard = |other: usize| match fault {
                Fault::None => other != own,
                Fault::Echo => true,
                Fault::SecondIsUnheard => other != own && other != 1,
            };
            let others = frames
                .iter()
                .enumerate()
                .filter(|(other, _)| is_heard(*other));
            let mut mix = [0; 160];
            for (_, frame) in others {
                mix.iter_mut()
                    .zip(frame)
                    .for_each(|(sum, sample)| *sum += sample);
            }
            send(leg, &mix);
        }
    }
}

/// One frame a tick, with at most three waiting.
fn next_frame(leg: &mut NaiveLeg) -> Vec<i32> {
    let mut buffer = [0; 1_500];
    while let Ok(length) = leg.socket.recv(&mut buffer) {
        let packet = Packet::unmarshal(&mut &buffer[..length]).unwrap();
        leg.waiting.push_back(
            packet
                .payload
                .iter()
                .map(|byte| g711::mu_law_decode(*byte).into())
                .collect(),
        );
    }
    while leg.waiting.len() > 3 {
        leg.waiting.pop_front();
    }
    leg.waiting.pop_front().unwrap_or_else(|| vec![0; 160])
}

fn send(leg: &mut NaiveLeg, mix: &[i32]) {
    let header = Header {
        version: 2,
        sequence_number: leg.seq_no,
        timestamp: u32::from(leg.seq_no) * 160,
        ssrc: 1,
        ..Header::default()
    };
    leg.seq_no = leg.seq_no.wrapping_add(1);
    let encode = |sample: &i32| g711::mu_law_encode((*sample).clamp(-32_768, 32_767) as i16);
    let payload: Bytes = mix.iter().map(encode).collect();
    let wire = Packet { header, payload }.marshal().unwrap();
    // A caller that has hung up is not there any more.
    let _ = leg.socket.send_to(&wire, leg.remote);
}
