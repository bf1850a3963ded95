//! Whose turn is it to talk?

use std::time::{Duration, Instant};

/// How long one talker talks before the next one does.
pub(crate) const TURN: Duration = Duration::from_secs(3);

/// One conference in which one talker talks at a time, as people do.
#[derive(Debug)]
pub(crate) struct Floor {
    talkers: u32,
    starts_at: Instant,
}

impl Floor {
    /// Turns among this many talkers; `offset` keeps conferences from taking turns all at once.
    pub(crate) fn new(talkers: usize, now: Instant, offset: Duration) -> Floor {
        Floor {
            talkers: u32::try_from(talkers).unwrap_or(u32::MAX).max(1),
            starts_at: now.checked_sub(offset).unwrap_or(now),
        }
    }

    /// Whether it is this talker's turn.
    pub(crate) fn is_held_by(&self, talker: usize, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.starts_at);
        let turn = since.as_millis() / TURN.as_millis();
        turn % u128::from(self.talkers) == talker as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_talks_at_a_time_and_each_in_turn() {
        let start = Instant::now();
        let floor = Floor::new(3, start, Duration::ZERO);
        let moments = (0..90).map(|tick| start + Duration::from_millis(200) * tick);
        let holder = |now| {
            (0..3)
                .filter(|n| floor.is_held_by(*n, now))
                .collect::<Vec<usize>>()
        };
        let holders: Vec<usize> = moments.flat_map(holder).collect();
        assert_eq!(holders.len(), 90);
        assert!(
            holders
                .chunks(15)
                .map(|turn| turn[0])
                .eq([0, 1, 2, 0, 1, 2])
        );
        assert!(
            holders
                .chunks(15)
                .all(|turn| turn.iter().all(|holder| *holder == turn[0]))
        );
    }
}
