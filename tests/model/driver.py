"""A random run against a real server, written down as a history (checker.py says what that is).

Clients upload in pieces with keys, follow and page results, look, pause, rescale, retry, cancel
and delete, all at once, while the server is killed and started again. Everything random comes
from the seed; what the threads make of it does not, so a seed is a kind of weather and the
history is the evidence.
"""

import json
import random
import threading
import time

from support.client import NDJSON, Api, Job, target
from support.items import ndjson
from support.wire import Closed, Connection

BROKEN = (Closed, OSError, TimeoutError)
REFUSED = (409, 429, 503, 507)


class History:
    def __init__(self):
        self.lock = threading.Lock()
        self.clock = 0
        self.events = []

    def tick(self):
        with self.lock:
            self.clock += 1
            return self.clock

    def add(self, begin, op, job=None, status=None, **more):
        with self.lock:
            self.clock += 1
            self.events.append({"begin": begin, "end": self.clock, "op": op, "job": job,
                                "status": status, **more})

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            for event in self.events:
                file.write(json.dumps(event) + "\n")


def definition(rng, slow):
    """`slow`: much is left to do when all is sent."""
    stages = [{"use": "sleep", "name": "slow", "params": {"ms": 40}}] if slow else []
    if rng.random() < 0.7:
        stages.append({"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 3}})
    if rng.random() < 0.4:
        stages.append({"use": "sleep", "workers": rng.choice((4, 32)),
                       "params": {"ms": 0, "jitter_ms": rng.choice((1, 4))}})
    stages.append({"use": "explode", "params": {"field": "parts"}} if rng.random() < 0.5
                  else {"use": "pass", "workers": rng.choice((1, 2, 5))})
    return {"stages": stages, "order": rng.choice(("input", "none"))}


def body(rng, number, count):
    """Items whose `n` no other body has; of some, the parts are no array."""
    values = []
    for line in range(count):
        n = number * 1000000 + line
        parts = [{"n": n, "part": p} for p in range(rng.randint(0, 3))]
        values.append({"n": n, "keep": rng.randint(0, 9),
                       "parts": None if rng.random() < 0.08 else parts})
    return values


class Run:
    """One server and all its clients."""

    def __init__(self, server, seed, kills=3, jobs=3, cancels=0.15, patience=60, slow=False):
        self.server, self.kills, self.cancels = server, kills, cancels
        self.slow = slow
        self.patience = patience * server.slow  # seconds for a job to end
        self.rng = random.Random(seed)
        self.history = History()
        self.changed = threading.Condition()
        self.port = None
        self.over = threading.Event()
        self.uploading = threading.Semaphore(0)
        self.jobs = jobs
        self.threads = []
        self.error = None

    # -- the server -------------------------------------------------------------------

    def up(self, port):
        with self.changed:
            self.port = port
            self.changed.notify_all()

    def where(self):
        with self.changed:
            self.changed.wait_for(lambda: self.port is not None, 60)
            return self.port

    def lost(self, port):
        with self.changed:
            self.changed.wait_for(lambda: self.port != port, 0.02)

    def kill(self):
        self.up(None)
        begin = self.history.tick()
        self.server.kill()
        self.history.add(begin, "kill")
        begin = self.history.tick()
        self.server.start()
        self.history.add(begin, "started")
        self.up(self.server.port)

    # -- requests ---------------------------------------------------------------------

    def ask(self, method, path, payload=None, headers=None, query=None):
        """The response, or None when the connection broke."""
        port = self.where()
        try:
            with Connection(port, timeout=20 * self.server.slow) as connection:
                return connection.request(method, target(path, query), payload, headers)
        except BROKEN:
            self.lost(port)
            return None

    def once(self, op, job, method, path, payload=None, headers=None, query=None, **more):
        begin = self.history.tick()
        reply = self.ask(method, path, payload, headers, query)
        status = None if reply is None else reply.status
        self.history.add(begin, op, job, status, **more)
        return reply

    def upload(self, job, key, values, rng):
        """Piece by piece, each time the whole body so far, until all of it was acknowledged."""
        sent = 0
        while sent < len(values):
            sent = min(len(values), sent + rng.randint(1, max(2, len(values) // 4)))
            while not self.send(job, key, values[:sent], rng):
                if rng.random() < 0.3:
                    self.offset(job, key)

    def send(self, job, key, values, rng):
        begin = self.history.tick()
        port = self.where()
        reply = None
        try:
            with Connection(port, timeout=20 * self.server.slow) as connection:
                connection.send_head("POST", f"/v1/jobs/{job}/items", {
                    "Content-Type": NDJSON, "Idempotency-Key": key, "Transfer-Encoding": "chunked"})
                whole = self.send_body(connection, ndjson(values), rng)
                reply = connection.read_response() if whole else None
        except BROKEN:
            self.lost(port)
        known = reply is not None and reply.status in (200, *REFUSED)
        self.history.add(begin, "upload", job, reply.status if reply is not None else None,
                         key=key, lines=len(values), reply=reply.json() if known else None)
        return reply is not None and (reply.status == 200 or reply.status in (404, 409))

    @staticmethod
    def send_body(connection, data, rng):
        """False when it was cut on purpose."""
        at, cut = 0, rng.random() < 0.1
        while at < len(data):
            size = rng.choice((7, 300, 5000, 40000))
            if cut and at > len(data) // 2:
                connection.cut()
                return False
            if not connection.send_chunk(data[at:at + size]):
                return True
            at += size
        connection.end_chunks()
        return True

    def offset(self, job, key):
        begin = self.history.tick()
        reply = self.ask("GET", f"/v1/jobs/{job}/items", query={"key": key})
        if reply is not None and reply.status == 200:
            self.history.add(begin, "offset", job, 200, key=key,
                             next_offset=reply.json()["next_offset"])

    def look(self, job):
        begin = self.history.tick()
        reply = self.ask("GET", f"/v1/jobs/{job}")
        shown = reply.json() if reply is not None and reply.status == 200 else None
        if reply is not None:
            self.history.add(begin, "look", job, reply.status, reply=shown)
        return shown

    def page(self, job, what, after, limit):
        """One page; its next cursor, and whether more may come."""
        begin = self.history.tick()
        reply = self.ask("GET", f"/v1/jobs/{job}/{what}",
                         headers={"Accept": "application/json"},
                         query={"after": after, "limit": limit, "envelope": "true"})
        if reply is None or reply.status != 200:
            return after, reply is None
        shown = reply.json()
        self.history.add(begin, "read", job, 200, what=what, after=after, items=shown["items"],
                         whole=False)
        return (shown["next"] if shown["items"] else after), bool(shown["items"])

    def read_whole(self, job, what):
        """From the start to the end, in one reading or several."""
        items, after = [], None
        while True:
            begin = self.history.tick()
            reply = self.ask("GET", f"/v1/jobs/{job}/{what}", headers={"Accept": "application/json"},
                             query={"after": after, "limit": 500, "envelope": "true"})
            if reply is None:
                continue
            shown = reply.json()
            items += shown["items"]
            if not shown["items"]:
                self.history.add(begin, "read", job, 200, what=what, after=None, items=items,
                                 whole=True)
                return
            after = shown["next"]

    # -- clients ----------------------------------------------------------------------

    def uploader(self, job, number, rng):
        values = body(rng, number, rng.randint(50, 1500))
        key = f"k{number}"
        self.history.add(self.history.tick(), "body", job, 200, key=key, values=values)
        self.upload(job, key, values, rng)
        self.uploading.release()

    def reader(self, job, rng):
        """Pages of odd sizes, some from the middle of what it has read."""
        after, cursors = None, [None]
        while not self.over.is_set():
            start = rng.choice(cursors[-5:]) if rng.random() < 0.2 else after
            after, more = self.page(job, "results", start, rng.choice((1, 7, 64, 500)))
            cursors.append(after)
            if not more:
                self.over.wait(0.02)

    def follower(self, job, rng):
        after = None
        while not self.over.is_set():
            begin, items = self.history.tick(), []
            port = self.where()
            try:
                with Connection(port, timeout=20 * self.server.slow) as connection:
                    connection.send_head("GET", target(f"/v1/jobs/{job}/results", {
                        "follow": "true", "envelope": "true", "after": after}))
                    if connection.read_head().status != 200:
                        return
                    self.follow(connection, items)
            except BROKEN:
                self.lost(port)
            self.history.add(begin, "read", job, 200, what="results", after=after, items=items,
                             whole=False)
            after = items[-1]["cursor"] if items else after
            if not self.over.is_set() and self.port == port:
                self.over.wait(0.05)

    def follow(self, connection, items):
        rest = b""
        while piece := connection.read_piece():
            *lines, rest = (rest + piece).split(b"\n")
            items += map(json.loads, lines)

    def watcher(self, rng):
        while not self.over.is_set():
            self.look(rng.choice(self.ids))
            self.over.wait(0.01)

    def orderer(self, rng):
        while not self.over.is_set():
            job = rng.choice(self.ids)
            if rng.random() < 0.5:
                stage = rng.choice(self.definitions[job]["stages"])
                stage = stage.get("name", stage["use"])
                count = rng.choice((1, 2, 3, 8))
                self.once("patch", job, "PATCH", f"/v1/jobs/{job}", json.dumps(
                    {"stages": {stage: {"workers": count}}}).encode(), stage=stage, workers=count)
            else:
                for verb in ("pause", "resume"):
                    self.once("act", job, "POST", f"/v1/jobs/{job}/{verb}", verb=verb)
                    self.over.wait(rng.random() * 0.05)
            self.over.wait(rng.random() * 0.1)

    def guarded(self, function, *args):
        try:
            function(*args)
        except Exception as error:  # told at the end
            self.error = error

    def go(self, function, *args):
        thread = threading.Thread(target=self.guarded, args=(function, *args), daemon=True)
        thread.start()
        self.threads.append(thread)

    # -- the run ----------------------------------------------------------------------

    def start(self):
        self.server.start()
        self.up(self.server.port)
        self.definitions = {}
        for _ in range(self.jobs):
            made = definition(self.rng, self.slow)
            begin = self.history.tick()
            job = Api(self.server).create(made).id
            self.history.add(begin, "create", job, 201, definition=made)
            self.definitions[job] = made
        self.ids = list(self.definitions)
        uploaders = 0
        for job in self.ids:
            for _ in range(self.rng.choice((1, 2))):
                uploaders += 1
                self.go(self.uploader, job, uploaders, random.Random(self.rng.random()))
            self.go(self.reader, job, random.Random(self.rng.random()))
            self.go(self.follower, job, random.Random(self.rng.random()))
        self.go(self.watcher, random.Random(self.rng.random()))
        self.go(self.orderer, random.Random(self.rng.random()))
        return uploaders

    def finish(self, job):
        """Closes, waits, retries what failed, waits, reads all; a job may be cancelled instead."""
        path = f"/v1/jobs/{job}"
        self.again("act", job, "POST", f"{path}/resume", verb="resume")
        if self.rng.random() < self.cancels:
            self.again("act", job, "POST", f"{path}/cancel", verb="cancel")
            self.wait_done(job)
            self.again("delete", job, "DELETE", path)
            self.look(job)
            return
        self.again("act", job, "POST", f"{path}/close", verb="close")
        self.wait_done(job)
        if self.rng.random() < 0.5:
            self.once("retry", job, "POST", f"{path}/failures/retry", b"{}",
                      {"Content-Type": "application/json"})
            self.wait_done(job)
        for what in ("results", "failures"):
            self.read_whole(job, what)
        self.look(job)

    def again(self, op, job, method, path, **more):
        while True:
            reply = self.once(op, job, method, path, **more)
            if reply is not None and reply.status not in (503, 507):
                return

    def wait_done(self, job):
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            shown = self.look(job)
            if shown is not None and shown["done"]:
                return
            time.sleep(0.01)
        raise AssertionError(f"the job {job} does not end: {self.look(job)}")

    def run(self):
        """The history."""
        left = self.start()
        for _ in range(self.kills):
            time.sleep(self.rng.random() * 0.25 * self.server.slow)  # the moment of the kill
            self.kill()
        for _ in range(left):
            if not self.uploading.acquire(timeout=60 * self.server.slow):
                raise AssertionError(f"an uploader hangs: {self.error}")
        self.over.set()
        for job in self.ids:
            self.finish(job)
        for thread in self.threads:  # followers end with their job
            thread.join(60 * self.server.slow)
        if self.error:
            raise self.error
        return self.history
