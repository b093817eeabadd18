//! `--config FILE`, and the command `config`.

use std::io::Write as _;
use std::process::Output;

use crate::commands::{Program, program};
use crate::harness::http_client;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn run(command: &str, text: &str, more: &[&str], variables: &[(&str, &str)]) -> Output {
    let file = file(text);
    let mut program = program(&[&[command, "--config", file.path().to_str().unwrap()], more].concat());
    program.envs(variables.iter().copied()).output().unwrap()
}

/// The only line of an error, without the name of the file.
fn error(text: &str) -> String {
    let output = run("serve", text, &[], &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    let words = error.trim_end().split(' ').map(|word| if word.contains("/.tmp") { "FILE" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_file_configures_the_gateway() {
    let file = file(
        "listen = \"127.0.0.1:0\"\nadmin-listen = \"127.0.0.1:0\"\ngraphiql = true\nlog = \"off\"\n\
         cors-origin = [\"https://a.example.org\", \"capacitor://localhost\"]\n",
    );
    let variables = [("INTUNE_GRAPHQL_CONFIG", file.path().to_str().unwrap())];
    let mut program = Program::start_with(&["serve"], &variables);
    let gateway = program.line("listening on ");
    let client = http_client().build().unwrap();
    let page = client.get(format!("{gateway}/graphiql")).header("origin", "capacitor://localhost");
    let page = page.send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["access-control-allow-origin"], "capacitor://localhost");
    let (code, said) = program.stop();
    assert_eq!((code, said.contains("WARN")), (Some(0), false), "{said}");
}

#[test]
fn variables_take_precedence_over_the_file_and_flags_over_both() {
    let text = "max-cost = 11\nmax-depth = 12\nmax-aliases = 13\ncors-origin = [\"https://a.example.org\"]\n";
    let variables = [
        ("INTUNE_GRAPHQL_MAX_DEPTH", "22"),
        ("INTUNE_GRAPHQL_MAX_ALIASES", "23"),
        ("INTUNE_GRAPHQL_MAX_TOKENS", ""),
    ];
    let output = run("config", text, &["--max-aliases", "33"], &variables);
    let printed = String::from_utf8(output.stdout).unwrap();
    for line in [
        "max-cost = 11  # file",
        "max-depth = 22  # variable INTUNE_GRAPHQL_MAX_DEPTH",
        "max-aliases = 33  # flag",
        "max-tokens = 2000  # default",
        "cors-origin = [\"https://a.example.org\"]  # file",
        "# state-file is not set",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
}

#[test]
fn the_printed_settings_have_no_raw_controls_and_are_read_back_unchanged() {
    let text = "state-file = \"/tmp/a\\nb\\u001b[31m\\u009b\\u202e\\\"\\\\\"\n";
    let first = run("config", text, &[], &[]);
    let printed = String::from_utf8(first.stdout).unwrap();
    assert!(
        !printed.contains(|char: char| char != '\n' && (char.is_control() || char == '\u{202e}')),
        "{printed:?}"
    );
    let line = "state-file = \"/tmp/a\\u000Ab\\u001B[31m\\u009B\\u202E\\\"\\\\\"  # file";
    assert!(printed.lines().any(|printed| printed == line), "{printed}");
    let again = run("config", &printed, &[], &[]);
    assert_eq!(String::from_utf8(again.stdout).unwrap().lines().find(|again| *again == line), Some(line));
}

#[test]
fn the_printed_settings_are_a_file_with_the_same_settings() {
    let values = |printed: &[u8]| {
        let printed = String::from_utf8(printed.to_vec()).unwrap();
        let values = printed.lines().map(|line| line.split("  # ").next().unwrap().to_owned());
        values.collect::<Vec<_>>()
    };
    let first = run("config", "graphiql = true\ngraph-url = \"http://127.0.0.1:9/beta\"", &[], &[]);
    assert!(first.status.success(), "{first:?}");
    let again = run("config", &String::from_utf8(first.stdout.clone()).unwrap(), &[], &[]);
    assert_eq!(values(&first.stdout), values(&again.stdout));
}

#[test]
fn a_mistake_in_the_file_stops_the_start_with_a_line_that_names_it() {
    let too_large = "error: --config: FILE `max-cost`: a whole number must be from -9223372036854775808 to 9223372036854775807";
    for (text, expected) in [
        (
            "grahp-url = \"x\"",
            "error: --config: FILE `grahp-url` is not a setting; did you mean `graph-url`?",
        ),
        (
            "graph_url = \"x\"",
            "error: --config: FILE `graph_url` is not a setting; did you mean `graph-url`?",
        ),
        (
            "zzz = 1",
            "error: --config: FILE `zzz` is not a setting; run `intune-graphql help serve` for the settings",
        ),
        ("config = \"other.toml\"", "`config` is not a setting"),
        ("deadline = \"3s\"", "error: --config: FILE `deadline` is now `request-timeout`"),
        (
            "max-cost = -1",
            "error: invalid value '-1' for '--max-cost <CALLS>': must be a whole number, 1 or more (set in FILE",
        ),
        (
            "listen = [\":1\", \":2\"]",
            "error: --config: FILE `listen` takes one string, number or boolean, but is an array",
        ),
        (
            "max-cost = [1, 2]",
            "error: --config: FILE `max-cost` takes one string, number or boolean, but is an array",
        ),
        (
            "max-cost = 2020-01-01",
            "error: --config: FILE `max-cost` takes one string, number or boolean, but is a datetime",
        ),
        (
            "cors-origin = [1]",
            "error: --config: FILE `cors-origin` takes a string or an array of strings, but has an integer in its array",
        ),
        (
            "cors-origin = 1",
            "error: --config: FILE `cors-origin` takes a string or an array of strings, but is an integer",
        ),
        ("max-depth = 1\nmax-cost = 99999999999999999999", &format!("{too_large} in line 2")),
        ("max-cost = 9223372036854775808", &format!("{too_large} in line 1")),
        (&format!("max-cost = {}", "9".repeat(50)), &format!("{too_large} in line 1")),
        ("max-cost = [\n  -99999999999999999999\n]", &format!("{too_large} in line 2")),
        ("max-cost = 1e999", "`max-cost`"),
        (
            "[graph]\nurl = \"x\"",
            "error: --config: FILE `graph` is a table; write each setting at the top level",
        ),
        ("max-cost = 1\nmax-cost = 2", "error: --config: FILE duplicate key in line 2"),
        ("graphiql = ", "in line 1"),
        (
            "trusted-documents-mode = \"enforce\"",
            "error: --trusted-documents-mode: needs --trusted-documents",
        ),
        (
            "trusted-documents-only = true",
            "error: --config: FILE `trusted-documents-only` is now `trusted-documents-mode`",
        ),
        (
            "graph-cloud = \"china\"\ngraph-url = \"https://graph.example/beta\"",
            "error: --graph-url: replaces --graph-cloud; set one of them",
        ),
    ] {
        let error = error(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    // Nothing that the file has may move the cursor of a terminal, or show a password.
    for (text, expected) in [
        ("\"a\\nb\\u001b[31m\" = 1", "`a\\nb\\u{1b}[31m` is not a setting"),
        (
            "max-cost = \"1\\n\\n\\u009b31m\"",
            "invalid value '1\\n\\n\\u{9b}31m' for '--max-cost <CALLS>': must be",
        ),
        ("listen = \"http://user:secret@127.0.0.1:1\"", "'http://***@127.0.0.1:1'"),
        ("cors-origin = [\"https://user:secret@a.example/x\"]", "'https://***@a.example/x'"),
    ] {
        let error = error(text);
        assert!(error.contains(expected) && !error.contains("secret"), "{text}: {error}");
        assert!(!error.contains(char::is_control), "{text}: {error}");
    }
    let missing = program(&["config", "--config", "/nonexistent.toml"]).output().unwrap();
    assert!(String::from_utf8(missing.stderr).unwrap().starts_with("error: --config: /nonexistent.toml: "));
    let large = run("config", &"#".repeat(1024 * 1024 + 1), &[], &[]);
    assert!(String::from_utf8(large.stderr).unwrap().contains("must not be larger than 1048576 bytes"));
}
