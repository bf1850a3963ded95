//! Keys that a script waits for (FreeClimb API, "GetDigits").

use std::collections::VecDeque;
use std::mem;

use tutti_model::{CallId, Digit, MediaCommand, PromptId};

use crate::call::Activity;
use crate::deadline::DeadlineReason;
use crate::interpreter::Next;
use crate::plane::ControlPlane;
use crate::prompting::Prompts;
use crate::script::GetDigits;
use crate::turn::Turn;
use crate::webhook::{DigitsReason, Webhook};

/// As many keys are remembered while no script waits for them.
const REMEMBERED: usize = 64;

/// As many keys end an input that no number ends.
const MOST: usize = 1_024;

/// The latest keys that were pressed before a script waits for them, [`REMEMBERED`] of them at most.
#[derive(Default)]
pub(crate) struct TypedAhead(VecDeque<Digit>);

impl TypedAhead {
    pub(crate) fn push(&mut self, digit: Digit) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(digit);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn pop(&mut self) -> Option<Digit> {
        self.0.pop_front()
    }
}

/// A `GetDigits` that is not over.
pub(crate) struct DigitsInput {
    how: GetDigits,
    digits: String,
    /// What is heard until the first key.
    prompts: Option<Prompts>,
}

impl DigitsInput {
    /// What is heard now.
    pub(crate) fn prompts(&self) -> Option<&Prompts> {
        self.prompts.as_ref()
    }

    /// Takes a key in; why it is the last, if it is.
    fn press(&mut self, digit: Digit) -> Option<DigitsReason> {
        if self.how.finish_on_key == Some(digit) {
            return Some(DigitsReason::FinishKey);
        }
        self.digits.push(digit.as_char());
        let most = self.how.max_digits.map_or(MOST, |most| most as usize);
        (self.digits.len() >= most.min(MOST)).then_some(DigitsReason::MaxDigits)
    }
}

impl ControlPlane {
    pub(crate) fn run_get_digits(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        mut how: GetDigits,
    ) -> Next {
        let Some(call) = self.calls.get_mut(&id) else {
            return Next::Over;
        };
        if how.flush_buffer {
            call.typed_ahead().clear();
        }
        let prompts = mem::take(&mut how.prompts);
        let mut input = DigitsInput {
            how,
            digits: String::new(),
            prompts: None,
        };
        while let Some(digit) = call.typed_ahead().pop() {
            if let Some(reason) = input.press(digit) {
                self.digits_over(turn, id, input, reason);
                return Next::Over;
            }
        }
        if input.digits.is_empty() {
            input.prompts = self.play_next(turn, id, prompts.into_iter());
        }
        self.await_digits(turn, id, input);
        Next::Over
    }

    /// Takes in a key of a caller whose script waits for some.
    pub(crate) fn digit_pressed(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        mut input: DigitsInput,
        digit: Digit,
    ) {
        if let Some(prompts) = input.prompts.take() {
            stop(turn, id, prompts.current);
        }
        match input.press(digit) {
            Some(reason) => self.digits_over(turn, id, input, reason),
            None => self.await_digits(turn, id, input),
        }
    }

    /// Goes on after one of the prompts.
    pub(crate) fn digits_prompt_over(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        mut input: DigitsInput,
    ) {
        if let Some(prompts) = input.prompts.take() {
            input.prompts = self.play_next(turn, id, prompts.rest);
        }
        self.await_digits(turn, id, input);
    }

    /// Ends an input for which no key has come in time.
    pub(crate) fn digits_due(&mut self, turn: &mut Turn, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match call.take_activity() {
            Activity::GettingDigits(input) => {
                self.digits_over(turn, id, input, DigitsReason::Timeout);
            }
            other => call.wait_for(other),
        }
    }

    fn await_digits(&mut self, turn: &mut Turn, id: CallId, input: DigitsInput) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let patience = if input.digits.is_empty() {
            input.how.initial_timeout
        } else {
            input.how.digit_timeout
        };
        // Nobody is late while he is still spoken to.
        if input.prompts.is_none() {
            let due = turn.now + patience;
            self.deadlines.set(id, DeadlineReason::DigitsDue, due);
        }
        call.wait_for(Activity::GettingDigits(input));
    }

    fn digits_over(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        input: DigitsInput,
        reason: DigitsReason,
    ) {
        self.deadlines.clear(id, DeadlineReason::DigitsDue);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let enough = input.digits.len() >= input.how.min_digits as usize;
        let webhook = Webhook::GetDigits {
            call: call.context(),
            digits: if enough { input.digits } else { String::new() },
            reason,
            private: input.how.private,
        };
        call.ask(turn, self.ids.exchange(), input.how.action_url, webhook);
    }
}

/// Ends a prompt early.
pub(crate) fn stop(turn: &mut Turn, call: CallId, prompt: PromptId) {
    turn.media(MediaCommand::StopPrompt { call, prompt });
}
