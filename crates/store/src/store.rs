//! The one interface to whatever database is configured.

use tutti_control_plane::{
    AccountRecord, ApplicationRecord, CallRecord, ConferenceRecord, Fact, NumberRecord,
    ParticipantRecord, QueueRecord, RecordingRecord,
};
use tutti_model::{
    AccountId, ApplicationId, CallId, ConferenceId, NumberId, QueueId, RecordingId, Timestamp,
};

use crate::sqlite::Sqlite;
use crate::{
    ApplicationFilter, CallFilter, ConferenceFilter, EventId, FailedAttempt, Lane, Listing,
    LogFilter, LogLine, LogRecord, NewEvent, NumberFilter, OpenState, Page, ParticipantFilter,
    PendingEvent, QueueFilter, RecordingFilter, StoreError,
};

/// What is true, on disk. Clones share one database.
///
/// Reads see what the last finished commit left. Writes take turns, so none is refused because
/// another is under way.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Engine,
}

/// The databases that can be behind a store.
#[derive(Debug, Clone)]
enum Engine {
    Sqlite(Sqlite),
}

/// Getting hold of it.
impl Store {
    /// Opens `sqlite://path/to/file.db` or `sqlite::memory:`, and brings its tables up to date.
    ///
    /// A missing folder and file are made, for their owner's eyes only.
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        let engine = Engine::Sqlite(Sqlite::open(url).await?);
        Ok(Store { engine })
    }

    /// Opens a database that is there already, beside whoever works with it.
    ///
    /// Nothing is made and no table is changed: a missing file is refused, and so is one of another
    /// version.
    pub async fn open_existing(url: &str) -> Result<Store, StoreError> {
        let engine = Engine::Sqlite(Sqlite::open_existing(url).await?);
        Ok(Store { engine })
    }

    /// Finishes what is being written and lets go of the database.
    pub async fn close(&self) {
        let Engine::Sqlite(engine) = &self.engine;
        engine.close().await;
    }
}

/// What the control plane decided.
impl Store {
    /// Makes facts, events and log lines durable together: all of them, or none.
    ///
    /// Answers with the events' names, in the order given.
    pub async fn commit(
        &self,
        facts: &[Fact],
        events: &[NewEvent],
        logs: &[LogLine],
    ) -> Result<Vec<EventId>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.commit(facts, events, logs).await
    }

    /// What had not ended when the last process did.
    pub async fn open_state(&self) -> Result<OpenState, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.open_state().await
    }
}

/// The outbox.
impl Store {
    /// The lanes with pending events, longest waiting first.
    pub async fn pending_lanes(&self) -> Result<Vec<Lane>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.pending_lanes().await
    }

    /// Whether an event could go out now: the first of a lane that is not waiting for a retry.
    pub async fn has_due_events(&self) -> Result<bool, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.has_due_events().await
    }

    /// The pending events of a lane, in the order in which they must be delivered.
    pub async fn pending_events(
        &self,
        lane: &Lane,
        limit: u32,
    ) -> Result<Vec<PendingEvent>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.pending_events(lane, limit).await
    }

    /// Whether an earlier event of the same stream is the first of its lane and was not tried yet.
    pub async fn has_untried_before(&self, event: EventId) -> Result<bool, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.has_untried_before(event).await
    }

    /// Notes that an event's target took it.
    pub async fn event_delivered(&self, event: EventId) -> Result<(), StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.event_delivered(event).await
    }

    /// Notes that an event's target did not take it, after this many attempts.
    pub async fn event_failed(
        &self,
        event: EventId,
        attempts: u32,
        attempt: &FailedAttempt,
    ) -> Result<(), StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.event_failed(event, attempts, attempt).await
    }

    /// Forgets events of all accounts that are delivered or given up and were created before a
    /// moment, the oldest first; tells how many. What is pending stays, however old.
    ///
    /// A commit waits meanwhile: `limit` says for how long.
    pub async fn delete_events_before(
        &self,
        moment: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.delete_events_before(moment, limit).await
    }
}

/// Accounts.
impl Store {
    pub async fn account(&self, account: AccountId) -> Result<Option<AccountRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.account(account).await
    }

    /// All accounts, oldest first.
    pub async fn accounts(&self) -> Result<Vec<AccountRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.accounts().await
    }

    /// Adds an account, or replaces the revision before this one of it.
    ///
    /// Refused when somebody else has changed it since: what they changed would be lost.
    pub async fn put_account(&self, record: &AccountRecord) -> Result<(), StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.put_account(record).await
    }
}

/// Applications.
impl Store {
    pub async fn application(
        &self,
        account: AccountId,
        application: ApplicationId,
    ) -> Result<Option<ApplicationRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.application(account, application).await
    }

    pub async fn applications(
        &self,
        account: AccountId,
        filter: &ApplicationFilter,
        page: &Page,
    ) -> Result<Listing<ApplicationRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.applications(account, filter, page).await
    }

    /// Adds an application or replaces it.
    pub async fn put_application(&self, record: &ApplicationRecord) -> Result<(), StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.put_application(record).await
    }

    /// Forgets an application and takes it off its numbers; tells whether there was one.
    pub async fn delete_application(
        &self,
        account: AccountId,
        application: ApplicationId,
    ) -> Result<bool, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.delete_application(account, application).await
    }
}

/// Incoming phone numbers.
impl Store {
    pub async fn number(
        &self,
        account: AccountId,
        number: NumberId,
    ) -> Result<Option<NumberRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.number(account, number).await
    }

    /// The number with these digits, whoever has it: a caller names no account.
    pub async fn dialled_number(
        &self,
        phone_number: &str,
    ) -> Result<Option<NumberRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.dialled_number(phone_number).await
    }

    pub async fn numbers(
        &self,
        account: AccountId,
        filter: &NumberFilter,
        page: &Page,
    ) -> Result<Listing<NumberRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.numbers(account, filter, page).await
    }

    /// Adds a number or replaces it; refused when another record has its digits.
    pub async fn put_number(&self, record: &NumberRecord) -> Result<(), StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.put_number(record).await
    }

    /// Forgets a number; tells whether there was one.
    pub async fn delete_number(
        &self,
        account: AccountId,
        number: NumberId,
    ) -> Result<bool, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.delete_number(account, number).await
    }
}

/// Conferences, participants and calls: written by `commit` alone.
impl Store {
    pub async fn conference(
        &self,
        account: AccountId,
        conference: ConferenceId,
    ) -> Result<Option<ConferenceRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.conference(account, conference).await
    }

    pub async fn conferences(
        &self,
        account: AccountId,
        filter: &ConferenceFilter,
        page: &Page,
    ) -> Result<Listing<ConferenceRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.conferences(account, filter, page).await
    }

    pub async fn participant(
        &self,
        account: AccountId,
        conference: ConferenceId,
        call: CallId,
    ) -> Result<Option<ParticipantRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.participant(account, conference, call).await
    }

    pub async fn participants(
        &self,
        account: AccountId,
        conference: ConferenceId,
        filter: &ParticipantFilter,
        page: &Page,
    ) -> Result<Listing<ParticipantRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.participants(account, conference, filter, page).await
    }

    pub async fn call(
        &self,
        account: AccountId,
        call: CallId,
    ) -> Result<Option<CallRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.call(account, call).await
    }

    pub async fn calls(
        &self,
        account: AccountId,
        filter: &CallFilter,
        page: &Page,
    ) -> Result<Listing<CallRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.calls(account, filter, page).await
    }
}

/// Queues: written by `commit` alone.
impl Store {
    pub async fn queue(
        &self,
        account: AccountId,
        queue: QueueId,
    ) -> Result<Option<QueueRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.queue(account, queue).await
    }

    pub async fn queues(
        &self,
        account: AccountId,
        filter: &QueueFilter,
        page: &Page,
    ) -> Result<Listing<QueueRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.queues(account, filter, page).await
    }
}

/// Recordings: written by `commit`, and forgotten when an application deletes one.
impl Store {
    pub async fn recording(
        &self,
        account: AccountId,
        recording: RecordingId,
    ) -> Result<Option<RecordingRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.recording(account, recording).await
    }

    pub async fn recordings(
        &self,
        account: AccountId,
        filter: &RecordingFilter,
        page: &Page,
    ) -> Result<Listing<RecordingRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.recordings(account, filter, page).await
    }

    /// The complete or failed recordings of all accounts that are to be deleted by now, longest
    /// overdue first.
    pub async fn recordings_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<RecordingRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.recordings_due(now, limit).await
    }

    /// Forgets a recording; tells whether there was one. Its file is the caller's to remove.
    pub async fn delete_recording(
        &self,
        account: AccountId,
        recording: RecordingId,
    ) -> Result<bool, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.delete_recording(account, recording).await
    }
}

/// The accounts' logs: written by `commit`, and forgotten when they are old.
impl Store {
    /// A page of the lines that an account asks for.
    ///
    /// Searches take turns and have a few seconds each: `TooSlow` is the end of one that takes longer.
    pub async fn logs(
        &self,
        account: AccountId,
        filter: &LogFilter,
        page: &Page,
    ) -> Result<Listing<LogRecord>, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.logs(account, filter, page).await
    }

    /// Forgets lines of all accounts that were written before a moment, the oldest first; tells how
    /// many.
    ///
    /// A commit waits meanwhile: `limit` says for how long.
    pub async fn delete_logs_before(
        &self,
        moment: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let Engine::Sqlite(engine) = &self.engine;
        engine.delete_logs_before(moment, limit).await
    }
}
