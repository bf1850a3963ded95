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
    /// Queues of one account.
    pub queues_per_account: usize,
    /// What each account may spend on calls that it places.
    pub outbound: OutboundLimits,
}

/// Bounds of the calls that one account places, so that a stolen key does not cost a fortune.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundLimits {
    /// Calls that it may place in a second. Those that it does not place it may place later, the calls
    /// of five seconds at once.
    pub calls_per_second: u32,
    /// Calls that have not ended.
    pub at_once: usize,
    /// Minutes that its calls may last in one day, which begins at midnight UTC. They count from the
    /// answer, and one that has begun counts. When they are used up no call is placed any more, and
    /// each that goes on ends with the minute that it has begun.
    pub minutes_per_day: u32,
    /// How long a call may last, counted from the answer.
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
            queues_per_account: 1_000,
            outbound: OutboundLimits::default(),
        }
    }
}

impl Default for OutboundLimits {
    fn default() -> OutboundLimits {
        OutboundLimits {
            calls_per_second: 1,
            at_once: 20,
            minutes_per_day: 1_000,
            call_duration: Duration::from_secs(4 * 60 * 60),
        }
    }
}
