"""Stages the conditions of the alerts, one after the other."""

import time
from concurrent.futures import ThreadPoolExecutor

from checks import fail, ok, wait_for
from programs import RANGE, Gateway, Prometheus, harness
from redis_server import RedisServer
from traffic import FILTERED, OVERVIEW, PARALLEL, Subscriber, all_of, tenant_token, with_fault


class Stage:
    """The gateways, and what was staged so far."""

    def __init__(self):
        self.running = []
        self.fired = set()

    def start(self, program, folder):
        log = folder / "programs.log"

        def start(kind, *arguments):
            self.running.append(kind(program, *arguments))
            return self.running[-1]

        self.sandbox = start(harness.Sandbox, log)
        self.sandbox.fill()
        self.gateway = start(Gateway, self.sandbox, log, "--max-subscriber-reads", "1")
        self.small_sandbox = start(harness.Sandbox, log)
        self.small_sandbox.fill()
        limits = ["--max-concurrent-requests", "4", "--max-queued-requests", "4", "--max-caller-share", "50", "--state-capacity", "4"]
        self.small = start(Gateway, self.small_sandbox, log, *limits)
        self.lost_sandbox = start(harness.Sandbox, log)
        self.lost = start(Gateway, self.lost_sandbox, log)
        self.redis = RedisServer(folder)
        self.running.append(self.redis)
        shared = ["--state-url", self.redis.url]
        self.replicas = [start(Gateway, self.sandbox, log, *shared) for _ in range(2)]
        self.gateways = [self.gateway, self.small, self.lost, *self.replicas]
        self.prometheus = Prometheus(folder, [gateway.admin for gateway in self.gateways])
        self.running.append(self.prometheus)

    def stop(self):
        for program in reversed(self.running):
            program.stop()

    def alerts(self, names, act, sandbox=None, faults=()):
        """Repeats `act` until each of these alerts fires. None of them may fire before."""
        wanted, started, seen = set(names), time.monotonic(), set()
        if early := wanted & self.prometheus.firing():
            fail(f"fires before its condition is staged: {early}")
        with_fault(sandbox or self.sandbox, list(faults))

        def fires():
            seen.update(self.prometheus.firing())
            return wanted <= seen

        wait_for(f"no alert {' and '.join(wanted)}", fires, act)
        with_fault(sandbox or self.sandbox, [])
        self.fired |= wanted
        ok(f"{', '.join(names)} ({time.monotonic() - started:.0f} s)")

    def healthy(self):
        """Traffic of all kinds without faults: no alert fires."""
        wait_for("Prometheus does not scrape all gateways", lambda: self.prometheus.value("sum(up)") == len(self.gateways))
        subscriber = Subscriber(self.gateway)
        wait_for("no subscription is open", lambda: "intune_graphql_subscriptions 1\n" in self.gateway.metrics())
        key = {"idempotencyKey": "observability"}
        for _ in range(2):
            self.gateway.send_file("add", **key)
        for name in ("page20", "read20", "bulk5", "add", "add"):
            harness.check_answer(name, *harness.call(self.gateway.address, "POST", "/graphql", harness.request(name)))
        for gateway in (self.small, self.lost):
            gateway.send(OVERVIEW)
        wait_for("no three events arrive", lambda: subscriber.events >= 3)
        self.healthy_replicas()
        scraped = f"sum(increase(intune_graphql_requests_total[{RANGE}])) > 0 and sum(intune_graphql_requests_total) >= 14"
        wait_for("Prometheus has not scraped the traffic", lambda: self.prometheus.value(scraped))
        evaluations = self.evaluation()
        wait_for("the rules are not evaluated", lambda: self.evaluation() > evaluations)
        if firing := self.prometheus.firing():
            fail(f"alerts fire without a fault: {firing}")
        ok(f"no alert fires under healthy traffic on {len(self.gateways)} gateways")

    def healthy_replicas(self):
        """An idempotency key, a persisted query and an event, of one replica for the other."""
        first, second = self.replicas
        self.wait_until_connected()
        subscriber = Subscriber(second)
        wait_for("no subscription of a replica is open", lambda: "intune_graphql_subscriptions 1\n" in second.metrics())
        for gateway in self.replicas:
            add = gateway.send_file("add", idempotencyKey="replicas")
            persisted = gateway.send_persisted(OVERVIEW)
            if b'"errors"' in add + persisted:
                fail(f"a replica responds with an error: {add} {persisted}")
            wait_for("no persisted query is stored", lambda: first.has_counted("shared_documents", "stored"))
        if not second.has_counted("shared_documents", "found"):
            fail("a replica does not find the persisted query of another")
        wait_for("no event of another replica arrives", lambda: subscriber.events)

    def wait_until_connected(self):
        """Until Prometheus reports that both replicas use the shared state and receive events."""
        for what in ("state", "events"):
            query = f"sum(intune_graphql_shared_{what}_up)"
            wait_for(f"not all replicas have shared {what}", lambda: self.prometheus.value(query) == len(self.replicas))
        alerts = {"IntuneGraphqlSharedEventsDown", "IntuneGraphqlSharedStateDown"}
        wait_for("alerts do not end", lambda: not alerts & self.prometheus.firing())

    def evaluation(self):
        return max(group["lastEvaluation"] for group in self.prometheus.get("rules")["groups"])

    def stage(self):
        gateway, small = self.gateway, self.small

        def reads(number=PARALLEL, token=harness.TOKEN, query=OVERVIEW, at=gateway):
            variables = {"id": harness.CONFIGURATION} if "$id" in query else {}
            return lambda: all_of(*[lambda: at.send(query, variables, token)] * number)

        def adds(number=2, **options):
            return lambda: all_of(*[lambda: gateway.send_file("add", **options)] * number)

        self.alerts(["IntuneGraphqlSubscriptionEventsLost"], adds(PARALLEL))
        self.alerts(["IntuneGraphqlErrors"], reads(), faults=["500"])
        self.alerts(["IntuneGraphqlUnknownOutcomes"], adds(), faults=["drop-applied;method=POST"])
        self.alerts(["IntuneGraphqlAuthorizationErrors"], reads(token="expired-token"))
        # Waits that Graph asked for, and then one that does not fit into the request timeout.
        with_fault(self.sandbox, ["429;retry-after=1;times=1"])
        reads(1, "waiting-token")()
        with_fault(self.sandbox, ["batch-item;item=1;status=429;retry-after=1;times=1"])
        gateway.send_file("read20", "waiting-token")
        self.alerts(["IntuneGraphqlThrottled"], reads(token="throttled-token"), faults=["429;retry-after=60"])
        self.alerts(["IntuneGraphqlGraphDeviates"], reads(2, query=FILTERED), faults=["filter-ignored"])
        self.alerts(["IntuneGraphqlSlowQueries", "IntuneGraphqlGraphSlow"], reads(), faults=["slow-first-byte;wait=2600ms"])
        # At least ten retries per second are allowed, and those of ten seconds at once.
        self.alerts(["IntuneGraphqlRetryBudgetSpent"], reads(250), faults=["503"])

        # Graph responds to a write after the request timeout.
        with_fault(self.sandbox, ["slow-first-byte;wait=7s;method=POST;times=1"])
        gateway.send_file("add")
        wait_for("no detached write is scraped", lambda: self.prometheus.value("sum(intune_graphql_detached_writes)") > 0)

        tenants = [tenant_token(number) for number in range(4)]

        def keyed():
            for token in tenants:
                small.send_file("add", token, idempotencyKey="first")
            small.send_file("add", tenants[0], idempotencyKey="second")

        self.alerts(["IntuneGraphqlStateUnavailable", "IntuneGraphqlStateNearlyFull"], keyed, self.small_sandbox)

        def crowd():
            calls = [lambda token=token: small.send(OVERVIEW, token=token) for token in ("a", "b", "c") for _ in range(7)]
            all_of(*calls)

        names = ["IntuneGraphqlOverloaded", "IntuneGraphqlCallerLimited", "IntuneGraphqlQueueing"]
        with ThreadPoolExecutor(1) as pool:
            # Alerts on gauges fire while requests wait, so the crowd must not be waited for.
            pending = []

            def keep_crowded():
                if not pending or pending[-1].done():
                    pending.append(pool.submit(crowd))

            self.alerts(names, keep_crowded, self.small_sandbox, ["slow-first-byte;wait=2s"])

        self.stage_shared_state()

        self.lost_sandbox.stop()
        self.alerts(["IntuneGraphqlGraphUnreachable"], reads(8, at=self.lost))
        self.lost.stop()
        self.alerts(["IntuneGraphqlDown"], lambda: None)

    def stage_shared_state(self):
        first, second = self.replicas
        channel = self.redis.channel()

        def add():
            first.send_file("add")

        # A message that is sent again, and one of another version.
        message = self.redis.message(channel, add)
        for bytes_sent in (message, b"\0" + message):
            self.redis.command("PUBLISH", channel, bytes_sent)
        for result in ("duplicate", "invalid"):
            wait_for(f"no event is {result}", lambda: second.has_counted("shared_events", result))

        self.redis.command("ACL", "SETUSER", "default", "resetchannels")
        self.alerts(["IntuneGraphqlSharedEventsDown"], add)
        if "IntuneGraphqlSharedStateDown" in self.prometheus.firing():
            fail("IntuneGraphqlSharedStateDown fires although only the channel is forbidden")
        self.redis.command("ACL", "SETUSER", "default", "allchannels")
        self.wait_until_connected()

        self.redis.stop()
        self.alerts(["IntuneGraphqlSharedStateDown", "IntuneGraphqlSharedEventsDown"], add)
        self.redis.start()
        self.wait_until_connected()
        ok("both alerts end when the shared state is back")
