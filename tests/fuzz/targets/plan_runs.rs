//! A plan grown out of the input, and calls taken through it: each ends within its bound, and goes on where it was after it was
//! written down and read back.
#![no_main]

#[path = "../../../dialplans/tests/it/grown.rs"]
mod grown;
#[path = "../../../dialplans/tests/it/grown_runs.rs"]
mod grown_runs;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    grown_runs::grow_and_run(bytes);
});
