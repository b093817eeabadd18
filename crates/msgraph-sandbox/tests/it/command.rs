//! The program `msgraph-sandbox`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A running `msgraph-sandbox`. Killed by its id if a test fails.
struct Program {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_msgraph-sandbox"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

impl Program {
    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// The service root that it prints.
    fn root(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let root = line.strip_prefix("sandbox listening on ").unwrap_or_else(|| panic!("{line}"));
        root.trim_end().to_owned()
    }

    /// Sends SIGTERM and returns the exit code.
    fn terminate(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has already ended unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn https_uses_a_generated_test_authority() {
    super::install_tls_provider();
    let ca = std::env::temp_dir().join(format!("msgraph-sandbox-ca-{}.pem", std::process::id()));
    let file = ca.display().to_string();
    let mut program =
        Program::spawn(command(&["--listen", "127.0.0.1:0", "--tls-ca-out", &file, "--max-streams", "3"]));
    let root = program.root();
    assert!(root.starts_with("https://127.0.0.1:") && root.ends_with("/beta"), "{root}");
    let authority = reqwest::Certificate::from_pem(&std::fs::read(&ca).unwrap()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("{}/nope", root.replace("127.0.0.1", host));
        let answer = client.get(url).bearer_auth("t").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (400, reqwest::Version::HTTP_2));
    }
    assert_eq!(program.terminate(), Some(0));
    std::fs::remove_file(ca).unwrap();
}

#[test]
fn settings_are_read_from_variables_and_healthcheck_reports_the_state() {
    let mut by_variable = command(&[]);
    by_variable.env("MSGRAPH_SANDBOX_LISTEN", "127.0.0.1:0");
    let mut program = Program::spawn(by_variable);
    let root = program.root();
    let address = root.strip_prefix("http://").unwrap().strip_suffix("/beta").unwrap().to_owned();
    assert!(output(&["healthcheck", "--address", &address]).status.success());
    assert_eq!(program.terminate(), Some(0));
    let checked = output(&["healthcheck", "--address", &address]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8(checked.stderr).unwrap().starts_with(&format!("error: {address}: ")));
}

#[test]
fn help_lists_the_settings_and_errors_name_them() {
    let help = output(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for part in ["--listen", "MSGRAPH_SANDBOX_LISTEN", "--fault", "drop-applied", "healthcheck"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for (arguments, part) in [
        (&["--profile", "x"][..], "--profile"),
        (
            &["--listen", "127.0.0.1:0", "--tls-ca-out", "/nope/ca.pem"],
            "--tls-ca-out: cannot write /nope/ca.pem",
        ),
        (&["--tls-ca", "ca.pem"], "for '--tls-ca <FILE>': is now --tls-ca-out"),
        (&["--fault", "nope"][..], "--fault"),
        (&["--listen", "https://user:secret@h"][..], "'***@h'"),
        (&["--listen", "a\n\x1b[31m\u{202e}"][..], "'a\\n\\u{1b}[31m\\u{202e}' for '--listen"),
        (&["--fa\nult\x1b"][..], "--fa\\nult\\u{1b}"),
        (&["--log", "a=b=\x1b[31m\nc"][..], "--log"),
        (&["--public-url", "https://user:secret@h"][..], "--public-url"),
        (&["--public-url", "nonsense"][..], "--public-url"),
        (
            &["--listen", "127.0.0.1:0", "--tls-certificate", "/nope/a", "--tls-key", "/nope/b"][..],
            "--tls-certificate: cannot read /nope/a",
        ),
    ] {
        let refused = output(arguments);
        let text = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{text}");
        assert!(text.contains(part), "{part}: {text}");
        assert!(!text.contains("secret") && !text.contains('\x1b') && text.lines().count() == 1, "{text:?}");
    }
}
