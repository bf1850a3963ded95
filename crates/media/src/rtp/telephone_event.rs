//! Key presses as RTP (RFC 4733).

use std::time::Duration;

use tutti_model::{Digit, Timestamp};

use super::{Malformed, RtpTime};

/// The longest press that is believed.
const MAX_DURATION: Duration = Duration::from_secs(8);

/// How long an event whose end was lost is still going on.
const END_LOST_AFTER: Duration = Duration::from_millis(200);

/// How many keys wait until they are asked for.
const QUEUE: usize = 16;

/// One telephone-event payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    pub code: u8,
    pub end: bool,
    /// How long it has lasted, in ticks of the stream's clock.
    pub duration_ticks: u16,
}

impl TelephoneEvent {
    /// Reads a payload; what follows the first event is not for us.
    ///
    /// # Errors
    /// When it is too short.
    pub fn parse(payload: &[u8]) -> Result<TelephoneEvent, Malformed> {
        let [code, flags, d0, d1] = payload
            .first_chunk::<4>()
            .ok_or(Malformed::EventTruncated)?;
        Ok(TelephoneEvent {
            code: *code,
            end: flags & 0x80 != 0,
            duration_ticks: u16::from_be_bytes([*d0, *d1]),
        })
    }
}

/// Turns the packets of events into key presses, one per event.
///
/// A key is reported with the first packet of its event that arrives, whichever that is: the others
/// have the same timestamp. A long press in segments, each with a timestamp of its own, is one event.
#[derive(Debug, Clone)]
pub struct TelephoneEvents {
    clock_rate_hz: u32,
    current: Option<Event>,
    waiting: [Option<Digit>; QUEUE],
    first: usize,
    len: usize,
}

#[derive(Debug, Clone, Copy)]
struct Event {
    code: u8,
    /// Where the segment begins.
    start: RtpTime,
    /// How long earlier segments lasted.
    before_ticks: u32,
    duration_ticks: u16,
    ended: bool,
    heard: Timestamp,
}

impl TelephoneEvents {
    /// Events on a stream with this clock.
    pub fn new(clock_rate_hz: u32) -> TelephoneEvents {
        TelephoneEvents {
            clock_rate_hz,
            current: None,
            waiting: [None; QUEUE],
            first: 0,
            len: 0,
        }
    }

    /// Takes a packet of an event.
    ///
    /// # Errors
    /// When it is too short, or lasts too long to be a press.
    pub fn handle(
        &mut self,
        now: Timestamp,
        timestamp: RtpTime,
        marker: bool,
        payload: &[u8],
    ) -> Result<(), Malformed> {
        let event = TelephoneEvent::parse(payload)?;
        let max_ticks = self
            .clock_rate_hz
            .saturating_mul(MAX_DURATION.as_secs() as u32);
        if u32::from(event.duration_ticks) > max_ticks {
            return Err(Malformed::EventTooLong);
        }
        // A lost update leaves a segment shorter than it was.
        let slack_ticks = self.clock_rate_hz / 20;
        match &mut self.current {
            Some(current) if current.start == timestamp => {
                // A shorter one was overtaken, and another key at the same time is a lie.
                if current.code == event.code && event.duration_ticks >= current.duration_ticks {
                    current.duration_ticks = event.duration_ticks;
                    current.ended |= event.end;
                    current.heard = now;
                }
                Ok(())
            }
            Some(current) if timestamp.since(current.start) < 0 => Ok(()),
            Some(current) if current.goes_on_with(&event, timestamp, marker, now, slack_ticks) => {
                let before_ticks = current
                    .before_ticks
                    .saturating_add(u32::from(current.duration_ticks));
                if before_ticks.saturating_add(u32::from(event.duration_ticks)) > max_ticks {
                    return Err(Malformed::EventTooLong);
                }
                *current = Event {
                    start: timestamp,
                    before_ticks,
                    duration_ticks: event.duration_ticks,
                    ended: event.end,
                    heard: now,
                    ..*current
                };
                Ok(())
            }
            Some(_) | None => {
                self.current = Some(Event {
                    code: event.code,
                    start: timestamp,
                    before_ticks: 0,
                    duration_ticks: event.duration_ticks,
                    ended: event.end,
                    heard: now,
                });
                if let Some(digit) = Digit::from_event(event.code) {
                    self.push(digit);
                }
                Ok(())
            }
        }
    }

    /// Whether a key is held down.
    pub fn is_pressed(&self, now: Timestamp) -> bool {
        self.current
            .is_some_and(|event| !event.ended && now.since(event.heard) < END_LOST_AFTER)
    }

    /// The next key that was pressed.
    pub fn poll(&mut self) -> Option<Digit> {
        let digit = self.waiting.get_mut(self.first)?.take()?;
        self.first = (self.first + 1) % QUEUE;
        self.len = self.len.saturating_sub(1);
        Some(digit)
    }

    /// Forgets the event that is going on: another source has other timestamps.
    pub fn source_changed(&mut self) {
        self.current = None;
    }

    /// Queues a key; a full queue means that nobody asks, and refuses it.
    fn push(&mut self, digit: Digit) {
        if self.len < QUEUE
            && let Some(slot) = self.waiting.get_mut((self.first + self.len) % QUEUE)
        {
            *slot = Some(digit);
            self.len += 1;
        }
    }
}

impl Event {
    /// Whether a packet with another timestamp is this press's next segment (RFC 4733 §2.5.1.3).
    fn goes_on_with(
        &self,
        event: &TelephoneEvent,
        timestamp: RtpTime,
        marker: bool,
        now: Timestamp,
        slack_ticks: u32,
    ) -> bool {
        let gap = timestamp.since(self.start.plus(u32::from(self.duration_ticks)));
        !marker
            && !self.ended
            && self.code == event.code
            && now.since(self.heard) < END_LOST_AFTER
            && gap.unsigned_abs() <= slack_ticks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_micros(0);

    struct Phone {
        events: TelephoneEvents,
        now: Timestamp,
    }

    impl Phone {
        fn new() -> Phone {
            Phone {
                events: TelephoneEvents::new(8_000),
                now: T0,
            }
        }

        fn send(&mut self, start: u32, marker: bool, code: u8, end: bool, duration: u16) {
            let [d0, d1] = duration.to_be_bytes();
            let payload = [code, if end { 0x8a } else { 0x0a }, d0, d1];
            self.events
                .handle(self.now, RtpTime::new(start), marker, &payload)
                .unwrap();
            self.now = self.now + Duration::from_millis(20);
        }

        /// A press of 100 ms with three end packets, as phones send it; `lost` are left out.
        fn press(&mut self, start: u32, code: u8, lost: &[usize]) {
            for n in 0..7 {
                if lost.contains(&n) {
                    self.now = self.now + Duration::from_millis(20);
                } else {
                    let duration = 160 * (n.min(4) as u16 + 1);
                    self.send(start, n == 0, code, n >= 4, duration);
                }
            }
        }

        fn digits(&mut self) -> String {
            std::iter::from_fn(|| self.events.poll())
                .map(Digit::as_char)
                .collect()
        }
    }

    #[test]
    fn a_press_is_one_key_whatever_is_lost_of_it() {
        for kept in 0..7 {
            let lost: Vec<usize> = (0..7).filter(|n| *n != kept).collect();
            let mut phone = Phone::new();
            phone.press(1_000, 5, &lost);
            phone.press(9_000, 5, &[]);
            assert_eq!(phone.digits(), "55", "only packet {kept} came");
        }
    }

    #[test]
    fn every_key_has_its_own_character_and_other_events_have_none() {
        let mut phone = Phone::new();
        for code in 0..16 {
            phone.press(1_000 + u32::from(code) * 4_000, code, &[]);
        }
        assert_eq!(phone.digits(), "0123456789*#ABCD");
        phone.press(100_000, 16, &[]);
        phone.press(110_000, 255, &[]);
        assert_eq!(phone.digits(), "");
    }

    #[test]
    fn a_long_press_in_segments_is_one_key() {
        let mut phone = Phone {
            events: TelephoneEvents::new(48_000),
            now: T0,
        };
        let mut start = 0_u32;
        for segment in 0..3 {
            for n in 1..=68_u32 {
                let duration = (n * 960).min(65_535) as u16;
                phone.send(start, segment == 0 && n == 1, 7, false, duration);
            }
            start += 65_535;
        }
        phone.send(start, false, 7, true, 960);
        assert_eq!(phone.digits(), "7");
        phone.press(start + 48_000, 7, &[]);
        assert_eq!(phone.digits(), "7");
    }

    #[test]
    fn a_press_whose_end_is_lost_does_not_swallow_the_next() {
        let mut phone = Phone::new();
        phone.press(1_000, 3, &[3, 4, 5, 6]);
        phone.press(3_000, 3, &[]);
        assert_eq!(phone.digits(), "33");
    }

    #[test]
    fn an_event_that_was_overtaken_is_not_pressed_again() {
        let mut phone = Phone::new();
        phone.press(1_000, 1, &[]);
        phone.press(9_000, 2, &[]);
        phone.send(1_000, false, 1, true, 800);
        phone.send(9_000, false, 2, false, 160);
        phone.send(9_000, false, 9, false, 960);
        assert_eq!(phone.digits(), "12");
    }

    #[test]
    fn a_key_is_held_down_until_its_end_or_until_it_falls_silent() {
        let mut phone = Phone::new();
        assert!(!phone.events.is_pressed(phone.now));
        phone.send(0, true, 4, false, 160);
        assert!(phone.events.is_pressed(phone.now));
        assert!(!phone.events.is_pressed(phone.now + END_LOST_AFTER));
        phone.send(0, false, 4, true, 320);
        assert!(!phone.events.is_pressed(phone.now));
    }

    #[test]
    fn lies_are_named() {
        let mut events = TelephoneEvents::new(8_000);
        for payload in [&[][..], &[1], &[1, 0, 0]] {
            let refused = events.handle(T0, RtpTime::new(0), true, payload);
            assert_eq!(refused, Err(Malformed::EventTruncated));
        }
        let nine_seconds = [1, 0x0a, 0xff, 0xff];
        let refused = events.handle(T0, RtpTime::new(0), true, &nine_seconds);
        assert_eq!(refused, Err(Malformed::EventTooLong));
        assert_eq!(events.poll(), None);
    }

    #[test]
    fn a_flood_of_keys_fills_the_queue_and_nothing_else() {
        let mut phone = Phone::new();
        for n in 0..1_000_u32 {
            phone.send(n * 4_000, true, (n % 10) as u8, true, 160);
        }
        assert_eq!(phone.digits().len(), QUEUE);
    }
}
