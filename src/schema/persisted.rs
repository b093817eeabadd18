//! Persisted documents: those that callers send once and then name by their hash (Apollo's automatic persisted queries),
//! and those that the operator trusts, by a manifest that front-end tools write.

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

/// Bytes that callers' documents may take, of all together.
const MOST: u64 = 4 * 1024 * 1024;
/// What one takes besides its text: its hash, and its place in the cache.
const PER_DOCUMENT: usize = 128;
/// A guess at how many there are, for the cache's first size.
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
    /// It is none of the forms that are known.
    #[error("{path} is neither a map of ids to documents nor Apollo's manifest")]
    Unknown {
        /// The file.
        path: String,
    },
    /// Which of two documents an id stands for cannot be told.
    #[error("{path} has the id {id:?} twice")]
    Twice {
        /// The file.
        path: String,
        /// The id.
        id: String,
    },
    /// A document of it would be refused.
    #[error("the document {id:?} is refused: {why}")]
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

/// Finds the text that a request means.
pub(super) struct Persisted {
    trusted: TrustedDocuments,
    /// Trusted texts, for callers that send them whole.
    trusted_hashes: std::collections::HashSet<[u8; 32]>,
    /// What callers have sent.
    sent: Cache<[u8; 32], Arc<str>, Memory>,
}

#[derive(Clone)]
struct Memory;

impl Weighter<[u8; 32], Arc<str>> for Memory {
    fn weight(&self, _: &[u8; 32], text: &Arc<str>) -> u64 {
        u64::try_from(text.len() + PER_DOCUMENT).unwrap_or(u64::MAX)
    }
}

/// A document's text, and the hash by which it is to be known once it has proved to be good.
pub(super) struct Found {
    pub(super) text: Arc<str>,
    pub(super) learn: Option<[u8; 32]>,
}

impl Persisted {
    /// Checks the trusted documents, and begins without any that was sent.
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
        Ok(Self { trusted, trusted_hashes, sent: Cache::with_weighter(DOCUMENTS, MOST, Memory) })
    }

    /// The text that a request means, before anything is parsed.
    ///
    /// # Errors
    ///
    /// `PERSISTED_QUERY_NOT_FOUND` for one that is not known or not trusted, `PERSISTED_QUERY_NOT_SUPPORTED` for another
    /// protocol, `BAD_REQUEST` where id, hash and text are not of one document.
    pub(super) fn find(&self, request: &mut GraphqlRequest) -> Result<Found, RequestError> {
        if let Some(PersistedQuery { version, .. }) = &request.persisted_query
            && *version != 1
        {
            let message = "This gateway takes persisted queries of version 1.";
            return Err(RequestError::new(ErrorCode::PersistedQueryNotSupported, message));
        }
        let hash = request.persisted_query.as_ref().map(|query| query.sha256_hash.as_str());
        let query = request.query.take();
        // An id that is not known is not passed over for the text or hash beside it: that may be of another document.
        let by_id = match &request.document_id {
            Some(id) => Some(self.trusted.by_id.get(id).ok_or_else(not_found)?),
            None => None,
        };
        if let Some(text) = by_id.or_else(|| self.trusted.by_id.get(hash?)) {
            let is_other = |other: &str| *other != **text;
            if query.as_deref().is_some_and(is_other) || hash.is_some_and(|hash| !self.names(hash, text)) {
                let message = "The request's id, hash and text are not of one document.";
                return Err(RequestError::new(ErrorCode::BadRequest, message));
            }
            return Ok(Found { text: Arc::clone(text), learn: None });
        }
        let Some(query) = query else {
            let known =
                hash.and_then(digits).filter(|_| !self.trusted.only).and_then(|hash| self.sent.get(&hash));
            return known.map(|text| Found { text, learn: None }).ok_or_else(not_found);
        };
        if self.trusted.only && !self.trusted_hashes.contains(&sha256(&query)) {
            return Err(not_found());
        }
        let learn = match hash {
            None => None,
            Some(hash) if digits(hash) == Some(sha256(&query)) => digits(hash),
            Some(_) => {
                let message = "\"extensions.persistedQuery.sha256Hash\" is not the hash of \"query\".";
                return Err(RequestError::new(ErrorCode::BadRequest, message));
            }
        };
        Ok(Found { text: query.into(), learn })
    }

    /// Whether a hash stands for a trusted document, as its id or as its text's hash.
    fn names(&self, hash: &str, text: &str) -> bool {
        match self.trusted.by_id.get(hash) {
            Some(trusted) => **trusted == *text,
            None => digits(hash) == Some(sha256(text)),
        }
    }

    /// Keeps a document that has proved to be good.
    pub(super) fn learn(&self, Found { text, learn }: Found) {
        if let Some(hash) = learn {
            self.sent.insert(hash, text);
        }
    }
}

/// The message is the one that Apollo's clients look for, some of them by it.
fn not_found() -> RequestError {
    RequestError::new(ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound")
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

/// 64 hexadecimal digits.
fn digits(hash: &str) -> Option<[u8; 32]> {
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
