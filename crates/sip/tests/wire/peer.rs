//! A peer that writes its own datagrams.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tutti_sip::{Config, DialogId, Endpoint, Limits, SipEvent, bind};

/// Long enough for any machine; nothing waits this long unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough that an unwanted message would have come.
pub(crate) const SILENCE: Duration = Duration::from_millis(150);

pub(crate) const OFFER: &str = "v=0\r\no=x 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
pub(crate) const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 0\r\n";

/// An endpoint without limits that a test could reach, whose T1 makes time-outs short.
pub(crate) fn config() -> Config {
    let mut config = Config::new("127.0.0.1:0".parse().unwrap());
    config.t1 = Duration::from_millis(100);
    config.limits = Limits {
        new_dialogs_per_second_per_source: 10_000,
        new_dialogs_per_second: 10_000,
        ..Limits::default()
    };
    config
}

/// A running endpoint, its events, and a peer that speaks to it.
pub(crate) async fn start() -> (Endpoint, Events, Peer) {
    start_with(config()).await
}

pub(crate) async fn start_with(config: Config) -> (Endpoint, Events, Peer) {
    let (endpoint, events) = bind(config).await.unwrap();
    let peer = Peer::towards(endpoint.local_addr()).await;
    (endpoint, Events(events), peer)
}

/// The events of an endpoint.
pub(crate) struct Events(pub(crate) mpsc::Receiver<SipEvent>);

impl Events {
    pub(crate) async fn next(&mut self) -> SipEvent {
        tokio::time::timeout(PATIENCE, self.0.recv())
            .await
            .expect("no event came")
            .expect("the endpoint stopped")
    }

    pub(crate) async fn invite(&mut self) -> DialogId {
        match self.next().await {
            SipEvent::Invite { dialog, .. } => dialog,
            other => panic!("an Invite was expected, not {other:?}"),
        }
    }

    pub(crate) async fn none(&mut self) {
        if let Ok(event) = tokio::time::timeout(SILENCE, self.0.recv()).await {
            panic!("no event was expected, not {event:?}");
        }
    }
}

/// A UDP socket and what a call of it is known by.
pub(crate) struct Peer {
    pub(crate) socket: UdpSocket,
    pub(crate) endpoint: SocketAddr,
    pub(crate) call_id: String,
    branch: u32,
}

impl Peer {
    pub(crate) async fn towards(endpoint: SocketAddr) -> Peer {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let call_id = format!(
            "{}-{}",
            socket.local_addr().unwrap().port(),
            endpoint.port()
        );
        Peer {
            socket,
            endpoint,
            call_id,
            branch: 0,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    /// A request with a new branch. `to_tag` is the endpoint's tag, or nothing.
    pub(crate) fn request(
        &mut self,
        method: &str,
        cseq: u32,
        to_tag: &str,
        extra: &str,
        body: &str,
    ) -> String {
        self.branch += 1;
        self.repeat_branch(method, cseq, to_tag, extra, body)
    }

    /// A request with the branch of the last one, as CANCEL and the ACK of a refusal have it.
    pub(crate) fn repeat_branch(
        &self,
        method: &str,
        cseq: u32,
        to_tag: &str,
        extra: &str,
        body: &str,
    ) -> String {
        let me = self.addr();
        let tag = if to_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={to_tag}")
        };
        let content = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} sip:100@{} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {me};rport;branch=z9hG4bK-{}-{}\r\n\
             Max-Forwards: 70\r\n\
             From: \"A\" <sip:alice@{me}>;tag=from\r\n\
             To: <sip:%31%30%30@{}>{tag}\r\n\
             Call-ID: {}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:alice@{me}>\r\n\
             {extra}{content}Content-Length: {}\r\n\r\n{body}",
            self.endpoint,
            self.call_id,
            self.branch,
            self.endpoint,
            self.call_id,
            body.len()
        )
    }

    pub(crate) async fn send(&self, message: impl AsRef<[u8]>) {
        self.socket
            .send_to(message.as_ref(), self.endpoint)
            .await
            .unwrap();
    }

    pub(crate) async fn receive(&self) -> String {
        self.receive_within(PATIENCE).await.expect("nothing came")
    }

    pub(crate) async fn receive_within(&self, patience: Duration) -> Option<String> {
        let mut buffer = vec![0; 65_536];
        let received = tokio::time::timeout(patience, self.socket.recv_from(&mut buffer)).await;
        let (length, _) = received.ok()?.unwrap();
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// The next message that is not 100 Trying.
    pub(crate) async fn receive_final(&self) -> String {
        loop {
            let message = self.receive().await;
            if !message.starts_with("SIP/2.0 100 ") {
                return message;
            }
        }
    }

    /// Waits for a message that begins so, passing over others.
    pub(crate) async fn receive_until(&self, start: &str) -> String {
        loop {
            let message = self.receive().await;
            if message.starts_with(start) {
                return message;
            }
        }
    }

    /// Sends a request and returns its final response.
    pub(crate) async fn ask(&self, request: &str) -> String {
        self.send(request).await;
        self.receive_final().await
    }

    /// Asks OPTIONS in a transaction of its own: the endpoint still lives.
    pub(crate) async fn expect_alive(&mut self) {
        self.call_id.push('o');
        let options = self.request("OPTIONS", 1, "", "", "");
        self.send(options).await;
        let answer = self.receive_until("SIP/2.0 200 ").await;
        assert!(answer.contains("OPTIONS"), "{answer}");
    }

    /// Calls, is answered, and acknowledges; gives the endpoint's tag.
    pub(crate) async fn establish(
        &mut self,
        endpoint: &Endpoint,
        events: &mut Events,
    ) -> (DialogId, String) {
        let invite = self.request("INVITE", 1, "", "", OFFER);
        self.send(invite).await;
        let dialog = events.invite().await;
        endpoint.answer(dialog, ANSWER.to_owned()).await;
        let ok = self.receive_until("SIP/2.0 200 ").await;
        let tag = to_tag(&ok);
        let ack = self.request("ACK", 1, &tag, "", "");
        self.send(ack).await;
        let acknowledged = SipEvent::Acknowledged {
            dialog,
            answer: None,
        };
        assert_eq!(events.next().await, acknowledged);
        (dialog, tag)
    }
}

pub(crate) fn status(response: &str) -> u16 {
    let code = response
        .strip_prefix("SIP/2.0 ")
        .and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("not a response: {response}"))
}

pub(crate) fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let head = message.split("\r\n\r\n").next()?;
    head.split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

pub(crate) fn to_tag(message: &str) -> String {
    let to = header(message, "To").unwrap();
    let (_, tag) = to.split_once(";tag=").expect("To has no tag");
    tag.to_owned()
}

pub(crate) fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// The Contact of a response to the endpoint's INVITE.
pub(crate) fn contact(peer: &Peer) -> String {
    format!("Contact: <sip:there@{}>\r\n", peer.addr())
}

/// A response to the endpoint's INVITE.
pub(crate) fn respond(invite: &str, status: &str, to_tag: &str, extra: &str, sdp: &str) -> String {
    let copy = |name: &str| header(invite, name).unwrap();
    let content = if sdp.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}{to_tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         {extra}{content}Content-Length: {}\r\n\r\n{sdp}",
        copy("Via"),
        copy("From"),
        copy("To"),
        copy("Call-ID"),
        copy("CSeq"),
        sdp.len()
    )
}
