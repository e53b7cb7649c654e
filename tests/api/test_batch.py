"""Stages that take many items at once: each item has its own fate, and nothing waits needlessly."""

import json
import os
import shutil
import tempfile
import time
from datetime import datetime

from support.leat import *


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


KINDS = ("parallel", "blocking", "async")


def stage(kind, items=None, wait_ms=0, **more):
    batch = {} if items is None else {"batch": {"items": items, "wait_ms": wait_ms}}
    return {"use": f"batched-{kind}", "retry": {"attempts": 3, "backoff_ms": 1}, **batch, **more}


def run(t, stages, values, **more):
    t.need_modules()
    job = t.job(stages, **more)
    job.send(values, close=True)
    job.wait_done()
    return job


def test_every_item_has_its_own_fate(t):
    values = [{"n": n, "emit": n % 4} | ({"fail": "permanent"} if n % 10 == 3 else {}) |
              ({"fail": "transient"} if n % 10 == 7 else {}) for n in range(1000)]
    expected = [[v["n"], k] for v in values if v.get("fail") != "permanent"
                for k in range(v["emit"])]
    for kind in KINDS:
        for workers in (1, 3):
            job = run(t, [stage(kind, 64, workers=workers)], values, order="input")
            results = job.results()
            same_list([[r["n"], r["k"]] for r in results], expected, f"{kind}, in order")
            ok(max(r["size"] for r in results) > 1, f"{kind}: all came alone")
            ok(max(r["size"] for r in results) <= 64, f"{kind}: a batch was too large")
            same_multiset([[f["item"], f["kind"], f["attempts"]] for f in job.failures()],
                          [[v["n"], "permanent", 1] for v in values
                           if v.get("fail") == "permanent"], f"{kind}: failures")
            counts = job.get()["counts"]
            eq([counts["succeeded"], counts["failed"], counts["filtered"]],
               [sum(1 for v in values if v.get("fail") != "permanent" and v["emit"]), 100,
                sum(1 for v in values if v.get("fail") != "permanent" and not v["emit"])],
               f"{kind}: counts")


def test_a_batch_that_fails_as_a_whole_is_tried_again(t):
    values = [{"n": n} | ({"all": 1} if n % 50 == 0 else {}) for n in range(200)]
    for kind in KINDS:
        job = run(t, [stage(kind, 20)], values)
        same_multiset([r["n"] for r in job.results()], list(range(200)), kind)
        ok(job.get()["stages"][0]["retries"] >= 4, f"{kind}: nothing was tried again")


def test_one_by_one_where_nobody_asks_for_batches(t):
    for kind in KINDS:
        job = run(t, [stage(kind)], [{"n": n} for n in range(50)])
        eq({r["size"] for r in job.results()}, {0}, kind)


def test_a_batch_waits_for_company_and_no_longer_than_it_was_told(t):
    t.need_modules()
    for kind in KINDS:
        job = t.job([stage(kind, 10, 60000)])
        job.send([{"n": n} for n in range(25)])
        job.wait(lambda j: j["counts"]["succeeded"] == 20, 20, "two whole batches are through")
        eq(job.get()["stages"][0]["queue"]["items"], 5, f"{kind}: the rest waits")
        job.send([], close=True)  # nothing can come any more
        job.wait_done()
        eq(sorted({r["size"] for r in job.results()}), [5, 10], kind)


def test_each_batch_waits_for_wait_ms_and_no_longer(t):
    t.need_modules()
    for kind in KINDS:
        job = t.job([stage(kind, 1000, 100)])
        for done in (7, 14, 21):
            begun = time.monotonic()
            job.send([{"n": n} for n in range(7)])
            job.wait(lambda j: j["counts"]["succeeded"] == done, 20, "they do not wait for ever")
            ok(time.monotonic() - begun > 0.09, f"{kind}: the batch that makes {done} came early")
        job.send([], close=True)
        job.wait_done()


def test_a_batch_larger_than_the_queue_does_not_wait_for_ever(t):
    t.need_modules()
    for kind in KINDS:
        job = run(t, [stage(kind, 1000, 60000, queue={"items": 16})],
                  [{"n": n} for n in range(300)])
        eq(len(job.results()), 300, kind)


def test_a_batch_that_the_bytes_of_the_queue_keep_small_does_not_wait_for_ever(t):
    t.need_modules()
    values = [{"n": n, "text": "x" * 300} for n in range(50)]
    for kind in KINDS:
        for before in ([], [{"use": "pass", "workers": 2}]):
            job = run(t, before + [stage(kind, 1000, 60000, queue={"bytes": 1000})], values)
            same_multiset([r["n"] for r in job.results()], list(range(50)), kind)


def test_behind_a_stage_that_filters_the_end_comes_at_once(t):
    for kind in KINDS:
        job = run(t, [{"use": "filter", "params": {"pointer": "/n", "op": "lt", "value": 5}},
                      stage(kind, 100, 60000)], [{"n": n} for n in range(100)])
        eq(len(job.results()), 5, kind)


def test_pause_scale_and_cancel_with_batches_that_wait(t):
    t.need_modules()
    for kind in KINDS:
        job = t.job([stage(kind, 100, 60000, name="b")])
        job.send([{"n": n} for n in range(30)])
        job.api.post(f"{job.path}/pause")
        job.api.request("PATCH", job.path, {"stages": {"b": {"workers": 3}}})
        job.api.post(f"{job.path}/resume")
        job.api.post(f"{job.path}/cancel")
        job.wait_done("cancelled")


def test_rates_count_items_not_batches(t):
    t.need_modules()
    for kind in KINDS:
        job = run(t, [stage(kind, 50, rate={"per_second": 1000})], [{"n": n} for n in range(300)])
        eq(len(job.results()), 300, kind)
        shown = job.get()
        took = moment(shown["finished_at"]) - moment(shown["started_at"])
        ok(took > 0.15, f"{kind}: 300 items at 1,000 a second, with 100 at once, in {took} s")


def test_what_is_wrong_with_batch_is_said(t):
    t.need_modules()
    for use, batch, pointer in (
            ("pass", {"items": 5}, "/stages/0/batch"),
            ("batched-async", {}, "/stages/0/batch/items"),
            ("batched-async", {"items": 0}, "/stages/0/batch/items"),
            ("batched-async", {"items": 10001}, "/stages/0/batch/items"),
            ("batched-async", {"items": 1.5}, "/stages/0/batch/items"),
            ("batched-async", {"items": 1, "wait_ms": -1}, "/stages/0/batch/wait_ms"),
            ("batched-async", {"items": 1, "wait_ms": 60001}, "/stages/0/batch/wait_ms"),
            ("batched-async", {"items": 1, "wait": 1}, "/stages/0/batch/wait"),
            ("batched-async", 5, "/stages/0/batch")):
        reply = t.api.post("/v1/jobs", {"stages": [{"use": use, "batch": batch}]})
        status(reply, 422)
        eq([error["pointer"] for error in reply.json()["errors"]], [pointer], f"{use} {batch}")
    reply = t.api.post("/v1/jobs:validate", {"stages": [stage("async", 5, 7)]})
    eq(status(reply, 200).json()["stages"][0]["batch"], {"items": 5, "wait_ms": 7})


def test_batches_survive_a_restart(t):
    t.need_modules()
    server = t.server()
    api = t.client(server)
    job = api.create({"stages": [stage("blocking", 10, 60000)]})
    job.send([{"n": n} for n in range(25)])
    api.close()
    server.restart()
    job.send([{"n": n} for n in range(25, 40)], close=True)
    job.wait_done()
    same_multiset([r["n"] for r in job.results()], list(range(40)))


def journal(t, config):
    t.need_modules()
    if not os.path.exists(os.path.join(t.settings.examples, "journal.so")):
        t.skip("the examples are not built")
    folder = tempfile.mkdtemp(prefix="leat-journal-")
    t.cleanup.append(lambda: shutil.rmtree(folder, ignore_errors=True))
    if config:
        with open(os.path.join(folder, "journal.json"), "w") as file:
            json.dump({"file": os.path.join(folder, config)}, file)
    return t.client(t.server({"stages-d": folder})), folder


def test_the_example_appends_each_batch_to_its_file(t):
    api, folder = journal(t, "journal.ndjson")
    job = api.create({"stages": [{"use": "journal", "workers": 2}]})
    job.send([{"n": n} for n in range(1000)], close=True)
    job.wait_done()
    same_multiset([r["n"] for r in job.results()], list(range(1000)))
    with open(os.path.join(folder, "journal.ndjson")) as file:
        lines = [json.loads(line) for line in file]
    same_multiset([[line["item"], line["value"]["n"]] for line in lines],
                  [[f"{job.id}/{n}", n] for n in range(1000)])


def test_the_example_says_why_it_cannot(t):
    api, _ = journal(t, "no/such/folder")
    job = api.create({"stages": [{"use": "journal", "retry": {"attempts": 2, "backoff_ms": 1}}]})
    job.send([{"n": n} for n in range(5)], close=True)
    job.wait_done()
    eq({(f["kind"], f["attempts"]) for f in job.failures()}, {("transient", 2)})
    ok("No such file" in job.failures()[0]["error"], "the reason")
    api, _ = journal(t, None)
    reply = api.post("/v1/jobs", {"stages": [{"use": "journal"}]})
    status(reply, 422)
    ok("journal.json" in json.dumps(reply.json()), reply.json())
