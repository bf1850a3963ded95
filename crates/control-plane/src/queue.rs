//! A queue and who waits in it (FreeClimb API, "Queues").

use std::collections::VecDeque;

use tutti_model::{AccountId, CallId, QueueId, Timestamp};

use crate::facts::{Fact, QueueRecord};
use crate::input::{QueueMember, QueueOptions, Waiting};
use crate::turn::Turn;
use crate::webhook::QueueResult;

/// As many calls wait in a queue of which nothing else is said.
const USUAL_SIZE: u32 = 100;

/// As many may wait in a queue, whatever is said.
const HIGHEST_SIZE: u32 = 1_000;

/// A queue; whoever joined first is in front.
pub(crate) struct Queue {
    record: QueueRecord,
    members: VecDeque<Member>,
}

#[derive(Clone, Copy)]
struct Member {
    call: CallId,
    since: Timestamp,
}

impl Queue {
    /// Opens a new queue.
    pub(crate) fn open(
        turn: &mut Turn,
        id: QueueId,
        account: AccountId,
        options: QueueOptions,
    ) -> Queue {
        let record = QueueRecord {
            id,
            account,
            alias: options.alias,
            max_size: options.max_size.map_or(USUAL_SIZE, bounded),
            current_size: 0,
            taken_out: 0,
            waited: std::time::Duration::ZERO,
            revision: 1,
            created: turn.now,
            updated: turn.now,
        };
        turn.commit(Fact::Queue(record.clone()));
        Queue {
            record,
            members: VecDeque::new(),
        }
    }

    /// Opens a queue that was left over by an earlier run; nobody waits in it any more.
    pub(crate) fn reopen(turn: &mut Turn, record: QueueRecord) -> Queue {
        let mut queue = Queue {
            record,
            members: VecDeque::new(),
        };
        if queue.record.current_size != 0 {
            queue.revise(turn);
        }
        queue
    }

    pub(crate) fn record(&self) -> &QueueRecord {
        &self.record
    }

    /// Changes attributes; what is equal already is no change. Whoever waits stays, also if there are
    /// more of them than may join now.
    pub(crate) fn change(&mut self, turn: &mut Turn, options: QueueOptions) {
        let alias = options.alias.or_else(|| self.record.alias.clone());
        let max_size = options.max_size.map_or(self.record.max_size, bounded);
        if (&alias, max_size) == (&self.record.alias, self.record.max_size) {
            return;
        }
        self.record.alias = alias;
        self.record.max_size = max_size;
        self.revise(turn);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.size() >= self.record.max_size
    }

    /// As many wait.
    pub(crate) fn size(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    /// Who waits, the one that has waited longest first.
    pub(crate) fn members(&self) -> impl Iterator<Item = QueueMember> {
        (1..)
            .zip(&self.members)
            .map(|(position, member)| QueueMember {
                call: member.call,
                position,
                since: member.since,
            })
    }

    pub(crate) fn member(&self, who: Waiting) -> Option<QueueMember> {
        self.members().find(|member| match who {
            Waiting::Front => true,
            Waiting::Call(call) => member.call == call,
        })
    }

    /// Takes a call in, behind all others.
    pub(crate) fn join(&mut self, turn: &mut Turn, call: CallId) {
        self.members.push_back(Member {
            call,
            since: turn.now,
        });
        self.revise(turn);
    }

    /// Lets a call go; whoever is not in stays out.
    pub(crate) fn leave(&mut self, turn: &mut Turn, call: CallId, result: QueueResult) {
        let position = self.members.iter().position(|member| member.call == call);
        let Some(member) = position.and_then(|position| self.members.remove(position)) else {
            return;
        };
        match result {
            QueueResult::Dequeued => {
                self.record.taken_out = self.record.taken_out.saturating_add(1);
                let waited = turn.now.since(member.since);
                self.record.waited = self.record.waited.saturating_add(waited);
            }
            QueueResult::QueueFull | QueueResult::Hangup | QueueResult::SystemError => {}
        }
        self.revise(turn);
    }

    /// Commits the record as changed.
    fn revise(&mut self, turn: &mut Turn) {
        self.record.current_size = self.size();
        self.record.revision = self.record.revision.saturating_add(1);
        self.record.updated = turn.now;
        turn.commit(Fact::Queue(self.record.clone()));
    }
}

fn bounded(max_size: u32) -> u32 {
    max_size.clamp(1, HIGHEST_SIZE)
}
