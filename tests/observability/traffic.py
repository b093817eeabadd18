"""Requests to the gateways, and faults of the sandboxes."""

import base64
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor

from checks import fail
from programs import harness

# Calls at the same time, where the number does not matter.
PARALLEL = 24

OVERVIEW = "{ iosLobAppProvisioningConfigurations(first: 2) { nodes { id displayName } } }"
FILTERED = """query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
  deviceStatuses(first: 5, filter: { status: { eq: COMPLIANT } }) { nodes { id status } } } }"""
SUBSCRIPTION = """subscription($id: ID!) { deviceStatusAdded(configurationId: $id) { deviceStatusId deviceStatus { id status } } }"""


def all_of(*calls):
    """Makes calls in parallel, and waits for all of them."""
    with ThreadPoolExecutor(len(calls)) as pool:
        for call in [pool.submit(call) for call in calls]:
            call.result()


def tenant_token(number):
    """A token whose tenant the gateway can read. Nobody verifies it here."""
    claims = {"tid": f"00000000-0000-4000-8000-{number:012}", "aud": "https://graph.microsoft.com"}
    parts = [{"alg": "none"}, claims]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".e30"


def with_fault(sandbox, faults):
    """Replaces the fault rules of a sandbox."""
    harness.call(sandbox.address, "DELETE", "/_sandbox/faults")
    if faults:
        status, body = harness.call(sandbox.address, "POST", "/_sandbox/faults", json.dumps(faults))
        if status >= 300:
            fail(f"the sandbox rejects {faults}: {body!r}")


class Subscriber:
    """A subscription over server-sent events, read by a thread."""

    def __init__(self, gateway):
        self.connection = http.client.HTTPConnection(gateway.address)
        self.events = 0
        headers = {"Authorization": f"Bearer {harness.TOKEN}", "Content-Type": "application/json", "Accept": "text/event-stream"}
        body = {"query": SUBSCRIPTION, "variables": {"id": harness.CONFIGURATION}}
        self.connection.request("POST", "/graphql", json.dumps(body), headers)
        self.response = self.connection.getresponse()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.response:
            self.events += line.startswith(b"event: next")
