use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{join_all, poll_fn};
use http_body_util::Full;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::graph::allowance::{ReadAllowance, ReadBudget, ReadRates};
use crate::graph::auth::Authorization;
use crate::graph::body_limit::BodyLimit;
use crate::graph::caller::Caller;
use crate::graph::client_state::ClientState;
use crate::graph::response::{GraphResponse, RequestLine};
use crate::graph::root::ServiceRoot;
use crate::graph::settings::{ClientSettings, CreatePath};

/// Duration of a batch.
const LATENCY: Duration = Duration::from_millis(100);

/// The URLs of each batch that was sent.
type Batches = Arc<Mutex<Vec<Vec<String>>>>;

fn transport(allowance: Option<ReadAllowance>) -> Arc<Transport> {
    let settings = ClientSettings {
        root: ServiceRoot::parse("http://127.0.0.1:1/beta", false).unwrap(),
        ca: None,
        create_path: CreatePath::Collection,
        connect_timeout: LATENCY,
        attempt_timeout: LATENCY,
        honors_client_ids: false,
        max_response: 0,
        max_buffered: 0,
        max_buffered_per_caller: 0,
    };
    let caller = Caller {
        authorization: Authorization::parse(&"Bearer token".parse().unwrap()).unwrap(),
        telemetry: crate::telemetry::request::RequestTelemetry::random(),
        deadline: (Instant::now() + Duration::from_secs(60)).into_std(),
        disconnected: CancellationToken::new(),
        guard: None,
        memory_share: crate::memory::MemoryShare::default(),
    };
    Arc::new(Transport { client: Arc::new(ClientState::new(settings).unwrap()), caller, allowance })
}

/// The response to a read: its URL.
async fn response(read: &PendingRead, caller: &Caller) -> Arc<GraphResponse> {
    let padding = if read.url().starts_with("/large") { MAX_CACHED_PAGE } else { 0 };
    let body = http::Response::new(Full::from(read.url() + &" ".repeat(padding)));
    let limit = BodyLimit::unshared(2 * MAX_CACHED_PAGE);
    let request_line = RequestLine { method: "GET", root: "", path: "/" };
    Arc::new(GraphResponse::read(body, limit, request_line, caller).await.unwrap())
}

fn loader_with(allowance: Option<ReadAllowance>, panics: bool) -> (Arc<DataLoader>, Batches) {
    let transport = transport(allowance);
    let batches = Batches::default();
    let (sent, caller) = (Arc::clone(&batches), transport.caller.clone());
    let send = move |reads: Vec<PendingRead>| {
        sent.lock().unwrap().push(reads.iter().map(PendingRead::url).collect());
        let caller = caller.clone();
        async move {
            sleep(LATENCY).await;
            for read in reads {
                assert!(!panics || !read.url().contains("panic"), "planted");
                let response = response(&read, &caller).await;
                read.result.send_replace(Some(Ok(response)));
            }
        }
        .boxed()
    };
    (Arc::new(DataLoader::with_sender(transport, Box::new(send))), batches)
}

fn loader() -> (Arc<DataLoader>, Batches) {
    loader_with(None, false)
}

/// Reads an object, and returns the URL that was sent.
async fn read(loader: &DataLoader, path: &str, select: &[&'static str]) -> Result<String, Error> {
    read_page(loader, path, "", select).await
}

async fn read_page(
    loader: &DataLoader,
    path: &str,
    query: &str,
    select: &[&'static str],
) -> Result<String, Error> {
    let select = select.iter().copied().collect();
    let response = loader.read(path.to_owned(), query.to_owned(), &select, None).await?;
    Ok(String::from_utf8(response.body().to_vec()).unwrap())
}

fn sizes(batches: &Batches) -> Vec<usize> {
    batches.lock().unwrap().iter().map(Vec::len).collect()
}

#[tokio::test(start_paused = true)]
async fn loads_of_the_same_resource_are_one_read_and_twenty_reads_are_a_batch() {
    let (loader, batches) = loader();
    let paths: Vec<String> = (0..45).map(|n| format!("/{}", n % 30)).collect();
    let urls = join_all(paths.iter().map(|path| read(&loader, path, &["id"]))).await;
    for (path, url) in paths.iter().zip(urls) {
        assert_eq!(url.unwrap(), format!("{path}?$select=id"));
    }
    assert_eq!(sizes(&batches), [20, 10]);
    let sent = batches.lock().unwrap().concat();
    assert!(
        sent.iter().zip(&paths).all(|(url, path)| url.starts_with(path)),
        "in the order of asking: {sent:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn batches_run_at_the_same_time() {
    let (loader, batches) = loader();
    let start = Instant::now();
    let paths: Vec<String> = (0..80).map(|n| format!("/{n}")).collect();
    let results = join_all(paths.iter().map(|path| read(&loader, path, &[]))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!((sizes(&batches), start.elapsed()), (vec![20; 4], LATENCY));
}

#[tokio::test(start_paused = true)]
async fn what_the_callers_of_one_resource_select_is_united() {
    let (loader, batches) = loader();
    let selects: [&[&'static str]; 3] = [&["id"], &["b"], &["a", "id"]];
    join_all(selects.map(|select| read(&loader, "/some", select))).await;
    join_all([&["id"][..], &[]].map(|select| read(&loader, "/all", select))).await;
    assert_eq!(*batches.lock().unwrap(), [["/some?$select=a,b,id"], ["/all"]]);
}

#[tokio::test(start_paused = true)]
async fn an_object_is_read_again_only_for_what_was_not_selected_or_after_a_write() {
    let (loader, batches) = loader();
    for (select, url) in [
        (&["a", "b"][..], "/x?$select=a,b"),
        (&["a"], "/x?$select=a,b"),
        (&["c"], "/x?$select=c"),
        (&[], "/x"),
        (&["d"], "/x"),
    ] {
        assert_eq!(read(&loader, "/x", select).await.unwrap(), url);
    }
    assert_eq!(sizes(&batches), [1; 3]);
    loader.invalidate().await;
    assert_eq!(read(&loader, "/x", &["d"]).await.unwrap(), "/x?$select=d");
}

#[tokio::test(start_paused = true)]
async fn a_small_page_is_read_once_and_a_large_one_is_not_stored() {
    let (loader, batches) = loader();
    for (path, sent) in [("/list", vec![1]), ("/large", vec![1, 1, 1])] {
        for _ in 0..2 {
            let reads = [(); 2].map(|()| read_page(&loader, path, "$top=1", &["id"]));
            assert!(join_all(reads).await.iter().all(Result::is_ok));
        }
        assert_eq!(sizes(&batches), sent, "{path}");
    }
    loader.invalidate().await;
    assert!(read_page(&loader, "/list", "$top=1", &["id"]).await.is_ok());
    assert_eq!(sizes(&batches), [1; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_read_beyond_the_budget_is_not_sent_and_may_be_later() {
    let budget = ReadBudget::new(ReadRates { subscriber: 1, process: 1 });
    let (loader, batches) = loader_with(Some(budget.subscriber()), false);
    let paths: Vec<String> = (0..30).map(|n| format!("/{n}")).collect();
    let results = join_all(paths.iter().map(|path| read(&loader, path, &[]))).await;
    let refused: Vec<_> = paths.iter().zip(&results).filter(|(_, result)| result.is_err()).collect();
    assert!(refused.iter().all(|(_, result)| matches!(result, Err(Error::OverBudget { .. }))));
    assert_eq!((refused.len(), sizes(&batches)), (20, vec![10]));
    sleep(Duration::from_secs(1)).await;
    assert!(read(&loader, refused[0].0, &[]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_cancelled_while_keys_are_collected_stops_no_other() {
    for polls in 1..4 {
        let (loader, _) = loader();
        let mut first = Box::pin(read(&loader, "/first", &["id"]));
        let other = tokio::spawn({
            let loader = Arc::clone(&loader);
            async move { join_all(["/first", "/other"].map(|path| read(&loader, path, &["id"]))).await }
        });
        for _ in 0..polls {
            assert!(poll_once(first.as_mut()).await.is_pending());
            yield_now().await;
        }
        drop(first);
        assert!(other.await.unwrap().iter().all(Result::is_ok), "{polls}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_cancelled_during_its_batch_stops_no_other() {
    let (loader, batches) = loader();
    let start = Instant::now();
    let first = tokio::time::timeout(LATENCY / 2, read(&loader, "/first", &["id"]));
    let other = join_all(["/first", "/other"].map(|path| read(&loader, path, &["id"])));
    let (first, other) = tokio::join!(first, other);
    assert!(first.is_err() && other.iter().all(Result::is_ok));
    assert_eq!((sizes(&batches), start.elapsed()), (vec![2], LATENCY));
}

/// Tokio suspends a task that has used up its budget at the next await point. For some budget that
/// is after the crate has taken the keys and before the batch function returns.
#[tokio::test(start_paused = true)]
async fn a_caller_that_is_cancelled_with_the_keys_taken_stops_no_other() {
    for used in 0..=130 {
        let (loader, _) = loader();
        // Each turn has a separate budget.
        yield_now().await;
        let mut first = Box::pin(read(&loader, "/first", &["id"]));
        let other = tokio::spawn({
            let loader = Arc::clone(&loader);
            async move { read(&loader, "/other", &["id"]).await }
        });
        for _ in 0..=YIELDS {
            let poll = poll_fn(|cx| {
                for _ in 0..used {
                    let _ = Pin::new(&mut Box::pin(tokio::task::consume_budget())).poll(cx);
                }
                Poll::Ready(first.as_mut().poll(cx).is_pending())
            });
            assert!(poll.await);
            yield_now().await;
        }
        drop(first);
        assert!(other.await.unwrap().is_ok(), "{used}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_panics_fails_alone() {
    let (loader, batches) = loader_with(None, true);
    let paths: Vec<String> =
        (0..20).map(|n| format!("/a{n:02}")).chain(["/panic".to_owned(), "/with-it".to_owned()]).collect();
    let results = join_all(paths.iter().map(|path| read(&loader, path, &[]))).await;
    assert_eq!(sizes(&batches), [20, 2]);
    assert!(results[..20].iter().all(Result::is_ok));
    for result in &results[20..] {
        assert!(matches!(result, Err(Error::Internal("a read was cancelled"))), "{result:?}");
    }
    assert!(read(&loader, "/after", &[]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_is_dropped_cancels_its_batches() {
    let (loader, batches) = loader();
    let _ = tokio::time::timeout(LATENCY / 2, read(&loader, "/first", &[])).await;
    let receiver = lock(&loader.objects).values().next().unwrap().1.clone();
    drop(loader);
    yield_now().await;
    assert!(receiver.has_changed().is_err(), "its sender is gone");
    assert_eq!(sizes(&batches), [1]);
}

/// Many callers in several threads, cancelled at random: each of the others gets its result.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reads_under_random_cancellation_never_hang() {
    let (loader, _) = loader();
    let callers = (0..200).map(|caller| {
        let loader = Arc::clone(&loader);
        tokio::spawn(async move {
            for _ in 0..5 {
                let path = format!("/{}", fastrand::u8(..60));
                let query = if fastrand::bool() { "" } else { "$top=1" };
                let read = read_page(&loader, &path, query, if fastrand::bool() { &["id"] } else { &["a"] });
                if caller % 2 == 0 {
                    assert!(read.await.is_ok());
                    continue;
                }
                let polls = fastrand::usize(1..6);
                let mut read = Box::pin(read);
                for _ in 0..polls {
                    if poll_once(read.as_mut()).await.is_ready() {
                        break;
                    }
                    yield_now().await;
                }
            }
        })
    });
    let all = join_all(callers.collect::<Vec<_>>());
    for caller in tokio::time::timeout(Duration::from_secs(30), all).await.expect("no read hangs") {
        caller.unwrap();
    }
}

async fn poll_once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
