//! Key presses as RTP (RFC 4733).

use std::time::Duration;

use tutti_model::{Digit, Timestamp};

use super::{DigitQueue, Malformed, RtpTime};

/// The longest press that is believed.
const MAX_DURATION: Duration = Duration::from_secs(8);

/// How long an event whose end was lost is still going on.
const END_LOST_AFTER: Duration = Duration::from_millis(200);

/// How long after an event packets of one before it may still arrive.
const OVERTAKEN_WITHIN: Duration = Duration::from_secs(2);

/// The most time that one packet is taken to stand for.
const LONGEST_PACKET_MS: u32 = 60;

/// How many keys wait until they are asked for.
const QUEUE: usize = 16;

/// How loud our keys are, in −dBm0 (RFC 4733 §2.3.4).
const VOLUME: u8 = 10;

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

    /// The payload of an event that we send.
    pub fn to_bytes(self) -> [u8; 4] {
        let [d0, d1] = self.duration_ticks.to_be_bytes();
        [self.code, (u8::from(self.end) << 7) | VOLUME, d0, d1]
    }
}

/// Turns the packets of events into key presses, one per event.
///
/// A key is reported with the first packet of its event that arrives, whichever that is: the others
/// have the same timestamp. A long press in segments, each with a timestamp of its own, is one event,
/// and so is one whose sender moves the timestamp with every packet.
#[derive(Debug, Clone)]
pub struct TelephoneEvents {
    clock_rate_hz: u32,
    current: Option<Event>,
    waiting: DigitQueue<QUEUE>,
}

#[derive(Debug, Clone, Copy)]
struct Event {
    code: u8,
    /// Where the press begins.
    origin: RtpTime,
    /// Where its latest segment begins.
    start: RtpTime,
    duration_ticks: u16,
    ended: bool,
    heard: Timestamp,
    /// The source has changed since: of its timestamps, only the same one means anything.
    of_another_source: bool,
}

impl TelephoneEvents {
    /// Events on a stream with this clock.
    pub fn new(clock_rate_hz: u32) -> TelephoneEvents {
        TelephoneEvents {
            clock_rate_hz,
            current: None,
            waiting: DigitQueue::default(),
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
        if let Some(current) = &mut self.current {
            // Another key at the same time is a lie.
            let is_lie = current.start == timestamp && current.code != event.code;
            if is_lie || current.has_overtaken(timestamp, now) {
                return Ok(());
            }
            if current.goes_on_with(&event, timestamp, marker, now, self.clock_rate_hz) {
                current.go_on(&event, timestamp, now);
                let ticks_before = timestamp.since(current.origin);
                // However long it is, it remains one press.
                return self.believable(ticks_before, &event);
            }
        }
        self.believable(0, &event)?;
        self.current = Some(Event {
            code: event.code,
            origin: timestamp,
            start: timestamp,
            duration_ticks: event.duration_ticks,
            ended: event.end,
            heard: now,
            of_another_source: false,
        });
        if let Some(digit) = Digit::from_event(event.code) {
            // A full queue means that nobody asks.
            self.waiting.push(digit);
        }
        Ok(())
    }

    /// Whether a press may last until the end of this packet's event, whose segment begins so many
    /// ticks into it.
    fn believable(&self, ticks_before: i32, event: &TelephoneEvent) -> Result<(), Malformed> {
        let ticks = i64::from(ticks_before) + i64::from(event.duration_ticks);
        if ticks > i64::from(self.clock_rate_hz) * MAX_DURATION.as_secs() as i64 {
            return Err(Malformed::EventTooLong);
        }
        Ok(())
    }

    /// Whether a key is held down.
    pub fn is_pressing(&self, now: Timestamp) -> bool {
        self.current
            .is_some_and(|event| !event.ended && now.since(event.heard) < END_LOST_AFTER)
    }

    /// The next key that was pressed.
    pub fn poll(&mut self) -> Option<Digit> {
        self.waiting.pop()
    }

    /// Another source has other timestamps; the press that is going on is not another one for that.
    pub fn source_changed(&mut self) {
        if let Some(current) = &mut self.current {
            current.of_another_source = true;
        }
    }
}

impl Event {
    /// Whether a packet with this timestamp is one of an earlier press, which arrives late.
    fn has_overtaken(&self, timestamp: RtpTime, now: Timestamp) -> bool {
        !self.of_another_source
            && timestamp.since(self.start) < 0
            && now.since(self.heard) < OVERTAKEN_WITHIN
    }

    /// Whether a packet of the same key belongs to this press.
    fn goes_on_with(
        &self,
        event: &TelephoneEvent,
        timestamp: RtpTime,
        marker: bool,
        now: Timestamp,
        clock_rate_hz: u32,
    ) -> bool {
        if self.start == timestamp {
            return true;
        }
        if marker
            || self.of_another_source
            || self.code != event.code
            || now.since(self.heard) >= END_LOST_AFTER
        {
            return false;
        }
        let since = timestamp.since(self.start);
        let packet_ticks = (clock_rate_hz / 1_000 * LONGEST_PACKET_MS) as i32;
        if self.ended {
            // Whoever moves the timestamp with every packet does so when it repeats the end.
            return event.end && since <= packet_ticks;
        }
        // A duration that has grown by as much as the timestamp has moved, or has no more room,
        // counts from the beginning.
        let grown = i32::from(event.duration_ticks) - i32::from(self.duration_ticks);
        let full = u16::MAX;
        if grown == since || event.duration_ticks == full {
            return true;
        }
        // The next segment begins when there is no more room (RFC 4733 §2.5.1.3), or a packet earlier.
        (i32::from(full) - packet_ticks..=i32::from(full)).contains(&since)
    }

    fn go_on(&mut self, event: &TelephoneEvent, timestamp: RtpTime, now: Timestamp) {
        if self.start == timestamp {
            // A shorter duration was overtaken, or has wrapped around.
            self.duration_ticks = self.duration_ticks.max(event.duration_ticks);
        } else {
            self.start = timestamp;
            self.duration_ticks = event.duration_ticks;
        }
        self.ended |= event.end;
        self.heard = now;
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
        assert!(!phone.events.is_pressing(phone.now));
        phone.send(0, true, 4, false, 160);
        assert!(phone.events.is_pressing(phone.now));
        assert!(!phone.events.is_pressing(phone.now + END_LOST_AFTER));
        phone.send(0, false, 4, true, 320);
        assert!(!phone.events.is_pressing(phone.now));
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

    /// How a phone writes a press down.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Style {
        /// As the RFC says, long presses in segments.
        Rfc,
        /// Without a marker on the first packet.
        WithoutMarker,
        /// With a duration that wraps around instead of beginning a segment.
        Wrapping,
        /// With a timestamp that moves with every packet until the end.
        MovingTimestamp,
    }

    const STYLES: [Style; 4] = [
        Style::Rfc,
        Style::WithoutMarker,
        Style::Wrapping,
        Style::MovingTimestamp,
    ];

    /// A multiplicative generator; the seed is the story.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, n: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % n
        }
    }

    struct Sent {
        at_ms: u64,
        timestamp: RtpTime,
        marker: bool,
        event: TelephoneEvent,
    }

    /// What a phone sends for one press.
    fn press_of(style: Style, rate_hz: u32, start: RtpTime, code: u8, held: u32) -> Vec<Sent> {
        let frame_ticks = rate_hz / 50;
        (0..held + 2)
            .map(|n| {
                let elapsed = (n + 1).min(held) * frame_ticks;
                let (offset, duration) = match style {
                    Style::Rfc | Style::WithoutMarker => {
                        let segments = (elapsed - 1) / 0xffff;
                        (segments * 0xffff, elapsed - segments * 0xffff)
                    }
                    Style::Wrapping => (0, elapsed & 0xffff),
                    Style::MovingTimestamp => (elapsed - frame_ticks, elapsed.min(0xffff)),
                };
                Sent {
                    at_ms: u64::from(n) * 20,
                    timestamp: start.plus(offset),
                    marker: n == 0 && style != Style::WithoutMarker,
                    event: TelephoneEvent {
                        code,
                        end: n + 1 >= held,
                        duration_ticks: duration as u16,
                    },
                }
            })
            .collect()
    }

    /// A session of presses over a network that loses, doubles and delays: what was pressed, and
    /// what was read.
    fn session(seed: u64) -> (String, String) {
        let mut chance = Chance(seed);
        let rate_hz = [8_000, 16_000, 48_000][chance.below(3) as usize];
        let style = STYLES[chance.below(4) as usize];
        let loss_percent = [0, 5, 30, 60][chance.below(4) as usize];
        let mut start = RtpTime::new(chance.below(1 << 32) as u32);
        let (mut pressed, mut at_ms) = (String::new(), 0);
        let mut arriving = Vec::new();
        for _ in 0..1 + chance.below(12) {
            let code = chance.below(16) as u8;
            // Most are short, and some are held for longer than anybody holds a key.
            let held = match chance.below(12) {
                0 => 2 + chance.below(550),
                _ => 2 + chance.below(12),
            } as u32;
            pressed.push(Digit::from_event(code).unwrap().as_char());
            let sent = press_of(style, rate_hz, start, code, held);
            let survivor = chance.below(sent.len() as u64) as usize;
            let mut lost_in_a_row = 0;
            for (n, sent) in sent.into_iter().enumerate() {
                // An outage in the middle of a press is another matter.
                let lost = chance.below(100) < loss_percent && lost_in_a_row < 6;
                if lost && n != survivor {
                    lost_in_a_row += 1;
                    continue;
                }
                lost_in_a_row = 0;
                for _ in 0..1 + chance.below(5) / 4 {
                    let bytes = sent.event.to_bytes();
                    let late_ms = chance.below(20);
                    let arrives_ms = at_ms + sent.at_ms + late_ms;
                    arriving.push((arrives_ms, sent.timestamp, sent.marker, bytes));
                }
            }
            let mut pause = 3 + chance.below(100) as u32;
            // Where the next segment would begin, a press whose end and marker are lost cannot be
            // told from it.
            let full_frames = 0xffff / (rate_hz / 50);
            if (full_frames - 4..full_frames + 2).contains(&((held + pause) % full_frames)) {
                pause += 8;
            }
            at_ms += u64::from(held + pause) * 20;
            start = start.plus((held + pause) * (rate_hz / 50));
        }
        arriving.sort_by_key(|(arrives_ms, ..)| *arrives_ms);
        let mut events = TelephoneEvents::new(rate_hz);
        let mut read = String::new();
        for (arrives_ms, timestamp, marker, payload) in arriving {
            let now = T0 + Duration::from_millis(arrives_ms);
            // Presses of more than eight seconds are refused from there on, packet by packet.
            let _ = events.handle(now, timestamp, marker, &payload);
            read.extend(std::iter::from_fn(|| events.poll()).map(Digit::as_char));
        }
        (pressed, read)
    }

    #[test]
    fn every_press_is_one_key_over_any_network_and_from_any_phone() {
        for seed in 0..20_000 {
            let (pressed, read) = session(seed);
            assert_eq!(pressed, read, "seed {seed}");
        }
    }

    #[test]
    fn ends_that_move_their_timestamp_are_no_further_presses() {
        let mut phone = Phone::new();
        for n in 0..8_u16 {
            let duration = 160 * (n + 1).min(5);
            phone.send(u32::from(n) * 160, n == 0, 8, n >= 4, duration);
        }
        phone.press(4_000, 8, &[0]);
        assert_eq!(phone.digits(), "88");
    }

    #[test]
    fn a_new_source_neither_repeats_a_press_nor_swallows_the_next() {
        let mut phone = Phone::new();
        phone.send(900_000, true, 4, false, 160);
        phone.events.source_changed();
        phone.send(900_000, false, 4, false, 320);
        phone.send(900_000, false, 4, true, 480);
        // Its timestamps lie before those of the old one.
        phone.press(1_000, 4, &[]);
        phone.press(9_000, 4, &[]);
        assert_eq!(phone.digits(), "444");
    }

    #[test]
    fn a_timestamp_that_jumps_back_after_a_while_is_a_press() {
        let mut phone = Phone::new();
        phone.press(900_000, 4, &[]);
        phone.now = phone.now + OVERTAKEN_WITHIN;
        phone.press(1_000, 5, &[]);
        assert_eq!(phone.digits(), "45");
    }

    #[test]
    fn a_key_is_down_although_its_duration_has_no_more_room() {
        let mut phone = Phone {
            events: TelephoneEvents::new(48_000),
            now: T0,
        };
        for n in 1..=200_u32 {
            phone.send(0, n == 1, 4, false, (n * 960) as u16);
            assert!(phone.events.is_pressing(phone.now));
        }
        assert_eq!(phone.digits(), "4");
    }

    #[test]
    fn no_bytes_whatever_are_more_keys_than_events() {
        for seed in 0..2_000 {
            let mut chance = Chance(seed);
            let mut events = TelephoneEvents::new(8_000);
            let (mut taken, mut pressed) = (0, 0);
            for n in 0..50 {
                let payload: Vec<u8> = (0..chance.below(9))
                    .map(|_| chance.below(256) as u8)
                    .collect();
                let timestamp = RtpTime::new((chance.below(8) * 700) as u32);
                let now = T0 + Duration::from_millis(n * 20);
                let handled = events.handle(now, timestamp, chance.below(2) == 0, &payload);
                let is_key = payload.first().is_some_and(|code| *code < 16);
                taken += usize::from(handled.is_ok() && is_key);
                while events.poll().is_some() {
                    pressed += 1;
                }
                assert!(pressed <= taken, "seed {seed}");
            }
        }
    }
}
