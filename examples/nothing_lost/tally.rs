//! What callers were told, held against what the sandbox has.

use std::collections::{BTreeMap, HashMap};

use intune_graphql::sandbox::{DEMO_CONFIGURATION_ID, Sandbox};

use crate::call::{Status, Told};

/// The figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) statuses: usize,
    pub(crate) created: usize,
    pub(crate) not_written: usize,
    /// Told unknown, and there.
    pub(crate) unknown_present: usize,
    /// Told unknown, and not there.
    pub(crate) unknown_absent: usize,
    pub(crate) missing: usize,
    /// There more than once, though the call carried what makes repeats safe.
    pub(crate) doubled_safe: usize,
    /// There more than once, of calls that carried nothing.
    pub(crate) doubled_plain: usize,
    pub(crate) present_though_not_written: usize,
    /// Statuses of each kind of call, and how many of them are unknown.
    by_kind: BTreeMap<&'static str, (usize, usize)>,
}

impl Tally {
    /// Compares. `keeps_ids` is whether a `graphId` makes repeats safe.
    pub(crate) fn new(told: &[Status], sandbox: &Sandbox, keeps_ids: bool) -> Self {
        let mut there: HashMap<String, usize> = HashMap::new();
        for status in sandbox.device_statuses(DEMO_CONFIGURATION_ID) {
            *there.entry(status["userName"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        let mut tally = Self { statuses: told.len(), ..Self::default() };
        for Status { name, kind, told } in told {
            let count = there.get(name).copied().unwrap_or_default();
            match (told, count) {
                (Told::Created(_), 0) => tally.missing += 1,
                (Told::NotWritten, 1..) => tally.present_though_not_written += 1,
                _ => {}
            }
            match (told, count) {
                (Told::Created(_), _) => tally.created += 1,
                (Told::NotWritten, _) => tally.not_written += 1,
                (Told::Unknown, 0) => tally.unknown_absent += 1,
                (Told::Unknown, _) => tally.unknown_present += 1,
            }
            let (statuses, unknown) = tally.by_kind.entry(kind.name()).or_default();
            *statuses += 1;
            *unknown += usize::from(*told == Told::Unknown);
            if count > 1 {
                if kind.is_safe(keeps_ids) {
                    tally.doubled_safe += 1;
                } else {
                    tally.doubled_plain += 1;
                }
            }
        }
        tally
    }

    /// Whether the gateway kept its word.
    pub(crate) fn is_kept(&self) -> bool {
        self.missing + self.doubled_safe + self.doubled_plain + self.present_though_not_written == 0
    }

    #[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
    pub(crate) fn print(&self) {
        let unknown = self.unknown_present + self.unknown_absent;
        let share = 100.0 * unknown as f64 / self.statuses.max(1) as f64;
        println!("statuses                           {:>7}", self.statuses);
        println!("  told created                     {:>7}", self.created);
        println!("  told not sent or rejected        {:>7}", self.not_written);
        println!("  told unknown                     {unknown:>7}  {share:.2} %");
        println!("    of which there                 {:>7}", self.unknown_present);
        println!("    of which not there             {:>7}", self.unknown_absent);
        for (kind, (statuses, unknown)) in &self.by_kind {
            println!("    {kind:<30} {unknown:>7}  of {statuses}");
        }
        println!("told created, but missing          {:>7}", self.missing);
        println!("told not written, but there        {:>7}", self.present_though_not_written);
        println!("doubled, with a key or a kept id   {:>7}", self.doubled_safe);
        println!("doubled, without                   {:>7}", self.doubled_plain);
    }
}
