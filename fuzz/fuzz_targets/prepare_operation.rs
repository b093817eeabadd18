#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intune_graphql::fuzzing::prepare_operation(data));
