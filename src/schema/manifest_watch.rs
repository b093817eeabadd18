//! Reads the trusted documents again when their manifest changes. A manifest that cannot be used is rejected, and the
//! previous documents stay.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use graphql_prepare::Preparer;
use tokio::sync::Notify;
use tracing::{error, info};

use super::persisted_documents::PersistedDocuments;
use super::trusted_documents::{FileStamp, TrustedDocuments, TrustedDocumentsError};
use crate::telemetry::metrics::{self, ReloadResult};

/// How often the file is compared with the one that was read last.
const INTERVAL: Duration = Duration::from_secs(2);

/// Replaces the trusted documents by those of their manifest.
pub(super) struct ManifestWatch {
    file: PathBuf,
    /// The file as it was read at the start.
    first: FileStamp,
    /// Its messages are for the operator.
    preparer: Preparer,
    documents: Arc<PersistedDocuments>,
}

/// A manifest that was read again: its number of documents, or why it is rejected.
type Reload = Result<usize, TrustedDocumentsError>;

impl ManifestWatch {
    pub(super) fn new(
        file: PathBuf,
        first: FileStamp,
        preparer: Preparer,
        documents: Arc<PersistedDocuments>,
    ) -> Self {
        Self { file, first, preparer, documents }
    }

    /// Watches the file until the future is dropped. Whenever `reload` is notified, it is read even if it has not changed.
    pub(super) async fn run(self: Arc<Self>, reload: &Notify) {
        let mut seen = Some(self.first);
        loop {
            let is_requested = tokio::select! {
                () = reload.notified() => true,
                () = tokio::time::sleep(INTERVAL) => false,
            };
            let watch = Arc::clone(&self);
            let read = tokio::task::spawn_blocking(move || watch.read(seen, is_requested)).await;
            let Ok((stamp, reload)) = read else { continue };
            seen = stamp;
            if let Some(reload) = reload {
                self.report(reload);
            }
        }
    }

    /// Reads the file if it is not the one that was `seen` last, or if that `is_requested`. Returns the file's stamp.
    fn read(&self, seen: Option<FileStamp>, is_requested: bool) -> (Option<FileStamp>, Option<Reload>) {
        let stamp = FileStamp::of(&self.file);
        if stamp == seen && !is_requested {
            return (seen, None);
        }
        let documents = TrustedDocuments::read(&self.file);
        let checked = documents.and_then(|documents| documents.check(&self.preparer).map(|()| documents));
        let reload = checked.map(|documents| {
            let count = documents.iter().count();
            self.documents.replace_trusted(documents);
            count
        });
        // If the file has changed since, it is read again.
        (stamp, Some(reload))
    }

    fn report(&self, reload: Reload) {
        let file = self.file.display();
        match reload {
            Ok(documents) => {
                metrics::trusted_documents_reloaded(ReloadResult::Loaded);
                info!(%file, documents, "the trusted documents were loaded again");
            }
            Err(problem) => {
                metrics::trusted_documents_reloaded(ReloadResult::Rejected);
                let error = match std::error::Error::source(&problem) {
                    Some(cause) => format!("{problem}: {cause}"),
                    None => problem.to_string(),
                };
                error!(%file, error, "the new trusted documents cannot be used; the previous ones stay");
            }
        }
    }
}
