//! What the media plane's news mean here.

use tutti_model::{CallId, CloseReason, ConferenceId, Digit, MediaEvent, RecordingFailure};

use crate::call::{Activity, Call};
use crate::effect::LogLevel;
use crate::facts::{ConferenceStatus, RecordingRecord};
use crate::keys::Told;
use crate::live::{LiveEvent, LiveNews};
use crate::plane::ControlPlane;
use crate::recordings::OpenRecording;
use crate::turn::{About, Turn};

impl ControlPlane {
    /// Takes news in; news of what is over is ignored.
    pub(crate) fn media_event(&mut self, turn: &mut Turn, event: MediaEvent) {
        match event {
            MediaEvent::PromptFinished {
                call,
                prompt,
                outcome,
            } => self.prompt_finished(turn, call, prompt, outcome),
            MediaEvent::DigitPressed { call, digit } => {
                self.key_pressed(turn, call, Told::Media, digit);
            }
            MediaEvent::Speaking { call, speaking } => {
                let conference = self.calls.get(&call).and_then(Call::conference);
                if let Some(conference) = conference.and_then(|id| self.conferences.get_mut(&id)) {
                    conference.set_speaking(turn, call, speaking);
                }
            }
            MediaEvent::Voice { call, speaking } => {
                self.screen(turn, call, speaking);
                self.utterance_voice(turn, call, speaking);
            }
            MediaEvent::LegSilent { call } => {
                // Whoever is called is silent until it answers.
                if let Some(silent) = self.calls.get(&call).filter(|call| !call.is_dialled()) {
                    turn.because_of(silent.request());
                    self.hang_up(turn, call, CloseReason::FarEndHangup);
                }
            }
            MediaEvent::MusicFailed { conference, reason } => {
                self.music_failed(turn, conference, &reason);
            }
            MediaEvent::RecordingReady {
                recording,
                duration,
                size_bytes,
            } => {
                if let Some(open) = self.recordings.take(recording) {
                    let status = self.recording_ended(turn, &open);
                    let record = open.ready(turn, duration, size_bytes, status);
                    self.utterance_recorded(turn, record);
                }
            }
            MediaEvent::RecordingFailed { recording, failure } => {
                if let Some(open) = self.recordings.take(recording) {
                    self.recording_ended(turn, &open);
                    let record = recording_failed(turn, open, failure);
                    self.utterance_recorded(turn, record);
                }
            }
        }
    }

    /// A key was pressed, and told of in one of the ways in which a phone may do it.
    pub(crate) fn key_pressed(&mut self, turn: &mut Turn, id: CallId, told: Told, digit: Digit) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if !call.presses(turn.now, told, digit) {
            return;
        }
        turn.because_of(call.request());
        let conference = call.conference();
        turn.live(LiveEvent {
            account: call.record().account,
            conference,
            call: id,
            at: turn.now,
            news: LiveNews::Digit(digit),
        });
        match conference {
            Some(conference) => {
                if let Some(conference) = self.conferences.get(&conference) {
                    conference.pass_digit(turn, id, digit);
                }
                self.control_key_pressed(turn, id, digit);
            }
            None => self.script_key_pressed(turn, id, digit),
        }
    }

    /// A key was pressed outside of conferences: what waits for it gets it, now or later.
    fn script_key_pressed(&mut self, turn: &mut Turn, id: CallId, digit: Digit) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match call.take_activity() {
            Activity::GettingDigits(input) => self.digit_pressed(turn, id, input, digit),
            Activity::Speaking(utterance) => {
                self.utterance_key_pressed(turn, id, *utterance, digit);
            }
            other => {
                call.wait_for(other);
                call.typed_ahead().push(digit);
            }
        }
    }

    fn music_failed(&self, turn: &mut Turn, id: ConferenceId, reason: &str) {
        if let Some(conference) = self.conferences.get(&id) {
            let about = About {
                call: None,
                conference: Some(id),
            };
            let text = format!("waitUrl could not be played: {reason}");
            turn.log(conference.record().account, about, LogLevel::Warning, text);
        }
    }

    /// Lets its conference or call forget a recording, and tells what has become of the conference.
    fn recording_ended(&mut self, turn: &mut Turn, open: &OpenRecording) -> ConferenceStatus {
        turn.because_of(open.request);
        if let Some(call) = open.record.call.and_then(|id| self.calls.get_mut(&id)) {
            call.forget_recording(open.record.id);
        }
        let conference = open
            .record
            .conference
            .and_then(|conference| self.conferences.get_mut(&conference));
        match conference {
            Some(conference) => {
                conference.forget_recording(open.record.id);
                conference.record().status
            }
            None => ConferenceStatus::Terminated,
        }
    }
}

fn recording_failed(
    turn: &mut Turn,
    open: OpenRecording,
    failure: RecordingFailure,
) -> RecordingRecord {
    let reason = match failure {
        RecordingFailure::DiskFull => "the disk is full".to_owned(),
        RecordingFailure::Io(why) => why,
    };
    let about = About {
        call: open.record.call,
        conference: open.record.conference,
    };
    let text = format!("recording {} ended early: {reason}", open.record.id);
    turn.log(open.record.account, about, LogLevel::Warning, text);
    open.failed(turn, reason)
}
