//! Where fresh names come from.

use tutti_model::{CallId, ConferenceId, PromptId, QueueId, RecordingId, RequestId};

/// Draws identifiers from the source that the caller handed over.
pub(crate) struct Ids {
    source: Box<dyn FnMut() -> [u8; 20] + Send>,
    last_number: u64,
}

impl Ids {
    pub(crate) fn new(source: Box<dyn FnMut() -> [u8; 20] + Send>) -> Ids {
        Ids {
            source,
            last_number: 0,
        }
    }

    pub(crate) fn call(&mut self) -> CallId {
        CallId::from_bytes((self.source)())
    }

    pub(crate) fn queue(&mut self) -> QueueId {
        QueueId::from_bytes((self.source)())
    }

    pub(crate) fn conference(&mut self) -> ConferenceId {
        ConferenceId::from_bytes((self.source)())
    }

    pub(crate) fn recording(&mut self) -> RecordingId {
        RecordingId::from_bytes((self.source)())
    }

    pub(crate) fn request(&mut self) -> RequestId {
        RequestId::from_bytes((self.source)())
    }

    pub(crate) fn prompt(&mut self) -> PromptId {
        PromptId(self.number())
    }

    pub(crate) fn exchange(&mut self) -> u64 {
        self.number()
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}
