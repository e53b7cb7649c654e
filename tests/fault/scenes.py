"""Small scenes from the life of a server, for tests in which something is short meanwhile.

A scene says what it wants until it has it: every reply must be the right one or a refusal
(503, 507), and what is there in the end must be exactly right.
"""

import csv
import gzip
import io
import itertools
import sqlite3

from kinds import SOURCE, stages_d
from stubborn import GONE, REFUSALS, Stubborn
from support.far import Far
from support.leat import *

VALUES = items.mixed(12)
KEEP = {"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 2}}
EXPLODE = {"use": "explode", "params": {"field": "parts"}, "workers": 2}
SHA = {"use": "sha256", "params": {"field": "text"}, "workers": 2}
CSV = "text/csv"


class Outside:
    """What stages reach besides items: programs, files, a database, somebody's HTTP server. Its
    `folder` is the server's stages-d."""

    def __init__(self, t):
        self.far = Far()
        t.cleanup.append(self.far.stop)
        self.tables = t.folder()
        self.numbers = itertools.count()
        self.folder = stages_d(t, VALUES, {"sqlite": {"folders": {"out": self.tables}},
                                           "http": {"hosts": [self.far.host]}})

    def rows(self, table):
        connection = sqlite3.connect(os.path.join(self.tables, "a.db"), timeout=60)
        try:
            return [row[0] for row in connection.execute(f"SELECT id FROM {table} ORDER BY id")]
        finally:
            connection.close()


class Play(Stubborn):
    """A client that plays one scene. `unheard`: how many jobs may have been made by requests
    whose reply did not come."""

    def __init__(self, t, api, outside):
        super().__init__(api, 20 * t.slow)
        self.outside = outside
        self.unheard = 0

    def ask(self, what, good, method, path, body=None, **more):
        return self.until_answered(what, lambda: self.api.request(method, path, body, **more),
                                   {good})

    def create(self, definition):
        def post():
            try:
                return self.api.post("/v1/jobs", definition)
            except GONE:
                self.unheard += 1
                raise
        return Job(self.api, self.until_answered("create", post, {201}).json()["id"])

    def send(self, job, body, count, kind=NDJSON, query=None, **headers):
        """One body under a key, whole."""
        told = self.ask("upload", 200, "POST", f"{job.path}/items", body,
                        query={"close": "true", **(query or {})}, headers={
                            "Content-Type": kind, "Idempotency-Key": "s", **headers}).json()
        eq(told["next_offset"], count, "next_offset of the whole body")
        eq(told["accepted"] + told["duplicates"], count, "accepted and duplicates")
        eq(told["rejected"], 0, "rejected")

    def finished(self, job, state="succeeded"):
        """The job at its end; its counts must add up whenever they can be read."""
        done = counts_add_up(self.ask("the job", 200, "GET", job.path).json())
        while not done["done"]:
            ok(time.monotonic() < self.deadline, f"the job does not end: {json.dumps(done)}")
            done = counts_add_up(self.ask("the job", 200, "GET", job.path, query={
                "wait_ms": 1000, "version": done["version"]}).json())
        eq(done["state"], state, f"state, error {done['error']}")
        return done

    def streamed(self, path, query, kind, whole):
        """A stream read to its end; what came before it was cut must be the beginning of the
        whole. `whole` takes what was read and says whether that is all."""
        while True:
            try:
                with self.api.connect() as connection:
                    connection.send_head("GET", target(path, query), {
                        "Accept": "text/event-stream" if kind is Events else NDJSON})
                    reply = connection.read_head()
                    if reply.status in REFUSALS:
                        self.refused.append((path, reply.status))
                    else:
                        eq(reply.status, 200, path)
                        if whole(self._read(kind(connection, reply))):
                            return
            except GONE:
                pass
            self.again(path)

    @staticmethod
    def _read(stream):
        seen = []
        try:
            for piece in stream:
                seen.append(piece)
        except GONE:
            pass
        return seen

    def remove(self, job):
        self.until_answered("delete", job.delete, {204, 404})

    def close(self):
        self.api.close()


def outcome(play, job, stages, values=VALUES, order="list"):
    """All that was acknowledged stands once in results or failures."""
    expected = model.run(stages, values)
    done = play.finished(job)
    same = same_list if order == "list" else same_multiset
    same(play.read(job, "results"), expected.values)
    eq(sorted(found["item"] for found in play.read(job, "failures")),
       sorted(item for item, *_ in expected.failure_keys()), "items that failed")
    eq({n: done["counts"][n] for n in expected.counts()}, expected.counts(), "counts")


# -- the scenes ------------------------------------------------------------------------------

def plain(play):
    """A job, its items as NDJSON, its results."""
    stages = [SHA, KEEP, EXPLODE]
    job = play.create({"name": "plain", "stages": stages, "order": "input"})
    play.send(job, ndjson(VALUES), len(VALUES))
    outcome(play, job, stages)
    eq(play.ask("definition", 200, "GET", f"{job.path}/definition").json()["name"], "plain")
    play.remove(job)


def zipped(play):
    """An upload in gzip under a key, repeated; where it stands."""
    job = play.create({"stages": [KEEP], "order": "input"})
    body = gzip.compress(ndjson(VALUES))
    for _ in range(2):
        play.send(job, body, len(VALUES), **{"Content-Encoding": "gzip"})
    reply = play.ask("offset", 200, "GET", f"{job.path}/items", query={"key": "s"})
    eq(reply.json()["next_offset"], len(VALUES), "next_offset")
    outcome(play, job, [KEEP])
    play.remove(job)


def table(play):
    """CSV in, CSV out."""
    rows = [{"id": n, "name": f"bolt, {n}", "qty": n * 3} for n in range(12)]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["id", "name", "qty"])
    writer.writeheader()
    writer.writerows(rows)
    job = play.create({"stages": [{"use": "pass", "workers": 2}], "order": "input"})
    play.send(job, text.getvalue().encode(), len(rows), CSV, {"infer": "true"})
    play.finished(job)
    same_list(play.read(job, "results"), rows)
    for query in (None, {"fields": "id,name,qty"}):
        reply = play.ask("a table", 200, "GET", f"{job.path}/results", headers={"Accept": CSV},
                         query=query)
        eq(reply.body.decode(), text.getvalue(), "the table")
    play.remove(job)


def array(play):
    """A JSON array in, pages of JSON out."""
    job = play.create({"stages": [{"use": "pass", "workers": 3}], "order": "input"})
    play.send(job, json.dumps(VALUES).encode(), len(VALUES), JSON)
    play.finished(job)
    page = play.ask("a page", 200, "GET", f"{job.path}/results", headers={"Accept": JSON}).json()
    same_list(page["items"], VALUES)
    play.remove(job)


FAILING = [{"use": "fail", "params": {"every": 4, "kind": "permanent"}, "workers": 2},
           {"use": "fail", "name": "twice",
            "params": {"every": 3, "kind": "transient", "until_attempt": 2},
            "retry": {"attempts": 5, "backoff_ms": 1, "max_backoff_ms": 2}}]


def failing(play):
    """Items that fail, for good and for the moment; read, and run again."""
    job = play.create({"stages": FAILING})
    play.send(job, ndjson(VALUES), len(VALUES))
    outcome(play, job, FAILING, order="any")
    play.ask("retry one", 200, "POST", f"{job.path}/failures/retry",
             {"items": [play.read(job, "failures")[0]["item"]]})
    play.finished(job)
    play.ask("retry", 200, "POST", f"{job.path}/failures/retry", {})
    outcome(play, job, FAILING, order="any")
    play.remove(job)


def steered(play):
    """Paused, fed, changed, resumed, cancelled, deleted."""
    job = play.create({"stages": [KEEP, EXPLODE], "order": "input"})
    other = play.create({"stages": [{"use": "pass"}]})
    play.ask("pause", 200, "POST", f"{job.path}/pause")
    play.send(job, ndjson(VALUES), len(VALUES))
    play.ask("patch", 200, "PATCH", job.path, {"stages": {"explode": {"workers": 5}},
                                               "labels": {"kind": "odd"}})
    # It may go on and end although the reply is a refusal; asked again, it says so.
    play.until_answered("resume", lambda: job.act("resume"), {200, 409})
    outcome(play, job, [KEEP, EXPLODE])
    found = play.ask("the job", 200, "GET", job.path).json()
    eq((found["labels"], found["stages"][1]["workers"]), ({"kind": "odd"}, 5), "what was changed")
    play.ask("close", 200, "POST", f"{other.path}/close")
    play.finished(other)
    third = play.create({"stages": [{"use": "sleep", "params": {"ms": 60000}}]})
    play.send(third, ndjson(VALUES), len(VALUES))
    play.ask("cancel", 200, "POST", f"{third.path}/cancel")
    play.finished(third, "cancelled")
    for each in (job, other, third):
        play.remove(each)


def followed(play):
    """Results and events while they come, as lines and as events."""
    job = play.create({"stages": [KEEP], "order": "input"})
    play.send(job, ndjson(VALUES), len(VALUES))
    expected = model.run([KEEP], VALUES).values

    def all_of(seen):
        same_list(seen, expected[:len(seen)], "the beginning of the stream")
        return len(seen) == len(expected)

    def lines(seen):
        return all_of([json.loads(line) for line in seen if line])

    def events(seen):
        return all_of([event.json() for event in seen if event.event in (None, "result")])

    def states(seen):
        told = [event.json() for event in seen if event.event == "state"]
        return bool(told) and told[-1]["state"] == "succeeded"
    play.streamed(f"{job.path}/results", {"follow": "true"}, Lines, lines)
    play.streamed(f"{job.path}/results", {}, Events, events)
    play.streamed(f"{job.path}/events", {}, Events, states)
    outcome(play, job, [KEEP])
    play.remove(job)


def paged(play):
    """Results by page and cursor, in an envelope, in gzip, of a page that does not come."""
    job = play.create({"stages": [{"use": "pass"}], "order": "input"})
    play.send(job, ndjson(VALUES), len(VALUES))
    play.finished(job)
    path, seen, query = f"{job.path}/results", [], {"limit": 5}
    while True:
        page = play.ask("a page", 200, "GET", path, query=query, headers={"Accept": JSON}).json()
        if not page["items"]:
            break
        seen += page["items"]
        query["after"] = page["next"]
    same_list(seen, VALUES)
    ok(play.ask("no more", 200, "GET", path, query={**query, "wait_ms": 1}).body == b"", "more")
    envelopes = play.ask("envelopes", 200, "GET", path, query={"envelope": "true"}).values()
    eq([one["item"] for one in envelopes], list(range(len(VALUES))), "items")
    reply = play.ask("gzip", 200, "GET", path, headers={"Accept-Encoding": "gzip"})
    zipped_too = (reply.headers.get("content-encoding") or "") == "gzip"
    body = gzip.decompress(reply.body) if zipped_too else reply.body
    same_list([json.loads(line) for line in body.splitlines()], VALUES)
    play.remove(job)


def summed(play):
    """A source and a sink: nothing is sent, nothing is read but the report."""
    job = play.create({"stages": [{"use": "range", "params": {"from": 0, "to": 15}},
                                  {"use": "pass", "workers": 2}, {"use": "aggregate"}]})
    report = play.finished(job)["report"]
    eq(report["count"], 15, f"count in {report}")
    eq(play.read(job, "failures"), [], "failures")
    play.remove(job)


def looked_at(play):
    """Lists, pages about the server, and what is wrong with a request."""
    made = [play.create({"name": f"j{n}", "stages": [{"use": "pass"}], "labels": {"n": str(n)}})
            for n in range(3)]
    listed = play.ask("list", 200, "GET", "/v1/jobs").json()["items"]
    ok({job.id for job in made} <= {found["id"] for found in listed}, "the list lacks a job")
    listed = play.ask("a label", 200, "GET", "/v1/jobs", query={"label.n": "1", "limit": 2}).json()
    ok(made[1].id in [found["id"] for found in listed["items"]], "it is not under its label")
    for path in ("/v1/server", "/v1/stages", "/v1/stages/filter", "/openapi.json", "/metrics",
                 "/livez", "/readyz"):
        ok(play.ask(path, 200, "GET", path).body, f"{path} is empty")
    nobody = "/v1/jobs/j_00000000000000000000000000"
    for path in (nobody, f"{nobody}/results", f"{nobody}/events", "/v1/nothing"):
        eq(play.ask(path, 404, "GET", path).type, "application/problem+json", "type")
    wrong = {"stages": [{"use": "sleep", "params": {"ms": "x"}}, {"use": "no"}], "order": 7}
    eq(len(play.ask("wrong", 422, "POST", "/v1/jobs", wrong).json()["errors"]), 3, "mistakes")
    play.ask("no JSON", 400, "POST", "/v1/jobs", b'{"stages":[', headers={"Content-Type": JSON})
    play.ask("validate", 200, "POST", "/v1/jobs:validate", {"stages": FAILING})
    told = play.ask("a wrong line", 422, "POST", f"{made[0].path}/items", b'{"a":1}\n{"a":\n',
                    query={"close": "true"}, headers={"Content-Type": NDJSON,
                                                      "Idempotency-Key": "w"}).json()
    eq(told["next_offset"], 1, "what stood before the wrong line is kept")
    for job in made:
        play.remove(job)


RUN = "/v1/run?stages=filter,explode:2&filter.pointer=/keep&filter.op=ge&filter.value=2" \
      "&explode.field=parts"


def one_shot(play):
    """Items in, results out, in one request; and one that fails."""
    def lines():
        reply = play.api.post(RUN, ndjson(VALUES), {"Content-Type": NDJSON})
        if reply.status == 200 and reply.trailers.get("leat-results") is None:
            raise Closed("no trailer: cut off")
        return reply
    reply = play.until_answered("run", lines, {200})
    same_list(reply.values(), model.run([KEEP, EXPLODE], VALUES).values)
    reply = play.ask("run CSV", 200, "POST", "/v1/run?stages=pass", b"a,b\n1,x\n2,y\n",
                     headers={"Content-Type": CSV, "Accept": CSV})
    eq(reply.body, b"a,b\r\n1,x\r\n2,y\r\n", "the table")
    play.ask("a run that fails", 422, "POST", "/v1/run?stages=sha256&fail_fast=true"
             "&sha256.field=no", ndjson(VALUES), headers={"Content-Type": NDJSON})
    play.ask("a wrong run", 422, "POST", "/v1/run?stages=no", b"1\n")


def apart(play):
    """A stage in a process of its own, and jq, whose helper is one."""
    stages = [{"use": "pass", "isolation": "process"},
              {"use": "jq", "params": {"program": ". + {\"two\": 2}"}}]
    job = play.create({"stages": stages, "order": "input"})
    play.send(job, ndjson(VALUES), len(VALUES))
    play.finished(job)
    same_list(play.read(job, "results"), [{**value, "two": 2} for value in VALUES])
    eq(play.read(job, "failures"), [], "failures")
    play.remove(job)


STUBBORN = {"attempts": 1000, "backoff_ms": 5, "max_backoff_ms": 50}


def through(play, job):
    """Everything comes out as it went in."""
    play.finished(job)
    same_list(play.read(job, "results"), VALUES)
    eq(play.read(job, "failures"), [], "failures")
    play.remove(job)


def programs(play):
    """Through a program."""
    job = play.create({"stages": [{"use": "echo", "workers": 2, "retry": STUBBORN}],
                       "order": "input"})
    play.send(job, ndjson(VALUES), len(VALUES))
    through(play, job)


def from_files(play):
    """A source of files."""
    through(play, play.create({"stages": [{**SOURCE, "retry": STUBBORN}, {"use": "pass"}],
                               "order": "input"}))


def into_rows(play):
    """A sink into a database, each row once."""
    table = f"t{next(play.outside.numbers)}"
    job = play.create({"stages": [{"use": "sqlite", "retry": STUBBORN, "params": {
        "folder": "out", "file": "a.db", "table": table}}]})
    play.send(job, ndjson({"id": n} for n in range(12)), 12)
    report = play.finished(job)["report"]
    eq(play.read(job, "failures"), [], "failures")
    eq((report["written"] + report["repeated"], report["refused"]), (12, 0), f"{report}")
    eq(play.outside.rows(table), list(range(12)), "rows")
    play.remove(job)


def asked(play):
    """Calls to somebody's server."""
    job = play.create({"order": "input", "stages": [{"use": "http", "workers": 2,
        "retry": STUBBORN, "params": {"url": f"{play.outside.far.url}/text/yes", "into": "/said",
                                      "take": "body"}}]})
    play.send(job, ndjson({"id": n} for n in range(6)), 6)
    play.finished(job)
    eq(play.read(job, "failures"), [], "failures")
    eq([found["id"] for found in play.read(job, "results")], list(range(6)), "results")
    play.remove(job)


SCENES = [plain, zipped, table, array, failing, steered, followed, paged, summed, looked_at,
          one_shot, apart, programs, from_files, into_rows, asked]
