//! A trunk that asks who is calling, and checks the answer by itself.

use md5::{Digest as _, Md5};
use sha2::Sha256;
use tutti_sip::{Credentials, Dial, DialogId, Endpoint, Secret, SipEvent, Transport};

use crate::peer::{ANSWER, Events, OFFER, Peer, SILENCE, contact, header, respond, start, to_tag};

pub(crate) const REALM: &str = "trunk.example";
pub(crate) const PASSWORD: &str = "correct horse \"battery\"";
pub(crate) const OPAQUE: &str = "5ccc069c403ebaf9f0171e9517f40e41";

/// A peer that keeps what it has seen.
pub(crate) struct Trunk {
    pub(crate) peer: Peer,
    pub(crate) seen: Vec<String>,
}

impl Trunk {
    pub(crate) fn new(peer: Peer) -> Trunk {
        Trunk {
            peer,
            seen: Vec::new(),
        }
    }

    pub(crate) fn dial(&self) -> Dial {
        Dial {
            target: "sip:200@trunk.example".to_owned(),
            from: "\"Bot\" <sip:bot@127.0.0.1>".to_owned(),
            offer: OFFER.to_owned(),
            via: Some(self.peer.addr()),
            transport: Transport::Udp,
            credentials: Some(credentials()),
            stay_with_peer: false,
            headers: vec![(
                "P-Asserted-Identity".to_owned(),
                "<sip:+1555@trunk.example>".to_owned(),
            )],
        }
    }

    pub(crate) async fn call(&self, endpoint: &Endpoint) -> DialogId {
        endpoint.dial(self.dial()).await.unwrap()
    }

    /// A call whose INVITE, the second one, carries the right answer.
    pub(crate) async fn authorized_call(&mut self, endpoint: &Endpoint) -> (DialogId, String) {
        let dialog = self.call(endpoint).await;
        let first = self.next("INVITE", 1).await;
        self.send(challenge(&first, 407, &[fresh(Algorithm::Sha256)]))
            .await;
        let second = self.next("INVITE", 2).await;
        verified(&second, Algorithm::Sha256);
        (dialog, second)
    }

    /// The same, answered by the phone of this tag.
    pub(crate) async fn answered_call(
        &mut self,
        endpoint: &Endpoint,
        tag: &str,
    ) -> (DialogId, String) {
        let (dialog, second) = self.authorized_call(endpoint).await;
        let tag = format!(";tag={tag}");
        let ok = respond(&second, "200 OK", &tag, &contact(&self.peer), ANSWER);
        self.send(ok).await;
        self.next("ACK", 2).await;
        (dialog, second)
    }

    pub(crate) async fn send(&self, message: impl AsRef<[u8]>) {
        self.peer.send(message).await;
    }

    pub(crate) async fn receive(&mut self) -> String {
        let message = self.peer.receive().await;
        self.seen.push(message.clone());
        message
    }

    /// The next request of this method and number, passing over what is repeated.
    pub(crate) async fn next(&mut self, method: &str, cseq: u32) -> String {
        loop {
            let message = self.receive().await;
            if is(&message, method, cseq) {
                return message;
            }
        }
    }

    /// The same, to the phone of this tag.
    pub(crate) async fn next_to(&mut self, method: &str, cseq: u32, tag: &str) -> String {
        loop {
            let message = self.next(method, cseq).await;
            if to_tag(&message) == tag {
                return message;
            }
        }
    }

    /// The Call-ID of the next call that was not seen before.
    pub(crate) async fn newest_call(&mut self) -> String {
        loop {
            let known: Vec<String> = self.seen.iter().map(|seen| call_id(seen)).collect();
            let newest = call_id(&self.receive().await);
            if !known.contains(&newest) {
                return newest;
            }
        }
    }

    pub(crate) fn invite_of(&self, wanted: &str) -> String {
        let found = self.seen.iter().find(|seen| call_id(seen) == wanted);
        found.unwrap().clone()
    }

    /// Takes what still comes.
    pub(crate) async fn drain(&mut self) {
        while let Some(message) = self.peer.receive_within(SILENCE).await {
            self.seen.push(message);
        }
    }

    /// So many INVITEs were sent, repeated ones counted once, and no more come.
    pub(crate) async fn expect_invites(&mut self, count: usize) {
        self.drain().await;
        let mut sequences: Vec<u32> = self
            .seen
            .iter()
            .filter(|seen| seen.starts_with("INVITE "))
            .map(|seen| sequence(seen))
            .collect();
        sequences.sort_unstable();
        sequences.dedup();
        assert_eq!(sequences.len(), count, "{sequences:?}");
    }

    pub(crate) fn answers_seen(&self) -> usize {
        self.seen
            .iter()
            .filter(|seen| seen.to_ascii_lowercase().contains("authorization:"))
            .count()
    }
}

pub(crate) async fn begin() -> (Endpoint, Events, Trunk) {
    let (endpoint, events, peer) = start().await;
    (endpoint, events, Trunk::new(peer))
}

pub(crate) async fn expect_failure(events: &mut Events, status: u16) {
    let failed = events.next().await;
    assert!(
        matches!(failed, SipEvent::Failed { status: with, .. } if with == status),
        "{failed:?} is not {status}"
    );
}

pub(crate) async fn expect_progress(events: &mut Events, status: u16) {
    let progress = events.next().await;
    assert!(
        matches!(progress, SipEvent::Progress { status: with, .. } if with == status),
        "{progress:?} is not {status}"
    );
}

pub(crate) fn credentials() -> Credentials {
    Credentials {
        username: "tutti".to_owned(),
        password: Secret::new(PASSWORD),
        realm: REALM.to_owned(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    pub(crate) fn hash(self, text: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text)),
            Algorithm::Sha256 => hex(&Sha256::digest(text)),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }
}

/// What a trunk asks with.
#[derive(Clone, Copy)]
pub(crate) struct Challenge {
    pub(crate) algorithm: Algorithm,
    pub(crate) nonce: &'static str,
    pub(crate) stale: bool,
}

pub(crate) fn fresh(algorithm: Algorithm) -> Challenge {
    let nonce = match algorithm {
        Algorithm::Md5 => "f84f1cec41e6cbe5",
        Algorithm::Sha256 => "ea9c8e88df84f1ce",
    };
    Challenge {
        algorithm,
        nonce,
        stale: false,
    }
}

pub(crate) fn stale(nonce: &'static str) -> Challenge {
    Challenge {
        algorithm: Algorithm::Md5,
        nonce,
        stale: true,
    }
}

pub(crate) fn challenge(request: &str, status: u16, challenges: &[Challenge]) -> String {
    let name = match status {
        407 => "Proxy-Authenticate",
        _ => "WWW-Authenticate",
    };
    let asks: String = challenges
        .iter()
        .map(|challenge| {
            let Challenge {
                algorithm,
                nonce,
                stale,
            } = challenge;
            let algorithm = algorithm.name();
            format!(
                "{name}: Digest realm=\"{REALM}\", domain=\"sip:trunk.example\", \
                 qop=\"auth,auth-int\", nonce=\"{nonce}\", opaque=\"{OPAQUE}\", stale={stale}, \
                 algorithm={algorithm}\r\n"
            )
        })
        .collect();
    // A request inside a dialog has the tag already.
    let tag = match header(request, "To") {
        Some(to) if to.contains(";tag=") => "",
        _ => ";tag=asks",
    };
    respond(request, &format!("{status} Say Who"), tag, &asks, "")
}

pub(crate) fn answer_header(status: u16) -> &'static str {
    match status {
        407 => "Proxy-Authorization",
        _ => "Authorization",
    }
}

/// An answer to a challenge, as a trunk reads it.
pub(crate) struct Answer {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

impl Answer {
    /// A parameter without its quotes; empty when it is missing.
    pub(crate) fn value(&self, name: &str) -> &str {
        let parameters = self.text.strip_prefix("Digest ").unwrap();
        parameters
            .split(", ")
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value.trim_matches('"'))
    }
}

pub(crate) fn answer_in(request: &str) -> Option<Answer> {
    ["Authorization", "Proxy-Authorization"]
        .into_iter()
        .find_map(|name| {
            let text = header(request, name)?.to_owned();
            Some(Answer { name, text })
        })
}

/// Checks the answer as RFC 7616 §3.4.1 has it, without the code under test.
pub(crate) fn verified(request: &str, algorithm: Algorithm) -> Answer {
    let answer = answer_in(request).unwrap_or_else(|| panic!("not authorized: {request}"));
    let mut line = request.split(' ');
    let (method, uri) = (line.next().unwrap(), line.next().unwrap());
    assert_eq!(answer.value("username"), "tutti");
    assert_eq!(answer.value("realm"), REALM);
    assert_eq!(answer.value("uri"), uri);
    assert_eq!(answer.value("algorithm"), algorithm.name());
    let secret = algorithm.hash(&format!("tutti:{REALM}:{PASSWORD}"));
    let what = algorithm.hash(&format!("{method}:{uri}"));
    let nonce = answer.value("nonce");
    let expected = match answer.value("qop") {
        "" => format!("{secret}:{nonce}:{what}"),
        qop => {
            let (count, cnonce) = (answer.value("nc"), answer.value("cnonce"));
            assert!(cnonce.len() >= 16, "{cnonce} can be guessed");
            format!("{secret}:{nonce}:{count}:{cnonce}:{qop}:{what}")
        }
    };
    assert_eq!(
        answer.value("response"),
        algorithm.hash(&expected),
        "{request}"
    );
    answer
}

pub(crate) fn is(message: &str, method: &str, cseq: u32) -> bool {
    message.starts_with(&format!("{method} "))
        && header(message, "CSeq") == Some(&format!("{cseq} {method}"))
}

pub(crate) fn sequence(message: &str) -> u32 {
    let cseq = header(message, "CSeq").unwrap();
    cseq.split(' ').next().unwrap().parse().unwrap()
}

pub(crate) fn call_id(message: &str) -> String {
    header(message, "Call-ID").unwrap().to_owned()
}

pub(crate) fn branch(message: &str) -> &str {
    let via = header(message, "Via").unwrap();
    let (_, branch) = via.split_once("branch=").unwrap();
    branch.split(';').next().unwrap()
}
