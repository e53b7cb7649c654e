"""Every row of bad_requests.py as a test: status, slug, pointers, line, and what was kept."""

import re

import bad_requests
from support.leat import *


def prepared(t, state):
    """A job in the state that a row asks for."""
    job = t.job()
    if state == "closed":
        job.must("pause")
        job.send([1], close=True)
    if state == "done":
        job.must("close")
        job.wait_done()
    if state == "cancelled":
        job.must("cancel")
        job.wait_done("cancelled")
    return job


def sent(t, row, job):
    """Sends the row's bytes on a connection of its own; None when it was just hung up."""
    where = row.target.replace("{job}", job.path) if job else row.target
    with t.api.connect() as connection:
        try:
            if row.raw is not None:
                return connection.raw(row.raw, row.method)
            return connection.request(row.method, where, row.body, row.headers)
        except Closed:
            if row.raw is None:
                raise
            return None


def check_problem(row, reply):
    slugs = row.slug if isinstance(row.slug, tuple) else (row.slug,)
    if None in slugs and "problem+json" not in reply.headers.get("content-type", ""):
        return None
    kind = (reply.json().get("type") or "").rsplit("/", 1)[-1] if reply.body else None
    ok(kind in slugs, f"expected {row.status} {' or '.join(filter(None, slugs))}, got {reply!r}")
    body = problem(reply, row.status, kind)
    has_pointers(body, row.pointers)
    if row.detail:
        text = body["detail"] + " ".join(e.get("detail", "") for e in body.get("errors", []))
        ok(re.search(row.detail, text), f"no {row.detail!r} in {text!r}")
    if row.line is not None:
        eq(body["errors"][0]["line"], row.line, "line of the first error")
    if row.allow:
        ok(row.allow in reply.headers["allow"], f"Allow: {reply.headers['allow']}")
    return body


def check_kept(row, reply, job, before):
    """An upload's reply says what was taken, and that is what the job has got."""
    body = reply.json()
    for member in ("accepted", "duplicates", "rejected", "errors", "next_offset"):
        ok(member in body, f"no {member} in {body}")
    received = job.get()["input"]["received"] - before
    eq(received, body["accepted"], "received against accepted")
    if row.kept is not None:
        eq(body["accepted"], row.kept, "accepted")


def _test(row):
    def test(t):
        job = prepared(t, row.job) if row.job else None
        before = job.get()["input"]["received"] if job else 0
        reply = sent(t, row, job)
        statuses = row.status if isinstance(row.status, tuple) else (row.status,)
        ok((reply.status if reply else 0) in statuses, f"expected {row.status}, got {reply!r}")
        if reply is not None and row.slug:
            check_problem(row, reply)
        if reply is not None and row.name.startswith("items_") and job:
            check_kept(row, reply, job, before)
        if row.creates_nothing:
            eq(t.api.jobs(name=row.creates_nothing)["items"], [], "jobs created")
        status(t.api.get("/livez"), 200)
        if job and row.job == "open":
            eq(job.get()["state"], "running", "state after the bad request")
    return test


for _row in bad_requests.ROWS:
    _name = "test_" + _row.name
    if _name in globals():
        raise ValueError(f"two rows are named {_row.name}")
    globals()[_name] = _test(_row)


def test_the_table_has_at_least_70_rows(t):
    ok(len(bad_requests.ROWS) >= 70, f"{len(bad_requests.ROWS)} rows")


def test_a_refused_upload_leaves_the_connection_or_closes_it_cleanly(t):
    """After a refusal in the middle of a long body the server neither hangs nor resets before
    the answer can be read."""
    job = t.job()
    body = b"1\nbad\n" + b"2\n" * 2000000
    with t.api.connect() as connection:
        reply = connection.request("POST", f"{job.path}/items", body, {"Content-Type": NDJSON})
        eq(problem(reply, 422, "item-invalid")["accepted"], 1, "accepted")
    job.send([3], close=True)
    job.wait_done()
    same_multiset(job.results(), [1, 3])
