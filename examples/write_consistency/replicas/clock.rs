//! The wall clocks of processes, shifted by a library. Monotonic clocks run true.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::preload::PreloadLibrary;

const SOURCE: &str = include_str!("../shifted_clock.c");

/// The library, and the shift of each process.
pub(super) struct ShiftedClocks(PreloadLibrary);

impl ShiftedClocks {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(PreloadLibrary::compile(SOURCE, "replicas")?))
    }

    /// Sets how many seconds the clock of a process is ahead, before it starts or while it runs.
    pub(super) fn set(&self, process: &str, ahead_secs: i64) -> anyhow::Result<()> {
        let file = self.file(process);
        std::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&file)
            .and_then(|mut file| std::io::Write::write_all(&mut file, &ahead_secs.to_ne_bytes()))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// The environment of a process whose clock was set.
    pub(super) fn environment(&self, process: &str) -> Vec<(&'static str, String)> {
        vec![self.0.environment(), ("SHIFTED_CLOCK_FILE", self.file(process).display().to_string())]
    }

    fn file(&self, process: &str) -> PathBuf {
        self.0.folder().join(format!("clock-{process}"))
    }
}
