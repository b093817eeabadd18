"""The measurements of bench/run. Each returns plain figures, which tables.py writes."""

import json
import resource
import statistics
import subprocess
import time

import harness

# The request and the number of connections.
ROWS = [
    ("add", 1),
    ("add", 16),
    ("add", 64),
    ("add", 256),
    ("read20", 16),
    ("page100", 16),
    ("page1000", 4),
    ("bulk1000", 2),
]
FLOOR_TIMES = {"page": 200, "bulk": 100}
STARTS = 5
# Requests in flight, and whether Graph is called over TLS and HTTP/2.
IN_FLIGHT = [(1000, False), (5000, True)]
# One caller may have a quarter of the requests in flight.
TOKENS = 8


class Bench:
    """The built programs, a folder for their output, and the duration of measurements."""

    def __init__(self, programs, folder, rounds, seconds):
        self.gateway_program = programs / "intune-graphql"
        self.load_program = programs / "examples/bench_load"
        self.floor_program = programs / "examples/bench_floor"
        self.folder, self.rounds, self.seconds = folder, rounds, seconds
        self.log = folder / "log"
        self.cpu = {}

    def sandbox(self, *options):
        return harness.Sandbox(self.gateway_program, self.log, "--gzip", "off", *options)

    def gateway(self, root, *options):
        return harness.Gateway(self.gateway_program, root, self.log, *options)

    def body(self, name):
        """The file with the body of a request."""
        file = self.folder / f"{name}.json"
        file.write_bytes(harness.request(name))
        return file

    def load(self, url, body, connections, *options, seconds=None):
        """Sends the request in a file over this number of connections."""
        command = [self.load_program, url, "--body", body, "--connections", connections]
        command += ["--duration", f"{int((seconds or self.seconds) * 1000)}ms", *options]
        run = subprocess.run([*map(str, command)], capture_output=True, text=True)
        if run.returncode != 0:
            raise RuntimeError(run.stderr)
        return json.loads(run.stdout)

    def requests(self):
        """CPU time, throughput and latency of each row. The rounds of all rows are interleaved."""
        measured = {row: [] for row in ROWS}
        names = dict.fromkeys(name for name, _ in ROWS)
        with self.sandbox() as sandbox:
            sandbox.fill()
            with self.gateway(sandbox.root) as gateway:
                url = f"http://{gateway.address}/graphql"
                for name in names:
                    harness.check_answer(name, *harness.call(gateway.address, "POST", "/graphql", harness.request(name)))
                for _ in range(self.rounds):
                    for row in ROWS:
                        name, connections = row
                        before = gateway.cpu()
                        figures = self.load(url, self.body(name), connections)
                        user, kernel = (after - was for after, was in zip(gateway.cpu(), before))
                        # Requests in flight at the end are not counted. They are few.
                        count = max(figures["requests"], 1)
                        figures |= {"user": user / count, "kernel": kernel / count, "rate": count / figures["seconds"]}
                        measured[row].append(figures)
        medians = {row: median_of(rounds) for row, rounds in measured.items()}
        self.cpu = {name: figures["user"] + figures["kernel"] for (name, _), figures in medians.items()}
        return medians

    def floor(self):
        """CPU time of the gateway and of a program that only parses and writes JSON, for a page and for a bulk."""
        page, answer = self.folder / "graph-page.json", self.folder / "graph-batch.json"
        with self.sandbox() as sandbox:
            sandbox.fill()
            seeded = json.loads(harness.request("page1000"))["variables"]["id"]
            path = f"{harness.STATUSES}/{seeded}/deviceStatuses"
            page.write_bytes(harness.call(sandbox.address, "GET", f"/beta{path}?$top=1000")[1])
            bulk = json.loads(harness.request("bulk1"))["variables"]["input"]["deviceStatuses"][0]
            item = {"method": "POST", "url": f"{harness.STATUSES}/{harness.CONFIGURATION}/deviceStatuses"}
            item |= {"headers": {"Content-Type": "application/json"}, "body": bulk | {"status": "notApplicable"}}
            batch = json.dumps({"requests": [{"id": str(index), **item} for index in range(20)]})
            answer.write_bytes(harness.call(sandbox.address, "POST", "/beta/$batch", batch)[1])
        arguments = {"page": [page], "bulk": [self.body("bulk1000"), answer]}
        rows = {}
        for what, name in (("page", "page1000"), ("bulk", "bulk1000")):
            times = FLOOR_TIMES[what]
            runs = [self._floor_cpu(what, arguments[what], times) for _ in range(self.rounds)]
            rows[what] = {"request": name, "gateway": self.cpu[name], "floor": statistics.median(runs)}
        return rows

    def _floor_cpu(self, what, arguments, times):
        """User and kernel time of one repetition, in microseconds."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([self.floor_program, what, *arguments, str(times)], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e6 / times

    def process(self):
        """Time to the first response, and resident memory when idle and after 256 connections."""
        first, idle = [], []
        with self.sandbox() as sandbox:
            sandbox.fill()
            body = harness.request("add")
            for _ in range(STARTS):
                start = time.perf_counter()
                with self.gateway(sandbox.root) as gateway:
                    harness.check_answer("add", *harness.call(gateway.address, "POST", "/graphql", body))
                    first.append((time.perf_counter() - start) * 1e3)
                    idle.append(gateway.memory())
            with self.gateway(sandbox.root) as gateway:
                self.load(f"http://{gateway.address}/graphql", self.body("add"), 256)
                after, peak = gateway.memory(), gateway.memory("VmHWM")
        return {"first": statistics.median(first), "idle": statistics.median(idle), "after": after, "peak": peak}

    def in_flight(self, delay):
        """Memory, failures and latency with many requests in flight, each a create with a response from Graph after `delay` ms."""
        return [self._in_flight(count, is_tls, delay) for count, is_tls in IN_FLIGHT]

    def _in_flight(self, count, is_tls, delay_ms):
        delay = f"slow-first-byte;wait={delay_ms}ms;method=POST"
        ramp, seconds = ["--ramp", f"{3000 + delay_ms}ms"], max(self.seconds, 5, 5 * delay_ms / 1000)
        ca = self.folder / "sandbox-ca.pem"
        rest = self.folder / "rest.json"
        status = json.loads(harness.request("add"))["variables"]["input"]["deviceStatus"]
        rest.write_text(json.dumps(status | {"status": "notApplicable"}))
        tls = ["--tls-ca-out", ca] if is_tls else []
        seeded = json.loads(harness.request("page100"))["variables"]["id"]
        with self.sandbox("--fault", delay, *map(str, tls)) as sandbox:
            url = f"{sandbox.root}{harness.STATUSES}/{seeded}/deviceStatuses"
            own = self.load(url, rest, count, *ramp, *(["--ca", ca] if is_tls else []), seconds=seconds)
        with self.sandbox("--fault", delay, *map(str, tls)) as sandbox:
            trust = ["--graph-ca", ca] if is_tls else []
            with self.gateway(sandbox.root, *trust) as gateway:
                body = self.folder / "in-flight.json"
                body.write_bytes(harness.request("add").replace(harness.CONFIGURATION.encode(), seeded.encode()))
                url = f"http://{gateway.address}/graphql"
                self.load(url, body, 1, seconds=0.5)
                idle = gateway.memory()
                figures = self.load(url, body, count, *ramp, "--tokens", TOKENS, seconds=seconds)
                peak = gateway.memory("VmHWM")
        return {
            "count": count,
            "delay": delay_ms,
            "tls": is_tls,
            "failed": figures["failed"],
            "requests": figures["requests"],
            "memory": (peak - idle) / count,
            "own_p99": own["p99"],
            "own_failed": own["failed"],
            "p50": figures["p50"],
            "p99": figures["p99"],
            "rate": figures["requests"] / figures["seconds"],
            "own_rate": own["requests"] / own["seconds"],
        }


def median_of(rounds):
    """The median of each figure; the failures of all rounds."""
    figures = {key: statistics.median(figures[key] for figures in rounds) for key in rounds[0]}
    return figures | {"failed": sum(figures["failed"] for figures in rounds)}
