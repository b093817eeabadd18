#![no_main]

// The tests of `graphql-prepare` hold the comparison, so that apollo-compiler is in no build but the tests' and the fuzzer's.
#[path = "../../crates/graphql-prepare/tests/second_opinion/main.rs"]
#[expect(dead_code, reason = "only the tests read all of the table of differences")]
mod comparison;

libfuzzer_sys::fuzz_target!(|data: &[u8]| comparison::second_opinion(data));
