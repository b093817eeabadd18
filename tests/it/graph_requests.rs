//! The requests that the gateway sent to Graph, from the sandbox's record. The items of a batch count like single requests.

use percent_encoding::percent_decode_str;

use crate::harness::Gateway;

const ROOT: &str = "/beta";
const CONFIGURATIONS: &str = "/deviceAppManagement/iosLobAppProvisioningConfigurations";

/// A request to Graph: a single request, or an item of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GraphRequest {
    /// The path below the service root, as it was sent.
    pub(crate) path: String,
    /// As it was sent, without `?`.
    pub(crate) query: String,
}

impl GraphRequest {
    fn new(url: &str) -> Self {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        Self { path: path.to_owned(), query: query.to_owned() }
    }

    /// A query option, percent-decoded.
    pub(crate) fn option(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
        let value = values.next()?;
        assert_eq!(values.next(), None, "{name} is there twice: {self:?}");
        Some(percent_decode_str(value).decode_utf8().unwrap().into_owned())
    }

    /// The resource of a read: the path below a configuration, with `*` for keys; empty for the
    /// configurations themselves.
    pub(crate) fn shape(&self) -> String {
        let rest = self.path.strip_prefix(CONFIGURATIONS).unwrap_or_else(|| panic!("outside: {self:?}"));
        let segments = rest.split('/').skip(1).enumerate();
        let segments = segments.map(|(index, segment)| match (index % 2, segment) {
            (0, key) if key != "$count" => "*".to_owned(),
            (_, name) => name.to_owned(),
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// The requests since the last [`Gateway::clear_requests`], in order: one request, or the items of a batch.
pub(crate) fn graph_requests(gateway: &Gateway) -> Vec<Vec<GraphRequest>> {
    assert_eq!(gateway.sandbox.dropped_requests(), 0, "the record is too short for this test");
    let requests = gateway.sent();
    let operations = requests.iter().map(|request| {
        let path = request.path.strip_prefix(ROOT).unwrap_or_else(|| panic!("outside: {request:?}"));
        if path == "/$batch" {
            let items = request.batch_items();
            assert!((2..=20).contains(&items.len()), "a batch of {}", items.len());
            assert!(items.iter().all(|item| item["method"] == "GET"), "{items:?}");
            return items.iter().map(|item| GraphRequest::new(item["url"].as_str().unwrap())).collect();
        }
        let query = request.query.clone().unwrap_or_default();
        vec![GraphRequest { path: path.to_owned(), query }]
    });
    operations.collect()
}

/// The shapes of the requests, request by request.
pub(crate) fn request_shapes(gateway: &Gateway) -> Vec<Vec<String>> {
    graph_requests(gateway).iter().map(|request| request.iter().map(GraphRequest::shape).collect()).collect()
}

/// All requests of one shape.
pub(crate) fn requests_of_shape(gateway: &Gateway, shape: &str) -> Vec<GraphRequest> {
    graph_requests(gateway).concat().into_iter().filter(|requested| requested.shape() == shape).collect()
}
