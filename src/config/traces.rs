//! Where traces are sent, by the variables of OpenTelemetry ("OpenTelemetry Environment Variable Specification" and
//! "OpenTelemetry Protocol Exporter"). An empty variable is unset.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::Url;
use uuid::Uuid;

use crate::printable::value_without_credentials;

/// The path of traces below `OTEL_EXPORTER_OTLP_ENDPOINT`, for HTTP.
const TRACES_PATH: &str = "v1/traces";
const PROTOCOLS: &str = "grpc, http/protobuf";
const SAMPLERS: &str = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off, \
                        parentbased_traceidratio";
/// Maximum of the sizes of queue and batch.
const MAX_SPANS: usize = 100_000;
/// Maximum of durations, in milliseconds.
const MAX_MILLISECONDS: usize = 24 * 60 * 60 * 1000;

/// The variables that apply. Those of traces take precedence over those of all signals.
const VARIABLES: [&str; 18] = [
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_MAX_QUEUE_SIZE",
];
/// Those whose default depends on another.
const OTHER_VARIABLES: [&str; 2] = ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_EXPORT_TIMEOUT"];

/// Where traces are sent, and which.
#[derive(Clone)]
pub struct TracesConfig {
    /// URL that spans are sent to.
    pub endpoint: String,
    /// How spans are sent.
    pub protocol: TracesProtocol,
    /// PEM file with certificate authorities to trust in addition to the system's, and the variable that names it.
    pub certificate: Option<(&'static str, PathBuf)>,
    /// Headers of each export. They may be secret.
    pub headers: Vec<(String, String)>,
    /// Time limit for one export.
    pub timeout: Duration,
    /// Which requests are traced.
    pub sampler: SamplerConfig,
    /// Attributes of the process.
    pub resource: Vec<(String, String)>,
    /// Maximum number of spans that wait.
    pub max_queue_size: usize,
    /// Maximum number of spans in one export.
    pub max_export_batch_size: usize,
    /// Maximum time that a span waits for others.
    pub schedule_delay: Duration,
}

/// Without the headers.
impl fmt::Debug for TracesConfig {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracesConfig")
            .field("endpoint", &value_without_credentials(&self.endpoint))
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TracesProtocol {
    /// OTLP over HTTP, in Protobuf.
    HttpProtobuf,
    /// OTLP over gRPC.
    Grpc,
}

/// Which requests are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplerConfig {
    /// Whether the caller's decision counts, if there is one.
    pub is_parent_based: bool,
    /// Decides otherwise.
    pub root: RootSampler,
}

/// Which requests without a caller's decision are traced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RootSampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// This share, 0 to 1.
    Ratio(f64),
}

/// A variable of OpenTelemetry that is set. Those of headers have no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtelVariable {
    name: &'static str,
    value: String,
}

impl Display for OtelVariable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// The variables that are set, without secrets.
pub(super) fn variables(lookup: impl Fn(&str) -> Option<String>) -> Vec<OtelVariable> {
    let shown = |name: &'static str| {
        let value = lookup(name).filter(|value| !value.is_empty())?;
        let value =
            if name.ends_with("_HEADERS") { "***".to_owned() } else { value_without_credentials(&value) };
        Some(OtelVariable { name, value: value.escape_debug().to_string() })
    };
    VARIABLES.into_iter().chain(OTHER_VARIABLES).filter_map(shown).collect()
}

/// The variables, read by a function.
struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// The first of the variables that is set.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| {
            let value = (self.0)(name)?;
            let value = value.trim();
            (!value.is_empty()).then(|| (*name, value.to_owned()))
        })
    }

    fn number(&self, names: &[&'static str], default: usize, range: (usize, usize)) -> Result<usize, String> {
        let Some((name, text)) = self.first(names) else { return Ok(default) };
        let (min, max) = range;
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| format!("{name}: `{text}` must be a whole number from {min} to {max}"))
    }

    fn milliseconds(&self, names: &[&'static str], default: usize) -> Result<Duration, String> {
        let milliseconds = self.number(names, default, (1, MAX_MILLISECONDS))?;
        Ok(Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)))
    }
}

impl TracesConfig {
    /// Reads the variables; `None` if no endpoint is set or traces are off.
    ///
    /// # Errors
    ///
    /// A sentence that names the variable.
    pub fn read(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let variables = Variables(lookup);
        // Any other value is false, by the specification.
        let is_disabled = variables.first(&["OTEL_SDK_DISABLED"]);
        if is_disabled.is_some_and(|(_, value)| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        match variables.first(&["OTEL_TRACES_EXPORTER"]) {
            Some((_, exporter)) if exporter == "none" => return Ok(None),
            Some((name, exporter)) if exporter != "otlp" => {
                return Err(format!("{name}: `{exporter}` is not supported; set otlp or none"));
            }
            _ => {}
        }
        let protocol = protocol(&variables)?;
        let Some(endpoint) = endpoint(&variables, protocol)? else { return Ok(None) };
        let max_queue_size = variables.number(&["OTEL_BSP_MAX_QUEUE_SIZE"], 2048, (1, MAX_SPANS))?;
        let batch = variables.number(
            &["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"],
            max_queue_size.min(512),
            (1, max_queue_size),
        )?;
        let timeout = variables
            .milliseconds(&["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"], 10_000)?;
        let export_timeout = variables.milliseconds(&["OTEL_BSP_EXPORT_TIMEOUT"], 30_000)?;
        Ok(Some(Self {
            endpoint,
            protocol,
            certificate: variables
                .first(&["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"])
                .map(|(name, path)| (name, path.into())),
            headers: headers(&variables)?,
            timeout: timeout.min(export_timeout),
            sampler: sampler(&variables)?,
            resource: resource(&variables)?,
            max_queue_size,
            max_export_batch_size: batch,
            schedule_delay: variables.milliseconds(&["OTEL_BSP_SCHEDULE_DELAY"], 5000)?,
        }))
    }
}

fn protocol(variables: &Variables<impl Fn(&str) -> Option<String>>) -> Result<TracesProtocol, String> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    match variables.first(&names) {
        None => Ok(TracesProtocol::HttpProtobuf),
        Some((name, protocol)) => match protocol.as_str() {
            "grpc" => Ok(TracesProtocol::Grpc),
            "http/protobuf" => Ok(TracesProtocol::HttpProtobuf),
            _ => Err(format!("{name}: `{protocol}` is not supported; protocols are {PROTOCOLS}")),
        },
    }
}

fn endpoint(
    variables: &Variables<impl Fn(&str) -> Option<String>>,
    protocol: TracesProtocol,
) -> Result<Option<String>, String> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    let Some((name, text)) = variables.first(&names) else { return Ok(None) };
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(mut url) = url else {
        return Err(format!(
            "{name}: `{}` must be a URL that starts with http:// or https://, as in http://127.0.0.1:4318",
            value_without_credentials(&text)
        ));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{name}: must have no user name or password; set OTEL_EXPORTER_OTLP_HEADERS"));
    }
    if name == names[1] {
        match protocol {
            TracesProtocol::HttpProtobuf => {
                let path = format!("{}/{TRACES_PATH}", url.path().trim_end_matches('/'));
                url.set_path(&path);
            }
            TracesProtocol::Grpc => {}
        }
    }
    Ok(Some(url.into()))
}

fn headers(variables: &Variables<impl Fn(&str) -> Option<String>>) -> Result<Vec<(String, String)>, String> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];
    let Some((name, text)) = variables.first(&names) else { return Ok(Vec::new()) };
    // The message has neither names nor values, which may be secret.
    let wrong = || format!("{name}: must be names and values, as in name=value,other=value");
    let is_valid = |(key, value): &(String, String)| {
        http::HeaderName::from_bytes(key.as_bytes()).is_ok() && http::HeaderValue::from_str(value).is_ok()
    };
    let pairs = pairs(&text).ok_or_else(wrong)?;
    if pairs.iter().all(is_valid) { Ok(pairs) } else { Err(wrong()) }
}

/// `name=value` pairs with commas between them, their values percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        (!name.trim().is_empty()).then(|| (name.trim().to_owned(), value.into_owned()))
    };
    pairs.map(pair).collect()
}

fn sampler(variables: &Variables<impl Fn(&str) -> Option<String>>) -> Result<SamplerConfig, String> {
    let Some((name, text)) = variables.first(&["OTEL_TRACES_SAMPLER"]) else {
        return Ok(SamplerConfig { is_parent_based: true, root: RootSampler::AlwaysOn });
    };
    let root = text.strip_prefix("parentbased_");
    let is_parent_based = root.is_some();
    let root = match root.unwrap_or(&text) {
        "always_on" => RootSampler::AlwaysOn,
        "always_off" => RootSampler::AlwaysOff,
        "traceidratio" => RootSampler::Ratio(ratio(variables)?),
        _ => return Err(format!("{name}: `{text}` is not supported; samplers are {SAMPLERS}")),
    };
    Ok(SamplerConfig { is_parent_based, root })
}

fn ratio(variables: &Variables<impl Fn(&str) -> Option<String>>) -> Result<f64, String> {
    let Some((name, text)) = variables.first(&["OTEL_TRACES_SAMPLER_ARG"]) else { return Ok(1.0) };
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| format!("{name}: `{text}` must be a share from 0 to 1, as in 0.01"))
}

/// The attributes of the process. The variables take precedence over the gateway's own.
fn resource(variables: &Variables<impl Fn(&str) -> Option<String>>) -> Result<Vec<(String, String)>, String> {
    let mut resource = match variables.first(&["OTEL_RESOURCE_ATTRIBUTES"]) {
        None => Vec::new(),
        Some((name, text)) => pairs(&text)
            .ok_or_else(|| format!("{name}: must be names and values, as in name=value,other=value"))?,
    };
    if let Some((_, service)) = variables.first(&["OTEL_SERVICE_NAME"]) {
        resource.retain(|(name, _)| name != "service.name");
        resource.push(("service.name".to_owned(), service));
    }
    for (name, value) in [
        ("service.name", env!("CARGO_PKG_NAME").to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", Uuid::new_v4().to_string()),
    ] {
        if resource.iter().all(|(known, _)| known != name) {
            resource.push((name.to_owned(), value));
        }
    }
    Ok(resource)
}
