//! Filters and orders: the returned rows, and the OData that is sent to Graph.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::graph_requests::requests_of_shape;
use crate::harness::Gateway;
use crate::pagination::{Listed, gateway_of, list};

/// The positions of the rows that a filter returns, and the `$filter` that was sent.
async fn filtered(gateway: &Gateway, filter: &Value) -> (Vec<String>, Option<String>) {
    gateway.clear_requests();
    let page = Listed::read(gateway, json!({"first": 1000, "filter": filter})).await;
    assert!(!page.has_next());
    let requested = requests_of_shape(gateway, "*/deviceStatuses");
    (page.keys, requested.first().and_then(|requested| requested.option("$filter")))
}

/// The keys of the rows that a condition holds for.
fn meeting(gateway: &Gateway, condition: impl Fn(&Value) -> bool) -> Vec<String> {
    let rows = gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID);
    rows.iter().filter(|row| condition(row)).map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

type Condition = fn(&Value) -> bool;

#[tokio::test]
async fn each_operator_returns_the_matching_rows() {
    let gateway = gateway_of(120).await;
    let cases: &[(Value, &str, Condition)] = &[
        (json!({"status": {"eq": "NON_COMPLIANT"}}), "status eq 'nonCompliant'", |row| {
            row["status"] == "nonCompliant"
        }),
        (json!({"status": {"ne": "ERROR"}}), "status ne 'error'", |row| row["status"] != "error"),
        (
            json!({"status": {"in": ["UNKNOWN", "NOT_ASSIGNED"]}}),
            "status eq 'unknown' or status eq 'notAssigned'",
            |row| row["status"] == "unknown" || row["status"] == "notAssigned",
        ),
        (json!({"platform": {"eq": 8}}), "platform eq 8", |row| row["platform"] == 8),
        (json!({"platform": {"ne": 8}}), "platform ne 8", |row| row["platform"] != 8),
        (json!({"platform": {"in": [8, -1]}}), "platform eq 8 or platform eq -1", |row| row["platform"] == 8),
        (json!({"platform": {"lt": 8, "ge": 0}}), "platform lt 8 and platform ge 0", |row| {
            row["platform"] == 0
        }),
        (json!({"platform": {"gt": 0, "le": 8}}), "platform le 8 and platform gt 0", |row| {
            row["platform"] == 8
        }),
        (json!({"platform": {"gt": -2147483648}}), "platform gt -2147483648", |_| true),
        (json!({"deviceDisplayName": {"eq": "IPAD-000007"}}), "deviceDisplayName eq 'IPAD-000007'", |row| {
            row["deviceDisplayName"] == "IPAD-000007"
        }),
        // Graph decides whether case matters.
        (json!({"deviceDisplayName": {"eq": "ipad-000007"}}), "deviceDisplayName eq 'ipad-000007'", |row| {
            row["deviceDisplayName"] == "IPAD-000007"
        }),
        (json!({"userName": {"ne": "System account"}}), "userName ne 'System account'", |row| {
            row["userName"] != "System account"
        }),
        (
            json!({"userName": {"in": ["User 000001", "x"]}}),
            "userName eq 'User 000001' or userName eq 'x'",
            |row| row["userName"] == "User 000001",
        ),
        (
            json!({"userPrincipalName": {"startsWith": "user00010"}}),
            "startswith(userPrincipalName,'user00010')",
            |row| row["userPrincipalName"].as_str().unwrap().starts_with("user00010"),
        ),
        (json!({"userPrincipalName": {"contains": "11"}}), "contains(userPrincipalName,'11')", |row| {
            row["userPrincipalName"].as_str().unwrap().contains("11")
        }),
        (json!({"deviceModel": {"eq": null}}), "deviceModel eq null", |row| row["deviceModel"].is_null()),
        (json!({"deviceModel": {"ne": null}}), "deviceModel ne null", |row| !row["deviceModel"].is_null()),
        (
            json!({"complianceGracePeriodExpirationDateTime": {"eq": "9999-12-31T23:59:59.9999999Z"}}),
            "complianceGracePeriodExpirationDateTime eq 9999-12-31T23:59:59.9999999Z",
            |row| row["complianceGracePeriodExpirationDateTime"] == "9999-12-31T23:59:59.9999999Z",
        ),
        (
            // The same instant with any offset.
            json!({"complianceGracePeriodExpirationDateTime": {"le": "0001-01-01T02:00:00+02:00"}}),
            "complianceGracePeriodExpirationDateTime le 0001-01-01T02:00:00+02:00",
            |row| row["complianceGracePeriodExpirationDateTime"] == "0001-01-01T00:00:00Z",
        ),
        (
            json!({"lastReportedDateTime": {"lt": "2026-11-02T09:00:00+01:00", "ge": "2026-11-02T07:30:00Z"}}),
            "lastReportedDateTime lt 2026-11-02T09:00:00+01:00 and lastReportedDateTime ge 2026-11-02T07:30:00Z",
            |row| {
                let reported = row["lastReportedDateTime"].as_str().unwrap();
                ("2026-11-02T07:30:00".."2026-11-02T08:00:00").contains(&reported)
            },
        ),
        (
            json!({"lastReportedDateTime": {"gt": "0001-01-01T00:00:00Z"}}),
            "lastReportedDateTime gt 0001-01-01T00:00:00Z",
            |row| row["lastReportedDateTime"] != "0001-01-01T00:00:00Z",
        ),
        (
            json!({"platform": {"eq": 8}, "or": [{"status": {"eq": "NON_COMPLIANT"}}, {"status": {"eq": "UNKNOWN"}, "userName": {"contains": "2"}}]}),
            "platform eq 8 and (status eq 'nonCompliant' or (status eq 'unknown' and contains(userName,'2')))",
            |row| {
                row["platform"] == 8
                    && (row["status"] == "nonCompliant"
                        || (row["status"] == "unknown" && row["userName"].as_str().unwrap().contains('2')))
            },
        ),
        (
            json!({"not": {"or": [{"platform": {"eq": 8}}, {"not": {"status": {"ne": "CONFLICT"}}}]}}),
            "not (platform eq 8 or not (status ne 'conflict'))",
            |row| row["platform"] != 8 && row["status"] != "conflict",
        ),
        (
            json!({"and": [{"platform": {"in": [0, 8]}}, {"status": {"eq": "REMEDIATED"}}]}),
            "(platform eq 0 or platform eq 8) and status eq 'remediated'",
            |row| row["status"] == "remediated",
        ),
    ];
    for (filter, text, condition) in cases {
        let (keys, requested) = filtered(&gateway, filter).await;
        assert_eq!(requested.as_deref(), Some(*text));
        let expected = meeting(&gateway, condition);
        assert!(!expected.is_empty(), "{text} has no rows to show");
        assert_eq!(keys, expected, "{text}");
    }
}

#[tokio::test]
async fn constant_conditions_are_not_sent_to_graph() {
    let gateway = gateway_of(20).await;
    for always in [
        json!({}),
        json!({"and": []}),
        json!({"not": {"or": []}}),
        json!({"or": [{}, {"platform": {"eq": 1}}]}),
        Value::Null,
        json!({"platform": {}}),
    ] {
        let (keys, requested) = filtered(&gateway, &always).await;
        assert_eq!((keys.len(), requested), (20, None), "{always}");
    }
    for never in [
        json!({"or": []}),
        json!({"platform": {"in": []}}),
        json!({"not": {}}),
        json!({"and": [{"userName": {"in": []}}, {"platform": {"eq": 8}}]}),
        json!({"status": {"in": []}}),
    ] {
        let (keys, requested) = filtered(&gateway, &never).await;
        assert_eq!((keys.len(), requested), (0, None), "{never}");
        assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses"), []);
    }
    let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        deviceStatuses(filter: {or: []}) { totalCount edges { cursor } pageInfo { hasNextPage endCursor } } } }";
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    let nothing =
        json!({"totalCount": 0, "edges": [], "pageInfo": {"hasNextPage": false, "endCursor": null}});
    assert_eq!(reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"], nothing);
}

#[tokio::test]
async fn null_is_a_null_test_or_bad_input() {
    let gateway = gateway_of(20).await;
    for filter in [
        json!({"and": null}),
        json!({"or": null}),
        json!({"not": null}),
        json!({"platform": null}),
        json!({"status": null}),
        json!({"userName": null}),
        json!({"lastReportedDateTime": null}),
        json!({"userName": {"in": null}}),
        json!({"userName": {"startsWith": null}}),
        json!({"userName": {"contains": null}}),
        json!({"platform": {"lt": null}}),
        json!({"platform": {"ge": null}}),
        json!({"platform": {"in": [null]}}),
        json!({"lastReportedDateTime": {"le": null}}),
        json!({"lastReportedDateTime": {"gt": null}}),
        json!({"status": {"in": null}}),
        json!({"or": [{"not": {"platform": {"le": null}}}]}),
        json!({"or": [null]}),
        json!({"status": {"eq": "UNKNOWN_FUTURE_VALUE"}}),
        json!({"lastReportedDateTime": {"eq": "2026-11-02"}}),
        json!({"platform": {"eq": 2147483648_i64}}),
    ] {
        gateway.clear_requests();
        let reply = list(&gateway, json!({"filter": filter})).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{filter}");
        assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses"), [], "{filter}");
    }
    for (filter, text) in [
        (json!({"platform": {"eq": null}}), "platform eq null"),
        (json!({"status": {"ne": null}}), "status ne null"),
        (json!({"lastReportedDateTime": {"eq": null}}), "lastReportedDateTime eq null"),
        (json!({"userName": {"eq": null, "ne": null}}), "userName eq null and userName ne null"),
    ] {
        assert_eq!(filtered(&gateway, &filter).await.1.as_deref(), Some(text));
    }
}

#[tokio::test]
async fn the_size_of_a_filter_is_limited() {
    let gateway = gateway_of(20).await;
    let nested =
        |depth: usize| (1..depth).fold(json!({"platform": {"eq": 8}}), |inner, _| json!({"not": inner}));
    let wide = |count: usize| json!({"platform": {"in": (0..count).collect::<Vec<_>>()}});
    let names = |count: usize, name: &str| json!({"userName": {"in": vec![name; count]}});
    for filter in [nested(8), wide(100), names(60, "Zoë"), names(1, &"x".repeat(3000))] {
        list(&gateway, json!({"filter": filter})).await.data();
    }
    for filter in [
        nested(9),
        nested(30),
        wide(101),
        names(1, &"x".repeat(10_000)),
        names(1, &"\u{1f4f1}".repeat(1000)),
        json!({"or": vec![json!({"platform": {"eq": 1}}); 101]}),
    ] {
        gateway.clear_requests();
        let reply = list(&gateway, json!({"filter": filter})).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT");
        assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses"), []);
    }
}

/// Any filter allows paging: the link and the cursor repeat it, percent-encoded.
#[tokio::test]
async fn the_longest_filter_can_be_paged() {
    let gateway = gateway_of(60).await;
    let filter = |count: usize| json!({"not": {"userName": {"in": vec!["機器機器機器機器機器機器"; count]}}});
    let mut longest = 0;
    for count in 1..=100 {
        let reply = list(&gateway, json!({"first": 10, "filter": filter(count)})).await;
        if reply.json.get("errors").is_some() {
            assert_eq!(reply.code(), "BAD_USER_INPUT");
            break;
        }
        longest = count;
    }
    assert!((10..100).contains(&longest), "{longest}");
    let keys = crate::pagination::walk(&gateway, json!({"first": 7, "filter": filter(longest)})).await;
    assert_eq!(keys.len(), 60);
}

#[tokio::test]
async fn each_field_orders_in_both_directions() {
    let gateway = gateway_of(40).await;
    for (field, property) in [
        ("STATUS", "status"),
        ("PLATFORM", "platform"),
        ("DEVICE_DISPLAY_NAME", "deviceDisplayName"),
        ("USER_NAME", "userName"),
        ("DEVICE_MODEL", "deviceModel"),
        ("USER_PRINCIPAL_NAME", "userPrincipalName"),
        ("LAST_REPORTED_DATE_TIME", "lastReportedDateTime"),
        ("COMPLIANCE_GRACE_PERIOD_EXPIRATION_DATE_TIME", "complianceGracePeriodExpirationDateTime"),
    ] {
        for (direction, text) in [("ASC", "asc"), ("DESC", "desc")] {
            gateway.clear_requests();
            let order = json!({"field": field, "direction": direction});
            let page = Listed::read(&gateway, json!({"first": 40, "orderBy": order})).await;
            assert_eq!(page.keys.len(), 40);
            let [requested] = &requests_of_shape(&gateway, "*/deviceStatuses")[..] else {
                panic!("one list")
            };
            assert_eq!(requested.option("$orderby").unwrap(), format!("{property} {text}"));
        }
    }
    let newest = Listed::read(
        &gateway,
        json!({"first": 1, "orderBy": {"field": "DEVICE_DISPLAY_NAME", "direction": "DESC"}}),
    )
    .await;
    assert_eq!(newest.keys, meeting(&gateway, |row| row["deviceDisplayName"] == "IPAD-000039"));
}

#[tokio::test]
async fn configurations_are_filtered_and_ordered() {
    let gateway = Gateway::start().await;
    let query = "query($filter: IosLobAppProvisioningConfigurationFilter, $orderBy: IosLobAppProvisioningConfigurationOrder) {
        iosLobAppProvisioningConfigurations(first: 10, filter: $filter, orderBy: $orderBy) {
            totalCount nodes { displayName } pageInfo { hasNextPage hasPreviousPage startCursor } } }";
    for (filter, text, numbers) in [
        (
            json!({"displayName": {"eq": "Line-of-business profile 2"}}),
            "displayName eq 'Line-of-business profile 2'",
            vec![2],
        ),
        (json!({"description": {"eq": null}}), "description eq null", vec![2]),
        (json!({"description": {"eq": ""}}), "description eq ''", vec![4]),
        (
            json!({"version": {"eq": 1}, "payloadFileName": {"startsWith": "profile-3"}}),
            "version eq 1 and startswith(payloadFileName,'profile-3')",
            vec![3],
        ),
        (json!({"expirationDateTime": {"eq": null}}), "expirationDateTime eq null", vec![2]),
        (
            json!({"createdDateTime": {"lt": "2026-10-31T00:00:00Z"}}),
            "createdDateTime lt 2026-10-31T00:00:00Z",
            vec![4, 5],
        ),
        (
            json!({"lastModifiedDateTime": {"ge": "2026-11-01T00:00:00+00:00"}}),
            "lastModifiedDateTime ge 2026-11-01T00:00:00+00:00",
            vec![1, 2],
        ),
        (
            json!({"or": [{"displayName": {"contains": "1"}}, {"not": {"version": {"lt": 5}}}, {"and": []}]}),
            "",
            vec![1, 2, 3, 4, 5],
        ),
    ] {
        gateway.clear_requests();
        let reply = gateway.graphql(query, json!({"filter": filter})).await;
        let list = &reply.data()["iosLobAppProvisioningConfigurations"];
        let names: Vec<_> = numbers
            .iter()
            .map(|number| json!({"displayName": format!("Line-of-business profile {number}")}))
            .collect();
        assert_eq!(list["nodes"], json!(names), "{text}");
        assert_eq!(list["totalCount"], names.len());
        let [requested] = &requests_of_shape(&gateway, "")[..] else { panic!("one list") };
        assert_eq!(requested.option("$filter").unwrap_or_default(), text);
    }
    for (field, property) in [
        ("DISPLAY_NAME", "displayName"),
        ("PAYLOAD_FILE_NAME", "payloadFileName"),
        ("VERSION", "version"),
        ("EXPIRATION_DATE_TIME", "expirationDateTime"),
        ("CREATED_DATE_TIME", "createdDateTime"),
        ("LAST_MODIFIED_DATE_TIME", "lastModifiedDateTime"),
    ] {
        gateway.clear_requests();
        let reply = gateway.graphql(query, json!({"orderBy": {"field": field, "direction": "DESC"}})).await;
        assert_eq!(reply.data()["iosLobAppProvisioningConfigurations"]["totalCount"], 5);
        let [requested] = &requests_of_shape(&gateway, "")[..] else { panic!("one list") };
        assert_eq!(requested.option("$orderby").unwrap(), format!("{property} desc"));
    }
}
