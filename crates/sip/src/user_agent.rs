//! Which call does a message, a wish or a deadline concern, and what follows from it?
//!
//! Decides and does no I/O: inputs come with `now`, effects go out in order, events queue in the
//! outbox. What a UAS does is in `uas.rs`, what a UAC does in `uac.rs`.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use sipx_sip::transaction::TransactionKey;
use sipx_sip::{Request, Response};
use sipx_transport::{Target, TransportKind};

use crate::admission::Admission;
use crate::auth::Account;
use crate::call::{Call, Change, Origin, Pace, State};
use crate::config::{Config, Limits};
use crate::event::{DialogId, SipCounters, SipEvent};
use crate::message::{self, Identity};
use crate::policy::Refusal;
use crate::uac::{Attempt, Placed};

/// All calls of an endpoint.
pub(crate) struct UserAgent {
    pub(crate) identity: Identity,
    pub(crate) pace: Pace,
    pub(crate) limits: Limits,
    pub(crate) admission: Admission,
    pub(crate) ready: bool,
    pub(crate) counters: SipCounters,
    /// Events that the consumer has not taken yet.
    pub(crate) outbox: VecDeque<SipEvent>,
    calls: HashMap<DialogId, Call>,
    by_local_tag: HashMap<String, DialogId>,
    by_origin: HashMap<(Vec<u8>, Option<Vec<u8>>), DialogId>,
    deadlines: BTreeSet<(Instant, DialogId)>,
    last_id: u64,
    draw: Draw,
}

/// Draws 96 random bits for a tag or a Call-ID.
pub(crate) type Draw = Box<dyn FnMut() -> [u8; 12] + Send>;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) key: TransactionKey,
    pub(crate) request: Request,
    pub(crate) source: SocketAddr,
    pub(crate) transport: TransportKind,
}

/// What the consumer wants of a call. A wish that no longer fits the call's state has no effect:
/// the event that says why is already under way.
#[derive(Debug)]
pub(crate) enum Wish {
    Ring,
    SendEarlyMedia { sdp: String },
    Answer { sdp: String },
    Reject(Rejection),
    AnswerReinvite { sdp: String },
    RejectReinvite { status: u16 },
    HangUp,
}

/// A final response that is not an answer.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// What must be done, in order.
#[derive(Debug)]
pub(crate) enum Effect {
    Respond {
        key: TransactionKey,
        response: Box<Response>,
    },
    /// Send an INVITE; what becomes of it is reported for the attempt.
    Invite {
        attempt: Attempt,
        placed: Arc<Placed>,
    },
    /// Take the INVITE back.
    Cancel { attempt: Attempt },
    /// Send the ACK of a 2xx, which has no transaction.
    Acknowledge {
        request: Box<Request>,
        target: Target,
    },
    /// Send a request whose outcome changes nothing; a challenge is answered if there is an
    /// account.
    Request {
        request: Box<Request>,
        target: Target,
        account: Option<Box<Account>>,
    },
}

impl UserAgent {
    pub(crate) fn new(now: Instant, config: &Config, identity: Identity, draw: Draw) -> UserAgent {
        UserAgent {
            identity,
            pace: Pace {
                t1: config.round_trip(),
            },
            limits: config.limits,
            admission: Admission::new(&config.limits, now),
            ready: true,
            counters: SipCounters::default(),
            outbox: VecDeque::new(),
            calls: HashMap::new(),
            by_local_tag: HashMap::new(),
            by_origin: HashMap::new(),
            deadlines: BTreeSet::new(),
            last_id: 0,
            draw,
        }
    }

    /// When `handle_timeout` is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The counts, with the dialogs of this moment.
    pub(crate) fn counters(&self) -> SipCounters {
        SipCounters {
            dialogs: self.calls.len() as u64,
            ..self.counters
        }
    }

    /// Serves every call whose deadline has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some((at, id)) = self.deadlines.first().copied()
            && at <= now
        {
            let Some(call) = self.take(id) else {
                // Not reachable: a deadline goes with its call. Dropping it keeps the loop finite.
                self.deadlines.remove(&(at, id));
                continue;
            };
            let call = match &call.state {
                State::Invited { .. } | State::Accepted { .. } | State::Confirmed { .. } => {
                    self.uas_timeout(now, call, effects)
                }
                State::Calling { .. } | State::Cancelling { .. } => {
                    self.uac_timeout(now, call, effects)
                }
            };
            self.keep(call);
        }
    }

    /// Does what the consumer asks.
    pub(crate) fn handle_wish(
        &mut self,
        now: Instant,
        dialog: DialogId,
        wish: Wish,
        effects: &mut Vec<Effect>,
    ) {
        let Some(call) = self.take(dialog) else {
            return;
        };
        let call = match wish {
            Wish::Ring => self.provisional(call, 180, "Ringing", None, effects),
            Wish::SendEarlyMedia { sdp } => {
                self.provisional(call, 183, "Session Progress", Some(sdp), effects)
            }
            Wish::Answer { sdp } => self.answer(now, call, sdp, effects),
            Wish::Reject(rejection) => self.reject(call, &rejection, effects),
            Wish::AnswerReinvite { sdp } => self.answer_change(now, call, sdp, effects),
            Wish::RejectReinvite { status } => self.reject_change(call, status, effects),
            Wish::HangUp => self.hang_up(now, call, effects),
        };
        self.keep(call);
    }

    /// Ends a call the way its state asks for.
    fn hang_up(&mut self, now: Instant, mut call: Call, effects: &mut Vec<Effect>) -> Option<Call> {
        match &mut call.state {
            State::Invited { .. } => {
                let rejection = Rejection {
                    status: 480,
                    reason: "Temporarily Unavailable".to_owned(),
                    headers: Vec::new(),
                };
                self.reject(call, &rejection, effects)
            }
            State::Accepted { hanging_up, .. } => {
                *hanging_up = true;
                Some(call)
            }
            State::Calling { .. } => {
                self.take_back(now, &mut call, effects);
                Some(call)
            }
            State::Cancelling { .. } => Some(call),
            State::Confirmed { .. } => {
                self.drop_change(&mut call, effects);
                self.say_bye(&mut call, effects);
                self.forget(&call);
                None
            }
        }
    }

    /// Refuses a change of the session that nobody will answer any more.
    pub(crate) fn drop_change(&mut self, call: &mut Call, effects: &mut Vec<Effect>) {
        if let State::Confirmed {
            change: Change::Asked { request, .. },
        } = &call.state
        {
            self.refuse(
                &request.key,
                &request.request,
                &Refusal::RequestTerminated,
                effects,
            );
        }
    }

    pub(crate) fn say_bye(&mut self, call: &mut Call, effects: &mut Vec<Effect>) {
        if let Some((request, target)) = call.dialog.bye() {
            effects.push(Effect::Request {
                request: Box::new(request),
                target,
                account: call.placed.as_ref().and_then(|placed| placed.account()),
            });
        }
    }

    /// Answers a request with a refusal, if it can be answered at all.
    pub(crate) fn refuse(
        &mut self,
        key: &TransactionKey,
        request: &Request,
        refusal: &Refusal,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.refused += 1;
        let tag = self.draw_token();
        let response = message::refusal(&self.identity, request, refusal, &tag);
        respond(key, response, effects);
    }

    pub(crate) fn tell(&mut self, event: SipEvent) {
        self.outbox.push_back(event);
    }

    /// Whether the limits leave room for one more call.
    pub(crate) fn has_room(&self) -> bool {
        self.calls.len() < self.limits.dialogs
    }

    pub(crate) fn next_id(&mut self) -> DialogId {
        self.last_id += 1;
        DialogId(self.last_id)
    }

    /// A tag or Call-ID that nobody can guess.
    pub(crate) fn draw_token(&mut self) -> String {
        message::token((self.draw)())
    }

    /// The call whose tag of ours this is.
    pub(crate) fn with_local_tag(&self, tag: &[u8]) -> Option<DialogId> {
        let tag = std::str::from_utf8(tag).ok()?;
        self.by_local_tag.get(tag).copied()
    }

    pub(crate) fn call(&self, id: DialogId) -> Option<&Call> {
        self.calls.get(&id)
    }

    /// The call that came with an INVITE of this Call-ID and From tag.
    pub(crate) fn with_origin(&self, origin: &Origin) -> Option<&Call> {
        let id = self
            .by_origin
            .get(&(origin.call_id.clone(), origin.from_tag.clone()))?;
        self.calls.get(id)
    }

    /// Takes a call out, to be given back with `keep` or ended with `forget`.
    pub(crate) fn take(&mut self, id: DialogId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if let Some(deadline) = call.deadline() {
            self.deadlines.remove(&(deadline, id));
        }
        Some(call)
    }

    /// Gives a call back, if it goes on.
    pub(crate) fn keep(&mut self, call: Option<Call>) {
        let Some(call) = call else {
            return;
        };
        if let Some(deadline) = call.deadline() {
            self.deadlines.insert((deadline, call.id));
        }
        self.by_local_tag
            .entry(call.local_tag.clone())
            .or_insert(call.id);
        if let Some(origin) = &call.origin {
            self.by_origin
                .entry((origin.call_id.clone(), origin.from_tag.clone()))
                .or_insert(call.id);
        }
        self.calls.insert(call.id, call);
    }

    /// Ends a call that was taken out.
    pub(crate) fn forget(&mut self, call: &Call) {
        self.by_local_tag.remove(&call.local_tag);
        if let Some(origin) = &call.origin {
            let key = (origin.call_id.clone(), origin.from_tag.clone());
            if self.by_origin.get(&key) == Some(&call.id) {
                self.by_origin.remove(&key);
            }
        }
    }
}

/// Sends a response that could be built.
pub(crate) fn respond(key: &TransactionKey, response: Option<Response>, effects: &mut Vec<Effect>) {
    if let Some(response) = response {
        effects.push(Effect::Respond {
            key: key.clone(),
            response: Box::new(response),
        });
    }
}

impl fmt::Debug for UserAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserAgent")
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use sipx_sip::{Limits as ParserLimits, Message, parse_datagram};

    use super::*;
    use crate::auth::{Credentials, Secret};
    use crate::event::EndReason;
    use crate::uac::{Dialing, Report};

    #[test]
    fn a_call_that_nobody_answers_is_given_up_after_three_minutes() {
        let mut side = Side::new();
        let dialog = side.invited();
        assert_eq!(side.next_deadline(), Duration::from_secs(180));
        assert_eq!(side.at(Duration::from_secs(179)), [""; 0]);
        assert_eq!(side.at(Duration::from_secs(180)), ["480 for INVITE"]);
        assert_eq!(side.told(), [SipEvent::Cancelled { dialog }]);
        assert!(side.agent.next_deadline().is_none());
    }

    #[test]
    fn an_answer_is_repeated_ever_more_slowly_and_given_up_at_64_t1() {
        let mut side = Side::new();
        let dialog = side.invited();
        let answer = Wish::Answer {
            sdp: "v=0".to_owned(),
        };
        assert_eq!(side.wish(dialog, answer), ["200 for INVITE"]);
        let mut repeated = Vec::new();
        let bye = loop {
            let at = side.next_deadline();
            let done = side.at(at);
            if done != ["200 for INVITE"] {
                break (at, done);
            }
            repeated.push(at.as_millis());
        };
        assert_eq!(
            repeated,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
            ]
        );
        assert_eq!(bye, (Duration::from_secs(32), vec!["BYE".to_owned()]));
        let reason = EndReason::NotAcknowledged;
        assert_eq!(side.told(), [SipEvent::Ended { dialog, reason }]);
        assert_eq!(side.agent.counters().dialogs, 0);
    }

    #[test]
    fn a_change_that_nobody_answers_is_refused_and_the_call_goes_on() {
        let mut side = Side::new();
        let dialog = side.confirmed();
        let offered = side.receives("INVITE", 2, &side.tag(), "b2");
        assert_eq!(offered, ["100 for INVITE"]);
        assert_eq!(
            side.told(),
            [SipEvent::Reinvite {
                dialog,
                offer: None
            }]
        );
        assert_eq!(side.at(Duration::from_secs(32)), ["500 for INVITE"]);
        let late = Wish::AnswerReinvite {
            sdp: "v=0".to_owned(),
        };
        assert_eq!(side.wish(dialog, late), [""; 0]);
        assert_eq!(side.wish(dialog, Wish::HangUp), ["BYE"]);
    }

    #[test]
    fn a_cancelled_change_is_terminated_and_the_call_goes_on() {
        let mut side = Side::new();
        let dialog = side.confirmed();
        side.receives("INVITE", 2, &side.tag(), "b2");
        side.told();
        let cancelled = side.receives("CANCEL", 2, &side.tag(), "b2");
        assert_eq!(cancelled, ["200 for CANCEL", "487 for INVITE"]);
        assert_eq!(side.told(), []);
        assert_eq!(side.wish(dialog, Wish::HangUp), ["BYE"]);
    }

    #[test]
    fn hanging_up_declines_the_change_that_waits() {
        let mut side = Side::new();
        let dialog = side.confirmed();
        side.receives("INVITE", 2, &side.tag(), "b2");
        assert_eq!(side.wish(dialog, Wish::HangUp), ["487 for INVITE", "BYE"]);
    }

    #[test]
    fn wishes_that_do_not_fit_change_nothing() {
        let mut side = Side::new();
        let dialog = side.confirmed();
        let sdp = || "v=0".to_owned();
        for wish in [
            Wish::Ring,
            Wish::SendEarlyMedia { sdp: sdp() },
            Wish::Answer { sdp: sdp() },
            Wish::AnswerReinvite { sdp: sdp() },
            Wish::RejectReinvite { status: 488 },
        ] {
            assert_eq!(side.wish(dialog, wish), [""; 0]);
        }
        assert_eq!(side.wish(DialogId(99), Wish::HangUp), [""; 0]);
        assert_eq!(side.agent.counters().dialogs, 1);
    }

    #[test]
    fn a_refusal_is_always_a_final_response() {
        for (status, sent) in [(404, "404"), (200, "500"), (100, "500"), (999, "500")] {
            let mut side = Side::new();
            let dialog = side.invited();
            let rejection = Rejection {
                status,
                reason: "No\r\nWay: x".to_owned(),
                headers: vec![("Retry-After".to_owned(), "1\r\nX: y".to_owned())],
            };
            let done = side.wish(dialog, Wish::Reject(rejection));
            assert_eq!(done, [format!("{sent} for INVITE")]);
        }
    }

    #[test]
    fn a_call_taken_back_without_any_response_fails_after_64_t1() {
        let mut side = Side::new();
        let (dialog, done) = side.dial();
        assert_eq!(done, ["INVITE"]);
        assert_eq!(side.wish(dialog, Wish::HangUp), ["taken back"]);
        assert_eq!(side.wish(dialog, Wish::HangUp), [""; 0]);
        side.at(Duration::from_secs(32));
        let told = side.told();
        assert!(
            matches!(told[..], [SipEvent::Failed { status: 408, .. }]),
            "{told:?}"
        );
    }

    #[test]
    fn a_call_that_rings_for_three_minutes_is_taken_back() {
        let mut side = Side::new();
        side.dial();
        let tag = side.tag();
        side.at(Duration::from_secs(10));
        assert_eq!(side.reports(CHALLENGE, &tag), ["INVITE"]);
        side.reports("180 Ringing", &tag);
        assert!(matches!(side.told()[..], [SipEvent::Progress { .. }]));
        assert_eq!(side.next_deadline(), Duration::from_secs(180));
        assert_eq!(side.at(Duration::from_secs(180)), ["taken back"]);
        assert_eq!(side.told(), []);
        side.reports("487 Request Terminated", &tag);
        assert!(matches!(
            side.told()[..],
            [SipEvent::Failed { status: 487, .. }]
        ));
    }

    #[test]
    fn a_bye_whose_answer_was_lost_ends_the_call() {
        let mut side = Side::new();
        side.dial();
        let tag = side.tag();
        side.reports("180 Ringing", &tag);
        assert!(matches!(
            side.told()[..],
            [SipEvent::Progress { status: 180, .. }]
        ));
        let done = side.receives("BYE", 1, &tag, "b9");
        assert_eq!(done, ["200 for BYE"]);
        assert!(matches!(
            side.told()[..],
            [SipEvent::Failed { status: 487, .. }]
        ));
    }

    #[test]
    fn provisional_responses_do_not_pile_up() {
        let mut side = Side::new();
        side.dial();
        let tag = side.tag();
        for _ in 0..100 {
            side.reports("180 Ringing", &tag);
        }
        assert_eq!(side.agent.counters().progress_dropped, 99);
        // The consumer is behind, and learns what is new all the same.
        side.reports("183 Session Progress", &tag);
        assert_eq!(side.agent.counters().progress_dropped, 99);
        for status in 101..180 {
            side.reports(&format!("{status} Soon"), &tag);
        }
        assert_eq!(side.told().len(), 32);
    }

    #[test]
    fn the_end_of_a_challenged_invite_is_not_the_end_of_the_call() {
        let mut side = Side::new();
        side.dial();
        let tag = side.tag();
        let first = side.placed();
        assert_eq!(side.reports(CHALLENGE, &tag), ["INVITE"]);
        let (attempt, placed) = first.clone();
        let mut effects = Vec::new();
        side.agent
            .handle_report(attempt, &placed, Report::Timeout, &mut effects);
        assert_eq!(side.reports_to(first, "404 Not Found", &tag), [""; 0]);
        assert_eq!(side.told(), []);
        assert_eq!(side.reports("200 OK", &tag), ["ACK"]);
        assert!(matches!(side.told()[..], [SipEvent::Answered { .. }]));
    }

    #[test]
    fn a_call_that_is_taken_back_answers_no_challenge() {
        let mut side = Side::new();
        let (dialog, _) = side.dial();
        let tag = side.tag();
        assert_eq!(side.wish(dialog, Wish::HangUp), ["taken back"]);
        assert_eq!(side.reports(CHALLENGE, &tag), [""; 0]);
        assert!(matches!(
            side.told()[..],
            [SipEvent::Failed { status: 401, .. }]
        ));
    }

    #[test]
    fn an_answer_to_a_call_that_was_given_up_is_acknowledged_and_hung_up() {
        let mut side = Side::new();
        let (dialog, _) = side.dial();
        let tag = side.tag();
        side.wish(dialog, Wish::HangUp);
        side.at(Duration::from_secs(32));
        assert!(matches!(
            side.told()[..],
            [SipEvent::Failed { status: 408, .. }]
        ));
        assert_eq!(side.reports("180 Ringing", &tag), [""; 0]);
        assert_eq!(side.reports("200 OK", &tag), ["ACK", "BYE"]);
        assert_eq!(side.told(), []);
    }

    #[test]
    fn nothing_of_an_ended_call_is_kept() {
        let mut side = Side::new();
        for _ in 0..10 {
            let dialog = side.confirmed();
            side.wish(dialog, Wish::HangUp);
        }
        let agent = &side.agent;
        assert!(agent.calls.is_empty());
        assert!(agent.by_local_tag.is_empty());
        assert!(agent.by_origin.is_empty());
        assert!(agent.deadlines.is_empty());
    }

    /// A user agent at 192.0.2.1, its clock, and a peer at 192.0.2.9.
    struct Side {
        agent: UserAgent,
        start: Instant,
        now: Duration,
        call_id: String,
        /// The INVITEs that were sent.
        placed: Vec<(Attempt, Arc<Placed>)>,
    }

    impl Side {
        fn new() -> Side {
            let start = Instant::now();
            let config = Config::new("192.0.2.1:5060".parse().unwrap());
            let identity = Identity {
                host: "192.0.2.1:5060".to_owned(),
                user_agent: "Tutti".to_owned(),
            };
            let mut drawn = 0_u8;
            let draw = Box::new(move || {
                drawn = drawn.wrapping_add(1);
                [drawn; 12]
            });
            Side {
                agent: UserAgent::new(start, &config, identity, draw),
                start,
                now: Duration::ZERO,
                call_id: "c".to_owned(),
                placed: Vec::new(),
            }
        }

        fn invited(&mut self) -> DialogId {
            self.receives("INVITE", 1, "", "b1");
            match self.told()[..] {
                [SipEvent::Invite { dialog, .. }] => dialog,
                ref other => panic!("an Invite was expected, not {other:?}"),
            }
        }

        fn confirmed(&mut self) -> DialogId {
            let dialog = self.invited();
            self.wish(
                dialog,
                Wish::Answer {
                    sdp: "v=0".to_owned(),
                },
            );
            self.receives("ACK", 1, &self.tag(), "b-ack");
            let answer = None;
            assert_eq!(self.told(), [SipEvent::Acknowledged { dialog, answer }]);
            dialog
        }

        fn dial(&mut self) -> (DialogId, Vec<String>) {
            let mut effects = Vec::new();
            let dialing = Dialing {
                uri: sipx_sip::Uri::parse(Bytes::from("sip:there@192.0.2.9")).unwrap(),
                target: Target::udp(peer()),
                from: "sip:bot@192.0.2.1".to_owned(),
                offer: "v=0".to_owned(),
                headers: Vec::new(),
                stay_with_peer: false,
                credentials: Some(Credentials {
                    username: "tutti".to_owned(),
                    password: Secret::new("hunter2"),
                    realm: "trunk".to_owned(),
                }),
            };
            let now = self.start + self.now;
            let dialog = self.agent.dial(now, dialing, &mut effects).unwrap();
            self.note_invite(&effects);
            let call_id = message::call_id(&self.placed().1.request.headers);
            self.call_id = String::from_utf8(call_id.to_vec()).unwrap();
            (dialog, names(effects))
        }

        fn note_invite(&mut self, effects: &[Effect]) {
            for effect in effects {
                if let Effect::Invite { attempt, placed } = effect {
                    self.placed.push((*attempt, Arc::clone(placed)));
                }
            }
        }

        /// The INVITE that was sent last.
        fn placed(&self) -> (Attempt, Arc<Placed>) {
            let (attempt, placed) = self.placed.last().unwrap();
            (*attempt, Arc::clone(placed))
        }

        /// Our tag of the only call.
        fn tag(&self) -> String {
            self.agent.by_local_tag.keys().next().unwrap().clone()
        }

        fn receives(&mut self, method: &str, cseq: u32, to_tag: &str, branch: &str) -> Vec<String> {
            let tag = if to_tag.is_empty() {
                String::new()
            } else {
                format!(";tag={to_tag}")
            };
            let Message::Request(request) = parse(format!(
                "{method} sip:100@192.0.2.1 SIP/2.0\r\n\
                 Via: SIP/2.0/UDP 192.0.2.9;rport;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
                 From: <sip:a@192.0.2.9>;tag=t\r\nTo: <sip:100@192.0.2.1>{tag}\r\n\
                 Call-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:a@192.0.2.9>\r\n\
                 Content-Length: 0\r\n\r\n",
                self.call_id
            )) else {
                panic!("a request was expected");
            };
            let incoming = Incoming {
                key: TransactionKey::from_request(&request).unwrap(),
                request,
                source: peer(),
                transport: TransportKind::Udp,
            };
            let mut effects = Vec::new();
            let now = self.start + self.now;
            self.agent.handle_request(now, incoming, &mut effects);
            names(effects)
        }

        /// A response to the last INVITE, with further lines of its head if need be.
        fn reports(&mut self, status: &str, our_tag: &str) -> Vec<String> {
            self.reports_to(self.placed(), status, our_tag)
        }

        fn reports_to(
            &mut self,
            (attempt, placed): (Attempt, Arc<Placed>),
            status: &str,
            our_tag: &str,
        ) -> Vec<String> {
            let sequence = message::sequence(&placed.request.headers);
            let Message::Response(response) = parse(format!(
                "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n\
                 From: <sip:bot@192.0.2.1>;tag={our_tag}\r\nTo: <sip:there@192.0.2.9>;tag=t\r\n\
                 Call-ID: {}\r\nCSeq: {sequence} INVITE\r\nContent-Length: 0\r\n\r\n",
                self.call_id
            )) else {
                panic!("a response was expected");
            };
            let mut effects = Vec::new();
            let report = Report::Response(Box::new(response));
            self.agent
                .handle_report(attempt, &placed, report, &mut effects);
            self.note_invite(&effects);
            names(effects)
        }

        fn wish(&mut self, dialog: DialogId, wish: Wish) -> Vec<String> {
            let mut effects = Vec::new();
            let now = self.start + self.now;
            self.agent.handle_wish(now, dialog, wish, &mut effects);
            names(effects)
        }

        fn at(&mut self, now: Duration) -> Vec<String> {
            self.now = now;
            let mut effects = Vec::new();
            self.agent.handle_timeout(self.start + now, &mut effects);
            names(effects)
        }

        fn next_deadline(&self) -> Duration {
            self.agent.next_deadline().unwrap() - self.start
        }

        fn told(&mut self) -> Vec<SipEvent> {
            self.agent.outbox.drain(..).collect()
        }
    }

    const CHALLENGE: &str = "401 Unauthorized\r\n\
        WWW-Authenticate: Digest realm=\"trunk\", nonce=\"n\", qop=\"auth\"";

    fn peer() -> SocketAddr {
        "192.0.2.9:5060".parse().unwrap()
    }

    fn parse(text: String) -> Message {
        parse_datagram(Bytes::from(text), &ParserLimits::datagram()).unwrap()
    }

    /// What the effects are, in a word or two each.
    fn names(effects: Vec<Effect>) -> Vec<String> {
        effects
            .into_iter()
            .map(|effect| match effect {
                Effect::Respond { key, response } => {
                    let method = match key {
                        TransactionKey::Rfc3261 { method, .. }
                        | TransactionKey::Legacy { method, .. } => method,
                    };
                    let method = String::from_utf8(method).unwrap();
                    format!("{} for {method}", response.status.code())
                }
                Effect::Invite { .. } => "INVITE".to_owned(),
                Effect::Cancel { .. } => "taken back".to_owned(),
                Effect::Acknowledge { .. } => "ACK".to_owned(),
                Effect::Request { request, .. } => {
                    String::from_utf8(request.method.as_bytes().to_vec()).unwrap()
                }
            })
            .collect()
    }
}
