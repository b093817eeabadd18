//! A slow disk: a library that delays the gateway's `fsync` and `fdatasync`.

use std::path::PathBuf;

use crate::preload::PreloadLibrary;

const SOURCE: &str = include_str!("stalled_disk.c");
/// Calls in a thousand that are delayed.
const PER_MILLE: u32 = 4;
/// Like `PER_MILLE`, for a run of fewer calls than `SHORT`, which would otherwise have hardly any delay.
const PER_MILLE_SHORT: u32 = 40;
const SHORT: usize = 5000;
/// Maximum delay in milliseconds: twice the gateway's request timeout in a hard run.
const MAX_MS: u32 = 4000;

/// The library and its delays.
pub(crate) struct StalledDisk {
    library: PreloadLibrary,
    seed: u64,
    per_mille: u32,
}

impl StalledDisk {
    /// Compiles the library for a run of this number of calls.
    pub(crate) fn new(seed: u64, calls: usize) -> anyhow::Result<Self> {
        let library = PreloadLibrary::compile(SOURCE, "--faults hard")?;
        Ok(Self { library, seed, per_mille: if calls < SHORT { PER_MILLE_SHORT } else { PER_MILLE } })
    }

    fn log(&self) -> PathBuf {
        self.library.folder().join("delays")
    }

    /// The environment of a gateway whose disk stalls, with different delays in each run.
    pub(crate) fn environment(&self, run: usize) -> anyhow::Result<Vec<(&'static str, String)>> {
        Ok(vec![
            self.library.environment(),
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
