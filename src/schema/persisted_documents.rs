//! Persisted documents: documents that callers send once and then refer to by hash (Apollo's
//! automatic persisted queries), and trusted documents.

use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::BoxFuture;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::error::{ErrorCode, RequestError};
use super::graphql_request::{GraphqlRequest, PersistedQuery};
use super::trusted_documents::{TrustedDocuments, TrustedDocumentsMode, sha256};
use crate::shared_state::SharedDocuments;

/// Maximum total size in bytes of all callers' documents.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of a document besides its text: its hash and its entry in the cache.
const DOCUMENT_OVERHEAD: usize = 128;
/// Expected number of documents, for the initial size of the cache.
const DOCUMENTS: usize = 512;

/// Resolves the document of a request.
pub(super) struct PersistedDocuments {
    mode: TrustedDocumentsMode,
    trusted: RwLock<TrustedDocuments>,
    /// Documents that callers have registered.
    sent: Cache<[u8; 32], Arc<str>, TextWeight>,
    /// Those of other replicas; `None` if no state is shared, or only trusted documents are accepted.
    shared: Option<SharedDocuments>,
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
    /// Its hash, if it is to be reported as not trusted.
    pub(super) reported: Option<[u8; 32]>,
    register_as: Option<[u8; 32]>,
}

impl PersistedDocuments {
    /// The trusted documents, which have been checked. No others are registered at first, except at other replicas.
    pub(super) fn new(trusted: TrustedDocuments, shared: Option<SharedDocuments>) -> Self {
        let mode = trusted.mode;
        let sent = Cache::with_weighter(DOCUMENTS, MAX_BYTES, TextWeight);
        let shared = shared.filter(|_| mode != TrustedDocumentsMode::Enforce);
        Self { mode, trusted: RwLock::new(trusted), sent, shared }
    }

    /// Looks for the document of a request at other replicas, so that it can be resolved; `None` if it is known, or no other
    /// replica can have it.
    pub(super) fn look_up(&self, request: &GraphqlRequest) -> Option<BoxFuture<'_, ()>> {
        let shared = self.shared.as_ref()?;
        let by_hash = request.persisted_query.as_ref().filter(|by_hash| by_hash.version == 1)?;
        if request.query.is_some() || request.document_id.is_some() {
            return None;
        }
        let hash = parse_sha256_hex(&by_hash.sha256_hash)?;
        let trusted = self.trusted.read().unwrap_or_else(PoisonError::into_inner);
        if self.sent.get(&hash).is_some() || trusted.get(&by_hash.sha256_hash).is_some() {
            return None;
        }
        Some(Box::pin(async move {
            if let Some(text) = shared.find(&hash).await {
                self.sent.insert(hash, text);
            }
        }))
    }

    /// Replaces the trusted documents, which have been checked. The mode stays.
    pub(super) fn replace_trusted(&self, trusted: TrustedDocuments) {
        let previous = {
            let mut current = self.trusted.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, trusted)
        };
        // Freed without the lock, which requests wait for.
        drop(previous);
    }

    /// Whether documents that are not trusted are reported.
    pub(super) fn reports_untrusted(&self) -> bool {
        self.mode == TrustedDocumentsMode::Report
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
        let trusted = self.trusted.read().unwrap_or_else(PoisonError::into_inner);
        let hash = request.persisted_query.as_ref().map(|query| query.sha256_hash.as_str());
        let query = request.query.take();
        // An unknown id is an error even beside a text or hash, which may be of another document.
        let by_id = match &request.document_id {
            Some(id) => Some(trusted.get(id).ok_or_else(not_found)?),
            None => None,
        };
        if let Some(text) = by_id.or_else(|| trusted.get(hash?)) {
            let is_other = |other: &str| *other != **text;
            if query.as_deref().is_some_and(is_other) || hash.is_some_and(|hash| !names(&trusted, hash, text))
            {
                let message = "The id, hash and text of the request belong to different documents.";
                return Err(RequestError::new(ErrorCode::BadRequest, message));
            }
            return Ok(ResolvedDocument { text: Arc::clone(text), reported: None, register_as: None });
        }
        let is_enforced = self.mode == TrustedDocumentsMode::Enforce;
        let reported =
            |hash: [u8; 32]| (self.reports_untrusted() && !trusted.has_hash(&hash)).then_some(hash);
        let Some(query) = query else {
            let hash = hash.and_then(parse_sha256_hex).filter(|_| !is_enforced).ok_or_else(not_found)?;
            let text = self.sent.get(&hash).ok_or_else(not_found)?;
            return Ok(ResolvedDocument { text, reported: reported(hash), register_as: None });
        };
        if is_enforced && !trusted.has_hash(&sha256(&query)) {
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
        let reported = if self.reports_untrusted() { reported(sha256(&query)) } else { None };
        Ok(ResolvedDocument { text: query.into(), reported, register_as })
    }

    /// Registers a document that has been validated.
    pub(super) fn register(&self, ResolvedDocument { text, register_as, .. }: ResolvedDocument) {
        if let Some(hash) = register_as {
            if let Some(shared) = &self.shared {
                shared.store(hash, &text);
            }
            self.sent.insert(hash, text);
        }
    }
}

/// Some of Apollo's clients recognize the error by this message.
fn not_found() -> RequestError {
    RequestError::new(ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound")
}

/// Whether a hash is that of a trusted document: its id, or the hash of its text.
fn names(trusted: &TrustedDocuments, hash: &str, text: &str) -> bool {
    match trusted.get(hash) {
        Some(trusted) => **trusted == *text,
        None => parse_sha256_hex(hash) == Some(sha256(text)),
    }
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
