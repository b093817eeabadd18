"""Clients of the gateways behind the balancer, started by tests/staging/scale. Prints what they saw as one JSON object.

    scale_clients.py write URL CONFIGURATION FOLDER SANDBOX
    scale_clients.py subscribe URL CONFIGURATION FOLDER SECONDS

`write` adds statuses with keys, over several connections, until FOLDER/stop exists. A client repeats a write with the same
key if it has no response, as a front end would. Then it counts the statuses in the sandbox, whose list has the address
SANDBOX. FOLDER/written is the number of writes so far.

`subscribe` keeps a WebSocket and a stream of server-sent events open for SECONDS in which no status is added, and then adds
some, which both must receive. FOLDER/open exists as soon as both are open.
"""

import base64
import http.client
import json
import os
import socket
import statistics
import sys
import threading
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

TOKEN = "Bearer staging-token"
CLIENTS = 8
# Between two writes of one client, in seconds
PAUSE = 0.1
MAX_ATTEMPTS = 5
MAX_SECONDS = 300
EVENTS = 20
MUTATION = "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId replayed } }"


class Api:
    """One client: one connection, which is opened again after it was lost."""

    def __init__(self, url, configuration):
        self.host, self.path = urllib.parse.urlsplit(url).netloc, urllib.parse.urlsplit(url).path
        self.configuration = configuration
        self.connection = None
        self.repeats = 0

    def post(self, body):
        self.connection = self.connection or http.client.HTTPConnection(self.host, timeout=60)
        self.connection.request("POST", self.path, body, {"Content-Type": "application/json", "Authorization": TOKEN})
        response = self.connection.getresponse()
        return response.status, response.read()

    def write(self, name):
        """Adds a status. Returns the payload, and raises with what failed."""
        status = {
            "deviceDisplayName": name,
            "userName": "Adele Vance",
            "deviceModel": "iPad",
            "platform": 5,
            "complianceGracePeriodExpirationDateTime": "2027-01-31T23:59:59Z",
            "status": "COMPLIANT",
            "lastReportedDateTime": "2026-11-23T09:30:00Z",
            "userPrincipalName": "adelev@contoso.example",
        }
        variables = {"input": {"configurationId": self.configuration, "idempotencyKey": name, "deviceStatus": status}}
        body = json.dumps({"query": MUTATION, "variables": variables})
        for _ in range(MAX_ATTEMPTS):
            try:
                code, text = self.post(body)
            except (http.client.HTTPException, OSError):
                self.connection = None
                self.repeats += 1
                continue
            answer = json.loads(text) if code == 200 else {}
            if code != 200 or "errors" in answer:
                raise RuntimeError(f"{name}: {code} {text[:500]!r}")
            return answer["data"]["addDeviceStatus"]
        raise RuntimeError(f"{name}: no response, {MAX_ATTEMPTS} times")


def in_threads(functions):
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def rows(address):
    """All rows of a list in the sandbox."""
    while address:
        with urllib.request.urlopen(urllib.request.Request(address, headers={"Authorization": TOKEN}), timeout=60) as response:
            page = json.load(response)
        yield from page["value"]
        address = page.get("@odata.nextLink")


def write(url, configuration, folder, sandbox):
    run, lock = uuid.uuid4().hex[:8], threading.Lock()
    written, failures = {}, []
    seen = {"replayed": 0, "repeats": 0, "slowest_ms": 0}
    end = time.monotonic() + MAX_SECONDS

    def client(number):
        api, count = Api(url, configuration), 0
        while not (folder / "stop").exists() and time.monotonic() < end:
            name, started = f"{run}-{number}-{count}", time.monotonic()
            count += 1
            try:
                payload, failure = api.write(name), None
            except Exception as error:
                payload, failure = None, str(error)
            with lock:
                seen["slowest_ms"] = max(seen["slowest_ms"], round((time.monotonic() - started) * 1000))
                if failure:
                    failures.append(failure)
                else:
                    written[name] = payload["deviceStatusId"]
                    seen["replayed"] += payload["replayed"]
                # Renamed, so that no reader finds half of it.
                (folder / "written.new").write_text(str(len(written)))
                (folder / "written.new").rename(folder / "written")
            time.sleep(PAUSE)
        with lock:
            seen["repeats"] += api.repeats

    in_threads([lambda number=number: client(number) for number in range(CLIENTS)])
    stored = {}
    for row in rows(sandbox):
        if row["deviceDisplayName"].startswith(run):
            stored.setdefault(row["deviceDisplayName"], []).append(row["id"])
    return {
        "writes": len(written),
        **seen,
        "failed": len(failures),
        "failures": failures[:5],
        "lost": sum(name not in stored for name in written),
        "doubled": sum(len(ids) > 1 for ids in stored.values()),
        "stored": sum(len(ids) for ids in stored.values()),
    }


class Subscription:
    """A subscription to new statuses. `closed` says how it ended, if it did."""

    def __init__(self, url, configuration):
        self.address = urllib.parse.urlsplit(url)
        self.query = json.dumps(
            {"query": "subscription($id: ID!) { deviceStatusAdded(configurationId: $id) { deviceStatusId } }", "variables": {"id": configuration}}
        )
        self.opened, self.closed = threading.Event(), None
        # When each status was received.
        self.ids, self.keep_alives, self.changed = {}, 0, threading.Condition()

    def run(self):
        try:
            with socket.create_connection((self.address.hostname, self.address.port), timeout=MAX_SECONDS) as self.socket:
                self.file = self.socket.makefile("rb")
                self.receive()
            self.closed = "closed by the server"
        except Exception as error:
            self.closed = repr(error)
        self.opened.set()

    def request(self, method, headers, body=""):
        lines = [f"{method} {self.address.path} HTTP/1.1", f"Host: {self.address.netloc}", f"Authorization: {TOKEN}", *headers]
        self.socket.sendall("\r\n".join([*lines, "", body]).encode())
        head = []
        while line := self.file.readline().strip():
            head.append(line.decode())
        return head

    def keep_alive(self):
        self.keep_alives += 1

    def event(self, payload):
        with self.changed:
            if "errors" in payload:
                raise RuntimeError(payload)
            self.ids[payload["data"]["deviceStatusAdded"]["deviceStatusId"]] = time.monotonic()
            self.changed.notify_all()


class EventStream(Subscription):
    """Server-sent events."""

    def receive(self):
        headers = ["Content-Type: application/json", "Accept: text/event-stream", f"Content-Length: {len(self.query)}"]
        head = self.request("POST", headers, self.query)
        if " 200 " not in head[0] or "transfer-encoding: chunked" not in [line.lower() for line in head]:
            raise RuntimeError(head)
        self.opened.set()
        # A chunk has whole lines.
        while size := int(self.file.readline() or b"0", 16):
            for line in self.file.read(size).decode().splitlines():
                if line.startswith(":"):
                    self.keep_alive()
                elif line.startswith("data:") and line[5:].strip():
                    self.event(json.loads(line[5:]))
            self.file.readline()


class WebSocket(Subscription):
    """graphql-transport-ws, without fragmented messages."""

    def receive(self):
        key = base64.b64encode(os.urandom(16)).decode()
        head = self.request(
            "GET",
            ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Protocol: graphql-transport-ws"],
        )
        if " 101 " not in head[0]:
            raise RuntimeError(head)
        self.send(1, json.dumps({"type": "connection_init"}))
        while True:
            kind, text = self.frame()
            if kind == 8:
                raise RuntimeError(f"closed with {int.from_bytes(text[:2], 'big')}")
            if kind == 9:
                self.keep_alive()
                self.send(10, text.decode())
            if kind != 1:
                continue
            message = json.loads(text)
            if message["type"] == "connection_ack":
                self.send(1, json.dumps({"type": "subscribe", "id": "1", "payload": json.loads(self.query)}))
                self.opened.set()
            elif message["type"] == "ping":
                self.keep_alive()
                self.send(1, json.dumps({"type": "pong"}))
            elif message["type"] == "next":
                self.event(message["payload"])
            else:
                raise RuntimeError(message)

    def frame(self):
        first, length = self.file.read(2)
        length &= 127
        if length > 125:
            length = int.from_bytes(self.file.read(2 if length == 126 else 8), "big")
        return first & 15, self.file.read(length)

    def send(self, kind, text):
        """A frame with a mask of zeros."""
        data = text.encode()
        length = bytes([128 | len(data)]) if len(data) < 126 else bytes([128 | 126]) + len(data).to_bytes(2, "big")
        self.socket.sendall(bytes([128 | kind]) + length + bytes(4) + data)


def subscribe(url, configuration, folder, seconds):
    both = {"websocket": WebSocket(url, configuration), "sse": EventStream(url, configuration)}
    for subscription in both.values():
        threading.Thread(target=subscription.run, daemon=True).start()
    for subscription in both.values():
        subscription.opened.wait(30)
    (folder / "open").touch()
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end and not any(subscription.closed for subscription in both.values()):
        time.sleep(0.2)
    idle = {name: {"closed": one.closed, "keep_alives": one.keep_alives, "events_idle": len(one.ids)} for name, one in both.items()}

    api, added = Api(url, configuration), {}
    run = uuid.uuid4().hex[:8]
    if not any(subscription.closed for subscription in both.values()):
        for number in range(EVENTS):
            # A connection each, for the balancer to use all gateways.
            api.connection = None
            status = api.write(f"{run}-{number}")["deviceStatusId"]
            added[status] = time.monotonic()
    for name, subscription in both.items():
        with subscription.changed:
            subscription.changed.wait_for(lambda one=subscription: added.keys() <= one.ids.keys(), timeout=20)
        # After the response to the write.
        delays = [max(0, subscription.ids[status] - at) for status, at in added.items() if status in subscription.ids]
        idle[name] |= {"received": len(delays), "median_delay_ms": round(1000 * statistics.median(delays or [0]))}
    return {"seconds": float(seconds), "added": len(added), **idle}


command, url, configuration, folder, last = sys.argv[1:]
print(json.dumps({"write": write, "subscribe": subscribe}[command](url, configuration, Path(folder), last)))
