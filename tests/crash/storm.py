"""A storm: jobs that are fed and read by stubborn clients while the server is killed.

Each Load is one job. Its uploader sends the same body under the same Idempotency-Key again and
again until it is told 200; its follower reads results by cursor across all restarts. The storm
itself kills and restarts the server, gives orders (pause, resume, PATCH), and looks at every
job's counts after every start. In the end everything must be as if nothing had happened.
"""

import json
import random
import threading
import time

from support.client import NDJSON, Api, Job, target
from support.expect import canonical, eq, ok, same_list, same_multiset, status
from support.items import ndjson
from support import model
from support.wire import Closed, Connection

BROKEN = (Closed, OSError, TimeoutError)


class Load:
    """One job of a storm: its definition, its items (None: a source makes them), what it must
    come to. `ordered` jobs are compared in order. `report` is that of its sink; `check` looks at
    a done job whose sink's effects are outside."""

    def __init__(self, name, stages, values=None, expected=None, report=None, check=None, **more):
        self.name = name
        self.definition = {"name": name, "stages": stages, **more}
        self.ordered = more.get("order") == "input"
        self.values = values
        self.body = ndjson(values) if values is not None else None
        self.stages = stages
        self.expected = expected or model.run(
            [s for s in stages if s["use"] not in ("range", "aggregate")], values or [])
        self.report = report
        self.check = check
        self.sink = report is not None or check is not None
        self.job_id = None
        self.acknowledged = 0
        self.cancelled = False


class Beacon:
    """Tells the clients' threads where the server is now, and when all is over."""

    def __init__(self):
        self.changed = threading.Condition()
        self.port = None
        self.over = False

    def set(self, port):
        with self.changed:
            self.port = port
            self.changed.notify_all()

    def end(self):
        with self.changed:
            self.over = True
            self.changed.notify_all()

    def wait(self):
        """The server's port as soon as there is one; None when the storm is over."""
        with self.changed:
            while self.port is None and not self.over:
                self.changed.wait()
            return None if self.over else self.port

    def lost(self, port):
        """The server behind `port` does not answer: wait for another (or a moment)."""
        with self.changed:
            if self.port == port and not self.over:
                self.changed.wait(0.02)


class Client(threading.Thread):
    """A client that does not give up. Subclasses say what one try is."""

    def __init__(self, beacon, load, seed, slow):
        super().__init__(daemon=True)
        self.beacon, self.load, self.slow = beacon, load, slow
        self.random = random.Random(seed)
        self.error = None
        self.tries = 0

    def run(self):
        try:
            while (port := self.beacon.wait()) is not None:
                self.tries += 1
                try:
                    if self.attempt(port):
                        return
                except BROKEN:
                    pass
                self.beacon.lost(port)
        except Exception as error:  # told to the storm, which fails the test
            self.error = error

    def attempt(self, port):
        raise NotImplementedError

    def connect(self, port):
        return Connection(port, timeout=20 * self.slow)


class Uploader(Client):
    """Sends the body, in odd pieces and with pauses, until it is told that all is taken."""

    def attempt(self, port):
        with self.connect(port) as connection:
            offset = self.ask_offset(connection) if self.random.random() < 0.4 else 0
            return self.send(connection, offset)

    def ask_offset(self, connection):
        path = f"/v1/jobs/{self.load.job_id}/items?key=storm"
        return status(connection.request("GET", path), 200).json()["next_offset"]

    def send(self, connection, offset):
        body = self.load.body
        for _ in range(offset):  # skip that many lines
            body = body[body.index(b"\n") + 1:]
        query = {"close": "true", "offset": offset or None}
        connection.send_head("POST", target(f"/v1/jobs/{self.load.job_id}/items", query), {
            "Content-Type": NDJSON, "Idempotency-Key": "storm", "Transfer-Encoding": "chunked"})
        at, cut = 0, self.random.random() < 0.15
        while at < len(body):
            size = self.random.choice((1, 100, 3000, 20000, 60000))
            if not connection.send_chunk(body[at:at + size]):
                break
            at += size
            if cut and self.random.random() < 0.05:
                connection.cut()
                return False
            time.sleep(self.random.random() * 0.01)  # an upload that takes its time
        else:
            connection.end_chunks()
        return self.told(connection.read_response())

    def told(self, reply):
        if reply.status == 200:
            body = reply.json()
            eq(body["next_offset"], len(self.load.values), "next_offset of the whole body")
            eq(body["rejected"], 0, "rejected")
            self.load.acknowledged = len(self.load.values)
            return True
        if reply.status in (409, 429, 503):
            body = reply.json()
            ok(body["type"] != "/problems/input-closed" or self.load.cancelled,
               f"{self.load.name}: {body}")
            return self.load.cancelled
        raise AssertionError(f"{self.load.name}: the upload got {reply!r}")


class Follower(Client):
    """Reads results behind its last cursor, until the job is done and the stream ends."""

    def __init__(self, *args):
        super().__init__(*args)
        self.cursor = None
        self.seen = []

    def attempt(self, port):
        with self.connect(port) as connection:
            connection.send_head("GET", target(f"/v1/jobs/{self.load.job_id}/results", {
                "follow": "true", "envelope": "true", "after": self.cursor}))
            head = connection.read_head()
            eq(head.status, 200, f"{self.load.name}: status of a follower")
            self.read(connection)
        with self.connect(port) as connection:
            reply = connection.request("GET", f"/v1/jobs/{self.load.job_id}")
            return status(reply, 200).json()["done"]

    def read(self, connection):
        rest = b""
        while piece := connection.read_piece():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                result = json.loads(line)
                self.cursor = result["cursor"]
                self.seen.append(result)
        eq(rest, b"", "a line cut at the proper end of a stream")


class Storm:
    """See the head of this file."""

    def __init__(self, t, loads, seed, kills, orders=("none", "pause", "workers"), options=None,
                 env=None):
        self.t, self.loads, self.seed, self.kills = t, loads, seed, kills
        self.options, self.env = options, env
        self.random = random.Random(seed)
        self.orders = orders
        self.beacon = Beacon()
        self.clients = []
        self.workers_told = {}
        self.paused = set()
        self.counts = {}
        self.struck = 0  # kills that found unfinished work

    def job(self, load):
        return Job(self.api, load.job_id)

    def start(self):
        self.server = self.t.server(self.options, self.env)
        self.api = self.t.client(self.server)
        for load in self.loads:
            load.job_id = self.api.create(load.definition).id
        self.beacon.set(self.server.port)
        for load in self.loads:
            if load.body is not None:
                self.clients.append(Uploader(self.beacon, load, self.random.random(), self.t.slow))
            if not load.sink:
                self.clients.append(Follower(self.beacon, load, self.random.random(), self.t.slow))
        for client in self.clients:
            client.start()

    # -- bad weather ---------------------------------------------------------------

    def order(self):
        """One order to one job; what it was told 200 for must hold after the next kill."""
        load = self.random.choice(self.loads)
        what = self.random.choice(self.orders)
        job = self.job(load)
        if what == "pause":
            verb = "resume" if load in self.paused else "pause"
            reply = job.act(verb)
            if reply.status == 200:
                (self.paused.discard if verb == "resume" else self.paused.add)(load)
        elif what == "workers":
            names = model.names(load.stages)
            name = self.random.choice(names[1 if load.values is None else 0:])
            count = self.random.choice((1, 2, 3, 8, 16))
            reply = job.patch({"stages": {name: {"workers": count}}})
            if reply.status == 200:
                self.workers_told[load, name] = count

    def kill(self):
        """Ends the server in one of several ways and starts it again."""
        self.beacon.set(None)
        self.api.close()
        way = self.random.random()
        if way < 0.1:
            self.server.stop()
        else:
            self.server.kill()
        if way > 0.85:  # killed again while it recovers
            self.server.spawn()
            time.sleep(self.random.random() * 0.03)
            self.server.kill()
        self.server.start()
        self.look()
        self.beacon.set(self.server.port)

    def look(self):
        """What must hold right after every start, before any client is back."""
        unfinished = 0
        for load in self.loads:
            job = self.job(load).get()
            ok(job["input"]["received"] >= load.acknowledged,
               f"{load.name}: {load.acknowledged} were acknowledged, {job['input']} is there")
            for name in ("succeeded", "filtered", "failed", "results"):
                before = self.counts.get((load, name), 0)
                ok(job["counts"][name] >= before, f"{load.name}: {name} fell from {before} "
                   f"to {job['counts'][name]}")
                self.counts[load, name] = job["counts"][name]
            # What was in hand as it was paused may have been all there was.
            ok(job["done"] or job["state"] == "finishing"
               or (load in self.paused) == (job["state"] == "paused"),
               f"{load.name} is {job['state']} after the start, paused: {load in self.paused}")
            unfinished += not job["done"]
            for stage in job["stages"]:
                told = self.workers_told.get((load, stage["name"]), stage["workers"])
                eq(stage["workers"], told, f"{load.name}: workers of {stage['name']}")

        self.struck += unfinished > 0

    def rage(self):
        """All of the kills."""
        for _ in range(self.kills):
            time.sleep(self.random.random() * 0.12)  # the moment of the kill
            for _ in range(self.random.randrange(3)):
                self.order()
            if self.random.random() < 0.5:
                time.sleep(self.random.random() * 0.03)
            self.kill()
            for client in self.clients:
                if client.error:
                    raise client.error

    def calm(self):
        """Lets everything come to its end."""
        for load in self.paused:
            reply = self.job(load).act("resume")
            # what was in hand as it was paused may have been all there was
            ok(reply.status == 200 or self.job(load).get()["done"], f"resume: {reply!r}")
        self.paused.clear()
        for load in self.loads:
            if not load.cancelled:
                self.job(load).wait_done(timeout=60)
        for client in self.clients:
            client.join(60 * self.t.slow)
            if client.error:
                raise client.error
            ok(not client.is_alive(), f"{type(client).__name__} of {client.load.name} hangs")

    # -- afterwards ----------------------------------------------------------------

    def verify(self):
        """Everything is as the model says, also after one kill more."""
        for load in self.loads:
            self.verify_load(load)
        before = [(self.job(load).raw_results(), self.job(load).failures()) for load in self.loads]
        self.api.close()
        self.server.restart()
        after = [(self.job(load).raw_results(), self.job(load).failures()) for load in self.loads]
        ok(before == after, "results or failures of done jobs changed by a restart")

    def verify_load(self, load):
        job, expected = self.job(load), load.expected
        done = job.get()
        same = same_list if load.ordered else same_multiset
        if load.check:
            load.check(done)
        elif load.sink:
            eq(done["report"], load.report, f"{load.name}: report")
        else:
            same(job.results(), expected.values, f"{load.name}: results")
            follower = next(c for c in self.clients if isinstance(c, Follower) and c.load is load)
            same([r["value"] for r in follower.seen], expected.values, f"{load.name}: followed")
            same_multiset([r["item"] for r in follower.seen], [n for n, _ in expected.results],
                          f"{load.name}: item numbers")
        same_multiset([[f["item"], f["stage"], f["kind"], f["attempts"]] for f in job.failures()],
                      [list(key) for key in expected.failure_keys()], f"{load.name}: failures")
        counts = expected.counts()
        if load.sink:
            counts["results"] = done["counts"]["results"]
        eq({name: done["counts"][name] for name in counts}, counts, f"{load.name}: counts")

    def run(self):
        try:
            self.start()
            self.rage()
            self.calm()
            self.verify()
        except Exception as error:
            raise AssertionError(f"seed {self.seed}: {error}") from error
        finally:
            self.beacon.end()


def undisturbed(t, load):
    """The same job on a server that nobody disturbs: its results, sorted unless ordered."""
    server = t.server()
    api = t.client(server)
    job = api.create(load.definition)
    if load.body is not None:
        job.send(load.body, close=True)
    done = job.wait_done(timeout=60)
    results = [canonical(value) for value in job.results()]
    failures = sorted((f["item"], f["stage"], f["kind"], f["attempts"]) for f in job.failures())
    api.close()
    server.stop()
    return results if load.ordered else sorted(results), failures, done["counts"], done["report"]
