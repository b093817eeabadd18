"""A client of the gateway and a relay to Graph that wait until the gateway is idle before they send.

If a response has already arrived, the gateway takes another code path than if it must wait. Under an instruction counter
the gateway is so slow that either may happen. With these two, each request takes the same path.
"""

import http.client
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Headers of one connection, which are not forwarded.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


def wait_until_idle(program, limit=60):
    """Returns when all threads of a program have been seen waiting twice."""
    end = time.monotonic() + limit
    seen = 0
    while seen < 2:
        seen = seen + 1 if program.is_idle() else 0
        if time.monotonic() > end:
            raise TimeoutError("the gateway is never idle")
        time.sleep(0.0002)


class Relay:
    """Forwards requests to `target`, and responds when `gateway` is idle. The gateway may be set later."""

    def __init__(self, target):
        self.gateway = None
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                self.graph = http.client.HTTPConnection(target, timeout=60)

            def finish(self):
                self.graph.close()
                super().finish()

            def exchange(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.graph.request(self.command, self.path, body or None, dict(self.headers))
                response = self.graph.getresponse()
                body = response.read()
                head = [f"HTTP/1.1 {response.status} {response.reason}"]
                head += [f"{name}: {value}" for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
                head += [f"content-length: {len(body)}", "", ""]
                wait_until_idle(relay.gateway)
                self.connection.sendall("\r\n".join(head).encode() + body)

            do_GET = do_POST = do_PATCH = do_DELETE = exchange

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Client:
    """One connection to a gateway that sends one request after the other."""

    def __init__(self, gateway, token):
        host, port = gateway.address.split(":")
        self._gateway, self._token = gateway, token
        self._socket = socket.create_connection((host, int(port)), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, body):
        """Sends a GraphQL request when the gateway is idle. Returns the status and the body."""
        head = [
            "POST /graphql HTTP/1.1",
            f"host: {self._gateway.address}",
            f"authorization: Bearer {self._token}",
            "content-type: application/json",
            "accept: application/json",
            f"content-length: {len(body)}",
            "",
            "",
        ]
        wait_until_idle(self._gateway)
        self._socket.sendall("\r\n".join(head).encode() + body)
        response = http.client.HTTPResponse(self._socket)
        response.begin()
        return response.status, response.read()

    def close(self):
        wait_until_idle(self._gateway)
        self._socket.close()
