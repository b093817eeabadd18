"""The figures of measure.py as Markdown."""

import os
import platform
import subprocess
import time
from pathlib import Path

TITLES = {
    "add": "`addDeviceStatus`",
    "read20": "20 objects by id in one query",
    "page100": "a page of 100 statuses, all fields",
    "page1000": "a page of 1000 statuses, all fields",
    "bulk1000": "`addDeviceStatuses` with 1000 statuses",
}


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def machine():
    """The date and the machine of the measurement."""
    cpu = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split(" (")[0]
    kernel = platform.release().split("-")[0]
    return f"Measured on {time.strftime('%Y-%m-%d')}: {os.cpu_count()} cores of {cpu[0] if cpu else '?'}, Linux {kernel}, {rustc}."


def requests(rows):
    lines = []
    for (name, connections), figures in rows.items():
        cpu = figures["user"] + figures["kernel"]
        lines.append([
            TITLES[name], connections, f"{cpu:.1f}", f"{figures['user']:.1f} / {figures['kernel']:.1f}",
            f"{figures['rate']:.0f}", milliseconds(figures["p50"]), milliseconds(figures["p99"]), int(figures["failed"]),
        ])
    head = ["request", "connections", "CPU µs per request", "of it user / kernel", "requests/s", "p50 ms", "p99 ms", "failed"]
    return "### The gateway in front of the sandbox\n\n" + table(head, lines)


def floor(rows):
    lines = [
        [TITLES[figures['request']], f"{figures['gateway']:.0f}", f"{figures['floor']:.0f}", f"{figures['gateway'] / figures['floor']:.2f}"]
        for what, figures in rows.items()
    ]
    head = ["request", "gateway, CPU µs", "only JSON, CPU µs", "ratio"]
    return "### Against a program that only parses and writes JSON\n\n" + table(head, lines)


def process(figures):
    lines = [
        ["start to first answer", f"{figures['first']:.0f} ms"],
        ["resident memory, idle after one request", f"{figures['idle'] / 1024:.1f} MiB"],
        ["resident memory after 256 connections", f"{figures['after'] / 1024:.1f} MiB"],
        ["its peak with them", f"{figures['peak'] / 1024:.1f} MiB"],
    ]
    return "### The process\n\n" + table(["", "median"], lines)


def in_flight(rows):
    lines = []
    for figures in rows:
        transport = "TLS and HTTP/2" if figures["tls"] else "HTTP/1.1"
        lines.append([
            f"{figures['count']} over {transport}", figures["delay"], figures["requests"], figures["failed"], f"{figures['memory']:.0f}",
            milliseconds(figures["own_p99"]), milliseconds(figures["p99"]),
            milliseconds(figures["p99"] - figures["own_p99"]), f"{figures['rate']:.0f}",
        ])
    head = [
        "in flight, to Graph", "Graph answers after ms", "requests", "failed", "KiB per request in flight", "p99 ms of the sandbox alone",
        "p99 ms through the gateway", "added p99 ms", "requests/s",
    ]
    return "### Many requests in flight\n\n" + table(head, lines)


def milliseconds(microseconds):
    return f"{microseconds / 1000:.2f}" if microseconds < 10_000 else f"{microseconds / 1000:.0f}"
