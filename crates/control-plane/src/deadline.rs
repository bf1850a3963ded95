//! When calls want to be looked at again, and why.

use std::collections::{BTreeMap, BTreeSet};

use tutti_model::{CallId, Timestamp};

/// Why the control plane wants `Input::Timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadlineReason {
    /// When a script goes on after a `Pause`.
    PauseOver,
    /// When a script goes on without the keys that it has waited for.
    DigitsDue,
    /// When an utterance is over, or what is still not known of it is waited for no longer.
    UtteranceDue,
    /// When the next key can be pressed.
    KeyDue,
    /// When an answer that the caller has not confirmed ends its call.
    AwaitingConfirmation,
    /// When a call has lasted as long as it may.
    MaxDuration,
    /// When a call that we place has rung for as long as it may.
    Unanswered,
    /// When a call that we place needs another of its account's minutes.
    MinuteOver,
    /// When there may be a verdict on who has picked up.
    VerdictDue,
    /// When a call that waits asks for the next script to wait with.
    RestOver,
}

/// Every call's deadlines, the earliest first.
#[derive(Default)]
pub(crate) struct Deadlines {
    in_order: BTreeSet<(Timestamp, CallId, DeadlineReason)>,
    at: BTreeMap<(CallId, DeadlineReason), Timestamp>,
}

impl Deadlines {
    /// Sets a call's deadline of this kind, in place of the one before.
    pub(crate) fn set(&mut self, call: CallId, reason: DeadlineReason, at: Timestamp) {
        self.clear(call, reason);
        self.at.insert((call, reason), at);
        self.in_order.insert((at, call, reason));
    }

    pub(crate) fn clear(&mut self, call: CallId, reason: DeadlineReason) {
        if let Some(at) = self.at.remove(&(call, reason)) {
            self.in_order.remove(&(at, call, reason));
        }
    }

    /// Clears all deadlines of a call that is over.
    pub(crate) fn forget(&mut self, call: CallId) {
        for reason in [
            DeadlineReason::PauseOver,
            DeadlineReason::DigitsDue,
            DeadlineReason::UtteranceDue,
            DeadlineReason::KeyDue,
            DeadlineReason::AwaitingConfirmation,
            DeadlineReason::MaxDuration,
            DeadlineReason::Unanswered,
            DeadlineReason::MinuteOver,
            DeadlineReason::VerdictDue,
            DeadlineReason::RestOver,
        ] {
            self.clear(call, reason);
        }
    }

    /// Clears the deadlines of a call's script that runs no more.
    pub(crate) fn forget_script(&mut self, call: CallId) {
        for reason in [
            DeadlineReason::PauseOver,
            DeadlineReason::DigitsDue,
            DeadlineReason::UtteranceDue,
            DeadlineReason::KeyDue,
            DeadlineReason::RestOver,
        ] {
            self.clear(call, reason);
        }
    }

    pub(crate) fn next(&self) -> Option<(Timestamp, DeadlineReason)> {
        self.in_order.first().map(|&(at, _, reason)| (at, reason))
    }

    /// Takes the earliest deadline out if it has passed.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(CallId, DeadlineReason)> {
        let &(at, call, reason) = self.in_order.first()?;
        if at > now {
            return None;
        }
        self.clear(call, reason);
        Some((call, reason))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn deadlines_come_out_in_the_order_of_time() {
        let start = Timestamp::from_micros(0);
        let [a, b] = [1, 2].map(|n| CallId::from_bytes([n; 20]));
        let mut deadlines = Deadlines::default();
        deadlines.set(
            a,
            DeadlineReason::MaxDuration,
            start + Duration::from_secs(9),
        );
        deadlines.set(b, DeadlineReason::PauseOver, start + Duration::from_secs(5));
        deadlines.set(b, DeadlineReason::PauseOver, start + Duration::from_secs(7));

        assert_eq!(deadlines.take_due(start + Duration::from_secs(6)), None);
        let late = start + Duration::from_secs(60);
        assert_eq!(
            deadlines.take_due(late),
            Some((b, DeadlineReason::PauseOver))
        );
        assert_eq!(
            deadlines.take_due(late),
            Some((a, DeadlineReason::MaxDuration))
        );
        assert_eq!(deadlines.take_due(late), None);
    }

    #[test]
    fn a_call_that_is_over_wants_nothing_more() {
        let call = CallId::from_bytes([1; 20]);
        let mut deadlines = Deadlines::default();
        deadlines.set(call, DeadlineReason::MaxDuration, Timestamp::from_micros(9));
        deadlines.set(
            call,
            DeadlineReason::AwaitingConfirmation,
            Timestamp::from_micros(5),
        );
        deadlines.forget(call);
        assert_eq!(deadlines.next(), None);
    }
}
