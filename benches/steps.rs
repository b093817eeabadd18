//! Micro-benchmarks of the steps that a request takes, without network: `cargo bench --features benchmarks`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Value;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use graphql_prepare::Limits;
use intune_graphql::benchmarks::{
    batch_request, create_body, map_status, read_batch_response, read_created_status, read_page,
};
use intune_graphql::graph::ReadRates;
use intune_graphql::idempotency::{IdempotencyService, MemoryStore};
use intune_graphql::schema::{Api, ApiSettings, CursorKey, GraphqlRequest, TrustedDocuments};
use serde_json::{Value as Json, json};

const ADD: &str = include_str!("../bench/requests/add.json");
const READ_20: &str = include_str!("../bench/requests/read20.json");
const BULK: &str = include_str!("../bench/requests/bulk.json");
const BULK_ITEMS: usize = 1000;
const BATCH_ITEMS: usize = 20;
const CREATE_URL: &str = "/deviceAppManagement/iosLobAppProvisioningConfigurations/7c9e6679-7425-40de-944b-e07fc1f90ae7/deviceStatuses";

criterion_group! {
    name = steps;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).warm_up_time(Duration::from_secs(1));
    targets = preparing, mapping, reading, batching
}
criterion_main!(steps);

/// Parsing and validating a document, and coercing its variables.
fn preparing(criterion: &mut Criterion) {
    let api = api();
    let mut group = criterion.benchmark_group("prepare");
    let mut measure = |name: &str, request: GraphqlRequest| {
        // A document is cached when it is seen a second time.
        for _ in 0..2 {
            assert!(api.prepare(request.clone()).is_ok(), "{name} is refused");
        }
        group.bench_function(format!("{name}, cached document"), |bencher| {
            bencher.iter_batched(|| request.clone(), |request| api.prepare(request), BatchSize::SmallInput);
        });
        let mut number = 0_u64;
        let mut unseen = || {
            number += 1;
            let query = request.query.as_ref().map(|query| format!("{query}#{number}"));
            GraphqlRequest { query, ..request.clone() }
        };
        group.bench_function(format!("{name}, uncached document"), |bencher| {
            bencher.iter_batched(&mut unseen, |request| api.prepare(request), BatchSize::SmallInput);
        });
    };
    measure("add", request(ADD, 1));
    measure("read of 20", request(READ_20, 1));
    measure("bulk of 1000", request(BULK, BULK_ITEMS));
}

/// Converting a coerced input to the body of a create.
fn mapping(criterion: &mut Criterion) {
    let input = Value::from_json(status_input()).expect("it is an input");
    assert!(map_status(input.clone()).is_some(), "the input is refused");
    let body = |input: Value| map_status(input).map(|new| create_body(&new));
    let mut group = criterion.benchmark_group("input to body");
    group.bench_function("add", |bencher| {
        bencher.iter_batched(|| input.clone(), body, BatchSize::SmallInput);
    });
    group.throughput(Throughput::Elements(BULK_ITEMS as u64));
    group.bench_function("bulk of 1000", |bencher| {
        let inputs = || vec![input.clone(); BULK_ITEMS];
        let map = |inputs: Vec<Value>| {
            let bodies: Vec<Bytes> = inputs.into_iter().filter_map(body).collect();
            bodies.chunks(BATCH_ITEMS).map(|bodies| batch_request(CREATE_URL, bodies)).collect::<Vec<_>>()
        };
        bencher.iter_batched(inputs, map, BatchSize::LargeInput);
    });
}

/// Parsing Graph's responses to entities.
fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let created = Bytes::from(status(0).to_string());
    assert!(read_created_status(created.clone()), "the created status is not readable");
    group.bench_function("created status", |bencher| {
        bencher.iter(|| read_created_status(black_box(created.clone())));
    });
    for rows in [100, 1000] {
        let page = json!({"@odata.count": rows, "value": (0..rows).map(status).collect::<Vec<_>>()});
        let page = Bytes::from(page.to_string());
        assert_eq!(read_page(page.clone()), rows);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(format!("page of {rows}"), |bencher| {
            bencher.iter(|| read_page(black_box(page.clone())));
        });
    }
}

/// Writing and reading batches of creates.
fn batching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("batch of 20");
    let input = Value::from_json(status_input()).expect("it is an input");
    let new = map_status(input).expect("it is a status");
    let bodies = vec![create_body(&new); BATCH_ITEMS];
    group.throughput(Throughput::Elements(BATCH_ITEMS as u64));
    group.bench_function("request", |bencher| {
        bencher.iter(|| batch_request(black_box(CREATE_URL), black_box(&bodies)));
    });
    let headers = json!({"Content-Type": "application/json; odata.metadata=minimal; odata.streaming=true"});
    let item = |index: usize| json!({"id": index.to_string(), "status": 201, "headers": headers, "body": status(index)});
    let response = json!({"responses": (0..BATCH_ITEMS).map(item).collect::<Vec<_>>()}).to_string();
    assert_eq!(read_batch_response(response.as_bytes(), BATCH_ITEMS), BATCH_ITEMS);
    group.bench_function("response", |bencher| {
        bencher.iter(|| read_batch_response(black_box(response.as_bytes()), BATCH_ITEMS));
    });
}

/// An API with the default settings.
fn api() -> Api {
    let store = MemoryStore::new(1000).expect("the system has random numbers");
    let settings = ApiSettings {
        introspection: false,
        limits: Limits::default(),
        trusted_documents: TrustedDocuments::default(),
        default_page_size: 50,
        cursor_key: CursorKey::random().expect("the system has random numbers"),
        max_configuration_payload: 1024 * 1024,
        max_fallback_pages: 5,
        max_response: 16 * 1024 * 1024,
        idempotency: IdempotencyService::new(Arc::new(store), Duration::from_secs(60)),
        subscription_recheck: Duration::from_secs(60),
        subscription_reads: ReadRates { subscriber: 10, process: 25 },
        shared_events: None,
        shared_documents: None,
    };
    Api::new(settings).expect("no trusted document is wrong")
}

/// A request of `bench/requests`. A bulk adds its one status `items` times.
fn request(text: &str, items: usize) -> GraphqlRequest {
    let mut body: Json = serde_json::from_str(text).expect("it is JSON");
    if let Some(Json::Array(statuses)) = body.pointer_mut("/variables/input/deviceStatuses") {
        *statuses = vec![statuses[0].clone(); items];
    }
    let variables = body.get_mut("variables").map(Json::take).unwrap_or_default();
    GraphqlRequest {
        query: body["query"].as_str().map(str::to_owned),
        document_id: None,
        persisted_query: None,
        operation_name: None,
        variables: serde_json::from_value(variables).unwrap_or_default(),
        is_read_only: false,
        client_name: None,
    }
}

/// The input of the add in `bench/requests`.
fn status_input() -> Json {
    let mut body: Json = serde_json::from_str(ADD).expect("it is JSON");
    body["variables"]["input"]["deviceStatus"].take()
}

/// A device status as Graph sends it.
fn status(number: usize) -> Json {
    json!({
        "@odata.type": "#microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus",
        "id": format!("9b2d4c1e-0000-4000-8000-{number:012x}"),
        "deviceDisplayName": "Device Display Name value",
        "userName": "User Name value",
        "deviceModel": "Device Model value",
        "platform": 8,
        "complianceGracePeriodExpirationDateTime": "2016-12-31T23:56:44.9519127-08:00",
        "status": "notApplicable",
        "lastReportedDateTime": "2017-01-01T00:00:17.7769392-08:00",
        "userPrincipalName": "User Principal Name value"
    })
}
