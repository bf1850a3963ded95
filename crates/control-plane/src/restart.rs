//! What an earlier run left open, and how it is closed.

use std::collections::BTreeMap;
use std::time::Duration;

use tutti_model::{CloseReason, ConferenceId, Timestamp};

use crate::call;
use crate::conference::Conference;
use crate::effect::Effect;
use crate::facts::{
    CallRecord, ConferenceRecord, ConferenceStatus, Fact, ParticipantRecord, QueueRecord,
    RecordingRecord, RecordingStatus,
};
use crate::plane::ControlPlane;
use crate::queue::Queue;
use crate::recordings::{Keep, OpenRecording};
use crate::turn::Turn;

impl ControlPlane {
    /// Closes what an earlier run left open, before the first input.
    ///
    /// Calls end as `InternalError`; where their callStatus would have gone is not in their records,
    /// so nobody is told. Conferences become empty and live on. A recording stays open until the
    /// media plane reports what its repair came to; the conference that it belongs to must be among
    /// `conferences` for its application to be told, even when it is terminated. Queues live on and
    /// nobody waits in them any more.
    #[expect(
        clippy::too_many_arguments,
        reason = "each list is one table of the store"
    )]
    pub fn restore(
        &mut self,
        now: Timestamp,
        conferences: Vec<ConferenceRecord>,
        calls: Vec<CallRecord>,
        participants: Vec<ParticipantRecord>,
        recordings: Vec<RecordingRecord>,
        queues: Vec<QueueRecord>,
        effects: &mut Vec<Effect>,
    ) {
        let mut turn = Turn::new(now, self.ids.request());
        for mut record in calls {
            if !record.status.is_final() {
                call::finish(&mut record, now, CloseReason::InternalError);
                turn.commit(Fact::Call(record));
            }
        }
        for participant in participants {
            turn.commit(Fact::ParticipantGone {
                conference: participant.conference,
                call: participant.call,
            });
        }
        let mut status_callback_urls = BTreeMap::new();
        for record in conferences {
            status_callback_urls.insert(record.id, record.status_callback_url.clone());
            self.restore_conference(&mut turn, record);
        }
        for record in recordings {
            self.restore_recording(&turn, record, &status_callback_urls);
        }
        for record in queues {
            self.queues
                .insert(record.id, Queue::reopen(&mut turn, record));
        }
        turn.finish(effects);
    }

    fn restore_conference(&mut self, turn: &mut Turn, record: ConferenceRecord) {
        if record.status == ConferenceStatus::Terminated {
            self.terminated.remember(record.id, record.account);
        } else {
            let id = record.id;
            self.conferences
                .insert(id, Conference::reopen(turn, record));
        }
    }

    fn restore_recording(
        &mut self,
        turn: &Turn,
        record: RecordingRecord,
        status_callback_urls: &BTreeMap<ConferenceId, Option<String>>,
    ) {
        match record.status {
            RecordingStatus::Open => {
                let status_callback_url = record
                    .conference
                    .and_then(|conference| status_callback_urls.get(&conference).cloned())
                    .flatten();
                let keep = match record.kept_until {
                    None => Keep::Always,
                    Some(_) => Keep::Briefly {
                        longest: Duration::ZERO,
                    },
                };
                self.recordings.watch(OpenRecording {
                    record,
                    request: turn.request,
                    status_callback_url,
                    keep,
                });
            }
            RecordingStatus::Ready { .. } | RecordingStatus::Failed { .. } => {}
        }
    }
}
