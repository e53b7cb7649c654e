#!/usr/bin/env python3
"""A fuzzer that speaks HTTP to a running server.

    tests/hfuzz/run.py --program build/asan/leat [--seconds 10] [--seed N] [--clients 8]
    tests/hfuzz/run.py --program build/asan/leat --replay FILE...

Clients send good requests, changed by structure and by bytes (shapes.py), cut into packets
anywhere, and now and then leave in the middle. Meanwhile a job is fed and read by somebody who
behaves, and probes must be answered. What must hold:

* every reply is HTTP as RFC 9112 has it, of a status that the API's description knows, never 500;
  what refuses is `application/problem+json` that says the same status;
* nobody gets more replies than what he sent can hold requests;
* the server lives and answers, the job's items come out once each, descriptors come back, the
  jobs can be deleted, it stops by itself without a word of a sanitizer, `leat fsck` is content.

The bytes before a failure are left in a folder, which is printed, for --replay.
"""

import argparse
import json
import os
import random
import re
import select
import socket
import sys
import tempfile
import threading
import time
from collections import Counter, deque

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support.client import Api  # noqa: E402  (the path must be set first)
from support.client import until  # noqa: E402
from support.server import Server  # noqa: E402

import shapes  # noqa: E402

STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) [^\r\n]*\r\n")
# What the HTTP library refuses before any route is known, beside what the description says.
BEFORE_ROUTES = {100, 400, 404, 405, 408, 413, 414, 417, 421, 431, 501, 503, 505}
LIBRARY_SAYS = {400, 413, 414, 431, 501, 505}
QUIET_S = 0.15  # a server that says nothing for so long waits for more


class Broken(Exception):
    """A promise that does not hold."""


def body_end(data, at, head, no_body):
    """Where the body of a reply ends, None where it has not ended yet."""
    if no_body:
        return at
    if b"transfer-encoding: chunked" in head.lower():
        while True:
            end = data.find(b"\r\n", at)
            if end < 0:
                return None
            try:
                size = int(data[at:end].split(b";")[0], 16)
            except ValueError:
                raise Broken(f"a chunk of size {data[at:end][:40]!r}") from None
            if size == 0:  # behind it trailers, or none
                end = data.find(b"\r\n\r\n", end)
                return end + 4 if end >= 0 else None
            at = end + 2 + size + 2
            if at > len(data):
                return None
            if data[at - 2:at] != b"\r\n":
                raise Broken(f"a chunk that does not end where it says: {data[at - 40:at]!r}")
    length = re.search(rb"\r\ncontent-length: *([0-9]+)\r\n", head, re.I)
    if length is None:
        return None  # until the connection ends
    at += int(length[1])
    return at if at <= len(data) else None


def check_problem(status, head, body):
    if b"content-type: application/problem+json" not in head.lower():
        raise Broken(f"a {status} that is no problem+json: {head[:300]!r}")
    try:
        problem = json.loads(body)
    except ValueError:
        raise Broken(f"a problem that is no JSON: {body[:300]!r}") from None
    if problem.get("status") != status or not problem.get("type") or not problem.get("title"):
        raise Broken(f"a problem that does not fit its {status}: {problem}")


def is_the_library_s(status, head):
    """What libmicrohttpd cannot read it refuses by itself, without our headers, and goes; the
    head of such a reply may come twice."""
    if status not in LIBRARY_SAYS or b"\r\nx-content-type-options:" in head.lower():
        return False
    if b"\r\nconnection: close\r\n" not in head.lower():
        raise Broken(f"the library's {status} does not close: {head[:300]!r}")
    return True


def check_replies(sent, data, known):
    """The statuses of all replies in `data`."""
    statuses, at = [], 0
    may_be_head = b"HEAD" in sent
    while at < len(data):
        line = STATUS_LINE.match(data, at)
        if line is None:
            if len(data) - at < 20 and b"HTTP/1.1"[:len(data) - at] == data[at:at + 8]:
                break
            raise Broken(f"no status line where one must be: {data[at:at + 80]!r}")
        status, end = int(line[1]), data.find(b"\r\n\r\n", at)
        if end < 0:
            break
        head = data[at:end + 2]
        if status not in known:
            raise Broken(f"status {status}, of which the description knows nothing")
        if status != 100:
            statuses.append(status)
        if is_the_library_s(status, head):
            break
        begin = end + 4
        # Behind a HEAD's reply another may begin at once.
        no_body = status in (100, 204, 304) or (may_be_head and (
            data[begin:begin + 7] == b"HTTP/1." or begin == len(data)))
        at = body_end(data, begin, head, no_body)
        if at is None:
            break
        if status >= 400 and at > begin:
            check_problem(status, head, data[begin:at] if b"chunked" not in head.lower() else
                          b"".join(data[begin:at].split(b"\r\n")[1::2]))
    if len(statuses) > sent.count(b"HTTP/") + sent.count(b"\n\r\n") + 1:
        raise Broken(f"{len(statuses)} replies to {sent.count(b'HTTP/')} requests")
    return statuses


class Client(threading.Thread):
    """Sends sequences until the time is over."""

    def __init__(self, fuzzer, number):
        super().__init__(daemon=True)
        self.fuzzer = fuzzer
        self.random = random.Random(f"{fuzzer.seed} {number}")
        self.last = deque(maxlen=8)
        self.counts = Counter()
        self.error = None
        self.job = "j_00000000000000000000000000"

    def run(self):
        try:
            while not self.fuzzer.is_over():
                self.new_job()
                for _ in range(self.random.randrange(5, 40)):
                    if self.fuzzer.is_over():
                        break
                    self.play(shapes.sequence(self.random))
        except Exception as error:  # told by the main thread
            self.error = error
            self.fuzzer.over.set()

    def new_job(self):
        definition = json.dumps(self.random.choice(shapes.DEFINITIONS)).encode()
        reply = self.exchange(shapes.encode(random.Random(0), shapes.send(
            b"POST", b"/v1/jobs", definition, shapes.JSON, b"Connection: close")), [], wait=5)
        found = re.search(rb'"id":"(j_[0-9a-z]+)"', reply)
        self.job = found[1].decode() if found else self.job

    def play(self, data):
        """One sequence: sent, heard, judged."""
        self.last.append(data)
        sent = data.replace(b"{id}", self.job.encode())
        cuts = sorted(self.random.randrange(len(sent) + 1)
                      for _ in range(self.random.choice([0, 0, 1, 3])))
        if self.random.random() < 0.1 and sent:
            return self.leave(sent[:self.random.randrange(len(sent))])
        reply = self.exchange(sent, cuts, half=self.random.random() < 0.1)
        statuses = check_replies(sent, reply, self.fuzzer.known)
        self.counts["sequences"] += 1
        self.counts["replies"] += len(statuses)
        for status in statuses:
            self.counts[f"{status // 100}xx"] += 1
        return statuses

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.fuzzer.server.port), timeout=60)

    def leave(self, data):
        """Goes in the middle, by FIN or by RST."""
        self.counts["left"] += 1
        with self.connect() as peer:
            try:
                peer.sendall(data)
            except OSError:
                return  # it was refused before all was sent
            if self.random.random() < 0.5:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def exchange(self, data, cuts, half=False, wait=QUIET_S):
        """Everything that comes back until the server is quiet or closes."""
        heard = b""
        with self.connect() as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for begin, end in zip([0, *cuts], [*cuts, len(data)]):
                    peer.sendall(data[begin:end])
                if half:
                    peer.shutdown(socket.SHUT_WR)
                while select.select([peer], [], [], wait)[0]:
                    piece = peer.recv(1 << 16)
                    heard += piece
                    if not piece or len(heard) > 1 << 22:
                        break
            except OSError:
                pass  # it was refused before all was sent
        return heard


class Canary(threading.Thread):
    """A job of somebody who behaves, fed and looked at all the time."""

    def __init__(self, fuzzer, api):
        super().__init__(daemon=True)
        self.fuzzer, self.api = fuzzer, api
        self.job = api.create({"name": "canary", "stages": [{"use": "pass"}]})
        self.sent, self.error, self.slowest = 0, None, 0.0

    def run(self):
        try:
            while not self.fuzzer.over.wait(0.05):
                began = time.monotonic()
                if self.api.get("/livez").status != 200:
                    raise Broken("the probe is not answered with 200")
                self.job.send([{"canary": self.sent + n} for n in range(10)])
                self.sent += 10
                self.slowest = max(self.slowest, time.monotonic() - began)
        except Exception as error:  # told by the main thread
            self.error = error
            self.fuzzer.over.set()

    def judge(self):
        self.job.must("close")
        self.job.wait_done()
        found = sorted(value["canary"] for value in self.job.results())
        if found != list(range(self.sent)):
            raise Broken(f"of {self.sent} items of the job beside, {len(found)} results stand")


class Fuzzer:
    def __init__(self, options):
        self.seed = options.seed
        self.server = Server(options.program, {
            "header-ms": "2s", "idle-timeout": "3s", "jobs-max": 300, "body-max": "1MiB",
            "item-max": "64KiB", "page-limit-max": 1000, "retention-records": "1s"}).start(60)
        self.over = threading.Event()
        self.deadline = time.monotonic() + options.seconds
        self.api = Api(self.server)
        described = self.api.get("/openapi.json").json()
        self.known = BEFORE_ROUTES | {
            int(status) for path in described["paths"].values() for operation in path.values()
            if isinstance(operation, dict) for status in operation.get("responses", ())
            if status.isdigit()} - {500}
        self.clients = [Client(self, n) for n in range(options.clients)]
        self.files = len(os.listdir(f"/proc/{self.server.pid}/fd"))

    def is_over(self):
        return self.over.is_set() or time.monotonic() > self.deadline

    def run(self):
        canary = Canary(self, self.api)
        for thread in (canary, *self.clients):
            thread.start()
        for client in self.clients:
            client.join()
        self.over.set()
        canary.join()
        for thread in (canary, *self.clients):
            if thread.error is not None:
                raise thread.error
        self.server.check()
        canary.judge()
        self.clean_up()
        return canary

    def clean_up(self):
        until(self.delete_all, 60, "all jobs are deleted")
        self.api.close()
        until(lambda: len(os.listdir(f"/proc/{self.server.pid}/fd")) <= self.files, 60,
              "descriptors are closed", pause=0.1)
        self.server.stop()
        if self.server.reports():
            raise Broken(self.server.report_text())

    def delete_all(self):
        found = self.api.get("/v1/jobs?limit=1000").json()["items"]
        for job in found:
            if not job["done"]:
                self.api.post(f"/v1/jobs/{job['id']}/cancel")
            self.api.request("DELETE", f"/v1/jobs/{job['id']}")
        return not found

    def keep(self):
        """What was sent last, for --replay."""
        folder = tempfile.mkdtemp(prefix="leat-hfuzz-")
        for number, client in enumerate(self.clients):
            for turn, data in enumerate(client.last):
                with open(os.path.join(folder, f"{number}-{turn}"), "wb") as file:
                    file.write(data)
        return folder


def replay(fuzzer, names):
    client = fuzzer.clients[0]
    for name in names:
        client.new_job()
        with open(name, "rb") as file:
            data = file.read().replace(b"{id}", client.job.encode())
        heard = client.exchange(data, [], wait=2)
        print(f"# {name}: {heard[:600]!r}")
        check_replies(data, heard, fuzzer.known)
        fuzzer.server.check()
    fuzzer.clean_up()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--examples", help="taken for the sake of the other tests' callers")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1000000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--replay", nargs="+")
    options = parser.parse_args()
    fuzzer = Fuzzer(options)
    try:
        if options.replay:
            replay(fuzzer, options.replay)
        else:
            canary = fuzzer.run()
            counts = sum((client.counts for client in fuzzer.clients), Counter())
            print("# " + ", ".join(f"{counts[name]} {name}" for name in sorted(counts)))
            print(f"# {canary.sent} items of the job beside; its slowest turn took "
                  f"{canary.slowest * 1000:.0f} ms")
        print(f"ok 1 - a server under hostile requests, seed {options.seed}")
        print("1 passed, 0 failed")
        return 0
    except Exception as error:
        print(f"not ok 1 - a server under hostile requests, seed {options.seed}")
        told = f"{type(error).__name__}: {error}\n{fuzzer.server.report_text()}\n"
        told += fuzzer.server.log.tail()
        print("\n".join("#   " + line for line in told.splitlines()))
        print(f"#   what was sent last: {fuzzer.keep()}")
        print("0 passed, 1 failed")
        return 1
    finally:
        fuzzer.server.remove()


if __name__ == "__main__":
    sys.exit(main())
