//! A stalled or full disk of the state file: the callers' results, and the state after it recovers.

use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use intune_graphql::idempotency::{FileStore, IdempotencyService};
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::{BULK, numbered, outcomes};
use crate::harness::{Builder, Gateway, Reply, TOKEN};
use crate::slow_clients::{connect, head};

/// A disk with one file, which the test controls.
#[derive(Debug, Clone)]
struct Disk(Arc<State>);

#[derive(Debug)]
struct State {
    path: PathBuf,
    is_full: AtomicBool,
    is_stalled: Mutex<bool>,
    is_released: Condvar,
    /// Calls that wait for the disk.
    waiting: AtomicUsize,
}

impl Disk {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("intune-graphql-disk-{}-{number}", std::process::id());
        Self(Arc::new(State {
            path: std::env::temp_dir().join(name),
            is_full: AtomicBool::new(false),
            is_stalled: Mutex::new(false),
            is_released: Condvar::new(),
            waiting: AtomicUsize::new(0),
        }))
    }

    fn set_full(&self, is_full: bool) {
        self.0.is_full.store(is_full, Ordering::SeqCst);
    }

    fn stall(&self) {
        *self.0.is_stalled.lock().unwrap() = true;
    }

    fn release(&self) {
        *self.0.is_stalled.lock().unwrap() = false;
        self.0.is_released.notify_all();
    }

    async fn is_waited_for(&self) {
        while self.0.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn idempotency_service(&self) -> IdempotencyService {
        let disk = self.clone();
        let open = move || {
            let mut options = std::fs::OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).open(&disk.0.path)?;
            let file = FileBackend::new(file).map_err(io::Error::other)?;
            Ok(DiskFile { file, disk: disk.clone() })
        };
        let store = FileStore::open_with("the disk", 10_000, open).unwrap();
        IdempotencyService::new(Arc::new(store), Duration::from_secs(3600))
    }

    fn gateway(&self) -> Builder {
        let service = self.idempotency_service();
        Gateway::builder().api(|api| api.idempotency = service)
    }
}

/// A test that fails is not to leave a thread behind that waits.
impl Drop for State {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[derive(Debug)]
struct DiskFile {
    file: FileBackend,
    disk: Disk,
}

impl DiskFile {
    fn check_room(&self) -> io::Result<()> {
        if self.disk.0.is_full.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(28));
        }
        Ok(())
    }
}

impl StorageBackend for DiskFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_room()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check_room()?;
        let state = &self.disk.0;
        state.waiting.fetch_add(1, Ordering::SeqCst);
        let is_stalled = state.is_stalled.lock().unwrap();
        let longest = Duration::from_secs(60);
        drop(state.is_released.wait_timeout_while(is_stalled, longest, |is_stalled| *is_stalled).unwrap());
        state.waiting.fetch_sub(1, Ordering::SeqCst);
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_room()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

fn keyed(key: &str, user: &str) -> Value {
    let mut status = device_status();
    status["userName"] = json!(user);
    let mut input = input(status);
    input["input"]["idempotencyKey"] = json!(key);
    input
}

async fn add(gateway: &Gateway, key: &str) -> Reply {
    gateway.graphql(MUTATION, keyed(key, "a")).await
}

fn bulk(key: &str, count: usize) -> Value {
    json!({"input": {"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(count),
        "idempotencyKey": key}})
}

/// The object's id, and whether it was replayed.
#[track_caller]
fn created(reply: &Reply) -> (String, bool) {
    let payload = &reply.data()["addDeviceStatus"];
    (payload["deviceStatusId"].as_str().unwrap().to_owned(), payload["replayed"].as_bool().unwrap())
}

/// How many statuses were sent to be created by themselves.
fn posts(gateway: &Gateway) -> usize {
    let is_create = |path: &str| path.ends_with("/deviceStatuses");
    gateway.sent().iter().filter(|sent| sent.method == Method::POST && is_create(&sent.path)).count()
}

async fn readiness(gateway: &Gateway) -> (StatusCode, String) {
    let response = gateway.ask_admin("/readyz").await;
    (response.status(), response.text().await.unwrap())
}

async fn is_ready(gateway: &Gateway) {
    while gateway.admin("/readyz").await != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_while_the_key_is_stored_leaves_the_key_free() {
    let disk = Disk::new();
    let gateway =
        disk.gateway().settings(|settings| settings.concurrency.max_concurrent_requests = 1).start().await;
    for (round, user) in ["a", "b"].into_iter().enumerate() {
        let key = format!("k{round}");
        gateway.clear_requests();
        disk.stall();
        let body = json!({"query": MUTATION, "variables": keyed(&key, "a")}).to_string();
        let mut caller = connect(&gateway).await;
        caller.write_all(head(TOKEN, body.len()).as_bytes()).await.unwrap();
        caller.write_all(body.as_bytes()).await.unwrap();
        disk.is_waited_for().await;
        // Half-closed connections are served to the end.
        caller.set_zero_linger().unwrap();
        drop(caller);
        // Another is served as soon as the hang-up is known, and no sooner.
        gateway.graphql("{ __typename }", json!({})).await.data();
        assert_eq!(posts(&gateway), 0);
        disk.release();
        // The key is free as soon as the release is stored: the input may differ.
        let reply = loop {
            let reply = gateway.graphql(MUTATION, keyed(&key, user)).await;
            if reply.json.get("errors").is_none() || reply.code() != "IDEMPOTENCY_KEY_REUSED" {
                break reply;
            }
        };
        assert!(!created(&reply).1, "{user}");
        assert_eq!(posts(&gateway), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_waits_for_a_stalled_disk_until_the_request_timeout() {
    let disk = Disk::new();
    let gateway = disk
        .gateway()
        .settings(|settings| settings.request_timeout = Duration::from_millis(1500))
        .start()
        .await;
    let before = created(&add(&gateway, "before").await).0;
    // A part of this one is left to write.
    gateway.sandbox.inject("batch-item;item=2;status=400;times=1".parse().unwrap());
    let partly = gateway.graphql(BULK, bulk("partly", 3)).await;
    assert_eq!(
        outcomes(partly.data()["addDeviceStatuses"]["results"].as_array().unwrap())[1],
        "BAD_USER_INPUT"
    );
    gateway.clear_requests();

    disk.stall();
    for key in ["k", "k", "other"] {
        assert_eq!(add(&gateway, key).await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true), "{key}");
    }
    let reply = gateway.graphql(BULK, bulk("partly", 3)).await;
    assert_eq!(reply.failure(), ("STATE_UNAVAILABLE", "UNKNOWN", true), "two of them are there");
    assert_eq!(posts(&gateway), 0);
    assert_eq!(created(&add(&gateway, "before").await), (before, true), "what is known is told");

    disk.release();
    // Nothing is sent for the callers with that error, and the keys are free.
    for key in ["k", "other"] {
        assert!(!created(&add(&gateway, key).await).1, "{key}");
    }
    let reply = gateway.graphql(BULK, bulk("partly", 3)).await;
    let results = reply.data()["addDeviceStatuses"]["results"].as_array().unwrap();
    assert_eq!(outcomes(results), ["0", "1", "2"]);
    let replayed: Vec<&Value> = results.iter().map(|result| &result["replayed"]).collect();
    assert_eq!(replayed, [true, false, true]);
    assert_eq!(posts(&gateway), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_reported_and_used_again_once_it_has_space() {
    let disk = Disk::new();
    let gateway = disk.gateway().start().await;
    let before = created(&add(&gateway, "before").await).0;
    assert_eq!(readiness(&gateway).await, (StatusCode::OK, "ready\n".to_owned()));
    gateway.clear_requests();
    for round in 0..3 {
        disk.set_full(true);
        for key in ["k", "k", "other"] {
            let key = format!("{key}{round}");
            assert_eq!(add(&gateway, &key).await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true), "{key}");
        }
        let (status, reason) = readiness(&gateway).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(reason.starts_with("not ready: the store of idempotency keys cannot be used: "), "{reason}");
        assert_eq!(gateway.admin("/livez").await, StatusCode::OK);
        assert_eq!(posts(&gateway), 0);
        // Without a key nothing needs to be stored.
        gateway.graphql(MUTATION, input(device_status())).await.data();

        disk.set_full(false);
        // Without a write by a caller.
        is_ready(&gateway).await;
        assert_eq!(created(&add(&gateway, "before").await), (before.clone(), true));
        for key in ["k", "other"] {
            assert!(!created(&add(&gateway, &format!("{key}{round}")).await).1);
        }
        gateway.clear_requests();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_objects_created_while_the_disk_was_full_are_known_afterwards() {
    let disk = Disk::new();
    let gateway =
        disk.gateway().settings(|settings| settings.request_timeout = Duration::from_secs(3)).start().await;
    gateway.sandbox.inject("slow-first-byte;wait=300ms;method=POST".parse().unwrap());
    let (first, ()) = tokio::join!(add(&gateway, "k"), async {
        while posts(&gateway) == 0 {
            tokio::task::yield_now().await;
        }
        disk.set_full(true);
    });
    let first = created(&first);
    assert!(!first.1, "its caller is told");
    // Its own call still owns the record, although the file was reopened.
    assert_ne!(gateway.admin("/readyz").await, StatusCode::OK);
    add(&gateway, "k").await.error();
    disk.set_full(false);
    is_ready(&gateway).await;
    assert_eq!(created(&add(&gateway, "k").await), (first.0, true));
    assert_eq!(posts(&gateway), 1);
}
