//! Compares the outcomes that callers received with the sandbox's data.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::{ReportedOutcome, Status};
use crate::evidence::Evidence;

/// Maximum number of violations of each kind whose history is printed.
const MAX_EXPLAINED: usize = 3;

/// A kind of inconsistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// Reported as created or applied, but absent.
    Missing,
    /// Reported as not sent or rejected, but present.
    PresentThoughNotWritten,
    /// Sent after the caller had received `NOT_SENT` or `REJECTED`.
    SentAfterNotWritten,
    /// Sent long after the caller had disconnected.
    SentAfterDisconnect,
    /// Present more than once, although the call was safe to repeat.
    DuplicatedSafe,
    /// Present more than once, from a call without a key or id.
    DuplicatedUnsafe,
}

impl Violation {
    const ALL: [Self; 6] = [
        Self::Missing,
        Self::PresentThoughNotWritten,
        Self::SentAfterNotWritten,
        Self::SentAfterDisconnect,
        Self::DuplicatedSafe,
        Self::DuplicatedUnsafe,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Missing => "reported created, but missing",
            Self::PresentThoughNotWritten => "reported not written, but present",
            Self::SentAfterNotWritten => "sent after reported not written",
            Self::SentAfterDisconnect => "sent 1 s after a disconnect",
            Self::DuplicatedSafe => "duplicated, with a key or kept id",
            Self::DuplicatedUnsafe => "duplicated, without",
        }
    }
}

/// The figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    statuses: usize,
    created: usize,
    not_written: usize,
    /// Reported as applied, without an id.
    applied: usize,
    /// Reported as unknown, and present.
    unknown_present: usize,
    /// Reported as unknown, and absent.
    unknown_absent: usize,
    disconnects: usize,
    /// The longest time from a request to its response.
    slowest: Duration,
    violations: BTreeMap<Violation, usize>,
    /// Statuses of each kind of call, and how many of them are unknown.
    by_kind: BTreeMap<&'static str, (usize, usize)>,
}

impl Report {
    /// Compares, and prints the history of the first violations of each kind. `keeps_ids` is whether a `graphId` makes repeats safe.
    pub(crate) fn new(statuses: &[Status], evidence: &Evidence, keeps_ids: bool) -> Self {
        let mut report = Self { statuses: statuses.len(), ..Self::default() };
        for status in statuses {
            let count = evidence.count(&status.name);
            match (&status.reported, count) {
                (ReportedOutcome::Created(_), _) => report.created += 1,
                (ReportedOutcome::Applied, _) => report.applied += 1,
                (ReportedOutcome::NotWritten, _) => report.not_written += 1,
                (ReportedOutcome::Unknown, 0) => report.unknown_absent += 1,
                (ReportedOutcome::Unknown, _) => report.unknown_present += 1,
            }
            let (statuses, unknown) = report.by_kind.entry(status.kind.name()).or_default();
            *statuses += 1;
            *unknown += usize::from(status.reported == ReportedOutcome::Unknown);
            let answered = status.attempts.iter().filter(|attempt| attempt.reported.is_some());
            let slowest = answered.map(|attempt| attempt.ended - attempt.sent).max();
            report.slowest = report.slowest.max(slowest.unwrap_or_default());
            report.disconnects += status.attempts.iter().filter(|attempt| attempt.disconnected).count();
            for violation in violations(status, count, evidence, keeps_ids) {
                let found = report.violations.entry(violation).or_default();
                *found += 1;
                if *found <= MAX_EXPLAINED {
                    evidence.print(violation.text(), status);
                }
            }
        }
        report
    }

    pub(crate) fn violations(&self, violation: Violation) -> usize {
        self.violations.get(&violation).copied().unwrap_or_default()
    }

    /// Whether there are no violations.
    pub(crate) fn is_consistent(&self) -> bool {
        self.violations.is_empty()
    }

    #[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
    pub(crate) fn print(&self) {
        let unknown = self.unknown_present + self.unknown_absent;
        let share = 100.0 * unknown as f64 / self.statuses.max(1) as f64;
        println!("statuses                           {:>7}", self.statuses);
        println!("  reported created                 {:>7}", self.created);
        println!("  reported applied, without an id  {:>7}", self.applied);
        println!("  reported not sent or rejected    {:>7}", self.not_written);
        println!("  reported unknown                 {unknown:>7}  {share:.2} %");
        println!("    of which present               {:>7}", self.unknown_present);
        println!("    of which absent                {:>7}", self.unknown_absent);
        for (kind, (statuses, unknown)) in &self.by_kind {
            println!("    {kind:<30} {unknown:>7}  of {statuses}");
        }
        println!("responses lost to a disconnect     {:>7}", self.disconnects);
        println!("slowest response                   {:>7.1} s", self.slowest.as_secs_f64());
        for violation in Violation::ALL {
            println!("{:<34} {:>7}", violation.text(), self.violations(violation));
        }
    }
}

/// The violations of one status, which has `count` objects.
fn violations(status: &Status, count: usize, evidence: &Evidence, keeps_ids: bool) -> Vec<Violation> {
    let mut found = Vec::new();
    match (&status.reported, count) {
        (ReportedOutcome::Created(_) | ReportedOutcome::Applied, 0) => found.push(Violation::Missing),
        (ReportedOutcome::NotWritten, 1..) => found.push(Violation::PresentThoughNotWritten),
        _ => {}
    }
    if evidence.sent_after_not_written(status) {
        found.push(Violation::SentAfterNotWritten);
    }
    if evidence.sent_after_disconnect(status) {
        found.push(Violation::SentAfterDisconnect);
    }
    match count {
        0 | 1 => {}
        _ if status.kind.is_safe(keeps_ids) => found.push(Violation::DuplicatedSafe),
        _ => found.push(Violation::DuplicatedUnsafe),
    }
    found
}
