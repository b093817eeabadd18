//! Libraries in C that change the system calls of a process (`LD_PRELOAD`), compiled when they are needed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};

/// A compiled library in a separate folder, removed on drop.
pub(crate) struct PreloadLibrary {
    folder: PathBuf,
}

impl PreloadLibrary {
    /// Compiles `source`. `purpose` is the setting that needs it.
    pub(crate) fn compile(source: &str, purpose: &str) -> anyhow::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        ensure!(cfg!(target_os = "linux"), "{purpose}: only Linux can load a library into a process");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder =
            std::env::temp_dir().join(format!("intune-graphql-preload-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let library = Self { folder };
        let file = library.folder.join("library.c");
        std::fs::write(&file, source)?;
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let mut command = Command::new(&compiler);
        command.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(library.file());
        let compiled =
            command.arg(&file).arg("-ldl").status().with_context(|| {
                format!("{purpose}: a C compiler is needed, and `{compiler}` does not start")
            })?;
        ensure!(compiled.success(), "{purpose}: `{compiler}` could not compile {}", file.display());
        Ok(library)
    }

    /// A folder for the library's own files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self) -> PathBuf {
        self.folder.join("library.so")
    }

    /// The environment variable that loads it.
    pub(crate) fn environment(&self) -> (&'static str, String) {
        ("LD_PRELOAD", self.file().display().to_string())
    }
}

impl Drop for PreloadLibrary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
