//! Receives the events of other replicas, on a connection of its own.
//!
//! Events that are sent while there is no connection are lost, so that each new connection begins with
//! [`SharedEvent::Missed`].

use std::collections::VecDeque;
use std::fmt;
use std::future;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::{PubSub, PubSubSink, PubSubStream};
use redis::{RedisError, Value};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::connection::{COMMAND_TIMEOUT, ConnectError};
use super::event_format::{self, DecodeError, SharedEvent};
use super::event_publisher::Publisher;
use super::shared_connection::{SharedState, Unavailable};
use crate::telemetry::metrics::{self, SharedEventResult};
use crate::tls_error::with_causes;

/// Maximum time until the channel is subscribed, besides the time to connect.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(3);
/// How often the connection is checked.
const PING_INTERVAL: Duration = Duration::from_secs(3);
/// First delay before connecting again. It doubles after each failure.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Maximum delay.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(2);
/// Maximum number of replicas of which the last message is known. The one that is known for longest is forgotten first.
const MAX_REPLICAS: usize = 64;
/// Minimum time between two log lines about messages that cannot be read.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Why no events are received.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the shared state cannot be used")]
    State(#[from] Unavailable),
    #[error("the channel cannot be subscribed to")]
    Subscribe(#[source] RedisError),
    #[error("the server does not respond")]
    Silent,
    #[error("the server has closed the connection")]
    Closed,
    #[error("the connection for commands was replaced")]
    Replaced,
}

/// Minimum time between two notices of events that another version has sent: each makes subscribers read a list.
const NOTICE_INTERVAL: Duration = Duration::from_secs(30);

/// Receives events.
pub(super) struct Listener<'a, F> {
    state: &'a SharedState,
    publisher: &'a Publisher,
    replica: [u8; 16],
    /// Handles an event. It returns false if the event is invalid.
    on_event: F,
    received: ReceivedNumbers,
    /// When events were first received after the last failure.
    up_since: Instant,
    logged_at: Option<Instant>,
    /// When subscribers are told that another version has sent events, if it has since the last time.
    notice_due: Option<Instant>,
    /// The earliest time of the next such notice.
    next_notice: Instant,
}

/// A connection whose channel is subscribed to.
struct Link {
    sink: PubSubSink,
    messages: PubSubStream,
}

impl<'a, F: FnMut(SharedEvent<'_>) -> bool> Listener<'a, F> {
    pub(super) fn new(
        state: &'a SharedState,
        publisher: &'a Publisher,
        replica: [u8; 16],
        on_event: F,
    ) -> Self {
        let received = ReceivedNumbers::default();
        let now = Instant::now();
        Self {
            state,
            publisher,
            replica,
            on_event,
            received,
            up_since: now,
            logged_at: None,
            notice_due: None,
            next_notice: now,
        }
    }

    /// Connects, and connects again whenever the connection was lost, until the future is dropped.
    pub(super) async fn run(mut self) {
        let mut connections = self.state.connections();
        let mut delay = MIN_RETRY_DELAY;
        let mut is_reported = false;
        loop {
            connections.borrow_and_update();
            let error = match self.open(&connections).await {
                Ok(link) => {
                    delay = MIN_RETRY_DELAY;
                    is_reported = false;
                    info!("receiving events of other replicas");
                    metrics::set_shared_events_up(true);
                    self.up_since = Instant::now();
                    (self.on_event)(SharedEvent::Missed { milliseconds_ago: 0 });
                    let error = self.receive(link, &mut connections).await;
                    metrics::set_shared_events_up(false);
                    error
                }
                Err(error) => error,
            };
            let reason = with_causes(&error);
            if is_reported {
                debug!(reason, "still no events of other replicas are received");
            } else {
                is_reported = true;
                warn!(reason, "no events of other replicas are received");
            }
            tokio::select! {
                () = sleep(delay.mul_f64(0.5 + fastrand::f64())) => {}
                _ = connections.changed() => {}
            }
            delay = (delay * 2).min(MAX_RETRY_DELAY);
        }
    }

    /// A link, once commands can be used as well: a subscriber who is told to refetch would be told again otherwise.
    async fn open(&mut self, connections: &watch::Receiver<u64>) -> Result<Link, LinkError> {
        self.state.health()?;
        let settings = self.state.settings();
        let channel = event_format::channel(&self.state.hash_key()?);
        let stream = settings.open_stream().await?;
        let subscribing = async {
            let info = settings.handshake();
            let mut connection =
                PubSub::new(&info, stream).await.map_err(|error| settings.rejected(error))?;
            connection.subscribe(&channel).await.map_err(LinkError::Subscribe)?;
            Ok::<_, LinkError>(connection.split())
        };
        let (sink, messages) =
            timeout(SUBSCRIBE_TIMEOUT, subscribing).await.map_err(|_| LinkError::Silent)??;
        self.publisher.check().await?;
        if connections.has_changed().unwrap_or(true) {
            return Err(LinkError::Replaced);
        }
        Ok(Link { sink, messages })
    }

    /// Receives until the link fails.
    async fn receive(&mut self, link: Link, connections: &mut watch::Receiver<u64>) -> LinkError {
        let Link { sink, mut messages } = link;
        let state_check = check(sink, self.publisher);
        tokio::pin!(state_check);
        loop {
            let notice_due = self.notice_due;
            let notice = async {
                match notice_due {
                    Some(at) => sleep_until(at).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                () = notice => self.tell_of_other_versions(),
                message = messages.next() => match message {
                    Some(message) => self.handle(message.get_payload_bytes()),
                    None => return LinkError::Closed,
                },
                error = &mut state_check => return error,
                // Another server may have become the primary, or the data may be others.
                _ = connections.changed() => return LinkError::Replaced,
            }
        }
    }

    fn handle(&mut self, bytes: &[u8]) {
        let message = match event_format::decode(bytes) {
            Ok(message) => message,
            Err(reason) => {
                if reason == DecodeError::OtherVersion {
                    self.notice_due.get_or_insert(self.next_notice);
                }
                return self.reject(reason);
            }
        };
        if message.replica == self.replica {
            return;
        }
        let is_notice = matches!(message.event, SharedEvent::Missed { .. });
        if !is_notice && !self.received.is_new(message.replica, message.number) {
            return metrics::shared_events(SharedEventResult::Duplicate, 1);
        }
        // Subscribers were told since then.
        if let SharedEvent::Missed { milliseconds_ago } = message.event
            && Duration::from_millis(milliseconds_ago) > self.up_since.elapsed()
        {
            return;
        }
        if !(self.on_event)(message.event) {
            return self.reject("it has an invalid key");
        }
        metrics::shared_events(SharedEventResult::Received, 1);
    }

    /// Tells subscribers that they may have missed events, because those of another version cannot be read.
    fn tell_of_other_versions(&mut self) {
        self.notice_due = None;
        self.next_notice = Instant::now() + NOTICE_INTERVAL;
        (self.on_event)(SharedEvent::Missed { milliseconds_ago: 0 });
    }

    fn reject(&mut self, reason: impl fmt::Display) {
        metrics::shared_events(SharedEventResult::Invalid, 1);
        if self.logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            self.logged_at = Some(Instant::now());
            warn!(%reason, "a message of another replica was ignored");
        }
    }
}

/// Checks the connection, and that for commands with the data, until the former does not respond.
async fn check(mut sink: PubSubSink, publisher: &Publisher) -> LinkError {
    let mut ticks: Interval = interval(PING_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A failure leads to another connection for commands.
        let (pong, _) = tokio::join!(timeout(COMMAND_TIMEOUT, sink.ping::<Value>()), publisher.check());
        match pong {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return LinkError::Closed,
            Err(_elapsed) => return LinkError::Silent,
        }
    }
}

/// The numbers of the last messages of replicas.
#[derive(Default)]
struct ReceivedNumbers(VecDeque<([u8; 16], u64)>);

impl ReceivedNumbers {
    /// Whether a message was not received before. A replica's numbers increase.
    fn is_new(&mut self, replica: [u8; 16], number: u64) -> bool {
        if let Some((_, last)) = self.0.iter_mut().find(|(known, _)| *known == replica) {
            let is_new = number > *last;
            *last = number.max(*last);
            return is_new;
        }
        if self.0.len() == MAX_REPLICAS {
            self.0.pop_front();
        }
        self.0.push_back((replica, number));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_REPLICAS, ReceivedNumbers};

    #[test]
    fn each_message_is_new_once() {
        let mut received = ReceivedNumbers::default();
        let new = [(1, 5), (1, 5), (2, 5), (1, 4), (1, 7), (1, 6), (2, 6)];
        let new = new.map(|(replica, number)| received.is_new([replica; 16], number));
        assert_eq!(new, [true, false, true, false, true, false, true]);
    }

    #[test]
    fn the_number_of_known_replicas_is_bounded() {
        let mut received = ReceivedNumbers::default();
        for replica in 0..1000_u128 {
            assert!(received.is_new(replica.to_be_bytes(), 1));
        }
        assert_eq!(received.0.len(), MAX_REPLICAS);
        assert!(!received.is_new(999_u128.to_be_bytes(), 1));
    }
}
