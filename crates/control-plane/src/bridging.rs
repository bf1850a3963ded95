//! How calls come into conferences and out of them.

use tutti_model::{AccountId, CallId, CloseReason, ConferenceId};

use crate::call::{EndedBy, Membership};
use crate::call_control::CallControl;
use crate::conference::{Conference, Leaving};
use crate::effect::LogLevel;
use crate::input::{Refusal, Reply};
use crate::plane::ControlPlane;
use crate::script::AddToConference;
use crate::turn::Turn;
use crate::webhook::Webhook;

impl ControlPlane {
    /// An account's conference, or why there is none.
    pub(crate) fn conference(
        &self,
        account: AccountId,
        id: ConferenceId,
    ) -> Result<&Conference, Refusal> {
        match self.conferences.get(&id) {
            Some(conference) if conference.record().account == account => Ok(conference),
            Some(_) => Err(Refusal::NoSuchConference),
            None if self.terminated.account(id) == Some(account) => {
                Err(Refusal::ConferenceTerminated)
            }
            None => Err(Refusal::NoSuchConference),
        }
    }

    /// Whether one more may join.
    pub(crate) fn check_room(&self, conference: &Conference) -> Result<(), Refusal> {
        if conference.participant_count() < self.limits.participants() {
            Ok(())
        } else {
            Err(Refusal::ConferenceFull)
        }
    }

    /// Bridges an answered call into a conference that has room for it.
    pub(crate) fn bridge(&mut self, turn: &mut Turn, id: CallId, how: AddToConference) {
        let (Some(call), Some(conference)) = (
            self.calls.get_mut(&id),
            self.conferences.get_mut(&how.conference),
        ) else {
            return;
        };
        conference.join(turn, &mut self.ids, &mut self.recordings, id, &how);
        let call_control = CallControl::agreed(&how);
        if how.allow_call_control && call_control.is_none() {
            let text = "AddToConference: call control needs a sequence of keys and a URL";
            call.log(turn, LogLevel::Warning, text.into());
        }
        let membership = Membership {
            conference: how.conference,
            leave_conference_url: how.leave_conference_url,
            call_control,
        };
        call.enter_conference(turn, membership);
        if let Some(url) = how.notification_url {
            let webhook = Webhook::AddToConferenceNotification {
                call: call.context(),
                conference: how.conference,
            };
            call.notify(turn, url, webhook);
        }
    }

    /// Takes a call out of its conference: it goes on at its leaveConferenceUrl, or it ends.
    pub(crate) fn unbridge(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        reason: CloseReason,
        leaving: Leaving,
    ) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let (Some(left), Some(url)) = (
            call.conference(),
            call.leave_conference_url().map(str::to_owned),
        ) else {
            return self.end_call(turn, id, reason, EndedBy::Bridge, leaving);
        };
        let webhook = Webhook::LeaveConference {
            call: call.context(),
            conference: left,
        };
        self.interrupt(turn, id);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.leave_conference(turn);
        if let Some(conference) = self.conferences.get_mut(&left) {
            conference.leave(turn, id, leaving);
        }
        call.ask(turn, self.ids.exchange(), url, webhook);
    }

    /// Takes a call out of its conference that goes straight on with something else: its
    /// leaveConferenceUrl is told, and not asked.
    pub(crate) fn move_out(&mut self, turn: &mut Turn, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(left) = call.conference() else {
            return;
        };
        if let Some(url) = call.leave_conference_url().map(str::to_owned) {
            let webhook = Webhook::LeaveConference {
                call: call.context(),
                conference: left,
            };
            call.notify(turn, url, webhook);
        }
        call.leave_conference(turn);
        if let Some(conference) = self.conferences.get_mut(&left) {
            conference.leave(turn, id, Leaving::Alone);
        }
    }

    /// Takes everybody out of a conference; the calls that cannot go on end.
    pub(crate) fn empty_conference(&mut self, turn: &mut Turn, id: ConferenceId) {
        for call in self.calls_in(id) {
            self.unbridge(
                turn,
                call,
                CloseReason::ConferenceEmptied,
                Leaving::Together,
            );
        }
    }

    /// Ends a conference for good, and the calls in it.
    pub(crate) fn terminate_conference(
        &mut self,
        turn: &mut Turn,
        id: ConferenceId,
    ) -> Result<Reply, Refusal> {
        for call in self.calls_in(id) {
            let reason = CloseReason::ConferenceTerminated;
            self.end_call(turn, call, reason, EndedBy::Bridge, Leaving::Together);
        }
        let conference = self.conferences.remove(&id);
        let record = conference.ok_or(Refusal::NoSuchConference)?.terminate(turn);
        self.terminated.remember(id, record.account);
        Ok(Reply::Conference(record))
    }

    fn calls_in(&self, id: ConferenceId) -> Vec<CallId> {
        self.conferences
            .get(&id)
            .map(|conference| conference.participants().map(|p| p.call).collect())
            .unwrap_or_default()
    }
}
