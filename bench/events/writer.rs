//! Adds device statuses at a constant rate, in turn at each gateway and configuration.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::Shared;
use crate::subscriber::request;

const ADD: &str =
    "mutation A($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId } }";
/// Attempts at one status, each at the next gateway, with the same idempotency key.
const MAX_ATTEMPTS: usize = 20;

/// A status that a gateway has acknowledged.
pub(crate) struct Created {
    pub(crate) configuration: String,
    pub(crate) id: String,
}

/// What was added.
#[derive(Default)]
pub(crate) struct Added {
    pub(crate) created: Vec<Created>,
    /// When the acknowledgement arrived.
    pub(crate) answered_at: HashMap<String, Instant>,
    /// Statuses that no attempt has added.
    pub(crate) failures: usize,
}

/// Adds statuses for this long.
pub(crate) async fn run(shared: &Shared, rate: f64, duration: Duration) -> Added {
    let mut calls = JoinSet::new();
    let start = Instant::now();
    let mut number: u32 = 0;
    while start.elapsed() < duration {
        tokio::time::sleep_until((start + Duration::from_secs_f64(f64::from(number) / rate)).into()).await;
        let index = usize::try_from(number).unwrap_or(0);
        let configuration = shared.configurations[index % shared.configurations.len()].clone();
        calls.spawn(add(shared.gateways.clone(), index, configuration));
        number += 1;
    }
    let mut added = Added::default();
    while let Some(call) = calls.join_next().await {
        match call {
            Ok(Some((created, at))) => {
                added.answered_at.insert(created.id.clone(), at);
                added.created.push(created);
            }
            Ok(None) | Err(_) => added.failures += 1,
        }
    }
    added
}

async fn add(gateways: Vec<String>, number: usize, configuration: String) -> Option<(Created, Instant)> {
    let body = json!({"query": ADD, "variables": {"input": {
        "configurationId": configuration,
        "idempotencyKey": format!("{:016x}", fastrand::u64(..)),
        "deviceStatus": {
            "deviceDisplayName": "A device", "userName": "A user", "deviceModel": "A model", "platform": 8,
            "complianceGracePeriodExpirationDateTime": "2026-01-01T00:00:00Z", "status": "COMPLIANT",
            "lastReportedDateTime": "2026-01-01T00:00:00Z", "userPrincipalName": "user@example.org",
        },
    }}})
    .to_string();
    for attempt in 0..MAX_ATTEMPTS {
        let address = &gateways[(number + attempt) % gateways.len()];
        if let Ok(answer) = request(address, &body).await
            && let Some(id) = answer["data"]["addDeviceStatus"]["deviceStatusId"].as_str()
        {
            return Some((Created { configuration, id: id.to_owned() }, Instant::now()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}
