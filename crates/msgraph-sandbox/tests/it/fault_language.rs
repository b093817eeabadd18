//! The documented language of faults (`--help` and `faults::FAULTS_HELP`) agrees with the parser.

use std::collections::BTreeSet;

use msgraph_sandbox::faults::FAULTS_HELP;
use msgraph_sandbox::{Fault, FaultRule};

/// A valid value of each parameter. A parameter that is documented but not listed here fails the tests.
const VALUES: [(&str, &str); 32] = [
    ("applied", "true"),
    ("base64", "eA=="),
    ("body", "empty"),
    ("bytes", "1"),
    ("close", "reset"),
    ("code", "Teapot"),
    ("count", "1"),
    ("flaw", "bom"),
    ("form", "text"),
    ("header", "location"),
    ("header.<name>", "x"),
    ("item", "1"),
    ("location", "https://other.example/x"),
    ("member", "later"),
    ("members", "id,status"),
    ("message", "text"),
    ("option", "filter"),
    ("origin", "https://other.example"),
    ("path", "/beta/users"),
    ("pause", "1ms"),
    ("piece", "1"),
    ("property", "status"),
    ("retry-after", "date:5s"),
    ("rows", "1"),
    ("scheme", "ftp"),
    ("size", "1"),
    ("status", "500"),
    ("text", "x"),
    ("type", "microsoft.graph.device"),
    ("wait", "1ms"),
    ("url", "https://other.example/x"),
    ("userinfo", "user:password"),
];
const OF_A_STATUS: &str = "those of a status";

/// One row of the table: the faults, and their parameters.
struct Row {
    names: Vec<String>,
    parameters: BTreeSet<String>,
}

/// The texts between backticks.
fn code_spans(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows() -> Vec<Row> {
    let mut of_a_status = BTreeSet::new();
    FAULTS_HELP
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| name") && !line.starts_with("| ---"))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|');
            let (name, listed) = (cells.next().unwrap(), cells.next().unwrap());
            // A default is in parentheses after its parameter.
            let without_defaults: String =
                listed.split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)).collect();
            let mut parameters: BTreeSet<String> = code_spans(&without_defaults).into_iter().collect();
            let mut names = code_spans(name);
            if names.is_empty() {
                names.push("503".to_owned());
                of_a_status.clone_from(&parameters);
            }
            if listed.contains(OF_A_STATUS) {
                parameters.extend(of_a_status.clone());
            }
            Row { names, parameters }
        })
        .collect()
}

fn assignment(parameter: &str) -> String {
    let (_, value) = VALUES
        .iter()
        .find(|(name, _)| *name == parameter)
        .unwrap_or_else(|| panic!("`{parameter}` is documented but not tested"));
    format!(";{}={value}", parameter.replace("<name>", "x-test"))
}

/// Parses a fault with a parameter, and adds the parameters that the parser requires, if they are documented.
fn parse(row: &Row, name: &str, parameter: Option<&str>) -> Result<Fault, String> {
    let mut text = name.to_owned() + &parameter.map(assignment).unwrap_or_default();
    loop {
        let error = match text.parse::<Fault>() {
            Ok(fault) => return Ok(fault),
            Err(error) => error.to_string(),
        };
        let Some((_, required)) = error.split_once("needs the parameter ") else { return Err(error) };
        let required = required.trim_matches('`');
        assert!(row.parameters.contains(required), "{text}: `{required}` is required but not documented");
        text.push_str(&assignment(required));
    }
}

#[test]
fn each_documented_fault_has_the_documented_parameters_and_no_others() {
    let rows = rows();
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in &rows {
        for name in &row.names {
            if let Err(error) = parse(row, name, None) {
                panic!("{name}: {error}");
            }
            for (parameter, _) in VALUES {
                let parsed = parse(row, name, Some(parameter));
                let is_documented = row.parameters.contains(parameter);
                assert_eq!(parsed.is_ok(), is_documented, "{name} with {parameter}: {parsed:?}");
            }
        }
    }
}

#[test]
fn each_documented_value_of_a_parameter_is_accepted() {
    for (sentence, fault) in [
        ("`body` is ", "503;body="),
        ("`close` is ", "drop-unread;close="),
        ("`flaw` is ", "flawed;flaw="),
        ("`form` is ", "batch-malformed;item=1;form="),
        ("`option` is ", "option-refused;option="),
        ("`body` of `batch-envelope` is ", "batch-envelope;body="),
        ("Times are written as ", "slow-accept;wait="),
    ] {
        let (_, rest) = FAULTS_HELP.split_once(sentence).unwrap_or_else(|| panic!("{sentence}"));
        let values = code_spans(rest.split(". ").next().unwrap().lines().next().unwrap());
        assert!(values.len() > 1, "{sentence}: {values:?}");
        for value in values {
            let text = format!("{fault}{value}");
            assert!(text.parse::<Fault>().is_ok(), "{text}");
        }
    }
}

#[test]
fn each_documented_parameter_of_a_rule_is_accepted() {
    let values =
        [("method", "POST"), ("path", "x"), ("page", "2"), ("skip", "1"), ("times", "2"), ("rate", "0.5")];
    let (_, sentence) = FAULTS_HELP.split_once("A rule is a fault with any of these parameters: ").unwrap();
    let (of_requests, of_connections) =
        sentence.split_once("A rule for a connection fault has only ").unwrap();
    for (fault, documented) in [("503", of_requests), ("drop-connection", of_connections)] {
        let documented = code_spans(documented);
        for (name, value) in values {
            let text = format!("{fault};{name}={value}");
            let is_documented = documented.iter().any(|parameter| parameter == name);
            assert_eq!(text.parse::<FaultRule>().is_ok(), is_documented, "{text}");
        }
    }
}

#[test]
fn the_faults_of_the_readme_are_accepted() {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("\n## Faults\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let items: Vec<String> = section
        .lines()
        .filter(|line| line.starts_with("- "))
        .map(|line| code_spans(line).remove(0))
        .collect();
    let on_the_command_line: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("msgraph-sandbox --fault"))
        .flat_map(|line| line.split('\'').skip(1).step_by(2))
        .collect();
    assert!(items.len() > 3 && on_the_command_line.len() > 1, "{items:?} {on_the_command_line:?}");
    for text in items.iter().map(String::as_str).chain(on_the_command_line) {
        assert!(text.parse::<FaultRule>().is_ok(), "{text}");
    }
}
