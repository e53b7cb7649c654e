"""Every bound on what jobs may leave on disk: at it they stand and say why; nothing is lost, and
they go on when there is room."""

from bounds import *
from gates import gate


def stands(t, job, key):
    """Waits until the job says that it stands because of this bound."""
    found = job.wait(lambda j: j["stalled"] and key in json.dumps(j["stalled"]), what=f"it stands: {key}",
                     timeout=20 * t.slow)
    return found["counts"]


def test_results_of_a_job_are_bounded_and_none_are_lost(t):
    api = own(t, results_max="256KiB")
    job = api.create({"stages": [{"use": "sleep", "params": {"ms": 1}}]})
    items = [{"n": n, "text": "x" * 1000} for n in range(1000)]
    job.send(items)
    counts = stands(t, job, "results-max")
    within(counts["succeeded"], 250, 999, "results before it stood")
    eq(scrape(api)("leat_jobs_output_full"), 1, "as a metric")
    until(lambda: len(job.results()) == job.get()["counts"]["succeeded"], 20 * t.slow,
          "what was under way is there, and can be read", 0.1)
    ok(job.get()["counts"]["succeeded"] < 1000, "it never stood")
    other = api.create({"stages": [{"use": "pass"}]})
    other.send(numbers(10), close=True)
    other.wait_done()
    run = api.post("/v1/run?stages=pass", ndjson(items), {"Content-Type": NDJSON})
    eq(len(run.lines()), 1000, "results of a run, which keeps none")
    api.close()
    api.server.stop()
    api.server.options["results-max"] = "4MiB"
    api.server.start()
    job.must("close")
    job.wait_done(timeout=30 * t.slow)
    same_multiset(job.results(), items)


def test_failures_of_a_job_are_bounded_and_none_are_lost(t):
    api = own(t, failures_max=100)
    job = api.create({"stages": [{"use": "sleep", "params": {"ms": 1}},
                                 {"use": "fail", "params": {"every": 1}}]})
    job.send(numbers(20000), close=True)
    counts = stands(t, job, "failures-max")
    within(counts["failed"], 100, 19999, "failures before it stood")
    until(lambda: len(job.failures()) == job.get()["counts"]["failed"], 20 * t.slow,
          "what was under way is there, and can be read", 0.1)
    job.must("cancel")
    job.wait_done("cancelled")


def test_backlogs_of_all_jobs_are_bounded_together(t):
    api = own(t, backlog_total_max="1MiB")
    jobs = [api.create({"stages": [{"use": "pass"}]}) for _ in range(3)]
    for job in jobs:
        job.must("pause")
    body = ndjson([{"text": "x" * 1000} for _ in range(600)])
    taken = [job.upload(body, query={"on_full": "reject"}) for job in jobs]
    eq([reply.status for reply in taken], [200, 429, 429], "uploads")
    problem(taken[1], 429, "queue-full")
    within(sum(reply.json()["accepted"] for reply in taken), 900, 1300, "items taken")
    within(scrape(api)("leat_backlog_bytes"), MIB - 70000, MIB + 200000, "backlog")
    for job in jobs:
        job.must("resume")
    until(lambda: scrape(api)("leat_backlog_bytes") == 0, 20 * t.slow, "it is worked off", 0.1)
    until(lambda: jobs[2].upload(body, query={"on_full": "reject"}).status == 200, 20 * t.slow, "there is room", 0.2)


def test_failures_of_a_job_are_bounded_in_bytes_and_a_retry_frees_them(t):
    api = own(t, failures_bytes_max="128KiB")
    stage, open_gate = gate(t)
    job = api.create({"stages": [{"use": "sleep", "params": {"ms": 1}}, stage]})
    items = [{"n": n, "text": "x" * 1000} for n in range(1000)]
    job.send(items, close=True)
    counts = stands(t, job, "failures-bytes-max")
    within(counts["failed"], 110, 999, "failures before it stood")
    m = scrape(api)
    ok(m("leat_failures_stored_bytes") >= 128 << 10, "as a metric")
    eq(m("leat_job_failures_max_bytes"), 128 << 10, "the bound")
    open_gate()
    retried = status(job.retry(), 200).json()["retried"]
    ok(retried >= counts["failed"], f"{retried} run again")
    job.wait_done(timeout=30 * t.slow)
    if job.get()["counts"]["failed"] > 0:  # what was under way as the gate was opened
        status(job.retry(), 200)
        job.wait_done(timeout=30 * t.slow)
    same_multiset(job.results(), items)
    eq(scrape(api)("leat_failures_stored_bytes"), 0, "failures that are stored")


def full(t, api, **options):
    """A job that has come to `results-total-max`, which is 256 KiB: with one item, for the
    second of two may find the bound reached by the first, and stand."""
    job = api.create({"stages": [{"use": "pass"}], **options})
    items = [{"text": "x" * 300000}]
    job.send(items, close=True)
    job.wait_done()
    return job, items


def test_results_of_all_jobs_are_bounded_and_deleting_makes_room(t):
    api = own(t, results_total_max="256KiB")
    first, items = full(t, api)
    within(scrape(api)("leat_results_stored_bytes"), 300000, 320000, "as a metric")
    eq(scrape(api)("leat_results_max_bytes"), 256 << 10, "the bound")
    second = api.create({"stages": [{"use": "pass"}]})
    second.send(items, close=True)
    counts = stands(t, second, "results-total-max")
    eq(counts["succeeded"], 0, "results at the bound")
    many = ndjson([{"n": n, "text": "x" * 1000} for n in range(300)])
    eq(len(api.post("/v1/run?stages=pass", many, {"Content-Type": NDJSON}).lines()), 300,
       "results of a run, which keeps none")
    same_multiset(first.results(), items)
    status(first.delete(), 204)
    second.wait_done(timeout=20 * t.slow)
    same_multiset(second.results(), items)


def test_retention_makes_room_for_results(t):
    api = own(t, results_total_max="256KiB")
    full(t, api, retention_ms=1000)
    second = api.create({"stages": [{"use": "pass"}]})
    second.send([1], close=True)
    second.wait_done(timeout=30 * t.slow)


def test_the_bound_on_all_results_holds_over_a_restart(t):
    api = own(t, results_total_max="256KiB")
    first, _ = full(t, api)
    second = api.create({"stages": [{"use": "pass"}]})
    second.send(numbers(10), close=True)
    stands(t, second, "results-total-max")
    api.close()
    api.server.kill()
    api.server.start()
    stands(t, second, "results-total-max")
    status(first.delete(), 204)
    second.wait_done(timeout=20 * t.slow)


def test_failures_of_all_jobs_are_bounded_together(t):
    api = own(t, failures_bytes_total_max="64KiB")
    stages = [{"use": "fail", "params": {"every": 1}}]
    first = api.create({"stages": stages})
    first.send([{"text": "x" * 100000}], close=True)  # one, as in full()
    first.wait_done()
    second = api.create({"stages": stages})
    second.send(numbers(10), close=True)
    stands(t, second, "failures-bytes-total-max")
    eq(scrape(api)("leat_failures_max_bytes"), 64 << 10, "the bound")
    status(first.delete(), 204)
    second.wait_done(timeout=20 * t.slow)
    eq(len(second.failures()), 10, "failures")


def test_items_that_on_error_drops_take_no_room(t):
    api = own(t, failures_bytes_max="64KiB")
    job = api.create({"stages": [{"use": "fail", "params": {"every": 1}, "on_error": "drop"}]})
    job.send([{"n": n, "text": "x" * 1000} for n in range(500)], close=True)
    eq(job.wait_done(timeout=20 * t.slow)["counts"]["failed"], 500, "failed")
    eq(scrape(api)("leat_failures_stored_bytes"), 0, "bytes of failures")
