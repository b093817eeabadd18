//! Trusted documents: the operations of an operator's front ends, from a manifest that their tools write.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use ring::digest::{SHA256, digest};
use serde::Deserialize;

use crate::json::UniqueKeys;
use graphql_prepare::Preparer;

/// Maximum size of a manifest, in bytes.
const MAX_MANIFEST_BYTES: u64 = 32 * 1024 * 1024;

/// What is done with documents that are not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrustedDocumentsMode {
    /// They are executed.
    #[default]
    Off,
    /// They are executed, logged and counted.
    Report,
    /// They are rejected.
    Enforce,
}

/// The documents that an operator trusts, by their ids.
#[derive(Debug, Clone, Default)]
pub struct TrustedDocuments {
    by_id: HashMap<String, Arc<str>>,
    /// Hashes of their texts, for callers that send the text.
    hashes: HashSet<[u8; 32]>,
    /// Where they were read.
    manifest: Option<(PathBuf, FileStamp)>,
    /// What is done with other documents.
    pub mode: TrustedDocumentsMode,
}

/// Distinguishes the versions of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    length: u64,
    modified: Option<SystemTime>,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustedDocumentsError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is larger than the maximum.
    #[error("{path} is larger than {MAX_MANIFEST_BYTES} bytes")]
    TooLarge {
        /// The file.
        path: String,
    },
    /// It is not JSON, or an object of it has a key twice.
    #[error("cannot read {path}")]
    NotJson {
        /// The file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
    /// It has no document. Enforced, it would reject every operation.
    #[error("{path} has no document")]
    Empty {
        /// The file.
        path: String,
    },
    /// It has none of the known formats.
    #[error("{path} is neither a map of ids to documents nor Apollo's manifest")]
    Unknown {
        /// The file.
        path: String,
    },
    /// An id has two documents.
    #[error("{path} has the id {id:?} twice")]
    Twice {
        /// The file.
        path: String,
        /// The id.
        id: String,
    },
    /// A document of it would be rejected.
    #[error("the document {id:?} is invalid: {why}")]
    Refused {
        /// Its id.
        id: String,
        /// The first reason.
        why: String,
    },
}

impl TrustedDocuments {
    /// Reads a manifest: Relay's and graphql-codegen's map of ids to documents, or Apollo's
    /// `apollo-persisted-query-manifest`.
    ///
    /// # Errors
    ///
    /// [`TrustedDocumentsError`].
    pub fn read(file: &Path) -> Result<Self, TrustedDocumentsError> {
        let path = || file.display().to_string();
        let (content, stamp) =
            read_file(file).map_err(|source| TrustedDocumentsError::Unreadable { path: path(), source })?;
        let content = content.ok_or_else(|| TrustedDocumentsError::TooLarge { path: path() })?;
        let mut by_id = HashMap::new();
        let mut hashes = HashSet::new();
        for (id, text) in parse(&content, file)? {
            hashes.insert(sha256(&text));
            if by_id.insert(id.clone(), text.into()).is_some() {
                return Err(TrustedDocumentsError::Twice { path: path(), id });
            }
        }
        if by_id.is_empty() {
            return Err(TrustedDocumentsError::Empty { path: path() });
        }
        let manifest = Some((file.to_owned(), stamp));
        Ok(Self { by_id, hashes, manifest, mode: TrustedDocumentsMode::Off })
    }

    /// The documents' ids and texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_id.iter().map(|(id, text)| (id.as_str(), &**text))
    }

    /// The document with this id.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<str>> {
        self.by_id.get(id)
    }

    /// Whether a document has this hash.
    pub(super) fn has_hash(&self, hash: &[u8; 32]) -> bool {
        self.hashes.contains(hash)
    }

    /// The file that they were read from, as it was then.
    pub(super) fn manifest(&self) -> Option<(&Path, FileStamp)> {
        self.manifest.as_ref().map(|(file, stamp)| (file.as_path(), *stamp))
    }

    /// Validates each document.
    ///
    /// # Errors
    ///
    /// [`TrustedDocumentsError::Refused`].
    pub(super) fn check(&self, preparer: &Preparer) -> Result<(), TrustedDocumentsError> {
        for (id, text) in self.iter() {
            preparer.check(text).map_err(|errors| TrustedDocumentsError::Refused {
                id: id.to_owned(),
                why: errors.into_iter().map(|error| error.message).next().unwrap_or_default(),
            })?;
        }
        Ok(())
    }
}

impl FileStamp {
    /// The stamp of a file as it is now; `None` if it cannot be read.
    pub(super) fn of(file: &Path) -> Option<Self> {
        std::fs::metadata(file).ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for FileStamp {
    fn from(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// The content of a file, `None` if it is too large, and its stamp from before it was read.
fn read_file(path: &Path) -> io::Result<(Option<Vec<u8>>, FileStamp)> {
    // To open or read another kind of file, such as a pipe, could take forever.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    let stamp = FileStamp::from(&file.metadata()?);
    let mut content = Vec::new();
    let read = file.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut content)?;
    let is_within = u64::try_from(read).is_ok_and(|bytes| bytes <= MAX_MANIFEST_BYTES);
    Ok((is_within.then_some(content), stamp))
}

/// The ids and texts of a manifest.
fn parse(content: &[u8], file: &Path) -> Result<Vec<(String, String)>, TrustedDocumentsError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Manifest {
        Apollo { format: String, operations: Vec<Operation> },
        Map(HashMap<String, String>),
    }
    #[derive(Deserialize)]
    struct Operation {
        id: String,
        body: String,
    }
    let path = || file.display().to_string();
    let UniqueKeys(manifest) = serde_json::from_slice(content)
        .map_err(|source| TrustedDocumentsError::NotJson { path: path(), source })?;
    match Manifest::deserialize(manifest) {
        Ok(Manifest::Apollo { format, operations }) if format == "apollo-persisted-query-manifest" => {
            Ok(operations.into_iter().map(|Operation { id, body }| (id, body)).collect())
        }
        Ok(Manifest::Map(map)) => Ok(map.into_iter().collect()),
        Ok(Manifest::Apollo { .. }) | Err(_) => Err(TrustedDocumentsError::Unknown { path: path() }),
    }
}

/// The hash that names a document.
pub(super) fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}
