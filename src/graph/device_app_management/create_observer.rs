//! What the caller learns about its creates while they run.

use std::sync::Arc;

use async_trait::async_trait;

use crate::graph::error::Outcome;
use crate::graph::key::Key;

/// Is told what becomes of the creates of one call, which it knows by their index.
#[async_trait]
pub trait Journal: Send + Sync {
    /// These are about to be sent. They are only where this succeeds.
    async fn about_to_send(&self, creates: &[usize]) -> Result<(), Arc<dyn std::error::Error + Send + Sync>>;

    /// This is what the attempt at each came to.
    async fn ended(&self, creates: &[(usize, Fate)]);

    /// Nothing more is going to happen.
    async fn close(&self);
}

/// What an attempt at a create came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The object of this key is there.
    Created(Key),
    /// It failed, and this is known of it. With [`Outcome::NotSent`] and [`Outcome::Rejected`] it may be tried again.
    Failed(Outcome),
}

/// Keeps nothing: for creates that nobody will ask about again.
#[derive(Debug, Clone, Copy)]
pub struct NoJournal;

#[async_trait]
impl Journal for NoJournal {
    async fn about_to_send(&self, _: &[usize]) -> Result<(), Arc<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }

    async fn ended(&self, _: &[(usize, Fate)]) {}

    async fn close(&self) {}
}
