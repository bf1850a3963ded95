//! Fuzzes the reader of scripts.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tutti_fuzz::percl(bytes));
