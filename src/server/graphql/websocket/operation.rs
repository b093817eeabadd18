//! What is said of one operation of a WebSocket, and the room that it takes until it has been sent.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::message::ToClient;
use crate::memory::{MemoryBudget, Reservation};
use crate::server::graphql::answer::Answer;
use crate::server::graphql::execution::Execution;
use crate::server::graphql::refusal::Refusal;

/// What is said of an operation.
pub(super) struct Said {
    /// The operation's.
    pub(super) id: Arc<str>,
    /// The message, if there is something to say.
    pub(super) text: Option<String>,
    /// Nothing more is said of it.
    pub(super) is_last: bool,
    /// Where the message is an answer.
    pub(super) room: Option<Room>,
}

impl Said {
    fn new(id: &Arc<str>, message: &ToClient<'_, impl Serialize>) -> Self {
        Self { id: Arc::clone(id), text: message.to_text(), is_last: false, room: None }
    }

    fn last(self) -> Self {
        Self { is_last: true, ..self }
    }
}

/// Answers that have been made and have not been sent: this client's, and everybody's.
#[derive(Clone)]
pub(super) struct Unsent {
    here: Arc<MemoryBudget>,
    everywhere: Arc<MemoryBudget>,
}

/// The room that one of them takes.
pub(super) struct Room {
    _here: Reservation,
    _everywhere: Reservation,
}

impl Unsent {
    /// None of this client's yet.
    pub(super) fn new(everywhere: Arc<MemoryBudget>) -> Self {
        Self { here: MemoryBudget::new(usize::MAX), everywhere }
    }

    fn add(&self, text: &str) -> Room {
        let hold = |memory: &Arc<MemoryBudget>| {
            let mut held = memory.reservation();
            held.force_reserve(text.len());
            held
        };
        Room { _here: hold(&self.here), _everywhere: hold(&self.everywhere) }
    }

    /// Whether there is no room for more, and this client has a part in it.
    pub(super) fn is_full(&self) -> bool {
        self.everywhere.is_full() && !self.here.is_empty()
    }
}

/// All that is said of an operation, whose message takes the memory that is held: of a subscription, which goes on with what
/// it asked for, until it ends.
pub(super) fn said(
    id: Arc<str>,
    execution: Result<Execution, Refusal>,
    unsent: Unsent,
    stopping: CancellationToken,
    held: Reservation,
) -> BoxStream<'static, Said> {
    let complete: ToClient<'_> = ToClient::Complete { id: &id };
    let complete = Said::new(&id, &complete).last();
    match execution {
        Ok(Execution::Whole(answer)) => stream::iter([next(&id, &answer, &unsent), complete]).boxed(),
        Ok(Execution::Live(answers)) => {
            let answers = answers
                .map(move |answer| {
                    let _ = &held;
                    next(&id, &answer, &unsent)
                })
                .take_until(stopping.clone().cancelled_owned());
            // A client to which it does not say that it is complete comes again.
            let last =
                async move { Said { text: complete.text.filter(|_| !stopping.is_cancelled()), ..complete } };
            answers.chain(stream::once(last)).boxed()
        }
        Err(refusal) => {
            let error = ToClient::Error { id: &id, payload: refusal.errors() };
            stream::iter([Said::new(&id, &error).last()]).boxed()
        }
    }
}

fn next(id: &Arc<str>, answer: &Answer, unsent: &Unsent) -> Said {
    let said = Said::new(id, &ToClient::Next { id, payload: answer });
    Said { room: said.text.as_deref().map(|text| unsent.add(text)), ..said }
}
