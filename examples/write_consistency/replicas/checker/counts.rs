//! The figures of a history.

use std::collections::BTreeMap;

use super::super::history::{Call, CallKind, Micros, NoResponse, Outcome};
use super::index::{End, Index};

/// The figures of a history.
#[derive(Debug, Default, PartialEq)]
pub(in super::super) struct Counts {
    pub(in super::super) keys: usize,
    /// Calls with a key.
    pub(in super::super) calls: usize,
    /// Calls with a key that went to another replica than an earlier one.
    pub(in super::super) on_another_replica: usize,
    /// Calls with a key that were sent while another was in progress.
    pub(in super::super) concurrent: usize,
    /// Results of calls with a key.
    pub(in super::super) results: BTreeMap<&'static str, usize>,
    /// Results with `replayed: true` from another replica than the one that created the object.
    pub(in super::super) replayed_elsewhere: usize,
    /// Calls with a key without a response, by the reason.
    pub(in super::super) without_response: BTreeMap<NoResponse, usize>,
    /// Names of calls with a key that never succeeded, with and without an object.
    pub(in super::super) unknown_present: usize,
    pub(in super::super) unknown_absent: usize,
    pub(in super::super) objects: usize,
    pub(in super::super) creates: usize,
    /// Calls that began and ended while the store was down: with a key, and without.
    pub(in super::super) keyed_in_outages: usize,
    pub(in super::super) reads_in_outages: usize,
    pub(in super::super) plain_in_outages: usize,
    /// Longest time to a refusal of a call with a key in an outage, and from when on the outage was known.
    pub(in super::super) slowest_refusal: Micros,
    pub(in super::super) slowest_later_refusal: Micros,
    /// Longest time from the end of an outage to a success with a key on a replica.
    pub(in super::super) slowest_recovery: Micros,
}

impl Counts {
    /// Counts keys, their calls and the results.
    pub(super) fn count_keys(&mut self, index: &Index<'_>) {
        let counts = self;
        let mut keys: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
        for call in index.calls.values() {
            if let Some(key) = &call.key {
                keys.entry(key).or_default().push(call);
            }
        }
        counts.keys = keys.len();
        for calls in keys.values_mut() {
            calls.sort_by_key(|call| call.at);
            counts.calls += calls.len();
            for (number, call) in calls.iter().enumerate() {
                let earlier = &calls[..number];
                counts.on_another_replica +=
                    usize::from(earlier.last().is_some_and(|earlier| earlier.replica != call.replica));
                let is_running =
                    |earlier: &&&Call| index.ends.get(&earlier.call).is_some_and(|(at, _)| *at > call.at);
                counts.concurrent += usize::from(earlier.iter().any(|earlier| is_running(&earlier)));
                if let Some((_, End::None(reason))) = index.ends.get(&call.call) {
                    *counts.without_response.entry(*reason).or_default() += 1;
                }
            }
        }
        for (name, calls) in &index.by_name {
            if calls.iter().all(|(call, _)| call.kind != CallKind::Keyed) {
                continue;
            }
            let mut is_known = false;
            let mut may_be_unknown = false;
            for (call, position) in calls {
                let Some((_, result)) = index.result(call, *position) else {
                    may_be_unknown = true;
                    continue;
                };
                *counts.results.entry(text(result.outcome)).or_default() += 1;
                is_known |= result.outcome.is_success() || result.outcome == Outcome::Applied;
                may_be_unknown |= result.outcome == Outcome::Unknown;
                let creator = index.creates(name).first().and_then(|create| index.calls.get(&create.call));
                let is_elsewhere = creator.is_some_and(|creator| creator.replica != call.replica);
                counts.replayed_elsewhere += usize::from(result.outcome == Outcome::Replayed && is_elsewhere);
            }
            if !is_known && may_be_unknown {
                let count = if index.objects(name).is_empty() {
                    &mut counts.unknown_absent
                } else {
                    &mut counts.unknown_present
                };
                *count += 1;
            }
        }
    }
}

fn text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Created => "created",
        Outcome::Replayed => "created, by an earlier call (replayed)",
        Outcome::Read => "read",
        Outcome::NotSent => "NOT_SENT",
        Outcome::Rejected => "REJECTED",
        Outcome::Applied => "APPLIED",
        Outcome::Unknown => "UNKNOWN",
    }
}
