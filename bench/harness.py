"""A sandbox with the objects that bench/requests names, a gateway in front of it, and system figures of both.

Shared by bench/run and tests/instructions/run.
"""

import http.client
import json
import os
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUESTS = ROOT / "bench/requests"
TOKEN = "bench-token"
STATUSES = "/deviceAppManagement/iosLobAppProvisioningConfigurations"
CONFIGURATION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
STATUS_IDS = [f"9b2d4c1e-0000-4000-8000-{number:012x}" for number in range(1, 21)]
# Enough for a page of 1000: nine of ten belong to the configuration of the page requests.
SEEDED_STATUSES = "1200"
# read20 has an alias for each object and for its `id`.
LIMITS = ["--max-aliases", "40"]


def request(name):
    """The body of a request in bench/requests; a page or a bulk with its size, as `page100` and `bulk1000`."""
    kind = name.rstrip("0123456789")
    size = name.removeprefix(kind)
    file = kind if kind in ("page", "bulk") else name
    body = json.loads((REQUESTS / f"{file}.json").read_text())
    if kind == "page":
        body["variables"]["first"] = int(size)
    elif kind == "bulk":
        body["variables"]["input"]["deviceStatuses"] *= int(size)
    return json.dumps(body, separators=(",", ":")).encode()


def call(address, method, path, body=None, token=TOKEN):
    """Sends one HTTP request on a new connection. Returns the status and the body."""
    connection = http.client.HTTPConnection(address, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def check_answer(name, status, body):
    """Fails unless the response to a request of bench/requests is complete."""
    answer = json.loads(body)
    if status != 200 or answer.get("errors") or any(value is None for value in answer["data"].values()):
        raise RuntimeError(f"{name}: {status} {body[:500]!r}")
    return answer["data"]


class Program:
    """A process that prints the address that it listens on. `wrapper` is a command that runs it, as `valgrind`."""

    def __init__(self, command, announces, log, wrapper=(), environment=None, one_core=False):
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("INTUNE_GRAPHQL_", "MSGRAPH_SANDBOX_"))}
        variables.update(environment or {})
        with open(log, "ab") as errors:
            self.process = subprocess.Popen(
                [*wrapper, *map(str, command)],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                preexec_fn=(lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})) if one_core else None,
            )
        for line in self.process.stdout:
            if line.startswith(announces):
                self.address = line.removeprefix(announces).strip()
                return
        raise RuntimeError(f"{command[0]} has ended with {self.process.wait()}; see {log}")

    def cpu(self):
        """User and kernel time so far, in microseconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        tick = 1e6 / os.sysconf("SC_CLK_TCK")
        return int(fields[11]) * tick, int(fields[12]) * tick

    def memory(self, what="VmRSS"):
        """Resident memory in KiB; its peak with `VmHWM`."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1])
        return 0

    def is_idle(self):
        """Whether all its threads wait."""
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
            except FileNotFoundError:
                continue
            if state != "S":
                return False
        return True

    def stop(self):
        """Stops it gracefully, and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Sandbox(Program):
    """A sandbox that keeps the ids of creates, with the objects that bench/requests names. `root` is Graph's URL."""

    def __init__(self, program, log, *options):
        command = [program, "sandbox", "--listen", "127.0.0.1:0", "--record", "0", "--ids", "keep"]
        command += ["--statuses", SEEDED_STATUSES, *options]
        super().__init__(command, "sandbox listening on ", log)
        self.root = self.address
        self.address = self.root.split("/")[2]

    def fill(self):
        """Creates the configuration and the statuses that are added to and read by id. Plain http only."""
        configuration = {"id": CONFIGURATION, "displayName": "Benchmark", "payloadFileName": "a", "payload": "YQ=="}
        self._create(STATUSES, configuration)
        status = json.loads(request("add"))["variables"]["input"]["deviceStatus"]
        for key in STATUS_IDS:
            self._create(f"{STATUSES}/{CONFIGURATION}/deviceStatuses", {**status, "id": key, "status": "notApplicable"})

    def _create(self, path, entity):
        status, body = call(self.address, "POST", f"/beta{path}", json.dumps(entity))
        if status != 201:
            raise RuntimeError(f"the sandbox refuses {path}: {status} {body[:500]!r}")


def gateway_command(program, root, *options, listen="127.0.0.1:0"):
    """The command line of a gateway in front of a Graph root, with defaults except for the given settings."""
    addresses = ["--listen", listen, "--admin-listen", "127.0.0.1:0", "--graph-url", root]
    return [str(program), "serve", *addresses, *LIMITS, *map(str, options)]


class Gateway(Program):
    """A gateway on free ports."""

    def __init__(self, program, root, log, *options, **how):
        super().__init__(gateway_command(program, root, *options), "listening on http://", log, **how)
