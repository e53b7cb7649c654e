"""What the millers do: each function makes one job from definition to deletion, checks what it
came to against the model, and answers how many items that were.
"""

import gzip
import json
import os
import sqlite3
import uuid
from contextlib import closing

from support import expect, model
from support.client import NDJSON, Job
from support.items import ndjson, orders

RETRY = {"attempts": 50, "backoff_ms": 1, "max_backoff_ms": 50}


# -- parts ---------------------------------------------------------------------------


def create(miller, stages, **more):
    name = uuid.uuid4().hex  # a create that was broken off may have been made all the same

    def make(api):
        found = api.jobs(name=name)["items"]
        return found[0]["id"] if found else api.create(
            {"name": name, "stages": stages, **more}).id
    return miller.again(make)


def upload(miller, job_id, values, **headers):
    body = ndjson(values)
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.compress(body, 1)

    def send(api):
        return expect.status(Job(api, job_id).upload(
            body, {"close": "true"}, {"Idempotency-Key": "soak", **headers}), 200).json()
    reply = miller.again(send)
    expect.eq(reply["next_offset"], len(values), "next_offset")


def wait_done(miller, job_id, state="succeeded"):
    done = miller.again(lambda api: Job(api, job_id).wait(
        lambda job: job["done"], 240, "it is done"))
    expect.eq(done["state"], state, f"state, error {done['error']}")
    return done


def results(miller, job_id):
    return miller.again(lambda api: Job(api, job_id).results())


def drop(miller, job_id):
    """Every second job is deleted; retention takes the others."""
    if miller.random.random() < 0.5:
        miller.again(lambda api: Job(api, job_id).delete())


def through(miller, stages, values, expected=None, **more):
    """A whole job whose results are the model's."""
    expected = expected or model.run(stages, values)
    headers = more.pop("headers", {})
    job_id = create(miller, stages, **more)
    upload(miller, job_id, values, **headers)
    done = wait_done(miller, job_id)
    same = expect.same_list if more.get("order") == "input" else expect.same_multiset
    same(results(miller, job_id), expected.values)
    counts = expected.counts()
    expect.eq({name: done["counts"][name] for name in counts}, counts, "counts")
    drop(miller, job_id)
    return len(values)


# -- kinds ---------------------------------------------------------------------------


def ordered(miller):
    stages = [{"use": "sha256", "workers": 3, "params": {"field": "text"}},
              {"use": "sleep", "params": {"ms": 0, "jitter_ms": 2}, "workers": 16}]
    return through(miller, stages, orders(miller.random.randrange(1, 4000)), order="input")


def packed(miller):
    stages = [{"use": "filter", "params": {"pointer": "/qty", "op": "ge", "value": 3}},
              {"use": "pick", "workers": 2, "params": {"fields": ["id", "qty"]}}]
    return through(miller, stages, orders(miller.random.randrange(1, 20000)),
                   headers={"Content-Encoding": "gzip"})


def failing(miller):
    """Some fail for good, some the first times; then what failed is run again."""
    values = [{"n": n} for n in range(miller.random.randrange(10, 2000))]
    stages = [{"use": "fail", "workers": 4, "params": {"every": 7}},
              {"use": "fail", "name": "late", "retry": RETRY,
               "params": {"every": 5, "kind": "transient", "until_attempt": 3}}]
    count = through(miller, stages, values)
    return count


def retried(miller):
    values = [{"n": n} for n in range(miller.random.randrange(10, 1000))]
    job_id = create(miller, [{"use": "fail", "params": {"every": 3}}])
    upload(miller, job_id, values)
    failed = wait_done(miller, job_id)["counts"]["failed"]
    expect.eq(failed, len(values) // 3, "failed")
    miller.again(lambda api: expect.status(Job(api, job_id).retry(), 200))
    done = wait_done(miller, job_id)
    expect.eq(done["counts"]["failed"], failed, "failed again")
    expect.eq(len(miller.again(lambda api: Job(api, job_id).failures())), failed, "failures")
    drop(miller, job_id)
    return len(values)


def program(miller):
    values = [{"id": n} for n in range(miller.random.randrange(1, 3000))]
    job_id = create(miller, [{"use": "program", "workers": 2, "retry": RETRY}])
    upload(miller, job_id, values)
    wait_done(miller, job_id)
    expect.same_multiset(results(miller, job_id),
                         [{**value, "seen": True} for value in values if value["id"] % 5])
    drop(miller, job_id)
    return len(values)


def isolated(miller):
    stages = [{"use": "sha256", "params": {"field": "text"}, "isolation": "process",
               "workers": 2, "retry": RETRY}]
    return through(miller, stages, orders(miller.random.randrange(1, 3000)))


def jq(miller):
    values = [{"a": n} for n in range(miller.random.randrange(1, 1000))]
    job_id = create(miller, [{"use": "jq", "params": {"program": "{b: (.a * 2)}"},
                              "retry": RETRY}], order="input")
    upload(miller, job_id, values)
    wait_done(miller, job_id)
    expect.same_list(results(miller, job_id), [{"b": value["a"] * 2} for value in values])
    drop(miller, job_id)
    return len(values)


def into_sqlite(miller):
    """A database of its own, which is removed afterwards."""
    values = [{"id": n} for n in range(miller.random.randrange(1, 3000))]
    file = f"{uuid.uuid4().hex}.db"
    job_id = create(miller, [{"use": "sqlite", "retry": RETRY,
                              "params": {"folder": "out", "file": file, "table": "t"}}])
    upload(miller, job_id, values)
    wait_done(miller, job_id)
    with sqlite3.connect(os.path.join(miller.mill.out, file)) as base:
        found = base.execute("SELECT count(*), count(DISTINCT id), sum(id) FROM t").fetchone()
    base.close()
    expect.eq(found, (len(values), len(values), sum(v["id"] for v in values)), "rows")
    miller.again(lambda api: Job(api, job_id).delete())
    for name in os.listdir(miller.mill.out):
        if name.startswith(file):
            os.unlink(os.path.join(miller.mill.out, name))
    return len(values)


def counted(miller):
    """A source into a sink."""
    count = miller.random.randrange(1, 50000)
    job_id = create(miller, [{"use": "range", "params": {"to": count}},
                             {"use": "aggregate", "params": {}}])
    done = wait_done(miller, job_id)
    expect.eq(done["report"]["count"], count, f"count of {done['report']}")
    drop(miller, job_id)
    return count


def followed(miller):
    """Read while it is written, across whatever breaks, by cursor."""
    values = [{"n": n} for n in range(miller.random.randrange(1, 3000))]
    job_id = create(miller, [{"use": "sleep", "params": {"ms": 1}, "workers": 64}])
    upload(miller, job_id, values)
    seen, cursor = [], None

    def read(api):
        nonlocal cursor
        with closing(Job(api, job_id).follow(envelope="true", after=cursor)) as lines:
            for line in lines:
                result = json.loads(line)
                cursor = result["cursor"]
                seen.append(result["value"])
    miller.again(read)
    wait_done(miller, job_id)
    miller.again(read)  # a stream that was cut between two lines ends like a whole one
    expect.same_multiset(seen, values, "followed")
    drop(miller, job_id)
    return len(values)


def steered(miller):
    """Paused, resumed, rescaled, and in the end cancelled and deleted."""
    values = [{"n": n} for n in range(2000)]
    job_id = create(miller, [{"use": "sleep", "params": {"ms": 5}, "workers": 4}])
    upload(miller, job_id, values)
    for _ in range(miller.random.randrange(1, 6)):
        verb = miller.random.choice(("pause", "resume", "workers"))
        if verb == "workers":
            miller.again(lambda api: Job(api, job_id).patch(
                {"stages": {"sleep": {"workers": miller.random.randrange(1, 200)}}}))
        else:
            miller.again(lambda api: Job(api, job_id).act(verb))
    miller.again(lambda api: Job(api, job_id).act("cancel"))
    done = miller.again(lambda api: Job(api, job_id).wait(lambda job: job["done"], 120, "done"))
    expect.ok(done["state"] in ("cancelled", "succeeded"), done["state"])
    expect.eq(sum(done["counts"][fate] for fate in ("succeeded", "cancelled")), 2000, "fates")
    miller.again(lambda api: Job(api, job_id).delete())
    return len(values)


def at_once(miller):
    """/v1/run, which is not tried again."""
    values = [{"n": n} for n in range(miller.random.randrange(1, 5000))]
    reply = miller.once(lambda api: api.post("/v1/run?stages=pass:4", ndjson(values),
                                             {"Content-Type": NDJSON}))
    expect.same_list(expect.status(reply, 200).values(), values)
    return len(values)


def watching(miller):
    """A dashboard and a scraper: lists, polls that match, events, metrics."""
    def look(api):
        page = expect.status(api.get("/v1/jobs", {"limit": 20}), 200)
        for job in page.json()["items"][:5]:
            reply = api.get(f"/v1/jobs/{job['id']}")
            tag = reply.headers.get("etag")
            if reply.status == 200 and tag:
                expect.ok(api.get(f"/v1/jobs/{job['id']}",
                                  headers={"If-None-Match": tag}).status in (200, 304, 404),
                          "a poll")
        expect.status(api.get("/metrics"), 200)
        expect.status(api.get("/v1/server"), 200)
        with closing(api.stream("/v1/events", headers={"Accept": "text/event-stream"})) as events:
            events.readline(30)
    miller.again(look)
    miller.mill.over.wait(0.5)
    return 0


ALL = [ordered, packed, failing, retried, program, isolated, jq, into_sqlite, counted, followed,
       steered, at_once, watching]
