//! What is refused, and with which code.

use crate::peer::{OFFER, config, header, start, start_with, status, to_tag};

#[tokio::test]
async fn options_says_what_we_can_do() {
    let (endpoint, mut events, mut peer) = start().await;
    let options = peer.request("OPTIONS", 1, "", "", "");
    let answer = peer.ask(&options).await;
    assert_eq!(status(&answer), 200);
    assert_eq!(
        header(&answer, "Allow"),
        Some("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE")
    );
    assert_eq!(header(&answer, "Accept"), Some("application/sdp"));
    assert_eq!(header(&answer, "Supported"), Some(""));
    assert!(!to_tag(&answer).is_empty());
    endpoint.set_ready(false);
    let options = peer.request("OPTIONS", 2, "", "", "");
    assert_eq!(status(&peer.ask(&options).await), 503);
    let invite = peer.request("INVITE", 3, "", "", OFFER);
    assert_eq!(status(&peer.ask(&invite).await), 503);
    endpoint.set_ready(true);
    peer.call_id.push('x');
    let invite = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(invite).await;
    events.invite().await;
}

#[tokio::test]
async fn every_method_that_is_not_served_is_refused_with_what_is() {
    let (_endpoint, _events, mut peer) = start().await;
    for (method, code) in [
        ("REGISTER", 405),
        ("SUBSCRIBE", 405),
        ("NOTIFY", 405),
        ("REFER", 405),
        ("MESSAGE", 405),
        ("PUBLISH", 405),
        ("PRACK", 405),
        ("JUGGLE", 501),
        ("invite", 501),
    ] {
        let request = peer.request(method, 1, "", "", "");
        let response = peer.ask(&request).await;
        assert_eq!(status(&response), code, "for {method}");
        assert!(
            header(&response, "Allow").is_some_and(|allow| allow.contains("INVITE")),
            "for {method}"
        );
    }
}

#[tokio::test]
async fn every_rule_has_its_code() {
    let (_endpoint, mut events, mut peer) = start().await;
    for (extra, code, names) in [
        ("Require: 100rel\r\n", 420, Some(("Unsupported", "100rel"))),
        ("Require: timer\r\n", 420, Some(("Unsupported", "timer"))),
        (
            "Require: a, b\r\nRequire: c\r\n",
            420,
            Some(("Unsupported", "a, b, c")),
        ),
        ("Require: ,\r\n", 400, None),
        ("Accept: text/plain\r\n", 406, None),
        (
            "Content-Encoding: gzip\r\n",
            415,
            Some(("Accept-Encoding", "identity")),
        ),
        ("Record-Route: <sip:\r\n", 400, None),
        ("Contact: <\r\n", 400, None),
        ("CSeq: 1 INVITE\r\n", 400, None),
    ] {
        let invite = peer.request("INVITE", 1, "", extra, OFFER);
        let response = peer.ask(&invite).await;
        assert_eq!(status(&response), code, "for {extra:?}");
        if let Some((name, value)) = names {
            assert_eq!(header(&response, name), Some(value), "for {extra:?}");
        }
        let ack = peer.repeat_branch("ACK", 1, &to_tag(&response), "", "");
        peer.send(ack).await;
    }
    for (from, to, code) in [
        ("application/sdp", "application/isup", 415),
        ("INVITE sip:", "INVITE sips:", 416),
        ("INVITE sip:", "INVITE http:", 416),
        ("sip:100@", "sip:100@h?Subject=x@", 400),
        ("Max-Forwards: 70", "Max-Forwards: 700", 400),
        (";tag=from", "", 0),
    ] {
        peer.call_id.push('y');
        let invite = peer
            .request("INVITE", 1, "", "", OFFER)
            .replacen(from, to, 1);
        peer.send(&invite).await;
        if code == 0 {
            // RFC 2543 callers have no tag.
            events.invite().await;
        } else {
            let response = peer.receive_final().await;
            assert_eq!(status(&response), code, "for {to:?}");
            let ack = peer.repeat_branch("ACK", 1, &to_tag(&response), "", "");
            peer.send(ack).await;
        }
    }
    events.none().await;
}

#[tokio::test]
async fn a_body_that_may_be_ignored_is() {
    let (_endpoint, mut events, mut peer) = start().await;
    let extra = "Content-Disposition: x; handling=optional\r\n";
    let invite =
        peer.request("INVITE", 1, "", extra, OFFER)
            .replacen("application/sdp", "text/plain", 1);
    peer.send(invite).await;
    let tutti_sip::SipEvent::Invite { offer, .. } = events.next().await else {
        panic!("an Invite was expected");
    };
    assert_eq!(offer, None);
}

#[tokio::test]
async fn the_same_invite_on_another_way_is_a_loop() {
    let (_endpoint, mut events, mut peer) = start().await;
    let first = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(first).await;
    events.invite().await;
    let second = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(second).await;
    peer.receive_until("SIP/2.0 482 ").await;
    events.none().await;
}

#[tokio::test]
async fn too_many_new_dialogs_are_refused_with_a_time_to_come_back() {
    let mut strict = config();
    strict.limits.new_dialogs_per_second_per_source = 2;
    let (endpoint, mut events, mut peer) = start_with(strict).await;
    for _ in 0..8 {
        peer.call_id.push('z');
        let invite = peer.request("INVITE", 1, "", "", OFFER);
        peer.send(invite).await;
    }
    let refused = peer.receive_until("SIP/2.0 503 ").await;
    assert!(header(&refused, "Retry-After").is_some());
    events.invite().await;
    events.invite().await;
    assert!(endpoint.counters().overloaded > 0);
}

#[tokio::test]
async fn the_number_of_dialogs_is_bounded() {
    let mut small = config();
    small.limits.dialogs = 1;
    let (endpoint, mut events, mut peer) = start_with(small).await;
    peer.establish(&endpoint, &mut events).await;
    peer.call_id.push('2');
    let invite = peer.request("INVITE", 1, "", "", OFFER);
    assert_eq!(status(&peer.ask(&invite).await), 503);
    let target = format!("sip:x@{}", peer.addr());
    let dialled = endpoint
        .dial(tutti_sip::Dial::new(
            target,
            "sip:bot@127.0.0.1",
            OFFER.to_owned(),
        ))
        .await;
    assert!(matches!(dialled, Err(tutti_sip::DialError::TooManyDialogs)));
}

#[tokio::test]
async fn noise_is_counted_and_disturbs_nothing() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, _) = peer.establish(&endpoint, &mut events).await;
    let before = endpoint.counters().malformed;
    for noise in [
        &b"hello"[..],
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"INVITE\r\n\r\n",
        b"SIP/2.0 200 OK\r\n\r\n",
        b"ACK sip:x@y SIP/2.0\r\n\r\n",
        b"INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKn\r\nCSeq: 1 INVITE\r\n\r\n",
    ] {
        peer.send(noise).await;
    }
    peer.expect_alive().await;
    assert!(endpoint.counters().malformed > before);
    endpoint.hang_up(dialog).await;
    peer.receive_until("BYE ").await;
    events.none().await;
}

#[tokio::test]
async fn an_endpoint_needs_an_address_to_advertise() {
    let everywhere = tutti_sip::Config::new("0.0.0.0:0".parse().unwrap());
    let bound = tutti_sip::bind(everywhere.clone()).await;
    assert!(matches!(
        bound,
        Err(tutti_sip::BindError::NothingToAdvertise)
    ));
    let mut named = everywhere;
    named.advertised = Some("127.0.0.1".parse().unwrap());
    assert!(tutti_sip::bind(named).await.is_ok());
}

#[tokio::test]
async fn a_taken_port_is_reported() {
    let (endpoint, _events, _peer) = start().await;
    let again = tutti_sip::bind(tutti_sip::Config::new(endpoint.local_addr())).await;
    assert!(matches!(again, Err(tutti_sip::BindError::Socket(_))));
}
