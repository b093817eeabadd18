//! Documents that have been parsed and validated, kept by their text: front ends send the same few over and over. What
//! is kept depends on the text alone, never on a caller, a variable or a token.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::operation::{Document, Preparer, RequestError};

/// Bytes of document text that are kept, of all documents together; what is parsed from it takes some ten times more.
const MOST_TEXT: u64 = 2 * 1024 * 1024;
/// Longest document that is kept, in bytes: one caller's long ones must not push out everybody's.
const LONGEST: usize = 32 * 1024;
/// A guess at how many documents there are, for the cache's first size.
const DOCUMENTS: usize = 512;

/// A cache of documents, bounded by the length of their texts.
pub(super) struct Documents(Cache<String, Arc<Document>, TextLength>);

#[derive(Clone)]
struct TextLength;

impl Weighter<String, Arc<Document>> for TextLength {
    fn weight(&self, text: &String, _: &Arc<Document>) -> u64 {
        // An empty one would count for nothing.
        u64::try_from(text.len()).unwrap_or(MOST_TEXT).max(64)
    }
}

impl Documents {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(DOCUMENTS, MOST_TEXT, TextLength))
    }

    /// The document of this text; parsed and validated where it is not there.
    ///
    /// # Errors
    ///
    /// What is wrong with it. Errors are not kept: whoever repeats a bad document pays for it.
    pub(super) fn get(&self, preparer: &Preparer, text: &str) -> Result<Arc<Document>, Vec<RequestError>> {
        if let Some(document) = self.0.get(text) {
            return Ok(document);
        }
        let document = Arc::new(preparer.document(text)?);
        if text.len() <= LONGEST {
            self.0.insert(text.to_owned(), Arc::clone(&document));
        }
        Ok(document)
    }
}
