//! Documents that have been parsed and validated, kept by their text: front ends send the same few over and over. What
//! is kept depends on the text alone, never on a caller, a variable or a token.
//!
//! A document is kept when it comes a second time, so that those that come once, each another, take no room.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use graphql_prepare::{Document, Preparer, RequestError};

/// Bytes that all documents together may take, by [`Memory`]'s estimate.
const MOST: u64 = 32 * 1024 * 1024;
/// A guess at how many documents there are, for the cache's first size.
const DOCUMENTS: usize = 512;
/// Documents that are remembered to have come once.
const CAME_ONCE: usize = 4096;

/// A cache of documents, bounded by the memory that they take.
pub(super) struct Documents {
    kept: Cache<String, Arc<Document>, Memory>,
    /// Hashes of the texts that have come once.
    came_once: Cache<u64, ()>,
    hasher: RandomState,
}

/// The most that a document takes: with its text and the strings out of it, which stand in it and in its collected fields.
#[derive(Clone)]
struct Memory;

/// What a document takes however short it is.
const LEAST: usize = 2048;

impl Weighter<String, Arc<Document>> for Memory {
    fn weight(&self, text: &String, document: &Arc<Document>) -> u64 {
        let bytes = text.len().saturating_mul(3).saturating_add(document.max_memory()).saturating_add(LEAST);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl Documents {
    pub(super) fn new() -> Self {
        Self {
            kept: Cache::with_weighter(DOCUMENTS, MOST, Memory),
            came_once: Cache::new(CAME_ONCE),
            hasher: RandomState::new(),
        }
    }

    /// The document of this text; parsed and validated where it is not there.
    ///
    /// # Errors
    ///
    /// What is wrong with it. Errors are not kept: whoever repeats a bad document pays for it.
    pub(super) fn get(&self, preparer: &Preparer, text: &str) -> Result<Arc<Document>, Vec<RequestError>> {
        if let Some(document) = self.kept.get(text) {
            return Ok(document);
        }
        let document = Arc::new(preparer.document(text)?);
        let hash = self.hasher.hash_one(text);
        if self.came_once.remove(&hash).is_some() {
            self.kept.insert(text.to_owned(), Arc::clone(&document));
        } else {
            self.came_once.insert(hash, ());
        }
        Ok(document)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Documents;
    use graphql_prepare::{Costs, InputRules, Limits, Preparer, TypeSystem};

    #[test]
    fn what_comes_a_second_time_is_kept() {
        let types = TypeSystem::new(&crate::schema::sdl(), InputRules::default()).unwrap();
        let preparer = Preparer::new(types, Costs::default(), Limits::default());
        let documents = Documents::new();
        let get = |text: &str| documents.get(&preparer, text).unwrap();
        let (first, second, third) = (get("{__typename}"), get("{__typename}"), get("{__typename}"));
        assert!(!Arc::ptr_eq(&first, &second), "the first is not kept");
        assert!(Arc::ptr_eq(&second, &third));
        // However many come once, none of them is kept, and nothing that is goes.
        for number in 0..20_000 {
            get(&format!("{{a{number}:__typename}}"));
        }
        assert_eq!(documents.kept.len(), 1);
        assert!(Arc::ptr_eq(&third, &get("{__typename}")));
    }
}
