"""The programs that are started: gateways, sandboxes and Prometheus."""

import hashlib
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
from pathlib import Path

from checks import fail, wait_for

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import harness

RULES = ROOT / "deploy/prometheus/rules.yml"
PROMETHEUS = ROOT / "deploy/prometheus/prometheus.yml"

# Ranges of the copied rules and of the dashboard's queries. Scrapes are 1 s apart.
RANGE = "15s"


def install():
    needed = {"prometheus": "prometheus", "promtool": "prometheus", "redis-server": "redis-server"}
    packages = {package for program, package in needed.items() if not shutil.which(program)}
    if not packages:
        return
    if not shutil.which("apt-get"):
        fail(f"{', '.join(needed)} are needed, and there is no apt-get to install them")
    # In run level 1, Debian starts no service of a new package.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *sorted(packages)]):
        done = subprocess.run(["apt-get", "-qq", *command], env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            fail(f"apt-get {command[0]}: {done.stderr[-2000:]}")


def promtool(*arguments, stdin=None):
    done = subprocess.run(["promtool", *map(str, arguments)], input=stdin, capture_output=True, text=True)
    if done.returncode != 0 or done.stderr.strip():
        fail(f"promtool {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")


class Gateway(harness.Gateway):
    """A gateway; `admin` is the address of its admin listener."""

    def __init__(self, program, sandbox, log, *options):
        super().__init__(program, sandbox.root, log, "--request-timeout", "4s", *options)
        announces = "admin listening on http://"
        self.admin = next(line for line in self.process.stdout if line.startswith(announces)).removeprefix(announces).strip()

    def send(self, query, variables=None, token=harness.TOKEN):
        body = {"query": query, "variables": variables or {}}
        return harness.call(self.address, "POST", "/graphql", json.dumps(body), token)[1]

    def send_file(self, name, token=harness.TOKEN, **changes):
        """Sends a request of bench/requests, with changes of its `input`."""
        body = json.loads(harness.request(name))
        body.get("variables", {}).get("input", {}).update(changes)
        return harness.call(self.address, "POST", "/graphql", json.dumps(body), token)[1]

    def send_persisted(self, query):
        """Sends a query by its hash, and with its text if the gateway does not know the hash, as clients do."""
        body = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(query.encode()).hexdigest()}}}
        for text in ({}, {"query": query}):
            answer = harness.call(self.address, "POST", "/graphql", json.dumps({**body, **text}))[1]
            if b"PERSISTED_QUERY_NOT_FOUND" not in answer:
                return answer

    def metrics(self):
        return harness.call(self.admin, "GET", "/metrics")[1].decode()

    def has_counted(self, what, result):
        return re.search(rf'^intune_graphql_{what}_total{{result="{result}"}} [1-9]', self.metrics(), re.M) is not None


class Prometheus:
    """Debian's Prometheus with the configuration of deploy/prometheus, on a free loopback port."""

    def __init__(self, folder, targets):
        rules = re.sub(r"\bfor: \w+", "for: 0s", RULES.read_text())
        (folder / "rules.yml").write_text(re.sub(r"\[\d+[smh]\]", f"[{RANGE}]", rules))
        text = PROMETHEUS.read_text().replace(": 15s", ": 1s")
        # There are no names of containers here.
        static = f"static_configs:\n      - targets: {json.dumps(targets)}\n"
        text, replaced = re.subn(r"dns_sd_configs:\n(?: {6}.*\n)+", static, text)
        if replaced != 1:
            fail("prometheus.yml has no dns_sd_configs to replace")
        (folder / "prometheus.yml").write_text(text)
        promtool("check", "config", folder / "prometheus.yml")
        log = folder / "prometheus.log"
        options = {
            "config.file": folder / "prometheus.yml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": "127.0.0.1:0",
            # New rates are visible at once.
            "query.lookback-delta": "15s",
        }
        with open(log, "wb") as output:
            command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        listening = re.compile(r'msg="Listening on" address=(\S+)')
        self.address = wait_for("Prometheus does not listen", lambda: listening.search(log.read_text()))[1]
        # It listens before it answers queries.
        wait_for("Prometheus is not ready", self.is_ready)

    def is_ready(self):
        return self.request("/-/ready")[0] == 200

    def request(self, path):
        """Returns the status and the body."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path, **parameters):
        _, text = self.request(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        answer = json.loads(text)
        if answer["status"] != "success":
            fail(f"{path} {parameters}: {answer.get('error')}")
        return answer["data"]

    def rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def firing(self):
        return {alert["labels"]["alertname"] for alert in self.get("alerts")["alerts"] if alert["state"] == "firing"}

    def value(self, query):
        result = self.get("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else 0.0

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
