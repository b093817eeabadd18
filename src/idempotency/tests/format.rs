//! The format of the state file: files of an earlier version can be read, and the format is
//! unchanged.

use std::path::Path;
use std::sync::Arc;

use redb::{Database, ReadableDatabase as _, TableDefinition};

use super::{Fixture, HOUR, created, temp_path};
use crate::idempotency::{FileStore, ItemState, Lookup};

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("records");
const BY_EXPIRY: TableDefinition<'_, (u64, &[u8; 32]), ()> = TableDefinition::new("by_expiry");

const HASH_KEY: [u8; 32] = [7; 32];
/// The record of two writes that have ended: the first created an object, the second did so without naming it.
const ENDED: [&str; 2] = [
    "830f0c563827027d21a8314ef88509342ee43a85f027a6032b627da2b0bda6b1",
    "0443ad9f9f99469f662fb66e18e85ffdd9ae8feeea9102ee839b56ab9508d19b05127adb64b471d4315c17965002e1c15400c0a742020200\
     0201780103",
];
/// The record of three writes whose process was killed: the first has an unknown outcome, the second was in flight.
const KILLED: [&str; 2] = [
    "f53fa3795c8bab54fdd0fb80588d5783258d1f48b00201b21cc734b98e97be58",
    "0343ad9f9f99469f662fb66e18e85ffdd9ae8feeea9102ee839b56ab9508d19b05127adb64b471d4315c17965002e1c15401feaaffd0df94\
     b8e38bfdbacac4aae9aea1ba03c0a742030200040101",
];
/// When the records expire, in seconds since 1970.
const EXPIRES: u64 = 1_000_000 + 24 * HOUR;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn id(hex: &str) -> [u8; 32] {
    bytes(hex).try_into().unwrap()
}

/// Writes a file as an earlier version left it, with these records.
fn write_old(path: &Path, records: &[[&str; 2]]) {
    let database = Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(META).unwrap();
        meta.insert("format", &b"intune-graphql state 2"[..]).unwrap();
        meta.insert("hash_key", &HASH_KEY[..]).unwrap();
        let mut table = transaction.open_table(RECORDS).unwrap();
        for [key, record] in records {
            table.insert(&id(key), &bytes(record)[..]).unwrap();
        }
        transaction.open_table(BY_EXPIRY).unwrap().insert((EXPIRES, &id(ENDED[0])), ()).unwrap();
    }
    transaction.commit().unwrap();
}

#[tokio::test]
async fn a_file_of_an_earlier_version_is_read() {
    let file = temp_path();
    write_old(&file, &[ENDED, KILLED]);
    let fixture = Fixture::new(Arc::new(FileStore::open(&file, 400).unwrap()), Some(file));
    let known = fixture.look_up("done", "a", 2).await.unwrap();
    assert!(matches!(known, Lookup::Completed(items) if items == [created("x"), ItemState::Applied]));
    assert!(matches!(fixture.look_up("done", "b", 2).await.unwrap(), Lookup::Conflict));
    let lease = fixture.acquire("cut off", "a", 3).await;
    assert_eq!(lease.items(), [ItemState::Unknown, ItemState::Unknown, ItemState::Unwritten]);
    fixture.advance(24 * HOUR);
    assert!(matches!(fixture.look_up("done", "b", 2).await.unwrap(), Lookup::Acquired(_)), "it has expired");
}

#[tokio::test]
async fn records_are_written_in_the_same_format() {
    let file = temp_path();
    write_old(&file, &[]);
    let fixture = Fixture::new(Arc::new(FileStore::open(&file, 400).unwrap()), Some(file.clone()));
    let mut lease = fixture.acquire("done", "a", 2).await;
    lease.mark_in_progress(&[0, 1]).await.unwrap();
    lease.record_outcomes(&[(0, created("x")), (1, ItemState::Applied)]).await.unwrap();
    lease.release().await.unwrap();
    // The store has locked its file.
    let copy = temp_path();
    std::fs::copy(&file, &copy).unwrap();
    let database = Database::create(&copy).unwrap();
    let tables = database.begin_read().unwrap();
    let record = tables.open_table(RECORDS).unwrap().get(&id(ENDED[0])).unwrap().unwrap();
    assert_eq!(record.value(), bytes(ENDED[1]));
    let expiry = tables.open_table(BY_EXPIRY).unwrap();
    assert!(expiry.get((EXPIRES, &id(ENDED[0]))).unwrap().is_some());
    std::fs::remove_file(&copy).unwrap();
}

/// The second write of the record has a state of a later version.
#[test]
fn a_file_with_an_unknown_state_is_left_unchanged() {
    let record = ENDED[1].strip_suffix("03").unwrap().to_owned() + "07";
    let file = temp_path();
    write_old(&file, &[[ENDED[0], &record], KILLED]);
    FileStore::open(&file, 400).unwrap_err();
    let database = Database::create(&file).unwrap();
    let records = database.begin_read().unwrap().open_table(RECORDS).unwrap();
    for [key, bytes] in [[ENDED[0], &record], KILLED] {
        assert_eq!(records.get(&id(key)).unwrap().unwrap().value(), self::bytes(bytes));
    }
    std::fs::remove_file(&file).unwrap();
}

/// Each state as it is in the state file.
#[test]
fn each_state_keeps_its_encoding() {
    let states = [
        (ItemState::Unwritten, "00"),
        (ItemState::InProgress, "01"),
        (created("x"), "020178"),
        (ItemState::Applied, "03"),
        (ItemState::Unknown, "04"),
        (ItemState::ApprovalRequired, "05"),
        (ItemState::ApprovalPending, "06"),
    ];
    for (state, hex) in states {
        assert_eq!(postcard::to_stdvec(&state).unwrap(), bytes(hex), "{state:?}");
        assert_eq!(postcard::from_bytes::<ItemState>(&bytes(hex)).unwrap(), state);
    }
    assert!(postcard::from_bytes::<ItemState>(&bytes("07")).is_err());
}
