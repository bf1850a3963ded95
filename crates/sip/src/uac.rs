//! What do we do with the answers to the calls that we place (RFC 3261 §13.2, §9.1, §22.2)?

use std::sync::Arc;
use std::time::Instant;

use sipx_sip::headers::Address;
use sipx_sip::{Header, Request, Response, Uri};
use sipx_transport::Target;

use crate::auth::{self, Account, Credentials};
use crate::call::{Call, Change, RINGING_LIMIT, State};
use crate::dialog::Dialog;
use crate::error::DialError;
use crate::event::{DialogId, SipEvent};
use crate::message::{self, Invitation};
use crate::policy;
use crate::user_agent::{Effect, UserAgent};

/// As many events may wait for the consumer before further progress is dropped; the same progress
/// waits once.
const MOST_BEFORE_PROGRESS: usize = 32;

/// A call that is to be placed.
#[derive(Debug)]
pub(crate) struct Dialing {
    pub(crate) uri: Uri,
    pub(crate) target: Target,
    pub(crate) from: String,
    pub(crate) offer: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) stay_with_peer: bool,
}

/// An INVITE of ours, as it was sent.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Without Via, which is the transport's.
    pub(crate) request: Request,
    pub(crate) target: Target,
    account: Option<Account>,
    stay_with_peer: bool,
}

/// Names an INVITE among those that a call needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    pub(crate) dialog: DialogId,
    sequence: u32,
}

/// What became of an INVITE of ours.
#[derive(Debug)]
pub(crate) enum Report {
    Response(Box<Response>),
    /// Nobody answered.
    Timeout,
    Unreachable {
        reason: String,
    },
}

impl UserAgent {
    /// Places a call.
    pub(crate) fn dial(
        &mut self,
        now: Instant,
        dialing: Dialing,
        effects: &mut Vec<Effect>,
    ) -> Result<DialogId, DialError> {
        let Dialing {
            uri,
            target,
            from,
            offer,
            headers,
            credentials,
            stay_with_peer,
        } = dialing;
        let caller = Address::parse(from.as_bytes(), "From")
            .ok()
            .filter(|caller| caller.uri.scheme().is_sip());
        let Some(caller) = caller else {
            return Err(DialError::InvalidFrom(from));
        };
        if !self.has_room() {
            return Err(DialError::TooManyDialogs);
        }
        let local_tag = self.draw_token();
        let call_id = format!("{}@{}", self.draw_token(), self.identity.host);
        let invitation = Invitation {
            target: &uri,
            from: &tagged(&caller, &local_tag),
            call_id: &call_id,
            transport: target.transport,
            headers,
            offer,
        };
        let begun = message::invite(&self.identity, invitation).and_then(|request| {
            let account = credentials.map(|credentials| Account::new(credentials, target.addr));
            let placed = Placed {
                request,
                target,
                account,
                stay_with_peer,
            };
            Some((placed.dialog()?, Arc::new(placed)))
        });
        let Some((dialog, placed)) = begun else {
            return Err(DialError::InvalidFrom(from));
        };
        let id = self.next_id();
        self.counters.dialed += 1;
        effects.push(Effect::Invite {
            attempt: placed.attempt(id),
            placed: Arc::clone(&placed),
        });
        self.keep(Some(Call {
            id,
            dialog,
            local_tag,
            origin: None,
            placed: Some(placed),
            state: State::Calling {
                gives_up_at: now + RINGING_LIMIT,
            },
        }));
        Ok(id)
    }

    /// Notes what became of an INVITE of ours.
    pub(crate) fn handle_report(
        &mut self,
        attempt: Attempt,
        placed: &Placed,
        report: Report,
        effects: &mut Vec<Effect>,
    ) {
        let Some(call) = self.take(attempt.dialog) else {
            // The call was given up, and then it was answered after all.
            if let Report::Response(response) = report
                && response.status.is_success()
            {
                placed.decline(&response, effects);
            }
            return;
        };
        let is_current = call
            .placed
            .as_ref()
            .is_some_and(|placed| placed.attempt(call.id) == attempt);
        if !is_current {
            // The transaction of an INVITE that was challenged ends in its own time.
            self.keep(Some(call));
            return;
        }
        let call = match &call.state {
            State::Calling { .. } | State::Cancelling { .. } => match report {
                Report::Response(response) => self.responded(call, placed, &response, effects),
                Report::Timeout => self.fail(&call, 408, "Request Timeout".to_owned()),
                Report::Unreachable { reason } => self.fail(&call, 503, reason),
            },
            State::Confirmed { .. } => {
                if let Report::Response(response) = report {
                    answered_again(&call, placed, &response, effects);
                }
                Some(call)
            }
            State::Invited { .. } | State::Accepted { .. } => Some(call),
        };
        self.keep(call);
    }

    /// Takes a call back that rings for ever, and ends one whose CANCEL brought no final response.
    pub(crate) fn uac_timeout(
        &mut self,
        now: Instant,
        mut call: Call,
        effects: &mut Vec<Effect>,
    ) -> Option<Call> {
        match call.state {
            State::Calling { .. } => {
                self.take_back(now, &mut call, effects);
                Some(call)
            }
            State::Cancelling { .. } => self.fail(&call, 408, "Request Timeout".to_owned()),
            State::Invited { .. } | State::Accepted { .. } | State::Confirmed { .. } => Some(call),
        }
    }

    /// Cancels a call that is not finally answered.
    pub(crate) fn take_back(&self, now: Instant, call: &mut Call, effects: &mut Vec<Effect>) {
        let attempt = call.placed.as_ref().map(|placed| placed.attempt(call.id));
        effects.extend(attempt.map(|attempt| Effect::Cancel { attempt }));
        call.state = State::Cancelling {
            gives_up_at: now + self.pace.patience(),
        };
    }

    fn responded(
        &mut self,
        mut call: Call,
        placed: &Placed,
        response: &Response,
        effects: &mut Vec<Effect>,
    ) -> Option<Call> {
        let cancelling = matches!(call.state, State::Cancelling { .. });
        let status = response.status;
        if status.is_provisional() {
            let tagged = message::to(&response.headers).is_some_and(|to| to.tag().is_some());
            if tagged {
                call.dialog.learn(response);
            }
            if status.code() != 100 && !cancelling {
                self.tell_progress(call.id, response);
            }
            return Some(call);
        }
        if !status.is_success() {
            if !cancelling && self.try_again(&mut call, placed, response, effects) {
                return Some(call);
            }
            return self.fail(&call, status.code(), placed.reason(response));
        }
        call.dialog.learn(response);
        placed.acknowledge(&call.dialog, effects);
        if cancelling {
            // The answer crossed our CANCEL.
            self.say_bye(&mut call, effects);
            return self.fail(&call, 487, "Request Terminated".to_owned());
        }
        self.tell(SipEvent::Answered {
            dialog: call.id,
            answer: policy::description(&response.headers, response.body()),
        });
        call.state = State::Confirmed {
            change: Change::None,
        };
        Some(call)
    }

    /// Sends the INVITE once more if the response is a challenge that may be answered.
    fn try_again(
        &mut self,
        call: &mut Call,
        placed: &Placed,
        response: &Response,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let cnonce = self.draw_token();
        // A new dialog is in the making: no tag or route of the first attempt belongs to it.
        let again = placed
            .again(response, &cnonce)
            .and_then(|again| Some((again.dialog()?, again)));
        let Some((dialog, again)) = again else {
            return false;
        };
        let again = Arc::new(again);
        effects.push(Effect::Invite {
            attempt: again.attempt(call.id),
            placed: Arc::clone(&again),
        });
        call.dialog = dialog;
        call.placed = Some(again);
        true
    }

    fn tell_progress(&mut self, dialog: DialogId, response: &Response) {
        let progress = SipEvent::Progress {
            dialog,
            status: response.status.code(),
            body: policy::description(&response.headers, response.body()),
        };
        // Provisional responses are the one thing a peer can send without end.
        if self.outbox.len() < MOST_BEFORE_PROGRESS && !self.outbox.contains(&progress) {
            self.tell(progress);
        } else {
            self.counters.progress_dropped += 1;
        }
    }

    fn fail(&mut self, call: &Call, status: u16, reason: String) -> Option<Call> {
        self.tell(SipEvent::Failed {
            dialog: call.id,
            status,
            reason,
        });
        self.forget(call);
        None
    }
}

impl Placed {
    pub(crate) fn attempt(&self, dialog: DialogId) -> Attempt {
        Attempt {
            dialog,
            sequence: self.sequence(),
        }
    }

    /// The dialog that the INVITE will establish at the peer.
    fn dialog(&self) -> Option<Dialog> {
        Dialog::as_uac(&self.request, &self.target, self.stay_with_peer)
    }

    /// What answers the challenges to a further request of this call.
    pub(crate) fn account(&self) -> Option<Box<Account>> {
        let account = self.account.as_ref()?;
        Some(Box::new(account.for_another_request()))
    }

    /// What ACK and CANCEL repeat.
    fn sequence(&self) -> u32 {
        message::sequence(&self.request.headers)
    }

    /// The INVITE with the answer to this challenge.
    fn again(&self, response: &Response, cnonce: &str) -> Option<Placed> {
        let mut account = self.account.clone()?;
        let request = account.answer(&self.request, self.target.addr, response, cnonce)?;
        Some(Placed {
            request,
            target: self.target.clone(),
            account: Some(account),
            stay_with_peer: self.stay_with_peer,
        })
    }

    /// The reason phrase; a challenge that was for somebody else is worth a word, because a
    /// realm that is configured wrongly looks the same from outside as a wrong password.
    fn reason(&self, response: &Response) -> String {
        let reason = String::from_utf8_lossy(&response.reason).into_owned();
        match (&self.account, response.status.code()) {
            (Some(account), 401 | 407) if !account.has_answered() => {
                format!("{reason} (no challenge of the configured realm and a known algorithm)")
            }
            _ => reason,
        }
    }

    /// Sends the ACK of a 2xx along its dialog.
    fn acknowledge(&self, dialog: &Dialog, effects: &mut Vec<Effect>) {
        let Some((mut request, target)) = dialog.ack(self.sequence()) else {
            return;
        };
        // The ACK repeats how the INVITE was authorized (RFC 3261 §22.1), and nobody but the
        // trunk learns it.
        if target.addr == self.target.addr {
            for name in &auth::ANSWERS {
                for answer in self.request.headers.get_all(name) {
                    request.headers.push(answer.clone());
                }
            }
        }
        effects.push(Effect::Acknowledge {
            request: Box::new(request),
            target,
        });
    }

    /// Acknowledges an answer that nobody waits for, and hangs up (RFC 3261 §13.2.2.4).
    fn decline(&self, response: &Response, effects: &mut Vec<Effect>) {
        let Some(mut dialog) = self.dialog() else {
            return;
        };
        dialog.learn(response);
        self.acknowledge(&dialog, effects);
        if let Some((request, target)) = dialog.bye() {
            effects.push(Effect::Request {
                request: Box::new(request),
                target,
                account: self.account(),
            });
        }
    }
}

/// Serves a 2xx that came after the call was confirmed: the same one again, or that of a second
/// phone because a proxy forked the call.
fn answered_again(call: &Call, placed: &Placed, response: &Response, effects: &mut Vec<Effect>) {
    if !response.status.is_success() {
        return;
    }
    if call.dialog.is_from_known_peer(response) {
        placed.acknowledge(&call.dialog, effects);
    } else {
        placed.decline(response, effects);
    }
}

/// The caller's address with our tag.
fn tagged(caller: &Address, local_tag: &str) -> String {
    let uri = String::from_utf8_lossy(&caller.uri.to_bytes()).into_owned();
    match &caller.display_name {
        Some(name) => {
            let name = String::from_utf8_lossy(name)
                .replace('\\', "\\\\")
                .replace('"', "\\\"");
            format!("\"{name}\" <{uri}>;tag={local_tag}")
        }
        None => format!("<{uri}>;tag={local_tag}"),
    }
}
