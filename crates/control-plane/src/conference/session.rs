//! The recording of a conference from its start until it is empty again.

use std::collections::BTreeMap;

use tutti_model::{CallId, MediaCommand, RecordingId, Timestamp};

use crate::facts::ConferenceRecord;
use crate::ids::Ids;
use crate::recordings::Recordings;
use crate::seconds::secs_rounded_up;
use crate::turn::Turn;
use crate::webhook::RecordingSummary;

/// One mix, and one track for each participant while it is there.
pub(super) struct Session {
    since: Timestamp,
    /// `None` once it has ended by itself.
    mix: Option<RecordingId>,
    tracks: BTreeMap<CallId, RecordingId>,
}

impl Session {
    pub(super) fn start(
        turn: &mut Turn,
        ids: &mut Ids,
        recordings: &mut Recordings,
        conference: &ConferenceRecord,
        participants: impl Iterator<Item = CallId>,
    ) -> Session {
        let mix = recordings.start(turn, ids, conference, None);
        let mut session = Session {
            since: turn.now,
            mix: Some(mix),
            tracks: BTreeMap::new(),
        };
        for call in participants {
            session.join(turn, ids, recordings, conference, call);
        }
        session
    }

    pub(super) fn join(
        &mut self,
        turn: &mut Turn,
        ids: &mut Ids,
        recordings: &mut Recordings,
        conference: &ConferenceRecord,
        call: CallId,
    ) {
        let track = recordings.start(turn, ids, conference, Some(call));
        self.tracks.insert(call, track);
    }

    pub(super) fn leave(&mut self, turn: &mut Turn, call: CallId) {
        if let Some(recording) = self.tracks.remove(&call) {
            turn.media(MediaCommand::StopRecording { recording });
        }
    }

    /// Stops what still runs, and tells what the mix came to.
    pub(super) fn end(self, turn: &mut Turn) -> Option<RecordingSummary> {
        for recording in self.tracks.into_values().chain(self.mix) {
            turn.media(MediaCommand::StopRecording { recording });
        }
        self.mix.map(|recording| RecordingSummary {
            recording,
            duration_secs: secs_rounded_up(turn.now.since(self.since)),
        })
    }

    /// Forgets a recording that has ended by itself.
    pub(super) fn forget(&mut self, recording: RecordingId) {
        self.mix = self.mix.filter(|mix| *mix != recording);
        self.tracks.retain(|_, track| *track != recording);
    }
}
