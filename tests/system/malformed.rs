//! Does anything that arrives on the SIP port disturb anybody?
//!
//! `malformed/own` holds datagrams whose name begins with the answer that is due: a status, `4xx`
//! for any refusal, `none`, or `unanswerable` for 400 or none, where an answer would need the header
//! that is missing. The other folders hold the torture messages of RFC 4475 and RFC
//! 5118; their Via headers lead elsewhere, so only what they leave behind is looked at.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bridge::Bridge;
use crate::patience::PATIENCE;
use crate::tool::test_file;

#[tokio::test(flavor = "multi_thread")]
async fn malformed_datagrams_are_answered_as_the_rfc_says_or_dropped() {
    let bridge = Bridge::start().await;
    let application = json!({ "voiceUrl": "http://127.0.0.1:9/voice" });
    bridge
        .rest()
        .create_number("+15550100100", application)
        .await;
    let mut wrong = Vec::new();
    for (name, datagram) in messages("own") {
        let due = name.split('-').next().unwrap().to_owned();
        let sip = bridge.sip();
        let answer = tokio::task::spawn_blocking(move || exchange(sip, &datagram))
            .await
            .unwrap();
        let fits = match due.as_str() {
            "none" => answer.is_none(),
            "unanswerable" => answer.is_none_or(|status| status == 400),
            "4xx" => answer.is_some_and(|status| (400..500).contains(&status)),
            status => answer == Some(status.parse().unwrap()),
        };
        if !fits {
            wrong.push(format!("{name} was answered with {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    alive(&bridge).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn torture_messages_disturb_nobody() {
    let bridge = Bridge::start().await;
    let rest = bridge.rest();
    let conference = rest.create_conference(json!({})).await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (name, datagram) in messages("rfc4475").into_iter().chain(messages("rfc5118")) {
        println!("{name}");
        socket.send_to(&datagram, bridge.sip()).unwrap();
        alive(&bridge).await;
    }
    assert_eq!(rest.conference(&conference).await["status"], "empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn noise_disturbs_nobody() {
    let bridge = Bridge::start().await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (_, invite) = messages("own")
        .into_iter()
        .find(|(name, _)| name.starts_with("488"))
        .unwrap();
    let mut seed = 0x5eed_u64;
    for round in 0..2_000 {
        let mut datagram = invite.clone();
        for _ in 0..=round % 8 {
            let place = next_random(&mut seed) as usize % datagram.len();
            datagram[place] = next_random(&mut seed) as u8;
        }
        datagram.truncate(1 + next_random(&mut seed) as usize % datagram.len());
        socket.send_to(&datagram, bridge.sip()).unwrap();
        if round % 200 == 0 {
            alive(&bridge).await;
        }
    }
    socket.send_to(&[b'A'; 65_000], bridge.sip()).unwrap();
    socket.send_to(&[], bridge.sip()).unwrap();
    alive(&bridge).await;
}

/// Both doors still open: SIP answers OPTIONS, HTTP says ready.
async fn alive(bridge: &Bridge) {
    let sip = bridge.sip();
    tokio::task::spawn_blocking(move || options_is_answered(sip))
        .await
        .unwrap();
    let ready = format!("http://{}/readyz", bridge.http());
    assert!(
        crate::rest::http_client()
            .get(ready)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
}

fn options_is_answered(sip: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let branch = socket.local_addr().unwrap().port();
    let options = format!(
        "OPTIONS sip:{sip} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{branch};rport;branch=z9hG4bK-alive-{branch}\r\n\
         From: <sip:test@127.0.0.1>;tag={branch}\r\n\
         To: <sip:{sip}>\r\n\
         Call-ID: alive-{branch}\r\n\
         CSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    );
    loop {
        socket.send_to(options.as_bytes(), sip).unwrap();
        if final_status(&socket, Duration::from_millis(500)) == Some(200) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "OPTIONS was not answered with 200"
        );
    }
}

/// Sends a datagram, again if need be, and waits for a final answer to it.
fn exchange(sip: SocketAddr, datagram: &[u8]) -> Option<u16> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    (0..3).find_map(|_| {
        socket.send_to(datagram, sip).unwrap();
        final_status(&socket, Duration::from_millis(400))
    })
}

fn final_status(socket: &UdpSocket, wait: Duration) -> Option<u16> {
    socket.set_read_timeout(Some(wait)).unwrap();
    let mut buffer = [0; 65_535];
    while let Ok(length) = socket.recv(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..length]);
        let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
        let status: u16 = status.expect("an answer").parse().unwrap();
        if status >= 200 {
            return Some(status);
        }
    }
    None
}

fn messages(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<PathBuf> = fs::read_dir(test_file("malformed").join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let message = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap())
    };
    files.into_iter().map(message).collect()
}

/// A step of xorshift64: noise that is the same in every run.
fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
