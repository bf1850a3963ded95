//! Calls that we place.

use bytes::Bytes;
use tutti_sip::{Dial, DialError, EndReason, SipEvent, bind};

use crate::peer::{ANSWER, Events, OFFER, Peer, body, config, contact, header, respond, start};

#[tokio::test]
async fn two_endpoints_call_each_other() {
    let (caller, caller_events) = bind(config()).await.unwrap();
    let (called, called_events) = bind(config()).await.unwrap();
    let (mut caller_events, mut called_events) = (Events(caller_events), Events(called_events));
    let target = format!("sip:200@{}", called.local_addr());
    let ours = caller
        .dial(to(&target, "\"Bot\" <sip:bot@127.0.0.1>"))
        .await
        .unwrap();
    let SipEvent::Invite {
        dialog: theirs,
        from_user,
        request_user,
        offer,
        ..
    } = called_events.next().await
    else {
        panic!("an Invite was expected");
    };
    assert_eq!((from_user.as_str(), request_user.as_str()), ("bot", "200"));
    assert_eq!(offer, Some(Bytes::from(OFFER)));
    called.ringing(theirs).await;
    let progress = SipEvent::Progress {
        dialog: ours,
        status: 180,
        body: None,
    };
    assert_eq!(caller_events.next().await, progress);
    called.answer(theirs, ANSWER.to_owned()).await;
    let answer = Some(Bytes::from(ANSWER));
    assert_eq!(
        caller_events.next().await,
        SipEvent::Answered {
            dialog: ours,
            answer
        }
    );
    assert_eq!(
        called_events.next().await,
        SipEvent::Acknowledged {
            dialog: theirs,
            answer: None
        }
    );
    called.hang_up(theirs).await;
    let reason = EndReason::HungUp;
    assert_eq!(
        caller_events.next().await,
        SipEvent::Ended {
            dialog: ours,
            reason
        }
    );
    called_events.none().await;
    assert_eq!(caller.counters().dialed, 1);
    assert_eq!(caller.counters().dialogs, 0);
}

#[tokio::test]
async fn the_caller_can_hang_up_too() {
    let (caller, caller_events) = bind(config()).await.unwrap();
    let (called, called_events) = bind(config()).await.unwrap();
    let (mut caller_events, mut called_events) = (Events(caller_events), Events(called_events));
    let target = format!("sip:200@{};transport=tcp", called.local_addr());
    let ours = caller.dial(to(&target, "sip:bot@127.0.0.1")).await.unwrap();
    let theirs = called_events.invite().await;
    called.answer(theirs, ANSWER.to_owned()).await;
    caller_events.next().await;
    called_events.next().await;
    caller.hang_up(ours).await;
    let reason = EndReason::HungUp;
    assert_eq!(
        called_events.next().await,
        SipEvent::Ended {
            dialog: theirs,
            reason
        }
    );
}

#[tokio::test]
async fn a_call_that_is_taken_back_is_cancelled() {
    let (caller, caller_events) = bind(config()).await.unwrap();
    let (called, called_events) = bind(config()).await.unwrap();
    let (mut caller_events, mut called_events) = (Events(caller_events), Events(called_events));
    let target = format!("sip:200@{}", called.local_addr());
    let ours = caller.dial(to(&target, "sip:bot@127.0.0.1")).await.unwrap();
    let theirs = called_events.invite().await;
    caller.hang_up(ours).await;
    assert_eq!(
        called_events.next().await,
        SipEvent::Cancelled { dialog: theirs }
    );
    let failed = caller_events.next().await;
    assert!(
        matches!(failed, SipEvent::Failed { dialog, status: 487, .. } if dialog == ours),
        "{failed:?}"
    );
}

#[tokio::test]
async fn an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, invite) = called_by(&endpoint, &mut peer).await;
    peer.send(respond(&invite, "100 Trying", "", "", "")).await;
    endpoint.hang_up(dialog).await;
    peer.receive_until("CANCEL ").await;
    peer.send(respond(
        &invite,
        "200 OK",
        ";tag=late",
        &contact(&peer),
        ANSWER,
    ))
    .await;
    peer.receive_until("ACK ").await;
    peer.receive_until("BYE ").await;
    let failed = events.next().await;
    assert!(
        matches!(failed, SipEvent::Failed { status: 487, .. }),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_refusal_is_reported_with_its_status() {
    let (caller, caller_events) = bind(config()).await.unwrap();
    let (called, called_events) = bind(config()).await.unwrap();
    let (mut caller_events, mut called_events) = (Events(caller_events), Events(called_events));
    let target = format!("sip:200@{}", called.local_addr());
    let ours = caller.dial(to(&target, "sip:bot@127.0.0.1")).await.unwrap();
    let theirs = called_events.invite().await;
    called.reject(theirs, 486, "Busy Here", &[]).await;
    let reason = "Busy Here".to_owned();
    assert_eq!(
        caller_events.next().await,
        SipEvent::Failed {
            dialog: ours,
            status: 486,
            reason
        }
    );
}

#[tokio::test]
async fn silence_is_reported_as_408() {
    let mut quick = config();
    quick.t1 = std::time::Duration::from_millis(5);
    let (endpoint, mut events, mut peer) = crate::peer::start_with(quick).await;
    let (dialog, _) = called_by(&endpoint, &mut peer).await;
    let failed = events.next().await;
    assert!(
        matches!(failed, SipEvent::Failed { dialog: of, status: 408, .. } if of == dialog),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_refused_connection_is_reported_as_503() {
    let (endpoint, mut events, _peer) = start().await;
    // A port that was free a moment ago; nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let target = format!("sip:200@{free};transport=tcp");
    endpoint
        .dial(to(&target, "sip:bot@127.0.0.1"))
        .await
        .unwrap();
    let failed = events.next().await;
    assert!(
        matches!(failed, SipEvent::Failed { status: 503, .. }),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_repeated_answer_is_acknowledged_again() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, invite) = called_by(&endpoint, &mut peer).await;
    let ok = respond(&invite, "200 OK", ";tag=there", &contact(&peer), ANSWER);
    peer.send(&ok).await;
    let ack = peer.receive_until("ACK ").await;
    assert_eq!(header(&ack, "CSeq"), Some("1 ACK"));
    assert!(
        ack.starts_with(&format!("ACK sip:there@{} SIP/2.0\r\n", peer.addr())),
        "{ack}"
    );
    let answer = Some(Bytes::from(ANSWER));
    assert_eq!(events.next().await, SipEvent::Answered { dialog, answer });
    peer.send(&ok).await;
    peer.receive_until("ACK ").await;
    events.none().await;
}

#[tokio::test]
async fn a_second_phone_that_answers_is_hung_up() {
    let (endpoint, mut events, mut peer) = start().await;
    let (dialog, invite) = called_by(&endpoint, &mut peer).await;
    peer.send(respond(
        &invite,
        "200 OK",
        ";tag=first",
        &contact(&peer),
        ANSWER,
    ))
    .await;
    peer.receive_until("ACK ").await;
    peer.send(respond(
        &invite,
        "200 OK",
        ";tag=second",
        &contact(&peer),
        ANSWER,
    ))
    .await;
    let ack = peer.receive_until("ACK ").await;
    assert!(
        header(&ack, "To").unwrap().ends_with(";tag=second"),
        "{ack}"
    );
    let bye = peer.receive_until("BYE ").await;
    assert!(
        header(&bye, "To").unwrap().ends_with(";tag=second"),
        "{bye}"
    );
    let answer = Some(Bytes::from(ANSWER));
    assert_eq!(events.next().await, SipEvent::Answered { dialog, answer });
    events.none().await;
}

#[tokio::test]
async fn an_invite_that_meets_ours_is_told_to_wait() {
    let (endpoint, mut events, mut peer) = start().await;
    let (_, invite) = called_by(&endpoint, &mut peer).await;
    peer.send(respond(
        &invite,
        "180 Ringing",
        ";tag=there",
        &contact(&peer),
        "",
    ))
    .await;
    let progress = events.next().await;
    assert!(
        matches!(progress, SipEvent::Progress { status: 180, .. }),
        "{progress:?}"
    );
    let from = header(&invite, "From").unwrap();
    let call_id = header(&invite, "Call-ID").unwrap();
    let glare = format!(
        "INVITE sip:bot@{} SIP/2.0\r\nVia: SIP/2.0/UDP {};rport;branch=z9hG4bKglare\r\n\
         Max-Forwards: 70\r\nFrom: {};tag=there\r\nTo: {from}\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:there@{}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{OFFER}",
        peer.endpoint,
        peer.addr(),
        header(&invite, "To").unwrap(),
        peer.addr(),
        OFFER.len()
    );
    peer.send(glare).await;
    peer.receive_until("SIP/2.0 491 ").await;
}

#[tokio::test]
async fn what_cannot_be_dialled_is_refused_at_once() {
    let (endpoint, _events, _peer) = start().await;
    let dial = async |target: &str, from: &str| endpoint.dial(to(target, from)).await;
    let from = "sip:bot@127.0.0.1";
    assert!(matches!(
        dial("200", from).await,
        Err(DialError::InvalidTarget(_))
    ));
    assert!(matches!(
        dial("tel:+200", from).await,
        Err(DialError::InvalidTarget(_))
    ));
    assert!(matches!(
        dial("sip:a@127.0.0.1?Subject=x", from).await,
        Err(DialError::InvalidTarget(_))
    ));
    assert!(matches!(
        dial("sip:a\r\nX: y@127.0.0.1", from).await,
        Err(DialError::InvalidTarget(_))
    ));
    assert!(matches!(
        dial("sip:a@127.0.0.1;transport=tls", from).await,
        Err(DialError::UnsupportedTransport(_))
    ));
    assert!(matches!(
        dial("sip:a@127.0.0.1", "nobody").await,
        Err(DialError::InvalidFrom(_))
    ));
    assert!(matches!(
        dial("sip:a@name.invalid", from).await,
        Err(DialError::UnknownHost { .. })
    ));
}

fn to(target: &str, from: &str) -> Dial {
    Dial::new(target, from, OFFER.to_owned())
}

/// Has the endpoint call the peer; gives the INVITE that came.
async fn called_by(
    endpoint: &tutti_sip::Endpoint,
    peer: &mut Peer,
) -> (tutti_sip::DialogId, String) {
    let target = format!("sip:there@{}", peer.addr());
    let dialog = endpoint
        .dial(to(&target, "sip:bot@127.0.0.1"))
        .await
        .unwrap();
    let invite = peer.receive_until("INVITE ").await;
    assert_eq!(body(&invite), OFFER);
    (dialog, invite)
}
