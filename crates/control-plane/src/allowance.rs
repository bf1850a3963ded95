//! How much outbound calling an account may still do, so that a stolen key does not cost a fortune.
//!
//! Three bounds hold for every account by itself: how fast it places calls, how many of them there are
//! at the same time, and how many minutes they last in one day. Nothing here is kept over a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use tutti_model::{AccountId, Timestamp};

use crate::input::Refusal;
use crate::limits::OutboundLimits;

/// A minute that has begun counts.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// For as long an account may save up calls that it does not place, and place them at once later.
const SAVED_UP: Duration = Duration::from_secs(5);

/// A day of the minutes, in seconds; it begins at midnight UTC.
const DAY_SECS: i64 = 24 * 60 * 60;

/// What every account has used.
#[derive(Default)]
pub(crate) struct Allowance {
    accounts: BTreeMap<AccountId, Used>,
}

/// What one account has used.
struct Used {
    /// When nothing of the rate is in use any more: each call moves this on by the time between two
    /// (the generic cell rate algorithm, ITU-T I.371).
    rate_free_at: Timestamp,
    /// Outbound calls that have not ended.
    calls: usize,
    /// The day that the minutes belong to, counted from the epoch.
    day: i64,
    minutes: u32,
}

impl Allowance {
    /// Whether an account may place one more call; nothing changes.
    pub(crate) fn check(
        &self,
        limits: &OutboundLimits,
        account: AccountId,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let used = self.accounts.get(&account);
        if used.map_or(0, |used| used.minutes_on(day(now))) >= limits.minutes_per_day {
            return Err(Refusal::OutOfMinutes);
        }
        if used.map_or(0, |used| used.calls) >= limits.at_once {
            return Err(Refusal::TooManyOutboundCalls);
        }
        let in_use = used.map_or(Duration::ZERO, |used| used.rate_free_at.since(now));
        match between_calls(limits) {
            Some(gap) if in_use + gap <= SAVED_UP.max(gap) => Ok(()),
            Some(_) | None => Err(Refusal::DialledTooFast),
        }
    }

    /// Counts a call that is placed now.
    pub(crate) fn begin_call(
        &mut self,
        limits: &OutboundLimits,
        account: AccountId,
        now: Timestamp,
    ) {
        let used = self.used(account, now);
        used.calls = used.calls.saturating_add(1);
        let gap = between_calls(limits).unwrap_or_default();
        used.rate_free_at = used.rate_free_at.max(now) + gap;
    }

    /// Uses a minute of today, if there is one left.
    pub(crate) fn take_minute(
        &mut self,
        limits: &OutboundLimits,
        account: AccountId,
        now: Timestamp,
    ) -> bool {
        let today = day(now);
        let used = self.used(account, now);
        let minutes = used.minutes_on(today);
        if minutes >= limits.minutes_per_day {
            return false;
        }
        used.day = today;
        used.minutes = minutes + 1;
        true
    }

    /// A counted call has ended.
    pub(crate) fn end_call(&mut self, account: AccountId) {
        if let Some(used) = self.accounts.get_mut(&account) {
            used.calls = used.calls.saturating_sub(1);
        }
    }

    fn used(&mut self, account: AccountId, now: Timestamp) -> &mut Used {
        self.accounts.entry(account).or_insert(Used {
            rate_free_at: now,
            calls: 0,
            day: day(now),
            minutes: 0,
        })
    }
}

impl Used {
    fn minutes_on(&self, day: i64) -> u32 {
        if self.day == day { self.minutes } else { 0 }
    }
}

/// The time between two calls of an account that places them evenly; `None` if it may place none.
fn between_calls(limits: &OutboundLimits) -> Option<Duration> {
    Duration::from_secs(1).checked_div(limits.calls_per_second)
}

fn day(now: Timestamp) -> i64 {
    now.as_secs().div_euclid(DAY_SECS)
}
