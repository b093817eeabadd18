//! Prints the figures of a history, and the events of each violation.

use std::collections::BTreeMap;

use super::checker::{Report, Rule, Violation};
use super::history::{DisturbanceKind, Event, Micros, Phase};

/// Maximum number of violations of each rule whose events are printed.
const MAX_EXPLAINED: usize = 3;

/// Prints the figures of a history.
#[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
pub(super) fn print(report: &Report, events: &[Event]) {
    let counts = &report.counts;
    let line = |text: &str, count: usize| println!("{text:<42} {count:>7}");
    let time = |text: &str, time: Micros| println!("{text:<42} {:>9.1} s", seconds(time));
    line("keys", counts.keys);
    line("calls with a key", counts.calls);
    line("  repeats on another replica", counts.on_another_replica);
    line("  sent while another was in progress", counts.concurrent);
    for (reason, count) in &counts.without_response {
        line(&format!("  without a response: {}", reason.text()), *count);
    }
    println!("results of these calls");
    for (outcome, count) in &counts.results {
        line(&format!("  {outcome}"), *count);
    }
    line("  replayed by another than the creator", counts.replayed_elsewhere);
    line("never known, present", counts.unknown_present);
    line("never known, absent", counts.unknown_absent);
    line("creates in the sandbox", counts.creates);
    line("objects in the sandbox", counts.objects);
    println!("disturbances");
    for (kind, count) in disturbances(events) {
        line(&format!("  {}", kind.text()), count);
    }
    print_clocks(events);
    println!("while the store was down");
    line("  calls with a key, all refused", counts.keyed_in_outages);
    time("  slowest refusal", counts.slowest_refusal);
    time("  slowest refusal from 2.5 s on", counts.slowest_later_refusal);
    line("  reads, all successful", counts.reads_in_outages);
    line("  creates without a key, all successful", counts.plain_in_outages);
    time("slowest first success after an outage", counts.slowest_recovery);
    println!("violations");
    for rule in Rule::ALL {
        line(&format!("  {}", rule.text()), report.count(rule));
    }
    for rule in Rule::ALL {
        let violations = report.violations.iter().filter(|violation| violation.rule == rule);
        for violation in violations.take(MAX_EXPLAINED) {
            explain(violation, events);
        }
    }
}

#[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
fn print_clocks(events: &[Event]) {
    let mut clocks: BTreeMap<Option<usize>, Vec<i64>> = BTreeMap::new();
    for event in events {
        if let Event::Clock { replica, ahead_secs, .. } = event {
            clocks.entry(*replica).or_default().push(*ahead_secs);
        }
    }
    for (replica, times) in clocks {
        let name = replica.map_or_else(|| "the store".to_owned(), |replica| format!("replica {replica}"));
        let (least, most) = (times.iter().min(), times.iter().max());
        let minutes = |time: Option<&i64>| time.map_or(0.0, |time| *time as f64 / 60.0);
        println!(
            "  clock of {name}: {} jumps, from {:+.1} to {:+.1} min",
            times.len() - 1,
            minutes(least),
            minutes(most)
        );
    }
}

/// The number of disturbances of each kind that were completed.
pub(super) fn disturbances(events: &[Event]) -> Vec<(DisturbanceKind, usize)> {
    let count = |kind: DisturbanceKind| {
        let is_over = |event: &&Event| matches!(event, Event::Disturbance(step) if step.kind == kind && step.phase == Phase::Over);
        events.iter().filter(is_over).count()
    };
    DisturbanceKind::ALL.map(|kind| (kind, count(kind))).to_vec()
}

/// Prints what happened to the object or call of a violation, in order, with the disturbances of that time.
#[expect(clippy::print_stdout, reason = "the events explain a violation")]
fn explain(violation: &Violation, events: &[Event]) {
    println!("{}: {}", violation.subject, violation.rule.text());
    let subject = &violation.subject;
    let mut calls: BTreeMap<u64, usize> = BTreeMap::new();
    for event in events {
        if let Event::Call(call) = event {
            let position = call.names.iter().position(|name| name == subject);
            if position.is_some() || call.call.to_string() == *subject {
                calls.insert(call.call, position.unwrap_or_default());
            }
        }
    }
    let mut lines: Vec<(Micros, String)> = Vec::new();
    for event in events {
        match event {
            Event::Call(call) if calls.contains_key(&call.call) => {
                let text = format!("call {} to replica {}, {}", call.call, call.replica, call.request_id);
                lines.push((call.at, text));
            }
            Event::Response { at, call, results } => {
                let Some(position) = calls.get(call) else { continue };
                lines.push((*at, format!("call {call}: {:?}", results.get(*position))));
            }
            Event::NoResponse { at, call, reason } if calls.contains_key(call) => {
                lines.push((*at, format!("call {call}: no response, {reason:?}")));
            }
            Event::Create { at, name, request_id, faults } if name == subject => {
                lines.push((*at, format!("create for {request_id}, faults: {}", faults.join(" and "))));
            }
            Event::Object { name, id } if name == subject => {
                lines.push((Micros::MAX, format!("in the sandbox: {id}")));
            }
            _ => {}
        }
    }
    let from = lines.iter().map(|(at, _)| *at).min().unwrap_or_default();
    let to = lines.iter().map(|(at, _)| *at).filter(|at| *at != Micros::MAX).max().unwrap_or_default();
    for event in events {
        if let Event::Disturbance(step) = event
            && step.at.saturating_add(30_000_000) >= from
            && step.at <= to
        {
            let target = step.replica.map_or_else(String::new, |replica| format!(" {replica}"));
            lines.push((step.at, format!("{}{target}: {:?}", step.kind.text(), step.phase)));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    for (at, text) in lines {
        let at = if at == Micros::MAX { "end".to_owned() } else { format!("{:.3} s", seconds(at)) };
        println!("  {at:>12}  {text}");
    }
}

fn seconds(time: Micros) -> f64 {
    std::time::Duration::from_micros(time).as_secs_f64()
}
