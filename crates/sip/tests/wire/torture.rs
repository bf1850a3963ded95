//! The messages of RFC 4475 over UDP: what each gets, and that calls are still served after it.

use std::path::Path;

use tutti_sip::{DialogId, SipEvent};

use crate::peer::{Events, PATIENCE, Peer, SILENCE, start, status};

/// A message of RFC 4475, to the bit.
struct Case {
    name: String,
    bytes: Vec<u8>,
}

/// All messages of the RFC, by file name.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/system/malformed/rfc4475");
    let mut cases: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            Case {
                name,
                bytes: std::fs::read(path).unwrap(),
            }
        })
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

/// What a message comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It is answered with this status.
    Status(u16),
    /// It is a call that the consumer is asked about.
    Call,
    /// It is not answered.
    Silence,
}

use Outcome::{Call, Silence, Status};

/// RFC 4475 §3 by file name. Where the bytes do not frame a message, it is dropped: an answer
/// would have to be built from what could not be read, and RFC 3261 §18.3 allows to discard.
const OUTCOMES: &[(&str, Outcome)] = &[
    // 3.1.1: valid. What reaches a service that we do not have is refused after it is understood.
    // A To tag makes it a request of a dialog, and there is none.
    ("wsinv", Status(481)),
    ("intmeth", Status(501)),
    ("esc01", Call),
    ("escnull", Status(405)),
    ("esc02", Status(501)),
    ("lwsdisp", Status(200)),
    ("longreq", Call),
    ("dblreq", Status(405)),
    ("semiuri", Status(200)),
    ("transports", Status(200)),
    ("mpart01", Status(405)),
    ("unreason", Silence),
    ("noreason", Silence),
    // 3.1.2: invalid.
    // Its Via cannot be read, so there is nowhere to answer to.
    ("badinv01", Silence),
    ("clerr", Silence),
    ("ncl", Silence),
    ("scalar02", Status(400)),
    ("scalarlg", Silence),
    ("quotbal", Status(400)),
    ("ltgtruri", Silence),
    ("lwsruri", Silence),
    ("lwsstart", Silence),
    ("trws", Silence),
    ("escruri", Status(400)),
    // Date means nothing to us, so a wrong one is no reason to refuse.
    ("baddate", Call),
    ("regbadct", Status(400)),
    ("badaspec", Status(400)),
    // The file lacks the blank line that ends the headers.
    ("baddn", Silence),
    ("badvers", Status(505)),
    ("mismatch01", Status(400)),
    ("mismatch02", Status(501)),
    ("bigcode", Silence),
    // 3.2: the transaction layer.
    ("badbranch", Status(400)),
    // 3.3: the application.
    // Without To, From and Call-ID there is nothing to put into a response.
    ("insuf", Silence),
    ("unkscm", Status(416)),
    ("novelsc", Status(416)),
    ("unksm2", Status(405)),
    ("bext01", Status(420)),
    ("invut", Status(415)),
    ("regaut01", Status(405)),
    ("multi01", Status(400)),
    ("mcl01", Silence),
    ("bcast", Silence),
    ("zeromf", Status(200)),
    ("cparam01", Status(405)),
    ("cparam02", Status(405)),
    ("regescrt", Status(405)),
    ("sdp01", Status(406)),
    // 3.4: RFC 2543.
    ("inv2543", Call),
    // Referenced by no section; its request line has no version.
    ("test", Silence),
];

#[tokio::test]
async fn every_torture_message_gets_its_due_and_calls_go_on() {
    let mut wrong = Vec::new();
    let cases = cases();
    for case in &cases {
        let expected = OUTCOMES
            .iter()
            .find(|(name, _)| *name == case.name)
            .map_or_else(
                || panic!("{} has no outcome", case.name),
                |(_, outcome)| *outcome,
            );
        // Some messages share a branch, so each has an endpoint of its own.
        let (endpoint, mut events, mut bystander) = start().await;
        let (running, _) = bystander.establish(&endpoint, &mut events).await;
        let mut peer = Peer::towards(endpoint.local_addr()).await;
        peer.send(answerable(case)).await;
        let outcome = observe(&peer, &mut events, expected).await;
        if let Ok(dialog) = outcome {
            endpoint.reject(dialog, 486, "Busy Here", &[]).await;
            peer.receive_until("SIP/2.0 486 ").await;
        }
        let outcome = outcome.map_or_else(|outcome| outcome, |_| Call);
        if outcome != expected {
            wrong.push(format!("{}: {outcome:?}, not {expected:?}", case.name));
        }
        peer.expect_alive().await;
        // The call that was running all the time still is.
        endpoint.hang_up(running).await;
        bystander.receive_until("BYE ").await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(OUTCOMES.len(), cases.len());
}

#[tokio::test]
async fn an_escaped_user_is_unescaped_once() {
    let (endpoint, mut events, _peer) = start().await;
    let peer = Peer::towards(endpoint.local_addr()).await;
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "esc01").unwrap();
    peer.send(answerable(case)).await;
    let SipEvent::Invite {
        request_user,
        to_user,
        from_user,
        ..
    } = events.next().await
    else {
        panic!("an Invite was expected");
    };
    assert_eq!(request_user, "sips:user@example.com");
    assert_eq!(to_user, "user");
    assert_eq!(from_user, "I have spaces");
}

/// The message with one change: the top Via asks for `rport`, so that the answer comes back here
/// and not to port 5060.
fn answerable(case: &Case) -> Vec<u8> {
    let bytes = case.bytes.as_slice();
    let lower = bytes.to_ascii_lowercase();
    let find =
        |from: usize, what: &[u8]| (from..lower.len()).find(|at| lower[*at..].starts_with(what));
    let via = [&b"\nvia"[..], b"\nv:", b"\nv "]
        .iter()
        .filter_map(|name| find(0, name))
        .min();
    let Some(via) = via else {
        return bytes.to_vec();
    };
    let mut end = find(via + 1, b"\n").unwrap_or(bytes.len());
    while matches!(bytes.get(end + 1), Some(b' ' | b'\t')) {
        end = find(end + 1, b"\n").unwrap_or(bytes.len());
    }
    let value = &lower[via..end];
    if value.windows(6).any(|part| part == b";rport") {
        return bytes.to_vec();
    }
    let at = find(via, b";branch")
        .filter(|at| *at < end)
        .unwrap_or_else(|| {
            if bytes.get(end - 1) == Some(&b'\r') {
                end - 1
            } else {
                end
            }
        });
    [&bytes[..at], b";rport", &bytes[at..]].concat()
}

async fn observe(peer: &Peer, events: &mut Events, expected: Outcome) -> Result<DialogId, Outcome> {
    let patience = if expected == Silence {
        SILENCE
    } else {
        PATIENCE
    };
    let answer = async {
        loop {
            let Some(message) = peer.receive_within(2 * PATIENCE).await else {
                continue;
            };
            if status(&message) != 100 {
                return status(&message);
            }
        }
    };
    tokio::select! {
        code = answer => Err(Status(code)),
        event = events.next() => match event {
            SipEvent::Invite { dialog, .. } => Ok(dialog),
            other => panic!("an Invite was expected, not {other:?}"),
        },
        () = tokio::time::sleep(patience) => Err(Silence),
    }
}
