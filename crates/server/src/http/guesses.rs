//! How often somebody may present a wrong key.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tutti_freeclimb::error::ApiError;
use tutti_model::AccountId;

/// So many wrong keys within `WINDOW` are answered as wrong, from one source and for one account.
const FAILURES: usize = 10;

const WINDOW: Duration = Duration::from_secs(60);

/// How long a source that knew an account's key is taken for somebody who knows it.
const TRUST: Duration = Duration::from_secs(24 * 3_600);

/// Sources, accounts and pairs of them that are remembered at most; the oldest make room.
const REMEMBERED: usize = 10_000;

/// Counts wrong keys by where they come from and whose they would be.
///
/// Guessing locks no owner out of where he is known: a source from which the key was right within
/// the last day, since the bridge started, is asked for it however many others were wrong, there and
/// elsewhere. An owner at a new source waits as long as somebody guesses at his account: beyond the
/// limit everything else is refused unseen, a right key too, or the refusals would tell which one
/// was right.
pub(super) struct Guesses {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_source: BTreeMap<IpAddr, Failures>,
    by_account: BTreeMap<AccountId, Failures>,
    /// When a source last presented the right key of an account.
    trusted: BTreeMap<(IpAddr, AccountId), Instant>,
}

/// When the last wrong keys came, oldest first, `FAILURES` at most.
#[derive(Default)]
struct Failures(VecDeque<Instant>);

impl Guesses {
    pub(super) fn new() -> Guesses {
        Guesses {
            known: Mutex::default(),
        }
    }

    /// Lets a key be looked at, or says when the next one may come.
    pub(super) fn admit(
        &self,
        now: Instant,
        source: IpAddr,
        account: Option<AccountId>,
    ) -> Result<(), ApiError> {
        let source = network_of(source);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.wait(now, source, account) {
            None => Ok(()),
            Some(_) if known.trusts(now, source, account) => Ok(()),
            Some(wait) => Err(too_many(wait)),
        }
    }

    /// Notes a wrong key; answers with how it is refused.
    pub(super) fn wrong(
        &self,
        now: Instant,
        source: IpAddr,
        account: Option<AccountId>,
    ) -> ApiError {
        let source = network_of(source);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever came in beside the last one that was let in learns nothing more either.
        let refusal = match known.wait(now, source, account) {
            None => ApiError::WrongCredentials,
            Some(wait) => too_many(wait),
        };
        let last = |failures: &Failures| failures.0.back().copied();
        make_room(&mut known.by_source, &source, now, WINDOW, last);
        known.by_source.entry(source).or_default().note(now);
        if let Some(account) = account {
            make_room(&mut known.by_account, &account, now, WINDOW, last);
            known.by_account.entry(account).or_default().note(now);
        }
        refusal
    }

    /// Notes a right key.
    pub(super) fn right(&self, now: Instant, source: IpAddr, account: AccountId) {
        let pair = (network_of(source), account);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut known.trusted, &pair, now, TRUST, |at| Some(*at));
        known.trusted.insert(pair, now);
    }
}

impl Known {
    /// How long this source, or anybody who names this account, has to wait.
    fn wait(&self, now: Instant, source: IpAddr, account: Option<AccountId>) -> Option<Duration> {
        let of_source = self.by_source.get(&source);
        let of_account = account.and_then(|account| self.by_account.get(&account));
        let waits = [of_source, of_account].map(|failures| failures?.wait(now));
        waits.into_iter().flatten().max()
    }

    fn trusts(&self, now: Instant, source: IpAddr, account: Option<AccountId>) -> bool {
        let pair = account.map(|account| (source, account));
        let at = pair.and_then(|pair| self.trusted.get(&pair));
        at.is_some_and(|at| now.saturating_duration_since(*at) < TRUST)
    }
}

impl Failures {
    fn note(&mut self, now: Instant) {
        if self.0.len() == FAILURES {
            self.0.pop_front();
        }
        self.0.push_back(now);
    }

    /// How long until the oldest of too many was long enough ago.
    fn wait(&self, now: Instant) -> Option<Duration> {
        if self.0.len() < FAILURES {
            return None;
        }
        let age = now.saturating_duration_since(*self.0.front()?);
        WINDOW.checked_sub(age).filter(|wait| !wait.is_zero())
    }
}

/// Makes room for one more entry: what has lost its meaning goes, or else what is oldest.
fn make_room<K: Ord + Clone, V>(
    map: &mut BTreeMap<K, V>,
    key: &K,
    now: Instant,
    lasting: Duration,
    last: impl Fn(&V) -> Option<Instant>,
) {
    if map.len() < REMEMBERED || map.contains_key(key) {
        return;
    }
    let is_fresh = |at: Instant| now.saturating_duration_since(at) < lasting;
    map.retain(|_, value| last(value).is_some_and(is_fresh));
    if map.len() < REMEMBERED {
        return;
    }
    let oldest = map.iter().min_by_key(|(_, value)| last(value));
    if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
        map.remove(&oldest);
    }
}

/// What belongs to one owner: an IPv4 address, or an IPv6 network of 64 bits.
fn network_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

fn too_many(wait: Duration) -> ApiError {
    ApiError::TooManyRequests {
        retry_after_secs: wait.as_secs() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_eleventh_wrong_key_of_a_minute_is_not_looked_at() {
        let (guesses, start) = (Guesses::new(), Instant::now());
        for n in 0..10 {
            // Every guess is for another account.
            let (now, account) = (start + n * SECOND, Some(account(n as u8)));
            assert_eq!(guesses.admit(now, source(1), account), Ok(()));
            let refused = guesses.wrong(now, source(1), account);
            assert_eq!(refused, ApiError::WrongCredentials);
        }
        let now = start + 10 * SECOND;
        for account in [Some(account(1)), Some(account(99)), None] {
            let refused = ApiError::TooManyRequests {
                retry_after_secs: 51,
            };
            assert_eq!(guesses.admit(now, source(1), account), Err(refused));
        }
        assert_eq!(guesses.admit(now, source(2), Some(account(1))), Ok(()));
        // A minute after the first, one more may come.
        let now = start + 60 * SECOND;
        assert_eq!(guesses.admit(now, source(1), None), Ok(()));
        guesses.wrong(now, source(1), None);
        assert!(guesses.admit(now, source(1), None).is_err());
    }

    #[test]
    fn an_account_is_guessed_at_ten_times_a_minute_from_however_many_places() {
        let (guesses, now) = (Guesses::new(), Instant::now());
        let mut looked_at = 0;
        for n in 0..200 {
            if guesses.admit(now, source(n), Some(account(1))).is_ok() {
                looked_at += 1;
                guesses.wrong(now, source(n), Some(account(1)));
            }
        }
        assert_eq!(looked_at, 10);
        assert_eq!(guesses.admit(now, source(201), Some(account(2))), Ok(()));
    }

    #[test]
    fn guesses_do_not_lock_the_owner_out() {
        let (guesses, start) = (Guesses::new(), Instant::now());
        guesses.right(start, source(1), account(1));
        let now = start + SECOND;
        // From elsewhere, and from behind the same address.
        for _ in 0..20 {
            guesses.wrong(now, source(2), Some(account(1)));
            guesses.wrong(now, source(1), Some(account(2)));
        }
        assert_eq!(guesses.admit(now, source(1), Some(account(1))), Ok(()));
        assert!(guesses.admit(now, source(1), Some(account(2))).is_err());
        assert!(guesses.admit(now, source(2), Some(account(1))).is_err());
        let now = start + TRUST;
        for _ in 0..10 {
            guesses.wrong(now, source(3), Some(account(1)));
        }
        let refused = guesses.admit(now, source(1), Some(account(1)));
        assert!(
            refused.is_err(),
            "a day later, the source is like any other"
        );
    }

    #[test]
    fn a_wrong_key_beyond_the_limit_is_refused_like_one_that_was_not_looked_at() {
        let (guesses, now) = (Guesses::new(), Instant::now());
        guesses.right(now, source(1), account(1));
        let refused = (0..11).map(|_| guesses.wrong(now, source(1), Some(account(1))));
        let last = refused.last().unwrap();
        assert!(matches!(last, ApiError::TooManyRequests { .. }));
    }

    #[test]
    fn a_network_of_one_owner_is_one_source() {
        let one: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let same: IpAddr = "2001:db8:1:2:ffff:ffff:ffff:ffff".parse().unwrap();
        let other: IpAddr = "2001:db8:1:3::1".parse().unwrap();
        assert_eq!(network_of(one), network_of(same));
        assert_ne!(network_of(one), network_of(other));
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(network_of(mapped), network_of(source(1)));
    }

    #[test]
    fn however_many_come_no_more_are_remembered_than_there_is_room_for() {
        let (guesses, start) = (Guesses::new(), Instant::now());
        for n in 0..REMEMBERED as u32 + 50 {
            let source = IpAddr::from(n.to_be_bytes());
            let mut bits = [0; 20];
            bits[..4].copy_from_slice(&n.to_be_bytes());
            let account = AccountId::from_bytes(bits);
            let now = start + Duration::from_millis(n.into());
            guesses.wrong(now, source, Some(account));
            guesses.right(now, source, account);
        }
        let known = guesses.known.lock().unwrap();
        assert_eq!(known.by_source.len(), REMEMBERED);
        assert_eq!(known.by_account.len(), REMEMBERED);
        assert_eq!(known.trusted.len(), REMEMBERED);
        let oldest = IpAddr::from(0_u32.to_be_bytes());
        assert!(!known.by_source.contains_key(&oldest));
    }

    fn source(host: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, host])
    }

    fn account(n: u8) -> AccountId {
        AccountId::from_bytes([n; 20])
    }
}
