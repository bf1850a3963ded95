//! Calls that we place: from the wish to the answer.
//!
//! The way is found beside the control loop. Only then a leg is taken on and the INVITE sent, so a
//! call that is given up meanwhile is never dialled.

use std::sync::Arc;

use bytes::Bytes;
use tutti_control_plane::{Dial, Input};
use tutti_model::{CallId, CloseReason};
use tutti_sip::DialogId;
use tutti_sip::sdp::{self, LocalMedia};

use super::ControlLoop;
use super::handle::Message;
use super::signalling::{CODECS, CallDialog, offered, our_offer};
use crate::dialling::{NotDialled, Way};

/// The longest reason phrase of a peer that is repeated, in characters.
const MAX_PHRASE_CHARS: usize = 100;

/// What is known of a call that we place before it is answered.
#[derive(Debug, Default)]
pub(super) struct Placing {
    /// The control plane knows that it rings.
    rings: bool,
    /// A provisional response has said what the callee wants to hear.
    described: bool,
}

impl ControlLoop {
    /// Begins to place a call: finds its way.
    pub(super) fn dial(&mut self, dial: Dial) {
        let call = dial.call;
        self.signalling.finding.insert(call);
        let dialling = Arc::clone(&self.workplace.dialling);
        let messages = self.messages.clone();
        tokio::spawn(async move {
            let way = Box::new(dialling.find(&dial).await);
            let _ = messages.send(Message::WayFound { call, way }).await;
        });
    }

    /// Dials a call whose way is known, unless it has been given up.
    pub(super) async fn way_found(&mut self, call: CallId, way: Result<Way, NotDialled>) {
        if !self.signalling.finding.remove(&call) {
            return;
        }
        let placed = match way {
            Ok(way) => self.place(call, way).await,
            Err(refusal) => Err(refusal.to_string()),
        };
        if let Err(detail) = placed {
            self.call_failed(call, CloseReason::Failed, detail).await;
        }
    }

    async fn place(&mut self, call: CallId, way: Way) -> Result<(), String> {
        if self.plane.is_draining() {
            return Err("the bridge is about to stop and places no new calls".to_owned());
        }
        if !self.workplace.director.has_room() {
            return Err("there is no room for another call".to_owned());
        }
        let leg = self.workplace.director.offer_leg();
        let leg = leg.map_err(|error| error.to_string())?;
        let local = LocalMedia {
            ip: self.signalling.media_ip,
            rtp_port: leg.rtp_port,
            rtcp_port: leg.rtp_port + 1,
            codecs: &CODECS,
            session_id: u64::from(rand::random::<u32>()),
            version: 1,
        };
        let offer = our_offer(&local);
        let invitation = tutti_sip::Dial {
            via: Some(way.via),
            transport: way.transport,
            credentials: way.credentials,
            stay_with_peer: way.stay_with_peer,
            ..tutti_sip::Dial::new(way.target, way.from, offer.clone())
        };
        let dialog = self.workplace.sip.dial(invitation).await;
        let dialog = dialog.map_err(|error| error.to_string())?;
        self.signalling.remember(
            call,
            CallDialog {
                dialog,
                local,
                sdp: offer,
                awaits_answer: false,
                offers_with_answer: false,
                placing: Some(Placing::default()),
            },
        );
        self.workplace
            .director
            .add_leg(call, leg, way.via.ip(), None);
        Ok(())
    }

    /// A call that we place goes on: it rings, or lets us hear something already.
    pub(super) async fn progressed(&mut self, dialog: DialogId, status: u16, body: Option<Bytes>) {
        let Some((call, known)) = self.signalling.call_of(dialog) else {
            return;
        };
        let Some(placing) = &mut known.placing else {
            return;
        };
        // Nobody listens yet, so what cannot be understood is no reason to give up.
        let early = body.and_then(|body| sdp::accept_answer(&body, &offered(&known.local)).ok());
        placing.described |= early.is_some();
        let begins_to_ring = matches!(status, 180..=183) && !placing.rings;
        placing.rings |= begins_to_ring;
        if let Some(description) = early {
            // What we send opens the way for what the callee sends.
            self.workplace.director.describe_leg(call, description);
            self.workplace.director.early(call);
        }
        if begins_to_ring {
            self.happen(Input::CallRinging { call }).await;
        }
    }

    /// A call that we placed is answered.
    pub(super) async fn picked_up(&mut self, dialog: DialogId, answer: Option<Bytes>) {
        let Some((call, known)) = self.signalling.call_of(dialog) else {
            return;
        };
        let placing = known.placing.take().unwrap_or_default();
        let described = match answer {
            Some(answer) => sdp::accept_answer(&answer, &offered(&known.local))
                .map(Some)
                .map_err(|refusal| format!("the callee's answer cannot be used: {refusal}")),
            // Some say it once, in what comes before the answer.
            None if placing.described => Ok(None),
            None => Err("the callee answered and said nothing of its audio".to_owned()),
        };
        match described {
            Ok(description) => {
                if let Some(description) = description {
                    self.workplace.director.describe_leg(call, description);
                }
                self.workplace.director.answered(call);
                self.happen(Input::CallAnswered { call }).await;
            }
            Err(detail) => {
                // Nothing was agreed, so nothing can be heard.
                self.signalling.hang_up(call).await;
                self.call_failed(call, CloseReason::Failed, detail).await;
            }
        }
    }

    /// A call that we placed came to nothing.
    pub(super) async fn not_picked_up(&mut self, dialog: DialogId, status: u16, phrase: &str) {
        let Some((call, _)) = self.signalling.call_of(dialog) else {
            return;
        };
        self.signalling.forget(call);
        let (reason, detail) = (reason_of(status), detail_of(status, phrase));
        self.call_failed(call, reason, detail).await;
    }

    async fn call_failed(&mut self, call: CallId, reason: CloseReason, detail: String) {
        tracing::info!(%call, detail, "a call is not placed");
        let input = Input::CallFailed {
            call,
            reason,
            detail,
        };
        self.happen(input).await;
    }
}

/// What a final response says of a call.
fn reason_of(status: u16) -> CloseReason {
    match status {
        486 | 600 => CloseReason::Busy,
        // 487: somebody else gave up, as a phone that rang with others.
        408 | 480 | 487 => CloseReason::NoAnswer,
        _ => CloseReason::Failed,
    }
}

/// A status with its phrase, as far as it is fit to be logged.
fn detail_of(status: u16, phrase: &str) -> String {
    let phrase = phrase.chars().filter(|c| !c.is_control());
    let phrase: String = phrase.take(MAX_PHRASE_CHARS).collect();
    format!("the answer is {status} {}", phrase.trim())
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_and_unanswered_calls_are_told_apart_from_failed_ones() {
        for (status, reason) in [
            (486, CloseReason::Busy),
            (600, CloseReason::Busy),
            (408, CloseReason::NoAnswer),
            (480, CloseReason::NoAnswer),
            (487, CloseReason::NoAnswer),
            (302, CloseReason::Failed),
            (401, CloseReason::Failed),
            (403, CloseReason::Failed),
            (404, CloseReason::Failed),
            (503, CloseReason::Failed),
            (603, CloseReason::Failed),
        ] {
            assert_eq!(reason_of(status), reason, "{status}");
        }
    }

    #[test]
    fn a_peers_phrase_cannot_forge_lines_of_the_log() {
        let phrase = format!("Busy\r\n2026 all is well{}", "!".repeat(500));
        let detail = detail_of(486, &phrase);
        assert!(detail.starts_with("the answer is 486 Busy2026 all is well!"));
        assert!(!detail.contains(char::is_control) && detail.len() < 150);
        assert_eq!(detail_of(480, ""), "the answer is 480");
    }
}
