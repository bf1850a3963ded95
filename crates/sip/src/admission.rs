//! May a new dialog begin now?

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use crate::config::Limits;

/// Bounds new dialogs a second, per source address and in all. A second's worth may come at once.
#[derive(Debug)]
pub(crate) struct Admission {
    per_source: u32,
    all: u32,
    everybody: Bucket,
    sources: HashMap<IpAddr, Bucket>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Admission {
        Admission {
            per_source: limits.new_dialogs_per_second_per_source,
            all: limits.new_dialogs_per_second,
            everybody: Bucket::full(limits.new_dialogs_per_second, now),
            sources: HashMap::new(),
        }
    }

    /// Takes a place for a new dialog from this source, if both bounds allow it.
    pub(crate) fn admit(&mut self, now: Instant, source: IpAddr) -> bool {
        if self.sources.len() >= MAX_SOURCES {
            let rate = self.per_source;
            self.sources.retain(|_, bucket| !bucket.is_full(now, rate));
            // So many sources at once is a flood, whatever each of them does.
            if self.sources.len() >= MAX_SOURCES {
                return false;
            }
        }
        let (per_source, all) = (self.per_source, self.all);
        let own = self
            .sources
            .entry(source)
            .or_insert_with(|| Bucket::full(per_source, now));
        own.take(now, per_source) && self.everybody.take(now, all)
    }
}

/// Sources that are remembered; the memory of one is a few dozen bytes.
const MAX_SOURCES: usize = 65_536;

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: u32, now: Instant) -> Bucket {
        Bucket {
            tokens: f64::from(rate),
            at: now,
        }
    }

    fn take(&mut self, now: Instant, rate: u32) -> bool {
        self.tokens = self.level(now, rate);
        self.at = now;
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }

    fn is_full(&self, now: Instant, rate: u32) -> bool {
        self.level(now, rate) >= f64::from(rate)
    }

    fn level(&self, now: Instant, rate: u32) -> f64 {
        let rate = f64::from(rate);
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tokens + since * rate).min(rate)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_source_cannot_use_up_the_others_share() {
        let start = Instant::now();
        let mut admission = Admission::new(&limits(2, 100), start);
        let admitted = |admission: &mut Admission, source: [u8; 4]| {
            (0..10)
                .filter(|_| admission.admit(start, IpAddr::from(source)))
                .count()
        };
        assert_eq!(admitted(&mut admission, [192, 0, 2, 1]), 2);
        assert_eq!(admitted(&mut admission, [192, 0, 2, 2]), 2);
    }

    #[test]
    fn all_sources_together_have_a_bound() {
        let start = Instant::now();
        let mut admission = Admission::new(&limits(10, 5), start);
        let admitted = (0..50)
            .filter(|host| admission.admit(start, IpAddr::from([192, 0, 2, *host])))
            .count();
        assert_eq!(admitted, 5);
    }

    #[test]
    fn a_share_comes_back_with_time() {
        let start = Instant::now();
        let mut admission = Admission::new(&limits(2, 100), start);
        let source = IpAddr::from([192, 0, 2, 1]);
        while admission.admit(start, source) {}
        assert!(!admission.admit(start + Duration::from_millis(400), source));
        assert!(admission.admit(start + Duration::from_millis(600), source));
        assert!(!admission.admit(start + Duration::from_millis(600), source));
    }

    fn limits(per_source: u32, all: u32) -> Limits {
        Limits {
            new_dialogs_per_second_per_source: per_source,
            new_dialogs_per_second: all,
            ..Limits::default()
        }
    }
}
