//! A history by its calls and objects.

use std::collections::{BTreeMap, HashMap};

use super::super::history::{Call, Event, ItemResult, Micros, NoResponse};

/// What a client received for a call.
pub(super) enum End<'a> {
    Response(&'a [ItemResult]),
    None(NoResponse),
}

/// A create that the sandbox received for a call.
pub(super) struct Create {
    pub(super) at: Micros,
    pub(super) call: u64,
    /// Whether it met no fault, so that the sandbox created the object.
    pub(super) is_accepted: bool,
}

/// A history by its calls and names.
#[derive(Default)]
pub(super) struct Index<'a> {
    pub(super) calls: BTreeMap<u64, &'a Call>,
    pub(super) ends: HashMap<u64, (Micros, End<'a>)>,
    pub(super) creates: HashMap<&'a str, Vec<Create>>,
    pub(super) objects: HashMap<&'a str, Vec<&'a str>>,
    /// The calls that were to create an object, each with the position of the object in it, in the order of their times.
    pub(super) by_name: BTreeMap<&'a str, Vec<(&'a Call, usize)>>,
    /// Number of creates that the sandbox received.
    pub(super) received: usize,
    /// Whether the history has its end.
    pub(super) is_complete: bool,
}

impl<'a> Index<'a> {
    /// Returns the index, and the names and numbers of calls, creates and responses that do not belong together.
    pub(super) fn new(events: &'a [Event]) -> (Self, Vec<String>) {
        let mut index = Self::default();
        let mut unexplained = Vec::new();
        let mut by_request: HashMap<&str, u64> = HashMap::new();
        for event in events {
            if let Event::Call(call) = event {
                let is_unique = index.calls.insert(call.call, call).is_none()
                    && by_request.insert(&call.request_id, call.call).is_none();
                if !is_unique {
                    unexplained.push(call.call.to_string());
                }
                for (position, name) in call.names.iter().enumerate() {
                    index.by_name.entry(name).or_default().push((call, position));
                }
            }
        }
        for calls in index.by_name.values_mut() {
            calls.sort_by_key(|(call, _)| call.at);
        }
        for event in events {
            match event {
                Event::Response { at, call, results } => {
                    let is_whole =
                        index.calls.get(call).is_some_and(|of| results.len() == of.names.len().max(1));
                    let earlier = index.ends.insert(*call, (*at, End::Response(results)));
                    if earlier.is_some() || !is_whole {
                        unexplained.push(call.to_string());
                    }
                }
                Event::NoResponse { at, call, reason } => {
                    index.ends.insert(*call, (*at, End::None(*reason)));
                }
                Event::Create { at, name, request_id, faults } => {
                    index.received += 1;
                    // A call creates only its own objects.
                    let call = by_request.get(request_id.as_str()).copied();
                    let is_its_own =
                        |call: &u64| index.calls.get(call).is_some_and(|call| call.names.contains(name));
                    match call.filter(is_its_own) {
                        Some(call) => index.creates.entry(name).or_default().push(Create {
                            at: *at,
                            call,
                            is_accepted: faults.is_empty(),
                        }),
                        None => unexplained.push(name.to_string()),
                    }
                }
                Event::Object { name, id } => index.objects.entry(name).or_default().push(id),
                Event::End { dropped } => index.is_complete = *dropped == 0,
                Event::Call(_)
                | Event::Disturbance(_)
                | Event::Clock { .. }
                | Event::Version { .. }
                | Event::Exit { .. } => {}
            }
        }
        (index, unexplained)
    }

    pub(super) fn result(&self, call: &Call, position: usize) -> Option<(Micros, &'a ItemResult)> {
        match self.ends.get(&call.call)? {
            (at, End::Response(results)) => Some((*at, results.get(position)?)),
            (_, End::None(_)) => None,
        }
    }

    pub(super) fn creates(&self, name: &str) -> &[Create] {
        self.creates.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn objects(&self, name: &str) -> &[&'a str] {
        self.objects.get(name).map_or(&[], Vec::as_slice)
    }
}
