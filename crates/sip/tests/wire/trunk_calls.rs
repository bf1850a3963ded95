//! Calls that we place through a trunk, which asks who is calling.

use std::time::Duration;

use bytes::Bytes;
use tutti_sip::{Credentials, Dial, DialError, EndReason, SipEvent, Transport, bind};

use crate::peer::{
    ANSWER, Events, OFFER, Peer, SILENCE, config, contact, header, respond, start_with, to_tag,
};
use crate::trunk::{
    Algorithm, Challenge, OPAQUE, REALM, Trunk, answer_header, answer_in, begin, branch, challenge,
    credentials, expect_failure, expect_progress, fresh, sequence, stale, verified,
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
