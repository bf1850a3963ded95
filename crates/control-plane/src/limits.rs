//! How much there may be of everything.

use std::time::Duration;

/// How many may join one conference, whatever the configuration says.
const HIGHEST_PARTICIPANTS: usize = 5_000;

/// Bounds that an operator may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Conferences of one account that are not terminated.
    pub conferences_per_account: usize,
    /// Conferences of all accounts that are not terminated.
    pub conferences: usize,
    /// Participants of one conference; more than 5,000 count as 5,000.
    pub participants_per_conference: usize,
    /// `Redirect`s that one call may follow (FreeClimb API, "redirect").
    pub redirects_per_call: u32,
    /// How long a call may last, counted from its arrival.
    pub call_duration: Duration,
}

impl Limits {
    /// How many may join one conference.
    pub(crate) fn participants(&self) -> usize {
        self.participants_per_conference.min(HIGHEST_PARTICIPANTS)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            conferences_per_account: 1_000,
            conferences: 5_000,
            participants_per_conference: 250,
            redirects_per_call: 256,
            call_duration: Duration::from_secs(24 * 60 * 60),
        }
    }
}
