//! The figures of a history with two versions of the gateway: what one did with the keys of the other.

use std::collections::{BTreeMap, HashMap};

use super::history::{Call, CallKind, DisturbanceKind, Event, Micros, Outcome, Phase, Version};

/// The figures of both versions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct VersionCounts {
    /// Changes of a replica to the other version.
    changes: usize,
    /// The time during which undisturbed replicas of both versions ran, and that of all disturbances.
    together: Micros,
    total: Micros,
    /// Disturbances of the store that were completed while replicas of both versions ran.
    store_disturbances: usize,
    /// Kills of a replica, by its version.
    killed: BTreeMap<Version, usize>,
    /// Pauses of a replica, by its version.
    paused: BTreeMap<Version, usize>,
    /// Calls with a key, by the version of their replica.
    calls: BTreeMap<Version, usize>,
    /// Calls with a key that went to the other version than the call before, by their version.
    on_other_version: BTreeMap<Version, usize>,
    /// Calls with a key that were sent while another was in progress at the other version, by their version.
    during_other_version: BTreeMap<Version, usize>,
    /// Results with `replayed: true` of objects that the other version created, by the version that returned them.
    replayed_from_other: BTreeMap<Version, usize>,
}

/// Counts; `None` if the history has no versions.
pub(super) fn count(events: &[Event]) -> Option<VersionCounts> {
    let timeline = VersionTimeline::new(events)?;
    let mut counts = VersionCounts::default();
    counts.count_time(events, &timeline);
    counts.count_calls(events, &timeline);
    Some(counts)
}

/// The versions of all replicas over time.
struct VersionTimeline(HashMap<usize, Vec<(Micros, Version)>>);

impl VersionTimeline {
    fn new(events: &[Event]) -> Option<Self> {
        let mut replicas: HashMap<usize, Vec<(Micros, Version)>> = HashMap::new();
        for event in events {
            if let Event::Version { at, replica, version } = event {
                replicas.entry(*replica).or_default().push((*at, *version));
            }
        }
        for changes in replicas.values_mut() {
            changes.sort_unstable();
        }
        (!replicas.is_empty()).then_some(Self(replicas))
    }

    fn version(&self, replica: usize, at: Micros) -> Option<Version> {
        let changes = self.0.get(&replica)?;
        changes.iter().rev().find(|(from, _)| *from <= at).map(|(_, version)| *version)
    }

    fn changes(&self) -> usize {
        self.0.values().map(|changes| changes.len() - 1).sum()
    }

    /// Whether replicas of both versions are outside of their disturbances.
    fn has_both(&self, disturbed: &[usize], at: Micros) -> bool {
        let running = self.0.keys().filter(|replica| !disturbed.contains(replica));
        let versions: Vec<Version> = running.filter_map(|replica| self.version(*replica, at)).collect();
        versions.contains(&Version::This) && versions.contains(&Version::Other)
    }
}

impl VersionCounts {
    fn count_time(&mut self, events: &[Event], timeline: &VersionTimeline) {
        let mut steps: Vec<(Micros, Option<usize>, DisturbanceKind, Phase)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Disturbance(step) => Some((step.at, step.replica, step.kind, step.phase)),
                _ => None,
            })
            .collect();
        steps.sort_by_key(|(at, ..)| *at);
        self.changes = timeline.changes();
        self.total = steps.last().map_or(0, |(at, ..)| *at);
        let mut disturbed: Vec<usize> = Vec::new();
        let mut last = 0;
        for (at, replica, kind, phase) in steps {
            // A version changes only within a disturbance of its replica.
            let has_both = timeline.has_both(&disturbed, at);
            self.together += if has_both { at - last } else { 0 };
            last = at;
            match (replica, phase) {
                (Some(replica), Phase::Starting) => disturbed.push(replica),
                (Some(replica), Phase::Over) => disturbed.retain(|other| *other != replica),
                (None, Phase::Over) if has_both => self.store_disturbances += 1,
                _ => {}
            }
            let counts = match kind {
                DisturbanceKind::ReplicaKilled => &mut self.killed,
                DisturbanceKind::ReplicaPaused => &mut self.paused,
                _ => continue,
            };
            if phase == Phase::Over {
                add(counts, replica.and_then(|replica| timeline.version(replica, at)));
            }
        }
    }

    fn count_calls(&mut self, events: &[Event], timeline: &VersionTimeline) {
        let mut calls: BTreeMap<u64, &Call> = BTreeMap::new();
        let mut ends: HashMap<u64, Micros> = HashMap::new();
        for event in events {
            match event {
                Event::Call(call) if call.kind == CallKind::Keyed => drop(calls.insert(call.call, call)),
                Event::Response { at, call, .. } | Event::NoResponse { at, call, .. } => {
                    ends.insert(*call, *at);
                }
                _ => {}
            }
        }
        let version = |call: &Call| timeline.version(call.replica, call.at);
        let mut keys: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
        let mut by_request: HashMap<&str, &Call> = HashMap::new();
        for call in calls.values() {
            add(&mut self.calls, version(call));
            keys.entry(call.key.as_deref().unwrap_or_default()).or_default().push(call);
            by_request.insert(&call.request_id, call);
        }
        for calls in keys.values_mut() {
            calls.sort_by_key(|call| call.at);
            for (number, call) in calls.iter().enumerate() {
                let is_other = |earlier: &&&Call| version(earlier) != version(call);
                if calls[..number].last().is_some_and(|earlier| is_other(&earlier)) {
                    add(&mut self.on_other_version, version(call));
                }
                let is_running = |earlier: &&Call| ends.get(&earlier.call).is_some_and(|at| *at > call.at);
                if calls[..number].iter().filter(is_other).any(is_running) {
                    add(&mut self.during_other_version, version(call));
                }
            }
        }
        let mut creators: HashMap<&str, (Micros, &Call)> = HashMap::new();
        for event in events {
            if let Event::Create { at, name, request_id, .. } = event
                && let Some(call) = by_request.get(request_id.as_str()).copied()
            {
                let first = creators.entry(name).or_insert((*at, call));
                if *at < first.0 {
                    *first = (*at, call);
                }
            }
        }
        for event in events {
            let Event::Response { call, results, .. } = event else { continue };
            let Some(call) = calls.get(call) else { continue };
            for (name, result) in call.names.iter().zip(results) {
                let creator = creators.get(name.as_str()).map(|(_, creator)| *creator);
                let is_of_other = creator.is_some_and(|creator| version(creator) != version(call));
                if result.outcome == Outcome::Replayed && is_of_other {
                    add(&mut self.replayed_from_other, version(call));
                }
            }
        }
    }

    /// What a run must have shown of both versions, and has not.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let has_both = |counts: &BTreeMap<Version, usize>| counts.len() == 2;
        [
            ("time with both versions", self.together > 0),
            ("repeats on the other version, both ways", has_both(&self.on_other_version)),
            ("calls while the other version had the key, both ways", has_both(&self.during_other_version)),
            ("replays by the other version, both ways", has_both(&self.replayed_from_other)),
        ]
        .into_iter()
        .filter_map(|(text, is_there)| (!is_there).then_some(text))
        .collect()
    }

    #[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
    pub(super) fn print(&self) {
        println!("versions {:>41} {:>7}", "this", "other");
        let line = |text: &str, counts: &BTreeMap<Version, usize>| {
            let count = |version| counts.get(&version).copied().unwrap_or_default();
            println!("{text:<42} {:>7} {:>7}", count(Version::This), count(Version::Other));
        };
        line("  calls with a key", &self.calls);
        line("  repeats of a call to the other version", &self.on_other_version);
        line("  sent while in progress at the other", &self.during_other_version);
        line("  replayed what the other created", &self.replayed_from_other);
        line("  replicas killed", &self.killed);
        line("  replicas paused", &self.paused);
        println!("{:<42} {:>7}", "  replicas changed to the other version", self.changes);
        println!("{:<42} {:>7}", "  store disturbed while both ran", self.store_disturbances);
        let seconds = |time: Micros| std::time::Duration::from_micros(time).as_secs_f64();
        let (together, total) = (seconds(self.together), seconds(self.total));
        println!("{:<42} {together:>9.1} s of {total:.1} s", "  replicas of both ran, undisturbed");
    }
}

fn add(counts: &mut BTreeMap<Version, usize>, version: Option<Version>) {
    if let Some(version) = version {
        *counts.entry(version).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::{Disturbance, ItemResult};
    use super::*;

    const SECOND: Micros = 1_000_000;

    fn version(at: Micros, replica: usize, version: Version) -> Event {
        Event::Version { at: at * SECOND, replica, version }
    }

    fn step(at: Micros, kind: DisturbanceKind, replica: Option<usize>, phase: Phase) -> Event {
        Event::Disturbance(Disturbance { at: at * SECOND, kind, replica, phase })
    }

    fn call(call: u64, at: Micros, replica: usize) -> Event {
        Event::Call(Call {
            at: at * SECOND,
            call,
            kind: CallKind::Keyed,
            key: Some("k".to_owned()),
            names: vec!["a".to_owned()],
            replica,
            request_id: call.to_string(),
        })
    }

    fn result(call: u64, at: Micros, outcome: Outcome) -> Event {
        let result = ItemResult { outcome, id: Some("id".to_owned()), code: None };
        Event::Response { at: at * SECOND, call, results: vec![result] }
    }

    #[test]
    fn a_history_of_one_version_has_no_such_figures() {
        assert_eq!(count(&[call(1, 0, 0), result(1, 1, Outcome::Created)]), None);
    }

    #[test]
    fn the_time_with_both_versions_and_calls_across_them_are_counted() {
        const RESTARTED: DisturbanceKind = DisturbanceKind::ReplicaRestarted;
        const KILLED: DisturbanceKind = DisturbanceKind::ReplicaKilled;
        let events = [
            version(0, 0, Version::Other),
            version(0, 1, Version::Other),
            step(10, RESTARTED, Some(0), Phase::Starting),
            version(11, 0, Version::This),
            step(12, RESTARTED, Some(0), Phase::Over),
            // At the other version, and at this one while it is in progress there.
            call(1, 13, 1),
            call(2, 14, 0),
            Event::Create {
                at: 14 * SECOND,
                name: "a".to_owned(),
                request_id: "1".to_owned(),
                faults: Vec::new(),
            },
            result(1, 15, Outcome::Created),
            result(2, 15, Outcome::Replayed),
            step(20, DisturbanceKind::StoreKilled, None, Phase::Starting),
            step(22, DisturbanceKind::StoreKilled, None, Phase::Over),
            // Not counted, although the other one runs.
            step(30, KILLED, Some(1), Phase::Starting),
            step(33, KILLED, Some(1), Phase::Over),
            call(3, 34, 1),
            result(3, 40, Outcome::Replayed),
        ];
        let one = |version| BTreeMap::from([(version, 1)]);
        let counts = count(&events).unwrap();
        let expected = VersionCounts {
            changes: 1,
            together: 18 * SECOND,
            total: 33 * SECOND,
            store_disturbances: 1,
            killed: one(Version::Other),
            paused: BTreeMap::new(),
            calls: BTreeMap::from([(Version::This, 1), (Version::Other, 2)]),
            on_other_version: BTreeMap::from([(Version::This, 1), (Version::Other, 1)]),
            during_other_version: one(Version::This),
            replayed_from_other: one(Version::This),
        };
        assert_eq!(counts, expected);
        assert_eq!(
            counts.missing(),
            [
                "calls while the other version had the key, both ways",
                "replays by the other version, both ways"
            ]
        );
    }
}
