//! `/_sandbox`: the recorded requests, the fault rules and the requests for approval over HTTP, outside Graph's paths. Calls to it are not recorded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use crate::approvals::ApprovalRequest;
use crate::call::Message;
use crate::faults::FaultRule;
use crate::record::RecordedRequest;
use crate::response::{ERROR_JSON, GraphResponse};
use crate::state::SandboxState;

const ROOT: &str = "/_sandbox";

pub(crate) fn is_control(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Responds to a control request.
pub(crate) fn respond(state: &SandboxState, message: &Message) -> GraphResponse {
    let path = message.path.trim_start_matches(ROOT).trim_matches('/');
    match (path, &message.method) {
        ("health", &Method::GET) => json_response(&json!({"status": "ok"})),
        ("requests", &Method::GET) => requests(state),
        ("requests", &Method::DELETE) => {
            state.record.clear();
            GraphResponse::no_content()
        }
        ("faults", &Method::GET) => faults(state),
        ("faults", &Method::POST) => add_faults(state, &message.body),
        ("faults", &Method::DELETE) => {
            state.fault_plan.clear();
            GraphResponse::no_content()
        }
        ("reset", &Method::POST) => {
            state.reset();
            GraphResponse::no_content()
        }
        ("approvals", &Method::GET) => approvals(state),
        ("health" | "requests" | "faults" | "reset" | "approvals", _) => {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "no such method")
        }
        (path, &Method::POST) if path.starts_with("approvals/") => decide(state, path),
        _ => refusal(StatusCode::NOT_FOUND, "there are health, requests, faults, approvals and reset"),
    }
}

fn approvals(state: &SandboxState) -> GraphResponse {
    let approval = |request: &ApprovalRequest| {
        json!({
            "code": request.code,
            "method": request.method.as_str(),
            "url": request.url,
            "justification": request.justification,
            "state": request.state.name(),
        })
    };
    json_response(&state.service.approvals.all().iter().map(approval).collect())
}

/// Decides about a request for approval: `approvals/CODE/approve` or `approvals/CODE/refuse`.
fn decide(state: &SandboxState, path: &str) -> GraphResponse {
    let approvals = &state.service.approvals;
    let is_decided = match path.split('/').collect::<Vec<_>>()[..] {
        [_, code, "approve"] => approvals.approve(code),
        [_, code, "refuse"] => approvals.refuse(code),
        _ => return refusal(StatusCode::NOT_FOUND, "there are approve and refuse"),
    };
    if is_decided {
        GraphResponse::no_content()
    } else {
        refusal(StatusCode::NOT_FOUND, "there is no pending request for approval with this code")
    }
}

fn requests(state: &SandboxState) -> GraphResponse {
    let requests: Vec<Json> = state.record.all().iter().map(request).collect();
    json_response(&json!({"dropped": state.record.dropped(), "requests": requests}))
}

/// A request with its body as text, or as base64 if it is not UTF-8.
fn request(request: &RecordedRequest) -> Json {
    let headers: Vec<Json> = request
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let mut json = json!({
        "number": request.number,
        "method": request.method.as_str(),
        "path": request.path,
        "query": request.query,
        "headers": headers,
        "connection": request.connection,
        "http": if request.is_http2 { "2" } else { "1.1" },
        "faults": request.faults,
    });
    let (name, body) = match std::str::from_utf8(&request.body) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("bodyBase64", STANDARD.encode(&request.body)),
    };
    json[name] = Json::String(body);
    json
}

fn faults(state: &SandboxState) -> GraphResponse {
    let rules: Vec<Json> = state
        .fault_plan
        .rules()
        .iter()
        .map(|(rule, hits)| json!({"rule": rule.to_string(), "hits": hits}))
        .collect();
    json_response(&Json::Array(rules))
}

/// Adds a rule, or an array of rules. Each is a rule in text form, or an object with the text form of a fault as `fault`
/// and the optional members `method`, `pathContains`, `page`, `skip`, `times` and `rate`.
fn add_faults(state: &SandboxState, body: &[u8]) -> GraphResponse {
    let rules = match serde_json::from_slice(body) {
        Ok(Json::Array(items)) => items,
        Ok(item) => vec![item],
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match rules.iter().map(rule).collect::<Result<Vec<_>, _>>() {
        Ok(rules) => {
            for rule in rules {
                state.fault_plan.add(rule);
            }
            GraphResponse::no_content()
        }
        Err(error) => refusal(StatusCode::BAD_REQUEST, &error),
    }
}

fn rule(json: &Json) -> Result<FaultRule, String> {
    let parse = |text: &str| text.parse::<FaultRule>().map_err(|error| error.to_string());
    let members = match json {
        Json::String(text) => return parse(text),
        Json::Object(members) => members,
        _ => return Err("a rule is a text or an object".to_owned()),
    };
    let mut rule = parse(members.get("fault").and_then(Json::as_str).ok_or("`fault` is missing")?)?;
    for (name, value) in members {
        let known = match name.as_str() {
            "fault" => true,
            "method" => {
                rule.method = value.as_str().and_then(|text| Method::from_bytes(text.as_bytes()).ok());
                rule.method.is_some()
            }
            "pathContains" => {
                rule.path_contains = value.as_str().map(str::to_owned);
                rule.path_contains.is_some()
            }
            "page" => {
                rule.page = value.as_u64();
                rule.page.is_some()
            }
            "skip" => value.as_u64().map(|skip| rule.skip = skip).is_some(),
            "times" => {
                rule.times = value.as_u64();
                rule.times.is_some()
            }
            "rate" => value
                .as_f64()
                .filter(|rate| (0.0..=1.0).contains(rate))
                .map(|rate| rule.rate = rate)
                .is_some(),
            _ => return Err(format!("a rule has no member `{name}`")),
        };
        if !known {
            return Err(format!("{value} is not a value of `{name}`"));
        }
    }
    Ok(rule)
}

fn json_response(json: &Json) -> GraphResponse {
    GraphResponse::new(StatusCode::OK, json.to_string()).with(CONTENT_TYPE, ERROR_JSON)
}

fn refusal(status: StatusCode, text: &str) -> GraphResponse {
    GraphResponse::new(status, format!("{text}\n")).with(CONTENT_TYPE, HeaderValue::from_static("text/plain"))
}
