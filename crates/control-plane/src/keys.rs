//! Which key presses are one, when a phone tells of each twice?

use std::collections::VecDeque;
use std::time::Duration;

use tutti_model::{Digit, Timestamp};

/// How far apart the two tellings of one press may be: signalling that is lost is sent again after
/// half a second, and then after another (RFC 3261 §17.1.2.1).
const APART: Duration = Duration::from_secs(2);

/// Tellings whose other half may still come.
const OPEN: usize = 16;

/// Which way a phone told of a press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// In its media (RFC 4733).
    Media,
    /// In its signalling (SIP INFO).
    Signalling,
}

/// A call's latest presses, each waiting for its other half.
///
/// Each telling cancels one earlier telling of the same key on the other way, and no more: whoever
/// tells on one way alone is never taken for somebody who repeats himself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    open: VecDeque<(Told, Digit, Timestamp)>,
}

impl Keys {
    /// Whether this is a press that was not told before.
    pub(crate) fn is_news(&mut self, now: Timestamp, told: Told, digit: Digit) -> bool {
        self.open.retain(|(_, _, at)| now.since(*at) <= APART);
        let other_half = self
            .open
            .iter()
            .position(|(way, key, _)| *way != told && *key == digit);
        if let Some(position) = other_half {
            self.open.remove(position);
            return false;
        }
        if self.open.len() == OPEN {
            self.open.pop_front();
        }
        self.open.push_back((told, digit, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is news of a sequence of tellings: when in ms, which way, which key.
    fn news(tellings: &[(i64, Told, char)]) -> String {
        let mut keys = Keys::default();
        tellings
            .iter()
            .filter(|(at_ms, told, key)| {
                let at = Timestamp::from_micros(at_ms * 1_000);
                keys.is_news(at, *told, Digit::from_char(*key).unwrap())
            })
            .map(|(_, _, key)| key)
            .collect()
    }

    #[test]
    fn a_phone_that_tells_everything_twice_presses_once() {
        use Told::{Media, Signalling};
        let in_step = [
            (0, Media, '5'),
            (30, Signalling, '5'),
            (200, Media, '5'),
            (210, Signalling, '5'),
            (400, Signalling, '7'),
            (500, Media, '7'),
        ];
        assert_eq!(news(&in_step), "557");
        let behind = [
            (0, Media, '5'),
            (160, Media, '5'),
            (320, Media, '6'),
            (500, Signalling, '5'),
            (510, Signalling, '5'),
            (1_320, Signalling, '6'),
        ];
        assert_eq!(news(&behind), "556");
    }

    #[test]
    fn a_phone_that_tells_one_way_is_believed_however_fast_it_is() {
        for told in [Told::Media, Told::Signalling] {
            let fast: Vec<_> = (0..50).map(|n| (n * 100, told, '1')).collect();
            assert_eq!(news(&fast).len(), 50);
        }
    }

    #[test]
    fn a_telling_that_is_lost_costs_no_press() {
        use Told::{Media, Signalling};
        let lost_in_media = [
            (0, Signalling, '5'),
            (300, Media, '5'),
            (320, Signalling, '5'),
        ];
        assert_eq!(news(&lost_in_media), "55");
        let lost_in_signalling = [(0, Media, '5'), (300, Media, '5'), (320, Signalling, '5')];
        assert_eq!(news(&lost_in_signalling), "55");
    }

    #[test]
    fn what_is_far_apart_is_not_one_press() {
        let slow = [(0, Told::Media, '5'), (2_001, Told::Signalling, '5')];
        assert_eq!(news(&slow), "55");
    }
}
