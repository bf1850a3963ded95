//! What becomes of an utterance that is over: its file is complete, its text is known, and its
//! application is told.

use std::collections::BTreeMap;
use std::time::Duration;

use tutti_model::{CallId, Digit, MediaCommand, RecordingId, RequestId};

use super::order::{Order, Purpose};
use super::{Listening, Stage, Utterance};
use crate::call::Activity;
use crate::deadline::DeadlineReason;
use crate::effect::{LogLevel, Stream};
use crate::facts::{Fact, RecordingRecord, RecordingStatus};
use crate::input::Transcript;
use crate::plane::ControlPlane;
use crate::turn::{About, Turn};
use crate::webhook::{CallContext, UtteranceReason, UtteranceSummary, Webhook};

/// How long a file may take to be complete once nothing is added to it.
const COMPLETION: Duration = Duration::from_secs(10);

/// How long it may take to turn an utterance into text.
const TRANSCRIPTION: Duration = Duration::from_secs(60);

/// The utterances of callers who have hung up, while not all is known that is told of them.
pub(crate) type Unheard = BTreeMap<CallId, Over>;

/// An utterance that is over, while not all is known that its application is told.
pub(crate) struct Over {
    pub(super) order: Order,
    pub(super) reason: UtteranceReason,
    pub(super) digit: Option<Digit>,
    pub(super) missing: Missing,
    pub(super) caller: Caller,
}

pub(super) enum Missing {
    /// Nothing was recorded, so there is nothing to know.
    Nothing,
    /// How long the recording is.
    File(RecordingId),
    /// What was said in it.
    Text {
        record: RecordingRecord,
        summary: UtteranceSummary,
    },
}

pub(super) enum Caller {
    /// The call goes on with what its application answers.
    Waits,
    /// It does not; that is how it ended.
    HasGone {
        context: CallContext,
        request: RequestId,
    },
}

impl Over {
    fn webhook(
        &self,
        call: CallContext,
        recording: Option<UtteranceSummary>,
        transcript: Result<Transcript, String>,
    ) -> Webhook {
        match self.order.purpose {
            Purpose::Record { private } => Webhook::Record {
                call,
                recording,
                reason: self.reason,
                private,
            },
            Purpose::Transcribe {
                save_recording,
                private_log,
                private_recording,
            } => Webhook::Transcribe {
                call,
                recording: recording.filter(|_| save_recording),
                reason: self.reason,
                digit: self.digit.map(Digit::as_char),
                transcript,
                private_log,
                private_recording,
            },
        }
    }

    fn wants_text(&self) -> bool {
        match self.order.purpose {
            Purpose::Record { .. } => false,
            Purpose::Transcribe { .. } => true,
        }
    }

    /// Deletes a recording that was wanted for its text alone.
    fn let_go_of(&self, turn: &mut Turn, mut record: RecordingRecord) {
        match self.order.purpose {
            Purpose::Transcribe {
                save_recording: false,
                ..
            } => {
                record.kept_until = Some(turn.now);
                record.revision = record.revision.saturating_add(1);
                record.updated = turn.now;
                turn.commit(Fact::Recording(record));
            }
            Purpose::Record { .. } | Purpose::Transcribe { .. } => {}
        }
    }
}

impl ControlPlane {
    /// Waits for the file of a recording that has been stopped, if anybody wants it.
    pub(super) fn await_file(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        over: Over,
        listening: &Listening,
    ) {
        if over.order.needs_voice && !listening.spoken {
            self.recordings.discard(listening.recording);
            let nothing = Err("nobody spoke".to_owned());
            return self.tell_of_utterance(turn, id, &over, None, nothing);
        }
        match over.caller {
            Caller::Waits => {
                let due = turn.now + COMPLETION;
                self.deadlines.set(id, DeadlineReason::UtteranceDue, due);
            }
            // The file comes when it comes.
            Caller::HasGone { .. } => {}
        }
        self.put_over(id, over);
    }

    /// Tells of the utterance of a call that has ended, now or when all is known of it.
    pub(crate) fn utterance_cut_off(
        &mut self,
        turn: &mut Turn,
        context: CallContext,
        request: RequestId,
        activity: Activity,
    ) {
        let id = context.call;
        let caller = Caller::HasGone { context, request };
        match activity {
            Activity::Speaking(utterance) => {
                let Utterance { order, stage } = *utterance;
                let mut over = Over {
                    order,
                    reason: UtteranceReason::Hangup,
                    digit: None,
                    missing: Missing::Nothing,
                    caller,
                };
                match stage {
                    Stage::Listening(listening) => {
                        let recording = listening.recording;
                        turn.media(MediaCommand::StopRecording { recording });
                        over.missing = Missing::File(recording);
                        self.await_file(turn, id, over, &listening);
                    }
                    Stage::Prompts(_) | Stage::Beep(_) => {
                        let nothing = Err("nobody spoke".to_owned());
                        self.tell_of_utterance(turn, id, &over, None, nothing);
                    }
                }
            }
            Activity::AwaitingUtterance(over) => {
                if let Missing::Text { .. } = over.missing {
                    // The call's own deadlines are gone with it.
                    let due = turn.now + TRANSCRIPTION;
                    self.deadlines.set(id, DeadlineReason::UtteranceDue, due);
                }
                self.put_over(id, Over { caller, ..*over });
            }
            Activity::Idle
            | Activity::Asking { .. }
            | Activity::Prompting { .. }
            | Activity::Pausing { .. }
            | Activity::Resting
            | Activity::GettingDigits(_)
            | Activity::Pressing(_) => {}
        }
    }

    /// Goes on without what has not become known in time.
    pub(super) fn utterance_overdue(&mut self, turn: &mut Turn, id: CallId, mut over: Over) {
        let late = Err("it took too long".to_owned());
        match over.missing {
            Missing::Nothing => self.tell_of_utterance(turn, id, &over, None, late),
            Missing::File(recording) => {
                if let Some(call) = self.calls.get(&id) {
                    let text = format!("recording {recording} is not complete in time");
                    call.log(turn, LogLevel::Warning, text);
                }
                over.reason = UtteranceReason::Failed;
                self.tell_of_utterance(turn, id, &over, None, late);
            }
            Missing::Text { .. } => self.utterance_understood(turn, id, &over, late),
        }
    }

    /// Goes on with a recording of a call that is complete, or has failed.
    pub(crate) fn utterance_recorded(&mut self, turn: &mut Turn, record: RecordingRecord) {
        let Some(id) = record.call else {
            return;
        };
        self.utterance_stopped(turn, id, record.id);
        let Some(mut over) = self.take_over(id) else {
            return;
        };
        match over.missing {
            Missing::File(recording) if recording == record.id => {}
            Missing::File(_) | Missing::Text { .. } | Missing::Nothing => {
                return self.put_over(id, over);
            }
        }
        let summary = match record.status {
            RecordingStatus::Ready {
                duration,
                size_bytes,
            } => Some(UtteranceSummary {
                recording: record.id,
                duration,
                size_bytes,
            }),
            RecordingStatus::Open | RecordingStatus::Failed { .. } => None,
        };
        match summary {
            Some(summary) if over.wants_text() => {
                turn.transcribe(id, record.id);
                let due = turn.now + TRANSCRIPTION;
                self.deadlines.set(id, DeadlineReason::UtteranceDue, due);
                over.missing = Missing::Text { record, summary };
                self.put_over(id, over);
            }
            Some(_) | None => {
                if summary.is_none() {
                    over.reason = UtteranceReason::Failed;
                }
                let silent = Err("it could not be recorded".to_owned());
                self.tell_of_utterance(turn, id, &over, summary, silent);
            }
        }
    }

    /// Goes on with what was said, or without.
    pub(crate) fn transcribed(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        recording: RecordingId,
        outcome: Result<Transcript, String>,
    ) {
        let Some(over) = self.take_over(id) else {
            return;
        };
        let awaited = match &over.missing {
            Missing::Nothing | Missing::File(_) => false,
            Missing::Text { record, .. } => record.id == recording,
        };
        if awaited {
            if let Some(call) = self.calls.get(&id) {
                turn.because_of(call.request());
            }
            self.utterance_understood(turn, id, &over, outcome);
        } else {
            self.put_over(id, over);
        }
    }

    fn utterance_understood(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        over: &Over,
        outcome: Result<Transcript, String>,
    ) {
        let summary = match &over.missing {
            Missing::Nothing | Missing::File(_) => None,
            Missing::Text { record, summary } => {
                if let Err(why) = &outcome {
                    if let Caller::HasGone { request, .. } = &over.caller {
                        turn.because_of(*request);
                    }
                    let about = About {
                        call: Some(id),
                        conference: None,
                    };
                    let text = format!("recording {} is not transcribed: {why}", record.id);
                    turn.log(record.account, about, LogLevel::Warning, text);
                }
                over.let_go_of(turn, record.clone());
                Some(*summary)
            }
        };
        self.tell_of_utterance(turn, id, over, summary, outcome);
    }

    fn tell_of_utterance(
        &mut self,
        turn: &mut Turn,
        id: CallId,
        over: &Over,
        recording: Option<UtteranceSummary>,
        transcript: Result<Transcript, String>,
    ) {
        self.deadlines.clear(id, DeadlineReason::UtteranceDue);
        match &over.caller {
            Caller::Waits => {
                if let Some(call) = self.calls.get_mut(&id) {
                    let webhook = over.webhook(call.context(), recording, transcript);
                    let url = over.order.action_url.clone();
                    call.ask(turn, self.ids.exchange(), url, webhook);
                }
            }
            Caller::HasGone { context, request } => {
                turn.because_of(*request);
                let webhook = over.webhook(context.clone(), recording, transcript);
                let account = context.account;
                let url = over.order.action_url.clone();
                turn.notify(account, Stream::Call(id), url, webhook);
            }
        }
    }

    /// The utterance of a call, or of one that has ended, of which not all is known.
    pub(super) fn take_over(&mut self, id: CallId) -> Option<Over> {
        let Some(call) = self.calls.get_mut(&id) else {
            return self.unheard.remove(&id);
        };
        match call.take_activity() {
            Activity::AwaitingUtterance(over) => Some(*over),
            other => {
                call.wait_for(other);
                None
            }
        }
    }

    pub(super) fn put_over(&mut self, id: CallId, over: Over) {
        match over.caller {
            Caller::Waits => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.wait_for(Activity::AwaitingUtterance(Box::new(over)));
                }
            }
            Caller::HasGone { .. } => {
                self.unheard.insert(id, over);
            }
        }
    }
}
