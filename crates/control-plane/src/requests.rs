//! What applications ask for from outside a call.

use tutti_model::{AccountId, CallId, CloseReason, ConferenceId};

use crate::conference::{Conference, Leaving};
use crate::facts::{ConferenceRecord, ConferenceStatus};
use crate::input::{
    CallChange, ConferenceChange, ConferenceOptions, GainsChange, ParticipantChange, Refusal,
    Reply, RequestedStatus,
};
use crate::plane::ControlPlane;
use crate::turn::Turn;

impl ControlPlane {
    /// Creates an empty conference; `action_url` is set where a script asks.
    pub(crate) fn create_conference(
        &mut self,
        turn: &mut Turn,
        account: AccountId,
        options: ConferenceOptions,
        action_url: Option<String>,
    ) -> Result<ConferenceRecord, Refusal> {
        if self.conferences.len() >= self.limits.conferences {
            return Err(Refusal::BridgeFull);
        }
        if self.conferences_of(account) >= self.limits.conferences_per_account {
            return Err(Refusal::TooManyConferences);
        }
        let record = ConferenceRecord {
            id: self.ids.conference(),
            account,
            alias: options.alias,
            play_beep: options.play_beep,
            record: options.record,
            status: ConferenceStatus::Empty,
            wait_url: options.wait_url,
            action_url,
            status_callback_url: options.status_callback_url,
            revision: 1,
            created: turn.now,
            updated: turn.now,
        };
        let conference = Conference::open(turn, record.clone());
        self.conferences.insert(record.id, conference);
        Ok(record)
    }

    pub(crate) fn update_conference(
        &mut self,
        turn: &mut Turn,
        account: AccountId,
        id: ConferenceId,
        change: ConferenceChange,
    ) -> Result<Reply, Refusal> {
        self.conference(account, id)?;
        if let Some(conference) = self.conferences.get_mut(&id) {
            conference.change(turn, change.alias, change.play_beep);
        }
        match change.status {
            None => {}
            Some(RequestedStatus::Empty) => self.empty_conference(turn, id),
            Some(RequestedStatus::Terminated) => return self.terminate_conference(turn, id),
        }
        Ok(Reply::Conference(
            self.conference(account, id)?.record().clone(),
        ))
    }

    pub(crate) fn update_participant(
        &mut self,
        turn: &mut Turn,
        account: AccountId,
        id: ConferenceId,
        call: CallId,
        change: ParticipantChange,
    ) -> Result<Reply, Refusal> {
        self.conference(account, id)?;
        self.conferences
            .get_mut(&id)
            .and_then(|conference| conference.change_participant(turn, call, change))
            .map(Reply::Participant)
            .ok_or(Refusal::NoSuchParticipant)
    }

    pub(crate) fn update_gains(
        &mut self,
        turn: &mut Turn,
        account: AccountId,
        id: ConferenceId,
        call: CallId,
        change: GainsChange,
    ) -> Result<Reply, Refusal> {
        self.conference(account, id)?;
        self.conferences
            .get_mut(&id)
            .and_then(|conference| conference.change_gains(turn, call, change))
            .map(Reply::ParticipantNow)
            .ok_or(Refusal::NoSuchParticipant)
    }

    pub(crate) fn look_at_participant(
        &self,
        account: AccountId,
        id: ConferenceId,
        call: CallId,
    ) -> Result<Reply, Refusal> {
        self.conference(account, id)?
            .participant_now(call)
            .cloned()
            .map(Reply::ParticipantNow)
            .ok_or(Refusal::NoSuchParticipant)
    }

    pub(crate) fn remove_participant(
        &mut self,
        turn: &mut Turn,
        account: AccountId,
        id: ConferenceId,
        call: CallId,
    ) -> Result<Reply, Refusal> {
        if self.conference(account, id)?.participant(call).is_none() {
            return Err(Refusal::NoSuchParticipant);
        }
        let reason = CloseReason::RemovedFromConference;
        self.unbridge(turn, call, reason, Leaving::Alone);
        Ok(Reply::Done)
    }

    /// Ends a call.
    pub(crate) fn update_call(
        &mut self,
        turn: &mut Turn,
        account: AccountId,
        id: CallId,
        change: CallChange,
    ) -> Result<Reply, Refusal> {
        self.calls
            .get(&id)
            .filter(|call| call.record().account == account)
            .ok_or(Refusal::NoSuchCall)?;
        match change {
            CallChange::Canceled | CallChange::Completed => self.give_up(turn, id),
        }
        Ok(Reply::Done)
    }

    fn conferences_of(&self, account: AccountId) -> usize {
        self.conferences
            .values()
            .filter(|conference| conference.record().account == account)
            .count()
    }
}
