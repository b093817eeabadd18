//! `check-documents`: a front end's documents against the schema and the limits.

use std::path::Path;

use serde_json::json;

use crate::commands::program;

/// Exit code, standard output and standard error.
fn check(path: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let arguments = [&["check-documents", path.to_str().unwrap()], more].concat();
    let output = program(&arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    folder
}

/// The problems that are found in a folder, with `.` for the folder.
fn problems(files: &[(&str, &str)], more: &[&str]) -> Vec<String> {
    let folder = folder(files);
    let (code, output, error) = check(folder.path(), more);
    assert_eq!((code, error.as_str()), (Some(1), ""), "{output}");
    output.lines().map(|line| line.replace(folder.path().to_str().unwrap(), ".")).collect()
}

const LIST: &str = "query List($first: Int!) {
  iosLobAppProvisioningConfigurations(first: $first) { nodes { ...Row } }
}
";
const ROW: &str = "# A row of the list.
fragment Row on IosLobAppProvisioningConfiguration { ...Name }
";

#[test]
fn operations_and_fragments_may_be_in_different_files() {
    let name =
        "query Other { __typename }\nfragment Name on IosLobAppProvisioningConfiguration { displayName }";
    let files = [
        ("list.graphql", LIST),
        ("rows/row.gql", ROW),
        ("rows/name.graphql", name),
        ("README.md", "{ nothing }"),
        ("node_modules/package/schema.graphql", "type Query { a: Int }"),
        (".cache/a.graphql", "{ nothing }"),
    ];
    let folder = folder(&files);
    let (code, output, error) = check(folder.path(), &[]);
    assert_eq!((code, output.as_str(), error.as_str()), (Some(0), "2 operations checked, no problems\n", ""));
    let empty = folder.path().join("empty.graphql");
    std::fs::write(&empty, "# nothing").unwrap();
    let (code, _, error) = check(&empty, &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("empty.graphql has no operation"), "{error}");
    // One file alone lacks the fragments of the others.
    let (code, output, _) = check(&folder.path().join("list.graphql"), &[]);
    assert_eq!(code, Some(1));
    assert!(output.contains("list.graphql:2:67: "), "{output}");
}

#[test]
fn each_problem_is_a_line_with_its_place() {
    let files = [
        (
            "a.graphql",
            "query A {\r\n  __typename\r\n  nothing }   { node(id: 1) { id } } query B($n: Int) { __typename }",
        ),
        ("b/list.graphql", LIST),
        ("b/row.graphql", ROW),
        (
            "c.graphql",
            "{ __typename } fragment Name on IosLobAppProvisioningConfiguration { displayName\n wrong }",
        ),
        ("d.graphql", "{ __typename } fragment Name on Query { __typename }"),
        ("e.graphql", "\n{ __typename } fragment Unused on Query { __typename }"),
        ("f.graphql", "{ __typename } \n  { __typename % }"),
        ("g.graphql", "type Query { a: Int }"),
    ];
    let found = problems(&files, &[]);
    let expected = [
        ("./a.graphql:3:3: ", "`nothing`"),
        ("./a.graphql:3:46: ", "The variable `n` is never used."),
        ("./c.graphql:2:2: ", "`wrong`"),
        ("./d.graphql:1:16: ", "The fragment `Name` is also defined in"),
        ("./e.graphql:2:16: ", "The fragment `Unused` is not used by an operation."),
        ("./f.graphql:2:16: ", "Unexpected character."),
        ("./g.graphql:1:1: ", ""),
    ];
    let places: Vec<&str> = found.iter().map(|line| &line[..line.find(": ").unwrap() + 2]).collect();
    assert_eq!(places, expected.map(|(place, _)| place), "{found:#?}");
    for (line, (_, text)) in found.iter().zip(expected) {
        assert!(line.contains(text), "{line}");
    }
}

#[test]
fn the_limits_are_those_of_the_settings() {
    let query =
        "query List { iosLobAppProvisioningConfigurations { nodes { deviceStatuses { nodes { id } } } } }";
    let folder = folder(&[("a.graphql", query)]);
    assert_eq!(check(folder.path(), &[]).0, Some(0));
    for (setting, value) in [("--max-depth", "2"), ("--max-cost", "10"), ("--max-document", "20")] {
        let (code, output, _) = check(folder.path(), &[setting, value]);
        assert_eq!(code, Some(1), "{setting}");
        assert!(output.contains("a.graphql:1:"), "{setting}: {output}");
    }
    assert_eq!(check(folder.path(), &["--max-cost", "100", "--default-page-size", "100"]).0, Some(1));
}

#[test]
fn manifests_are_checked_by_their_ids() {
    let apollo = json!({"format": "apollo-persisted-query-manifest", "version": 1, "operations": [
        {"id": "good", "name": "A", "type": "query", "body": "query A { __typename }"},
        {"id": "bad", "name": "B", "type": "query", "body": "query B {\n  nothing\n  neither\n}"},
    ]});
    let map = json!({"good": "query A { __typename }", "bad": "query B {\n  nothing\n  neither\n}"});
    for manifest in [apollo, map] {
        let folder = folder(&[("manifest.json", &manifest.to_string())]);
        let file = folder.path().join("manifest.json");
        let (code, output, error) = check(&file, &[]);
        assert_eq!((code, error.as_str()), (Some(1), ""));
        let lines: Vec<&str> = output.lines().collect();
        let place = format!("{}#bad", file.display());
        assert_eq!(lines.len(), 2, "{output}");
        for (line, start) in lines.iter().zip([format!("{place}:2:3: "), format!("{place}:3:3: ")]) {
            assert!(line.starts_with(&start), "{output}");
        }
        std::fs::write(&file, json!({"good": "query A { __typename }"}).to_string()).unwrap();
        assert_eq!(
            check(&file, &[]),
            (Some(0), "1 operation checked, no problems\n".to_owned(), String::new())
        );
    }
}

#[test]
fn what_cannot_be_read_is_an_error_of_its_own() {
    let folder = folder(&[("empty/a.txt", ""), ("manifest.json", "[]")]);
    std::fs::create_dir(folder.path().join("binary")).unwrap();
    std::fs::write(folder.path().join("binary/a.graphql"), [0xff]).unwrap();
    for (path, why) in [
        ("empty", "has no .graphql or .gql file"),
        ("manifest.json", "neither a map of ids to documents nor Apollo's manifest"),
        ("missing.json", "cannot read"),
        ("binary", "a.graphql"),
    ] {
        let (code, output, error) = check(&folder.path().join(path), &[]);
        assert_eq!((code, output.as_str()), (Some(2), ""), "{path}");
        assert!(error.starts_with("error: ") && error.contains(why) && error.lines().count() == 1, "{error}");
    }
    #[cfg(unix)]
    {
        // A folder that contains itself ends.
        std::os::unix::fs::symlink(folder.path(), folder.path().join("empty/loop")).unwrap();
        std::fs::write(folder.path().join("empty/a.graphql"), "{ __typename }").unwrap();
        assert_eq!(check(&folder.path().join("empty"), &[]).0, Some(0));
    }
}

#[test]
fn no_text_of_a_file_moves_the_cursor() {
    let lines =
        problems(&[("a\u{1b}[31m.graphql", "{ __typename } fragment F on Query { __typename }")], &[]);
    assert!(lines.iter().all(|line| !line.contains(char::is_control)), "{lines:?}");
    let help = program(&["check-documents", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for text in
        ["<MANIFEST|FOLDER|FILE>", "--max-cost", "--default-page-size", "INTUNE_GRAPHQL_MAX_COST", "Exits 0"]
    {
        assert!(help.contains(text), "{text}: {help}");
    }
}
