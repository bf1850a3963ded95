//! Which SIP dialog is which call, and what each side says to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use tutti_control_plane::{Input, Refusal, Route};
use tutti_model::{CallId, CloseReason, Codec, ConferenceId, MediaDescription};
use tutti_sip::sdp::{self, LocalMedia};
use tutti_sip::{DialogId, EndReason, Endpoint, SipEvent};

use super::ControlLoop;
use super::handle::Message;
use super::outbound::Placing;
use super::routing::{self, Destination, Routed};

/// The codecs that legs may use: those that we offer, the preferred one first, and those that trunks
/// and tests ask for.
pub(super) const CODECS: [Codec; 6] = [
    Codec::Opus,
    Codec::G722,
    Codec::Pcmu,
    Codec::Pcma,
    Codec::L16At16,
    Codec::L16At48,
];

/// How many of them we offer ourselves.
const OFFERED: usize = 4;

/// A call whose INVITE is being looked into.
struct Arrival {
    from: String,
    to: String,
    source: SocketAddr,
    offer: Option<Bytes>,
}

/// A call's dialog and what was said about its audio.
pub(super) struct CallDialog {
    pub(super) dialog: DialogId,
    pub(super) local: LocalMedia<'static>,
    /// Our answer, or our offer where the INVITE had none or is ours.
    pub(super) sdp: String,
    /// The INVITE had no offer: the ACK's SDP tells what the peer wants.
    pub(super) awaits_answer: bool,
    /// The INVITE had no offer, and ours goes out with the answer that is still to be given.
    pub(super) offers_with_answer: bool,
    /// We place the call, and nobody has answered yet.
    pub(super) placing: Option<Placing>,
}

/// Knows the dialogs of calls.
pub(super) struct Signalling {
    sip: Endpoint,
    pub(super) media_ip: IpAddr,
    direct_join: bool,
    arrivals: BTreeMap<DialogId, Arrival>,
    /// Calls that we are to place and whose way is not known yet.
    pub(super) finding: BTreeSet<CallId>,
    dialogs: BTreeMap<CallId, CallDialog>,
    calls: BTreeMap<DialogId, CallId>,
}

impl Signalling {
    pub(super) fn new(sip: Endpoint, media_ip: IpAddr, direct_join: bool) -> Signalling {
        Signalling {
            sip,
            media_ip,
            direct_join,
            arrivals: BTreeMap::new(),
            finding: BTreeSet::new(),
            dialogs: BTreeMap::new(),
            calls: BTreeMap::new(),
        }
    }

    /// Learns which dialog a call has.
    pub(super) fn remember(&mut self, call: CallId, dialog: CallDialog) {
        self.calls.insert(dialog.dialog, call);
        self.dialogs.insert(call, dialog);
    }

    /// The call of a dialog, and what is known of it.
    pub(super) fn call_of(&mut self, dialog: DialogId) -> Option<(CallId, &mut CallDialog)> {
        let &call = self.calls.get(&dialog)?;
        Some((call, self.dialogs.get_mut(&call)?))
    }

    /// Lets a caller hear prompts before the answer; says whether that can be.
    pub(super) async fn early_media(&self, call: CallId) -> bool {
        match self.dialogs.get(&call) {
            // An INVITE without an offer gets ours with the answer: before it, nothing is agreed.
            Some(known) if !known.awaits_answer => {
                self.sip.early_media(known.dialog, known.sdp.clone()).await;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether a caller cannot hear anything before the answer, because nothing is agreed with it.
    pub(super) fn is_deaf(&self, call: CallId) -> bool {
        let known = self.dialogs.get(&call);
        known.is_some_and(|known| known.offers_with_answer)
    }

    pub(super) async fn answer(&mut self, call: CallId) {
        if let Some(known) = self.dialogs.get_mut(&call) {
            known.offers_with_answer = false;
            self.sip.answer(known.dialog, known.sdp.clone()).await;
        }
    }

    pub(super) async fn reject(&mut self, call: CallId, reason: CloseReason) {
        if let Some(known) = self.dialogs.get(&call) {
            let (status, phrase) = status_of(reason);
            self.sip.reject(known.dialog, status, phrase, &[]).await;
        }
    }

    /// Ends a call, or gives up one that we place.
    pub(super) async fn hang_up(&mut self, call: CallId) {
        self.finding.remove(&call);
        if let Some(known) = self.dialogs.get(&call) {
            self.sip.hang_up(known.dialog).await;
        }
    }

    /// Forgets a call whose leg has been closed.
    pub(super) fn forget(&mut self, call: CallId) {
        self.finding.remove(&call);
        if let Some(known) = self.dialogs.remove(&call) {
            self.calls.remove(&known.dialog);
        }
    }
}

impl ControlLoop {
    pub(super) async fn sip_event(&mut self, event: SipEvent) {
        match event {
            SipEvent::Invite {
                dialog,
                from_user,
                request_user,
                source,
                offer,
                call_id_header: _,
                to_user: _,
            } => {
                let arrival = Arrival {
                    from: from_user,
                    to: request_user,
                    source,
                    offer,
                };
                self.invited(dialog, arrival).await;
            }
            SipEvent::Acknowledged { dialog, answer } => self.acknowledged(dialog, answer).await,
            SipEvent::Cancelled { dialog } => {
                self.signalling.arrivals.remove(&dialog);
                if let Some(call) = self.signalling.calls.remove(&dialog) {
                    self.signalling.dialogs.remove(&call);
                    self.call_gone(call, CloseReason::CallCanceled).await;
                }
            }
            SipEvent::Reinvite { dialog, offer } => self.reinvited(dialog, offer).await,
            SipEvent::Ended { dialog, reason } => {
                if let Some(call) = self.signalling.calls.remove(&dialog) {
                    self.signalling.dialogs.remove(&call);
                    match reason {
                        EndReason::HungUp | EndReason::NotAcknowledged => {
                            self.call_gone(call, CloseReason::FarEndHangup).await;
                        }
                    }
                }
            }
            SipEvent::Digit { dialog, digit } => {
                if let Some(&call) = self.signalling.calls.get(&dialog) {
                    self.happen(Input::KeySignalled { call, digit }).await;
                }
            }
            SipEvent::Progress {
                dialog,
                status,
                body,
            } => self.progressed(dialog, status, body).await,
            SipEvent::Answered { dialog, answer } => self.picked_up(dialog, answer).await,
            SipEvent::Failed {
                dialog,
                status,
                reason,
            } => self.not_picked_up(dialog, status, &reason).await,
        }
    }

    /// Lets a caller hear the prompts of a call that is not answered yet.
    pub(super) async fn early_media(&mut self, call: CallId) {
        if self.signalling.early_media(call).await {
            self.workplace.director.early(call);
        }
    }

    /// Finds out where a call leads: a conference is known here, a number is known to the store.
    async fn invited(&mut self, dialog: DialogId, arrival: Arrival) {
        if self.plane.is_draining() || !self.workplace.director.has_room() {
            return self.unavailable(dialog).await;
        }
        let dialled = arrival.to.clone();
        self.signalling.arrivals.insert(dialog, arrival);
        let conference = dialled.parse::<ConferenceId>().ok();
        let account = conference.and_then(|conference| self.plane.account_of(conference));
        let destination = match (conference, account) {
            (Some(conference), Some(account)) if self.signalling.direct_join => {
                Destination::Conference(conference, account)
            }
            (Some(_), Some(_) | None) => return self.routed(dialog, Routed::Nowhere).await,
            (None, _) => Destination::Number(dialled),
        };
        let (store, messages) = (self.workplace.store.clone(), self.messages.clone());
        tokio::spawn(async move {
            let routed = routing::route(&store, destination).await;
            let _ = messages.send(Message::Routed { dialog, routed }).await;
        });
    }

    /// Agrees on audio with a call that leads somewhere, and lets it arrive.
    pub(super) async fn routed(&mut self, dialog: DialogId, routed: Routed) {
        // Gone when the caller gave up meanwhile.
        let Some(arrival) = self.signalling.arrivals.remove(&dialog) else {
            return;
        };
        let sip = self.workplace.sip.clone();
        let (account, route) = match routed {
            Routed::To { account, route } => (account, route),
            Routed::Nowhere => return sip.reject(dialog, 404, "Not Found", &[]).await,
            Routed::AccountInactive => return sip.reject(dialog, 403, "Forbidden", &[]).await,
            Routed::Unknown(error) => {
                tracing::error!(%error, "a call cannot be routed");
                return sip.reject(dialog, 500, "Server Internal Error", &[]).await;
            }
        };
        // Others may have taken the last place while this call was routed.
        if !self.workplace.director.has_room() {
            return self.unavailable(dialog).await;
        }
        let leg = match self.workplace.director.offer_leg() {
            Ok(leg) => leg,
            Err(error) => {
                tracing::error!(%error, "a call finds no port");
                return self.unavailable(dialog).await;
            }
        };
        let local = LocalMedia {
            ip: self.signalling.media_ip,
            rtp_port: leg.rtp_port,
            rtcp_port: leg.rtp_port + 1,
            codecs: &CODECS,
            session_id: u64::from(rand::random::<u32>()),
            version: 1,
        };
        let agreed: Option<(MediaDescription, String)> = match &arrival.offer {
            None => None,
            Some(offer) => match sdp::answer_offer(offer, &local) {
                Ok(agreed) => Some(agreed),
                Err(refusal) => {
                    tracing::info!(%refusal, "an offer is refused");
                    return sip
                        .reject(dialog, refusal.status(), "Not Acceptable Here", &[])
                        .await;
                }
            },
        };
        let (description, sdp) = match agreed {
            Some((description, answer)) => (Some(description), answer),
            None => (None, our_offer(&local)),
        };

        let call = CallId::from_bytes(rand::random());
        let awaits_answer = description.is_none();
        self.signalling.remember(
            call,
            CallDialog {
                dialog,
                local,
                sdp,
                awaits_answer,
                offers_with_answer: awaits_answer,
                placing: None,
            },
        );
        self.workplace
            .director
            .add_leg(call, leg, arrival.source.ip(), description);
        let to = match route {
            Route::Application(_) if !arrival.to.starts_with('+') => format!("+{}", arrival.to),
            Route::Application(_) | Route::Conference(_) => arrival.to,
        };
        if matches!(route, Route::Application(_)) {
            // The application may take seconds to answer; the caller hears meanwhile that it rings.
            sip.ringing(dialog).await;
        }
        let input = Input::CallArrived {
            call,
            account,
            from: arrival.from,
            to,
            route,
        };
        if let Err(refusal) = self.handle(None, input).await {
            self.workplace.director.close_leg(call);
            self.signalling.forget(call);
            let (status, phrase) = refusal_status(refusal);
            sip.reject(dialog, status, phrase, &[]).await;
        }
    }

    /// Turns a call away for which there is no room now.
    async fn unavailable(&mut self, dialog: DialogId) {
        let retry_after = [("Retry-After", "10")];
        self.workplace
            .sip
            .reject(dialog, 503, "Service Unavailable", &retry_after)
            .await;
    }

    async fn acknowledged(&mut self, dialog: DialogId, answer: Option<Bytes>) {
        let Some(&call) = self.signalling.calls.get(&dialog) else {
            return;
        };
        if let Some(known) = self.signalling.dialogs.get_mut(&call)
            && known.awaits_answer
        {
            known.awaits_answer = false;
            let described = answer
                .as_deref()
                .map(|answer| sdp::accept_answer(answer, &known.local));
            match described {
                Some(Ok(description)) => self.workplace.director.describe_leg(call, description),
                Some(Err(_)) | None => {
                    // Nothing was agreed, so nothing can be heard: the call makes no sense.
                    self.signalling.hang_up(call).await;
                    self.call_gone(call, CloseReason::Failed).await;
                    return;
                }
            }
        }
        self.happen(Input::CallConfirmed { call }).await;
    }

    async fn reinvited(&mut self, dialog: DialogId, offer: Option<Bytes>) {
        let sip = self.workplace.sip.clone();
        let Some(&call) = self.signalling.calls.get(&dialog) else {
            return sip.reject_reinvite(dialog, 481).await;
        };
        let Some(known) = self.signalling.dialogs.get_mut(&call) else {
            return sip.reject_reinvite(dialog, 481).await;
        };
        known.local.version += 1;
        let Some(offer) = offer else {
            known.sdp = our_offer(&known.local);
            known.awaits_answer = true;
            let offer = known.sdp.clone();
            return sip.answer_reinvite(dialog, offer).await;
        };
        match sdp::answer_offer(&offer, &known.local) {
            Ok((description, answer)) => {
                known.sdp.clone_from(&answer);
                self.workplace.director.describe_leg(call, description);
                sip.answer_reinvite(dialog, answer).await;
            }
            Err(refusal) => {
                known.local.version -= 1;
                sip.reject_reinvite(dialog, refusal.status()).await;
            }
        }
    }
}

/// What we offer of ourselves: nothing that only trunks and tests would ask for.
pub(super) fn our_offer(local: &LocalMedia<'static>) -> String {
    sdp::make_offer(&offered(local))
}

/// Our media as our offers have it.
pub(super) fn offered(local: &LocalMedia<'static>) -> LocalMedia<'static> {
    let codecs = local.codecs.get(..OFFERED).unwrap_or(local.codecs);
    LocalMedia { codecs, ..*local }
}

/// The final response that tells a caller why it was not answered.
fn status_of(reason: CloseReason) -> (u16, &'static str) {
    match reason {
        CloseReason::Busy => (486, "Busy Here"),
        CloseReason::AppReject | CloseReason::AppHangup | CloseReason::RemovedFromConference => {
            (603, "Decline")
        }
        CloseReason::NoAnswer => (480, "Temporarily Unavailable"),
        CloseReason::CallCanceled => (487, "Request Terminated"),
        CloseReason::ConferenceTerminated | CloseReason::ConferenceEmptied => (410, "Gone"),
        CloseReason::ConfigErrorNoApplication | CloseReason::ConfigErrorNoVoiceUrl => {
            (404, "Not Found")
        }
        CloseReason::Failed
        | CloseReason::FarEndHangup
        | CloseReason::MachineDetected
        | CloseReason::MaxDuration => (480, "Temporarily Unavailable"),
        CloseReason::AppNoPercl
        | CloseReason::AppInvalidPercl
        | CloseReason::WebhookFailed
        | CloseReason::WebhookInvalidResponse
        | CloseReason::MaxRedirectsError
        | CloseReason::PerclProcessingError
        | CloseReason::InternalError => (500, "Server Internal Error"),
    }
}

/// The final response to a call that the control plane refuses.
fn refusal_status(refusal: Refusal) -> (u16, &'static str) {
    match refusal {
        Refusal::NoSuchConference
        | Refusal::NoSuchParticipant
        | Refusal::NoSuchCall
        | Refusal::NoSuchQueue
        | Refusal::QueueEmpty
        | Refusal::NoSuchMember => (404, "Not Found"),
        Refusal::ConferenceTerminated => (410, "Gone"),
        Refusal::ConferenceFull => (486, "Busy Here"),
        Refusal::TooManyConferences
        | Refusal::BridgeFull
        | Refusal::Draining
        | Refusal::TooManyQueues
        | Refusal::ParentNotLive
        | Refusal::DialledTooFast
        | Refusal::TooManyOutboundCalls
        | Refusal::OutOfMinutes => (503, "Service Unavailable"),
    }
}
