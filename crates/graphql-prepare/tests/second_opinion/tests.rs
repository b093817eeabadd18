use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use apollo_compiler::ExecutableDocument;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use super::*;
use crate::{
    checker::Outcome,
    differences::{Accepts, KNOWN, Right},
    judges::{Judge, Reason, Verdict},
};

pub(crate) fn case_of(&(schema, document, variables): &cases::Written) -> Case {
    let schema = SchemaPair::named(schema).unwrap();
    let variables = if variables.is_empty() { "{}" } else { variables };
    Case { schema, document: document.to_owned(), variables: serde_json::from_str(variables).unwrap() }
}

#[test]
fn both_accept_what_is_valid() {
    for written in cases::VALID {
        let outcome = compare(&case_of(written), graphql_prepare, apollo_compiler).unwrap();
        assert!(matches!(outcome, Outcome::BothAccept), "{written:?}: {outcome:?}");
    }
}

#[test]
fn both_reject_what_is_not_valid() {
    for written in cases::INVALID {
        let outcome = compare(&case_of(written), graphql_prepare, apollo_compiler).unwrap();
        assert!(matches!(outcome, Outcome::BothReject), "{written:?}: {outcome:?}");
    }
}

/// Prints the known differences: `cargo test -p graphql-prepare --test second_opinion known -- --nocapture`.
#[test]
fn each_known_difference_is_one_still() {
    for known in KNOWN {
        for example in known.examples {
            match compare(&case_of(example), graphql_prepare, apollo_compiler) {
                Ok(Outcome::Known(names)) => {
                    assert!(names.iter().all(|name| *name == known.name), "{example:?}: {names:?}");
                }
                other => panic!("{}: {example:?}: {other:?}", known.name),
            }
        }
        println!("{:?} accepts {}; right: {:?}; {}", known.accepts, known.name, known.right, known.section);
        // Only what this crate rejects can be stricter than the specification.
        assert!(known.right != Right::StricterByIntent || known.accepts == Accepts::ApolloCompiler);
    }
    let examples: usize = KNOWN.iter().map(|known| known.examples.len()).sum();
    println!("{} differences, {examples} examples", KNOWN.len());
}

/// Requests made from decisions by chance, always the same ones.
fn requests() -> impl Iterator<Item = Case> {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let bytes = prop::collection::vec(any::<u8>(), 0..400);
    std::iter::repeat_with(move || made(&mut Choices::new(&bytes.new_tree(&mut runner).unwrap().current())))
}

/// Else the comparison would show little.
#[test]
fn the_requests_are_often_valid_and_often_nearly_so() {
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for case in requests().take(1000) {
        let outcome = match compare(&case, graphql_prepare, apollo_compiler).unwrap() {
            Outcome::BothAccept => "both accept",
            Outcome::BothReject => "both reject",
            Outcome::Known(_) => "known",
            Outcome::NotCompared => "not compared",
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("{outcomes:?}");
    assert!(outcomes["both accept"] > 200 && outcomes["both reject"] > 200, "{outcomes:?}");
    assert!(outcomes["known"] > 3, "{outcomes:?}");
}

/// This crate's verdict, but for reasons with one of the texts, which are left out.
fn without(case: &Case, texts: &[&str]) -> Verdict {
    let Verdict::Invalid(mut reasons) = graphql_prepare(case) else { return graphql_prepare(case) };
    reasons.retain(|reason| !texts.iter().any(|text| reason.message.contains(text)));
    if reasons.is_empty() { Verdict::Valid } else { Verdict::Invalid(reasons) }
}

/// This crate's verdict, except that accepted documents are rejected with a message about the first
/// position.
fn against(case: &Case, text: &str, message: &str) -> Verdict {
    match (graphql_prepare(case), case.document.find(text)) {
        (Verdict::Valid, Some(offset)) => Verdict::Invalid(vec![Reason {
            message: message.to_owned(),
            offsets: vec![offset, offset],
            of_values: false,
        }]),
        (verdict, _) => verdict,
    }
}

/// Judges with deliberate errors, each of which is not listed.
const WRONG: [(&str, Judge); 8] = [
    ("accepts unknown fields", |case| without(case, &["has no field"])),
    ("accepts what lacks an argument", |case| without(case, &["needs the argument"])),
    ("merges fields whatever their arguments", |case| without(case, &["differ in name or arguments"])),
    ("accepts any variable anywhere", |case| without(case, &["cannot be used where"])),
    ("accepts any value for a variable", |case| without(case, &["Variable `$"])),
    ("rejects conditions", |case| against(case, "@include", "`@include` is not allowed here.")),
    // Messages of known differences in documents without a difference.
    ("rejects variables as arguments", |case| {
        against(case, "$", "The variable `v0` of type `Int` cannot be used where `Int!` is expected.")
    }),
    ("rejects fields that can be merged", |case| {
        against(case, "id", "The selections of `id` differ in name or arguments; give one of them an alias.")
    }),
];

#[test]
fn a_difference_that_is_not_listed_is_reported_with_the_request() {
    let lenient: Judge = |case| without(case, &["has no field"]);
    let case = case_of(&("tiny", "{a nothing}", ""));
    assert!(matches!(compare(&case, graphql_prepare, apollo_compiler), Ok(Outcome::BothReject)));
    let report = compare(&case, lenient, apollo_compiler).unwrap_err();
    assert!(report.contains("{a nothing}") && report.contains("schema: tiny"), "{report}");
    // The generated requests find each of them.
    for (name, wrong) in WRONG {
        let tried = requests().take(2000).position(|case| compare(&case, wrong, apollo_compiler).is_err());
        assert!(tried.is_some(), "a judge that {name} is not found");
        println!("a judge that {name} is found by request {}", tried.unwrap_or_default() + 1);
    }
}

/// The README's other statements about apollo-compiler.
#[test]
fn apollo_compiler_returns_any_number_of_errors_and_repeats_values() {
    let schema = &SchemaPair::named("tiny").unwrap().apollo;
    let document = format!("{{{}}}", "nothing ".repeat(5000));
    let errors = ExecutableDocument::parse_and_validate(schema, document, "document").unwrap_err().errors;
    assert_eq!(errors.len(), 5000);
    let case = case_of(&("tiny", "query($c:Int){b(c:$c){a}}", r#"{"c":"secret"}"#));
    let Verdict::Invalid(reasons) = apollo_compiler(&case) else { panic!("it rejects the value") };
    assert!(reasons[0].message.contains("secret"));
    let Verdict::Invalid(reasons) = graphql_prepare(&case) else { panic!("it rejects the value") };
    assert!(!reasons[0].message.contains("secret"));
}

/// The seeds of the fuzzer's target `second_opinion`.
#[test]
fn every_seed_of_the_fuzzer_is_judged_alike() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/second_opinion");
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(!seeds.is_empty());
    for seed in seeds {
        let data = fs::read(&seed).unwrap();
        assert!(data.len() <= 4096, "{} is larger than the fuzzer reads", seed.display());
        second_opinion(&data);
    }
}

/// Runs some thousand requests, or for `FUZZ_SECONDS` seconds.
#[test]
fn the_judges_differ_only_where_it_is_known() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) };
    let mut runner = TestRunner::new(config);
    loop {
        let tried = runner.run(&prop::collection::vec(any::<u8>(), 0..400), |bytes| {
            compare(&made(&mut Choices::new(&bytes)), graphql_prepare, apollo_compiler)
                .map_err(TestCaseError::fail)?;
            Ok(())
        });
        if let Err(error) = tried {
            panic!("{error}");
        }
        if Instant::now() >= until {
            return;
        }
    }
}

/// Prints how long each judge takes: `cargo test --release -p graphql-prepare --test second_opinion times -- --nocapture`.
#[test]
fn times() {
    // A debug build shows that it works; its times are not meaningful.
    let repetitions = if cfg!(debug_assertions) { 5 } else { 5000 };
    for name in ["tiny", "pets", "inputs", "graph", "repository"] {
        let written: Vec<_> = cases::VALID.iter().filter(|written| written.0 == name).map(case_of).collect();
        // The least time of single judgements: each is shorter than a time slice, so that other load does not count for the
        // slower judge only.
        let best = |judge: &dyn Fn(&Case)| -> Duration {
            let once = |case: &Case| {
                let start = Instant::now();
                judge(case);
                start.elapsed()
            };
            let least = |case: &Case| (0..repetitions).map(|_| once(case)).min().unwrap();
            written.iter().map(least).sum::<Duration>() / u32::try_from(written.len()).unwrap()
        };
        let ours = best(&|case| {
            let document = case.schema.preparer.document(&case.document);
            assert!(document.is_ok());
        });
        let theirs = best(&|case| {
            let document =
                ExecutableDocument::parse_and_validate(&case.schema.apollo, &case.document, "document");
            assert!(document.is_ok());
        });
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        println!("{name}: graphql-prepare {ours:?}, apollo-compiler {theirs:?} a document, {ratio:.1} times");
    }
}
