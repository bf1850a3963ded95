//! Who watches an account, and how far each may fall behind.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tutti_control_plane::LiveEvent;
use tutti_model::AccountId;

/// How many events a watcher may be behind.
const BEHIND: usize = 512;

/// How many may watch one account at the same time.
pub const WATCHERS_PER_ACCOUNT: usize = 16;

/// Hands events to whoever watches; nobody waits for a watcher.
#[derive(Debug, Default)]
pub struct Live {
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    accounts: BTreeMap<AccountId, broadcast::Sender<LiveEvent>>,
    /// The bridge is stopping.
    over: bool,
}

/// Somebody who watches one account, until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    events: broadcast::Receiver<LiveEvent>,
}

/// Why nobody may watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwatchable {
    #[error("the account is watched by as many as may watch it, which is {WATCHERS_PER_ACCOUNT}")]
    TooMany,
    #[error("the bridge is stopping")]
    Stopping,
}

/// Why a watcher learns nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It did not keep up, and has missed events.
    TooSlow,
    /// The bridge is stopping.
    Stopping,
}

impl Live {
    /// Watches an account from now on.
    ///
    /// # Errors
    /// When there are too many already, or the bridge is stopping.
    pub fn watch(&self, account: AccountId) -> Result<Watcher, Unwatchable> {
        let mut watched = self.lock();
        if watched.over {
            return Err(Unwatchable::Stopping);
        }
        let sender = watched
            .accounts
            .entry(account)
            .or_insert_with(|| broadcast::Sender::new(BEHIND));
        if sender.receiver_count() >= WATCHERS_PER_ACCOUNT {
            return Err(Unwatchable::TooMany);
        }
        Ok(Watcher {
            events: sender.subscribe(),
        })
    }

    /// Tells everybody who watches the event's account.
    pub(super) fn tell(&self, event: LiveEvent) {
        let mut watched = self.lock();
        let account = event.account;
        if let Some(sender) = watched.accounts.get(&account)
            && sender.send(event).is_err()
        {
            // The last one has gone.
            watched.accounts.remove(&account);
        }
    }

    /// Ends every watch, and allows no more.
    pub(super) fn end(&self) {
        *self.lock() = Watched {
            accounts: BTreeMap::new(),
            over: true,
        };
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Waits for the next event.
    ///
    /// # Errors
    /// When there are no more for this watcher.
    pub async fn next(&mut self) -> Result<LiveEvent, Cut> {
        self.events.recv().await.map_err(|error| match error {
            RecvError::Lagged(_) => Cut::TooSlow,
            RecvError::Closed => Cut::Stopping,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tutti_control_plane::LiveNews;
    use tutti_model::{CallId, Timestamp};

    use super::*;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 20]);
    const OTHER: AccountId = AccountId::from_bytes([2; 20]);

    fn event(account: AccountId, at_us: i64) -> LiveEvent {
        LiveEvent {
            account,
            conference: None,
            call: CallId::from_bytes([3; 20]),
            at: Timestamp::from_micros(at_us),
            news: LiveNews::Joined,
        }
    }

    fn next(watcher: &mut Watcher) -> Option<Result<LiveEvent, Cut>> {
        watcher.next().now_or_never()
    }

    #[test]
    fn an_account_learns_of_itself_and_of_nobody_else() {
        let live = Live::default();
        let mut watcher = live.watch(ACCOUNT).unwrap();
        live.tell(event(OTHER, 1));
        live.tell(event(ACCOUNT, 2));
        assert_eq!(next(&mut watcher), Some(Ok(event(ACCOUNT, 2))));
        assert_eq!(next(&mut watcher), None);
    }

    #[test]
    fn a_watcher_that_falls_behind_is_cut_and_others_are_not() {
        let live = Live::default();
        let (mut slow, mut quick) = (live.watch(ACCOUNT).unwrap(), live.watch(ACCOUNT).unwrap());
        for at_us in 0..=BEHIND as i64 {
            live.tell(event(ACCOUNT, at_us));
            assert_eq!(next(&mut quick), Some(Ok(event(ACCOUNT, at_us))));
        }
        assert_eq!(next(&mut slow), Some(Err(Cut::TooSlow)));
    }

    #[test]
    fn places_are_few_and_free_again_when_a_watcher_goes() {
        let live = Live::default();
        let mut watchers: Vec<_> = (0..WATCHERS_PER_ACCOUNT)
            .map(|_| live.watch(ACCOUNT).unwrap())
            .collect();
        assert_eq!(live.watch(ACCOUNT).unwrap_err(), Unwatchable::TooMany);
        assert!(live.watch(OTHER).is_ok());
        watchers.pop();
        assert!(live.watch(ACCOUNT).is_ok());
    }

    #[test]
    fn nothing_is_kept_for_an_account_that_nobody_watches() {
        let live = Live::default();
        drop(live.watch(ACCOUNT).unwrap());
        live.tell(event(ACCOUNT, 1));
        assert!(live.lock().accounts.is_empty());
    }

    #[test]
    fn the_end_of_the_bridge_is_told() {
        let live = Live::default();
        let mut watcher = live.watch(ACCOUNT).unwrap();
        live.tell(event(ACCOUNT, 1));
        live.end();
        assert_eq!(next(&mut watcher), Some(Ok(event(ACCOUNT, 1))));
        assert_eq!(next(&mut watcher), Some(Err(Cut::Stopping)));
        assert_eq!(live.watch(ACCOUNT).unwrap_err(), Unwatchable::Stopping);
    }
}
