//! How durations are told to applications.

use std::time::Duration;

/// Whole seconds; a second that has begun counts.
pub(crate) fn secs_rounded_up(duration: Duration) -> u64 {
    duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_that_has_begun_counts() {
        assert_eq!(secs_rounded_up(Duration::ZERO), 0);
        assert_eq!(secs_rounded_up(Duration::from_millis(1)), 1);
        assert_eq!(secs_rounded_up(Duration::from_secs(2)), 2);
        assert_eq!(secs_rounded_up(Duration::from_millis(2_001)), 3);
    }
}
