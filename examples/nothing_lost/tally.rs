//! What callers were told, held against what the sandbox has.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::{Status, Told};
use crate::evidence::Evidence;

/// How many violations of a kind are explained.
const EXPLAINED: usize = 3;

/// A way not to keep one's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Violation {
    /// Told created or applied, and not there.
    Missing,
    /// Told not sent or rejected, and there.
    PresentThoughNotWritten,
    /// Sent after the caller had been told that nothing was.
    SentAfterTold,
    /// Sent long after the caller had hung up.
    SentAfterHangUp,
    /// There more than once, though the call carried what makes repeats safe.
    DoubledSafe,
    /// There more than once, of a call that carried nothing.
    DoubledPlain,
}

impl Violation {
    const ALL: [Self; 6] = [
        Self::Missing,
        Self::PresentThoughNotWritten,
        Self::SentAfterTold,
        Self::SentAfterHangUp,
        Self::DoubledSafe,
        Self::DoubledPlain,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Missing => "told created, but missing",
            Self::PresentThoughNotWritten => "told not written, but there",
            Self::SentAfterTold => "sent after told not written",
            Self::SentAfterHangUp => "sent 1 s after a hang-up",
            Self::DoubledSafe => "doubled, with a key or a kept id",
            Self::DoubledPlain => "doubled, without",
        }
    }
}

/// The figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    statuses: usize,
    created: usize,
    not_written: usize,
    /// Told that it is there, without an id.
    applied: usize,
    /// Told unknown, and there.
    unknown_present: usize,
    /// Told unknown, and not there.
    unknown_absent: usize,
    hang_ups: usize,
    /// The longest time from a request to its answer.
    slowest: Duration,
    violations: BTreeMap<Violation, usize>,
    /// Statuses of each kind of call, and how many of them are unknown.
    by_kind: BTreeMap<&'static str, (usize, usize)>,
}

impl Tally {
    /// Compares, and explains the first violations of each kind. `keeps_ids` is whether a `graphId` makes repeats safe.
    pub(crate) fn new(statuses: &[Status], evidence: &Evidence, keeps_ids: bool) -> Self {
        let mut tally = Self { statuses: statuses.len(), ..Self::default() };
        for status in statuses {
            let count = evidence.count(&status.name);
            match (&status.told, count) {
                (Told::Created(_), _) => tally.created += 1,
                (Told::Applied, _) => tally.applied += 1,
                (Told::NotWritten, _) => tally.not_written += 1,
                (Told::Unknown, 0) => tally.unknown_absent += 1,
                (Told::Unknown, _) => tally.unknown_present += 1,
            }
            let (statuses, unknown) = tally.by_kind.entry(status.kind.name()).or_default();
            *statuses += 1;
            *unknown += usize::from(status.told == Told::Unknown);
            let answered = status.attempts.iter().filter(|attempt| attempt.told.is_some());
            let slowest = answered.map(|attempt| attempt.ended - attempt.sent).max();
            tally.slowest = tally.slowest.max(slowest.unwrap_or_default());
            tally.hang_ups += status.attempts.iter().filter(|attempt| attempt.hung_up).count();
            for violation in violations(status, count, evidence, keeps_ids) {
                let found = tally.violations.entry(violation).or_default();
                *found += 1;
                if *found <= EXPLAINED {
                    evidence.print(violation.text(), status);
                }
            }
        }
        tally
    }

    pub(crate) fn violations(&self, violation: Violation) -> usize {
        self.violations.get(&violation).copied().unwrap_or_default()
    }

    /// Whether the gateway kept its word.
    pub(crate) fn is_kept(&self) -> bool {
        self.violations.is_empty()
    }

    #[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
    pub(crate) fn print(&self) {
        let unknown = self.unknown_present + self.unknown_absent;
        let share = 100.0 * unknown as f64 / self.statuses.max(1) as f64;
        println!("statuses                           {:>7}", self.statuses);
        println!("  told created                     {:>7}", self.created);
        println!("  told applied, without an id      {:>7}", self.applied);
        println!("  told not sent or rejected        {:>7}", self.not_written);
        println!("  told unknown                     {unknown:>7}  {share:.2} %");
        println!("    of which there                 {:>7}", self.unknown_present);
        println!("    of which not there             {:>7}", self.unknown_absent);
        for (kind, (statuses, unknown)) in &self.by_kind {
            println!("    {kind:<30} {unknown:>7}  of {statuses}");
        }
        println!("answers lost to a hang-up          {:>7}", self.hang_ups);
        println!("slowest answer                     {:>7.1} s", self.slowest.as_secs_f64());
        for violation in Violation::ALL {
            println!("{:<34} {:>7}", violation.text(), self.violations(violation));
        }
    }
}

/// What is wrong with one status, of which there are so many objects.
fn violations(status: &Status, count: usize, evidence: &Evidence, keeps_ids: bool) -> Vec<Violation> {
    let mut found = Vec::new();
    match (&status.told, count) {
        (Told::Created(_) | Told::Applied, 0) => found.push(Violation::Missing),
        (Told::NotWritten, 1..) => found.push(Violation::PresentThoughNotWritten),
        _ => {}
    }
    if evidence.sent_after_told(status) {
        found.push(Violation::SentAfterTold);
    }
    if evidence.sent_after_hang_up(status) {
        found.push(Violation::SentAfterHangUp);
    }
    match count {
        0 | 1 => {}
        _ if status.kind.is_safe(keeps_ids) => found.push(Violation::DoubledSafe),
        _ => found.push(Violation::DoubledPlain),
    }
    found
}
