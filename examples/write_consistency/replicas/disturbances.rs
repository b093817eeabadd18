//! Disturbs replicas and the store, one after the other or two at once, and records each step.

use std::time::Duration;

use anyhow::Context as _;

use super::cluster::Cluster;
use super::history::{Disturbance, DisturbanceKind, Event, Phase, Recorder};

/// Time without a disturbance before each one.
const CALM: Duration = Duration::from_secs(3);
/// How long a killed replica is down.
const DOWN: Duration = Duration::from_millis(500);
/// Maximum number of seconds by which the store's clock is ahead or behind.
const MAX_CLOCK: i64 = 10 * 60;
/// How long the store is down or paused: longer than a command's timeout in the gateway.
const OUTAGE: Duration = Duration::from_secs(5);

/// The disturbances of a run.
pub(super) struct Disturber<'a> {
    pub(super) cluster: Cluster,
    pub(super) recorder: &'a Recorder,
    /// How long a replica is paused: longer than the lease of a key.
    pub(super) pause: Duration,
    pub(super) random: fastrand::Rng,
}

impl Disturber<'_> {
    /// Disturbs in each way once, in a random order. With two versions, each replica changes to the other one.
    pub(super) async fn round(&mut self, number: usize) -> anyhow::Result<()> {
        let mut kinds = DisturbanceKind::ALL.to_vec();
        self.random.shuffle(&mut kinds);
        if self.cluster.versions().is_some() {
            self.change_versions(number, &kinds).await?;
        } else {
            for kind in kinds {
                self.disturb(kind, number).await?;
            }
        }
        tokio::time::sleep(CALM).await;
        Ok(())
    }

    /// Restarts one replica after the other with the other version. All other disturbances take place between the first and
    /// the last of these restarts, so that both versions run during them.
    async fn change_versions(&mut self, number: usize, kinds: &[DisturbanceKind]) -> anyhow::Result<()> {
        let mut replicas: Vec<usize> = (0..self.cluster.addresses().len()).collect();
        self.random.shuffle(&mut replicas);
        let kinds: Vec<DisturbanceKind> =
            kinds.iter().copied().filter(|kind| *kind != DisturbanceKind::ReplicaRestarted).collect();
        let mut parts = kinds.chunks(kinds.len().div_ceil(replicas.len() - 1));
        for replica in replicas {
            self.restart_replica(replica).await?;
            for kind in parts.next().unwrap_or_default() {
                self.disturb(*kind, number).await?;
            }
        }
        Ok(())
    }

    /// Disturbs in one way, after a jump of the store's clock.
    async fn disturb(&mut self, kind: DisturbanceKind, round: usize) -> anyhow::Result<()> {
        tokio::time::sleep(CALM / 2).await;
        self.set_store_clock()?;
        tokio::time::sleep(CALM / 2).await;
        let replica = self.random.usize(..self.cluster.addresses().len());
        match kind {
            DisturbanceKind::ReplicaPaused => self.pause_replica(replica, round % 2 == 1).await,
            DisturbanceKind::ReplicaKilled => self.kill_replica(replica).await,
            DisturbanceKind::ReplicaRestarted => {
                for replica in 0..self.cluster.addresses().len() {
                    self.restart_replica(replica).await?;
                }
                Ok(())
            }
            DisturbanceKind::StoreStopped | DisturbanceKind::StoreKilled | DisturbanceKind::StorePaused => {
                let killed = (kind == DisturbanceKind::StoreKilled).then_some(replica);
                self.disturb_store(kind, killed).await
            }
        }
    }

    fn set_store_clock(&mut self) -> anyhow::Result<()> {
        let ahead_secs = self.random.i64(-MAX_CLOCK..=MAX_CLOCK);
        self.cluster.set_store_clock(ahead_secs)?;
        self.recorder.record(&Event::Clock { at: self.recorder.now(), replica: None, ahead_secs })
    }

    /// Pauses a replica until its leases have lapsed. The store may restart meanwhile.
    async fn pause_replica(&mut self, replica: usize, with_outage: bool) -> anyhow::Result<()> {
        let kind = DisturbanceKind::ReplicaPaused;
        self.step(kind, Some(replica), Phase::Starting)?;
        self.cluster.pause_replica(replica)?;
        self.step(kind, Some(replica), Phase::Effective)?;
        if with_outage {
            self.disturb_store(DisturbanceKind::StoreStopped, None).await?;
        }
        tokio::time::sleep(self.pause).await;
        self.step(kind, Some(replica), Phase::Ending)?;
        self.cluster.resume_replica(replica)?;
        // It answers the calls that waited.
        tokio::time::sleep(CALM).await;
        self.step(kind, Some(replica), Phase::Over)
    }

    async fn kill_replica(&mut self, replica: usize) -> anyhow::Result<()> {
        let kind = DisturbanceKind::ReplicaKilled;
        self.step(kind, Some(replica), Phase::Starting)?;
        self.cluster.kill_replica(replica)?;
        self.step(kind, Some(replica), Phase::Effective)?;
        tokio::time::sleep(DOWN).await;
        self.step(kind, Some(replica), Phase::Ending)?;
        self.cluster.start_replica(replica)?;
        self.step(kind, Some(replica), Phase::Over)
    }

    /// Ends a replica with SIGTERM, and starts it again; with the other version, if there are two.
    async fn restart_replica(&mut self, replica: usize) -> anyhow::Result<()> {
        let kind = DisturbanceKind::ReplicaRestarted;
        self.step(kind, Some(replica), Phase::Starting)?;
        self.drain_replica(replica).await?;
        self.step(kind, Some(replica), Phase::Effective)?;
        if self.cluster.versions().is_some() {
            let version = self.cluster.change_version(replica);
            self.recorder.record(&Event::Version { at: self.recorder.now(), replica, version })?;
        }
        self.step(kind, Some(replica), Phase::Ending)?;
        self.cluster.start_replica(replica)?;
        self.step(kind, Some(replica), Phase::Over)
    }

    /// Ends a replica with SIGTERM, and records its exit code.
    async fn drain_replica(&mut self, replica: usize) -> anyhow::Result<()> {
        let code = self.cluster.drain_replica(replica).await?;
        self.recorder.record(&Event::Exit { at: self.recorder.now(), replica, code })
    }

    /// Stops or pauses the store. Meanwhile, a replica may be killed, and starts again without the store.
    async fn disturb_store(&mut self, kind: DisturbanceKind, killed: Option<usize>) -> anyhow::Result<()> {
        self.step(kind, None, Phase::Starting)?;
        match kind {
            DisturbanceKind::StorePaused => self.cluster.store().pause()?,
            DisturbanceKind::StoreKilled => self.cluster.store().kill()?,
            _ => self.cluster.store().stop()?,
        }
        self.step(kind, None, Phase::Effective)?;
        tokio::time::sleep(OUTAGE / 2).await;
        if let Some(replica) = killed {
            self.kill_replica(replica).await.context("a replica without the store")?;
        }
        tokio::time::sleep(OUTAGE / 2).await;
        self.step(kind, None, Phase::Ending)?;
        match kind {
            DisturbanceKind::StorePaused => self.cluster.store().resume()?,
            _ => self.cluster.store().start_again()?,
        }
        self.step(kind, None, Phase::Over)
    }

    /// Ends all replicas with SIGTERM, so that every create has arrived.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        for replica in 0..self.cluster.addresses().len() {
            self.drain_replica(replica).await?;
        }
        Ok(())
    }

    fn step(&self, kind: DisturbanceKind, replica: Option<usize>, phase: Phase) -> anyhow::Result<()> {
        let step = Disturbance { at: self.recorder.now(), kind, replica, phase };
        self.recorder.record(&Event::Disturbance(step))
    }
}
