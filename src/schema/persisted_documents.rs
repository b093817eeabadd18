//! Persisted documents: documents that callers send once and then refer to by hash (Apollo's
//! automatic persisted queries), and trusted documents, from a manifest that front-end tools write.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use ring::digest::{SHA256, digest};
use serde::Deserialize;

use super::error::{ErrorCode, RequestError};
use super::graphql_request::{GraphqlRequest, PersistedQuery};
use crate::json::UniqueKeys;
use graphql_prepare::Preparer;

/// Maximum total size in bytes of all callers' documents.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of a document besides its text: its hash and its entry in the cache.
const DOCUMENT_OVERHEAD: usize = 128;
/// Expected number of documents, for the initial size of the cache.
const DOCUMENTS: usize = 512;

/// The documents that an operator trusts, by their ids.
#[derive(Debug, Clone, Default)]
pub struct TrustedDocuments {
    by_id: HashMap<String, Arc<str>>,
    /// Whether no other document is taken.
    pub only: bool,
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
        source: std::io::Error,
    },
    /// It is not JSON, or an object of it has a key twice.
    #[error("cannot read {path}")]
    NotJson {
        /// The file.
        path: String,
        /// Why.
        source: serde_json::Error,
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
        let text = std::fs::read(file)
            .map_err(|source| TrustedDocumentsError::Unreadable { path: path(), source })?;
        let UniqueKeys(manifest) = serde_json::from_slice(&text)
            .map_err(|source| TrustedDocumentsError::NotJson { path: path(), source })?;
        let documents: Vec<(String, String)> = match Manifest::deserialize(manifest) {
            Ok(Manifest::Apollo { format, operations }) if format == "apollo-persisted-query-manifest" => {
                operations.into_iter().map(|Operation { id, body }| (id, body)).collect()
            }
            Ok(Manifest::Map(map)) => map.into_iter().collect(),
            Ok(Manifest::Apollo { .. }) | Err(_) => {
                return Err(TrustedDocumentsError::Unknown { path: path() });
            }
        };
        let mut by_id = HashMap::with_capacity(documents.len());
        for (id, text) in documents {
            if by_id.insert(id.clone(), text.into()).is_some() {
                return Err(TrustedDocumentsError::Twice { path: path(), id });
            }
        }
        Ok(Self { by_id, only: false })
    }

    /// The documents' ids and texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_id.iter().map(|(id, text)| (id.as_str(), &**text))
    }
}

/// Resolves the document of a request.
pub(super) struct PersistedDocuments {
    trusted: TrustedDocuments,
    /// Hashes of trusted texts, for callers that send the text.
    trusted_hashes: std::collections::HashSet<[u8; 32]>,
    /// Documents that callers have registered.
    sent: Cache<[u8; 32], Arc<str>, TextWeight>,
}

#[derive(Clone)]
struct TextWeight;

impl Weighter<[u8; 32], Arc<str>> for TextWeight {
    fn weight(&self, _: &[u8; 32], text: &Arc<str>) -> u64 {
        u64::try_from(text.len() + DOCUMENT_OVERHEAD).unwrap_or(u64::MAX)
    }
}

/// A document's text, and the hash to register it by once it is validated.
pub(super) struct ResolvedDocument {
    pub(super) text: Arc<str>,
    register_as: Option<[u8; 32]>,
}

impl PersistedDocuments {
    /// Checks the trusted documents. No others are registered at first.
    ///
    /// # Errors
    ///
    /// [`TrustedDocumentsError::Refused`].
    pub(super) fn new(trusted: TrustedDocuments, preparer: &Preparer) -> Result<Self, TrustedDocumentsError> {
        for (id, text) in trusted.iter() {
            preparer.check(text).map_err(|errors| TrustedDocumentsError::Refused {
                id: id.to_owned(),
                why: errors.into_iter().map(|error| error.message).next().unwrap_or_default(),
            })?;
        }
        let trusted_hashes = trusted.iter().map(|(_, text)| sha256(text)).collect();
        Ok(Self { trusted, trusted_hashes, sent: Cache::with_weighter(DOCUMENTS, MAX_BYTES, TextWeight) })
    }

    /// The text of a request's document, before it is parsed.
    ///
    /// # Errors
    ///
    /// `PERSISTED_QUERY_NOT_FOUND` for a document that is not registered or not trusted,
    /// `PERSISTED_QUERY_NOT_SUPPORTED` for another version of the protocol, `BAD_REQUEST` if id,
    /// hash and text are of different documents.
    pub(super) fn resolve(&self, request: &mut GraphqlRequest) -> Result<ResolvedDocument, RequestError> {
        if let Some(PersistedQuery { version, .. }) = &request.persisted_query
            && *version != 1
        {
            let message = "Unsupported version of `extensions.persistedQuery`: send version 1.";
            return Err(RequestError::new(ErrorCode::PersistedQueryNotSupported, message));
        }
        let hash = request.persisted_query.as_ref().map(|query| query.sha256_hash.as_str());
        let query = request.query.take();
        // An unknown id is an error even beside a text or hash, which may be of another document.
        let by_id = match &request.document_id {
            Some(id) => Some(self.trusted.by_id.get(id).ok_or_else(not_found)?),
            None => None,
        };
        if let Some(text) = by_id.or_else(|| self.trusted.by_id.get(hash?)) {
            let is_other = |other: &str| *other != **text;
            if query.as_deref().is_some_and(is_other) || hash.is_some_and(|hash| !self.names(hash, text)) {
                let message = "The id, hash and text of the request belong to different documents.";
                return Err(RequestError::new(ErrorCode::BadRequest, message));
            }
            return Ok(ResolvedDocument { text: Arc::clone(text), register_as: None });
        }
        let Some(query) = query else {
            let known = hash
                .and_then(parse_sha256_hex)
                .filter(|_| !self.trusted.only)
                .and_then(|hash| self.sent.get(&hash));
            return known.map(|text| ResolvedDocument { text, register_as: None }).ok_or_else(not_found);
        };
        if self.trusted.only && !self.trusted_hashes.contains(&sha256(&query)) {
            let message = "Only trusted documents are accepted: send `documentId` or its hash.";
            return Err(RequestError::new(ErrorCode::PersistedQueryNotFound, message));
        }
        let register_as = match hash {
            None => None,
            Some(hash) if parse_sha256_hex(hash) == Some(sha256(&query)) => parse_sha256_hex(hash),
            Some(_) => {
                let message = "`extensions.persistedQuery.sha256Hash` is not the SHA-256 hash of `query`.";
                return Err(RequestError::new(ErrorCode::BadRequest, message));
            }
        };
        Ok(ResolvedDocument { text: query.into(), register_as })
    }

    /// Whether a hash is that of a trusted document: its id, or the hash of its text.
    fn names(&self, hash: &str, text: &str) -> bool {
        match self.trusted.by_id.get(hash) {
            Some(trusted) => **trusted == *text,
            None => parse_sha256_hex(hash) == Some(sha256(text)),
        }
    }

    /// Registers a document that has been validated.
    pub(super) fn register(&self, ResolvedDocument { text, register_as }: ResolvedDocument) {
        if let Some(hash) = register_as {
            self.sent.insert(hash, text);
        }
    }
}

/// Some of Apollo's clients recognize the error by this message.
fn not_found() -> RequestError {
    RequestError::new(ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound")
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// Parses 64 hexadecimal digits.
fn parse_sha256_hex(hash: &str) -> Option<[u8; 32]> {
    let digits = hash.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
