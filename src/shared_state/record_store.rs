//! The store of idempotency records that replicas share.
//!
//! Each operation is one script, which the server runs atomically and by its own clock. A lease has an end: after it, the
//! record reads as abandoned, and the first replacement by anyone, the late owner included, takes effect.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::Script;
use tokio::time::sleep;

use super::hex;
use super::record_format;
use super::shared_connection::{PREFIX, SharedState, Unavailable};
use crate::idempotency::{Record, RecordId, Store, StoreError, TENANT_SHARE};
use crate::telemetry::metrics;

/// First delay before a record is read again that another call has the lease of. It doubles.
const MIN_POLL: Duration = Duration::from_millis(20);
/// Maximum delay.
const MAX_POLL: Duration = Duration::from_millis(500);

/// How records are kept.
#[derive(Debug, Clone, Copy)]
pub struct RecordSettings {
    /// How long a lease lasts after its last change: longer than a call can take.
    pub lease: Duration,
    /// How long a record is kept after its last write.
    pub retention: Duration,
    /// Maximum number of writes, of which one tenant may use a quarter. All replicas need the same.
    pub capacity: usize,
}

/// A store in Valkey or Redis.
#[derive(Debug)]
pub struct RecordStore {
    state: SharedState,
    settings: RecordSettings,
    get: Script,
    replace: Script,
}

impl RecordStore {
    /// A store in the shared state.
    #[must_use]
    pub fn new(state: SharedState, settings: RecordSettings) -> Self {
        Self {
            state,
            settings,
            get: Script::new(include_str!("scripts/get.lua")),
            replace: Script::new(concat!(
                include_str!("scripts/records.lua"),
                include_str!("scripts/replace.lua")
            )),
        }
    }

    /// Runs the script with a deadline.
    async fn invoke_replace(&self, keys: &[String], arguments: &[&[u8]]) -> Result<(i64, u64), Unavailable> {
        let deadline = decimal(self.state.command_deadline()?);
        self.state.invoke(&self.replace, keys, &[arguments, &[&deadline]].concat()).await
    }
}

impl From<Unavailable> for StoreError {
    fn from(error: Unavailable) -> Self {
        match error {
            Unavailable::Format => Self::Unreadable(Arc::new(error)),
            _ => Self::Unreachable(Arc::new(error)),
        }
    }
}

fn decimal(number: impl TryInto<u64>) -> Vec<u8> {
    number.try_into().unwrap_or(u64::MAX).min(MAX_EXACT).to_string().into_bytes()
}

/// The largest whole number that scripts count exactly.
const MAX_EXACT: u64 = 1 << 53;

#[async_trait]
impl Store for RecordStore {
    fn hash_key(&self) -> Result<[u8; 32], StoreError> {
        // A call that needs the store fails before anything else.
        self.state.health()?;
        Ok(self.state.hash_key()?)
    }

    fn version_before_first(&self) -> u64 {
        fastrand::u64(..)
    }

    fn inserts_first(&self) -> bool {
        true
    }

    async fn get(&self, id: RecordId) -> Result<Option<Record>, StoreError> {
        let keys = [format!("{PREFIX}record:{}", hex::encode(&id.0))];
        let found: Option<(Vec<u8>, bool)> = self.state.invoke(&self.get, &keys, &[]).await?;
        let Some((value, has_lapsed)) = found else { return Ok(None) };
        let mut record = record_format::decode(&value).ok_or(Unavailable::Format)?;
        // The server has checked it, by its own clock.
        record.expires = u64::MAX;
        if has_lapsed {
            record.abandon();
        }
        Ok(Some(record))
    }

    async fn replace(
        &self,
        id: RecordId,
        expected: Option<u64>,
        new: Option<Record>,
        _now: u64,
    ) -> Result<bool, StoreError> {
        let RecordSettings { lease, retention, capacity, .. } = self.settings;
        let prefix = format!("{PREFIX}record:");
        let id = hex::encode(&id.0);
        let keys = [format!("{prefix}{id}"), format!("{PREFIX}expiries"), format!("{PREFIX}usage")];
        let expected = expected.map(u64::to_be_bytes);
        let (version, owner, tenant, weight, payload) = match &new {
            None => (None, None, [0; 16], 0, Vec::new()),
            Some(record) => (
                Some(record.version.to_be_bytes()),
                record.owner.map(|owner| owner.0.to_be_bytes()),
                record.tenant.0,
                record.weight(),
                record_format::encode(record).ok_or(Unavailable::Format)?,
            ),
        };
        let optional = |bytes: &'_ Option<[u8; 8]>| bytes.map(Vec::from).unwrap_or_default();
        let arguments: [&[u8]; 12] = [
            id.as_bytes(),
            &optional(&expected),
            &optional(&version),
            owner.as_ref().map_or(&[], |owner| &owner[..]),
            &tenant,
            &decimal(weight),
            &payload,
            &decimal(lease.as_millis()),
            &decimal(retention.as_millis()),
            &decimal(capacity),
            &decimal(capacity.div_ceil(TENANT_SHARE)),
            prefix.as_bytes(),
        ];
        let mut result = self.invoke_replace(&keys, &arguments).await;
        if matches!(result, Err(Unavailable::Late)) {
            // It was not executed, and its caller still waits: the server's clock was changed.
            self.state.read_clock().await?;
            result = self.invoke_replace(&keys, &arguments).await;
        }
        self.state.note_change(&result);
        match result {
            Ok((replaced, used)) => {
                metrics::set_idempotency_usage(usize::try_from(used).unwrap_or(usize::MAX), capacity);
                if replaced < 0 { Err(StoreError::Full) } else { Ok(replaced == 1) }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn changed(&self, id: RecordId, version: u64) -> Result<(), StoreError> {
        let mut delay = MIN_POLL;
        loop {
            sleep(delay.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            delay = (delay * 2).min(MAX_POLL);
            match self.get(id).await? {
                Some(record) if record.version == version && record.is_owned() => {}
                _ => return Ok(()),
            }
        }
    }

    fn health(&self) -> Result<(), StoreError> {
        Ok(self.state.accepts_changes()?)
    }
}
