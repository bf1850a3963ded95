//! What a caller says, recorded for an application (FreeClimb API, "RecordUtterance" and
//! "TranscribeUtterance").
//!
//! ```text
//! Prompts ──► Beep ──► Listening ──► (over) ──► file complete ──► (text known)
//! ```
//!
//! Then the application is asked how the call goes on; where the caller has hung up, it is only told.

mod order;
mod over;

use std::{mem, vec};

use tutti_model::{
    Audience, CallId, Digit, MediaCommand, PromptId, PromptSource, RecordedSide, RecordingId,
    Repeat, Timestamp,
};

use crate::call::Activity;
use crate::deadline::DeadlineReason;
use crate::digits::stop;
use crate::interpreter::Next;
use crate::plane::ControlPlane;
use crate::prompting::Prompts;
use crate::script::{Prompt, RecordUtterance, TranscribeUtterance};
use crate::turn::Turn;
use crate::voice::Listener;
use crate::webhook::UtteranceReason;

use order::Order;
use over::{Caller, Missing};
pub(crate) use over::{Over, Unheard};

/// An utterance that is not over.
pub(crate) struct Utterance {
    order: Order,
    stage: Stage,
}

enum Stage {
    /// The caller is told what to say.
    Prompts(Prompts),
    /// And when.
    Beep(PromptId),
    Listening(Listening),
}

struct Listening {
    recording: RecordingId,
    /// When it is as long as it may be.
    full: Timestamp,
    /// Since when nobody speaks, where that matters.
    silent_since: Option<Timestamp>,
    /// Somebody has spoken.
    spoken: bool,
}

impl Utterance {
    /// What is heard now.
    pub(crate) fn prompt(&self) -> Option<PromptId> {
        match &self.stage {
            Stage::Prompts(prompts) => Some(prompts.current),
            Stage::Beep(prompt) => Some(*prompt),
            Stage::Listening(_) => None,
        }
    }

    /// Why its prompt cannot be heard is not for the log.
    pub(crate) fn has_private_prompt(&self) -> bool {
        match &self.stage {
            Stage::Prompts(prompts) => prompts.private,
            Stage::Beep(_) | Stage::Listening(_) => false,
        }
    }

    /// What is recorded of it now.
    pub(crate) fn recording(&self) -> Option<RecordingId> {
        match &self.stage {
            Stage::Listening(listening) => Some(listening.recording),
            Stage::Prompts(_) | Stage::Beep(_) => None,
        }
    }
}

impl Listening {
    /// When it ends by itself, and why.
    fn end(&self, order: &Order) -> (Timestamp, UtteranceReason) {
        let silent = self
            .silent_since
            .zip(order.silence_timeout)
            .map(|(since, patience)| since + patience);
        match silent {
            Some(silent) if silent < self.full => (silent, UtteranceReason::Timeout),
            Some(_) | None => (self.full, UtteranceReason::MaxLength),
        }
    }
}

impl ControlPlane {
    pub(crate) fn run_record_utterance(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        how: RecordUtterance,
    ) -> Next {
        self.beep_for_utterance(turn, id, Order::to_record(how));
        Next::Over
    }

    pub(crate) fn run_transcribe_utterance(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        mut how: TranscribeUtterance,
    ) -> Next {
        let prompts = mem::take(&mut how.prompts).into_iter();
        self.prompt_for_utterance(turn, id, Order::to_transcribe(how), prompts);
        Next::Over
    }

    fn prompt_for_utterance(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        order: Order,
        rest: vec::IntoIter<Prompt>,
    ) {
        match self.play_next(turn, id, rest) {
            Some(prompts) => self.go_on_with(id, order, Stage::Prompts(prompts)),
            None => self.beep_for_utterance(turn, id, order),
        }
    }

    fn beep_for_utterance(&mut self, turn: &mut Turn, id: CallId, order: Order) {
        if order.play_beep {
            let once = Repeat::Times(1);
            let beep = self.play(turn, id, PromptSource::Beep, once, Audience::Call);
            self.go_on_with(id, order, Stage::Beep(beep));
        } else {
            self.listen_for_utterance(turn, id, order);
        }
    }

    fn listen_for_utterance(&mut self, turn: &mut Turn, id: CallId, order: Order) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        // At once, even where the first word begins it: that is over before it is noticed.
        let recording = self.recordings.start_of_call(
            turn,
            &mut self.ids,
            call.record(),
            RecordedSide::Caller,
            order.keep(),
        );
        call.watch_voice(turn, Listener::Utterance, true);
        let listening = Listening {
            recording,
            full: turn.now + order.max_length,
            silent_since: (!order.needs_voice).then_some(turn.now),
            spoken: false,
        };
        self.go_on_listening(id, order, listening);
    }

    fn go_on_listening(&mut self, id: CallId, order: Order, listening: Listening) {
        let (end, _) = listening.end(&order);
        self.deadlines.set(id, DeadlineReason::UtteranceDue, end);
        self.go_on_with(id, order, Stage::Listening(listening));
    }

    fn go_on_with(&mut self, id: CallId, order: Order, stage: Stage) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.wait_for(Activity::Speaking(Box::new(Utterance { order, stage })));
        }
    }

    /// Goes on after a prompt, or the beep.
    pub(crate) fn utterance_prompt_over(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        utterance: Utterance,
    ) {
        let Utterance { order, stage } = utterance;
        match stage {
            Stage::Prompts(prompts) => self.prompt_for_utterance(turn, id, order, prompts.rest),
            Stage::Beep(_) => self.listen_for_utterance(turn, id, order),
            Stage::Listening(_) => self.go_on_with(id, order, stage),
        }
    }

    /// Takes in a key of a caller who is to speak.
    pub(crate) fn utterance_key_pressed(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        utterance: Utterance,
        digit: Digit,
    ) {
        let Utterance { order, stage } = utterance;
        match stage {
            Stage::Prompts(prompts) => {
                stop(turn, id, prompts.current);
                self.beep_for_utterance(turn, id, order);
            }
            Stage::Listening(listening) if order.ends_with(digit) => {
                let reason = UtteranceReason::FinishKey;
                self.end_listening(turn, id, order, &listening, reason, Some(digit));
            }
            Stage::Listening(_) | Stage::Beep(_) => self.go_on_with(id, order, stage),
        }
    }

    /// Notes that a caller begins to speak, or has stopped.
    pub(crate) fn utterance_voice(&mut self, turn: &Turn, id: CallId, speaking: bool) {
        let Some(Utterance { order, stage }) = self.take_utterance(id) else {
            return;
        };
        match stage {
            Stage::Listening(mut listening) => {
                listening.spoken |= speaking;
                if speaking {
                    listening.silent_since = None;
                } else if listening.spoken {
                    listening.silent_since = Some(turn.now);
                }
                self.go_on_listening(id, order, listening);
            }
            Stage::Prompts(_) | Stage::Beep(_) => self.go_on_with(id, order, stage),
        }
    }

    /// Ends an utterance that is too long, or silent for too long, or goes on without what is late.
    pub(crate) fn utterance_due(&mut self, turn: &mut Turn, id: CallId) {
        if let Some(over) = self.take_over(id) {
            return self.utterance_overdue(turn, id, over);
        }
        let Some(Utterance { order, stage }) = self.take_utterance(id) else {
            return;
        };
        match stage {
            Stage::Listening(listening) => {
                let (_, reason) = listening.end(&order);
                self.end_listening(turn, id, order, &listening, reason, None);
            }
            Stage::Prompts(_) | Stage::Beep(_) => self.go_on_with(id, order, stage),
        }
    }

    fn end_listening(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        order: Order,
        listening: &Listening,
        reason: UtteranceReason,
        digit: Option<Digit>,
    ) {
        let recording = listening.recording;
        turn.media(MediaCommand::StopRecording { recording });
        if let Some(call) = self.calls.get_mut(&id) {
            call.watch_voice(turn, Listener::Utterance, false);
        }
        let over = Over {
            order,
            reason,
            digit,
            missing: Missing::File(recording),
            caller: Caller::Waits,
        };
        self.await_file(turn, id, over, listening);
    }

    /// Ends an utterance whose recording has ended by itself: it is as long as it could be.
    fn utterance_stopped(&mut self, turn: &mut Turn, id: CallId, recording: RecordingId) {
        let Some(Utterance { order, stage }) = self.take_utterance(id) else {
            return;
        };
        match stage {
            Stage::Listening(listening) if listening.recording == recording => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.watch_voice(turn, Listener::Utterance, false);
                }
                let over = Over {
                    order,
                    reason: UtteranceReason::MaxLength,
                    digit: None,
                    missing: Missing::File(recording),
                    caller: Caller::Waits,
                };
                self.put_over(id, over);
            }
            Stage::Prompts(_) | Stage::Beep(_) | Stage::Listening(_) => {
                self.go_on_with(id, order, stage);
            }
        }
    }

    fn take_utterance(&mut self, id: CallId) -> Option<Utterance> {
        let call = self.calls.get_mut(&id)?;
        match call.take_activity() {
            Activity::Speaking(utterance) => Some(*utterance),
            other => {
                call.wait_for(other);
                None
            }
        }
    }
}
