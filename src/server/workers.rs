//! The threads that serve connections. Each has a single-threaded runtime of its own, so that a request and its call to Graph
//! stay on the thread of their connection and wake no other. `docs/decisions/runtime.md` has the figures.
//!
//! The listener accepts connections on another thread, and gives each one to the worker with the fewest.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The threads that serve connections. They end when this is dropped.
pub struct Workers {
    workers: Vec<Worker>,
    _stop: DropGuard,
}

struct Worker {
    runtime: Handle,
    /// Each connection holds a clone.
    connections: Arc<()>,
}

/// A connection that counts for its worker until this is dropped.
#[derive(Clone)]
pub(super) struct AssignedConnection {
    _worker: Arc<()>,
}

impl Workers {
    /// Starts so many threads. Without any, the runtime that accepts connections serves them too.
    ///
    /// # Errors
    ///
    /// If the system starts no further thread.
    pub fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let workers = (0..count).map(|index| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let stopped = stop.clone().cancelled_owned();
            thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
                runtime.block_on(stopped);
                // A name that is still being looked up is nothing to wait for.
                runtime.shutdown_background();
            })?;
            Ok(Worker { runtime: handle, connections: Arc::new(()) })
        });
        Ok(Self { workers: workers.collect::<io::Result<_>>()?, _stop: guard })
    }

    /// Runs a future on each worker.
    pub fn spawn_on_each<F: Future<Output = ()> + Send + 'static>(&self, future: impl Fn() -> F) {
        for worker in &self.workers {
            worker.runtime.spawn(future());
        }
    }

    /// The worker that has the fewest connections, to be given another one.
    pub(super) fn assign(&self) -> Option<(&Handle, AssignedConnection)> {
        let idlest = self.workers.iter().min_by_key(|worker| Arc::strong_count(&worker.connections))?;
        Some((&idlest.runtime, AssignedConnection { _worker: Arc::clone(&idlest.connections) }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::Workers;

    #[test]
    fn connections_go_to_the_worker_that_has_the_fewest() {
        let workers = Workers::start(3).unwrap();
        let assign = || {
            let (runtime, connection) = workers.assign().unwrap();
            (runtime.id(), connection)
        };
        let mut assigned: Vec<_> = (0..6).map(|_| assign()).collect();
        for worker in 0..3 {
            assert_eq!(assigned[worker].0, assigned[worker + 3].0);
            assert_ne!(assigned[worker].0, assigned[(worker + 1) % 3].0);
        }
        let (left, connection) = assigned.remove(1);
        drop(connection);
        assert_eq!(assign().0, left);
        assert!(Workers::start(0).unwrap().assign().is_none());
    }

    #[test]
    fn workers_end_with_their_handle() {
        let workers = Workers::start(1).unwrap();
        let (sender, receiver) = mpsc::channel::<()>();
        workers.assign().unwrap().0.spawn(async move {
            let _sender = sender;
            std::future::pending::<()>().await;
        });
        drop(workers);
        assert!(receiver.recv().is_err(), "what still runs is dropped");
    }
}
