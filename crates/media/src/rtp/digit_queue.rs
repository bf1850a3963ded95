//! Keys that wait for their turn.

use tutti_model::Digit;

/// Up to `N` keys, first in, first out.
#[derive(Debug, Clone)]
pub struct DigitQueue<const N: usize> {
    waiting: [Option<Digit>; N],
    first: usize,
    len: usize,
}

impl<const N: usize> Default for DigitQueue<N> {
    fn default() -> DigitQueue<N> {
        DigitQueue {
            waiting: [None; N],
            first: 0,
            len: 0,
        }
    }
}

impl<const N: usize> DigitQueue<N> {
    /// Whether no key waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Queues a key, or says that there is no room for it.
    pub fn push(&mut self, digit: Digit) -> bool {
        if self.len == N {
            return false;
        }
        let Some(slot) = self.waiting.get_mut((self.first + self.len) % N) else {
            return false;
        };
        *slot = Some(digit);
        self.len += 1;
        true
    }

    /// The key that has waited longest.
    pub fn pop(&mut self) -> Option<Digit> {
        let digit = self.waiting.get_mut(self.first)?.take()?;
        self.first = (self.first + 1) % N;
        self.len -= 1;
        Some(digit)
    }

    /// Forgets every key.
    pub fn clear(&mut self) {
        *self = DigitQueue::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_in_order_and_one_too_many_is_refused() {
        let mut queue = DigitQueue::<3>::default();
        let digit = |code| Digit::from_event(code).unwrap();
        for round in 0..10 {
            for code in 0..3 {
                assert!(queue.push(digit((round + code) % 16)));
            }
            assert!(!queue.push(digit(0)));
            for code in 0..3 {
                assert_eq!(queue.pop(), Some(digit((round + code) % 16)));
            }
            assert!(queue.is_empty());
            assert_eq!(queue.pop(), None);
        }
        queue.push(digit(1));
        queue.clear();
        assert_eq!(queue.pop(), None);
    }
}
