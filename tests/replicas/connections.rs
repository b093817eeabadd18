//! How gateways connect to the server: passwords, TLS, servers that cannot be used, and warnings.

use std::io::Write as _;

use crate::redis_certificate::RedisCertificate;
use crate::redis_server::RedisServer;
use crate::replica::{Deployment, Replica};

fn refused(deployment: &Deployment, url: &str, more: &[&str], variables: &[(&str, &str)]) -> String {
    let arguments = [&["--graph-url", &deployment.root, "--state-url", url], more].concat();
    let log = Replica::start(&arguments, variables).err().expect("the gateway does not start");
    let last = log.lines().last().unwrap_or_default().to_owned();
    assert!(!log.contains("s3cret"), "{log}");
    last
}

#[tokio::test]
async fn the_password_comes_from_a_variable_or_a_file() {
    let redis = RedisServer::start_with(&["--requirepass", "s3cret"], &[]).unwrap();
    let deployment = Deployment::with_redis(redis).await;
    let url = deployment.redis.url();
    let variable = [("INTUNE_GRAPHQL_STATE_PASSWORD", "s3cret")];
    let replica = deployment.replica_at(&url, &[], &variable);
    replica.add("1").await.created();
    assert!(!replica.kill().contains("s3cret"));

    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "s3cret").unwrap();
    let path = file.path().to_str().unwrap();
    let replica = deployment.replica_at(&url, &["--state-password-file", path], &[]);
    assert!(replica.add("1").await.created().1);

    for variables in [&[][..], &[("INTUNE_GRAPHQL_STATE_PASSWORD", "wrong")]] {
        let error = refused(&deployment, &url, &[], variables);
        assert!(
            error.contains("--state-url")
                && error.contains("check the variable INTUNE_GRAPHQL_STATE_PASSWORD"),
            "{error}"
        );
    }
    let both = refused(&deployment, &url, &["--state-password-file", path], &variable);
    assert!(both.contains("set one of them"), "{both}");
    let with_user = url.replace("redis://", "redis://someone@");
    let error = refused(&deployment, &with_user, &[], &[]);
    assert!(error.contains("--state-url: a user needs a password"), "{error}");
    let error = refused(&deployment, &format!("{url}/99"), &[], &variable);
    assert!(error.contains("--state-url") && error.contains("DB index is out of range"), "{error}");
    let empty = tempfile::NamedTempFile::new().unwrap();
    let error = refused(&deployment, &url, &["--state-password-file", empty.path().to_str().unwrap()], &[]);
    assert!(error.contains("--state-password-file") && error.contains("is empty"), "{error}");
    let in_url = url.replace("redis://", "redis://:s3cret@");
    let error = refused(&deployment, &in_url, &[], &[]);
    assert!(error.contains("must not contain a password"), "{error}");
}

#[tokio::test]
async fn a_private_authority_is_trusted_if_it_is_named() {
    let certificate = RedisCertificate::generate().unwrap();
    let options = certificate.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let deployment = Deployment::with_redis(RedisServer::start_with(&options, &[]).unwrap()).await;
    let authority = certificate.authority();
    let trusted = ["--state-ca", authority.to_str().unwrap()];
    let replica = deployment.replica_at(&certificate.url(), &trusted, &[]);
    replica.add("1").await.created();

    // Without it, the connection fails, and the log says why.
    let other = deployment.replica_at(&certificate.url(), &[], &[]);
    assert_eq!(other.add("1").await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    let log = other.kill();
    assert!(log.contains("the shared state cannot be reached") && log.contains("authority"), "{log}");
    let error = refused(&deployment, &deployment.redis.url(), &trusted, &[]);
    assert!(error.contains("--state-ca: needs a rediss:// URL"), "{error}");
}

#[tokio::test]
async fn a_url_with_the_wrong_use_of_tls_is_named_in_the_log() {
    let certificate = RedisCertificate::generate().unwrap();
    let options = certificate.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let deployment = Deployment::with_redis(RedisServer::start_with(&options, &[]).unwrap()).await;
    let plain = certificate.url().replace("rediss://", "redis://");
    let log = deployment.replica_at(&plain, &[], &[]).kill();
    assert!(log.contains("if it uses TLS, the URL begins with rediss://"), "{log}");
    let secure = deployment.redis.url().replace("redis://", "rediss://");
    let log = deployment.replica_at(&secure, &[], &[]).kill();
    assert!(log.contains("if it does not use TLS, the URL begins with redis://"), "{log}");
}

#[tokio::test]
async fn servers_that_cannot_be_used_are_refused_with_the_reason() {
    let deployment = Deployment::start().await;
    let cluster = RedisServer::start_with(&["--cluster-enabled", "yes"], &[]).unwrap();
    let error = refused(&deployment, &cluster.url(), &[], &[]);
    assert!(error.contains("is part of a Cluster, which is not supported"), "{error}");
    let port = deployment.redis.port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {port}")], &[]).unwrap();
    let error = refused(&deployment, &replica.url(), &[], &[]);
    assert!(error.contains("is a read-only replica"), "{error}");
    for (url, part) in [
        ("redis+sentinel://127.0.0.1:1/main", "Sentinel and Cluster are not supported"),
        ("127.0.0.1:6379", "must be redis://HOST:PORT"),
    ] {
        let error = refused(&deployment, url, &[], &[]);
        assert!(error.contains("--state-url") && error.contains(part), "{error}");
    }
    let error = refused(&deployment, &deployment.redis.url(), &["--state-file", "/tmp/none"], &[]);
    assert!(error.contains("--state-url: replaces --state-file"), "{error}");
}

#[tokio::test]
async fn a_server_that_may_lose_data_is_warned_of_at_the_start() {
    let careful = Deployment::start().await;
    let log = careful.replica(&[]).kill();
    assert!(!log.contains("may lose"), "{log}");
    assert!(log.contains("set --cursor-key-file"), "{log}");
    let options = ["--appendfsync", "everysec", "--maxmemory-policy", "allkeys-lru"];
    let careless = Deployment::with_redis(RedisServer::start_with(&options, &[]).unwrap()).await;
    let log = careless.replica(&[]).kill();
    assert!(log.contains("appendfsync is everysec, not always"), "{log}");
    assert!(log.contains("maxmemory-policy is allkeys-lru, not noeviction"), "{log}");
    assert!(!log.contains("appendonly"), "{log}");
}
