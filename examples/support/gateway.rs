//! A gateway in a separate process, and its sandbox.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use msgraph_sandbox::{self as sandbox, Sandbox, Settings};
use tokio::net::TcpListener;

/// Serves a sandbox on a free port, and returns its service root.
pub(crate) async fn start_sandbox(settings: Settings) -> anyhow::Result<(Sandbox, String)> {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let sandbox = Sandbox::new(settings);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let root = format!("{scheme}://{}/beta", listener.local_addr()?);
    tokio::spawn(sandbox::run(listener, sandbox.clone(), std::future::pending()));
    Ok((sandbox, root))
}

/// A file for the gateway's state, removed on drop.
pub(crate) struct StateFile(PathBuf);

impl StateFile {
    pub(crate) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("intune-graphql-example-{}.state", std::process::id())))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A running gateway, killed on drop.
pub(crate) struct Gateway {
    pub(crate) child: Child,
    /// Kept open, because the program ends if it cannot print its address.
    _stdout: BufReader<ChildStdout>,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Gateway {
    /// Starts this program as a gateway in front of `root`.
    pub(crate) fn start(root: &str, address: &str, state: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let state = state.to_str().context("the path of the state file is not UTF-8")?;
        Self::start_in(&[], root, address, &[&["--state-file", state], more].concat())
    }

    /// Like `start`, with additional environment variables, and without a state file.
    pub(crate) fn start_in(
        environment: &[(&str, String)],
        root: &str,
        address: &str,
        options: &[&str],
    ) -> anyhow::Result<Self> {
        Self::start_program(&std::env::current_exe()?, environment, root, address, options)
    }

    /// Like `start_in`, with another program, for example `intune-graphql` of another version.
    pub(crate) fn start_program(
        program: &Path,
        environment: &[(&str, String)],
        root: &str,
        address: &str,
        options: &[&str],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("INTUNE_GRAPHQL_")) {
            command.env_remove(name);
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.args(["serve", "--listen", address, "--admin-listen", "127.0.0.1:0", "--graph-url", root]);
        command.args(options).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{} does not start", program.display()))?;
        let mut stdout = BufReader::new(child.stdout.take().context("the gateway has no output")?);
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            if let Some(address) = line.trim_end().strip_prefix("listening on http://") {
                return Ok(Self { address: address.to_owned(), child, _stdout: stdout });
            }
            line.clear();
        }
        bail!("the gateway ended at its start")
    }

    /// Sends SIGTERM, and returns the exit code.
    pub(crate) async fn drain(mut self) -> anyhow::Result<Option<i32>> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().context("kill")?;
        tokio::task::spawn_blocking(move || Ok(self.child.wait()?.code())).await?
    }

    /// Resident memory in KiB; `None` if the system does not report it.
    pub(crate) fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// The number of open files, including connections; `None` if the system does not report it.
    pub(crate) fn files(&self) -> Option<usize> {
        Some(std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok()?.count())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
