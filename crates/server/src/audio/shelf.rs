//! Keeps what was used last, as far as there is room.

use std::collections::BTreeMap;

/// Values by key, up to a total weight; the one that was not used for longest goes first.
#[derive(Debug)]
pub struct Shelf<K, V> {
    items: BTreeMap<K, Item<V>>,
    /// Every key, in the order of last use.
    order: BTreeMap<u64, K>,
    uses: u64,
    weight: usize,
    limit: usize,
}

#[derive(Debug)]
struct Item<V> {
    value: V,
    weight: usize,
    used: u64,
}

impl<K: Ord + Clone, V> Shelf<K, V> {
    /// Has room for this much; what a weight measures is up to whoever puts things there.
    pub fn new(limit: usize) -> Shelf<K, V> {
        Shelf {
            items: BTreeMap::new(),
            order: BTreeMap::new(),
            uses: 0,
            weight: 0,
            limit,
        }
    }

    /// Finds a value, which counts as a use of it.
    pub fn get(&mut self, key: &K) -> Option<&V> {
        let item = self.items.get_mut(key)?;
        self.order.remove(&item.used);
        self.uses += 1;
        item.used = self.uses;
        self.order.insert(self.uses, key.clone());
        Some(&item.value)
    }

    /// Keeps a value in place of the one with its key, and drops others until there is room.
    ///
    /// A value for which there is no room at all is not kept.
    pub fn put(&mut self, key: K, value: V, weight: usize) {
        self.remove(&key);
        if weight > self.limit {
            return;
        }
        while self.weight + weight > self.limit {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            self.remove(&oldest);
        }
        self.uses += 1;
        self.order.insert(self.uses, key.clone());
        self.weight += weight;
        let used = self.uses;
        self.items.insert(
            key,
            Item {
                value,
                weight,
                used,
            },
        );
    }

    /// Forgets a value.
    pub fn remove(&mut self, key: &K) {
        if let Some(item) = self.items.remove(key) {
            self.order.remove(&item.used);
            self.weight -= item.weight;
        }
    }

    /// What everything that is kept weighs.
    pub fn weight(&self) -> usize {
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut shelf = Shelf::new(3);
        for name in ["a", "b", "c"] {
            shelf.put(name, name, 1);
        }
        assert_eq!(shelf.get(&"a"), Some(&"a"));
        shelf.put("d", "d", 1);
        assert_eq!(shelf.get(&"b"), None);
        for name in ["a", "c", "d"] {
            assert_eq!(shelf.get(&name), Some(&name));
        }
    }

    #[test]
    fn the_weight_never_exceeds_the_limit_and_returns_to_nothing() {
        let mut shelf = Shelf::new(100);
        let mut seed = 7_u32;
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (key, weight) = ((seed >> 8) % 50, (seed >> 16) as usize % 120);
            match seed >> 30 {
                0 => shelf.remove(&key),
                1 => assert!(shelf.get(&key).is_none_or(|kept| *kept == key)),
                _ => shelf.put(key, key, weight),
            }
            assert!(shelf.weight() <= 100);
            let kept: usize = shelf.items.values().map(|item| item.weight).sum();
            assert_eq!(
                (shelf.weight(), shelf.items.len()),
                (kept, shelf.order.len())
            );
        }
        (0..50).for_each(|key| shelf.remove(&key));
        assert_eq!((shelf.weight(), shelf.order.len()), (0, 0));
    }

    #[test]
    fn what_is_too_heavy_replaces_what_it_was_to_replace_and_nothing_else() {
        let mut shelf = Shelf::new(10);
        shelf.put(1, "light", 4);
        shelf.put(2, "other", 4);
        shelf.put(1, "heavy", 11);
        assert_eq!(shelf.get(&1), None);
        assert_eq!(shelf.get(&2), Some(&"other"));
    }
}
