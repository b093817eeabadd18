//! The program, started from a shell.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::http_client;

/// A running `intune-graphql`, stopped by its process id on drop.
pub(crate) struct Program {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    stderr: Option<std::thread::JoinHandle<String>>,
}

pub(crate) const ANY_PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_intune-graphql"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("INTUNE_GRAPHQL_") || name.starts_with("OTEL_"))
    {
        command.env_remove(name);
    }
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// Starts it as a gateway in front of `root`, on free ports.
    pub(crate) fn serve(root: &str, more: &[&str]) -> Self {
        Self::start(&[&["serve"], &ANY_PORTS[..], &["--graph-url", root], more].concat())
    }

    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = program(arguments);
        command.envs(variables.iter().copied());
        Self::spawn(command)
    }

    /// Starts it with this limit of open files.
    #[cfg(unix)]
    pub(crate) fn start_with_open_files(files: usize, arguments: &[&str]) -> Self {
        let of_program = program(arguments);
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {files} && exec \"$0\" \"$@\""));
        command.arg(of_program.get_program()).args(of_program.get_args()).stdin(Stdio::null());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, stdout, stderr: Some(stderr) }
    }

    /// The rest of the next line that starts so.
    pub(crate) fn line(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(
                self.stdout.read_line(&mut line).unwrap() > 0,
                "the program ended without a line {start:?}"
            );
            // With `--log-format json`, the text is a member of an object.
            let object = serde_json::from_str::<Value>(&line).ok();
            let message = object.as_ref().and_then(|object| object["message"].as_str());
            if let Some(rest) = message.unwrap_or(&line).strip_prefix(start) {
                return rest.trim_end().to_owned();
            }
        }
    }

    /// Most memory that it has had so far, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")).unwrap();
        peak.trim().parse::<usize>().unwrap() * 1024
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Sends SIGTERM until it ends, and gives its exit code and all that it had still to say on either output.
    pub(crate) fn stop_at_once(mut self) -> (Option<i32>, String) {
        while self.child.try_wait().unwrap().is_none() {
            self.terminate();
            std::thread::sleep(Duration::from_millis(50));
        }
        self.ended()
    }

    /// Sends SIGTERM, and returns the exit code and the remaining output.
    pub(crate) fn stop(self) -> (Option<i32>, String) {
        self.terminate();
        self.ended()
    }

    /// Waits for the end, and returns the exit code and the remaining output.
    pub(crate) fn ended(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        let code = self.child.wait().unwrap().code();
        let stderr = self.stderr.take().map(|stderr| stderr.join().unwrap());
        (code, said + &stderr.unwrap_or_default())
    }

    /// Ends it at once, as a machine that fails does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has already ended, unless a test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_mutation_that_the_demo_prints_succeeds() {
    let mut demo = Program::start(&[
        "demo",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--sandbox-listen",
        "127.0.0.1:0",
    ]);
    let sandbox = demo.line("sandbox listening on ");
    let gateway = demo.line("listening on ");
    let admin = demo.line("admin listening on ");
    assert!(sandbox.ends_with("/beta"));
    let curl = demo.line("curl ");
    assert_eq!(demo.line("GraphiQL "), format!("  {gateway}/graphiql"));
    let token = demo.line("Token ").split_whitespace().next().unwrap().to_owned();

    // Sends the request of the printed command with our client, because curl may not be installed.
    let arguments =
        Command::new("sh").args(["-c", &format!("printf '%s\\0' {curl}")]).output().unwrap().stdout;
    let arguments = String::from_utf8(arguments).unwrap();
    let arguments: Vec<&str> = arguments.split('\0').collect();
    let body = arguments[arguments.iter().position(|argument| *argument == "--data").unwrap() + 1].to_owned();
    assert!(arguments.contains(&format!("Authorization: Bearer {token}").as_str()));

    let client = http_client().build().unwrap();
    let send = async |body: &str| {
        let request = client.post(format!("{gateway}/graphql")).header("content-type", "application/json");
        let request = request.header("authorization", format!("Bearer {token}")).body(body.to_owned());
        request.send().await.unwrap().text().await.unwrap()
    };
    let answer: Value = serde_json::from_str(&send(&body).await).unwrap();
    let status = &answer["data"]["addDeviceStatus"]["deviceStatus"];
    assert_eq!(status["deviceDisplayName"], "Zoë's iPad", "{answer}");
    assert_eq!(status["lastReportedDateTime"], "2016-12-31T23:57:41.6559639+03:00");
    assert!(status.as_object().unwrap().values().all(|value| !value.is_null()));
    let again: Value = serde_json::from_str(&send(&body).await).unwrap();
    assert_eq!(
        again["data"]["addDeviceStatus"]["deviceStatusId"],
        answer["data"]["addDeviceStatus"]["deviceStatusId"]
    );

    let page = client.get(format!("{gateway}/graphiql")).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let bare = admin.trim_start_matches("http://");
    // The public listener redirects `/` to GraphiQL, which is not a health check.
    for (path, code) in
        [(bare, Some(0)), (admin.as_str(), Some(0)), (gateway.as_str(), Some(1)), ("127.0.0.1:1", Some(1))]
    {
        let address = path.to_owned();
        let check =
            tokio::task::spawn_blocking(move || run(&["healthcheck", "--url", &address])).await.unwrap();
        assert_eq!(check.status.code(), code, "{check:?}");
    }
    let health = sandbox.replace("/beta", "/_sandbox/health");
    let check = tokio::task::spawn_blocking(move || run(&["healthcheck", "--url", &health])).await.unwrap();
    assert!(check.status.success());
    assert_eq!(demo.stop().0, Some(0));
}

#[tokio::test]
async fn the_variables_of_the_sandbox_command_have_the_programs_prefix() {
    let variables =
        [("INTUNE_GRAPHQL_SANDBOX_LISTEN", "127.0.0.1:0"), ("INTUNE_GRAPHQL_SANDBOX_AUTH", "off")];
    let mut program = Program::start_with(&["sandbox"], &variables);
    let root = program.line("sandbox listening on ");
    let collection = format!("{root}/deviceAppManagement/iosLobAppProvisioningConfigurations");
    let without_token = http_client().build().unwrap().get(collection).send().await.unwrap();
    assert_eq!(without_token.status(), 200);
    assert_eq!(program.stop().0, Some(0));
    let help = String::from_utf8(run(&["sandbox", "--help"]).stdout).unwrap();
    assert!(help.contains("INTUNE_GRAPHQL_SANDBOX_LISTEN") && !help.contains("MSGRAPH_SANDBOX"), "{help}");
}

#[test]
fn a_renamed_setting_is_an_error_that_names_the_new_one() {
    let by_flag = run(&["serve", "--deadline", "30s"]);
    let mut by_variable = program(&["serve"]);
    let by_variable = by_variable.env("INTUNE_GRAPHQL_MAX_WAITING", "7").output().unwrap();
    for (output, error) in [
        (by_flag, "error: --deadline is now --request-timeout\n"),
        (by_variable, "error: INTUNE_GRAPHQL_MAX_WAITING is now INTUNE_GRAPHQL_MAX_QUEUED_REQUESTS\n"),
    ] {
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), error);
    }
}

#[test]
fn a_wrong_setting_is_named_with_the_right_one() {
    let refused = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = program(arguments);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (arguments, variables, error) in [
        (
            &["serve", "--grahp-url", "https://x/beta"][..],
            &[][..],
            "error: unexpected argument '--grahp-url' found; did you mean --graph-url?\n",
        ),
        (&["sevre"], &[], "error: unrecognized subcommand 'sevre'; did you mean serve?\n"),
        (
            &["serve"],
            &[("INTUNE_GRAPHQL_GRAPH_ULR", "https://x/beta")],
            "error: INTUNE_GRAPHQL_GRAPH_ULR is not a setting; did you mean INTUNE_GRAPHQL_GRAPH_URL?\n",
        ),
        (
            &["serve"],
            &[("INTUNE_GRAPHQL_GRAPHIQL", "maybe")],
            "error: invalid value 'maybe' for '--graphiql [<BOOL>]': must be true or false (or 1, 0, yes, no, on, off) \
             (set by INTUNE_GRAPHQL_GRAPHIQL)\n",
        ),
        (
            &["serve"],
            &[("INTUNE_GRAPHQL_GRAPH_ATTEMPT_TIMEOUT", "1s")],
            "error: --graph-attempt-timeout: must exceed --graph-connect-timeout (set by \
             INTUNE_GRAPHQL_GRAPH_ATTEMPT_TIMEOUT)\n",
        ),
        (
            &["serve", "--max-cost", "-1"],
            &[],
            "error: invalid value '-1' for '--max-cost <CALLS>': must be a whole number, 1 or more\n",
        ),
        (
            &["serve", "--graph-attempt-timeout", "1s"],
            &[],
            "error: --graph-attempt-timeout: must exceed --graph-connect-timeout\n",
        ),
        (
            &["serve", "--log", "inof"],
            &[],
            "error: invalid value 'inof' for '--log <FILTER>': `inof` is not a level; levels are off, error, warn, info, \
             debug, trace, as in info or warn,intune_graphql=debug\n",
        ),
    ] {
        assert_eq!(refused(arguments, variables), error);
    }
}

#[tokio::test]
async fn values_may_be_written_as_operators_write_them() {
    let variables = [
        ("INTUNE_GRAPHQL_LISTEN", "localhost:0"),
        ("INTUNE_GRAPHQL_ADMIN_LISTEN", "127.0.0.1:0"),
        ("INTUNE_GRAPHQL_GRAPHIQL", "Yes"),
        ("INTUNE_GRAPHQL_STATE_FILE", ""),
        ("INTUNE_GRAPHQL_SERVICE_HOST", "10.0.0.1"),
        ("INTUNE_GRAPHQL_PORT_4000_TCP_ADDR", "10.0.0.1"),
    ];
    let mut program = Program::start_with(&["serve"], &variables);
    let gateway = program.line("listening on ");
    assert!(gateway.starts_with("http://127.0.0.1:"), "{gateway}");
    let page = http_client().build().unwrap().get(format!("{gateway}/graphiql")).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert_eq!(program.stop().0, Some(0));
}

#[test]
fn the_schema_is_printed() {
    let output = run(&["schema"]);
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8(output.stdout).unwrap().trim_end(),
        intune_graphql::schema::sdl().trim_end()
    );
}

#[test]
fn help_lists_every_setting_with_its_variable_and_default() {
    for (command, settings) in [
        (
            "serve",
            &[
                "--listen",
                "--admin-listen",
                "--graph-cloud",
                "--graph-url",
                "--graph-ca",
                "--request-timeout",
            ][..],
        ),
        ("sandbox", &["--listen", "--profile"][..]),
        ("demo", &["--sandbox-listen"][..]),
        ("healthcheck", &["--url", "--timeout"][..]),
    ] {
        let help = String::from_utf8(run(&[command, "--help"]).stdout).unwrap();
        for setting in settings {
            assert!(help.contains(setting), "{command} {setting}: {help}");
        }
        assert!(help.contains("[env: INTUNE_GRAPHQL_"), "{help}");
        assert!(help.contains("[default: "), "{help}");
    }
    for cloud in ["global", "us-gov-l4", "us-gov-l5", "china"] {
        assert!(String::from_utf8(run(&["serve", "--help"]).stdout).unwrap().contains(cloud));
    }
}

#[test]
fn an_invalid_setting_fails_the_start_with_one_line_that_names_it() {
    for (arguments, named) in [
        (&["serve", "--listen", "nowhere"][..], "--listen"),
        (&["serve", "--graph-url", "graph.microsoft.com"][..], "--graph-url"),
        (&["serve", "--graph-url", "http://graph.example/beta"][..], "--allow-insecure-graph"),
        (&["serve", "--graph-url", "https://graph.microsoft.com"][..], "--graph-url"),
        (&["serve", "--graph-ca", "/nonexistent.pem"][..], "--graph-ca"),
        (&["serve", "--graph-ca", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")][..], "--graph-ca"),
        (&["serve", "--graph-cloud", "germany"][..], "--graph-cloud"),
        (&["serve", "--request-timeout", "0s"][..], "--request-timeout"),
        (&["serve", "--request-timeout", "30"][..], "--request-timeout"),
        (&["serve", "--max-request-body=-1"][..], "--max-request-body"),
        (&["serve", "--log", "a=b=c"][..], "--log"),
        (&["serve", "--unheard-of"][..], "--unheard-of"),
        (&["serve", "--listen", "192.0.2.1:1"][..], "--listen"),
        (&[&["serve", "--state-file", "/"][..], &ANY_PORTS].concat(), "--state-file"),
        (
            &[
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--state-file",
                concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            ][..],
            "--state-file",
        ),
        (&["serve", "--state-retention", "0s"][..], "--state-retention"),
        // Read before the addresses are printed, because scripts wait for those.
        (
            &[&["serve", "--trusted-documents", "/nonexistent.json"][..], &ANY_PORTS].concat(),
            "--trusted-documents",
        ),
        (
            &[&["serve", "--cursor-key-file", "/nonexistent.key"][..], &ANY_PORTS].concat(),
            "--cursor-key-file",
        ),
        // A gateway that could take nothing.
        (&["serve", "--max-connections", "0"][..], "--max-connections"),
        (&["serve", "--max-concurrent-requests", "0"][..], "--max-concurrent-requests"),
        (&["serve", "--max-request-body", "0"][..], "--max-request-body"),
        (&["serve", "--max-configuration-payload", "0"][..], "--max-configuration-payload"),
        (&["serve", "--max-response", "0"][..], "--max-response"),
        (&["serve", "--max-document", "0"][..], "--max-document"),
        (&["serve", "--max-tokens", "0"][..], "--max-tokens"),
        (&["serve", "--max-selections", "0"][..], "--max-selections"),
        (&["serve", "--max-depth", "0"][..], "--max-depth"),
        (&["serve", "--max-root-fields", "0"][..], "--max-root-fields"),
        (&["serve", "--max-cost", "0"][..], "--max-cost"),
        (&["serve", "--graph-max-response", "0"][..], "--graph-max-response"),
        (&["serve", "--state-capacity", "0"][..], "--state-capacity"),
        (&[&["serve", "--max-buffered-bytes", "1000"][..], &ANY_PORTS].concat(), "--max-buffered-bytes"),
        (&["serve", "--cors-origin", "*"][..], "--cors-origin"),
        (&["serve", "--cors-origin", "*"][..], "is not offered"),
        (&["sandbox", "--profile", "x"][..], "--profile"),
        (&["unheard-of"][..], "unheard-of"),
    ] {
        let output = run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let is_log = |line: &str| line.contains(" INFO ") || line.contains(" WARN ");
        let errors: Vec<&str> = stderr.lines().filter(|line| !is_log(line)).collect();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(errors.len(), 1, "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}: an address was said");
        assert!(errors[0].starts_with("error: ") && errors[0].contains(named), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_setting_can_be_an_environment_variable() {
    let mut command = program(&["serve", "--listen", "127.0.0.1:0"]);
    let output = command.env("INTUNE_GRAPHQL_GRAPH_URL", "ftp://x/beta").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("--graph-url"));
}

#[test]
fn introspection_and_graphiql_are_off_by_default_in_serve() {
    let mut gateway = Program::serve("http://127.0.0.1:1/beta", &[]);
    let url = gateway.line("listening on ");
    let (introspection, page) = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = http_client().build().unwrap();
        let body = json!({"query": "{ __schema { queryType { name } } }"}).to_string();
        let request =
            client.post(format!("{url}/graphql")).header("content-type", "application/json").body(body);
        let answer = request.send().await.unwrap().text().await.unwrap();
        (answer, client.get(format!("{url}/graphiql")).send().await.unwrap().status())
    });
    assert!(introspection.contains("INTROSPECTION_DISABLED"), "{introspection}");
    assert_eq!(page, 404);
    assert_eq!(gateway.stop().0, Some(0));
}
