//! What had not ended when the last process did.

use tutti_control_plane::{
    CallRecord, ConferenceRecord, ParticipantRecord, QueueRecord, RecordingRecord,
};

/// What had not ended when the last process did, oldest first, of all accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenState {
    /// Conferences that are not terminated, and those with a recording that is still open.
    pub conferences: Vec<ConferenceRecord>,
    pub participants: Vec<ParticipantRecord>,
    /// Calls to which something can still happen.
    pub calls: Vec<CallRecord>,
    /// Recordings that are being written.
    pub recordings: Vec<RecordingRecord>,
    /// All queues: none of them ever ends.
    pub queues: Vec<QueueRecord>,
}
