//! A `redis-server` process on a free loopback port, with data in a temporary folder.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

/// Names another program, for example `valkey-server`.
const PROGRAM_VARIABLE: &str = "REDIS_SERVER";
/// Ports below those that systems give to outgoing connections, so that a stopped server finds its port free again.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Number of ports to try.
const MAX_ATTEMPTS: usize = 20;
/// Maximum time until a started server responds, including the time to load its data.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum time for one command, in which a paused server does not respond.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);
/// The settings that the gateway asks for. A file with `--save ""` would be a second copy of the data.
const SETTINGS: [&str; 8] =
    ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", ""];

/// A server process. Killed on drop, and its folder removed.
#[derive(Debug)]
pub(crate) struct RedisServer {
    port: u16,
    folder: TempDir,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    /// `None` while it is stopped.
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server with the settings that the gateway asks for, and waits until it responds.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::start_with(&[], &[])
    }

    /// Starts a server with more options, such as `--requirepass` or `--maxmemory`, and environment variables. A later option
    /// replaces an earlier one.
    pub(crate) fn start_with(options: &[&str], environment: &[(&str, String)]) -> anyhow::Result<Self> {
        let mut last = None;
        for _ in 0..MAX_ATTEMPTS {
            let port = free_port()?;
            let mut server = Self {
                port,
                folder: TempDir::with_prefix("redis-server-")?,
                options: options.iter().map(|option| (*option).to_owned()).collect(),
                environment: environment
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect(),
                child: None,
            };
            match server.start_again() {
                Ok(()) => return Ok(server),
                Err(error) if server.log().contains("Address already in use") => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.context("no free port")?)
    }

    /// Starts a stopped server with its data and port, and waits until it responds.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        ensure!(self.child.is_none(), "the server is running");
        let program = std::env::var(PROGRAM_VARIABLE).unwrap_or_else(|_| "redis-server".to_owned());
        let mut command = Command::new(&program);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--logfile", "redis.log", "--dir"]).arg(self.folder.path());
        command.args(SETTINGS).args(&self.options);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child =
            command.spawn().with_context(|| format!("`{program}` does not start: is it installed?"))?;
        self.child = Some(child);
        self.until_it_responds()
    }

    fn until_it_responds(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let reply = self.command(&["PING"]).unwrap_or_default();
            // A server with a password responds as well.
            if reply.starts_with("+PONG") || reply.starts_with("-NOAUTH") {
                return Ok(());
            }
            let child = self.child.as_mut().context("the server is stopped")?;
            if let Some(status) = child.try_wait()? {
                self.child = None;
                bail!("the server ended at its start with {status}: {}", self.log());
            }
            ensure!(start.elapsed() < START_TIMEOUT, "the server does not respond: {reply:?} {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The port without TLS.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The folder of its data and log.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("redis.log")).unwrap_or_default()
    }

    /// Sends one command without TLS, and returns the reply as it is on the wire.
    pub(crate) fn command(&self, command: &[&str]) -> anyhow::Result<String> {
        self.commands(&[command])
    }

    /// Sends commands on one connection, for example after `AUTH`, and returns the replies as they are on the wire.
    pub(crate) fn commands(&self, commands: &[&[&str]]) -> anyhow::Result<String> {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        let mut stream = TcpStream::connect_timeout(&address.into(), COMMAND_TIMEOUT)?;
        stream.set_read_timeout(Some(COMMAND_TIMEOUT))?;
        let mut request = String::new();
        // The reply to QUIT ends the stream.
        for command in commands.iter().chain([&["QUIT"][..]].iter()) {
            request += &format!("*{}\r\n", command.len());
            for word in *command {
                request += &format!("${}\r\n{word}\r\n", word.len());
            }
        }
        stream.write_all(request.as_bytes())?;
        let mut replies = String::new();
        stream.read_to_string(&mut replies)?;
        Ok(replies.strip_suffix("+OK\r\n").context("cut off")?.to_owned())
    }

    /// Stops it with SIGTERM, and waits for its end. Its data stays.
    pub(crate) fn stop(&mut self) -> anyhow::Result<()> {
        self.signal("-TERM")?;
        // A paused process handles no other signal.
        self.resume()?;
        self.child.take().context("the server is stopped")?.wait()?;
        Ok(())
    }

    /// Kills it with SIGKILL, and waits for its end. Its data stays.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("the server is stopped")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Pauses it with SIGSTOP. Its connections stay open, and no command is answered.
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        self.signal("-STOP")
    }

    /// Continues it after [`Self::pause`].
    pub(crate) fn resume(&self) -> anyhow::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let id = self.child.as_ref().context("the server is stopped")?.id().to_string();
        ensure!(Command::new("kill").args([signal, &id]).status()?.success(), "kill {signal} failed");
        Ok(())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// A free port. Another process may take it before the caller does.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    for _ in 0..1000 {
        let port = fastrand::u16(PORTS);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error.into()),
        }
    }
    bail!("no free port in {PORTS:?}")
}
