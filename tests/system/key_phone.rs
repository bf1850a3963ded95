//! A telephone with a keypad, made of two sockets: it tells of its keys in RTP (RFC 4733), in SIP
//! INFO, or both, and notes the keys that it hears. Every byte is written here, so that the bridge
//! is not tested against its own words.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::patience::PATIENCE;

/// One turn of 1 kHz in µ-law: the digital milliwatt (ITU-T G.711, table 6).
const TONE: [u8; 8] = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];

const FRAME: Duration = Duration::from_millis(20);

/// The payload type of telephone-event that this phone offers.
const EVENT: u8 = 101;

/// Keys in the order of their event codes.
const KEYS: &str = "0123456789*#ABCD";

/// A phone in a call; it hangs up when it is dropped.
pub(crate) struct KeyPhone {
    signalling: UdpSocket,
    bridge: SocketAddr,
    target: String,
    call_id: String,
    /// To, with the bridge's tag.
    to: String,
    cseq: u32,
    keys: Sender<char>,
    heard: Arc<Mutex<Vec<(u32, char)>>>,
    running: Arc<AtomicBool>,
    speaking: Arc<AtomicBool>,
    hung_up: bool,
    media: Option<JoinHandle<()>>,
}

impl KeyPhone {
    /// Calls, and is in the call when this returns.
    pub(crate) fn call(bridge: SocketAddr, target: &str) -> KeyPhone {
        KeyPhone::try_call(bridge, target).unwrap_or_else(|refused| panic!("{refused}"))
    }

    /// Calls, and is in the call when this returns, or is told why not.
    pub(crate) fn try_call(bridge: SocketAddr, target: &str) -> Result<KeyPhone, String> {
        let signalling = UdpSocket::bind("127.0.0.1:0").unwrap();
        signalling.set_read_timeout(Some(PATIENCE)).unwrap();
        let audio = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0 {EVENT}\r\na=rtpmap:0 PCMU/8000\r\n\
             a=rtpmap:{EVENT} telephone-event/8000\r\na=fmtp:{EVENT} 0-15\r\n",
            audio.local_addr().unwrap().port()
        );
        let (keys, pressed) = mpsc::channel();
        let mut phone = KeyPhone {
            call_id: format!("keys-{}", signalling.local_addr().unwrap().port()),
            signalling,
            bridge,
            target: target.to_owned(),
            to: format!("<sip:{target}@{bridge}>"),
            cseq: 1,
            keys,
            heard: Arc::default(),
            running: Arc::new(AtomicBool::new(true)),
            speaking: Arc::default(),
            hung_up: false,
            media: None,
        };
        phone.send("INVITE", 1, "Content-Type: application/sdp\r\n", &sdp);
        let answer = phone.final_answer();
        if !answer.starts_with("SIP/2.0 200 ") {
            phone.send("ACK", 1, "", "");
            phone.hung_up = true;
            return Err(answer);
        }
        let to = answer.lines().find_map(|line| line.strip_prefix("To: "));
        phone.to = to.unwrap().to_owned();
        phone.send("ACK", 1, "", "");
        let port = answer
            .lines()
            .find_map(|line| line.strip_prefix("m=audio "))
            .and_then(|media| media.split(' ').next())
            .unwrap();
        audio.connect(("127.0.0.1", port.parse().unwrap())).unwrap();
        let media = Media {
            audio,
            pressed,
            heard: Arc::clone(&phone.heard),
            running: Arc::clone(&phone.running),
            speaking: Arc::clone(&phone.speaking),
        };
        phone.media = Some(std::thread::spawn(move || media.run()));
        Ok(phone)
    }

    /// Says something, or nothing, from now on: a tone.
    pub(crate) fn say(&self, speaking: bool) {
        self.speaking.store(speaking, Ordering::Relaxed);
    }

    /// Presses keys one after the other.
    pub(crate) fn press_all(&self, keys: &str) {
        keys.chars().for_each(|key| self.press(key));
    }

    /// Presses a key and tells of it in RTP.
    pub(crate) fn press(&self, key: char) {
        self.keys.send(key).unwrap();
    }

    /// Presses a key and tells of it in INFO.
    pub(crate) fn inform(&mut self, key: char) {
        self.cseq += 1;
        let body = format!("Signal={key}\r\nDuration=160\r\n");
        let content = "Content-Type: application/dtmf-relay\r\n";
        self.send("INFO", self.cseq, content, &body);
        let answer = self.final_answer();
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    }

    /// The keys that this phone has heard since it called.
    pub(crate) fn heard(&self) -> String {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|(_, key)| key).collect()
    }

    fn send(&self, method: &str, cseq: u32, content: &str, body: &str) {
        let me = self.signalling.local_addr().unwrap();
        let message = format!(
            "{method} sip:{}@{} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {me};rport;branch=z9hG4bK-{}-{cseq}-{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:keys@{me}>;tag=keys\r\nTo: {}\r\n\
             Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:keys@{me}>\r\n\
             {content}Content-Length: {}\r\n\r\n{body}",
            self.target,
            self.bridge,
            self.call_id,
            self.to,
            self.call_id,
            body.len()
        );
        self.signalling
            .send_to(message.as_bytes(), self.bridge)
            .unwrap();
    }

    fn final_answer(&self) -> String {
        let mut buffer = [0; 8_192];
        loop {
            let (length, _) = self.signalling.recv_from(&mut buffer).unwrap();
            let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !answer.starts_with("SIP/2.0 1") {
                return answer;
            }
        }
    }
}

impl Drop for KeyPhone {
    fn drop(&mut self) {
        self.running.store(false, Ordering::Relaxed);
        if let Some(media) = self.media.take() {
            let _ = media.join();
        }
        if !self.hung_up {
            self.send("BYE", self.cseq + 1, "", "");
        }
    }
}

/// The phone's audio: silence or a tone, with a key's event in its place from time to time.
struct Media {
    audio: UdpSocket,
    pressed: Receiver<char>,
    heard: Arc<Mutex<Vec<(u32, char)>>>,
    running: Arc<AtomicBool>,
    speaking: Arc<AtomicBool>,
}

impl Media {
    fn run(self) {
        self.audio.set_nonblocking(true).unwrap();
        let started = Instant::now();
        let mut key: Option<(u8, u32, u32)> = None;
        for frame in 0_u32.. {
            if !self.running.load(Ordering::Relaxed) {
                return;
            }
            let timestamp = frame * 160;
            if key.is_none()
                && let Ok(character) = self.pressed.try_recv()
            {
                key = Some((KEYS.find(character).unwrap() as u8, timestamp, 0));
            }
            // 100 ms of a key, its end three times, and 60 ms of silence.
            let packet = match key {
                Some((code, start, n)) if n < 7 => {
                    let flags = if n >= 4 { 0x8a } else { 0x0a };
                    let [d0, d1] = (160 * (n.min(4) as u16 + 1)).to_be_bytes();
                    let marker = if n == 0 { 0x80 } else { 0 };
                    rtp(EVENT | marker, frame, start, &[code, flags, d0, d1])
                }
                Some(_) | None if self.speaking.load(Ordering::Relaxed) => {
                    rtp(0, frame, timestamp, &TONE.repeat(20))
                }
                Some(_) | None => rtp(0, frame, timestamp, &[0xff; 160]),
            };
            // The bridge may have closed its port already.
            let _ = self.audio.send(&packet);
            key = key
                .map(|(code, start, n)| (code, start, n + 1))
                .filter(|(_, _, n)| *n < 10);
            self.listen();
            let next = started + FRAME * (frame + 1);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    /// Notes the keys in what has arrived; all packets of one key have the same timestamp.
    fn listen(&self) {
        let mut buffer = [0; 2_048];
        while let Ok(length) = self.audio.recv(&mut buffer) {
            let [_, kind, _, _, t0, t1, t2, t3, _, _, _, _, code, ..] = buffer[..length] else {
                continue;
            };
            if kind & 0x7f == EVENT {
                let timestamp = u32::from_be_bytes([t0, t1, t2, t3]);
                let key = KEYS.chars().nth(usize::from(code)).unwrap();
                let mut heard = self.heard.lock().unwrap();
                if heard.last() != Some(&(timestamp, key)) {
                    heard.push((timestamp, key));
                }
            }
        }
    }
}

fn rtp(kind: u8, frame: u32, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, kind];
    packet.extend((frame as u16).to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(0x0bad_cafe_u32.to_be_bytes());
    packet.extend(payload);
    packet
}
