//! The recording of a whole call (FreeClimb API, "StartRecordCall").

use tutti_model::{CallId, MediaCommand, RecordedSide, RecordingId, Timestamp};

use crate::interpreter::Next;
use crate::plane::ControlPlane;
use crate::recordings::Keep;
use crate::seconds::secs_rounded_up;
use crate::turn::Turn;
use crate::webhook::RecordingSummary;

/// A recording that ends with its call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallRecording {
    pub(crate) recording: RecordingId,
    since: Timestamp,
}

impl CallRecording {
    /// Ends it, and tells what it came to by our own clock: its file is complete only later.
    pub(crate) fn end(self, turn: &mut Turn) -> RecordingSummary {
        let recording = self.recording;
        turn.media(MediaCommand::StopRecording { recording });
        RecordingSummary {
            recording,
            duration_secs: secs_rounded_up(turn.now.since(self.since)),
        }
    }
}

impl ControlPlane {
    pub(crate) fn run_start_record_call(&mut self, turn: &mut Turn, id: CallId) -> Next {
        let Some(call) = self.calls.get_mut(&id) else {
            return Next::Over;
        };
        if call.is_recorded() {
            self.warn(turn, id, "StartRecordCall: the call is recorded already");
            return Next::GoOn;
        }
        let recording = self.recordings.start_of_call(
            turn,
            &mut self.ids,
            call.record(),
            RecordedSide::Both,
            Keep::Always,
        );
        call.record_from_now_on(CallRecording {
            recording,
            since: turn.now,
        });
        Next::GoOn
    }
}
