//! Where a simulation's chances come from.

/// Draws the same numbers for the same seed, on every machine (xoshiro256++, seeded by SplitMix64).
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// A generator at the start of its sequence.
    pub fn new(seed: u64) -> Random {
        let mut next = seed;
        let state = std::array::from_fn(|_| {
            next = next.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = next;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        });
        Random { state }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let drawn = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        drawn
    }

    /// A number below a bound; 0 where the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// A number from 0 up to, but not including, 1.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// A generator of its own for somebody else.
    pub fn fork(&mut self) -> Random {
        Random::new(self.bits())
    }

    /// What an identifier is made of.
    pub fn id(&mut self) -> [u8; 20] {
        let mut bits = [0; 20];
        for chunk in bits.chunks_mut(8) {
            let drawn = self.bits().to_be_bytes();
            for (bit, drawn) in chunk.iter_mut().zip(drawn) {
                *bit = drawn;
            }
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_draws_the_same() {
        let (mut one, mut two) = (Random::new(7), Random::new(7));
        assert!((0..1_000).all(|_| one.bits() == two.bits()));
        assert_ne!(Random::new(7).bits(), Random::new(8).bits());
        assert_ne!(Random::new(7).id(), Random::new(8).id());
    }

    #[test]
    fn chances_come_as_often_as_they_say() {
        let mut random = Random::new(1);
        let happened = (0..100_000).filter(|_| random.chance(0.05)).count();
        assert!((4_700..5_300).contains(&happened), "{happened}");
        let mut seen = [0; 6];
        for _ in 0..60_000 {
            seen[random.below(6)] += 1;
        }
        assert!(
            seen.iter().all(|count| (9_500..10_500).contains(count)),
            "{seen:?}"
        );
        assert_eq!(random.below(0), 0);
    }
}
