//! What kind of server it is, and whether it loses data.

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value, cmd};

/// The oldest version that can be used: scripts that read the time may write.
const MIN_VERSION: u32 = 6;

/// A setting of the server, its right value, and what another value costs.
const ADVISED: [(&str, &str, &str); 3] = [
    ("maxmemory-policy", "noeviction", "the server may evict idempotency keys when its memory is full"),
    ("appendonly", "yes", "idempotency keys are lost when the server restarts"),
    ("appendfsync", "always", "the last second of idempotency keys is lost when the server crashes"),
];

/// Why the server cannot be used, from its `INFO`; `None` if it can be.
pub(super) fn unsupported(info: &str) -> Option<String> {
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim)).unwrap_or("")
    };
    let advice = "name one server, or one address that always leads to the primary";
    match field("redis_mode") {
        "sentinel" => return Some(format!("is a Sentinel, which is not supported; {advice}")),
        "cluster" => return Some(format!("is part of a Cluster, which is not supported; {advice}")),
        _ => {}
    }
    if is_replica(info) {
        return Some(format!("is a read-only replica; {advice}"));
    }
    let version = field("redis_version");
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    major
        .filter(|major| *major < MIN_VERSION)
        .map(|_| format!("has version {version}; Redis {MIN_VERSION} or later, or Valkey, is needed"))
}

/// Whether `INFO` is that of a replica, which takes no changes.
pub(super) fn is_replica(info: &str) -> bool {
    info.lines().any(|line| line.trim_end() == "role:slave")
}

/// The settings of the server under which it may lose data, each as a sentence.
pub(super) async fn risks(connection: &mut MultiplexedConnection) -> Vec<String> {
    let mut risks = Vec::new();
    for (name, advised, consequence) in ADVISED {
        let found: Result<Value, RedisError> =
            cmd("CONFIG").arg("GET").arg(name).query_async(connection).await;
        let value = found.ok().and_then(|value| redis::from_redis_value::<Vec<String>>(value).ok());
        match value.and_then(|mut pair| pair.pop()) {
            Some(value) if value == advised => {}
            Some(value) => risks.push(format!("{name} is {value}, not {advised}: {consequence}")),
            None => risks.push(format!("{name} cannot be read; it should be {advised}, or {consequence}")),
        }
    }
    risks
}

#[cfg(test)]
mod tests {
    use super::unsupported;

    #[test]
    fn only_a_single_primary_can_be_used() {
        let info = |version: &str, mode: &str, role: &str| {
            format!(
                "# Server\r\nredis_version:{version}\r\nredis_mode:{mode}\r\n# Replication\r\nrole:{role}\r\n"
            )
        };
        assert_eq!(unsupported(&info("7.2.4", "standalone", "master")), None);
        assert_eq!(unsupported(""), None, "the server does not show it");
        for (info, part) in [
            (info("7.0.15", "cluster", "master"), "is part of a Cluster"),
            (info("7.0.15", "sentinel", ""), "is a Sentinel"),
            (info("7.0.15", "standalone", "slave"), "is a read-only replica"),
            (info("5.0.14", "standalone", "master"), "has version 5.0.14"),
        ] {
            assert!(unsupported(&info).unwrap().starts_with(part), "{info}");
        }
    }
}
