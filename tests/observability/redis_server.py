"""A `redis-server` on a free loopback port, for gateways that share state."""

import random
import re
import socket
import subprocess

from checks import fail, wait_for

# Ports below those that systems give to outgoing connections: a stopped server finds its port free again.
PORTS = range(20_000, 30_000)
# The settings that the gateway asks for, and no copies besides the append-only file.
SETTINGS = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", ""]


class RedisServer:
    """A server process. Its data stay in the folder while it is stopped."""

    def __init__(self, folder):
        self.folder = folder / "redis"
        self.folder.mkdir()
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), *SETTINGS]
        command += ["--logfile", "redis.log", "--dir", str(self.folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for("Redis does not respond", self.is_ready)

    def is_ready(self):
        if self.process.poll() is not None:
            fail(f"redis-server has ended: {(self.folder / 'redis.log').read_text()}")
        try:
            return self.command("PING") == b"+PONG\r\n"
        except ConnectionRefusedError:
            return False

    def command(self, *words):
        """Sends a command, and returns the reply as it is on the wire."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(encode(*words) + encode("QUIT"))
            reply = b"".join(iter(lambda: connection.recv(65536), b""))
        return reply.removesuffix(b"+OK\r\n")

    def channel(self):
        """The channel of the gateways' events."""
        return re.search(rb"intune-graphql:\S+", self.command("PUBSUB", "CHANNELS", "intune-graphql:*"))[0]

    def message(self, channel, act):
        """The first message on a channel that `act` causes."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(encode("SUBSCRIBE", channel))
            replies = connection.makefile("rb")
            read_array(replies)
            act()
            return read_array(replies)[2]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


def encode(*words):
    words = [word if isinstance(word, bytes) else word.encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def read_array(replies):
    """The items of the next reply. Numbers, too, are returned as they are on the wire."""
    items = []
    for _ in range(int(replies.readline()[1:])):
        head = replies.readline().strip()
        items.append(replies.read(int(head[1:]) + 2)[:-2] if head.startswith(b"$") else head)
    return items


def free_port():
    """A free port. Another process may take it before the caller does."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    fail(f"no free port in {PORTS}")
