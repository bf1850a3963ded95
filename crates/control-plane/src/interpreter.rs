//! How scripts run (FreeClimb API, "PerCL").
//!
//! Commands run one after another until one waits, hands the call over, or ends it. What follows a
//! terminal command never runs. A script that simply ends hangs up.
//!
//! A call is unanswered only while the first command of its first script is due: `Reject` refuses
//! it, `Pause` lets it ring on, `Unsupported` fails before anybody pays for an answer, and
//! everything else answers it first.

use std::time::Duration;

use tutti_model::{
    CallId, CloseReason, MediaCommand, PromptId, PromptOutcome, PromptSource, Repeat,
};

use crate::call::Program;
use crate::deadline::DeadlineReason;
use crate::effect::LogLevel;
use crate::input::{ConferenceOptions, Refusal, ScriptFailure};
use crate::plane::ControlPlane;
use crate::script::{AddToConference, Command, CreateConference, Script};
use crate::turn::Turn;
use crate::webhook::Webhook;

/// How long a caller may take to confirm an answer (SIP: ACK; RFC 3261 §13.3.1.4, 64*T1).
const CONFIRMATION: Duration = Duration::from_secs(32);

/// What becomes of the script after a command.
enum Next {
    GoOn,
    AwaitPrompt(PromptId),
    Pause(Duration),
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
            Ok(script) if script.commands.is_empty() => {
                self.hang_up(turn, id, CloseReason::AppNoPercl);
            }
            Ok(script) => self.run(turn, id, script.commands.into_iter()),
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
        let Some(program) = call.take_program_after(prompt) else {
            return;
        };
        turn.because_of(call.request());
        match outcome {
            PromptOutcome::Played => {}
            PromptOutcome::Failed(why) => {
                call.log(
                    turn,
                    LogLevel::Warning,
                    format!("a prompt was not heard: {why}"),
                );
            }
        }
        self.run(turn, id, program);
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

    fn run(&mut self, turn: &mut Turn, id: CallId, mut program: Program) {
        while let Some(command) = program.next() {
            let next = self.execute(turn, id, command);
            let Some(call) = self.calls.get_mut(&id) else {
                return;
            };
            match next {
                Next::GoOn => {}
                Next::AwaitPrompt(prompt) => return call.await_prompt(prompt, program),
                Next::Pause(length) => {
                    call.pause(program);
                    let over = turn.now + length;
                    return self.deadlines.set(id, DeadlineReason::PauseOver, over);
                }
                Next::Over => return,
            }
        }
        self.hang_up(turn, id, CloseReason::AppHangup);
    }

    fn execute(&mut self, turn: &mut Turn, id: CallId, command: Command) -> Next {
        let Some(call) = self.calls.get(&id) else {
            return Next::Over;
        };
        let unanswered = !call.is_answered();
        if unanswered && answers(&command) {
            self.answer(turn, id);
        }
        match command {
            Command::Say { text, .. } if text.is_empty() => Next::GoOn,
            Command::Say {
                text,
                language,
                repeat,
            } => self.prompt(turn, id, PromptSource::Speech { text, language }, repeat),
            Command::Play { file, repeat } => {
                self.prompt(turn, id, PromptSource::Url(file), repeat)
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
            Command::Reject { .. } => Next::GoOn,
            Command::Hangup { reason } => {
                self.note(turn, id, "Hangup", reason);
                self.hang_up(turn, id, CloseReason::AppHangup);
                Next::Over
            }
            // A script runs outside conferences only, so its caller cannot be in one.
            Command::RemoveFromConference => self.fail(
                turn,
                id,
                "RemoveFromConference: the call is not in a conference",
            ),
            Command::TerminateConference => self.fail(
                turn,
                id,
                "TerminateConference: the call is not in a conference",
            ),
            Command::Unsupported { name } => self.fail(
                turn,
                id,
                &format!("{name}: this command cannot be run here"),
            ),
        }
    }

    fn prompt(
        &mut self,
        turn: &mut Turn,
        call: CallId,
        source: PromptSource,
        repeat: Repeat,
    ) -> Next {
        let prompt = self.ids.prompt();
        turn.media(MediaCommand::PlayPrompt {
            call,
            prompt,
            source,
            repeat,
        });
        Next::AwaitPrompt(prompt)
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
        match self.check_admission(id, &command) {
            Ok(()) => {
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
            call: call.context(),
        };
        call.ask(turn, self.ids.exchange(), action_url, webhook);
        Next::Over
    }

    /// Keeps the reason that a script gives.
    fn note(&self, turn: &mut Turn, id: CallId, command: &str, reason: Option<String>) {
        if let (Some(call), Some(reason)) = (self.calls.get(&id), reason) {
            call.log(turn, LogLevel::Info, format!("{command}: {reason}"));
        }
    }

    /// Ends a call whose command cannot be run.
    fn fail(&mut self, turn: &mut Turn, id: CallId, text: &str) -> Next {
        if let Some(call) = self.calls.get(&id) {
            call.log(turn, LogLevel::Error, text.to_owned());
        }
        self.hang_up(turn, id, CloseReason::PerclProcessingError);
        Next::Over
    }
}

/// Whether a call's very first command answers it.
fn answers(command: &Command) -> bool {
    match command {
        Command::Reject { .. } | Command::Pause { .. } | Command::Unsupported { .. } => false,
        Command::Say { .. }
        | Command::Play { .. }
        | Command::CreateConference(_)
        | Command::AddToConference(_)
        | Command::RemoveFromConference
        | Command::TerminateConference
        | Command::Redirect { .. }
        | Command::Hangup { .. } => true,
    }
}
