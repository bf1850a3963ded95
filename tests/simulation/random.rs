//! Whatever callers and applications do: everybody hears whom they must, and nobody else.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tutti_sim::{Repertoire, check};

/// How many scenarios are tried every time.
const SCENARIOS: u64 = 2_000;

#[test]
fn two_thousand_conferences_sound_as_the_rules_say() {
    let next = AtomicU64::new(0);
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let mismatches: Vec<String> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| try_seeds(&next)))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    let shown = mismatches
        .iter()
        .take(3)
        .map(String::as_str)
        .collect::<Vec<_>>();
    assert!(
        mismatches.is_empty(),
        "{} mismatches:\n{}",
        mismatches.len(),
        shown.join("\n")
    );
}

#[test]
fn a_seed_sounds_the_same_every_time() {
    for seed in [0, 25, 101, 102, 103] {
        let run =
            || check(seed, &Repertoire::default()).unwrap_or_else(|mismatch| panic!("{mismatch}"));
        let (first, second) = (run(), run());
        assert!(!first.is_empty());
        assert_eq!(first, second, "seed {seed}");
    }
}

/// Tries seeds until there are none left.
fn try_seeds(next: &AtomicU64) -> Vec<String> {
    let repertoire = Repertoire::default();
    std::iter::from_fn(|| {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        (seed < SCENARIOS).then_some(seed)
    })
    .filter_map(|seed| check(seed, &repertoire).err())
    .map(|mismatch| mismatch.to_string())
    .collect()
}
