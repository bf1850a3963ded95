//! Fuzzes the reader of queries.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tutti_fuzz::pql(bytes));
