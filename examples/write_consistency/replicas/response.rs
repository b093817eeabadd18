//! Reads the gateway's responses.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use uuid::Uuid;

use super::history::{ItemResult, Outcome};

/// A response, with what a client needs to go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) results: Vec<ItemResult>,
    /// Whether an error that is left may be repeated.
    pub(super) is_retryable: bool,
    /// The longest `retryAfter`.
    pub(super) wait: Option<Duration>,
}

/// Reads the response to a call with `count` objects, or to a read with 0; `None` if it is not the gateway's.
pub(super) fn read(text: &str, count: usize) -> Option<Response> {
    let body: Value = serde_json::from_str(text).ok()?;
    let data = &body["data"];
    let mut response = Response { results: Vec::new(), is_retryable: false, wait: None };
    if let Some(results) = data["addDeviceStatuses"]["results"].as_array() {
        for result in results {
            response.add(result, &result["error"], 1)?;
        }
    } else if let Some(error) = body["errors"].get(0) {
        response.add(&data["addDeviceStatus"], &error["extensions"], count.max(1))?;
    } else if count == 0 {
        data["iosLobAppProvisioningConfiguration"]["id"].as_str()?;
        response.results.push(ItemResult { outcome: Outcome::Read, id: None, code: None });
    } else {
        response.add(&data["addDeviceStatus"], &Value::Null, 1)?;
    }
    (response.results.len() == count.max(1)).then_some(response)
}

impl Response {
    /// Adds the same result `times` times.
    fn add(&mut self, payload: &Value, error: &Value, times: usize) -> Option<()> {
        let result = if let Some(id) = payload["deviceStatusId"].as_str() {
            let outcome = if payload["replayed"].as_bool()? { Outcome::Replayed } else { Outcome::Created };
            ItemResult { outcome, id: Some(graph_id(id)?), code: None }
        } else {
            let outcome = match error["outcome"].as_str() {
                // The whole request was rejected.
                None | Some("NOT_SENT") => Outcome::NotSent,
                Some("REJECTED") => Outcome::Rejected,
                Some("APPLIED") => Outcome::Applied,
                Some(_) => Outcome::Unknown,
            };
            self.is_retryable |= error["retryable"].as_bool()?;
            let wait = error["retryAfter"].as_f64().and_then(|secs| Duration::try_from_secs_f64(secs).ok());
            self.wait = self.wait.max(wait);
            ItemResult { outcome, id: None, code: Some(error["code"].as_str()?.to_owned()) }
        };
        self.results.extend(std::iter::repeat_n(result, times));
        Some(())
    }
}

/// The id in Graph of a device status, from its global id: `ig~1.s.CONFIGURATION.STATUS`. Each of the two keys is text in
/// base64url or, after `~`, GUIDs in base64url, of which the configuration's own is left out.
fn graph_id(global: &str) -> Option<String> {
    let (configuration, status) = global.strip_prefix("ig~1.s.")?.split_once('.')?;
    let configuration = key(configuration, "")?;
    key(status, &configuration)
}

fn key(text: &str, parent: &str) -> Option<String> {
    let Some(guids) = text.strip_prefix('~') else {
        return String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    };
    let guid = |part: &str| match part {
        "" => Some(parent.to_owned()),
        part => Some(Uuid::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()?.hyphenated().to_string()),
    };
    Some(guids.split('~').map(guid).collect::<Option<Vec<_>>>()?.join("_"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CONFIGURATION: &str = "e2a23631-3631-e2a2-3136-a2e23136a2e2";
    const USER: &str = "0b6f2c0a-5d1e-4c55-9f1b-7a1d3c1e9f10";

    fn encoded(guid: &str) -> String {
        URL_SAFE_NO_PAD.encode(Uuid::try_parse(guid).unwrap().as_bytes())
    }

    #[test]
    fn a_global_id_contains_the_id_in_graph() {
        let configuration = encoded(CONFIGURATION);
        let global = format!("ig~1.s.~{configuration}.~{}~~{}", encoded(USER), encoded(USER));
        assert_eq!(graph_id(&global).unwrap(), format!("{USER}_{CONFIGURATION}_{USER}"));
        assert_eq!(graph_id(&format!("ig~1.s.~{configuration}.YQ")).unwrap(), "a");
        for other in ["", "ig~2.s.YQ.YQ", "ig~1.c.YQ", "ig~1.s.YQ.~YQ"] {
            assert_eq!(graph_id(other), None, "{other}");
        }
    }

    #[test]
    fn each_object_of_a_call_has_a_result() {
        let error = json!({"code": "THROTTLED", "outcome": "REJECTED", "retryable": true, "retryAfter": 2});
        let bulk = json!({"data": {"addDeviceStatuses": {"results": [
            {"deviceStatusId": "ig~1.s.YQ.Yg", "replayed": true, "error": null},
            {"deviceStatusId": null, "replayed": false, "error": error},
        ]}}});
        let response = read(&bulk.to_string(), 2).unwrap();
        assert_eq!(response.results[0].outcome, Outcome::Replayed);
        assert_eq!(response.results[0].id.as_deref(), Some("b"));
        assert_eq!(response.results[1].outcome, Outcome::Rejected);
        assert_eq!((response.is_retryable, response.wait), (true, Some(Duration::from_secs(2))));
        assert_eq!(read(&bulk.to_string(), 3), None);

        let refused = json!({"data": null, "errors": [{"extensions": {
            "code": "STATE_UNAVAILABLE", "outcome": "NOT_SENT", "retryable": true}}]});
        let response = read(&refused.to_string(), 3).unwrap();
        assert_eq!(response.results.len(), 3);
        assert!(response.results.iter().all(|result| result.outcome == Outcome::NotSent));

        let found = json!({"data": {"iosLobAppProvisioningConfiguration": {"id": "ig~1.c.YQ"}}});
        assert_eq!(read(&found.to_string(), 0).unwrap().results[0].outcome, Outcome::Read);
        let missing = json!({"data": {"iosLobAppProvisioningConfiguration": null}});
        assert_eq!(read(&missing.to_string(), 0), None);
    }
}
