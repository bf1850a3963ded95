//! Key presses that the bridge makes, one step per tick.

use tutti_model::Digit;

use super::DigitQueue;

/// How long a key is held down: 100 ms.
pub(super) const HELD_FRAMES: u32 = 5;

/// The least time between two keys: 60 ms.
const PAUSE_FRAMES: u32 = 3;

/// How often an event's last packet is sent again (RFC 4733 §2.5.1.4).
const END_REPEATS: u32 = 2;

/// Keys that may wait.
const QUEUE: usize = 64;

/// What a tick tells of a key that is pressed, or was released just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Press {
    pub digit: Digit,
    /// Frames since the key went down.
    frame: u32,
}

impl Press {
    /// Whether this is the key's first frame.
    pub fn is_first(self) -> bool {
        self.frame == 0
    }

    /// The frame of the key's sound that this is; none when the key is up again.
    pub fn sounding(self) -> Option<u32> {
        (self.frame < HELD_FRAMES).then_some(self.frame)
    }

    /// How long the key has been down at the end of this frame, in frames.
    pub fn held_frames(self) -> u32 {
        (self.frame + 1).min(HELD_FRAMES)
    }

    /// Whether the key is up at the end of this frame.
    pub fn is_end(self) -> bool {
        self.frame + 1 >= HELD_FRAMES
    }
}

/// Presses keys one after another.
///
/// Each tick either tells of a press, whose packet takes the place of audio (RFC 4733 §2.5.1.2), or
/// leaves the stream to audio. Where the peer reads no events, [`add_key_tone`](crate::add_key_tone)
/// makes the sound of the same press.
#[derive(Debug, Clone, Default)]
pub struct DigitSender {
    waiting: DigitQueue<QUEUE>,
    /// The key that is pressed or was last, and the frames since it went down.
    current: Option<(Digit, u32)>,
}

impl DigitSender {
    /// Queues a key, or says that there is no room for it.
    pub fn press(&mut self, digit: Digit) -> bool {
        self.waiting.push(digit)
    }

    /// Whether no key is pressed or waits.
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.waiting.is_empty()
    }

    /// What this tick tells of a key; nothing while no key is pressed.
    pub fn tick(&mut self) -> Option<Press> {
        let (digit, frame) = match self.current.take() {
            Some(current) => current,
            None => (self.waiting.pop()?, 0),
        };
        let next = frame + 1;
        self.current = (next < HELD_FRAMES + PAUSE_FRAMES).then_some((digit, next));
        (frame < HELD_FRAMES + END_REPEATS).then_some(Press { digit, frame })
    }

    /// Lets go of the key and forgets those that wait.
    pub fn clear(&mut self) {
        self.waiting.clear();
        self.current = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> impl Iterator<Item = Digit> {
        text.chars().map(|key| Digit::from_char(key).unwrap())
    }

    #[test]
    fn a_key_is_held_for_100_ms_and_the_next_one_follows_60_ms_later() {
        let mut sender = DigitSender::default();
        assert_eq!(sender.tick(), None);
        assert!(digits("12").all(|digit| sender.press(digit)));
        let ticks: Vec<_> = std::iter::from_fn(|| (!sender.is_idle()).then(|| sender.tick()))
            .map(|tick| tick.map(|press| (press.digit.as_char(), press.sounding(), press.is_end())))
            .collect();
        for (n, key) in ['1', '2'].into_iter().enumerate() {
            for frame in 0..4 {
                assert_eq!(ticks[8 * n + frame], Some((key, Some(frame as u32), false)));
            }
            assert_eq!(ticks[8 * n + 4], Some((key, Some(4), true)));
            assert_eq!(ticks[8 * n + 5], Some((key, None, true)));
            assert_eq!(ticks[8 * n + 6], Some((key, None, true)));
            assert_eq!(ticks[8 * n + 7], None);
        }
        assert_eq!(ticks.len(), 16);
    }

    #[test]
    fn sixty_four_keys_may_wait() {
        let mut sender = DigitSender::default();
        let key = Digit::from_event(5).unwrap();
        assert!((0..QUEUE).all(|_| sender.press(key)));
        assert!(!sender.press(key));
        let firsts = std::iter::from_fn(|| (!sender.is_idle()).then(|| sender.tick()))
            .flatten()
            .filter(|press| press.is_first());
        assert_eq!(firsts.count(), QUEUE);
    }

    #[test]
    fn a_key_that_is_let_go_is_over_at_once() {
        let mut sender = DigitSender::default();
        assert!(digits("12").all(|digit| sender.press(digit)));
        assert!(sender.tick().is_some());
        sender.clear();
        assert!(sender.is_idle());
        assert_eq!(sender.tick(), None);
    }
}
