//! Connections are served by several threads.

use futures_util::future::join_all;
use serde_json::json;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, fresh_token};

#[tokio::test(flavor = "multi_thread")]
async fn requests_on_several_workers_are_served_and_end_before_the_gateway_stops() {
    let gateway = Gateway::builder().settings(|settings| settings.workers = 3).start().await;
    let before = gateway.status_count();
    for _ in 0..3 {
        // Each concurrent request has a connection of its own.
        let requests = (0..24).map(|number| {
            let token = fresh_token();
            let gateway = &gateway;
            async move {
                if number % 2 == 0 {
                    gateway.graphql_as(Some(&token), MUTATION, input(device_status())).await.data();
                } else {
                    gateway.graphql_as(Some(&token), "{ __typename }", json!({})).await.data();
                }
            }
        });
        join_all(requests).await;
    }
    assert_eq!(gateway.status_count(), before + 36);
    gateway.stop().await;
}
