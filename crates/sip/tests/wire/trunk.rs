//! Calls that we place through a trunk, which asks who is calling.

use std::time::Duration;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use sha2::Sha256;
use tutti_sip::{
    Credentials, Dial, DialError, DialogId, EndReason, Endpoint, Secret, SipEvent, Transport, bind,
};

use crate::peer::{
    ANSWER, Events, OFFER, Peer, SILENCE, config, contact, header, respond, start, start_with,
    to_tag,
};

#[tokio::test]
async fn a_challenge_of_either_kind_and_algorithm_is_answered_and_the_call_goes_through() {
    for (status, algorithm) in [
        (401, Algorithm::Md5),
        (407, Algorithm::Md5),
        (401, Algorithm::Sha256),
        (407, Algorithm::Sha256),
    ] {
        let (endpoint, mut events, mut trunk) = begin().await;
        let dialog = trunk.call(&endpoint).await;
        let first = trunk.next("INVITE", 1).await;
        assert!(answer_in(&first).is_none(), "{first}");
        trunk
            .send(challenge(&first, status, &[fresh(algorithm)]))
            .await;
        let ack = trunk.next("ACK", 1).await;
        assert_eq!(branch(&ack), branch(&first));

        let second = trunk.next("INVITE", 2).await;
        let answer = verified(&second, algorithm);
        assert_eq!(answer.name, answer_header(status));
        assert_eq!(answer.value("nc"), "00000001");
        assert_eq!(answer.value("opaque"), OPAQUE);
        assert_ne!(branch(&second), branch(&first), "a transaction of its own");
        for name in ["Call-ID", "From", "To", "Contact", "P-Asserted-Identity"] {
            assert_eq!(header(&second, name), header(&first, name), "{name}");
        }
        assert!(second.ends_with(OFFER), "{second}");

        let ok = respond(&second, "200 OK", ";tag=t", &contact(&trunk.peer), ANSWER);
        trunk.send(ok).await;
        let ack = trunk.next("ACK", 2).await;
        let repeated = answer_in(&ack).expect("the ACK repeats how its INVITE was authorized");
        assert_eq!(repeated.text, answer.text);
        let expected = SipEvent::Answered {
            dialog,
            answer: Some(Bytes::from(ANSWER)),
        };
        assert_eq!(events.next().await, expected);
        endpoint.hang_up(dialog).await;
        let bye = trunk.next("BYE", 3).await;
        trunk.send(respond(&bye, "200 OK", "", "", "")).await;
        events.none().await;
    }
}

#[tokio::test]
async fn sha_256_is_chosen_wherever_it_is_offered() {
    for offered in [
        [Algorithm::Md5, Algorithm::Sha256],
        [Algorithm::Sha256, Algorithm::Md5],
    ] {
        let (endpoint, _events, mut trunk) = begin().await;
        trunk.call(&endpoint).await;
        let first = trunk.next("INVITE", 1).await;
        trunk
            .send(challenge(&first, 401, &offered.map(fresh)))
            .await;
        verified(&trunk.next("INVITE", 2).await, Algorithm::Sha256);
    }
}

#[tokio::test]
async fn a_challenge_without_qop_is_answered_the_old_way() {
    let (endpoint, _events, mut trunk) = begin().await;
    trunk.call(&endpoint).await;
    let first = trunk.next("INVITE", 1).await;
    let old = format!("WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"old\"\r\n");
    trunk
        .send(respond(&first, "401 No", ";tag=x", &old, ""))
        .await;
    let second = trunk.next("INVITE", 2).await;
    let answer = verified(&second, Algorithm::Md5);
    assert!(!answer.text.contains("nc="), "{}", answer.text);
}

#[tokio::test]
async fn a_challenge_of_another_realm_is_not_answered_and_fails_the_call() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let dialog = trunk.call(&endpoint).await;
    let first = trunk.next("INVITE", 1).await;
    let other = "WWW-Authenticate: Digest realm=\"Trunk.example\", nonce=\"n\", qop=\"auth\"\r\n";
    trunk
        .send(respond(&first, "401 Who", ";tag=x", other, ""))
        .await;
    let SipEvent::Failed {
        dialog: failed,
        status: 401,
        reason,
    } = events.next().await
    else {
        panic!("the call fails with the challenge");
    };
    assert_eq!(failed, dialog);
    assert!(reason.starts_with("Who"), "{reason}");
    assert!(reason.contains("realm"), "{reason}");
    trunk.expect_invites(1).await;
    assert_eq!(trunk.answers_seen(), 0);
}

#[tokio::test]
async fn a_rogue_that_asks_for_a_hundred_realms_learns_nothing() {
    let (endpoint, mut events, mut rogue) = begin().await;
    let asks = |realm: &str| {
        format!("WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"n\", qop=\"auth\"\r\n")
    };
    let all_at_once: String = (0..100).map(|n| asks(&format!("r{n}"))).collect();
    let mut challenges: Vec<String> = (0..100).map(|n| asks(&format!("realm {n}"))).collect();
    challenges.push(all_at_once);
    for challenge in &challenges {
        let dialog = rogue.call(&endpoint).await;
        let call_id = rogue.newest_call().await;
        let invite = rogue.invite_of(&call_id);
        rogue
            .send(respond(&invite, "401 Who", ";tag=x", challenge, ""))
            .await;
        let failed = events.next().await;
        assert!(
            matches!(failed, SipEvent::Failed { dialog: of, status: 401, .. } if of == dialog),
            "{failed:?}"
        );
    }
    rogue.drain().await;
    assert_eq!(rogue.answers_seen(), 0);
    let second = rogue.seen.iter().find(|message| sequence(message) > 1);
    assert_eq!(second, None);
}

#[tokio::test]
async fn without_credentials_a_challenge_fails_the_call() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let mut dial = trunk.dial();
    dial.credentials = None;
    endpoint.dial(dial).await.unwrap();
    let first = trunk.next("INVITE", 1).await;
    trunk
        .send(challenge(&first, 407, &[fresh(Algorithm::Md5)]))
        .await;
    expect_failure(&mut events, 407).await;
    trunk.expect_invites(1).await;
}

#[tokio::test]
async fn a_stale_nonce_is_replaced_once() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let dialog = trunk.call(&endpoint).await;
    let first = trunk.next("INVITE", 1).await;
    trunk
        .send(challenge(&first, 401, &[fresh(Algorithm::Md5)]))
        .await;
    let second = trunk.next("INVITE", 2).await;
    trunk.send(challenge(&second, 401, &[stale("n2")])).await;
    let third = trunk.next("INVITE", 3).await;
    let answer = verified(&third, Algorithm::Md5);
    assert_eq!(
        (answer.value("nonce"), answer.value("nc")),
        ("n2", "00000001")
    );
    let ok = respond(&third, "200 OK", ";tag=t", &contact(&trunk.peer), ANSWER);
    trunk.send(ok).await;
    trunk.next("ACK", 3).await;
    let answered = events.next().await;
    assert!(
        matches!(answered, SipEvent::Answered { dialog: of, .. } if of == dialog),
        "{answered:?}"
    );
}

#[tokio::test]
async fn a_nonce_that_is_stale_again_and_again_ends_the_call() {
    let (endpoint, mut events, mut trunk) = begin().await;
    trunk.call(&endpoint).await;
    for (cseq, nonce) in [(1, "n1"), (2, "n2"), (3, "n3")] {
        let invite = trunk.next("INVITE", cseq).await;
        trunk.send(challenge(&invite, 401, &[stale(nonce)])).await;
    }
    expect_failure(&mut events, 401).await;
    trunk.expect_invites(3).await;
}

#[tokio::test]
async fn a_nonce_that_was_answered_is_not_answered_again() {
    let (endpoint, mut events, mut trunk) = begin().await;
    trunk.call(&endpoint).await;
    for cseq in [1, 2] {
        let invite = trunk.next("INVITE", cseq).await;
        trunk.send(challenge(&invite, 401, &[stale("same")])).await;
    }
    expect_failure(&mut events, 401).await;
    trunk.expect_invites(2).await;
}

#[tokio::test]
async fn wrong_credentials_fail_the_call_with_the_last_status_and_do_not_go_round() {
    for status in [401, 407, 403] {
        let (endpoint, mut events, mut trunk) = begin().await;
        trunk.call(&endpoint).await;
        let first = trunk.next("INVITE", 1).await;
        trunk
            .send(challenge(&first, 401, &[fresh(Algorithm::Sha256)]))
            .await;
        let second = trunk.next("INVITE", 2).await;
        let again = Challenge {
            nonce: "another",
            ..fresh(Algorithm::Sha256)
        };
        trunk.send(challenge(&second, status, &[again])).await;
        expect_failure(&mut events, status).await;
        trunk.expect_invites(2).await;
    }
}

#[tokio::test]
async fn silence_after_the_challenge_is_reported_as_408() {
    let mut quick = config();
    quick.t1 = Duration::from_millis(5);
    let (endpoint, mut events, peer) = start_with(quick).await;
    let mut trunk = Trunk::new(peer);
    trunk.call(&endpoint).await;
    let first = trunk.next("INVITE", 1).await;
    trunk
        .send(challenge(&first, 401, &[fresh(Algorithm::Md5)]))
        .await;
    expect_failure(&mut events, 408).await;
}

#[tokio::test]
async fn cancel_names_the_invite_that_carries_the_answer() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let (dialog, second) = trunk.authorized_call(&endpoint).await;
    trunk
        .send(respond(&second, "180 Ringing", ";tag=t", "", ""))
        .await;
    expect_progress(&mut events, 180).await;
    endpoint.hang_up(dialog).await;
    let cancel = trunk.next("CANCEL", 2).await;
    assert_eq!(branch(&cancel), branch(&second));
    trunk.send(respond(&cancel, "200 OK", "", "", "")).await;
    trunk
        .send(respond(&second, "487 Terminated", ";tag=t", "", ""))
        .await;
    trunk.next("ACK", 2).await;
    expect_failure(&mut events, 487).await;
}

#[tokio::test]
async fn cancel_waits_for_a_provisional_response() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let (dialog, second) = trunk.authorized_call(&endpoint).await;
    endpoint.hang_up(dialog).await;
    tokio::time::sleep(SILENCE).await;
    trunk.drain().await;
    let early = trunk.seen.iter().find(|seen| seen.starts_with("CANCEL"));
    assert_eq!(early, None, "before anything was heard");
    trunk.send(respond(&second, "100 Trying", "", "", "")).await;
    trunk.next("CANCEL", 2).await;
    trunk
        .send(respond(&second, "487 Terminated", ";tag=t", "", ""))
        .await;
    expect_failure(&mut events, 487).await;
}

#[tokio::test]
async fn a_challenge_that_meets_a_hang_up_is_not_answered() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let dialog = trunk.call(&endpoint).await;
    let first = trunk.next("INVITE", 1).await;
    endpoint.hang_up(dialog).await;
    trunk
        .send(challenge(&first, 401, &[fresh(Algorithm::Md5)]))
        .await;
    expect_failure(&mut events, 401).await;
    trunk.expect_invites(1).await;
    assert_eq!(trunk.answers_seen(), 0);
}

#[tokio::test]
async fn an_answer_that_crosses_the_cancel_of_an_authorized_invite_is_hung_up() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let (dialog, second) = trunk.authorized_call(&endpoint).await;
    trunk.send(respond(&second, "100 Trying", "", "", "")).await;
    endpoint.hang_up(dialog).await;
    trunk.next("CANCEL", 2).await;
    let ok = respond(
        &second,
        "200 OK",
        ";tag=late",
        &contact(&trunk.peer),
        ANSWER,
    );
    trunk.send(&ok).await;
    trunk.next("ACK", 2).await;
    let bye = trunk.next("BYE", 3).await;
    assert_eq!(to_tag(&bye), "late");
    expect_failure(&mut events, 487).await;
    // Another phone took the call at the same moment, and nobody here knows it any more.
    let other = respond(
        &second,
        "200 OK",
        ";tag=later",
        &contact(&trunk.peer),
        ANSWER,
    );
    trunk.send(other).await;
    trunk.next_to("ACK", 2, "later").await;
    let bye = trunk.next_to("BYE", 3, "later").await;
    trunk
        .send(challenge(&bye, 401, &[fresh(Algorithm::Md5)]))
        .await;
    verified(&trunk.next_to("BYE", 4, "later").await, Algorithm::Md5);
    events.none().await;
}

#[tokio::test]
async fn a_challenged_bye_is_answered() {
    // A trunk may go on with its nonce, or begin another.
    for (nonce, count) in [
        (fresh(Algorithm::Sha256).nonce, "00000002"),
        ("new", "00000001"),
    ] {
        let (endpoint, _events, mut trunk) = begin().await;
        let (dialog, _) = trunk.answered_call(&endpoint, "there").await;
        endpoint.hang_up(dialog).await;
        let bye = trunk.next("BYE", 3).await;
        assert!(answer_in(&bye).is_none(), "{bye}");
        let asks = Challenge {
            nonce,
            ..fresh(Algorithm::Sha256)
        };
        trunk.send(challenge(&bye, 407, &[asks])).await;
        let again = trunk.next("BYE", 4).await;
        let answer = verified(&again, Algorithm::Sha256);
        assert_eq!(answer.name, "Proxy-Authorization");
        assert_eq!(answer.value("nc"), count);
        for name in ["Call-ID", "From", "To"] {
            assert_eq!(header(&again, name), header(&bye, name), "{name}");
        }
        trunk.send(challenge(&again, 407, &[asks])).await;
        trunk.drain().await;
        let third = trunk.seen.iter().find(|seen| sequence(seen) == 5);
        assert_eq!(third, None, "a refused BYE is not sent for ever");
    }
}

#[tokio::test]
async fn what_goes_past_the_trunk_shows_and_answers_nothing() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let mut elsewhere = Trunk::new(Peer::towards(endpoint.local_addr()).await);
    let (dialog, second) = trunk.authorized_call(&endpoint).await;
    let ok = respond(
        &second,
        "200 OK",
        ";tag=t",
        &contact(&elsewhere.peer),
        ANSWER,
    );
    trunk.send(ok).await;
    let ack = elsewhere.next("ACK", 2).await;
    assert!(answer_in(&ack).is_none(), "{ack}");
    events.next().await;
    endpoint.hang_up(dialog).await;
    let bye = elsewhere.next("BYE", 3).await;
    elsewhere
        .send(challenge(&bye, 401, &[fresh(Algorithm::Md5)]))
        .await;
    elsewhere.drain().await;
    assert_eq!(elsewhere.answers_seen(), 0);
    let again = elsewhere.seen.iter().find(|seen| sequence(seen) > 3);
    assert_eq!(again, None);
}

#[tokio::test]
async fn a_second_phone_that_answers_an_authorized_invite_is_hung_up() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let (dialog, second) = trunk.answered_call(&endpoint, "first").await;
    let answered = events.next().await;
    assert!(
        matches!(answered, SipEvent::Answered { .. }),
        "{answered:?}"
    );
    let ok = |tag: &str, peer: &Peer| respond(&second, "200 OK", tag, &contact(peer), ANSWER);
    trunk.send(ok(";tag=second", &trunk.peer)).await;
    trunk.next_to("ACK", 2, "second").await;
    trunk.next_to("BYE", 3, "second").await;
    // The first one repeats itself: its ACK was lost.
    trunk.seen.clear();
    trunk.send(ok(";tag=first", &trunk.peer)).await;
    trunk.next_to("ACK", 2, "first").await;
    events.none().await;
    endpoint.hang_up(dialog).await;
    trunk.next_to("BYE", 3, "first").await;
}

#[tokio::test]
async fn phones_that_ring_at_once_do_not_confuse_the_call() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let (dialog, second) = trunk.authorized_call(&endpoint).await;
    let other = Peer::towards(endpoint.local_addr()).await;
    let route = "Record-Route: <sip:127.0.0.1:9;lr>\r\n";
    for (status, tag, extra, sdp) in [
        ("180 Ringing", ";tag=a", contact(&trunk.peer), ""),
        (
            "183 Progress",
            ";tag=b",
            route.to_owned() + &contact(&other),
            ANSWER,
        ),
        ("181 Forwarded", "", String::new(), ""),
        ("182 Queued", ";tag=c", contact(&other), ""),
    ] {
        trunk.send(respond(&second, status, tag, &extra, sdp)).await;
        let expected = SipEvent::Progress {
            dialog,
            status: status[..3].parse().unwrap(),
            body: (!sdp.is_empty()).then(|| Bytes::from(sdp)),
        };
        assert_eq!(events.next().await, expected);
    }
    let ok = respond(&second, "200 OK", ";tag=a", &contact(&trunk.peer), ANSWER);
    trunk.send(ok).await;
    let ack = trunk.next("ACK", 2).await;
    assert_eq!(to_tag(&ack), "a");
    assert_eq!(header(&ack, "Route"), None, "the route was another phone's");
    let answered = events.next().await;
    assert!(
        matches!(answered, SipEvent::Answered { .. }),
        "{answered:?}"
    );
    let bye = format!(
        "BYE sip:bot@{} SIP/2.0\r\nVia: SIP/2.0/UDP {};rport;branch=z9hG4bKbye\r\n\
         Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 BYE\r\n\
         Content-Length: 0\r\n\r\n",
        trunk.peer.endpoint,
        trunk.peer.addr(),
        header(&ack, "To").unwrap(),
        header(&ack, "From").unwrap(),
        header(&ack, "Call-ID").unwrap(),
    );
    trunk.send(bye).await;
    let reason = EndReason::HungUp;
    assert_eq!(events.next().await, SipEvent::Ended { dialog, reason });
}

#[tokio::test]
async fn a_reliable_provisional_response_is_told_like_another_and_not_acknowledged() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let (dialog, invite) = trunk.authorized_call(&endpoint).await;
    assert_eq!(header(&invite, "Supported"), None, "100rel is not offered");
    let reliable = format!("Require: 100rel\r\nRSeq: 1\r\n{}", contact(&trunk.peer));
    let early = respond(&invite, "183 Progress", ";tag=t", &reliable, ANSWER);
    trunk.send(early).await;
    let expected = SipEvent::Progress {
        dialog,
        status: 183,
        body: Some(Bytes::from(ANSWER)),
    };
    assert_eq!(events.next().await, expected);
    trunk.drain().await;
    let prack = trunk.seen.iter().find(|seen| seen.starts_with("PRACK"));
    assert_eq!(prack, None);
    let ok = respond(&invite, "200 OK", ";tag=t", &contact(&trunk.peer), ANSWER);
    trunk.send(ok).await;
    trunk.next("ACK", 2).await;
}

#[tokio::test]
async fn an_answer_without_sdp_is_acknowledged_and_told_as_it_is() {
    let (endpoint, mut events, mut trunk) = begin().await;
    let (dialog, invite) = trunk.authorized_call(&endpoint).await;
    let ok = respond(&invite, "200 OK", ";tag=t", &contact(&trunk.peer), "");
    trunk.send(ok).await;
    trunk.next("ACK", 2).await;
    let answer = None;
    assert_eq!(events.next().await, SipEvent::Answered { dialog, answer });
    endpoint.hang_up(dialog).await;
    trunk.next("BYE", 3).await;
}

#[tokio::test]
async fn a_redirection_fails_the_call_and_is_not_followed() {
    for status in [300, 301, 302, 305, 380] {
        let (endpoint, mut events, mut trunk) = begin().await;
        let mut elsewhere = Trunk::new(Peer::towards(endpoint.local_addr()).await);
        trunk.call(&endpoint).await;
        let invite = trunk.next("INVITE", 1).await;
        let moved = respond(
            &invite,
            &format!("{status} Moved"),
            ";tag=t",
            &contact(&elsewhere.peer),
            "",
        );
        trunk.send(moved).await;
        expect_failure(&mut events, status).await;
        trunk.expect_invites(1).await;
        elsewhere.drain().await;
        assert_eq!(elsewhere.seen, [""; 0]);
    }
}

#[tokio::test]
async fn every_refusal_is_reported_with_its_status() {
    for status in [404, 408, 480, 486, 488, 500, 503, 600, 603] {
        let (endpoint, mut events, mut trunk) = begin().await;
        let (dialog, invite) = trunk.authorized_call(&endpoint).await;
        let no = respond(&invite, &format!("{status} Sorry"), ";tag=t", "", "");
        trunk.send(no).await;
        let reason = "Sorry".to_owned();
        let expected = SipEvent::Failed {
            dialog,
            status,
            reason,
        };
        assert_eq!(events.next().await, expected);
        let ack = trunk.next("ACK", 2).await;
        assert_eq!(branch(&ack), branch(&invite));
        trunk.expect_invites(2).await;
    }
}

#[tokio::test]
async fn a_call_goes_to_the_trunk_over_its_transport_and_nobody_looks_the_target_up() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (caller, _events) = bind(config()).await.unwrap();
        let (called, called_events) = bind(config()).await.unwrap();
        let mut called_events = Events(called_events);
        let mut dial = Dial::new(
            "sip:200@nowhere.invalid",
            "sip:bot@127.0.0.1",
            OFFER.to_owned(),
        );
        dial.via = Some(called.local_addr());
        dial.transport = transport;
        caller.dial(dial).await.unwrap();
        let SipEvent::Invite {
            source,
            request_user,
            ..
        } = called_events.next().await
        else {
            panic!("an Invite was expected");
        };
        assert_eq!(request_user, "200");
        // A connection comes from a port of its own.
        let is_datagram = source == caller.local_addr();
        assert_eq!(is_datagram, transport == Transport::Udp);
    }
}

#[tokio::test]
async fn a_long_invite_stays_with_the_transport_that_was_asked_for() {
    let (endpoint, _events, mut trunk) = begin().await;
    let mut dial = trunk.dial();
    // Longer than RFC 3261 would have in a datagram, and than one Ethernet frame.
    dial.offer = format!("{OFFER}a=x:{}\r\n", "0".repeat(2_000));
    endpoint.dial(dial).await.unwrap();
    let invite = trunk.next("INVITE", 1).await;
    assert!(invite.len() > 2_000, "{invite}");
    assert!(header(&invite, "Via").unwrap().starts_with("SIP/2.0/UDP "));
}

#[tokio::test]
async fn further_headers_are_sent_and_those_that_would_be_two_are_refused() {
    let (endpoint, _events, mut trunk) = begin().await;
    trunk.call(&endpoint).await;
    let invite = trunk.next("INVITE", 1).await;
    assert_eq!(
        header(&invite, "P-Asserted-Identity"),
        Some("<sip:+1555@trunk.example>")
    );
    assert!(
        invite.starts_with("INVITE sip:200@trunk.example SIP/2.0\r\n"),
        "{invite}"
    );
    for (name, value) in [("X-Note", "a\r\nVia: b"), ("Contact", "<sip:a@b>")] {
        let mut dial = trunk.dial();
        dial.headers = vec![(name.to_owned(), value.to_owned())];
        let refused = endpoint.dial(dial).await;
        assert!(matches!(refused, Err(DialError::InvalidHeader(of)) if of == name));
    }
    let mut dial = trunk.dial();
    dial.credentials = Some(Credentials {
        username: "a\r\nb".to_owned(),
        ..credentials()
    });
    let refused = endpoint.dial(dial).await;
    assert!(matches!(refused, Err(DialError::InvalidCredentials)));
}

const REALM: &str = "trunk.example";
const PASSWORD: &str = "correct horse \"battery\"";
const OPAQUE: &str = "5ccc069c403ebaf9f0171e9517f40e41";

/// A peer that keeps what it has seen.
struct Trunk {
    peer: Peer,
    seen: Vec<String>,
}

impl Trunk {
    fn new(peer: Peer) -> Trunk {
        Trunk {
            peer,
            seen: Vec::new(),
        }
    }

    fn dial(&self) -> Dial {
        Dial {
            target: "sip:200@trunk.example".to_owned(),
            from: "\"Bot\" <sip:bot@127.0.0.1>".to_owned(),
            offer: OFFER.to_owned(),
            via: Some(self.peer.addr()),
            transport: Transport::Udp,
            credentials: Some(credentials()),
            headers: vec![(
                "P-Asserted-Identity".to_owned(),
                "<sip:+1555@trunk.example>".to_owned(),
            )],
        }
    }

    async fn call(&self, endpoint: &Endpoint) -> DialogId {
        endpoint.dial(self.dial()).await.unwrap()
    }

    /// A call whose INVITE, the second one, carries the right answer.
    async fn authorized_call(&mut self, endpoint: &Endpoint) -> (DialogId, String) {
        let dialog = self.call(endpoint).await;
        let first = self.next("INVITE", 1).await;
        self.send(challenge(&first, 407, &[fresh(Algorithm::Sha256)]))
            .await;
        let second = self.next("INVITE", 2).await;
        verified(&second, Algorithm::Sha256);
        (dialog, second)
    }

    /// The same, answered by the phone of this tag.
    async fn answered_call(&mut self, endpoint: &Endpoint, tag: &str) -> (DialogId, String) {
        let (dialog, second) = self.authorized_call(endpoint).await;
        let tag = format!(";tag={tag}");
        let ok = respond(&second, "200 OK", &tag, &contact(&self.peer), ANSWER);
        self.send(ok).await;
        self.next("ACK", 2).await;
        (dialog, second)
    }

    async fn send(&self, message: impl AsRef<[u8]>) {
        self.peer.send(message).await;
    }

    async fn receive(&mut self) -> String {
        let message = self.peer.receive().await;
        self.seen.push(message.clone());
        message
    }

    /// The next request of this method and number, passing over what is repeated.
    async fn next(&mut self, method: &str, cseq: u32) -> String {
        loop {
            let message = self.receive().await;
            if is(&message, method, cseq) {
                return message;
            }
        }
    }

    /// The same, to the phone of this tag.
    async fn next_to(&mut self, method: &str, cseq: u32, tag: &str) -> String {
        loop {
            let message = self.next(method, cseq).await;
            if to_tag(&message) == tag {
                return message;
            }
        }
    }

    /// The Call-ID of the next call that was not seen before.
    async fn newest_call(&mut self) -> String {
        loop {
            let known: Vec<String> = self.seen.iter().map(|seen| call_id(seen)).collect();
            let newest = call_id(&self.receive().await);
            if !known.contains(&newest) {
                return newest;
            }
        }
    }

    fn invite_of(&self, wanted: &str) -> String {
        let found = self.seen.iter().find(|seen| call_id(seen) == wanted);
        found.unwrap().clone()
    }

    /// Takes what still comes.
    async fn drain(&mut self) {
        while let Some(message) = self.peer.receive_within(SILENCE).await {
            self.seen.push(message);
        }
    }

    /// So many INVITEs were sent, repeated ones counted once, and no more come.
    async fn expect_invites(&mut self, count: usize) {
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

    fn answers_seen(&self) -> usize {
        self.seen
            .iter()
            .filter(|seen| seen.to_ascii_lowercase().contains("authorization:"))
            .count()
    }
}

async fn begin() -> (Endpoint, Events, Trunk) {
    let (endpoint, events, peer) = start().await;
    (endpoint, events, Trunk::new(peer))
}

async fn expect_failure(events: &mut Events, status: u16) {
    let failed = events.next().await;
    assert!(
        matches!(failed, SipEvent::Failed { status: with, .. } if with == status),
        "{failed:?} is not {status}"
    );
}

async fn expect_progress(events: &mut Events, status: u16) {
    let progress = events.next().await;
    assert!(
        matches!(progress, SipEvent::Progress { status: with, .. } if with == status),
        "{progress:?} is not {status}"
    );
}

fn credentials() -> Credentials {
    Credentials {
        username: "tutti".to_owned(),
        password: Secret::new(PASSWORD),
        realm: REALM.to_owned(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn hash(self, text: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text)),
            Algorithm::Sha256 => hex(&Sha256::digest(text)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }
}

/// What a trunk asks with.
#[derive(Clone, Copy)]
struct Challenge {
    algorithm: Algorithm,
    nonce: &'static str,
    stale: bool,
}

fn fresh(algorithm: Algorithm) -> Challenge {
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

fn stale(nonce: &'static str) -> Challenge {
    Challenge {
        algorithm: Algorithm::Md5,
        nonce,
        stale: true,
    }
}

fn challenge(request: &str, status: u16, challenges: &[Challenge]) -> String {
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

fn answer_header(status: u16) -> &'static str {
    match status {
        407 => "Proxy-Authorization",
        _ => "Authorization",
    }
}

/// An answer to a challenge, as a trunk reads it.
struct Answer {
    name: &'static str,
    text: String,
}

impl Answer {
    /// A parameter without its quotes; empty when it is missing.
    fn value(&self, name: &str) -> &str {
        let parameters = self.text.strip_prefix("Digest ").unwrap();
        parameters
            .split(", ")
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value.trim_matches('"'))
    }
}

fn answer_in(request: &str) -> Option<Answer> {
    ["Authorization", "Proxy-Authorization"]
        .into_iter()
        .find_map(|name| {
            let text = header(request, name)?.to_owned();
            Some(Answer { name, text })
        })
}

/// Checks the answer as RFC 7616 §3.4.1 has it, without the code under test.
fn verified(request: &str, algorithm: Algorithm) -> Answer {
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

fn is(message: &str, method: &str, cseq: u32) -> bool {
    message.starts_with(&format!("{method} "))
        && header(message, "CSeq") == Some(&format!("{cseq} {method}"))
}

fn sequence(message: &str) -> u32 {
    let cseq = header(message, "CSeq").unwrap();
    cseq.split(' ').next().unwrap().parse().unwrap()
}

fn call_id(message: &str) -> String {
    header(message, "Call-ID").unwrap().to_owned()
}

fn branch(message: &str) -> &str {
    let via = header(message, "Via").unwrap();
    let (_, branch) = via.split_once("branch=").unwrap();
    branch.split(';').next().unwrap()
}
