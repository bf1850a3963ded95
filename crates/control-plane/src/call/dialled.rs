//! What only a call that we place has.

use super::Call;
use crate::dialling::Outbound;
use crate::facts::{AnsweredBy, CallRecord, CallStatus, Direction};
use crate::turn::Turn;
use crate::voice::Listener;
use crate::webhook::Webhook;

impl Call {
    /// A call that we place, with its first record.
    pub(crate) fn place_outbound(
        turn: &mut Turn,
        record: CallRecord,
        status_callback_url: Option<String>,
        outbound: Outbound,
    ) -> Call {
        Call {
            outbound: Some(outbound),
            ..Call::arrive(turn, record, status_callback_url)
        }
    }

    /// Whether we have placed it.
    pub(crate) fn is_outbound(&self) -> bool {
        self.outbound.is_some()
    }

    /// Whether we have placed it and nobody has answered yet.
    pub(crate) fn is_dialled(&self) -> bool {
        self.is_outbound() && !self.is_answered()
    }

    pub(crate) fn outbound_mut(&mut self) -> Option<&mut Outbound> {
        self.outbound.as_mut()
    }

    /// Records that the far end rings; told again, it is no news.
    pub(crate) fn ring(&mut self, turn: &mut Turn) {
        if self.record.status == CallStatus::Queued {
            self.record.status = CallStatus::Ringing;
            self.revise(turn);
        }
    }

    /// Records that the far end has answered.
    pub(crate) fn connect(&mut self, turn: &mut Turn) {
        self.record.status = CallStatus::InProgress;
        self.record.connected = Some(turn.now);
        self.revise(turn);
    }

    /// Records who has answered.
    pub(crate) fn set_answered_by(&mut self, turn: &mut Turn, who: AnsweredBy) {
        self.record.answered_by = Some(who);
        self.revise(turn);
    }

    /// The callConnectUrl and what it is asked or told now; once, and never again.
    pub(crate) fn take_connection(&mut self) -> Option<(String, Webhook)> {
        let url = self.outbound.as_mut()?.call_connect_url.take()?;
        let call = self.context();
        let webhook = match call.direction {
            Direction::OutboundDial => Webhook::OutDialConnect { call },
            Direction::OutboundApi | Direction::Inbound => Webhook::OutDialApiConnect { call },
        };
        Some((url, webhook))
    }

    /// Lets somebody know when the call speaks, or no longer.
    pub(crate) fn watch_voice(&mut self, turn: &mut Turn, who: Listener, on: bool) {
        self.listeners.set(turn, self.record.id, who, on);
    }
}
