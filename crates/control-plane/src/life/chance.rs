//! Where a life's choices come from.

/// Draws numbers: as a seed has them, or as bytes say.
pub(crate) struct Chance(Source);

enum Source {
    /// A linear congruential generator with the constants of Knuth's MMIX.
    #[cfg(test)]
    Seed(u64),
    /// The bytes that are left, the next one last.
    #[cfg(feature = "fuzz")]
    Bytes(Vec<u8>),
}

impl Chance {
    #[cfg(test)]
    pub(crate) fn from_seed(seed: u64) -> Chance {
        Chance(Source::Seed(seed))
    }

    /// Draws from these bytes; when they are used up, nothing but 0.
    #[cfg(feature = "fuzz")]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Chance {
        Chance(Source::Bytes(bytes.iter().rev().copied().collect()))
    }

    #[cfg(feature = "fuzz")]
    pub(crate) fn is_used_up(&self) -> bool {
        match &self.0 {
            #[cfg(test)]
            Source::Seed(_) => false,
            Source::Bytes(left) => left.is_empty(),
        }
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        match &mut self.0 {
            #[cfg(test)]
            Source::Seed(state) => {
                *state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (*state >> 33) % bound
            }
            // No more than a choice needs, so that a change to one byte changes one choice.
            #[cfg(feature = "fuzz")]
            Source::Bytes(left) => {
                let mut next = || u64::from(left.pop().unwrap_or(0));
                let drawn = match bound {
                    0..=1 => 0,
                    2..=256 => next(),
                    _ => next() << 8 | next(),
                };
                drawn % bound.max(1)
            }
        }
    }

    pub(crate) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.below(N as u64) as usize]
    }

    pub(crate) fn pick_from<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let length = u64::try_from(choices.len())
            .ok()
            .filter(|length| *length > 0)?;
        choices.get(self.below(length) as usize).copied()
    }
}
