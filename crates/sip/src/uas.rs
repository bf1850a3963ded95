//! What do we do with the requests that come (RFC 3261 §8.2, §9.2, §12.2.2, §13.3, §15.1.2)?

use std::time::Instant;

use sipx_sip::transaction::TransactionKey;
use sipx_sip::{HeaderName, Method, Request, Response, ResponseBuilder};
use sipx_transport::TransportKind;

use crate::call::{Call, Change, Origin, Overdue, Pending, RINGING_LIMIT, State, Unacknowledged};
use crate::dialog::Dialog;
use crate::event::{EndReason, SipEvent};
use crate::message;
use crate::policy::{self, Refusal};
use crate::user_agent::{Effect, Incoming, Rejection, UserAgent, respond};

impl UserAgent {
    /// Serves a request.
    pub(crate) fn handle_request(
        &mut self,
        now: Instant,
        incoming: Incoming,
        effects: &mut Vec<Effect>,
    ) {
        let request = &incoming.request;
        // An ACK is never answered, whatever is wrong with it.
        if request.method == Method::Ack {
            self.acknowledged(&incoming, effects);
            return;
        }
        if let Err(refusal) = policy::examine(request) {
            self.refuse(&incoming.key, request, &refusal, effects);
            return;
        }
        if request.method == Method::Cancel {
            self.cancelled(&incoming, effects);
            return;
        }
        let in_dialog = message::to(&request.headers).is_some_and(|to| to.param("tag").is_some());
        if in_dialog {
            match self.take_addressed(&incoming) {
                Some(call) => {
                    let call = self.requested(now, call, incoming, effects);
                    self.keep(call);
                }
                None => {
                    self.refuse(&incoming.key, request, &Refusal::NoSuchDialog, effects);
                }
            }
            return;
        }
        match request.method {
            Method::Invite => self.invited(now, incoming, effects),
            Method::Options => self.queried(&incoming, effects),
            _ => self.refuse(&incoming.key, request, &Refusal::NoSuchDialog, effects),
        }
    }

    /// Sends a provisional response to a call that came in.
    pub(crate) fn provisional(
        &mut self,
        call: Call,
        status: u16,
        reason: &str,
        sdp: Option<String>,
        effects: &mut Vec<Effect>,
    ) -> Option<Call> {
        if let State::Invited { invite, .. } = &call.state {
            let response = self
                .begin_establishing(&call, &invite.request, status, reason)
                .and_then(|builder| match sdp {
                    Some(sdp) => message::with_sdp(builder, sdp),
                    None => Some(builder),
                })
                .map(ResponseBuilder::build);
            respond(&invite.key, response, effects);
        }
        Some(call)
    }

    /// Accepts a call that came in.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        mut call: Call,
        sdp: String,
        effects: &mut Vec<Effect>,
    ) -> Option<Call> {
        let State::Invited { invite, .. } = &call.state else {
            return Some(call);
        };
        let response = self
            .begin_establishing(&call, &invite.request, 200, "OK")
            .and_then(|builder| builder.header(HeaderName::Allow, policy::ALLOW).ok())
            .and_then(|builder| message::with_sdp(builder, sdp))
            .map(ResponseBuilder::build);
        let Some(response) = response else {
            return Some(call);
        };
        let accepted = self.unacknowledged(now, invite, response, effects);
        call.state = State::Accepted {
            accepted,
            hanging_up: false,
        };
        Some(call)
    }

    /// Turns a call down that came in.
    pub(crate) fn reject(
        &mut self,
        call: Call,
        rejection: &Rejection,
        effects: &mut Vec<Effect>,
    ) -> Option<Call> {
        let State::Invited { invite, .. } = &call.state else {
            return Some(call);
        };
        let response = self.rejection(&invite.request, &call.local_tag, rejection);
        respond(&invite.key, response, effects);
        self.forget(&call);
        None
    }

    /// Accepts the change that the peer asked for.
    pub(crate) fn answer_change(
        &mut self,
        now: Instant,
        mut call: Call,
        sdp: String,
        effects: &mut Vec<Effect>,
    ) -> Option<Call> {
        let State::Confirmed {
            change: Change::Asked { request, .. },
        } = &call.state
        else {
            return Some(call);
        };
        let response = self
            .begin_establishing(&call, &request.request, 200, "OK")
            .and_then(|builder| message::with_sdp(builder, sdp))
            .map(ResponseBuilder::build);
        let Some(response) = response else {
            return Some(call);
        };
        call.dialog.retarget(&request.request.headers);
        let change = if request.request.method == Method::Invite {
            Change::Accepted(self.unacknowledged(now, request, response, effects))
        } else {
            // UPDATE has no ACK.
            respond(&request.key, Some(response), effects);
            Change::None
        };
        call.state = State::Confirmed { change };
        Some(call)
    }

    /// Declines the change that the peer asked for; the session stays as it is.
    pub(crate) fn reject_change(
        &mut self,
        mut call: Call,
        status: u16,
        effects: &mut Vec<Effect>,
    ) -> Option<Call> {
        if let State::Confirmed {
            change: Change::Asked { request, .. },
        } = &call.state
        {
            let rejection = Rejection {
                status,
                reason: "Not Acceptable Here".to_owned(),
                headers: Vec::new(),
            };
            let response = self.rejection(&request.request, &call.local_tag, &rejection);
            respond(&request.key, response, effects);
            call.state = State::Confirmed {
                change: Change::None,
            };
        }
        Some(call)
    }

    /// Serves a deadline of a call that waits for an answer, ours or the peer's.
    pub(crate) fn uas_timeout(
        &mut self,
        now: Instant,
        mut call: Call,
        effects: &mut Vec<Effect>,
    ) -> Option<Call> {
        let pace = self.pace;
        let overdue = match &mut call.state {
            State::Invited { .. } => {
                self.tell(SipEvent::Cancelled { dialog: call.id });
                let rejection = Rejection {
                    status: 480,
                    reason: "No Answer".to_owned(),
                    headers: Vec::new(),
                };
                return self.reject(call, &rejection, effects);
            }
            State::Confirmed {
                change: Change::Asked { request, .. },
            } => {
                self.refuse(
                    &request.key,
                    &request.request,
                    &Refusal::ChangePending,
                    effects,
                );
                call.state = State::Confirmed {
                    change: Change::None,
                };
                return Some(call);
            }
            State::Accepted { accepted, .. }
            | State::Confirmed {
                change: Change::Accepted(accepted),
            } => {
                let overdue = accepted.handle_timeout(now, pace);
                if overdue == Overdue::SendAgain {
                    effects.push(Effect::Respond {
                        key: accepted.key.clone(),
                        response: accepted.response.clone(),
                    });
                    self.counters.answers_repeated += 1;
                }
                overdue
            }
            State::Confirmed {
                change: Change::None,
            }
            | State::Calling { .. }
            | State::Cancelling { .. } => Overdue::Nothing,
        };
        match overdue {
            Overdue::Nothing | Overdue::SendAgain => Some(call),
            Overdue::GiveUp => {
                self.counters.not_acknowledged += 1;
                self.say_bye(&mut call, effects);
                self.tell_ended(&call, EndReason::NotAcknowledged);
                self.forget(&call);
                None
            }
        }
    }

    fn invited(&mut self, now: Instant, incoming: Incoming, effects: &mut Vec<Effect>) {
        let Incoming {
            key,
            request,
            source,
            transport,
        } = incoming;
        let origin = origin(&request);
        let merged = self
            .with_origin(&origin)
            .is_some_and(|call| call.origin.as_ref() == Some(&origin));
        if merged {
            self.refuse(&key, &request, &Refusal::Merged, effects);
            return;
        }
        // The consumer is behind while the outbox holds anything; nothing new begins then.
        let welcome = self.ready
            && self.outbox.is_empty()
            && self.has_room()
            && self.admission.admit(now, source.ip());
        if !welcome {
            self.counters.overloaded += 1;
            self.refuse(&key, &request, &Refusal::Overloaded, effects);
            return;
        }
        let local_tag = self.draw_token();
        let Some(dialog) = Dialog::as_uas(&request, &local_tag, source, transport) else {
            self.refuse(&key, &request, &Refusal::Malformed("Bad Request"), effects);
            return;
        };
        self.try_on(&key, &request, effects);
        let id = self.next_id();
        self.counters.invites += 1;
        let user_of = |address: Option<sipx_sip::Address>| {
            address
                .map(|address| message::user(&address.uri))
                .unwrap_or_default()
        };
        self.tell(SipEvent::Invite {
            dialog: id,
            call_id_header: String::from_utf8_lossy(&message::call_id(&request.headers))
                .into_owned(),
            from_user: user_of(message::from(&request.headers)),
            to_user: user_of(message::to(&request.headers)),
            request_user: message::user(&request.uri),
            source,
            offer: policy::description(&request.headers, request.body()),
        });
        self.keep(Some(Call {
            id,
            dialog,
            local_tag,
            origin: Some(origin),
            placed: None,
            state: State::Invited {
                invite: Pending {
                    key,
                    request: Box::new(request),
                },
                gives_up_at: now + RINGING_LIMIT,
            },
        }));
    }

    /// Serves a request inside a dialog.
    fn requested(
        &mut self,
        now: Instant,
        mut call: Call,
        incoming: Incoming,
        effects: &mut Vec<Effect>,
    ) -> Option<Call> {
        let Incoming { key, request, .. } = incoming;
        if !call.dialog.advance(message::sequence(&request.headers)) {
            self.refuse(&key, &request, &Refusal::OutOfOrder, effects);
            return Some(call);
        }
        match request.method {
            Method::Bye => {
                self.hung_up(call, &key, &request, effects);
                None
            }
            Method::Invite => self.change_asked(now, call, key, request, effects),
            Method::Update if policy::description(&request.headers, request.body()).is_some() => {
                self.change_asked(now, call, key, request, effects)
            }
            Method::Update => {
                call.dialog.retarget(&request.headers);
                let contact = self.identity.contact(call.dialog.transport());
                let response = self
                    .ok(&request, Some(&call.local_tag))
                    .and_then(|builder| builder.header(HeaderName::Contact, contact).ok())
                    .map(ResponseBuilder::build);
                respond(&key, response, effects);
                Some(call)
            }
            Method::Options => {
                respond(&key, self.capabilities(&request), effects);
                Some(call)
            }
            Method::Info => {
                self.informed(&call, &key, &request, effects);
                Some(call)
            }
            // No other method comes this far; its transaction is completed all the same.
            _ => {
                let response = self
                    .ok(&request, Some(&call.local_tag))
                    .map(ResponseBuilder::build);
                respond(&key, response, effects);
                Some(call)
            }
        }
    }

    fn change_asked(
        &mut self,
        now: Instant,
        mut call: Call,
        key: TransactionKey,
        request: Request,
        effects: &mut Vec<Effect>,
    ) -> Option<Call> {
        let refusal = match &call.state {
            State::Confirmed { change } => match change {
                Change::None => None,
                Change::Asked { .. } => Some(Refusal::ChangePending),
                Change::Accepted(_) => Some(Refusal::Glare),
            },
            State::Invited { .. } => Some(Refusal::ChangePending),
            State::Accepted { .. } | State::Calling { .. } | State::Cancelling { .. } => {
                Some(Refusal::Glare)
            }
        };
        if let Some(refusal) = refusal {
            self.refuse(&key, &request, &refusal, effects);
            return Some(call);
        }
        if request.method == Method::Invite {
            self.try_on(&key, &request, effects);
        }
        self.tell(SipEvent::Reinvite {
            dialog: call.id,
            offer: policy::description(&request.headers, request.body()),
        });
        call.state = State::Confirmed {
            change: Change::Asked {
                request: Pending {
                    key,
                    request: Box::new(request),
                },
                gives_up_at: now + self.pace.patience(),
            },
        };
        Some(call)
    }

    fn hung_up(
        &mut self,
        mut call: Call,
        key: &TransactionKey,
        request: &Request,
        effects: &mut Vec<Effect>,
    ) {
        let response = self
            .ok(request, Some(&call.local_tag))
            .map(ResponseBuilder::build);
        respond(key, response, effects);
        match &call.state {
            State::Invited { .. } => self.terminate_invite(&call, effects),
            State::Accepted { .. } => self.tell_ended(&call, EndReason::HungUp),
            State::Confirmed { .. } => {
                self.drop_change(&mut call, effects);
                self.tell_ended(&call, EndReason::HungUp);
            }
            // The 2xx that came before this BYE was lost.
            State::Calling { .. } | State::Cancelling { .. } => self.tell(SipEvent::Failed {
                dialog: call.id,
                status: 487,
                reason: "Request Terminated".to_owned(),
            }),
        }
        self.forget(&call);
    }

    fn cancelled(&mut self, incoming: &Incoming, effects: &mut Vec<Effect>) {
        let request = &incoming.request;
        let invite_key = TransactionKey::for_cancelled_invite(request);
        // A CANCEL repeats the To of its INVITE: with our tag it is that of a re-INVITE.
        let in_dialog = message::to(&request.headers)
            .and_then(|to| to.tag().and_then(|tag| self.with_local_tag(tag)));
        let id = in_dialog.or_else(|| Some(self.with_origin(&origin(request))?.id));
        let pending = id.and_then(|id| self.call(id)).filter(|call| {
            let key = match &call.state {
                State::Invited { invite, .. } => Some(&invite.key),
                State::Accepted { accepted, .. } => Some(&accepted.key),
                State::Confirmed { change } => match change {
                    Change::None => None,
                    Change::Asked { request, .. } => Some(&request.key),
                    Change::Accepted(accepted) => Some(&accepted.key),
                },
                State::Calling { .. } | State::Cancelling { .. } => None,
            };
            key.is_some() && key == invite_key.as_ref() && may_speak(call, incoming)
        });
        let Some(id) = pending.map(|call| call.id) else {
            self.refuse(&incoming.key, request, &Refusal::NoSuchDialog, effects);
            return;
        };
        let Some(mut call) = self.take(id) else {
            return;
        };
        let response = self
            .ok(request, Some(&call.local_tag))
            .map(ResponseBuilder::build);
        respond(&incoming.key, response, effects);
        match &call.state {
            State::Invited { .. } => {
                self.terminate_invite(&call, effects);
                self.forget(&call);
                return;
            }
            State::Confirmed {
                change: Change::Asked { .. },
            } => {
                self.drop_change(&mut call, effects);
                call.state = State::Confirmed {
                    change: Change::None,
                };
            }
            // Too late: the final response stands (RFC 3261 §9.2).
            State::Accepted { .. }
            | State::Confirmed {
                change: Change::None | Change::Accepted(_),
            }
            | State::Calling { .. }
            | State::Cancelling { .. } => {}
        }
        self.keep(Some(call));
    }

    fn acknowledged(&mut self, incoming: &Incoming, effects: &mut Vec<Effect>) {
        let Some(mut call) = self.take_addressed(incoming) else {
            return;
        };
        let request = &incoming.request;
        let sequence = message::sequence(&request.headers);
        let answer = |offered: bool| {
            offered
                .then(|| policy::description(&request.headers, request.body()))
                .flatten()
        };
        match &call.state {
            State::Accepted {
                accepted,
                hanging_up,
            } if accepted.sequence == sequence => {
                if *hanging_up {
                    self.say_bye(&mut call, effects);
                    self.forget(&call);
                    return;
                }
                self.tell(SipEvent::Acknowledged {
                    dialog: call.id,
                    answer: answer(accepted.offered),
                });
                call.state = State::Confirmed {
                    change: Change::None,
                };
            }
            State::Confirmed {
                change: Change::Accepted(accepted),
            } if accepted.sequence == sequence => {
                if accepted.offered {
                    self.tell(SipEvent::Acknowledged {
                        dialog: call.id,
                        answer: answer(true),
                    });
                }
                call.state = State::Confirmed {
                    change: Change::None,
                };
            }
            State::Invited { .. }
            | State::Accepted { .. }
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Confirmed { .. } => {}
        }
        self.keep(Some(call));
    }

    fn queried(&mut self, incoming: &Incoming, effects: &mut Vec<Effect>) {
        if self.ready {
            respond(&incoming.key, self.capabilities(&incoming.request), effects);
        } else {
            self.refuse(
                &incoming.key,
                &incoming.request,
                &Refusal::Overloaded,
                effects,
            );
        }
    }

    /// Takes out the call that a request inside a dialog is addressed to.
    fn take_addressed(&mut self, incoming: &Incoming) -> Option<Call> {
        let to = message::to(&incoming.request.headers)?;
        let id = self.with_local_tag(to.tag()?)?;
        let call = self.call(id)?;
        (call.dialog.matches(&incoming.request) && may_speak(call, incoming)).then_some(())?;
        self.take(id)
    }

    /// Answers the INVITE of a call that its caller takes back.
    fn terminate_invite(&mut self, call: &Call, effects: &mut Vec<Effect>) {
        if let State::Invited { invite, .. } = &call.state {
            let response = message::refusal(
                &self.identity,
                &invite.request,
                &Refusal::RequestTerminated,
                &call.local_tag,
            );
            respond(&invite.key, response, effects);
        }
        self.tell(SipEvent::Cancelled { dialog: call.id });
    }

    /// Tells the consumer, unless it has hung up already.
    fn tell_ended(&mut self, call: &Call, reason: EndReason) {
        match &call.state {
            State::Accepted {
                hanging_up: true, ..
            } => {}
            State::Accepted { .. }
            | State::Invited { .. }
            | State::Calling { .. }
            | State::Cancelling { .. }
            | State::Confirmed { .. } => self.tell(SipEvent::Ended {
                dialog: call.id,
                reason,
            }),
        }
    }

    /// Sends a 2xx and keeps it until its ACK.
    fn unacknowledged(
        &self,
        now: Instant,
        answered: &Pending,
        response: Response,
        effects: &mut Vec<Effect>,
    ) -> Unacknowledged {
        let request = &answered.request;
        respond(&answered.key, Some(response.clone()), effects);
        Unacknowledged::new(
            now,
            self.pace,
            answered.key.clone(),
            response,
            message::sequence(&request.headers),
            policy::description(&request.headers, request.body()).is_none(),
        )
    }

    fn try_on(&self, key: &TransactionKey, request: &Request, effects: &mut Vec<Effect>) {
        let trying = message::response(&self.identity, request, 100, "Trying", None)
            .map(ResponseBuilder::build);
        respond(key, trying, effects);
    }

    /// Begins a response that establishes or refreshes the dialog.
    fn begin_establishing(
        &self,
        call: &Call,
        request: &Request,
        status: u16,
        reason: &str,
    ) -> Option<ResponseBuilder> {
        let tag = Some(call.local_tag.as_str());
        let builder = message::response(&self.identity, request, status, reason, tag)?;
        message::with_record_route(builder, request)?
            .header(
                HeaderName::Contact,
                self.identity.contact(call.dialog.transport()),
            )
            .ok()
    }

    fn rejection(
        &self,
        request: &Request,
        local_tag: &str,
        rejection: &Rejection,
    ) -> Option<Response> {
        // Anything else would not be a final refusal.
        let status = match rejection.status {
            300..=699 => rejection.status,
            _ => 500,
        };
        let mut builder = message::response(
            &self.identity,
            request,
            status,
            &rejection.reason.replace(['\r', '\n', '\0'], " "),
            Some(local_tag),
        )?;
        for (name, value) in &rejection.headers {
            let name = HeaderName::parse(&bytes::Bytes::from(name.clone()));
            let value = value.replace(['\r', '\n', '\0'], " ");
            builder = builder.header(name, value).ok()?;
        }
        Some(builder.build())
    }

    pub(crate) fn ok(&self, request: &Request, local_tag: Option<&str>) -> Option<ResponseBuilder> {
        message::response(&self.identity, request, 200, "OK", local_tag)
    }

    /// What we can do, as OPTIONS asks (RFC 3261 §11.2).
    fn capabilities(&mut self, request: &Request) -> Option<Response> {
        let tag = self.draw_token();
        let builder = self
            .ok(request, Some(&tag))?
            .header(HeaderName::Allow, policy::ALLOW)
            .ok()?
            .header(HeaderName::Accept, "application/sdp")
            .ok()?
            .header(HeaderName::AcceptEncoding, "identity")
            .ok()?
            .header(HeaderName::AcceptLanguage, "en")
            .ok()?
            .header(HeaderName::Supported, "")
            .ok()?;
        Some(builder.build())
    }
}

fn origin(request: &Request) -> Origin {
    Origin {
        call_id: message::call_id(&request.headers).to_vec(),
        from_tag: message::from(&request.headers).and_then(|from| from.tag().map(<[u8]>::to_vec)),
        sequence: message::sequence(&request.headers),
    }
}

/// Tags alone are not enough over UDP, where anybody can claim any source but rarely hears what
/// is answered there.
fn may_speak(call: &Call, incoming: &Incoming) -> bool {
    incoming.transport != TransportKind::Udp || call.dialog.may_come_from(incoming.source.ip())
}
