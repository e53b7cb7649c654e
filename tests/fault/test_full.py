"""A ledger at its bound (--map-size): whatever filled it, what was accepted ends or stands and
says why, everything that removes works, and all goes on by itself when there is room."""

from support.leat import *
from support.metrics import Metrics

MIB = 1 << 20
MAP = 24 * MIB
GROW = {"use": "jq", "params": {"program": ". as $x | [range(100) | $x]"}}
MANY = {"use": "jq", "params": {"program": "range(1000)"}}
FAIL = {"use": "jq", "params": {"program": "error(\"no good: \" + (\"x\" * 400))"}}


class Sent:
    """A job, what was taken of it, and what must come of each item."""

    def __init__(self, job, values, outcome):
        self.job, self.values, self.outcome = job, values, outcome
        self.taken = 0

    def send(self, part=1):
        """One in `part` of all values, or what is left; true when it was taken."""
        values = self.values[self.taken:self.taken + (len(self.values) + part - 1) // part]
        close = {"close": "true"} if self.taken + len(values) == len(self.values) else {}
        if not values and not close:
            return True
        reply = self.job.upload(ndjson(values), {**close, "offset": self.taken},
                                {"Idempotency-Key": "k"})
        self.taken = self.job.offset("k")
        if reply.status == 200:
            return True
        problem(reply, 507, "disk-full")
        return False

    def check(self):
        """What stands there is what must come of the items that are done, each once. A job that
        has come to stand may still store what it had in hand."""
        eq(self.job.get()["input"]["received"], self.taken, "received")
        each = 1 if self.outcome is None else len(self.outcome(self.values[0]))
        what, fate, other = ("failures", "failed", "succeeded") if self.outcome is None else (
            "results", "succeeded", "failed")
        until(lambda: len(self.job.results(what)) == each * self.job.get()["counts"][fate],
              20 * self.job.api.server.slow, f"as many {what} as the counts say", 0.1)
        eq(self.job.get()["counts"][other], 0, other)

    def check_whole(self):
        if self.outcome is None:
            same_multiset([f["input"] for f in self.job.failures()], self.values)
        else:
            same_multiset(self.job.results(), [r for v in self.values for r in self.outcome(v)])


def padded(count, size):
    return [{"n": n, "pad": "x" * (size - 20)} for n in range(count)]


def fits(api):
    """Jobs whose results take about what their items take, and that have less in hand at once than
    the reserve keeps for them; what has more stands, as the random walk sees."""
    shapes = [(padded(9000, 1000), [{"use": "pass"}]), (numbers(300000), [{"use": "pass", "workers": 2}]),
              (padded(100, 60000), [{"use": "pass"}]), (padded(30000, 60), [{"use": "pass"}, {"use": "pass", "name": "b"}])]
    return [Sent(api.create({"stages": stages, "order": order}), values, lambda v: [v])
            for (values, stages), order in zip(shapes, ["none", "none", "input", "input"])]


def outgrows(api):
    shapes = [(padded(2000, 1000), GROW, lambda v: [[v] * 100]),
              (numbers(20000), MANY, lambda v: list(range(1000))),
              (padded(20000, 100), FAIL, None)]
    return [Sent(api.create({"stages": [stage]}), values, outcome) for values, stage, outcome in shapes]


def file_size(server):
    return os.stat(os.path.join(server.data, "data.mdb")).st_size


def fill(sents):
    """A part of each in turn, until one was refused; all are paused, so that it fills."""
    for sent in sents:
        sent.job.must("pause")
    while all([sent.taken == len(sent.values) or sent.send(part=16) for sent in sents]):
        ok(any(sent.taken < len(sent.values) for sent in sents), "the ledger never was full")


def red(api):
    ready = api.get("/readyz")
    eq(ready.status, 503, "readyz")
    ok("map-size" in ready.body.decode(), ready.body)


def never_full(server):
    """Whoever came too near was stopped before the ledger itself had to refuse."""
    failed = [line for line in server.log.lines if "event=store_failed" in line]
    eq(failed, [], "failures of the store")


def settled(sents):
    """Each has all that was taken behind it, or stands and says why."""
    for sent in sents:
        job = sent.job.get()
        counts, stalled = job["counts"], job["stalled"]
        if counts["succeeded"] + counts["failed"] < sent.taken and not (
                stalled and "map-size" in json.dumps(stalled)):
            return False
    return True


def settle(t, api, sents, when):
    try:
        until(lambda: settled(sents), 20 * t.slow, f"all have ended or stand, {when}", 0.1)
    except AssertionError as error:
        m = Metrics(api.get("/metrics").body.decode())
        raise AssertionError("\n".join([str(error), f"{m('leat_store_used_bytes') / MIB:.2f} MiB used", *(
            f"{s.taken} {s.job.get()['counts']} {s.job.get()['stalled']}" for s in sents),
            api.server.log.tail()])) from None


def works_at_the_bound(api, sent):
    status(api.get("/v1/jobs"), 200)
    status(sent.job.patch({"labels": {"a": "b"}}), 200)
    status(sent.job.act("pause"), 200)
    status(sent.job.act("resume"), 200)
    problem(api.post("/v1/jobs", {"stages": [{"use": "pass"}]}), 507, "disk-full")
    problem(api.post("/v1/run?stages=pass", b"1\n", {"Content-Type": NDJSON}), 507, "disk-full")


@timeout(240)
def test_what_was_accepted_ends_or_stands(t):
    server = t.server({"map-size": MAP, "log-level": "info", "backlog-default": "1GiB"})
    api = t.client(server)
    keep, grow = fits(api), outgrows(api)
    sents = keep + grow
    fill(sents)
    red(api)
    works_at_the_bound(api, keep[0])
    for sent in sents:
        status(sent.job.act("resume"), 200)
    settle(t, api, sents, "at the bound")
    t.note(f"{[s.taken for s in sents]} taken, {[s.job.get()['counts'] for s in sents]}, file {file_size(server) / MIB:.1f} MiB")
    for sent in keep:
        eq(sent.job.get()["counts"]["succeeded"], sent.taken, "items of a job whose results fit")
    for sent in sents:
        sent.check()
    red(api)
    works_at_the_bound(api, grow[0])
    ok(file_size(server) <= MAP, f"the file has {file_size(server)} bytes")
    never_full(server)
    api.close()
    server.kill()
    server.start()
    settle(t, api, sents, "after kill -9")
    for sent in sents:
        sent.check()
    ok(file_size(server) <= MAP, f"the file has {file_size(server)} bytes")
    status(grow[1].job.act("cancel"), 200)
    for sent in grow[1:]:
        status(sent.job.delete(), 204)
    for sent in keep:
        status(sent.job.delete(), 204)
    until(lambda: api.get("/readyz").status == 200, 30 * t.slow, "green by itself", 0.05)
    new = Sent(api.create({"stages": [{"use": "pass"}]}), padded(1000, 500), lambda v: [v])
    ok(new.send(), "a new job's items")
    new.job.wait_done()
    new.check_whole()
    never_full(server)
    ok(file_size(server) <= MAP, f"the file has {file_size(server)} bytes")


@timeout(60)
def test_the_smallest_ledger_fills_and_empties(t):
    """--map-size 1 MiB with item-max above it: each round is filled, worked on, removed."""
    server = t.server({"map-size": MIB, "item-max": 4 * MIB})
    api = t.client(server)
    for _ in range(5 if t.quick else 20):
        job = until(lambda: (r := api.post("/v1/jobs", {"stages": [{"use": "pass"}]})).status == 201
                    and Job(api, r.json()["id"]), 20 * t.slow, "there is room for a job", 0.02)
        problem(job.upload(ndjson([{"pad": "x" * 2 * MIB}])), 507, "disk-full")
        sent = Sent(job, padded(2000, 500), lambda v: [v])
        ok(not sent.send(), "a megabyte was taken")
        settle(t, api, [sent], "in a ledger of a megabyte")
        sent.check()
        status(job.delete(), 204)
        ok(file_size(server) <= MIB, f"the file has {file_size(server)} bytes")
    never_full(server)


# -- a random walk at the bound ------------------------------------------------------------------

class Walk:
    """Jobs of all shapes come, are fed, steered, removed, on a ledger that is nearly always full."""

    def __init__(self, t, seed):
        self.t, self.rng = t, random.Random(seed)
        self.bound = self.rng.choice([8, 12, 16, 32]) * MIB
        self.server = t.server({"map-size": self.bound, "audit-log": "off", "backlog-default": "1GiB"})
        self.api = t.client(self.server)
        self.sents, self.paused, self.refused = [], set(), 0

    def shape(self):
        size = self.rng.choice([20, 60, 300, 1000, 5000, 70000, 500000])
        grow = [([GROW], lambda v: [[v] * 100])] if size < 100000 else []  # else more than output-max
        values = padded(max(8, self.rng.randrange(4 * MIB) // size), size) if self.rng.random() < 0.8 \
            else numbers(self.rng.randrange(1000, 100000))
        return values, *self.rng.choice([
            ([{"use": "pass"}], lambda v: [v]), ([{"use": "pass", "workers": 3}], lambda v: [v]),
            ([{"use": "pass"}, {"use": "pass", "name": "b"}], lambda v: [v]),
            ([MANY], lambda v: list(range(1000))), ([FAIL], None), *grow])

    def create(self):
        values, stages, outcome = self.shape()
        reply = self.api.post("/v1/jobs", {"stages": stages, "order": self.rng.choice(["none", "input"])})
        if reply.status == 201:
            self.sents.append(Sent(Job(self.api, reply.json()["id"]), values, outcome))
        else:
            self.full(reply)

    def full(self, reply):
        problem(reply, 507, "disk-full")
        self.refused += 1

    def send(self, sent):
        if sent.taken < len(sent.values):
            self.refused += not sent.send(part=self.rng.choice([1, 4, 16]))

    def steer(self, sent):
        verb = self.rng.choice(["pause", "resume"])
        ok(sent.job.act(verb).status in (200, 409), verb)
        ok(sent.job.patch({"labels": {"n": str(self.rng.random())}}).status in (200, 409), "patch")

    def retry(self, sent):
        reply = sent.job.retry()
        ok(reply.status in (200, 409, 507), f"retry: {reply!r}")

    def remove(self, sent):
        self.sents.remove(sent)
        if self.rng.random() < 0.5:
            reply = sent.job.act("cancel")
            ok(reply.status in (200, 409), f"cancel: {reply!r}")
        status(sent.job.delete(), 204)

    def kill(self):
        never_full(self.server)
        self.api.close()
        self.server.kill()
        self.server.start()

    def step(self):
        dice = self.rng.random()
        if dice < 0.01:
            self.kill()
        elif dice < 0.2 or not self.sents:
            self.create()
        else:
            sent = self.rng.choice(self.sents)
            if dice < 0.7:
                self.send(sent)
            elif dice < 0.85:
                self.steer(sent)
            elif dice < 0.92:
                self.retry(sent)
            elif dice < 0.95 or len(self.sents) > 12:
                self.remove(sent)
            else:
                sent.job.results(limit=10)
        status(self.api.get("/v1/jobs"), 200)
        size = file_size(self.server)
        ok(size <= self.bound, f"the file has {size} of {self.bound} bytes")

    def end(self):
        """All that was taken ends: what stands, when others are removed; all counts are exact."""
        for sent in self.sents:
            ok(sent.job.act("resume").status in (200, 409), "resume")
        while True:
            settle(self.t, self.api, self.sents, "at the end of the walk")
            for sent in self.sents:
                sent.check()
            standing = [s for s in self.sents if s.job.get()["stalled"]]
            if not standing:
                return
            self.remove(self.rng.choice(standing))


@timeout(300)
def test_a_random_walk_at_the_bound(t):
    seeds = [1] if t.quick else [random.randrange(1 << 32) for _ in range(6)]
    for seed in seeds:
        walk = Walk(t, seed)
        try:
            for _ in range(150):
                walk.step()
            walk.end()
            for sent in list(walk.sents):
                walk.remove(sent)
            until(lambda: walk.api.get("/readyz").status == 200, 30 * t.slow, "green by itself", 0.05)
            never_full(walk.server)
        except (AssertionError, Closed, ConnectionError) as error:
            m = Metrics(walk.api.get("/metrics").body.decode())
            raise AssertionError(f"seed {seed}, {walk.bound >> 20} MiB, {m('leat_store_used_bytes') / MIB:.2f} used: {error}\n"
                                 f"{walk.server.log.tail()}") from error
        t.note(f"{walk.bound >> 20} MiB: {walk.refused} refusals, {walk.server.starts} starts")
        walk.api.close()
        walk.server.stop()
