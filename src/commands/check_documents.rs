//! `check-documents`: checks the documents of a front end, for its continuous integration.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::print;
use crate::config::CheckDocumentsConfig;
use crate::gateway::limits;
use crate::printable::printable;
use crate::schema::{DocumentCheck, TrustedDocuments};

/// Maximum size of all files of a folder, in bytes.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Maximum number of files and folders in a folder.
const MAX_ENTRIES: usize = 100_000;
/// Maximum depth of folders.
const MAX_DEPTH: usize = 64;

/// Checks a manifest, a folder or a file, and prints a line for each problem. The exit code is 1 if there are any.
///
/// # Errors
///
/// If the documents cannot be read.
pub(super) fn run(config: &CheckDocumentsConfig) -> anyhow::Result<ExitCode> {
    let CheckDocumentsConfig { path, default_page_size, limits: config } = config;
    let mut check = DocumentCheck::new(limits(config), *default_page_size);
    if path.is_dir() || is_document(path) {
        let mut files = Files::default();
        if path.is_dir() {
            files.read_folder(path, 0)?
        } else {
            files.read_file(path)?
        }
        anyhow::ensure!(!files.files.is_empty(), "{} has no .graphql or .gql file", path.display());
        files.files.sort();
        check.files(&files.files);
    } else {
        check.manifest(path, &TrustedDocuments::read(path)?);
    }
    let (problems, operations) = check.finish();
    for problem in &problems {
        print(&printable(&problem.to_string()))?;
    }
    if !problems.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    anyhow::ensure!(operations > 0, "{} has no operation", path.display());
    let noun = if operations == 1 { "operation" } else { "operations" };
    print(&format!("{operations} {noun} checked, no problems"))?;
    Ok(ExitCode::SUCCESS)
}

fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "graphql" || extension == "gql")
}

/// The documents of a folder.
#[derive(Default)]
struct Files {
    files: Vec<(PathBuf, String)>,
    bytes: u64,
    entries: usize,
}

impl Files {
    /// Reads the documents of a folder and of the folders in it, without hidden ones, `node_modules` and symbolic links.
    fn read_folder(&mut self, folder: &Path, depth: usize) -> anyhow::Result<()> {
        let cannot_read = || format!("cannot read {}", folder.display());
        anyhow::ensure!(depth <= MAX_DEPTH, "{} is nested too deeply", folder.display());
        for entry in fs::read_dir(folder).with_context(cannot_read)? {
            let entry = entry.with_context(cannot_read)?;
            self.entries += 1;
            anyhow::ensure!(
                self.entries <= MAX_ENTRIES,
                "{} has more than {MAX_ENTRIES} files and folders",
                folder.display()
            );
            let (path, kind) = (entry.path(), entry.file_type().with_context(cannot_read)?);
            let name = entry.file_name();
            if kind.is_dir() {
                if name != "node_modules" && !name.to_string_lossy().starts_with('.') {
                    self.read_folder(&path, depth + 1)?;
                }
            } else if kind.is_file() && is_document(&path) {
                self.read_file(&path)?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> anyhow::Result<()> {
        let cannot_read = || format!("cannot read {}", path.display());
        let is_file = fs::metadata(path).with_context(cannot_read)?.is_file();
        anyhow::ensure!(is_file, "cannot read {}: it is not a regular file", path.display());
        let mut text = String::new();
        let rest = MAX_BYTES - self.bytes;
        let file = fs::File::open(path);
        let read = file.and_then(|file| file.take(rest + 1).read_to_string(&mut text));
        let read = read.with_context(cannot_read)?;
        let read = u64::try_from(read)?;
        anyhow::ensure!(read <= rest, "{}: all files together exceed {MAX_BYTES} bytes", path.display());
        self.bytes += read;
        self.files.push((path.to_owned(), text));
        Ok(())
    }
}
