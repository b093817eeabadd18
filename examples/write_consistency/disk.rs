//! A slow disk: a library that delays the gateway's `fsync` and `fdatasync`, compiled when it is needed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

const SOURCE: &str = include_str!("stalled_disk.c");
/// Calls in a thousand that are delayed.
const PER_MILLE: u32 = 4;
/// Like `PER_MILLE`, for a run of fewer calls than `SHORT`, which would otherwise have hardly any delay.
const PER_MILLE_SHORT: u32 = 40;
const SHORT: usize = 5000;
/// Maximum delay in milliseconds: twice the gateway's request timeout in a hard run.
const MAX_MS: u32 = 4000;

/// The library in a separate folder, removed on drop.
pub(crate) struct StalledDisk {
    folder: PathBuf,
    seed: u64,
    per_mille: u32,
}

impl StalledDisk {
    /// Compiles the library for a run of this number of calls.
    pub(crate) fn new(seed: u64, calls: usize) -> anyhow::Result<Self> {
        ensure!(cfg!(target_os = "linux"), "--faults hard: the disk can be stalled on Linux only");
        let folder = std::env::temp_dir().join(format!("intune-graphql-disk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let per_mille = if calls < SHORT { PER_MILLE_SHORT } else { PER_MILLE };
        let disk = Self { folder, seed, per_mille };
        let source = disk.folder.join("stalled_disk.c");
        std::fs::write(&source, SOURCE)?;
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let mut command = Command::new(&compiler);
        command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(disk.library());
        let compiled = command.arg(&source).arg("-ldl").status().with_context(|| {
            format!(
                "--faults hard: a C compiler is needed to stall the disk, and `{compiler}` does not start"
            )
        })?;
        ensure!(compiled.success(), "--faults hard: `{compiler}` could not compile {}", source.display());
        Ok(disk)
    }

    fn library(&self) -> PathBuf {
        self.folder.join("stalled_disk.so")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("delays")
    }

    /// The environment of a gateway whose disk stalls, with different delays in each run.
    pub(crate) fn environment(&self, run: usize) -> anyhow::Result<Vec<(&'static str, String)>> {
        Ok(vec![
            ("LD_PRELOAD", self.library().display().to_string()),
            ("STALLED_DISK_PER_MILLE", self.per_mille.to_string()),
            ("STALLED_DISK_MAX_MS", MAX_MS.to_string()),
            ("STALLED_DISK_SEED", self.seed.wrapping_add(u64::try_from(run)?).to_string()),
            ("STALLED_DISK_LOG", self.log().display().to_string()),
        ])
    }

    /// The number of delays so far.
    pub(crate) fn delays(&self) -> u64 {
        std::fs::metadata(self.log()).map_or(0, |log| log.len())
    }
}

impl Drop for StalledDisk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
