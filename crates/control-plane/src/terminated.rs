//! Which conferences have been terminated, as far back as anybody is likely to ask.

use std::collections::{BTreeMap, VecDeque};

use tutti_model::{AccountId, ConferenceId};

/// How many are remembered; older ones are unknown here, and only the store has them.
const REMEMBERED: usize = 10_000;

/// The most recently terminated conferences.
#[derive(Default)]
pub(crate) struct Terminated {
    accounts: BTreeMap<ConferenceId, AccountId>,
    oldest_first: VecDeque<ConferenceId>,
}

impl Terminated {
    pub(crate) fn remember(&mut self, conference: ConferenceId, account: AccountId) {
        if self.accounts.insert(conference, account).is_none() {
            self.oldest_first.push_back(conference);
        }
        if self.oldest_first.len() > REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.accounts.remove(&oldest);
        }
    }

    /// The account that the terminated conference belonged to.
    pub(crate) fn account(&self, conference: ConferenceId) -> Option<AccountId> {
        self.accounts.get(&conference).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conference(number: usize) -> ConferenceId {
        let mut bits = [0; 20];
        bits[..8].copy_from_slice(&number.to_be_bytes());
        ConferenceId::from_bytes(bits)
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let account = AccountId::from_bytes([0; 20]);
        let mut terminated = Terminated::default();
        for number in 0..=REMEMBERED {
            terminated.remember(conference(number), account);
        }
        assert_eq!(terminated.account(conference(0)), None);
        assert_eq!(terminated.account(conference(1)), Some(account));
        assert_eq!(terminated.account(conference(REMEMBERED)), Some(account));
    }
}
