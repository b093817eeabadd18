//! The fault plan selects the faults of each request and connection: those in the request's header, those of the rules,
//! and random ones.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Method;

use super::{
    BatchFault, ConnectionFault, DropFault, Fault, FaultKind, FaultResponse, FaultRule, FaultSyntaxError,
    ReadFault, SlowFault, StreamFault, SuccessFault,
};
use crate::call::{Message, Transport};
use crate::paging::SkipToken;
use crate::random::Random;
use crate::response::CloseMode;
use crate::settings::Settings;

/// The request header that names faults.
const HEADER: &str = "x-sandbox-fault";

/// The fault rules and their counters.
#[derive(Debug)]
pub(crate) struct FaultPlan(Mutex<PlanState>);

#[derive(Debug)]
struct PlanState {
    rules: Vec<RuleState>,
    random: Random,
}

#[derive(Debug)]
struct RuleState {
    rule: FaultRule,
    /// Number of requests or connections that matched.
    matched: u64,
    /// Number of requests or connections that had the fault.
    hit_count: u64,
}

/// The faults of one request.
#[derive(Debug, Default)]
pub(crate) struct ActiveFaults {
    pub(crate) request: Option<RequestFault>,
    pub(crate) slow: Option<SlowFault>,
    pub(crate) success: Option<SuccessFault>,
    pub(crate) read: Vec<ReadFault>,
    pub(crate) batch: Vec<BatchFault>,
    /// The text form of each fault.
    pub(crate) texts: Vec<String>,
}

/// The faults of one connection, before its first request.
#[derive(Debug, Default)]
pub(crate) struct ActiveConnectionFaults {
    /// Delay before the connection is accepted.
    pub(crate) accept: Duration,
    /// Delay before the TLS handshake.
    pub(crate) handshake: Duration,
    /// Close the connection before anything is read.
    pub(crate) close: Option<CloseMode>,
}

/// A fault that replaces the response to the whole request.
#[derive(Debug)]
pub(crate) enum RequestFault {
    Response(FaultResponse),
    Drop(DropFault),
    Stream(StreamFault),
}

impl FaultPlan {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self(Mutex::new(PlanState::new(settings)))
    }

    pub(crate) fn reset(&self, settings: &Settings) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = PlanState::new(settings);
    }

    pub(crate) fn add(&self, rule: FaultRule) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.rules.push(RuleState { rule, matched: 0, hit_count: 0 });
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rules.clear();
    }

    /// The rules, each with its number of hits.
    pub(crate) fn rules(&self) -> Vec<(FaultRule, u64)> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.rules.iter().map(|rule_state| (rule_state.rule.clone(), rule_state.hit_count)).collect()
    }

    /// Selects the faults of a request and counts them. A rule applies only if neither the request's header nor an earlier
    /// rule has set a fault of the same kind. A request that an earlier rule took does not count as a match.
    pub(crate) fn faults_for(
        &self,
        message: &Message,
        transport: Transport,
    ) -> Result<ActiveFaults, FaultSyntaxError> {
        let mut faults = ActiveFaults::default();
        for value in message.headers.get_all(HEADER) {
            let fault: Fault = String::from_utf8_lossy(value.as_bytes()).parse()?;
            if fault.applies_to(message, transport) && faults.accepts(&fault.0) {
                faults.add(fault);
            }
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let PlanState { rules, random } = &mut *state;
        for rule_state in rules {
            if rule_state.matches(message, transport, &faults, random) {
                faults.add(rule_state.rule.fault.clone());
            }
        }
        Ok(faults)
    }

    /// Selects the faults of a new connection and counts them. The first rule of each kind applies.
    pub(crate) fn connection_faults(&self, is_tls: bool) -> ActiveConnectionFaults {
        let mut faults = ActiveConnectionFaults::default();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let PlanState { rules, random } = &mut *state;
        for rule_state in rules {
            let FaultKind::Connection(fault) = rule_state.rule.fault.0 else { continue };
            let is_free = match fault {
                ConnectionFault::SlowAccept(_) => faults.accept.is_zero(),
                ConnectionFault::SlowHandshake(_) => is_tls && faults.handshake.is_zero(),
                ConnectionFault::Drop(_) => faults.close.is_none(),
            };
            if !is_free || rule_state.is_exhausted() || !rule_state.count_match(random) {
                continue;
            }
            match fault {
                ConnectionFault::SlowAccept(wait) => faults.accept = wait,
                ConnectionFault::SlowHandshake(wait) => faults.handshake = wait,
                ConnectionFault::Drop(close) => faults.close = Some(close),
            }
        }
        faults
    }
}

impl PlanState {
    fn new(settings: &Settings) -> Self {
        let mut rules: Vec<FaultRule> = settings.faults.clone();
        // Each fault of the mix has an equal share of the rate. A later rule matches only the requests that the earlier
        // ones did not take, so its own rate is higher for the same share.
        let mut left = 1.0;
        #[expect(clippy::cast_precision_loss, reason = "a mix has a handful of faults")]
        let share = settings.fault_rate / settings.fault_mix.len().max(1) as f64;
        for fault in &settings.fault_mix {
            rules.push(FaultRule { rate: (share / left).min(1.0), ..FaultRule::always(fault.clone()) });
            left -= share;
        }
        let rules = rules.into_iter().map(|rule| RuleState { rule, matched: 0, hit_count: 0 }).collect();
        // Another sequence than those of the data and of new ids.
        Self { rules, random: Random::new(settings.seed.rotate_left(32) ^ 0x5EED) }
    }
}

impl RuleState {
    fn matches(
        &mut self,
        message: &Message,
        transport: Transport,
        faults: &ActiveFaults,
        random: &mut Random,
    ) -> bool {
        let rule = &self.rule;
        let matches = rule.fault.applies_to(message, transport)
            && faults.accepts(&rule.fault.0)
            && !self.is_exhausted()
            && rule.method.as_ref().is_none_or(|method| *method == message.method)
            && rule
                .path_contains
                .as_ref()
                .is_none_or(|part| message.path_and_query().contains(part.as_str()))
            && rule.page.is_none_or(|page| page == page_number(message));
        matches && self.count_match(random)
    }

    fn is_exhausted(&self) -> bool {
        self.rule.times.is_some_and(|times| self.hit_count >= times)
    }

    /// Counts a match and returns whether the fault applies to it.
    fn count_match(&mut self, random: &mut Random) -> bool {
        self.matched += 1;
        let hit = self.matched > self.rule.skip && random.chance(self.rule.rate);
        self.hit_count += u64::from(hit);
        hit
    }
}

impl Fault {
    /// Whether the fault can apply to this kind of request.
    fn applies_to(&self, message: &Message, transport: Transport) -> bool {
        let is_item = transport == Transport::BatchItem;
        match &self.0 {
            FaultKind::Connection(_) => false,
            FaultKind::Stream(_) => transport == Transport::Http2,
            FaultKind::Response(_) => true,
            FaultKind::Drop(_) | FaultKind::Slow(_) => !is_item,
            FaultKind::Success(_) => {
                matches!(message.method, Method::POST | Method::PATCH) && !is_batch(message)
            }
            FaultKind::Read(_) => message.method == Method::GET,
            FaultKind::Batch(_) => !is_item && is_batch(message),
        }
    }
}

impl ActiveFaults {
    fn accepts(&self, kind: &FaultKind) -> bool {
        match kind {
            FaultKind::Connection(_) => false,
            FaultKind::Response(_) | FaultKind::Drop(_) | FaultKind::Stream(_) => self.request.is_none(),
            FaultKind::Slow(_) => self.slow.is_none(),
            FaultKind::Success(_) => self.success.is_none(),
            FaultKind::Read(_) | FaultKind::Batch(_) => true,
        }
    }

    fn add(&mut self, fault: Fault) {
        self.texts.push(fault.to_string());
        match fault.0 {
            FaultKind::Connection(_) => {}
            FaultKind::Stream(stream) => self.request = Some(RequestFault::Stream(stream)),
            FaultKind::Response(response) => self.request = Some(RequestFault::Response(response)),
            FaultKind::Drop(drop) => self.request = Some(RequestFault::Drop(drop)),
            FaultKind::Slow(slow) => self.slow = Some(slow),
            FaultKind::Success(success) => self.success = Some(success),
            FaultKind::Read(read) => self.read.push(read),
            FaultKind::Batch(batch) => self.batch.push(batch),
        }
    }
}

fn is_batch(message: &Message) -> bool {
    message.path.ends_with("/$batch")
}

/// The requested page number: 1 without a `$skiptoken`.
fn page_number(message: &Message) -> u64 {
    message
        .query
        .as_deref()
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("$skiptoken=")))
        .and_then(SkipToken::decode)
        .map_or(1, |token| token.page)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::{FaultPlan, FaultRule, Message, RequestFault, Transport};
    use crate::response::CloseMode;
    use crate::settings::Settings;

    fn request(method: Method, path: &str) -> Message {
        Message { method, path: path.to_owned(), query: None, headers: HeaderMap::new(), body: Bytes::new() }
    }

    fn plan(rules: &[&str]) -> FaultPlan {
        let faults = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        FaultPlan::new(&Settings { faults, ..Settings::default() })
    }

    fn statuses(plan: &FaultPlan, message: &Message, requests: usize) -> Vec<u16> {
        (0..requests)
            .map(|_| match plan.faults_for(message, Transport::Http1).unwrap().request {
                Some(RequestFault::Response(response)) => response.status.as_u16(),
                Some(RequestFault::Drop(_) | RequestFault::Stream(_)) => 1,
                None => 0,
            })
            .collect()
    }

    #[test]
    fn rules_apply_in_order() {
        let plan = plan(&["503;times=2", "429;skip=1;times=1", "drop-unread;times=1"]);
        let message = request(Method::GET, "/beta/x");
        // The second rule skips the first request that reaches it; the third rule drops that request.
        assert_eq!(statuses(&plan, &message, 6), [503, 503, 1, 429, 0, 0]);
    }

    #[test]
    fn rules_match_by_method_and_path() {
        let plan = plan(&["503;method=POST;path=deviceStatuses;times=1"]);
        assert_eq!(statuses(&plan, &request(Method::GET, "/beta/a/deviceStatuses"), 1), [0]);
        assert_eq!(statuses(&plan, &request(Method::POST, "/beta/a"), 1), [0]);
        assert_eq!(statuses(&plan, &request(Method::POST, "/beta/a/deviceStatuses"), 2), [503, 0]);
    }

    #[test]
    fn random_faults_keep_their_rate_and_mix() {
        let fault_mix = ["503", "429"].map(|text| text.parse().unwrap()).to_vec();
        let plan = FaultPlan::new(&Settings { fault_rate: 0.2, fault_mix, ..Settings::default() });
        let statuses = statuses(&plan, &request(Method::GET, "/beta/x"), 10_000);
        let share = |status| statuses.iter().filter(|found| **found == status).count();
        assert!((900..1100).contains(&share(503)), "{}", share(503));
        assert!((900..1100).contains(&share(429)), "{}", share(429));
    }

    #[test]
    fn an_invalid_fault_header_is_an_error() {
        let mut message = request(Method::GET, "/beta/x");
        message.headers.insert("x-sandbox-fault", http::HeaderValue::from_static("nope"));
        assert!(plan(&[]).faults_for(&message, Transport::Http1).is_err());
    }

    #[test]
    fn connection_and_stream_faults_apply_only_to_their_kind() {
        let plan = plan(&["slow-handshake;wait=1s;times=1", "drop-connection;skip=1", "refuse-stream"]);
        let first = plan.connection_faults(true);
        assert_eq!((first.handshake.as_secs(), first.close), (1, None));
        let second = plan.connection_faults(true);
        assert_eq!((second.handshake.as_secs(), second.close), (0, Some(CloseMode::Fin)));
        let message = request(Method::GET, "/beta/x");
        assert_eq!(statuses(&plan, &message, 1), [0], "there is no stream on HTTP/1.1");
        let faults = plan.faults_for(&message, Transport::Http2).unwrap();
        assert_eq!(faults.texts, ["refuse-stream"]);
        assert!(plan.faults_for(&message, Transport::BatchItem).unwrap().request.is_none());
    }

    #[test]
    fn an_exhausted_rule_is_listed_with_its_hits() {
        let plan = plan(&["503;times=1"]);
        statuses(&plan, &request(Method::GET, "/beta/x"), 2);
        assert_eq!(plan.rules(), [("503;times=1".parse::<FaultRule>().unwrap(), 1)]);
    }
}
