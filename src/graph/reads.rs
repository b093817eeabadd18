//! The reads of one request, gathered: those that become ready together travel in `$batch` requests of at most
//! [`MOST_ITEMS`], the same one is sent once, and a single one is a plain GET.
//!
//! "Ready together" needs no clock. Resolvers of one request are polled by one task, so whoever asks first lets the
//! others have their turn until a turn passes in which nobody has asked for more, and then sends what has gathered.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::warn;

use super::answer::Answer;
use super::batch::MOST_ITEMS;
use super::error::Error;
use super::exchange::{BatchError, Exchange};
use super::odata::{Select, push_select};
use super::retry::{Delay, Reason, Repeating, Retries};
use crate::telemetry::metrics;

/// Most requests to Graph that one request's reads have under way at once.
const MOST_UNDER_WAY: usize = 4;

/// How many of the largest answers one request's reads may hold together.
const LARGEST_ANSWERS: usize = 4;

const GIVEN_UP: Error = Error::Internal("a read was given up");

/// What a read gives to each of those who asked for it.
pub(super) type Shared = Result<Arc<Answer>, Error>;

/// Gathers and sends the reads of one request. Dropping it gives up those that are under way.
pub(super) struct Reads {
    exchange: Arc<Exchange>,
    gathering: Mutex<Gathering>,
    under_way: Arc<Semaphore>,
    /// Bytes of the answers that the request has read.
    bytes: Arc<AtomicUsize>,
    tasks: Mutex<JoinSet<()>>,
}

/// Path and query, `$select` apart.
type Place = (String, String);
/// Where an answer will be.
type Awaited = watch::Receiver<Option<Shared>>;

#[derive(Default)]
struct Gathering {
    reads: Vec<Read>,
    /// Where in `reads` a place stands.
    places: HashMap<Place, usize>,
    /// Single objects that have been sent for, whether they have arrived or not: they are not asked for again.
    objects: HashMap<Place, (Select, Awaited)>,
    /// How often somebody has asked: a turn in which it does not grow is one in which all have asked.
    asked: u64,
}

/// A read that has not been sent: the same path and query are one, with the union of what is selected.
struct Read {
    path: String,
    query: String,
    select: Select,
    answer: watch::Sender<Option<Shared>>,
}

impl Read {
    fn url(&self) -> String {
        let mut query = String::new();
        push_select(&mut query, &self.select);
        if !self.query.is_empty() {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&self.query);
        }
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    /// Whether it is of one object rather than of a page.
    fn is_object(&self) -> bool {
        self.query.is_empty()
    }

    fn deliver(self, answer: Shared) {
        // Where all who asked have gone, nobody needs it.
        let _ = self.answer.send(Some(answer));
    }
}

impl Reads {
    pub(super) fn new(exchange: Arc<Exchange>) -> Self {
        Self {
            exchange,
            gathering: Mutex::default(),
            under_way: Arc::new(Semaphore::new(MOST_UNDER_WAY)),
            bytes: Arc::default(),
            tasks: Mutex::default(),
        }
    }

    /// Reads `path`, percent-encoded and relative to the service root, with the options of `query` and at least the
    /// properties of `select`; all properties where that is empty.
    pub(super) async fn read(&self, path: String, query: String, select: &Select) -> Shared {
        let deadline = self.exchange.deadline()?;
        let (mut answer, leads) = self.ask(path, query, select)?;
        if leads {
            let lead = Lead(self);
            let mut asked = self.gathering().asked;
            loop {
                tokio::task::yield_now().await;
                let now = self.gathering().asked;
                if std::mem::replace(&mut asked, now) == now {
                    break;
                }
            }
            drop(lead);
        }
        match tokio::time::timeout_at(deadline, answer.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or(Err(GIVEN_UP)),
            Ok(Err(_gone)) => Err(GIVEN_UP),
            Err(_elapsed) => Err(Error::Timeout),
        }
    }

    /// Lets go of what has been read: a write may have changed it.
    pub(super) fn forget(&self) {
        self.gathering().objects.clear();
    }

    /// Joins the reads that are gathering, or one that has been sent; true for the first of those that gather, who is to
    /// send them.
    fn ask(&self, path: String, query: String, select: &Select) -> Result<(Awaited, bool), Error> {
        let mut gathering = self.gathering();
        let place = (path, query);
        if let Some((known, answer)) = gathering.objects.get(&place)
            && includes(known, select)
        {
            return Ok((answer.clone(), false));
        }
        gathering.asked += 1;
        if let Some(index) = gathering.places.get(&place).copied() {
            let read = &mut gathering.reads[index];
            if includes(select, &read.select) {
                read.select.clone_from(select);
            } else if !read.select.is_empty() {
                read.select.extend(select);
            }
            return Ok((read.answer.subscribe(), false));
        }
        self.exchange.take_read()?;
        let index = gathering.reads.len();
        let (path, query) = place.clone();
        gathering.places.insert(place, index);
        let (sender, answer) = watch::channel(None);
        gathering.reads.push(Read { path, query, select: select.clone(), answer: sender });
        Ok((answer, index == 0))
    }

    fn send(&self) {
        let mut gathering = self.gathering();
        gathering.places.clear();
        let mut reads = std::mem::take(&mut gathering.reads);
        for read in reads.iter().filter(|read| read.is_object()) {
            let place = (read.path.clone(), read.query.clone());
            gathering.objects.insert(place, (read.select.clone(), read.answer.subscribe()));
        }
        drop(gathering);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while !reads.is_empty() {
            let rest = reads.split_off(reads.len().min(MOST_ITEMS));
            let exchange = Arc::clone(&self.exchange);
            let answer = answer(exchange, Arc::clone(&self.under_way), Arc::clone(&self.bytes), reads);
            tasks.spawn(async {
                // Those who wait for the reads are told that they were given up.
                if AssertUnwindSafe(answer).catch_unwind().await.is_err() {
                    metrics::panicked();
                }
            });
            reads = rest;
        }
    }

    fn gathering(&self) -> MutexGuard<'_, Gathering> {
        self.gathering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what has gathered when it goes: also where the one who leads is dropped, since others wait for it.
struct Lead<'a>(&'a Reads);

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.0.send();
    }
}

/// Whether a read of `select` gives all of `other`; an empty one is of all properties.
fn includes(select: &Select, other: &Select) -> bool {
    select.is_empty() || (!other.is_empty() && other.is_subset(select))
}

/// Answers the reads, at most [`MOST_ITEMS`] of them. Those that may be asked again are, together, where that is in time;
/// the others need not wait: their answers are there.
async fn answer(
    exchange: Arc<Exchange>,
    under_way: Arc<Semaphore>,
    bytes: Arc<AtomicUsize>,
    reads: Vec<Read>,
) {
    let max = exchange.client.max_response.saturating_mul(LARGEST_ANSWERS);
    let mut unanswered: Vec<(Read, Retries, Option<Reason>)> =
        reads.into_iter().map(|read| (read, Retries::new(Repeating::DoesTheSame), None)).collect();
    let mut together = true;
    loop {
        let permit = under_way.acquire().await;
        if bytes.load(Ordering::Relaxed) >= max {
            unanswered.into_iter().for_each(|(read, ..)| read.deliver(Err(Error::ReadTooMuch { max })));
            return;
        }
        let urls: Vec<String> = unanswered.iter().map(|(read, ..)| read.url()).collect();
        let answers = ask_graph(&exchange, &urls, &mut together).await;
        drop(permit);

        let mut is_counted = false;
        let mut failed = Vec::new();
        let mut pause: Option<Delay> = None;
        for ((read, mut retries, again_for), answer) in unanswered.into_iter().zip(answers) {
            // They were sent again together, by one request.
            if let Some(reason) = again_for.filter(|_| !std::mem::replace(&mut is_counted, true)) {
                reason.count(&answer);
            }
            let error = match answer {
                Ok(answer) => {
                    let length = answer.body().len();
                    let fits = bytes.fetch_add(length, Ordering::Relaxed).saturating_add(length) <= max;
                    read.deliver(if fits { Ok(answer) } else { Err(Error::ReadTooMuch { max }) });
                    continue;
                }
                Err(error) => error,
            };
            match retries.after(&error) {
                None => read.deliver(Err(error)),
                Some(delay) if !exchange.is_in_time(delay) => {
                    read.deliver(Err(error.with_retry_after(delay.wait)));
                }
                Some(_) if exchange.take_read().is_err() => read.deliver(Err(error)),
                Some(delay) => {
                    pause = Some(pause.map_or(delay, |pause| pause.and(delay)));
                    failed.push((read, retries, delay.reason, error));
                }
            }
        }
        let Some(pause) = pause else { return };
        if !exchange.pause(pause).await {
            failed.into_iter().for_each(|(read, .., error)| read.deliver(Err(error)));
            return;
        }
        unanswered =
            failed.into_iter().map(|(read, retries, reason, _)| (read, retries, Some(reason))).collect();
    }
}

/// One by a plain GET, several by one `POST /$batch`. Where one item has broken the answer to that, each by its own GET,
/// and those that are asked again as well.
async fn ask_graph(exchange: &Exchange, urls: &[String], together: &mut bool) -> Vec<Shared> {
    if let ([_, _, ..], true) = (urls, *together) {
        match exchange.get_batch(urls).await {
            Ok(answers) => return answers.into_iter().map(|answer| answer.map(Arc::new)).collect(),
            Err(BatchError::Failed(error)) => return urls.iter().map(|_| Err(error.clone())).collect(),
            Err(BatchError::Broken(error)) => {
                warn!(%error, reads = urls.len(), "a batch's answer is broken; its reads are sent one by one");
                *together = false;
            }
        }
    }
    let get = async |url: &String| {
        exchange.deadline()?;
        if urls.len() > 1 && exchange.caller.gone.is_cancelled() {
            return Err(GIVEN_UP);
        }
        exchange.get(url).await.map(Arc::new)
    };
    stream::iter(urls).map(get).buffered(MOST_UNDER_WAY).collect().await
}
