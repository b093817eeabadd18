//! The format of a stored record.
//!
//! The scripts read the start: the format (1 byte), the version (8), the owner (16, zero without a lease), the end of the
//! lease and the expiry (8 each, in milliseconds since 1970 by the server's clock), the tenant (16) and the weight (4), all
//! big-endian. The rest is the record as in the state file.

use crate::idempotency::Record;

/// Bytes before the record.
const HEADER: usize = 61;

/// The record of a value; `None` if a later version has written it.
pub(super) fn decode(value: &[u8]) -> Option<Record> {
    postcard::from_bytes(value.get(HEADER..)?).ok()
}

/// The record after the header, which a script writes.
pub(super) fn encode(record: &Record) -> Option<Vec<u8>> {
    postcard::to_stdvec(record).ok()
}
