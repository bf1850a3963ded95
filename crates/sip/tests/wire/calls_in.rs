//! Calls that come in.

use std::time::Duration;

use bytes::Bytes;
use tutti_model::Digit;
use tutti_sip::{EndReason, SipEvent};

use crate::peer::{
    ANSWER, OFFER, PATIENCE, SILENCE, body, config, header, start, start_with, status, to_tag,
};

#[tokio::test]
async fn a_call_rings_is_answered_and_is_hung_up_by_the_caller() {
    let (endpoint, mut events, mut peer) = start().await;
    let invite = peer.request(
        "INVITE",
        1,
        "",
        "Record-Route: <sip:127.0.0.1:9;lr>\r\n",
        OFFER,
    );
    peer.send(&invite).await;
    assert_eq!(status(&peer.receive().await), 100);
    let SipEvent::Invite {
        dialog,
        call_id_header,
        from_user,
        to_user,
        request_user,
        source,
        offer,
    } = events.next().await
    else {
        panic!("an Invite was expected");
    };
    assert_eq!(call_id_header, peer.call_id);
    assert_eq!(
        (from_user.as_str(), to_user.as_str(), request_user.as_str()),
        ("alice", "100", "100")
    );
    assert_eq!(source, peer.addr());
    assert_eq!(offer, Some(Bytes::from(OFFER)));

    endpoint.ringing(dialog).await;
    let ringing = peer.receive().await;
    assert_eq!(status(&ringing), 180);
    endpoint.early_media(dialog, ANSWER.to_owned()).await;
    let progress = peer.receive().await;
    assert_eq!((status(&progress), body(&progress)), (183, ANSWER));
    endpoint.answer(dialog, ANSWER.to_owned()).await;
    let ok = peer.receive().await;
    assert_eq!((status(&ok), body(&ok)), (200, ANSWER));
    assert_eq!(header(&ok, "Record-Route"), Some("<sip:127.0.0.1:9;lr>"));
    assert_eq!(
        header(&ok, "Contact"),
        Some(format!("<sip:{}>", peer.endpoint).as_str())
    );
    let tag = to_tag(&ok);
    assert_eq!(to_tag(&ringing), tag);
    assert_eq!(to_tag(&progress), tag);

    let ack = peer.request("ACK", 1, &tag, "", "");
    peer.send(ack).await;
    assert_eq!(
        events.next().await,
        SipEvent::Acknowledged {
            dialog,
            answer: None
        }
    );
    let bye = peer.request("BYE", 2, &tag, "", "");
    assert_eq!(status(&peer.ask(&bye).await), 200);
    let reason = EndReason::HungUp;
    assert_eq!(events.next().await, SipEvent::Ended { dialog, reason });
    // The dialog is gone.
    let bye = peer.request("BYE", 3, &tag, "", "");
    assert_eq!(status(&peer.ask(&bye).await), 481);
    events.none().await;
}

#[tokio::test]
async fn hanging_up_sends_bye_along_the_dialog() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, tag) = peer.establish(&endpoint, &mut events).await;
    endpoint.hang_up(dialog).await;
    let bye = peer.receive_until("BYE ").await;
    assert!(
        bye.starts_with(&format!("BYE sip:alice@{} SIP/2.0\r\n", peer.addr())),
        "{bye}"
    );
    assert!(
        header(&bye, "From")
            .unwrap()
            .ends_with(&format!(";tag={tag}")),
        "{bye}"
    );
    assert_eq!(to_tag(&bye), "from");
    assert_eq!(header(&bye, "CSeq"), Some("1 BYE"));
    assert_eq!(header(&bye, "Call-ID"), Some(peer.call_id.as_str()));
    events.none().await;
}

#[tokio::test]
async fn a_route_set_is_followed() {
    let (endpoint, mut events, mut peer) = start().await;
    let proxy = crate::peer::Peer::towards(peer.endpoint).await;
    let extra = format!(
        "Record-Route: <sip:{};lr>\r\nRecord-Route: <sip:far.example;lr>\r\n",
        proxy.addr()
    );
    let invite = peer.request("INVITE", 1, "", &extra, OFFER);
    peer.send(invite).await;
    let dialog = events.invite().await;
    endpoint.answer(dialog, ANSWER.to_owned()).await;
    let tag = to_tag(&peer.receive_until("SIP/2.0 200 ").await);
    let ack = peer.request("ACK", 1, &tag, "", "");
    peer.send(ack).await;
    events.next().await;
    endpoint.hang_up(dialog).await;
    let bye = proxy.receive().await;
    assert!(
        bye.starts_with(&format!("BYE sip:alice@{} SIP/2.0\r\n", peer.addr())),
        "{bye}"
    );
    let routes: Vec<&str> = bye
        .lines()
        .filter(|line| line.starts_with("Route:"))
        .collect();
    assert_eq!(routes.len(), 2, "{bye}");
    assert!(routes[0].contains(&proxy.addr().to_string()), "{bye}");
}

#[tokio::test]
async fn the_answer_is_repeated_until_the_ack_comes() {
    let (endpoint, mut events, mut peer) = start().await;
    let invite = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(invite).await;
    let dialog = events.invite().await;
    endpoint.answer(dialog, ANSWER.to_owned()).await;
    let first = peer.receive_until("SIP/2.0 200 ").await;
    assert_eq!(peer.receive().await, first);
    assert_eq!(peer.receive().await, first);
    let ack = peer.request("ACK", 1, &to_tag(&first), "", "");
    peer.send(ack).await;
    assert_eq!(
        events.next().await,
        SipEvent::Acknowledged {
            dialog,
            answer: None
        }
    );
    while peer.receive_within(SILENCE).await.is_some() {}
    assert!(
        peer.receive_within(Duration::from_millis(500))
            .await
            .is_none()
    );
    assert!(endpoint.counters().answers_repeated >= 2);
}

#[tokio::test]
async fn a_caller_that_never_acknowledges_is_hung_up() {
    let mut quick = config();
    quick.t1 = Duration::from_millis(5);
    let (endpoint, mut events, mut peer) = start_with(quick).await;
    let invite = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(invite).await;
    let dialog = events.invite().await;
    endpoint.answer(dialog, ANSWER.to_owned()).await;
    let reason = EndReason::NotAcknowledged;
    assert_eq!(events.next().await, SipEvent::Ended { dialog, reason });
    peer.receive_until("BYE ").await;
    assert_eq!(endpoint.counters().not_acknowledged, 1);
}

#[tokio::test]
async fn hanging_up_before_the_ack_waits_for_it() {
    let (endpoint, mut events, mut peer) = start().await;
    let invite = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(invite).await;
    let dialog = events.invite().await;
    endpoint.answer(dialog, ANSWER.to_owned()).await;
    endpoint.hang_up(dialog).await;
    let ok = peer.receive_until("SIP/2.0 200 ").await;
    while let Some(message) = peer.receive_within(SILENCE).await {
        assert!(
            message.starts_with("SIP/2.0 200 "),
            "BYE came before the ACK"
        );
    }
    let ack = peer.request("ACK", 1, &to_tag(&ok), "", "");
    peer.send(ack).await;
    peer.receive_until("BYE ").await;
    events.none().await;
}

#[tokio::test]
async fn an_invite_without_offer_is_answered_with_one() {
    let (endpoint, mut events, mut peer) = start().await;
    let invite = peer.request("INVITE", 1, "", "", "");
    peer.send(invite).await;
    let SipEvent::Invite { dialog, offer, .. } = events.next().await else {
        panic!("an Invite was expected");
    };
    assert_eq!(offer, None);
    endpoint.answer(dialog, OFFER.to_owned()).await;
    let ok = peer.receive_until("SIP/2.0 200 ").await;
    assert_eq!(body(&ok), OFFER);
    let ack = peer.request("ACK", 1, &to_tag(&ok), "", ANSWER);
    peer.send(ack).await;
    let answer = Some(Bytes::from(ANSWER));
    assert_eq!(
        events.next().await,
        SipEvent::Acknowledged { dialog, answer }
    );
}

#[tokio::test]
async fn a_repeated_invite_gets_the_same_response_and_is_told_once() {
    let (endpoint, mut events, mut peer) = start().await;
    let invite = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(&invite).await;
    peer.send(&invite).await;
    let dialog = events.invite().await;
    endpoint.ringing(dialog).await;
    let ringing = peer.receive_until("SIP/2.0 180 ").await;
    peer.send(&invite).await;
    assert_eq!(peer.receive_until("SIP/2.0 180 ").await, ringing);
    endpoint
        .reject(dialog, 486, "Busy Here", &[("Retry-After", "30")])
        .await;
    let busy = peer.receive_until("SIP/2.0 486 ").await;
    assert_eq!(header(&busy, "Retry-After"), Some("30"));
    peer.send(&invite).await;
    assert_eq!(peer.receive_until("SIP/2.0 486 ").await, busy);
    let ack = peer.repeat_branch("ACK", 1, &to_tag(&busy), "", "");
    peer.send(ack).await;
    events.none().await;
}

#[tokio::test]
async fn cancel_ends_a_call_that_is_not_answered() {
    let (endpoint, mut events, mut peer) = start().await;
    let invite = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(&invite).await;
    let dialog = events.invite().await;
    peer.receive_until("SIP/2.0 100 ").await;
    let cancel = peer.repeat_branch("CANCEL", 1, "", "", "");
    peer.send(cancel).await;
    let (mut cancel_answered, mut terminated) = (false, false);
    while !(cancel_answered && terminated) {
        let response = peer.receive().await;
        match status(&response) {
            200 => cancel_answered = header(&response, "CSeq") == Some("1 CANCEL"),
            487 => terminated = true,
            other => panic!("{other} was not expected"),
        }
    }
    assert_eq!(events.next().await, SipEvent::Cancelled { dialog });
    // The wish crosses the CANCEL and changes nothing.
    endpoint.answer(dialog, ANSWER.to_owned()).await;
    let mut late = peer.receive_within(SILENCE).await;
    while let Some(message) = late {
        assert_eq!(status(&message), 487);
        late = peer.receive_within(SILENCE / 3).await;
    }
}

#[tokio::test]
async fn cancel_after_the_answer_changes_nothing() {
    let (endpoint, mut events, mut peer) = start().await;
    let invite = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(&invite).await;
    let cancel = peer.repeat_branch("CANCEL", 1, "", "", "");
    let dialog = events.invite().await;
    endpoint.answer(dialog, ANSWER.to_owned()).await;
    let ok = peer.receive_until("SIP/2.0 200 ").await;
    peer.send(cancel).await;
    loop {
        let response = peer.receive_until("SIP/2.0 200 ").await;
        if header(&response, "CSeq") == Some("1 CANCEL") {
            break;
        }
    }
    let ack = peer.request("ACK", 1, &to_tag(&ok), "", "");
    peer.send(ack).await;
    assert_eq!(
        events.next().await,
        SipEvent::Acknowledged {
            dialog,
            answer: None
        }
    );
}

#[tokio::test]
async fn cancel_of_nothing_is_refused() {
    let (_endpoint, _events, mut peer) = start().await;
    let cancel = peer.request("CANCEL", 1, "", "", "");
    assert_eq!(status(&peer.ask(&cancel).await), 481);
}

#[tokio::test]
async fn bye_before_the_answer_takes_the_call_back() {
    let (endpoint, mut events, mut peer) = start().await;
    let invite = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(&invite).await;
    let dialog = events.invite().await;
    endpoint.ringing(dialog).await;
    let tag = to_tag(&peer.receive_until("SIP/2.0 180 ").await);
    let bye = peer.request("BYE", 2, &tag, "", "");
    peer.send(bye).await;
    peer.receive_until("SIP/2.0 200 ").await;
    peer.receive_until("SIP/2.0 487 ").await;
    assert_eq!(events.next().await, SipEvent::Cancelled { dialog });
}

#[tokio::test]
async fn hanging_up_an_unanswered_call_rejects_it() {
    let (endpoint, mut events, mut peer) = start().await;
    let invite = peer.request("INVITE", 1, "", "", OFFER);
    peer.send(&invite).await;
    let dialog = events.invite().await;
    endpoint.hang_up(dialog).await;
    assert_eq!(status(&peer.receive_final().await), 480);
}

#[tokio::test]
async fn a_call_with_early_media_ends_in_every_way_that_a_ringing_one_does() {
    enum How {
        Answer,
        Reject,
        HangUp,
        Cancel,
    }
    for (how, code) in [
        (How::Answer, 200),
        (How::Reject, 486),
        (How::HangUp, 480),
        (How::Cancel, 487),
    ] {
        let (endpoint, mut events, mut peer) = start().await;
        let invite = peer.request("INVITE", 1, "", "", OFFER);
        peer.send(&invite).await;
        let dialog = events.invite().await;
        endpoint.early_media(dialog, ANSWER.to_owned()).await;
        let early = peer.receive_until("SIP/2.0 183 ").await;
        assert_eq!(body(&early), ANSWER);
        let tag = to_tag(&early);
        match how {
            How::Answer => endpoint.answer(dialog, ANSWER.to_owned()).await,
            How::Reject => endpoint.reject(dialog, 486, "Busy Here", &[]).await,
            How::HangUp => endpoint.hang_up(dialog).await,
            How::Cancel => {
                let cancel = peer.repeat_branch("CANCEL", 1, "", "", "");
                peer.send(cancel).await;
                assert_eq!(events.next().await, SipEvent::Cancelled { dialog });
            }
        }
        let end = peer.receive_until(&format!("SIP/2.0 {code} ")).await;
        // 200 answers the CANCEL too.
        assert_eq!(header(&end, "CSeq"), Some("1 INVITE"));
        assert_eq!(to_tag(&end), tag, "the same early dialog");
        if code == 200 {
            assert_eq!(body(&end), ANSWER);
            let ack = peer.request("ACK", 1, &tag, "", "");
            peer.send(ack).await;
            let answer = None;
            assert_eq!(
                events.next().await,
                SipEvent::Acknowledged { dialog, answer }
            );
        } else {
            let ack = peer.repeat_branch("ACK", 1, &tag, "", "");
            peer.send(ack).await;
            events.none().await;
        }
    }
}

#[tokio::test]
async fn a_reinvite_is_answered_like_an_invite() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, tag) = peer.establish(&endpoint, &mut events).await;
    let reinvite = peer.request("INVITE", 2, &tag, "", OFFER);
    peer.send(reinvite).await;
    let offer = Some(Bytes::from(OFFER));
    assert_eq!(events.next().await, SipEvent::Reinvite { dialog, offer });
    endpoint.answer_reinvite(dialog, ANSWER.to_owned()).await;
    let ok = peer.receive_until("SIP/2.0 200 ").await;
    assert_eq!(header(&ok, "CSeq"), Some("2 INVITE"));
    assert_eq!(body(&ok), ANSWER);
    assert_eq!(peer.receive().await, ok, "repeated until its ACK");
    let ack = peer.request("ACK", 2, &tag, "", "");
    peer.send(ack).await;
    events.none().await;
    let bye = peer.request("BYE", 3, &tag, "", "");
    peer.send(bye).await;
    let reason = EndReason::HungUp;
    assert_eq!(events.next().await, SipEvent::Ended { dialog, reason });
}

#[tokio::test]
async fn a_declined_reinvite_leaves_the_call_as_it_was() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, tag) = peer.establish(&endpoint, &mut events).await;
    let reinvite = peer.request("INVITE", 2, &tag, "", OFFER);
    peer.send(reinvite).await;
    events.next().await;
    endpoint.reject_reinvite(dialog, 488).await;
    peer.receive_until("SIP/2.0 488 ").await;
    let ack = peer.repeat_branch("ACK", 2, &tag, "", "");
    peer.send(ack).await;
    endpoint.hang_up(dialog).await;
    peer.receive_until("BYE ").await;
}

#[tokio::test]
async fn a_second_change_waits_for_the_first() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, tag) = peer.establish(&endpoint, &mut events).await;
    let first = peer.request("INVITE", 2, &tag, "", OFFER);
    peer.send(first).await;
    events.next().await;
    let second = peer.request("INVITE", 3, &tag, "", OFFER);
    peer.send(second).await;
    let pending = peer.receive_until("SIP/2.0 500 ").await;
    assert!(header(&pending, "Retry-After").is_some(), "{pending}");
    let ack = peer.repeat_branch("ACK", 3, &tag, "", "");
    peer.send(ack).await;
    endpoint.answer_reinvite(dialog, ANSWER.to_owned()).await;
    peer.receive_until("SIP/2.0 200 ").await;
    // Ours is unacknowledged now, so the next one meets it half-way.
    let third = peer.request("INVITE", 4, &tag, "", OFFER);
    peer.send(third).await;
    peer.receive_until("SIP/2.0 491 ").await;
}

#[tokio::test]
async fn an_update_is_answered_with_and_without_an_offer() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, tag) = peer.establish(&endpoint, &mut events).await;
    let refresh = peer.request("UPDATE", 2, &tag, "", "");
    assert_eq!(status(&peer.ask(&refresh).await), 200);
    events.none().await;
    let update = peer.request("UPDATE", 3, &tag, "", OFFER);
    peer.send(update).await;
    let offer = Some(Bytes::from(OFFER));
    assert_eq!(events.next().await, SipEvent::Reinvite { dialog, offer });
    endpoint.answer_reinvite(dialog, ANSWER.to_owned()).await;
    let ok = peer.receive_final().await;
    assert_eq!((status(&ok), body(&ok)), (200, ANSWER));
    assert!(
        peer.receive_within(SILENCE).await.is_none(),
        "UPDATE has no ACK to wait for"
    );
}

#[tokio::test]
async fn info_inside_a_dialog_is_completed() {
    let (endpoint, mut events, mut peer) = start().await;
    let (_, tag) = peer.establish(&endpoint, &mut events).await;
    let info = peer.request("INFO", 2, &tag, "", "");
    assert_eq!(status(&peer.ask(&info).await), 200);
    let info = peer.request("INFO", 3, "unknown", "", "");
    assert_eq!(status(&peer.ask(&info).await), 481);
    events.none().await;
}

#[tokio::test]
async fn a_key_in_info_is_told_once_however_often_its_datagram_comes() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, tag) = peer.establish(&endpoint, &mut events).await;
    let keys = [
        (
            "application/dtmf-relay",
            "Signal=5\r\nDuration=160\r\n",
            '5',
        ),
        ("application/dtmf", "#", '#'),
    ];
    for (cseq, (kind, body, key)) in (2..).zip(keys) {
        let content = format!("Content-Type: {kind}\r\n");
        let info = with_body(&peer.request("INFO", cseq, &tag, &content, ""), body);
        for _ in 0..3 {
            assert_eq!(status(&peer.ask(&info).await), 200);
        }
        let digit = Digit::from_char(key).unwrap();
        assert_eq!(events.next().await, SipEvent::Digit { dialog, digit });
    }
    events.none().await;
}

#[tokio::test]
async fn an_info_that_nobody_reads_is_refused_and_says_what_is_read() {
    let (endpoint, mut events, mut peer) = start().await;
    let (_, tag) = peer.establish(&endpoint, &mut events).await;
    let content = "Content-Type: application/media_control+xml\r\n";
    let info = with_body(&peer.request("INFO", 2, &tag, content, ""), "<x/>");
    let refused = peer.ask(&info).await;
    assert_eq!(status(&refused), 415);
    assert_eq!(
        header(&refused, "Accept"),
        Some("application/dtmf-relay, application/dtmf")
    );
    let optional = format!("{content}Content-Disposition: render;handling=optional\r\n");
    let info = with_body(&peer.request("INFO", 3, &tag, &optional, ""), "<x/>");
    assert_eq!(status(&peer.ask(&info).await), 200);
    let info = peer.request("INFO", 4, &tag, "Info-Package: x\r\n", "");
    let refused = peer.ask(&info).await;
    assert_eq!(status(&refused), 469);
    assert_eq!(header(&refused, "Recv-Info"), Some(""));
    let content = "Content-Type: application/dtmf-relay\r\n";
    let info = with_body(&peer.request("INFO", 5, &tag, content, ""), "Duration=1");
    assert_eq!(status(&peer.ask(&info).await), 400);
    events.none().await;
}

/// A request that was written without a body, with this one.
fn with_body(request: &str, body: &str) -> String {
    let length = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    request.replace("Content-Length: 0\r\n\r\n", &length)
}

#[tokio::test]
async fn an_older_request_of_a_dialog_is_refused() {
    let (endpoint, mut events, mut peer) = start().await;
    let (_, tag) = peer.establish(&endpoint, &mut events).await;
    let info = peer.request("INFO", 7, &tag, "", "");
    assert_eq!(status(&peer.ask(&info).await), 200);
    let bye = peer.request("BYE", 6, &tag, "", "");
    assert_eq!(status(&peer.ask(&bye).await), 500);
    events.none().await;
}

#[tokio::test]
async fn right_tags_from_a_foreign_address_are_not_believed() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, tag) = peer.establish(&endpoint, &mut events).await;
    let stranger = tokio::net::UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let bye = peer.request("BYE", 2, &tag, "", "");
    stranger
        .send_to(bye.as_bytes(), peer.endpoint)
        .await
        .unwrap();
    let mut buffer = [0; 4_096];
    let received = tokio::time::timeout(PATIENCE, stranger.recv_from(&mut buffer)).await;
    let (length, _) = received.unwrap().unwrap();
    assert!(buffer[..length].starts_with(b"SIP/2.0 481 "));
    events.none().await;
    endpoint.hang_up(dialog).await;
    peer.receive_until("BYE ").await;
}

#[tokio::test]
async fn a_consumer_that_is_behind_loses_nothing_and_gets_nothing_new() {
    let mut narrow = config();
    narrow.limits.waiting_events = 1;
    let (endpoint, mut events, mut peer) = start_with(narrow).await;
    let (dialog, tag) = peer.establish(&endpoint, &mut events).await;
    // The first waits in the channel, the change of the running call behind it.
    let mut other = crate::peer::Peer::towards(peer.endpoint).await;
    let invite = other.request("INVITE", 1, "", "", OFFER);
    other.send(invite).await;
    other.receive_until("SIP/2.0 100 ").await;
    let bye = peer.request("BYE", 2, &tag, "", "");
    assert_eq!(status(&peer.ask(&bye).await), 200);
    let mut third = crate::peer::Peer::towards(peer.endpoint).await;
    let invite = third.request("INVITE", 1, "", "", OFFER);
    let refused = third.ask(&invite).await;
    assert_eq!(status(&refused), 503);
    assert!(header(&refused, "Retry-After").is_some());
    assert_eq!(endpoint.counters().waiting_events, 1);
    events.invite().await;
    let reason = EndReason::HungUp;
    assert_eq!(events.next().await, SipEvent::Ended { dialog, reason });
    assert_eq!(endpoint.counters().overloaded, 1);
}
