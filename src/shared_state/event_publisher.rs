//! Sends events to the other replicas, in their order and in groups.
//!
//! An event that cannot be sent is dropped. The other replicas are told later that events were lost.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Script;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::event_format::{self, Message, SharedEvent};
use super::shared_connection::{SharedState, Unavailable};
use crate::telemetry::metrics::{self, SharedEventResult};

/// Maximum number of events that wait to be sent.
const MAX_QUEUED: usize = 1024;
/// Maximum size of all of them, in bytes.
const MAX_QUEUED_BYTES: usize = 512 * 1024;
/// Maximum number of events that are sent at once.
const MAX_GROUP: usize = 64;
/// How long before the end of a connection events may have been sent in vain, for example to a server that was no longer
/// the primary.
const DOUBTFUL: Duration = Duration::from_secs(10);
/// Minimum time between two messages that events were lost: each makes all subscribers refetch.
const NOTICE_INTERVAL: Duration = Duration::from_secs(5);

/// Sends events in the background.
pub(super) struct Publisher {
    state: SharedState,
    replica: [u8; 16],
    publish: Script,
    queue: Mutex<Queue>,
    /// Notified when an event was queued or dropped.
    queued: Notify,
    /// Notified when no event is left.
    idle: Notify,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Messages that are being sent.
    in_flight: usize,
    /// The number of the last message.
    number: u64,
    /// When an event was last lost, if the other replicas do not know yet.
    lost_at: Option<Instant>,
}

impl Queue {
    fn next_message(&mut self, replica: [u8; 16], event: SharedEvent<'_>) -> Option<Vec<u8>> {
        self.number += 1;
        event_format::encode(&Message { replica, number: self.number, event })
    }

    /// The message that events were lost, which is then no longer to be sent.
    fn notice(&mut self, replica: [u8; 16], lost_at: Instant) -> Option<Vec<u8>> {
        let milliseconds_ago = u64::try_from(lost_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let event = SharedEvent::Missed { milliseconds_ago };
        self.lost_at = None;
        if self.messages.is_empty() {
            return self.next_message(replica, event);
        }
        // The numbers of queued events, which follow, would be lower than its own. Versions that compare the numbers of
        // notices too do not receive this one.
        event_format::encode(&Message { replica, number: 0, event })
    }
}

impl Publisher {
    pub(super) fn new(state: SharedState, replica: [u8; 16]) -> Self {
        Self {
            state,
            replica,
            publish: Script::new(include_str!("scripts/publish.lua")),
            queue: Mutex::default(),
            queued: Notify::new(),
            idle: Notify::new(),
        }
    }

    /// Queues an event, or drops it.
    pub(super) fn publish(&self, event: SharedEvent<'_>) {
        let is_up = self.state.health().is_ok();
        let mut queue = self.lock();
        let message = queue.next_message(self.replica, event).filter(|message| {
            let fits = queue.messages.len() < MAX_QUEUED && queue.bytes + message.len() <= MAX_QUEUED_BYTES;
            is_up && fits
        });
        match message {
            Some(message) => {
                queue.bytes += message.len();
                queue.messages.push_back(message);
            }
            None => {
                queue.lost_at = Some(Instant::now());
                metrics::shared_events(SharedEventResult::NotSent, 1);
            }
        }
        drop(queue);
        self.queued.notify_one();
    }

    /// Sends what is queued, until the future is dropped.
    pub(super) async fn run(&self) {
        let mut connections = self.state.connections();
        let mut reconnects = self.state.connections();
        let mut next_notice = Instant::now();
        let mut is_rejected = false;
        let mut last_sent: Option<Instant> = None;
        loop {
            if reconnects.has_changed().unwrap_or_default() {
                reconnects.mark_unchanged();
                if let Some(last_sent) = last_sent.take().filter(|at| at.elapsed() < DOUBTFUL) {
                    self.lock().lost_at.get_or_insert(last_sent);
                }
            }
            let is_up = self.state.health().is_ok();
            let (mut group, lost_at) = self.take();
            let events = group.len();
            if let Some(lost_at) = lost_at
                && is_up
                && next_notice <= Instant::now()
            {
                group.extend(self.lock().notice(self.replica, lost_at));
                next_notice = Instant::now() + NOTICE_INTERVAL;
            }
            let has_lost = lost_at.is_some();
            if group.is_empty() {
                tokio::select! {
                    () = self.queued.notified() => {}
                    _ = connections.changed() => {}
                    () = sleep_until(next_notice), if has_lost && is_up => {}
                }
                continue;
            }
            let sent = self.send(&group).await;
            match &sent {
                Ok(()) => {
                    is_rejected = false;
                    last_sent = Some(Instant::now());
                }
                Err(error @ Unavailable::Rejected(_)) if !is_rejected => {
                    is_rejected = true;
                    let reason = crate::tls_error::with_causes(error);
                    warn!(reason, "events cannot be sent to other replicas");
                }
                Err(_) => {}
            }
            let result = if sent.is_ok() { SharedEventResult::Sent } else { SharedEventResult::NotSent };
            metrics::shared_events(result, events);
            self.end(sent.is_err());
        }
    }

    /// Waits until each event was sent or dropped.
    pub(super) async fn flush(&self) {
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.is_idle() {
                return;
            }
            idle.await;
        }
    }

    fn is_idle(&self) -> bool {
        let queue = self.lock();
        queue.messages.is_empty() && queue.in_flight == 0
    }

    /// Whether the server can be used, and has the data of the channel.
    ///
    /// # Errors
    ///
    /// [`Unavailable`].
    pub(super) async fn check(&self) -> Result<(), Unavailable> {
        self.send(&[]).await
    }

    /// Notes the end of sending a group.
    fn end(&self, has_failed: bool) {
        let mut queue = self.lock();
        if has_failed {
            queue.lost_at = Some(Instant::now());
        }
        queue.in_flight = 0;
        if queue.messages.is_empty() {
            self.idle.notify_waiters();
        }
    }

    /// The next messages to send, and when an event was last lost.
    fn take(&self) -> (Vec<Vec<u8>>, Option<Instant>) {
        let mut queue = self.lock();
        let count = queue.messages.len().min(MAX_GROUP);
        let group: Vec<Vec<u8>> = queue.messages.drain(..count).collect();
        queue.bytes -= group.iter().map(Vec::len).sum::<usize>();
        queue.in_flight = count;
        (group, queue.lost_at)
    }

    async fn send(&self, group: &[Vec<u8>]) -> Result<(), Unavailable> {
        let channel = event_format::channel(&self.state.hash_key()?);
        let mut arguments = vec![channel.as_bytes()];
        arguments.extend(group.iter().map(Vec::as_slice));
        let _sent: usize = self.state.invoke(&self.publish, &[], &arguments).await?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::super::event_format::{SharedEvent, TenantHash, decode};
    use super::Queue;

    const REPLICA: [u8; 16] = [7; 16];

    #[test]
    fn a_notice_has_a_number_of_its_own_unless_events_follow_it() {
        let mut queue = Queue::default();
        let event = SharedEvent::Added { tenant: TenantHash::of(None), configuration: "c", status: "s" };
        let number = |message: Option<Vec<u8>>| decode(&message.unwrap()).unwrap().number;
        assert_eq!(number(queue.next_message(REPLICA, event)), 1);
        for expected in [2, 3] {
            queue.lost_at = Some(Instant::now());
            assert_eq!(number(queue.notice(REPLICA, Instant::now())), expected);
            assert!(queue.lost_at.is_none());
        }
        let queued = queue.next_message(REPLICA, event).unwrap();
        queue.messages.push_back(queued);
        assert_eq!(number(queue.notice(REPLICA, Instant::now())), 0);
        assert_eq!(number(queue.next_message(REPLICA, event)), 5);
    }
}
