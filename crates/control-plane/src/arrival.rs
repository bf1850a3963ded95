//! How calls come in.

use tutti_model::{AccountId, CallId, CloseReason, ConferenceId};

use crate::call::Call;
use crate::deadline::DeadlineReason;
use crate::effect::LogLevel;
use crate::facts::{CallRecord, CallStatus, Direction};
use crate::input::{ApplicationRoute, Refusal, Reply, Route};
use crate::plane::ControlPlane;
use crate::script::AddToConference;
use crate::turn::Turn;
use crate::webhook::Webhook;

/// Who calls whom.
pub(crate) struct Arrival {
    pub(crate) call: CallId,
    pub(crate) account: AccountId,
    pub(crate) from: String,
    pub(crate) to: String,
}

impl ControlPlane {
    /// Takes an incoming call where its route leads. A call arrives once; what repeats is ignored.
    pub(crate) fn call_arrived(
        &mut self,
        turn: &mut Turn,
        arrival: Arrival,
        route: Route,
    ) -> Result<Reply, Refusal> {
        if self.calls.contains_key(&arrival.call) {
            return Ok(Reply::Done);
        }
        if self.draining {
            return Err(Refusal::Draining);
        }
        match route {
            Route::Application(application) => self.ask_application(turn, arrival, application),
            Route::Conference(conference) => self.join_directly(turn, arrival, conference)?,
        }
        Ok(Reply::Done)
    }

    fn ask_application(&mut self, turn: &mut Turn, arrival: Arrival, to: ApplicationRoute) {
        let id = arrival.call;
        let mut record = ringing(turn, arrival);
        record.application = to.application;
        record.number = Some(to.number);
        let mut call = Call::arrive(turn, record, to.status_callback_url);
        match (to.voice_url, to.application) {
            (Some(url), _) => {
                let webhook = Webhook::InboundCall {
                    call: call.context(),
                };
                let exchange = self.ids.exchange();
                call.ask_with_fallback(turn, exchange, url, to.voice_fallback_url, webhook);
                self.admit(turn, call);
            }
            (None, Some(_)) => {
                call.log(
                    turn,
                    LogLevel::Error,
                    "the application has no voiceUrl".into(),
                );
                self.admit(turn, call);
                self.hang_up(turn, id, CloseReason::ConfigErrorNoVoiceUrl);
            }
            (None, None) => {
                call.log(
                    turn,
                    LogLevel::Error,
                    "the number has no application".into(),
                );
                self.admit(turn, call);
                self.hang_up(turn, id, CloseReason::ConfigErrorNoApplication);
            }
        }
    }

    /// The conference's identifier is the credential, so its account owns the call.
    fn join_directly(
        &mut self,
        turn: &mut Turn,
        mut arrival: Arrival,
        id: ConferenceId,
    ) -> Result<(), Refusal> {
        let account = match self.conferences.get(&id) {
            Some(conference) => conference.record().account,
            None => self.terminated.account(id).unwrap_or(arrival.account),
        };
        self.check_room(self.conference(account, id)?)?;
        arrival.account = account;
        let call = arrival.call;
        let record = ringing(turn, arrival);
        let arrived = Call::arrive(turn, record, None);
        self.admit(turn, arrived);
        self.answer(turn, call);
        self.bridge(turn, call, direct_join(id));
        Ok(())
    }

    /// Takes a call in.
    pub(crate) fn admit(&mut self, turn: &Turn, call: Call) {
        let id = call.record().id;
        let latest = turn.now + self.limits.call_duration;
        self.deadlines.set(id, DeadlineReason::MaxDuration, latest);
        self.calls.insert(id, call);
    }
}

fn ringing(turn: &Turn, arrival: Arrival) -> CallRecord {
    CallRecord {
        id: arrival.call,
        account: arrival.account,
        application: None,
        parent: None,
        number: None,
        from: arrival.from,
        to: arrival.to,
        direction: Direction::Inbound,
        status: CallStatus::Ringing,
        conference: None,
        queue: None,
        answered_by: None,
        ended_reason: None,
        started: Some(turn.now),
        connected: None,
        ended: None,
        revision: 1,
        created: turn.now,
        updated: turn.now,
    }
}

/// As `AddToConference` with its defaults.
fn direct_join(conference: ConferenceId) -> AddToConference {
    AddToConference {
        conference,
        call: None,
        start_conf_on_enter: true,
        talk: true,
        listen: true,
        dtmf_pass_through: true,
        allow_call_control: false,
        call_control_sequence: None,
        call_control_url: None,
        leave_conference_url: None,
        notification_url: None,
    }
}
