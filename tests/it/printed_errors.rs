//! What errors of settings print: one line, without control characters and credentials.

use crate::commands::{ANY_PORTS, program};

#[test]
fn an_error_has_no_credentials_and_no_control_characters_of_what_was_written() {
    let secret = "https://user:secret@graph.example/beta";
    let with_controls = "/nonexistent\n\x1b[31m.pem";
    let fails = |arguments: &[&str], variables: &[(&str, &str)], expected: &str| {
        let output = program(arguments).envs(variables.iter().copied()).output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        assert!(printed.contains(expected), "{arguments:?}: {printed:?}");
        assert!(!printed.contains("secret") && !printed.contains('\x1b'), "{arguments:?}: {printed:?}");
        let lines = printed.lines().filter(|line| !line.contains(" WARN ")).count();
        assert!(arguments.contains(&"--help") || lines == 1, "{arguments:?}: {printed:?}");
    };
    let none = &[][..];
    fails(&["serve", "--listen", secret], none, "'https://***@graph.example/beta' for '--listen <ADDR>'");
    fails(&["serve", "--listen", "user:secret@127.0.0.1:1"], none, "'***@127.0.0.1:1' for '--listen <ADDR>'");
    fails(&["serve", "--cors-origin", secret], none, "'https://***@graph.example/beta' for '--cors-origin");
    fails(
        &["serve", "--cors-origin", "https://user:secret,x@h"],
        none,
        "'https://user:***' for '--cors-origin",
    );
    fails(&["serve", "--graph-url", secret], none, "--graph-url: must not contain a user, password");
    fails(&["serve", "--graph-url", "https://user:se cret@h x/beta"], none, "--graph-url: ");
    fails(&["serve", secret], none, "'https://***@graph.example/beta'");
    fails(
        &["healthcheck", "--url", "http://user:secret@127.0.0.1:1"],
        none,
        "no response from http://***@127.0.0.1:1",
    );
    fails(
        &["healthcheck", "--url", "http://user:sec/ret@127.0.0.1 :1"],
        none,
        "--url: http://***@127.0.0.1 :1 is not a URL",
    );
    for (written, shown) in [
        ("//user:secret@h", "//***@h"),
        ("https:\\\\user:secret@h", "https:\\\\***@h"),
        ("https:user:secret@h", "***@h"),
        ("user:se cret,'secret@h", "***@h"),
        ("https://h,https://user:secret@h", "https://h,https://***@h"),
    ] {
        fails(&["serve", "--config", written], none, &format!("--config: {shown}: "));
        fails(&["config", "--listen", written], none, &format!("'{shown}' for '--listen <ADDR>'"));
        fails(&["healthcheck", "--url", written], none, "***@h");
    }
    fails(&["serve", "--graph-ca", "user:secret@h"], none, "***@h");
    fails(&["serve", "--help"], &[("INTUNE_GRAPHQL_GRAPH_URL", secret)], "[env: INTUNE_GRAPHQL_GRAPH_URL]");
    fails(&["serve", "--graph-ca", with_controls], none, "/nonexistent\\n\\u{1b}[31m.pem");
    fails(&["serve", "--log", "a\n\n\x1b[31m"], none, "'a\\n\\n\\u{1b}[31m' for '--log <FILTER>'");
    fails(&["ser\n\x1bve"], none, "unrecognized subcommand 'ser\\n\\u{1b}ve'");
    fails(&["serve", "--\x1bx\ny"], none, "\\u{1b}x");
    fails(&["serve"], &[("INTUNE_GRAPHQL_X\n\x1b", "1")], "INTUNE_GRAPHQL_X\\n\\u{1b} is not a setting");
    fails(&["serve"], &[("INTUNE_GRAPHQL_CONFIG", with_controls)], "/nonexistent\\n\\u{1b}[31m.pem");
}

#[test]
fn the_cause_of_an_unreadable_file_is_named_once() {
    let missing = "/nonexistent.file";
    for arguments in [
        &["serve", "--tls-cert", missing, "--tls-key", missing][..],
        &["serve", "--graph-ca", missing],
        &["serve", "--trusted-documents", missing],
        &["serve", "--cursor-key-file", missing],
        &["serve", "--config", missing],
        &["serve", "--state-file", "/nonexistent/file"],
        &["healthcheck", "--url", "https://127.0.0.1:1", "--ca", missing],
        &["sandbox", "--tls-ca-out", "/nonexistent/file"],
    ] {
        let output =
            program(&[arguments, if arguments[0] == "serve" { &ANY_PORTS } else { &[] }].concat()).output();
        let stderr = String::from_utf8(output.unwrap().stderr).unwrap();
        assert_eq!(stderr.matches("No such file").count(), 1, "{arguments:?}: {stderr}");
    }
}
