//! Checks a recorded history against what the gateway promises about writes. Reads nothing but the history.

mod counts;
mod index;
mod timeline;

use std::collections::HashMap;

use self::counts::Counts;
use self::index::{End, Index};
use self::timeline::Timeline;
use super::history::{Call, CallKind, Event, ItemResult, Micros, Outcome};

/// Maximum time for a replica to use the store again after it is back.
const MAX_RECOVERY: Micros = 15_000_000;
/// From when on in an outage a replica knows of it: after the timeout of a command, which is 2 s.
const NOTICED: Micros = 2_500_000;
/// Maximum time for a refusal from then on.
const MAX_REFUSAL: Micros = 1_000_000;

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Rule {
    /// A reported object does not exist.
    Lost,
    /// Responses to one key name different objects, or the object of another key.
    OtherObject,
    /// A call with a key has more than one object.
    Doubled,
    /// An object exists that only calls with `NOT_SENT` or `REJECTED` can have created, or a create of such a call was accepted.
    FalseRefusal,
    /// A create arrived for a call with `NOT_SENT`.
    FalseNotSent,
    /// A create arrived after its call had received `NOT_SENT` or `REJECTED`.
    SentAfterRefusal,
    /// A create arrived for a call with `replayed: true`, or none for one with `replayed: false`.
    FalseReplay,
    /// `STATE_UNAVAILABLE` with another outcome than `NOT_SENT`, or `REJECTED` if Graph rejected an attempt before. A replica
    /// that was paused while it looked up the key may report `UNKNOWN`: another one may have written meanwhile.
    WrongOutcome,
    /// While the store was down, a call with a key was not refused with `NOT_SENT`.
    KeyedDuringOutage,
    /// While the store was known to be down, a call with a key was refused only after a wait.
    SlowRefusal,
    /// While the store was down, a read or a create without a key failed.
    PlainDuringOutage,
    /// `STATE_UNAVAILABLE` long after the store was back.
    NotRecovered,
    /// A create or object that belongs to no call, or a response to none.
    Unexplained,
    /// The sandbox dropped requests from its record, or the history has no end.
    Incomplete,
}

impl Rule {
    pub(super) const ALL: [Self; 14] = [
        Self::Lost,
        Self::OtherObject,
        Self::Doubled,
        Self::FalseRefusal,
        Self::FalseNotSent,
        Self::SentAfterRefusal,
        Self::FalseReplay,
        Self::WrongOutcome,
        Self::KeyedDuringOutage,
        Self::SlowRefusal,
        Self::PlainDuringOutage,
        Self::NotRecovered,
        Self::Unexplained,
        Self::Incomplete,
    ];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Lost => "lost: reported, but missing",
            Self::OtherObject => "two objects reported for one key",
            Self::Doubled => "doubled with a key",
            Self::FalseRefusal => "false NOT_SENT or REJECTED: it was created",
            Self::FalseNotSent => "false NOT_SENT: it was sent",
            Self::SentAfterRefusal => "sent after NOT_SENT or REJECTED",
            Self::FalseReplay => "false `replayed`",
            Self::WrongOutcome => "STATE_UNAVAILABLE with a wrong outcome",
            Self::KeyedDuringOutage => "with a key, not refused in an outage",
            Self::SlowRefusal => "with a key, refused late in an outage",
            Self::PlainDuringOutage => "without a key, failed in an outage",
            Self::NotRecovered => "refused 15 s after an outage",
            Self::Unexplained => "create or object of no call",
            Self::Incomplete => "incomplete history",
        }
    }
}

/// A broken promise, and the object or call that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) rule: Rule,
    /// A name of an object, or the number of a call.
    pub(super) subject: String,
}

/// The result of a check.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) counts: Counts,
    pub(super) violations: Vec<Violation>,
}

impl Report {
    pub(super) fn count(&self, rule: Rule) -> usize {
        self.violations.iter().filter(|violation| violation.rule == rule).count()
    }

    fn violate(&mut self, rule: Rule, subject: impl ToString) {
        let violation = Violation { rule, subject: subject.to_string() };
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }
}

/// Checks a history.
pub(super) fn check(events: &[Event]) -> Report {
    let mut report = Report::default();
    let (index, unexplained) = Index::new(events);
    for subject in unexplained {
        report.violate(Rule::Unexplained, subject);
    }
    if !index.is_complete {
        report.violate(Rule::Incomplete, "the end");
    }
    let timeline = Timeline::new(events);
    for (name, calls) in &index.by_name {
        check_object(&index, &timeline, name, calls, &mut report);
    }
    for (name, ids) in &index.objects {
        if !index.by_name.contains_key(name) {
            report.violate(Rule::Unexplained, name);
        }
        report.counts.objects += ids.len();
    }
    report.counts.creates = index.received;
    check_calls(&index, &timeline, &mut report);
    report.counts.count_keys(&index);
    report
}

/// Checks what was reported for one object.
fn check_object(
    index: &Index<'_>,
    timeline: &Timeline,
    name: &str,
    calls: &[(&Call, usize)],
    report: &mut Report,
) {
    let objects = index.objects(name);
    let creates = index.creates(name);
    let is_keyed = calls.iter().any(|(call, _)| call.kind == CallKind::Keyed);
    if is_keyed && objects.len() > 1 {
        report.violate(Rule::Doubled, name);
    }
    let mut reported_id: Option<&str> = None;
    let mut may_have_written = false;
    for (call, position) in calls {
        let mut own = creates.iter().filter(|create| create.call == call.call).peekable();
        let was_sent = own.peek().is_some();
        let Some((at, result)) = index.result(call, *position) else {
            may_have_written |= was_sent;
            continue;
        };
        may_have_written |= was_sent && !result.outcome.is_not_written();
        let expected = if was_sent { Outcome::Rejected } else { Outcome::NotSent };
        let may_be_unknown = || timeline.is_disturbed(call.replica, call.at, at);
        let is_expected =
            result.outcome == expected || (result.outcome == Outcome::Unknown && may_be_unknown());
        if is_unavailable(result) && !is_expected {
            report.violate(Rule::WrongOutcome, name);
        }
        match result.outcome {
            Outcome::Created | Outcome::Replayed => {
                let id = result.id.as_deref().unwrap_or_default();
                if !objects.contains(&id) {
                    let is_of_another = index.objects.values().flatten().any(|other| *other == id);
                    report.violate(if is_of_another { Rule::OtherObject } else { Rule::Lost }, name);
                }
                if reported_id.is_some_and(|earlier| earlier != id) {
                    report.violate(Rule::OtherObject, name);
                }
                reported_id = Some(id);
                if was_sent != (result.outcome == Outcome::Created) {
                    report.violate(Rule::FalseReplay, name);
                }
            }
            Outcome::Applied if objects.is_empty() => report.violate(Rule::Lost, name),
            Outcome::NotSent | Outcome::Rejected => {
                if was_sent && result.outcome == Outcome::NotSent {
                    report.violate(Rule::FalseNotSent, name);
                }
                for create in own {
                    if create.at > at {
                        report.violate(Rule::SentAfterRefusal, name);
                    }
                    if create.is_accepted && result.outcome == Outcome::Rejected {
                        report.violate(Rule::FalseRefusal, name);
                    }
                }
            }
            Outcome::Applied | Outcome::Unknown | Outcome::Read => {}
        }
    }
    if !objects.is_empty() && !may_have_written {
        report.violate(Rule::FalseRefusal, name);
    }
}

/// Checks each call against the disturbances of its time.
fn check_calls(index: &Index<'_>, timeline: &Timeline, report: &mut Report) {
    let mut recovered: HashMap<(usize, usize), Micros> = HashMap::new();
    for call in index.calls.values() {
        let Some((ended, end)) = index.ends.get(&call.call) else {
            // The client was stopped, or the history was cut off.
            report.violate(Rule::Incomplete, call.call);
            continue;
        };
        let results = match end {
            End::Response(results) => *results,
            End::None(_) => &[],
        };
        let elapsed = ended.saturating_sub(call.at);
        let outage = timeline.outage_around(call.at, *ended);
        match (call.kind, outage) {
            (CallKind::Keyed, Some(since)) if !results.is_empty() => {
                report.counts.keyed_in_outages += 1;
                if results.iter().any(|result| result.outcome != Outcome::NotSent) {
                    report.violate(Rule::KeyedDuringOutage, call.call);
                }
                let slowest = &mut report.counts.slowest_refusal;
                *slowest = elapsed.max(*slowest);
                if call.at.saturating_sub(since) >= NOTICED
                    && !timeline.is_disturbed(call.replica, call.at, *ended)
                {
                    let slowest = &mut report.counts.slowest_later_refusal;
                    *slowest = elapsed.max(*slowest);
                    if elapsed > MAX_REFUSAL {
                        report.violate(Rule::SlowRefusal, call.call);
                    }
                }
            }
            (CallKind::Plain | CallKind::Read, Some(_))
                if !timeline.is_disturbed(call.replica, call.at, *ended) =>
            {
                let (count, success) = match call.kind {
                    CallKind::Read => (&mut report.counts.reads_in_outages, Outcome::Read),
                    _ => (&mut report.counts.plain_in_outages, Outcome::Created),
                };
                *count += 1;
                if results.first().is_none_or(|result| result.outcome != success) {
                    report.violate(Rule::PlainDuringOutage, call.call);
                }
            }
            _ => {}
        }
        if call.kind != CallKind::Keyed {
            continue;
        }
        let Some((number, over)) = timeline.last_outage_before(call.at) else { continue };
        if timeline.next_outage_after(call.at).is_some_and(|next| next <= *ended) {
            continue;
        }
        let is_late = call.at > over + MAX_RECOVERY;
        // A replica that was paused finds that its commands took too long.
        let is_calm = !timeline.is_disturbed(call.replica, call.at, *ended)
            && !timeline.has_clock_jump(call.at, *ended);
        if results.iter().any(is_unavailable) && is_late && is_calm {
            report.violate(Rule::NotRecovered, call.call);
        }
        let is_success = results.iter().any(|result| result.outcome.is_success());
        if is_success && !timeline.is_disturbed(call.replica, over, *ended) {
            let first = recovered.entry((number, call.replica)).or_insert(Micros::MAX);
            *first = (*first).min(ended.saturating_sub(over));
        }
    }
    report.counts.slowest_recovery = recovered.values().copied().max().unwrap_or_default();
}

/// Whether the store was the reason.
fn is_unavailable(result: &ItemResult) -> bool {
    result.code.as_deref() == Some("STATE_UNAVAILABLE")
}

#[cfg(test)]
mod tests;
