//! Which faults a request meets: those that it brings along, those of the rules, and random ones.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Method;

use super::{
    BatchFault, ConnectionFault, Drop, Fault, FaultAnswer, FaultRule, FaultSyntaxError, Kind, ReadFault,
    Slow, StreamFault, SuccessFault,
};
use crate::answer::Close;
use crate::call::{Carrier, Message};
use crate::paging::SkipToken;
use crate::random::Random;
use crate::settings::Settings;

/// Header with faults for the request that carries it.
const HEADER: &str = "x-sandbox-fault";

/// The rules, and how far each has come.
#[derive(Debug)]
pub(crate) struct Plan(Mutex<State>);

#[derive(Debug)]
struct State {
    rules: Vec<Active>,
    random: Random,
}

#[derive(Debug)]
struct Active {
    rule: FaultRule,
    /// Matching requests so far.
    seen: u64,
    /// Requests hit so far.
    hit: u64,
}

/// What one request meets.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) slow: Option<Slow>,
    pub(crate) success: Option<SuccessFault>,
    pub(crate) read: Vec<ReadFault>,
    pub(crate) batch: Vec<BatchFault>,
    /// All of them in their text form.
    pub(crate) texts: Vec<String>,
}

/// What one connection meets before its first request.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// How long it waits to be accepted.
    pub(crate) accept: Duration,
    /// How long its TLS handshake waits.
    pub(crate) handshake: Duration,
    /// It closes unread.
    pub(crate) close: Option<Close>,
}

/// What becomes of the request as a whole.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(FaultAnswer),
    Drop(Drop),
    Stream(StreamFault),
}

impl Plan {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self(Mutex::new(State::new(settings)))
    }

    pub(crate) fn reset(&self, settings: &Settings) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::new(settings);
    }

    pub(crate) fn add(&self, rule: FaultRule) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.rules.push(Active { rule, seen: 0, hit: 0 });
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rules.clear();
    }

    /// The rules, with the number of requests that each has hit.
    pub(crate) fn rules(&self) -> Vec<(FaultRule, u64)> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.rules.iter().map(|active| (active.rule.clone(), active.hit)).collect()
    }

    /// The faults of a request, taken off the rules. A rule hits only where no earlier one, and no fault of the
    /// request's own, has settled the same matter; requests settled earlier do not count for it.
    ///
    pub(crate) fn draw(&self, message: &Message, carrier: Carrier) -> Result<Drawn, FaultSyntaxError> {
        let mut drawn = Drawn::default();
        for value in message.headers.get_all(HEADER) {
            let fault: Fault = String::from_utf8_lossy(value.as_bytes()).parse()?;
            if fault.suits(message, carrier) && drawn.has_room_for(&fault.0) {
                drawn.take(fault);
            }
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { rules, random } = &mut *state;
        for active in rules {
            if active.hits(message, carrier, &drawn, random) {
                drawn.take(active.rule.fault.clone());
            }
        }
        Ok(drawn)
    }

    /// The faults of a new connection, taken off the rules. Of each kind the first that hits counts.
    pub(crate) fn draw_arrival(&self, is_tls: bool) -> Arrival {
        let mut arrival = Arrival::default();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { rules, random } = &mut *state;
        for active in rules {
            let Kind::Connection(fault) = active.rule.fault.0 else { continue };
            let has_room = match fault {
                ConnectionFault::SlowAccept(_) => arrival.accept.is_zero(),
                ConnectionFault::SlowHandshake(_) => is_tls && arrival.handshake.is_zero(),
                ConnectionFault::Drop(_) => arrival.close.is_none(),
            };
            if !has_room || active.is_spent() || !active.strikes(random) {
                continue;
            }
            match fault {
                ConnectionFault::SlowAccept(wait) => arrival.accept = wait,
                ConnectionFault::SlowHandshake(wait) => arrival.handshake = wait,
                ConnectionFault::Drop(close) => arrival.close = Some(close),
            }
        }
        arrival
    }
}

impl State {
    fn new(settings: &Settings) -> Self {
        let mut rules: Vec<FaultRule> = settings.faults.clone();
        // Each fault of the mix gets its share of the rate. A later rule sees only the requests that the earlier
        // ones let pass, so its own rate is higher for the same share.
        let mut left = 1.0;
        #[expect(clippy::cast_precision_loss, reason = "a mix has a handful of faults")]
        let share = settings.fault_rate / settings.fault_mix.len().max(1) as f64;
        for fault in &settings.fault_mix {
            rules.push(FaultRule { rate: (share / left).min(1.0), ..FaultRule::always(fault.clone()) });
            left -= share;
        }
        let rules = rules.into_iter().map(|rule| Active { rule, seen: 0, hit: 0 }).collect();
        // Another sequence than those of the data and of new ids.
        Self { rules, random: Random::new(settings.seed.rotate_left(32) ^ 0x5EED) }
    }
}

impl Active {
    fn hits(&mut self, message: &Message, carrier: Carrier, drawn: &Drawn, random: &mut Random) -> bool {
        let rule = &self.rule;
        let matches = rule.fault.suits(message, carrier)
            && drawn.has_room_for(&rule.fault.0)
            && !self.is_spent()
            && rule.method.as_ref().is_none_or(|method| *method == message.method)
            && rule
                .path_contains
                .as_ref()
                .is_none_or(|part| message.path_and_query().contains(part.as_str()))
            && rule.page.is_none_or(|page| page == page_number(message));
        matches && self.strikes(random)
    }

    fn is_spent(&self) -> bool {
        self.rule.times.is_some_and(|times| self.hit >= times)
    }

    /// Counts something that matches; whether the rule hits it.
    fn strikes(&mut self, random: &mut Random) -> bool {
        self.seen += 1;
        let hit = self.seen > self.rule.skip && random.chance(self.rule.rate);
        self.hit += u64::from(hit);
        hit
    }
}

impl Fault {
    /// Whether the fault has a meaning for the request.
    fn suits(&self, message: &Message, carrier: Carrier) -> bool {
        let is_item = carrier == Carrier::BatchItem;
        match &self.0 {
            Kind::Connection(_) => false,
            Kind::Stream(_) => carrier == Carrier::Http2,
            Kind::Answer(_) => true,
            Kind::Drop(_) | Kind::Slow(_) => !is_item,
            Kind::Success(_) => matches!(message.method, Method::POST | Method::PATCH) && !is_batch(message),
            Kind::Read(_) => message.method == Method::GET,
            Kind::Batch(_) => !is_item && is_batch(message),
        }
    }
}

impl Drawn {
    fn has_room_for(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Connection(_) => false,
            Kind::Answer(_) | Kind::Drop(_) | Kind::Stream(_) => self.outcome.is_none(),
            Kind::Slow(_) => self.slow.is_none(),
            Kind::Success(_) => self.success.is_none(),
            Kind::Read(_) | Kind::Batch(_) => true,
        }
    }

    fn take(&mut self, fault: Fault) {
        self.texts.push(fault.to_string());
        match fault.0 {
            Kind::Connection(_) => {}
            Kind::Stream(stream) => self.outcome = Some(Outcome::Stream(stream)),
            Kind::Answer(answer) => self.outcome = Some(Outcome::Answer(answer)),
            Kind::Drop(drop) => self.outcome = Some(Outcome::Drop(drop)),
            Kind::Slow(slow) => self.slow = Some(slow),
            Kind::Success(success) => self.success = Some(success),
            Kind::Read(read) => self.read.push(read),
            Kind::Batch(batch) => self.batch.push(batch),
        }
    }
}

fn is_batch(message: &Message) -> bool {
    message.path.ends_with("/$batch")
}

/// The number of the page that a request asks for: 1 without a `$skiptoken`.
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

    use super::{Carrier, FaultRule, Message, Outcome, Plan};
    use crate::answer::Close;
    use crate::settings::Settings;

    fn request(method: Method, path: &str) -> Message {
        Message { method, path: path.to_owned(), query: None, headers: HeaderMap::new(), body: Bytes::new() }
    }

    fn plan(rules: &[&str]) -> Plan {
        let faults = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        Plan::new(&Settings { faults, ..Settings::default() })
    }

    fn statuses(plan: &Plan, message: &Message, requests: usize) -> Vec<u16> {
        (0..requests)
            .map(|_| match plan.draw(message, Carrier::Http1).unwrap().outcome {
                Some(Outcome::Answer(answer)) => answer.status.as_u16(),
                Some(Outcome::Drop(_) | Outcome::Stream(_)) => 1,
                None => 0,
            })
            .collect()
    }

    #[test]
    fn rules_queue_up() {
        let plan = plan(&["503;times=2", "429;skip=1;times=1", "drop-unread;times=1"]);
        let message = request(Method::GET, "/beta/x");
        // The first request that reaches the second rule is let pass by it, and dropped by the third.
        assert_eq!(statuses(&plan, &message, 6), [503, 503, 1, 429, 0, 0]);
    }

    #[test]
    fn method_and_path_select() {
        let plan = plan(&["503;method=POST;path=deviceStatuses;times=1"]);
        assert_eq!(statuses(&plan, &request(Method::GET, "/beta/a/deviceStatuses"), 1), [0]);
        assert_eq!(statuses(&plan, &request(Method::POST, "/beta/a"), 1), [0]);
        assert_eq!(statuses(&plan, &request(Method::POST, "/beta/a/deviceStatuses"), 2), [503, 0]);
    }

    #[test]
    fn random_faults_keep_their_rate_and_mix() {
        let fault_mix = ["503", "429"].map(|text| text.parse().unwrap()).to_vec();
        let plan = Plan::new(&Settings { fault_rate: 0.2, fault_mix, ..Settings::default() });
        let statuses = statuses(&plan, &request(Method::GET, "/beta/x"), 10_000);
        let share = |status| statuses.iter().filter(|found| **found == status).count();
        assert!((900..1100).contains(&share(503)), "{}", share(503));
        assert!((900..1100).contains(&share(429)), "{}", share(429));
    }

    #[test]
    fn a_faulty_header_is_reported() {
        let mut message = request(Method::GET, "/beta/x");
        message.headers.insert("x-sandbox-fault", http::HeaderValue::from_static("nope"));
        assert!(plan(&[]).draw(&message, Carrier::Http1).is_err());
    }

    #[test]
    fn connections_and_streams_have_faults_of_their_own() {
        let plan = plan(&["slow-handshake;wait=1s;times=1", "drop-connection;skip=1", "refuse-stream"]);
        let first = plan.draw_arrival(true);
        assert_eq!((first.handshake.as_secs(), first.close), (1, None));
        let second = plan.draw_arrival(true);
        assert_eq!((second.handshake.as_secs(), second.close), (0, Some(Close::Fin)));
        let message = request(Method::GET, "/beta/x");
        assert_eq!(statuses(&plan, &message, 1), [0], "there is no stream on HTTP/1.1");
        let drawn = plan.draw(&message, Carrier::Http2).unwrap();
        assert_eq!(drawn.texts, ["refuse-stream"]);
        assert!(plan.draw(&message, Carrier::BatchItem).unwrap().outcome.is_none());
    }

    #[test]
    fn a_rule_that_is_spent_is_listed_with_its_hits() {
        let plan = plan(&["503;times=1"]);
        statuses(&plan, &request(Method::GET, "/beta/x"), 2);
        assert_eq!(plan.rules(), [("503;times=1".parse::<FaultRule>().unwrap(), 1)]);
    }
}
