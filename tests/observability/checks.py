"""Counts checks, and ends the run at the first that fails."""

import sys
import time

# Bounds each wait for a state. A wait ends as soon as the state is there.
TIMEOUT = 45

passed = 0


def ok(what):
    global passed
    passed += 1
    print(f"observability: ok: {what}", flush=True)


def fail(what):
    sys.exit(f"observability: FAILED: {what}")


def wait_for(failure, condition, act=lambda: None):
    """Calls `act` and `condition` until the latter returns something true, which is returned."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        act()
        if result := condition():
            return result
        time.sleep(0.1)
    fail(f"after {TIMEOUT} s: {failure}")
