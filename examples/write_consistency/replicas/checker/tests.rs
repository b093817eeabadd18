//! Small histories, each of which breaks one promise.

use super::super::history::{
    Call, CallKind, Disturbance, DisturbanceKind, Event, ItemResult, NoResponse, Outcome, Phase,
};
use super::{Report, Rule, check};

const SECOND: u64 = 1_000_000;

/// A history, built event by event.
#[derive(Default)]
struct History(Vec<Event>);

impl History {
    fn call(mut self, call: u64, at: u64, kind: CallKind, name: &str, replica: usize) -> Self {
        self.0.push(Event::Call(Call {
            at,
            call,
            kind,
            key: (kind == CallKind::Keyed).then(|| format!("key-{name}")),
            names: if kind == CallKind::Read { Vec::new() } else { vec![name.to_owned()] },
            replica,
            request_id: format!("request-{call}"),
        }));
        self
    }

    /// A call with a key for the object `a`.
    fn keyed(self, call: u64, at: u64, replica: usize) -> Self {
        self.call(call, at, CallKind::Keyed, "a", replica)
    }

    fn result(mut self, call: u64, at: u64, outcome: Outcome, id: Option<&str>, code: Option<&str>) -> Self {
        let result = ItemResult { outcome, id: id.map(str::to_owned), code: code.map(str::to_owned) };
        self.0.push(Event::Response { at, call, results: vec![result] });
        self
    }

    fn success(self, call: u64, at: u64, outcome: Outcome, id: &str) -> Self {
        self.result(call, at, outcome, Some(id), None)
    }

    fn error(self, call: u64, at: u64, outcome: Outcome, code: &str) -> Self {
        self.result(call, at, outcome, None, Some(code))
    }

    fn lost(mut self, call: u64, at: u64) -> Self {
        self.0.push(Event::NoResponse { at, call, reason: NoResponse::Lost });
        self
    }

    /// A create that the sandbox accepts.
    fn create(self, call: u64, at: u64, name: &str) -> Self {
        self.create_with(call, at, name, Vec::new())
    }

    /// A create that the sandbox refuses.
    fn refused(self, call: u64, at: u64, name: &str) -> Self {
        self.create_with(call, at, name, vec!["429".to_owned()])
    }

    fn create_with(mut self, call: u64, at: u64, name: &str, faults: Vec<String>) -> Self {
        let request_id = format!("request-{call}");
        self.0.push(Event::Create { at, name: name.to_owned(), request_id, faults });
        self
    }

    fn object(mut self, name: &str, id: &str) -> Self {
        self.0.push(Event::Object { name: name.to_owned(), id: id.to_owned() });
        self
    }

    /// A disturbance of a replica or, without one, of the store, with the times of its four phases.
    fn disturbance(mut self, kind: DisturbanceKind, replica: Option<usize>, times: [u64; 4]) -> Self {
        let phases = [Phase::Starting, Phase::Effective, Phase::Ending, Phase::Over];
        for (phase, at) in phases.into_iter().zip(times) {
            self.0.push(Event::Disturbance(Disturbance { at, kind, replica, phase }));
        }
        self
    }

    /// The store is down from 10 s to 20 s.
    fn outage(self) -> Self {
        let times = [9 * SECOND, 10 * SECOND, 20 * SECOND, 21 * SECOND];
        self.disturbance(DisturbanceKind::StoreKilled, None, times)
    }

    fn check(mut self) -> Report {
        self.0.push(Event::End { dropped: 0 });
        check(&self.0)
    }

    #[track_caller]
    fn breaks(self, rule: Rule) {
        let violations = self.check().violations;
        let rules: Vec<Rule> = violations.iter().map(|violation| violation.rule).collect();
        assert_eq!(rules, [rule], "{violations:?}");
    }

    #[track_caller]
    fn passes(self) -> Report {
        let report = self.check();
        assert_eq!(report.violations, []);
        report
    }
}

#[test]
fn a_key_that_is_repeated_on_other_replicas_is_consistent() {
    let history = History::default()
        .keyed(1, 1, 0)
        .create(1, 2, "a")
        .lost(1, 3)
        .keyed(2, 4, 1)
        .keyed(3, 5, 2)
        .error(2, 6, Outcome::Unknown, "OUTCOME_UNKNOWN")
        .success(3, 7, Outcome::Replayed, "id-a")
        .object("a", "id-a");
    let counts = history.passes().counts;
    assert_eq!((counts.keys, counts.calls, counts.objects, counts.creates), (1, 3, 1, 1));
    assert_eq!((counts.on_another_replica, counts.concurrent), (2, 1));
    assert_eq!(counts.without_response[&NoResponse::Lost], 1);
    assert_eq!((counts.replayed_elsewhere, counts.unknown_present), (1, 0));
}

#[test]
fn a_lost_response_leaves_the_outcome_open() {
    let lost = || History::default().keyed(1, 1, 0).create(1, 2, "a").lost(1, 3);
    let present = lost().object("a", "id-a").passes().counts;
    assert_eq!((present.unknown_present, present.unknown_absent), (1, 0));
    let absent = lost().passes().counts;
    assert_eq!((absent.unknown_present, absent.unknown_absent), (0, 1));
}

#[test]
fn a_rejected_create_may_be_sent_again_by_a_later_call() {
    History::default()
        .keyed(1, 1, 0)
        .refused(1, 2, "a")
        .error(1, 3, Outcome::Rejected, "THROTTLED")
        .keyed(2, 4, 1)
        .create(2, 5, "a")
        .success(2, 6, Outcome::Created, "id-a")
        .object("a", "id-a")
        .passes();
}

#[test]
fn a_reported_object_must_exist() {
    History::default()
        .keyed(1, 1, 0)
        .create(1, 2, "a")
        .success(1, 3, Outcome::Created, "id-a")
        .breaks(Rule::Lost);
    History::default()
        .keyed(1, 1, 0)
        .create(1, 2, "a")
        .error(1, 3, Outcome::Applied, "UPSTREAM_ERROR")
        .breaks(Rule::Lost);
}

#[test]
fn a_key_has_one_object() {
    History::default()
        .keyed(1, 1, 0)
        .create(1, 2, "a")
        .lost(1, 3)
        .keyed(2, 4, 1)
        .create(2, 5, "a")
        .success(2, 6, Outcome::Created, "id-2")
        .object("a", "id-1")
        .object("a", "id-2")
        .breaks(Rule::Doubled);
    // Without a key, a client that repeats a lost call may create two.
    History::default()
        .call(1, 1, CallKind::Plain, "a", 0)
        .create(1, 2, "a")
        .lost(1, 3)
        .call(2, 4, CallKind::Plain, "a", 1)
        .create(2, 5, "a")
        .success(2, 6, Outcome::Created, "id-2")
        .object("a", "id-1")
        .object("a", "id-2")
        .passes();
}

#[test]
fn all_responses_to_a_key_name_its_object() {
    let created = || {
        History::default()
            .keyed(1, 1, 0)
            .create(1, 2, "a")
            .success(1, 3, Outcome::Created, "id-a")
            .object("a", "id-a")
            .keyed(2, 4, 1)
    };
    created()
        .success(2, 5, Outcome::Replayed, "id-b")
        .call(3, 6, CallKind::Keyed, "b", 0)
        .create(3, 7, "b")
        .success(3, 8, Outcome::Created, "id-b")
        .object("b", "id-b")
        .breaks(Rule::OtherObject);
    created().success(2, 5, Outcome::Replayed, "id-a").passes();
}

#[test]
fn an_object_of_refused_calls_alone_must_not_exist() {
    History::default()
        .keyed(1, 1, 0)
        .refused(1, 2, "a")
        .error(1, 3, Outcome::Rejected, "THROTTLED")
        .object("a", "id-a")
        .breaks(Rule::FalseRefusal);
    // A later call may have created it as well.
    History::default()
        .keyed(1, 1, 0)
        .create(1, 2, "a")
        .error(1, 3, Outcome::Rejected, "THROTTLED")
        .keyed(2, 4, 1)
        .refused(2, 5, "a")
        .lost(2, 6)
        .object("a", "id-a")
        .breaks(Rule::FalseRefusal);
    // The later call found it, but the earlier one had denied it.
    History::default()
        .keyed(1, 1, 0)
        .refused(1, 2, "a")
        .error(1, 3, Outcome::Rejected, "THROTTLED")
        .keyed(2, 4, 1)
        .success(2, 5, Outcome::Replayed, "id-a")
        .object("a", "id-a")
        .breaks(Rule::FalseRefusal);
}

#[test]
fn a_call_that_was_not_sent_has_no_create() {
    History::default()
        .keyed(1, 1, 0)
        .create(1, 2, "a")
        .error(1, 3, Outcome::NotSent, "UPSTREAM_UNAVAILABLE")
        .breaks(Rule::FalseNotSent);
    // A create of an earlier call is none of this one.
    History::default()
        .keyed(1, 1, 0)
        .create(1, 2, "a")
        .lost(1, 3)
        .keyed(2, 4, 1)
        .error(2, 5, Outcome::NotSent, "STATE_UNAVAILABLE")
        .passes();
}

#[test]
fn nothing_is_sent_after_a_refusal() {
    History::default()
        .keyed(1, 1, 0)
        .refused(1, 2, "a")
        .error(1, 3, Outcome::Rejected, "THROTTLED")
        .refused(1, 4, "a")
        .breaks(Rule::SentAfterRefusal);
    // After an unknown outcome, the create may still arrive.
    History::default()
        .keyed(1, 1, 0)
        .error(1, 3, Outcome::Unknown, "OUTCOME_UNKNOWN")
        .create(1, 4, "a")
        .object("a", "id-a")
        .passes();
}

#[test]
fn a_replay_sends_nothing() {
    let created = |outcome| {
        History::default().keyed(1, 1, 0).create(1, 2, "a").success(1, 3, outcome, "id-a").object("a", "id-a")
    };
    created(Outcome::Replayed).breaks(Rule::FalseReplay);
    created(Outcome::Created)
        .keyed(2, 4, 1)
        .success(2, 5, Outcome::Created, "id-a")
        .breaks(Rule::FalseReplay);
}

#[test]
fn an_unavailable_store_means_that_nothing_was_sent() {
    History::default()
        .keyed(1, 1, 0)
        .error(1, 3, Outcome::Unknown, "STATE_UNAVAILABLE")
        .breaks(Rule::WrongOutcome);
    // Nor was it sent.
    History::default()
        .keyed(1, 1, 0)
        .error(1, 3, Outcome::Rejected, "STATE_UNAVAILABLE")
        .breaks(Rule::WrongOutcome);
    // The replica was paused, and another one may have written meanwhile.
    let paused = || History::default().disturbance(DisturbanceKind::ReplicaPaused, Some(0), [1, 1, 2, 2]);
    paused().keyed(1, 1, 0).error(1, 3, Outcome::Unknown, "STATE_UNAVAILABLE").passes();
    paused().keyed(1, 1, 1).error(1, 3, Outcome::Unknown, "STATE_UNAVAILABLE").breaks(Rule::WrongOutcome);
    // Graph rejected it, and then the store was needed for another attempt.
    History::default()
        .keyed(1, 1, 0)
        .refused(1, 2, "a")
        .error(1, 3, Outcome::Rejected, "STATE_UNAVAILABLE")
        .passes();
}

#[test]
fn in_an_outage_calls_with_a_key_are_refused() {
    let during = || History::default().outage().keyed(1, 13 * SECOND, 0);
    let end = 13 * SECOND + 5;
    let counts = during().error(1, end, Outcome::NotSent, "STATE_UNAVAILABLE").passes().counts;
    assert_eq!((counts.keyed_in_outages, counts.slowest_refusal, counts.slowest_later_refusal), (1, 5, 5));
    during()
        .create(1, end - 1, "a")
        .success(1, end, Outcome::Created, "id-a")
        .object("a", "id-a")
        .breaks(Rule::KeyedDuringOutage);
    during().error(1, end, Outcome::Unknown, "OUTCOME_UNKNOWN").breaks(Rule::KeyedDuringOutage);
    during().error(1, 15 * SECOND, Outcome::NotSent, "STATE_UNAVAILABLE").breaks(Rule::SlowRefusal);
    // A call that began before the outage may have had its lease.
    History::default()
        .outage()
        .keyed(1, 9 * SECOND, 0)
        .create(1, 11 * SECOND, "a")
        .success(1, 12 * SECOND, Outcome::Created, "id-a")
        .object("a", "id-a")
        .passes();
}

#[test]
fn in_an_outage_reads_and_creates_without_a_key_go_on() {
    let plain = || History::default().outage().call(1, 12 * SECOND, CallKind::Plain, "a", 0);
    let read = || History::default().outage().call(1, 12 * SECOND, CallKind::Read, "a", 0);
    let end = 13 * SECOND;
    let success = plain().create(1, end, "a").success(1, end, Outcome::Created, "id-a").object("a", "id-a");
    assert_eq!(success.passes().counts.plain_in_outages, 1);
    assert_eq!(read().result(1, end, Outcome::Read, None, None).passes().counts.reads_in_outages, 1);
    plain().error(1, end, Outcome::NotSent, "OVERLOADED").breaks(Rule::PlainDuringOutage);
    read().error(1, end, Outcome::NotSent, "UPSTREAM_ERROR").breaks(Rule::PlainDuringOutage);
    read().lost(1, end).breaks(Rule::PlainDuringOutage);
    // Its replica was down.
    let times = [11 * SECOND, 11 * SECOND, 14 * SECOND, 15 * SECOND];
    read().lost(1, end).disturbance(DisturbanceKind::ReplicaKilled, Some(0), times).passes();
    read()
        .lost(1, end)
        .disturbance(DisturbanceKind::ReplicaKilled, Some(1), times)
        .breaks(Rule::PlainDuringOutage);
}

#[test]
fn a_store_that_is_back_is_used_again() {
    let refused_at = |at: u64| {
        let history = History::default().outage().keyed(1, at, 0);
        history.error(1, at + 1, Outcome::NotSent, "STATE_UNAVAILABLE")
    };
    refused_at(22 * SECOND).passes();
    refused_at(40 * SECOND).breaks(Rule::NotRecovered);
    // The next outage has begun.
    let times = [39 * SECOND, 41 * SECOND, 50 * SECOND, 51 * SECOND];
    refused_at(40 * SECOND).disturbance(DisturbanceKind::StorePaused, None, times).passes();
    // The store's clock jumped during the call, so that another one took its lease.
    let mut jump = refused_at(40 * SECOND);
    jump.0.push(Event::Clock { at: 40 * SECOND, replica: None, ahead_secs: 60 });
    jump.passes();
    // The replica has just woken up.
    let times = [30 * SECOND, 30 * SECOND, 40 * SECOND, 43 * SECOND];
    refused_at(40 * SECOND).disturbance(DisturbanceKind::ReplicaPaused, Some(0), times).passes();
    let counts = History::default()
        .outage()
        .keyed(1, 22 * SECOND, 0)
        .create(1, 23 * SECOND, "a")
        .success(1, 24 * SECOND, Outcome::Created, "id-a")
        .object("a", "id-a")
        .passes()
        .counts;
    assert_eq!(counts.slowest_recovery, 3 * SECOND);
}

#[test]
fn every_create_and_object_belongs_to_a_call() {
    History::default().object("a", "id-a").breaks(Rule::Unexplained);
    History::default().create(1, 1, "a").breaks(Rule::Unexplained);
    // A create under the id of a call that was for another object.
    History::default()
        .keyed(1, 1, 0)
        .create(1, 2, "b")
        .error(1, 3, Outcome::Unknown, "OUTCOME_UNKNOWN")
        .breaks(Rule::Unexplained);
}

#[test]
fn a_history_has_an_end() {
    assert_eq!(check(&[]).count(Rule::Incomplete), 1);
    assert_eq!(check(&[Event::End { dropped: 3 }]).count(Rule::Incomplete), 1);
    assert_eq!(check(&[Event::End { dropped: 0 }]).violations, []);
    History::default().keyed(1, 1, 0).breaks(Rule::Incomplete);
}

#[test]
fn an_event_is_the_same_after_a_round_trip_through_its_line() {
    let events = History::default()
        .outage()
        .keyed(1, 1, 0)
        .error(1, 3, Outcome::NotSent, "STATE_UNAVAILABLE")
        .create(1, 2, "a")
        .lost(1, 4)
        .object("a", "id-a")
        .0;
    for event in events {
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event, "{line}");
    }
}
