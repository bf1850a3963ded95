//! How are durations spread?

use std::time::Duration;

/// How finely durations are told apart, in microseconds.
const STEP_US: u64 = 100;

/// Durations from here on count as this long: 400 ms.
const STEPS: usize = 4_000;

/// Counts durations in steps of 0.1 ms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// Grows to the longest duration seen.
    counts: Vec<u32>,
}

impl Histogram {
    /// Counts one duration.
    pub fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let step = usize::try_from(micros / STEP_US)
            .unwrap_or(STEPS)
            .min(STEPS);
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] = self.counts[step].saturating_add(1);
    }

    /// Counts everything that another histogram has counted.
    pub fn merge(&mut self, other: &Histogram) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// What was counted since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let before = earlier.counts.iter().chain(std::iter::repeat(&0));
        let counts = self.counts.iter().zip(before);
        Histogram {
            counts: counts
                .map(|(now, before)| now.saturating_sub(*before))
                .collect(),
        }
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// The duration that this share of all does not exceed, in milliseconds; `None` without any.
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        let total = self.count();
        let wanted = ((total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let step = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        })?;
        Some(step as f64 * STEP_US as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        (1..=50).for_each(|ms| low.add(Duration::from_millis(ms)));
        (51..=100).for_each(|ms| high.add(Duration::from_millis(ms)));
        low.merge(&high);
        assert_eq!(low.count(), 100);
        assert_eq!(low.quantile_ms(0.5), Some(50.0));
        assert_eq!(low.quantile_ms(0.99), Some(99.0));
        assert_eq!(Histogram::default().quantile_ms(0.5), None);
    }

    #[test]
    fn what_was_counted_before_is_left_out() {
        let mut histogram = Histogram::default();
        histogram.add(Duration::from_millis(3));
        let earlier = histogram.clone();
        histogram.add(Duration::from_millis(9));
        let since = histogram.since(&earlier);
        assert_eq!((since.count(), since.quantile_ms(0.5)), (1, Some(9.0)));
    }

    #[test]
    fn a_duration_without_end_is_counted_as_the_longest() {
        let mut histogram = Histogram::default();
        histogram.add(Duration::MAX);
        assert_eq!(histogram.quantile_ms(1.0), Some(400.0));
    }
}
