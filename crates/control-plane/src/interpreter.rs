//! How scripts run (FreeClimb API, "PerCL").
//!
//! Commands run one after another until one waits, hands the call over, or ends it. What follows a
//! terminal command never runs. A script that simply ends hangs up; in a conference, where call
//! control has asked for it, its call is with the others again; and a call that waits asks for the next.
//!
//! A call that came in is unanswered only while its first script plays early media, and while the
//! first other command is due: `Reject` refuses it, `Pause` lets it ring on, `Unsupported` fails
//! before anybody pays for an answer, and everything else answers it first.

use std::time::Duration;

use tutti_model::{CallId, CloseReason, PromptId, PromptOutcome};

use crate::call::{Activity, Call, Place, Program};
use crate::deadline::DeadlineReason;
use crate::effect::LogLevel;
use crate::input::{ConferenceOptions, ParticipantChange, Refusal, ScriptFailure};
use crate::plane::ControlPlane;
use crate::pressing::AfterKeys;
use crate::script::{AddToConference, Command, CreateConference, Keystroke, Script};
use crate::turn::Turn;
use crate::waiting::check_place;
use crate::webhook::Webhook;

/// How long a caller may take to confirm an answer (SIP: ACK; RFC 3261 §13.3.1.4, 64*T1).
const CONFIRMATION: Duration = Duration::from_secs(32);

/// What becomes of the script after a command.
pub(crate) enum Next {
    GoOn,
    AwaitPrompt {
        prompt: PromptId,
        /// Why it cannot be heard is not for the log.
        private: bool,
    },
    Pause(Duration),
    /// At least one key, or a wait.
    Press(Vec<Keystroke>),
    /// The call has been handed over, or is no more.
    Over,
}

impl ControlPlane {
    /// Runs the outcome of an exchange; one that the call does not wait for is out of date.
    pub(crate) fn script_arrived(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        exchange: u64,
        outcome: Result<Script, ScriptFailure>,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if !call.take_exchange(exchange) {
            return;
        }
        turn.because_of(call.request());
        match outcome {
            Ok(script) if script.commands.is_empty() => self.empty_script(turn, id),
            Ok(script) => {
                match script.commands.first() {
                    // Its webhook tells what was asked before.
                    Some(Command::Redirect { .. }) => {}
                    Some(_) | None => drop(call.take_question()),
                }
                self.run(turn, id, script.commands.into_iter());
            }
            Err(ScriptFailure::Unreachable(text)) => {
                call.log(turn, LogLevel::Error, text);
                self.hang_up(turn, id, CloseReason::WebhookFailed);
            }
            Err(ScriptFailure::Invalid(text)) => {
                call.log(turn, LogLevel::Error, text);
                self.hang_up(turn, id, CloseReason::WebhookInvalidResponse);
            }
        }
    }

    /// Goes on after a prompt, heard or not.
    pub(crate) fn prompt_finished(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        prompt: PromptId,
        outcome: PromptOutcome,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let private = call.awaited_prompt().is_some_and(|(_, private)| private);
        let Some(activity) = call.take_activity_after(prompt) else {
            return;
        };
        turn.because_of(call.request());
        match outcome {
            PromptOutcome::Played => {}
            PromptOutcome::Failed(why) => {
                let text = if private {
                    "a prompt was not heard".to_owned()
                } else {
                    format!("a prompt was not heard: {why}")
                };
                call.log(turn, LogLevel::Warning, text);
            }
        }
        match activity {
            Activity::Prompting { program, .. } => self.run(turn, id, program),
            Activity::GettingDigits(input) => self.digits_prompt_over(turn, id, input),
            Activity::Speaking(utterance) => self.utterance_prompt_over(turn, id, *utterance),
            other => call.wait_for(other),
        }
    }

    /// Goes on after a pause; one that came first has delayed the answer until now.
    pub(crate) fn pause_over(&mut self, turn: &mut Turn, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(program) = call.take_paused_program() else {
            return;
        };
        if !call.is_answered() {
            self.answer(turn, id);
        }
        self.run(turn, id, program);
    }

    /// Answers a call, and expects the caller to confirm it.
    pub(crate) fn answer(&mut self, turn: &mut Turn, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.answer(turn);
            let latest = turn.now + CONFIRMATION;
            self.deadlines
                .set(id, DeadlineReason::AwaitingConfirmation, latest);
        }
    }

    /// Runs what is left of a script, until it waits for something.
    pub(crate) fn run(&mut self, turn: &mut Turn, id: CallId, mut program: Program) {
        while let Some(command) = program.next() {
            let next = self.execute(turn, id, command);
            let Some(call) = self.calls.get_mut(&id) else {
                return;
            };
            match next {
                Next::GoOn => {}
                Next::AwaitPrompt { prompt, private } => {
                    return call.wait_for(Activity::Prompting {
                        prompt,
                        private,
                        program,
                    });
                }
                Next::Press(keys) => return self.press(turn, id, keys, AfterKeys::Script(program)),
                Next::Pause(length) => {
                    call.pause(program);
                    let over = turn.now + length;
                    return self.deadlines.set(id, DeadlineReason::PauseOver, over);
                }
                Next::Over => return,
            }
        }
        self.script_over(turn, id);
    }

    /// Stops what a call's script does; nobody waits for it any more, and nothing runs then.
    pub(crate) fn interrupt(&mut self, turn: &mut Turn, id: CallId) {
        self.deadlines.forget_script(id);
        if let Some(call) = self.calls.get_mut(&id) {
            call.interrupt(turn);
        }
    }

    /// Goes on after a script that has run to its end.
    pub(crate) fn script_over(&mut self, turn: &mut Turn, id: CallId) {
        match self.calls.get(&id).map(Call::place) {
            Some(Place::Alone) => self.hang_up(turn, id, CloseReason::AppHangup),
            // It is with the others again.
            Some(Place::InConference(_)) => {}
            Some(Place::Parked(_) | Place::Queued { .. }) => self.wait_on(turn, id),
            None => {}
        }
    }

    /// Goes on after a script in which there was nothing.
    fn empty_script(&mut self, turn: &mut Turn, id: CallId) {
        match self.calls.get(&id).map(Call::place) {
            Some(Place::Alone) => self.hang_up(turn, id, CloseReason::AppNoPercl),
            Some(Place::InConference(_)) => {}
            Some(Place::Parked(_) | Place::Queued { .. }) => self.wait_on_in_silence(turn, id),
            None => {}
        }
    }

    fn execute(&mut self, turn: &mut Turn, id: CallId, command: Command) -> Next {
        let Some(call) = self.calls.get(&id) else {
            return Next::Over;
        };
        if let Err(why) = check_place(call.place(), &command) {
            return self.fail(turn, id, &format!("{}: {why}", command.name()));
        }
        let conference = call.conference();
        let unanswered = !call.is_answered();
        if unanswered && answers(&command) {
            self.answer(turn, id);
        }
        match command {
            Command::GetDigits(_)
            | Command::RecordUtterance(_)
            | Command::TranscribeUtterance(_)
                if conference.is_some() =>
            {
                let text = format!("{}: the call is in a conference", command.name());
                self.fail(turn, id, &text)
            }
            Command::Say(command) => self.run_say(turn, id, command),
            Command::Play(command) => self.run_play(turn, id, command),
            Command::PlayEarlyMedia { file } => self.run_play_early_media(turn, id, file),
            Command::GetDigits(command) => self.run_get_digits(turn, id, command),
            Command::RecordUtterance(command) => self.run_record_utterance(turn, id, command),
            Command::TranscribeUtterance(command) => {
                self.run_transcribe_utterance(turn, id, command)
            }
            Command::StartRecordCall => self.run_start_record_call(turn, id),
            Command::SendDigits { digits, private: _ } if digits.is_empty() => Next::GoOn,
            Command::SendDigits { digits, private: _ } => Next::Press(digits),
            Command::SetTalk { talk, call } => {
                let change = ParticipantChange {
                    talk: Some(talk),
                    ..ParticipantChange::default()
                };
                self.run_change_participant(turn, id, "SetTalk", call, change)
            }
            Command::SetListen { listen, call } => {
                let change = ParticipantChange {
                    listen: Some(listen),
                    ..ParticipantChange::default()
                };
                self.run_change_participant(turn, id, "SetListen", call, change)
            }
            Command::SetDtmfPassThrough { dtmf_pass_through } => {
                let change = ParticipantChange {
                    dtmf_pass_through: Some(dtmf_pass_through),
                    ..ParticipantChange::default()
                };
                self.run_change_participant(turn, id, "SetDTMFPassThrough", None, change)
            }
            Command::Pause { length } => Next::Pause(length),
            Command::CreateConference(command) => self.run_create_conference(turn, id, command),
            Command::AddToConference(command) => self.run_add_to_conference(turn, id, command),
            Command::Redirect { action_url } => self.run_redirect(turn, id, action_url),
            Command::Reject { reason } if unanswered => {
                self.note(turn, id, "Reject", reason);
                self.hang_up(turn, id, CloseReason::AppReject);
                Next::Over
            }
            Command::Reject { .. } => {
                self.warn(turn, id, "Reject: the call is answered already");
                Next::GoOn
            }
            Command::Hangup { reason, call } => self.run_hang_up(turn, id, reason, call),
            Command::RemoveFromConference { call } => {
                self.run_remove_from_conference(turn, id, call)
            }
            Command::TerminateConference { conference } => {
                self.run_terminate_conference(turn, id, conference)
            }
            Command::OutDial(command) => self.run_out_dial(turn, id, command),
            Command::Park(command) => self.run_park(turn, id, command),
            Command::Unpark => self.run_unpark(turn, id),
            Command::Enqueue(command) => self.run_enqueue(turn, id, command),
            Command::Dequeue => self.run_dequeue(turn, id),
            Command::Unsupported { name } => self.fail(
                turn,
                id,
                &format!("{name}: this command cannot be run here"),
            ),
        }
    }

    fn run_create_conference(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        command: CreateConference,
    ) -> Next {
        let Some(account) = self.calls.get(&id).map(|call| call.record().account) else {
            return Next::Over;
        };
        let options = ConferenceOptions {
            alias: command.alias,
            play_beep: command.play_beep,
            record: command.record,
            wait_url: command.wait_url,
            status_callback_url: command.status_callback_url,
        };
        let action_url = Some(command.action_url.clone());
        let conference = match self.create_conference(turn, account, options, action_url) {
            Ok(record) => record.id,
            Err(refusal) => return self.fail(turn, id, &format!("CreateConference: {refusal}")),
        };
        if let Some(call) = self.calls.get_mut(&id) {
            let webhook = Webhook::CreateConference {
                call: call.context(),
                conference,
            };
            call.ask(turn, self.ids.exchange(), command.action_url, webhook);
        }
        Next::Over
    }

    fn run_add_to_conference(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        command: AddToConference,
    ) -> Next {
        if let Some(other) = command.call.filter(|named| *named != id) {
            let text = format!("AddToConference: a call can add only itself, and not {other}");
            return self.fail(turn, id, &text);
        }
        let from = self.calls.get(&id).and_then(Call::conference);
        if from == Some(command.conference) {
            self.warn(turn, id, "AddToConference: the call is in it already");
            return Next::GoOn;
        }
        match self.check_admission(id, &command) {
            Ok(()) => {
                self.move_out(turn, id);
                self.bridge(turn, id, command);
                Next::Over
            }
            Err(refusal) => self.fail(turn, id, &format!("AddToConference: {refusal}")),
        }
    }

    fn check_admission(&self, id: CallId, command: &AddToConference) -> Result<(), Refusal> {
        let call = self.calls.get(&id).ok_or(Refusal::NoSuchCall)?;
        let conference = self.conference(call.record().account, command.conference)?;
        self.check_room(conference)
    }

    fn run_redirect(&mut self, turn: &mut Turn, id: CallId, action_url: String) -> Next {
        let Some(call) = self.calls.get_mut(&id) else {
            return Next::Over;
        };
        if call.redirect() > self.limits.redirects_per_call {
            let text = "Redirect: the call has followed as many as it may";
            call.log(turn, LogLevel::Error, text.into());
            self.hang_up(turn, id, CloseReason::MaxRedirectsError);
            return Next::Over;
        }
        let webhook = Webhook::Redirect {
            original: call.take_question().map(without_original).map(Box::new),
            call: call.context(),
        };
        call.ask(turn, self.ids.exchange(), action_url, webhook);
        Next::Over
    }

    /// Keeps the reason that a script gives.
    pub(crate) fn note(&self, turn: &mut Turn, id: CallId, command: &str, reason: Option<String>) {
        if let (Some(call), Some(reason)) = (self.calls.get(&id), reason) {
            call.log(turn, LogLevel::Info, format!("{command}: {reason}"));
        }
    }

    /// Tells why a command does nothing.
    pub(crate) fn warn(&self, turn: &mut Turn, id: CallId, text: &str) {
        if let Some(call) = self.calls.get(&id) {
            call.log(turn, LogLevel::Warning, text.to_owned());
        }
    }

    /// Ends a call whose command cannot be run.
    pub(crate) fn fail(&mut self, turn: &mut Turn, id: CallId, text: &str) -> Next {
        if let Some(call) = self.calls.get(&id) {
            call.log(turn, LogLevel::Error, text.to_owned());
        }
        self.hang_up(turn, id, CloseReason::PerclProcessingError);
        Next::Over
    }
}

/// A webhook as another tells of it: of several `Redirect`s in a row, the latest.
fn without_original(webhook: Webhook) -> Webhook {
    match webhook {
        Webhook::Redirect { call, .. } => Webhook::Redirect {
            call,
            original: None,
        },
        other => other,
    }
}

/// Whether a call's very first command answers it.
fn answers(command: &Command) -> bool {
    match command {
        Command::Reject { .. }
        | Command::Pause { .. }
        | Command::PlayEarlyMedia { .. }
        | Command::Unsupported { .. } => false,
        Command::Say(_)
        | Command::Play(_)
        | Command::GetDigits(_)
        | Command::RecordUtterance(_)
        | Command::TranscribeUtterance(_)
        | Command::StartRecordCall
        | Command::SendDigits { .. }
        | Command::OutDial(_)
        | Command::Park(_)
        | Command::Unpark
        | Command::Enqueue(_)
        | Command::Dequeue
        | Command::SetTalk { .. }
        | Command::SetListen { .. }
        | Command::SetDtmfPassThrough { .. }
        | Command::CreateConference(_)
        | Command::AddToConference(_)
        | Command::RemoveFromConference { .. }
        | Command::TerminateConference { .. }
        | Command::Redirect { .. }
        | Command::Hangup { .. } => true,
    }
}
