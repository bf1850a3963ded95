//! Fuzzes the control plane.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tutti_fuzz::machine(bytes));
