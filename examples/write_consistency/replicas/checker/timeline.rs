//! When the store was down, and when replicas were disturbed.

use super::super::history::{Disturbance, Event, Micros, Phase};

/// The disturbances of a history.
pub(super) struct Timeline {
    /// From when the store was certainly down, until when, and when it was back; in order.
    outages: Vec<Outage>,
    /// From when to when a replica may not have served.
    disturbed: Vec<(usize, Micros, Micros)>,
    /// When the store's clock was set.
    clock_jumps: Vec<Micros>,
}

struct Outage {
    starting: Micros,
    effective: Micros,
    ending: Micros,
    over: Micros,
}

impl Timeline {
    pub(super) fn new(events: &[Event]) -> Self {
        let mut steps: Vec<&Disturbance> = events
            .iter()
            .filter_map(|event| match event {
                Event::Disturbance(step) => Some(step),
                _ => None,
            })
            .collect();
        steps.sort_by_key(|step| step.at);
        let clock_jumps = events.iter().filter_map(|event| match event {
            Event::Clock { at, replica: None, .. } => Some(*at),
            _ => None,
        });
        let mut timeline =
            Self { outages: Vec::new(), disturbed: Vec::new(), clock_jumps: clock_jumps.collect() };
        for (index, step) in steps.iter().enumerate().filter(|(_, step)| step.phase == Phase::Starting) {
            // A later phase that is missing never began.
            let time = |phase: Phase| {
                let mut later = steps[index..].iter().filter(|later| later.replica == step.replica);
                later.find(|later| later.phase == phase).map_or(Micros::MAX, |later| later.at)
            };
            match step.replica {
                Some(replica) => timeline.disturbed.push((replica, step.at, time(Phase::Over))),
                None => timeline.outages.push(Outage {
                    starting: step.at,
                    effective: time(Phase::Effective),
                    ending: time(Phase::Ending),
                    over: time(Phase::Over),
                }),
            }
        }
        timeline
    }

    /// When the outage began during all of which this time lies; `None` if there is none.
    pub(super) fn outage_around(&self, from: Micros, to: Micros) -> Option<Micros> {
        let mut outages = self.outages.iter();
        let around = outages.find(|outage| outage.effective <= from && to <= outage.ending);
        around.map(|outage| outage.effective)
    }

    /// The number of the last outage that was over at this time, and when it was.
    pub(super) fn last_outage_before(&self, at: Micros) -> Option<(usize, Micros)> {
        let number = self.outages.iter().rposition(|outage| outage.over <= at)?;
        Some((number, self.outages[number].over))
    }

    /// When the next outage after this time starts, or the present one did.
    pub(super) fn next_outage_after(&self, at: Micros) -> Option<Micros> {
        self.outages.iter().find(|outage| outage.over > at).map(|outage| outage.starting)
    }

    /// Whether a replica was disturbed at some moment of this time.
    pub(super) fn is_disturbed(&self, replica: usize, from: Micros, to: Micros) -> bool {
        self.disturbed.iter().any(|(of, starting, over)| *of == replica && *starting <= to && from <= *over)
    }

    /// Whether the store's clock was set at some moment of this time. Leases may then have lapsed early.
    pub(super) fn has_clock_jump(&self, from: Micros, to: Micros) -> bool {
        self.clock_jumps.iter().any(|at| (from..=to).contains(at))
    }
}
