//! What a fuzzer may do to Tutti: each target takes any bytes, and panics where a promise is broken.
//!
//! `scripts/fuzz` lets libFuzzer look for such bytes; the tests here try a few hundred of them in every
//! ordinary run. Nothing here is part of the bridge.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

use tutti_freeclimb::{percl as script, pql as query};

/// The longest complaint about a script, in bytes: it goes into a line of the log.
const LONGEST_COMPLAINT: usize = 1024;

/// A script is understood or refused, in one sentence.
pub fn percl(bytes: &[u8]) {
    match script::parse(bytes) {
        // Each command takes at least its name in quotes and two pairs of braces.
        Ok(script) => assert!(script.commands.len() <= bytes.len() / 6),
        Err(malformed) => {
            let complaint = malformed.to_string();
            assert!(complaint.len() <= LONGEST_COMPLAINT, "{complaint}");
        }
    }
}

/// A query is understood, or refused at a place in it.
pub fn pql(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(bad) = query::parse(&text) {
        let end = text.chars().count() + 1;
        assert!((1..=end).contains(&bad.character), "{bad}");
    }
}

/// Calls, conferences and their scripts live as the bytes say, and every effect makes sense.
#[cfg(any(test, feature = "libfuzzer"))]
pub fn machine(bytes: &[u8]) {
    tutti_control_plane::live(bytes);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const ROUNDS: usize = 100;

    #[test]
    fn scripts_are_understood_or_refused_whatever_becomes_of_them() {
        for (name, seed) in seeds("percl") {
            assert!(script::parse(&seed).is_ok(), "{name}");
            for_damaged(&seed, percl);
        }
    }

    #[test]
    fn queries_are_understood_or_refused_whatever_becomes_of_them() {
        for (name, seed) in seeds("pql") {
            let text = str::from_utf8(&seed).unwrap();
            assert!(query::parse(text).is_ok(), "{name}");
            for_damaged(&seed, pql);
        }
    }

    #[test]
    fn lives_make_sense_whatever_decides_them() {
        let mut random = Random(0x7d1a_55e0);
        machine(b"");
        for _ in 0..ROUNDS {
            let length = random.below(4096);
            let bytes: Vec<_> = (0..length).map(|_| random.below(256) as u8).collect();
            machine(&bytes);
            for_damaged(&bytes[..length / 8], machine);
        }
    }

    fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        let files = fs::read_dir(folder.join(target)).unwrap();
        let mut seeds: Vec<_> = files
            .map(|file| file.unwrap().path())
            .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
            .collect();
        seeds.sort();
        assert!(!seeds.is_empty());
        seeds
    }

    /// Hands on the bytes as they are, and with some of them lost, changed, or said twice.
    fn for_damaged(seed: &[u8], target: fn(&[u8])) {
        let mut random = Random(seed.len() as u64 + 1);
        target(seed);
        for _ in 0..ROUNDS / 4 {
            let mut bytes = seed.to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, random.below(256) as u8),
                    2 => bytes.extend_from_within(at..),
                    _ => bytes
                        .iter_mut()
                        .skip(at)
                        .take(1)
                        .for_each(|byte| *byte ^= 1),
                }
            }
            target(&bytes);
        }
    }

    /// A xorshift generator.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % bound.max(1) as u64) as usize
        }
    }
}
