//! The properties on stable Rust: held against every seed, and against seeds that are changed at random.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;

type Property = fn(&[u8]);

/// The targets of the fuzzer with a property of this crate, by the name of its file in `fuzz/fuzz_targets` and of its folder in `fuzz/seeds`.
const TARGETS: [(&str, Property); 10] = [
    ("batch_answer", super::batch_answer),
    ("cursor", super::cursor),
    ("date_time_offset", super::date_time_offset),
    ("global_id", super::global_id),
    ("graph_error", super::graph_error),
    ("odata", super::odata),
    ("page", super::page),
    ("prepare_operation", super::prepare_operation),
    ("provisioning_profile", super::provisioning_profile),
    ("request_body", super::request_body),
];

/// Targets whose property belongs to the tests of another crate, which also run it on the seeds.
const TARGETS_OF_OTHER_TESTS: [&str; 1] = ["second_opinion"];

/// Maximum length of an input, in bytes, as `fuzz/run` sets it.
const MAX_INPUT: usize = 4096;

fn names(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|file| stem(file.unwrap().path())).collect();
    names.sort();
    names
}

/// A target's seeds by their name.
fn seeds(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

/// Prints the input for which the property does not hold.
fn check(target: &str, property: Property, input: &[u8]) {
    if let Err(why) = panic::catch_unwind(AssertUnwindSafe(|| property(input))) {
        eprintln!("{target} does not hold for {:?}", String::from_utf8_lossy(input));
        panic::resume_unwind(why);
    }
}

#[test]
fn each_target_has_a_property_and_seeds() {
    let mut targets: Vec<_> = TARGETS.iter().map(|(name, _)| *name).chain(TARGETS_OF_OTHER_TESTS).collect();
    targets.sort_unstable();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("seeds"), targets);
}

#[test]
fn every_seed_keeps_its_property() {
    for (target, property) in TARGETS {
        let seeds = seeds(target);
        assert!(!seeds.is_empty());
        for (name, seed) in seeds {
            assert!(seed.len() <= MAX_INPUT, "{target}/{name} is larger than the fuzzer reads");
            check(target, property, &seed);
        }
    }
}

/// For some hundred inputs, or for as many seconds as `FUZZ_SECONDS` says, each target; then by chance, unless `FUZZ_SEED`
/// is a number.
#[test]
fn changed_seeds_keep_their_property() {
    let number = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let seconds = number("FUZZ_SECONDS");
    let chance = || if seconds.is_some() { fastrand::u64(..) } else { 7 };
    let mut random = Rng::with_seed(number("FUZZ_SEED").unwrap_or_else(chance));
    for (target, property) in TARGETS {
        let seeds: Vec<Vec<u8>> = seeds(target).into_values().collect();
        let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let mut tried = 0_u64;
        while until.map_or(tried < 300, |until| Instant::now() < until) {
            check(target, property, &changed(&seeds, &mut random));
            tried += 1;
        }
        println!("{target}: {tried} changed seeds kept their property");
    }
}

/// A seed with up to eight changes: a bit flipped, bytes put in, taken out or repeated, the end of another seed put on.
fn changed(seeds: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    const PIECES: [&[u8]; 12] =
        [b"\"", b"\\", b"'", b"%", b"{", b"[", b"}", b"]", b"\n", b"\0", "é".as_bytes(), b"99999999999"];

    let mut input = random.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..random.usize(..=8) {
        let at = random.usize(..=input.len());
        let end = random.usize(at..=input.len().min(at + 16));
        match random.u8(..6) {
            0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
            1 => input.insert(at, random.u8(..)),
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].repeat(random.usize(1..=32));
                input.splice(at..at, piece);
            }
            4 => drop(input.splice(at..at, random.choice(PIECES).unwrap_or_default().iter().copied())),
            _ => {
                let other = random.choice(seeds).map_or(&[][..], Vec::as_slice);
                input.truncate(at);
                input.extend_from_slice(&other[random.usize(..=other.len())..]);
            }
        }
    }
    input.truncate(MAX_INPUT);
    input
}
