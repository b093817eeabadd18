//! Three gateways in front of one sandbox, and the store that they share, each with its own wall clock.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::clock::ShiftedClocks;
use super::history::Version;
use crate::gateway::Gateway;
use crate::redis_server::{RedisServer, free_port};

/// Seconds by which the clock of each replica is ahead of the true time.
pub(super) const REPLICA_CLOCKS: [i64; 3] = [0, -7 * 60, 3 * 60];
/// Seconds by which the store's clock is ahead at the start.
pub(super) const STORE_CLOCK: i64 = 5 * 60;
/// The name of the store's clock.
const STORE: &str = "store";
/// Maximum time until a signalled process has stopped.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(10);

/// How the replicas of a run are started.
#[derive(Debug)]
pub(super) struct ClusterSettings {
    /// The options of each.
    pub(super) options: Vec<String>,
    /// Whether each keeps its keys in memory.
    pub(super) is_separate: bool,
    /// The program of another version, which all of them run at first.
    pub(super) other_program: Option<PathBuf>,
}

/// The processes of a run. All of them end on drop.
pub(super) struct Cluster {
    clocks: ShiftedClocks,
    root: String,
    options: Vec<String>,
    this_program: PathBuf,
    other_program: Option<PathBuf>,
    /// The version of each replica.
    versions: Vec<Version>,
    addresses: Vec<String>,
    /// `None` while a replica is down.
    replicas: Vec<Option<Gateway>>,
    store: RedisServer,
}

impl Cluster {
    /// Starts the store, and replicas in front of `root`.
    pub(super) fn start(root: &str, settings: ClusterSettings) -> anyhow::Result<Self> {
        let clocks = ShiftedClocks::new()?;
        clocks.set(STORE, STORE_CLOCK)?;
        for (replica, ahead_secs) in REPLICA_CLOCKS.into_iter().enumerate() {
            clocks.set(&name(replica), ahead_secs)?;
        }
        // The allocator's own thread would wait for times of the true clock.
        let store = RedisServer::start_with(&["--jemalloc-bg-thread", "no"], &clocks.environment(STORE))?;
        let addresses = REPLICA_CLOCKS.iter().map(|_| Ok(format!("127.0.0.1:{}", free_port()?)));
        let version = if settings.other_program.is_some() { Version::Other } else { Version::This };
        let mut cluster = Self {
            clocks,
            root: root.to_owned(),
            options: settings.options,
            this_program: std::env::current_exe()?,
            other_program: settings.other_program,
            versions: vec![version; REPLICA_CLOCKS.len()],
            addresses: addresses.collect::<anyhow::Result<_>>()?,
            replicas: REPLICA_CLOCKS.iter().map(|_| None).collect(),
            store,
        };
        if !settings.is_separate {
            cluster.options.extend(["--state-url".to_owned(), cluster.store.url()]);
        }
        for replica in 0..cluster.replicas.len() {
            cluster.start_replica(replica)?;
        }
        Ok(cluster)
    }

    pub(super) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The version of each replica, if there are two versions.
    pub(super) fn versions(&self) -> Option<&[Version]> {
        self.other_program.is_some().then_some(&self.versions)
    }

    /// Gives a replica that is down the other version, and returns this.
    pub(super) fn change_version(&mut self, replica: usize) -> Version {
        let version = &mut self.versions[replica];
        *version = version.next();
        *version
    }

    /// Starts a replica that is down, on its own address and with its own version.
    pub(super) fn start_replica(&mut self, replica: usize) -> anyhow::Result<()> {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let environment = self.clocks.environment(&name(replica));
        let address = &self.addresses[replica];
        let program = match (self.versions[replica], &self.other_program) {
            (Version::Other, Some(program)) => program,
            _ => &self.this_program,
        };
        let gateway = Gateway::start_program(program, &environment, &self.root, address, &options)
            .with_context(|| format!("replica {replica}"))?;
        self.replicas[replica] = Some(gateway);
        Ok(())
    }

    /// Sends SIGTERM to a replica, and returns its exit code.
    pub(super) async fn drain_replica(&mut self, replica: usize) -> anyhow::Result<Option<i32>> {
        self.replicas[replica].take().context("the replica is down")?.drain().await
    }

    /// Kills a replica with SIGKILL.
    pub(super) fn kill_replica(&mut self, replica: usize) -> anyhow::Result<()> {
        drop(self.replicas[replica].take().context("the replica is down")?);
        Ok(())
    }

    /// Pauses a replica with SIGSTOP. No thread of it runs when this returns.
    pub(super) fn pause_replica(&self, replica: usize) -> anyhow::Result<()> {
        let child = self.child(replica)?;
        signal(child, "-STOP")?;
        let start = Instant::now();
        while !is_stopped(child.id())? {
            ensure!(start.elapsed() < SIGNAL_TIMEOUT, "replica {replica} does not stop");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    pub(super) fn resume_replica(&self, replica: usize) -> anyhow::Result<()> {
        signal(self.child(replica)?, "-CONT")
    }

    /// Sets how many seconds the store's clock is ahead.
    pub(super) fn set_store_clock(&self, ahead_secs: i64) -> anyhow::Result<()> {
        self.clocks.set(STORE, ahead_secs)
    }

    pub(super) fn store(&mut self) -> &mut RedisServer {
        &mut self.store
    }

    fn child(&self, replica: usize) -> anyhow::Result<&Child> {
        Ok(&self.replicas[replica].as_ref().context("the replica is down")?.child)
    }
}

/// The name of a replica's clock.
fn name(replica: usize) -> String {
    format!("replica-{replica}")
}

fn signal(child: &Child, signal: &str) -> anyhow::Result<()> {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status()?;
    ensure!(status.success(), "kill {signal} failed");
    Ok(())
}

/// Whether each thread of a process is stopped by a signal.
fn is_stopped(process: u32) -> anyhow::Result<bool> {
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        // The state follows the name, which is in parentheses.
        let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
        if state != Some('T') {
            return Ok(false);
        }
    }
    Ok(true)
}
