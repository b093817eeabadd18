//! The reads of one request, gathered: those that become ready together travel in `$batch` requests of at most
//! [`MOST_ITEMS`], the same one is sent once, and a single one is a plain GET.
//!
//! "Ready together" needs no clock. Resolvers of one request are polled by one task, so whoever asks first lets the
//! others have their turn until a turn passes in which nobody has asked for more, and then sends what has gathered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answer::Answer;
use super::batch::MOST_ITEMS;
use super::error::{ApiError, Error};
use super::exchange::Exchange;
use super::odata::{Select, push_select};

/// Most requests to Graph that one request's reads have under way at once.
const MOST_UNDER_WAY: usize = 4;
/// First wait after a 429 that names none; each further one is twice as long.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// What a read gives to each of those who asked for it.
pub(super) type Shared = Result<Arc<Answer>, Error>;

/// Gathers and sends the reads of one request. Dropping it gives up those that are under way.
pub(super) struct Reads {
    exchange: Arc<Exchange>,
    gathering: Mutex<Gathering>,
    under_way: Arc<Semaphore>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Gathering {
    reads: Vec<Read>,
    /// Where in `reads` a path and query stands.
    places: HashMap<(String, String), usize>,
    /// How often somebody has asked: a turn in which it does not grow is one in which all have asked.
    asked: u64,
}

/// A read that has not been sent: the same path and query are one, with the union of what is selected.
struct Read {
    path: String,
    query: String,
    select: Select,
    askers: Vec<oneshot::Sender<Shared>>,
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

    fn deliver(self, answer: &Shared) {
        for asker in self.askers {
            // One who has gone needs no answer.
            let _ = asker.send(answer.clone());
        }
    }
}

impl Reads {
    pub(super) fn new(exchange: Arc<Exchange>) -> Self {
        Self {
            exchange,
            gathering: Mutex::default(),
            under_way: Arc::new(Semaphore::new(MOST_UNDER_WAY)),
            tasks: Mutex::default(),
        }
    }

    /// Reads `path`, percent-encoded and relative to the service root, with the options of `query` and at least the
    /// properties of `select`; all properties where that is empty.
    pub(super) async fn read(&self, path: String, query: String, select: &Select) -> Shared {
        let deadline = self.exchange.deadline()?;
        let (answer, leads) = self.ask(path, query, select);
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
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_gone)) => Err(Error::Internal("a read was given up")),
            Err(_elapsed) => Err(Error::Timeout),
        }
    }

    /// Joins the reads that are gathering; true for the first of them, who is to send them.
    fn ask(&self, path: String, query: String, select: &Select) -> (oneshot::Receiver<Shared>, bool) {
        let (asker, answer) = oneshot::channel();
        let mut gathering = self.gathering();
        gathering.asked += 1;
        let place = (path.clone(), query.clone());
        if let Some(index) = gathering.places.get(&place).copied() {
            let read = &mut gathering.reads[index];
            if select.is_empty() || read.select.is_empty() {
                read.select.clear();
            } else {
                read.select.extend(select);
            }
            read.askers.push(asker);
            return (answer, false);
        }
        let index = gathering.reads.len();
        gathering.places.insert(place, index);
        gathering.reads.push(Read { path, query, select: select.clone(), askers: vec![asker] });
        (answer, index == 0)
    }

    fn send(&self) {
        let mut reads = std::mem::take(&mut *self.gathering()).reads;
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while !reads.is_empty() {
            let rest = reads.split_off(reads.len().min(MOST_ITEMS));
            tasks.spawn(answer(Arc::clone(&self.exchange), Arc::clone(&self.under_way), reads));
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

/// Answers the reads, at most [`MOST_ITEMS`] of them. Those that Graph throttles are asked again when it says so, the
/// others not: while their answers are there, they need not wait.
async fn answer(exchange: Arc<Exchange>, under_way: Arc<Semaphore>, mut reads: Vec<Read>) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        let permit = under_way.acquire().await;
        let answers = exchange.read(&reads.iter().map(Read::url).collect::<Vec<_>>()).await;
        drop(permit);

        let mut throttled = Vec::new();
        let mut wait = Duration::ZERO;
        for (read, answer) in reads.into_iter().zip(answers) {
            match &answer {
                Err(Error::Api(api)) if api.is_throttled() => {
                    wait = wait.max(self::wait(api, backoff));
                    throttled.push((read, answer));
                }
                _ => read.deliver(&answer),
            }
        }
        let in_time = exchange.deadline().is_ok_and(|deadline| Instant::now() + wait < deadline);
        if throttled.is_empty() || !in_time {
            for (read, answer) in throttled {
                read.deliver(&answer);
            }
            return;
        }
        tokio::time::sleep(wait).await;
        backoff *= 2;
        reads = throttled.into_iter().map(|(read, _)| read).collect();
    }
}

/// As long as Graph asks for; where it does not say (Intune often does not), half to all of the back-off.
fn wait(api: &ApiError, backoff: Duration) -> Duration {
    api.retry_after.unwrap_or_else(|| backoff.mul_f64(0.5 + fastrand::f64() / 2.0))
}
