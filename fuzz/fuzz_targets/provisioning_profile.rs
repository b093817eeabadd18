#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| intune_graphql::fuzzing::provisioning_profile(data));
