//! Observes the creates of one call while they run, so that their outcomes can be recorded.

use std::sync::Arc;

use async_trait::async_trait;

use crate::graph::error::Outcome;
use crate::graph::key::Key;

/// Observes the creates of one call. Each is identified by its index.
#[async_trait]
pub trait CreateObserver: Send + Sync {
    /// Called before these are sent. If it fails, they are not sent.
    async fn before_send(&self, creates: &[usize]) -> Result<(), Arc<dyn std::error::Error + Send + Sync>>;

    /// Called with the outcome of an attempt at each of these.
    async fn after_send(&self, creates: &[(usize, CreateOutcome)]);

    /// Called once, after the last attempt.
    async fn close(&self);
}

/// The outcome of an attempt at a create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The object with this key exists.
    Created(Key),
    /// The attempt failed. After [`Outcome::NotSent`] and [`Outcome::Rejected`] another one may follow.
    Failed(Outcome),
    /// Graph asks for a justification. It may have left an object; another attempt may follow with an approval.
    ApprovalRequired,
    /// Graph did not write it, and holds it until it is approved. Another attempt may follow with an approval.
    ApprovalPending,
}

/// Records nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoopObserver;

#[async_trait]
impl CreateObserver for NoopObserver {
    async fn before_send(&self, _: &[usize]) -> Result<(), Arc<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }

    async fn after_send(&self, _: &[(usize, CreateOutcome)]) {}

    async fn close(&self) {}
}
