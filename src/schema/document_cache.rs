//! A cache of parsed and validated documents, by their text. An entry depends on the text alone, never on a caller, a
//! variable or a token.
//!
//! A document is inserted when it is seen a second time, so that documents that are sent once take no space.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use graphql_prepare::{Document, Preparer, RequestError};

/// Maximum total size of all documents in bytes, as [`DocumentWeight`] estimates it.
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Expected number of documents, for the initial size of the cache.
const DOCUMENTS: usize = 512;
/// Maximum number of hashes of documents that were used once.
const MAX_SEEN_ONCE: usize = 4096;

/// A cache of documents, bounded by the memory that they take.
pub(super) struct DocumentCache {
    documents: Cache<String, Arc<Document>, DocumentWeight>,
    /// Hashes of the texts that were seen once.
    seen_once: Cache<u64, ()>,
    hasher: RandomState,
}

/// An upper bound of a document's memory, with its text and the strings that are copied out of it.
#[derive(Clone)]
struct DocumentWeight;

/// The least memory that a document takes.
const MIN_DOCUMENT_BYTES: usize = 2048;

impl Weighter<String, Arc<Document>> for DocumentWeight {
    fn weight(&self, text: &String, document: &Arc<Document>) -> u64 {
        let bytes = text
            .len()
            .saturating_mul(3)
            .saturating_add(document.max_memory())
            .saturating_add(MIN_DOCUMENT_BYTES);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl DocumentCache {
    pub(super) fn new() -> Self {
        Self {
            documents: Cache::with_weighter(DOCUMENTS, MAX_BYTES, DocumentWeight),
            seen_once: Cache::new(MAX_SEEN_ONCE),
            hasher: RandomState::new(),
        }
    }

    /// The document of this text, parsed and validated if the cache does not have it.
    ///
    /// # Errors
    ///
    /// The errors of the document. They are not cached.
    pub(super) fn get(&self, preparer: &Preparer, text: &str) -> Result<Arc<Document>, Vec<RequestError>> {
        if let Some(document) = self.documents.get(text) {
            return Ok(document);
        }
        let document = Arc::new(preparer.document(text)?);
        let hash = self.hasher.hash_one(text);
        if self.seen_once.remove(&hash).is_some() {
            self.documents.insert(text.to_owned(), Arc::clone(&document));
        } else {
            self.seen_once.insert(hash, ());
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::DocumentCache;
    use graphql_prepare::{Costs, InputRules, Limits, Preparer, TypeSystem};

    #[test]
    fn documents_are_cached_when_seen_a_second_time() {
        let types = TypeSystem::new(&crate::schema::sdl(), InputRules::default()).unwrap();
        let preparer = Preparer::new(types, Costs::default(), Limits::default());
        let documents = DocumentCache::new();
        let get = |text: &str| documents.get(&preparer, text).unwrap();
        let (first, second, third) = (get("{__typename}"), get("{__typename}"), get("{__typename}"));
        assert!(!Arc::ptr_eq(&first, &second), "the first is not documents");
        assert!(Arc::ptr_eq(&second, &third));
        // Documents that are used only once do not evict repeated ones.
        for number in 0..20_000 {
            get(&format!("{{a{number}:__typename}}"));
        }
        assert_eq!(documents.documents.len(), 1);
        assert!(Arc::ptr_eq(&third, &get("{__typename}")));
    }
}
