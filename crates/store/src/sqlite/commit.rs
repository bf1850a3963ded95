//! One decision of the control plane, in one transaction.

use tutti_control_plane::Fact;

use super::{Sqlite, calls, conferences, logs, outbox, participants, queues, recordings};
use crate::{EventId, LogLine, NewEvent, StoreError};

impl Sqlite {
    pub(crate) async fn commit(
        &self,
        facts: &[Fact],
        events: &[NewEvent],
        lines: &[LogLine],
    ) -> Result<Vec<EventId>, StoreError> {
        // Immediate: the lock is waited for here, never met half-way.
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        for fact in facts {
            match fact {
                Fact::Conference(record) => conferences::write(&mut transaction, record).await?,
                Fact::Participant(record) => participants::write(&mut transaction, record).await?,
                Fact::ParticipantGone { conference, call } => {
                    participants::remove(&mut transaction, *conference, *call).await?;
                }
                Fact::Call(record) => calls::write(&mut transaction, record).await?,
                Fact::Recording(record) => recordings::write(&mut transaction, record).await?,
                Fact::Queue(record) => queues::write(&mut transaction, record).await?,
            }
        }
        let mut ids = Vec::with_capacity(events.len());
        for event in events {
            ids.push(outbox::append(&mut transaction, event).await?);
        }
        for line in lines {
            logs::write(&mut transaction, line).await?;
        }
        transaction.commit().await?;
        Ok(ids)
    }
}
