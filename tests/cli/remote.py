"""Commands that talk to a server: the line, and servers that are no leat."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import re

from line import *
from support.server import Log


def url(server):
    return f"http://127.0.0.1:{server.port}"


def at(server, **more):
    """The environment of a client of this server."""
    return {"LEAT_SERVER": url(server), "LC_ALL": "C.UTF-8", **more}


HELD = []


def closed_port():
    """A port on which nobody listens, nor can: it is ours until this process ends."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    HELD.append(held)
    return held.getsockname()[1]


def shared(t):
    """The environment of a client of the server that tests share."""
    return at(t.api.server)


class Answers(BaseHTTPRequestHandler):
    """Answers whatever the test says; no leat would."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        status, kind, body = self.server.reply
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = answer

    def log_message(self, *args):
        pass


def impostor(t, status, kind, body):
    """A server that answers the same to everything; `seen` has what it was asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.port = server.server_address[1]
    server.reply = (status, kind, body if isinstance(body, bytes) else body.encode())
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()

    def end():
        server.shutdown()
        server.server_close()
        thread.join()
    t.cleanup.append(end)
    return server


# -- servers that go away ---------------------------------------------------------------


def steady(t, **options):
    """A server on a port that it will have again after a restart: not one of those that the
    kernel gives away to others."""
    for port in random.Random(os.getpid() + time.monotonic_ns()).sample(range(12000, 32000), 200):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        server = t.server({"listen": f"127.0.0.1:{port}", **options}, start=False)
        try:
            return server.start()
        except AssertionError:  # somebody was faster
            continue
    raise AssertionError("no port is free")


def received(api, job_id):
    return expect.status(api.get(f"/v1/jobs/{job_id}"), 200).json()["input"]["received"]


def watch_stderr(t, process):
    """Reads stderr in a thread, so that a client that says much is never stopped by it."""
    return Log(process.stderr)
