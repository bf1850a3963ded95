//! What the media plane's news mean here.

use tutti_model::{CloseReason, ConferenceId, MediaEvent, RecordingFailure};

use crate::effect::LogLevel;
use crate::facts::ConferenceStatus;
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
            // Nothing collects digits yet.
            MediaEvent::DigitPressed { .. } => {}
            MediaEvent::LegSilent { call } => {
                if let Some(silent) = self.calls.get(&call) {
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
                    open.ready(turn, duration, size_bytes, status);
                }
            }
            MediaEvent::RecordingFailed { recording, failure } => {
                if let Some(open) = self.recordings.take(recording) {
                    self.recording_ended(turn, &open);
                    self.recording_failed(turn, open, failure);
                }
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

    fn recording_failed(&self, turn: &mut Turn, open: OpenRecording, failure: RecordingFailure) {
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
        open.failed(turn, reason);
    }

    /// Lets the conference forget a recording, and tells what has become of the conference.
    fn recording_ended(&mut self, turn: &mut Turn, open: &OpenRecording) -> ConferenceStatus {
        turn.because_of(open.request);
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
