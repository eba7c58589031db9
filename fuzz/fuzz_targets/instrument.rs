//! See `instrument` in `fuzz/src`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| policy_verify_fuzz::instrument(bytes));
