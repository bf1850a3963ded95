//! What do we do with the answers to the calls that we place (RFC 3261 §13.2, §9.1)?

use sipx_sip::headers::Address;
use sipx_sip::{Response, Uri};
use sipx_transport::Target;

use crate::call::{Call, Change, State};
use crate::dialog::{Dialog, Outgoing};
use crate::error::DialError;
use crate::event::{DialogId, SipEvent};
use crate::message::{self, Invitation};
use crate::policy;
use crate::user_agent::{Effect, UserAgent};

/// A call that is to be placed.
#[derive(Debug)]
pub(crate) struct Dialing {
    pub(crate) uri: Uri,
    pub(crate) target: Target,
    pub(crate) from: String,
    pub(crate) offer: String,
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
        dialing: Dialing,
        effects: &mut Vec<Effect>,
    ) -> Result<DialogId, DialError> {
        let Dialing {
            uri,
            target,
            from,
            offer,
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
            offer,
        };
        let begun = message::invite(&self.identity, invitation)
            .and_then(|invite| Some((Dialog::as_uac(&invite, &target)?, invite)));
        let Some((dialog, invite)) = begun else {
            return Err(DialError::InvalidFrom(from));
        };
        let id = self.next_id();
        self.counters.dialed += 1;
        effects.push(Effect::Invite {
            dialog: id,
            request: Box::new(invite),
            target,
        });
        self.keep(Some(Call {
            id,
            dialog,
            local_tag,
            origin: None,
            state: State::Calling,
        }));
        Ok(id)
    }

    /// Notes what became of the INVITE of a call that we placed.
    pub(crate) fn handle_report(
        &mut self,
        dialog: DialogId,
        report: Report,
        effects: &mut Vec<Effect>,
    ) {
        let Some(call) = self.take(dialog) else {
            return;
        };
        let call = match &call.state {
            State::Calling | State::Cancelling { .. } => match report {
                Report::Response(response) => self.responded(call, &response, effects),
                Report::Timeout => self.fail(&call, 408, "Request Timeout".to_owned()),
                Report::Unreachable { reason } => self.fail(&call, 503, reason),
            },
            State::Confirmed { .. } => {
                if let Report::Response(response) = report {
                    repeat_ack(&call, &response, effects);
                }
                Some(call)
            }
            State::Invited { .. } | State::Accepted { .. } => Some(call),
        };
        self.keep(call);
    }

    /// Ends a call whose CANCEL brought no final response.
    pub(crate) fn uac_timeout(&mut self, call: Call) -> Option<Call> {
        match call.state {
            State::Cancelling { .. } => self.fail(&call, 408, "Request Timeout".to_owned()),
            State::Calling
            | State::Invited { .. }
            | State::Accepted { .. }
            | State::Confirmed { .. } => Some(call),
        }
    }

    fn responded(
        &mut self,
        mut call: Call,
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
            let reason = String::from_utf8_lossy(&response.reason).into_owned();
            return self.fail(&call, status.code(), reason);
        }
        call.dialog.learn(response);
        acknowledge(call.dialog.ack(INVITE_SEQUENCE), effects);
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

    fn tell_progress(&mut self, dialog: DialogId, response: &Response) {
        // Provisional responses are the one thing a peer can send without end.
        if self.outbox.is_empty() {
            self.tell(SipEvent::Progress {
                dialog,
                status: response.status.code(),
                body: policy::description(&response.headers, response.body()),
            });
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

/// Every call that we place begins with this CSeq number.
pub(crate) const INVITE_SEQUENCE: u32 = 1;

/// Answers a 2xx that came after the call was confirmed.
fn repeat_ack(call: &Call, response: &Response, effects: &mut Vec<Effect>) {
    if !response.status.is_success() {
        return;
    }
    if call.dialog.is_from_known_peer(response) {
        acknowledge(call.dialog.ack(INVITE_SEQUENCE), effects);
        return;
    }
    // A proxy forked the call and a second phone answered: it is hung up (RFC 3261 §13.2.2.4).
    let mut other = call.dialog.clone();
    other.learn(response);
    acknowledge(other.ack(INVITE_SEQUENCE), effects);
    if let Some((request, target)) = other.bye() {
        effects.push(Effect::Request {
            request: Box::new(request),
            target,
        });
    }
}

fn acknowledge(ack: Option<Outgoing>, effects: &mut Vec<Effect>) {
    if let Some((request, target)) = ack {
        effects.push(Effect::Acknowledge {
            request: Box::new(request),
            target,
        });
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
