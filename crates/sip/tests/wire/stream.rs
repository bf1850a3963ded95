//! The same over TCP.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tutti_sip::{EndReason, SipEvent};

use crate::peer::{ANSWER, OFFER, PATIENCE, body, header, start, status, to_tag};

#[tokio::test]
async fn a_call_over_one_connection() {
    let (endpoint, mut events, _peer) = start().await;
    let mut peer = Stream::to(endpoint.local_addr()).await;
    // Two messages in one piece, the second cut in two.
    let options = request(&peer, "OPTIONS", 1, "", "");
    let invite = request(&peer, "INVITE", 1, "", OFFER);
    let both = format!("{options}{invite}");
    let (first, rest) = both.split_at(both.len() - 20);
    peer.send(first).await;
    assert_eq!(status(&peer.receive().await), 200);
    peer.send(rest).await;
    assert_eq!(status(&peer.receive().await), 100);
    let dialog = events.invite().await;
    endpoint.answer(dialog, ANSWER.to_owned()).await;
    let ok = peer.receive().await;
    assert_eq!((status(&ok), body(&ok)), (200, ANSWER));
    assert!(
        header(&ok, "Contact").unwrap().contains(";transport=tcp"),
        "{ok}"
    );
    let tag = to_tag(&ok);
    let ack = request(&peer, "ACK", 1, &tag, "");
    peer.send(&ack).await;
    assert_eq!(
        events.next().await,
        SipEvent::Acknowledged {
            dialog,
            answer: None
        }
    );
    let reinvite = request(&peer, "INVITE", 2, &tag, OFFER);
    peer.send(&reinvite).await;
    events.next().await;
    endpoint.hang_up(dialog).await;
    // Our BYE comes back over the connection that the call came over.
    let mut seen = Vec::new();
    while !seen.contains(&"BYE".to_owned()) {
        let message = peer.receive().await;
        seen.push(message.split(' ').next().unwrap().to_owned());
    }
}

#[tokio::test]
async fn a_caller_hangs_up_over_its_connection() {
    let (endpoint, mut events, _peer) = start().await;
    let mut peer = Stream::to(endpoint.local_addr()).await;
    let invite = request(&peer, "INVITE", 1, "", OFFER);
    peer.send(&invite).await;
    let dialog = events.invite().await;
    endpoint.answer(dialog, ANSWER.to_owned()).await;
    let mut response = peer.receive().await;
    while status(&response) != 200 {
        response = peer.receive().await;
    }
    let tag = to_tag(&response);
    let ack = request(&peer, "ACK", 1, &tag, "");
    let bye = request(&peer, "BYE", 2, &tag, "");
    peer.send(&format!("{ack}{bye}")).await;
    assert_eq!(
        events.next().await,
        SipEvent::Acknowledged {
            dialog,
            answer: None
        }
    );
    let reason = EndReason::HungUp;
    assert_eq!(events.next().await, SipEvent::Ended { dialog, reason });
}

#[tokio::test]
async fn a_stream_that_is_not_sip_is_closed_and_others_go_on() {
    let (endpoint, _events, mut datagrams) = start().await;
    let mut noise = Stream::to(endpoint.local_addr()).await;
    noise.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut buffer = [0; 64];
    let read = tokio::time::timeout(PATIENCE, noise.stream.read(&mut buffer)).await;
    assert!(
        matches!(read, Ok(Ok(0) | Err(_))),
        "the connection stays open"
    );
    assert!(endpoint.counters().malformed > 0);
    datagrams.expect_alive().await;
}

struct Stream {
    stream: TcpStream,
    pending: Vec<u8>,
    me: std::net::SocketAddr,
    endpoint: std::net::SocketAddr,
}

impl Stream {
    async fn to(endpoint: std::net::SocketAddr) -> Stream {
        let stream = TcpStream::connect(endpoint).await.unwrap();
        let me = stream.local_addr().unwrap();
        Stream {
            stream,
            pending: Vec::new(),
            me,
            endpoint,
        }
    }

    async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// The next whole message.
    async fn receive(&mut self) -> String {
        loop {
            if let Some(message) = self.take_message() {
                return message;
            }
            let mut buffer = [0; 4_096];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await;
            let length = read.expect("nothing came").unwrap();
            assert_ne!(length, 0, "the connection was closed");
            self.pending.extend_from_slice(&buffer[..length]);
        }
    }

    fn take_message(&mut self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        let head = text.find("\r\n\r\n")? + 4;
        let length: usize = header(&text, "Content-Length")?.parse().ok()?;
        (self.pending.len() >= head + length).then_some(())?;
        let message = self.pending.drain(..head + length).collect();
        String::from_utf8(message).ok()
    }
}

fn request(peer: &Stream, method: &str, cseq: u32, to_tag: &str, sdp: &str) -> String {
    let (me, endpoint) = (peer.me, peer.endpoint);
    let tag = if to_tag.is_empty() {
        String::new()
    } else {
        format!(";tag={to_tag}")
    };
    let content = if sdp.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "{method} sip:100@{endpoint};transport=tcp SIP/2.0\r\n\
         Via: SIP/2.0/TCP {me};rport;branch=z9hG4bK-{}-{method}-{cseq}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@{me}>;tag=from\r\nTo: <sip:100@{endpoint}>{tag}\r\n\
         Call-ID: stream-{}\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@{me};transport=tcp>\r\n\
         {content}Content-Length: {}\r\n\r\n{sdp}",
        me.port(),
        me.port(),
        sdp.len()
    )
}
