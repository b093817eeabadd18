//! The values of labels. Each label has a fixed list of values; none holds an id, or anything that a caller sent.

use crate::telemetry::route::Route;

/// `operation_type`.
pub(super) const OPERATION_TYPES: [&str; 4] = ["query", "mutation", "subscription", "unknown"];

/// `code` of operations: no error, no response, and the schema's error codes.
pub(super) const CODES: [&str; 26] = [
    "OK",
    "CANCELLED",
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "BAD_USER_INPUT",
    "CONFLICT",
    "APPROVAL_REQUIRED",
    "APPROVAL_PENDING",
    "IDEMPOTENCY_KEY_REUSED",
    "THROTTLED",
    "UPSTREAM_UNAVAILABLE",
    "STATE_UNAVAILABLE",
    "UPSTREAM_TIMEOUT",
    "UPSTREAM_ERROR",
    "UPSTREAM_NOT_SUPPORTED",
    "OUTCOME_UNKNOWN",
    "OVERLOADED",
    "BAD_REQUEST",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "QUERY_TOO_LARGE",
    "INTROSPECTION_DISABLED",
    "PERSISTED_QUERY_NOT_FOUND",
    "PERSISTED_QUERY_NOT_SUPPORTED",
    "INTERNAL_SERVER_ERROR",
];

/// `method` and `route` of calls to Graph.
pub(super) const CALLS: [(&str, Route); 17] = [
    ("POST", Route::Batch),
    ("GET", Route::Configurations),
    ("POST", Route::Configurations),
    ("GET", Route::Configuration),
    ("PATCH", Route::Configuration),
    ("DELETE", Route::Configuration),
    ("POST", Route::Assign),
    ("GET", Route::Assignments),
    ("GET", Route::GroupAssignments),
    ("GET", Route::UserStatuses),
    ("GET", Route::DeviceStatuses),
    ("POST", Route::DeviceStatuses),
    ("POST", Route::DeviceStatusesRef),
    ("GET", Route::DeviceStatus),
    ("PATCH", Route::DeviceStatus),
    ("DELETE", Route::DeviceStatus),
    ("other", Route::Other),
];

/// `status` of responses of Graph, before [`NoResponse`].
pub(super) const STATUSES: [&str; 14] =
    ["2xx", "3xx", "400", "401", "403", "404", "409", "429", "4xx", "500", "502", "503", "504", "5xx"];

/// The index of an HTTP status in [`STATUSES`].
pub(super) fn status_index(status: u16) -> usize {
    match status {
        ..300 => 0,
        300..400 => 1,
        400 => 2,
        401 => 3,
        403 => 4,
        404 => 5,
        409 => 6,
        429 => 7,
        402..500 => 8,
        500 => 9,
        502 => 10,
        503 => 11,
        504 => 12,
        _ => 13,
    }
}

/// Declares a label with its values.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$value_doc])* $value,)* }

        impl $name {
            pub(super) const VALUES: &[&'static str] = &[$($text),*];
        }
    };
}

label! {
    /// `status` of calls to Graph without a usable response.
    NoResponse {
        /// The connection was lost, or the response was incomplete or unreadable.
        Lost => "lost",
        Timeout => "timeout",
        NotConnected => "not_connected",
        /// Graph refused the HTTP/2 stream, or closed the connection before it read the request.
        NotProcessed => "not_processed",
        /// The request ended before the response.
        Cancelled => "cancelled",
    }
}

impl NoResponse {
    /// The value's name.
    pub(crate) fn as_str(self) -> &'static str {
        Self::VALUES[self as usize]
    }
}

label! {
    /// `reason` of calls that were not sent.
    NotSent {
        /// Graph's `Retry-After` to this caller has not passed.
        RetryAfter => "retry_after",
        BreakerOpen => "breaker_open",
    }
}

label! {
    /// `reason` of retries.
    RetryReason {
        Throttled => "throttled",
        Unavailable => "unavailable",
        NotConnected => "not_connected",
        Refused => "refused",
        Lost => "lost",
    }
}

label! {
    /// `result` of trace spans.
    SpanResult {
        Exported => "exported",
        /// The queue was full, or a request had too many spans.
        Dropped => "dropped",
        /// The collector did not accept them.
        Failed => "failed",
    }
}

label! {
    /// `reason` of rejections: the limit that was reached.
    Overloaded {
        /// As many requests are in flight and queued as may be.
        Full => "full",
        /// The request waited for a permit until its deadline.
        WaitedTooLong => "waited_too_long",
        /// The caller uses its share of the requests.
        CallerShare => "caller_share",
        /// Request bodies or unsent responses use as much memory as they may.
        Memory => "memory",
    }
}

label! {
    /// `state` of the circuit breaker.
    BreakerState {
        Closed => "closed",
        Open => "open",
        HalfOpen => "half_open",
    }
}

label! {
    /// `kind` of batches.
    BatchKind {
        Read => "read",
        Write => "write",
    }
}

label! {
    /// `outcome` of writes.
    WriteResult {
        Succeeded => "succeeded",
        NotSent => "not_sent",
        Rejected => "rejected",
        Unknown => "unknown",
        /// Graph asks for a justification.
        ApprovalRequired => "approval_required",
        Applied => "applied",
    }
}

label! {
    /// `result` of lookups of idempotency keys.
    LookupResult {
        Acquired => "acquired",
        InProgress => "in_progress",
        Conflict => "conflict",
        Completed => "completed",
        Full => "full",
        Failed => "failed",
    }
}

label! {
    /// `result` of look-ups and registrations of persisted documents that replicas share.
    SharedDocumentResult {
        Found => "found",
        NotFound => "not_found",
        /// No response in time, no connection, or too many look-ups.
        Failed => "failed",
        /// The text does not have the hash.
        Invalid => "invalid",
        Stored => "stored",
        NotStored => "not_stored",
    }
}

label! {
    /// `result` of events between replicas.
    SharedEventResult {
        Sent => "sent",
        /// The server could not be reached, or too many events waited.
        NotSent => "not_sent",
        Received => "received",
        /// Received twice.
        Duplicate => "duplicate",
        /// Received, and malformed or of another version.
        Invalid => "invalid",
    }
}

label! {
    /// `result` of reads of the manifest of trusted documents while the gateway runs.
    ReloadResult {
        Loaded => "loaded",
        /// The previous documents stay.
        Rejected => "rejected",
    }
}

label! {
    /// `kind` of deviations of Graph from its documentation.
    Deviation {
        FilterIgnored => "filter_ignored",
        CountFilterIgnored => "count_filter_ignored",
        OrderIgnored => "order_ignored",
        ShortList => "short_list",
        UnreadableRow => "unreadable_row",
        RepeatedLink => "repeated_link",
        UnusableLink => "unusable_link",
        BrokenBatch => "broken_batch",
        UnexpectedResponse => "unexpected_response",
    }
}

label! {
    /// `option` of lists that are read without a query option.
    RefusedOption {
        Filter => "filter",
        OrderBy => "orderby",
        Count => "count",
    }
}
