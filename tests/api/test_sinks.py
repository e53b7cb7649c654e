"""Sources and sinks that may sleep: they hold no thread of others, wait before they try again,
and let go when nobody waits for them."""

from support.leat import *

HOUR = 600000  # ms; longer than any test waits


def folder(t):
    """A server of the test's own and a path in its folder: gone with it."""
    server = t.server({"compute": 2})
    return server, t.client(server), lambda name: os.path.join(server.folder, name)


def outlet(**params):
    retry = {"attempts": 1000, "backoff_ms": 5, "max_backoff_ms": 20}
    return {"use": "outlet", "params": params, "retry": params.pop("retry", retry),
            **{key: params.pop(key) for key in ("timeout_ms", "on_error") if key in params}}


def shut(path):
    with open(path, "w"):
        pass


def ids(path):
    """The numbers of the items in an outlet's log."""
    with open(path) as file:
        return [int(line.split("/")[1]) for line in file]


def others_get_on(api):
    """A job that needs the compute threads comes to its end meanwhile."""
    other = api.create({"stages": [{"use": "sha256", "params": {"field": "text"}, "workers": 4}]})
    other.send(texts(2000), close=True)
    other.wait_done(timeout=20)


def test_slow_sinks_hold_no_compute_threads(t):
    t.need_modules()
    _, api, _ = folder(t)
    jobs = [t.job(["pass", outlet(ms=HOUR)], api=api) for _ in range(4)]
    for job in jobs:
        job.send(numbers(10), close=True)
    for job in jobs:
        job.wait(lambda j: j["stages"][1]["busy"] == 1, what="the sink has begun")
    others_get_on(api)
    for job in jobs:
        job.must("cancel")
        job.wait_done("cancelled", timeout=5 * t.slow)


def test_slow_sources_hold_no_compute_threads(t):
    t.need_modules()
    _, api, _ = folder(t)
    slow_one = {"use": "spring", "params": {"count": 10, "ms": HOUR}}
    jobs = [t.job([slow_one, "pass"], api=api) for _ in range(4)]
    for job in jobs:
        job.wait(lambda j: j["stages"][0]["busy"] == 1, what="the source has begun")
    others_get_on(api)
    for job in jobs:
        job.must("cancel")
        job.wait_done("cancelled", timeout=5 * t.slow)


def test_a_blocking_source_and_sink_give_what_they_should(t):
    t.need_modules()
    _, api, at = folder(t)
    job = t.job([{"use": "spring", "params": {"count": 5000, "ms": 1}},
                 {"use": "pass", "workers": 2}, outlet(log=at("log"))], api=api, order="input")
    done = job.wait_done()
    eq(done["report"], {"taken": 5000}, "the report")
    eq(ids(at("log")), list(range(5000)), "what the sink was given, in order")
    eq([s["in"] for s in done["stages"][1:]], [5000, 5000], "what the stages took")


def test_a_source_with_nothing_between_it_and_the_sink(t):
    t.need_modules()
    _, api, at = folder(t)
    job = t.job([{"use": "spring", "params": {"count": 300}}, outlet(log=at("log"))], api=api)
    eq(job.wait_done()["report"], {"taken": 300}, "the report")
    eq(sorted(ids(at("log"))), list(range(300)), "what the sink was given")


def test_closing_the_input_ends_a_source_that_waits(t):
    t.need_modules()
    _, api, _ = folder(t)
    job = t.job([{"use": "spring", "params": {"count": 10, "ms": HOUR}}, "pass"], api=api)
    job.wait(lambda j: j["stages"][0]["busy"] == 1, what="the source has begun")
    job.must("close")
    eq(job.wait_done()["counts"]["total"], 0, "items")


def test_one_blocking_thread_is_enough_for_all(t):
    t.need_modules()
    server = t.server({"blocking-max": 1, "compute": 2})
    api = t.client(server)
    jobs = [t.job([{"use": "spring", "params": {"count": 500}},
                   {"use": "doze", "params": {"ms": 0}}, outlet()], api=api) for _ in range(3)]
    for job in jobs:
        eq(job.wait_done(timeout=60)["report"], {"taken": 500}, "the report")


def test_a_sink_that_is_down_for_a_while_is_tried_again(t):
    t.need_modules()
    _, api, at = folder(t)
    shut(at("shut"))
    job = t.job(["pass", outlet(shut=at("shut"), log=at("log"))], api=api)
    job.send(numbers(50), close=True)
    job.wait(lambda j: j["stages"][1]["retries"] >= 3, what="it was tried a few times")
    os.remove(at("shut"))
    done = job.wait_done()
    eq(ids(at("log")), list(range(50)), "what the sink took, each once")
    eq((done["report"], done["counts"]["failed"]), ({"taken": 50}, 0), "report and failures")


def test_the_wait_between_attempts_is_the_stages_backoff(t):
    """Ten attempts at once would be over in a moment."""
    t.need_modules()
    _, api, at = folder(t)
    shut(at("shut"))
    retry = {"attempts": 1000, "backoff_ms": HOUR, "max_backoff_ms": HOUR}
    job = t.job(["pass", outlet(shut=at("shut"), retry=retry)], api=api)
    job.send(numbers(5), close=True)
    job.wait(lambda j: j["stages"][1]["busy"] == 1, what="the sink has begun")
    others_get_on(api)
    within(job.get()["stages"][1]["retries"], 0, 1, "attempts meanwhile")
    started = time.monotonic()
    job.must("cancel")
    job.wait_done("cancelled", timeout=5 * t.slow)
    ok(time.monotonic() - started < 5 * t.slow, "the wait was not cut short")


def test_after_the_last_attempt_the_items_are_failures(t):
    t.need_modules()
    _, api, at = folder(t)
    shut(at("shut"))
    retry = {"attempts": 3, "backoff_ms": 1, "max_backoff_ms": 2}
    job = t.job(["pass", outlet(shut=at("shut"), log=at("log"), retry=retry)], api=api)
    job.send(numbers(20), close=True)
    eq(job.wait_done()["counts"]["failed"], 20, "failed")
    for failure in job.failures():
        eq((failure["stage"], failure["attempts"], failure["kind"], failure["error"]),
           ("outlet", 3, "transient", "it is shut"), "a failure")
    os.remove(at("shut"))
    eq(status(job.retry(), 200).json()["retried"], 20, "retried")
    eq(job.wait_done()["counts"]["succeeded"], 20, "succeeded")
    eq(sorted(ids(at("log"))), list(range(20)), "what the sink took")


def test_a_state_that_cannot_be_saved_for_a_while(t):
    t.need_modules()
    _, api, at = folder(t)
    shut(at("shut"))
    job = t.job(["pass", outlet(state_shut=at("shut"), log=at("log"))], api=api)
    job.send(numbers(20), close=True)
    until(lambda: os.path.exists(at("log")) and len(ids(at("log"))) > 0, 20, "it has begun")
    others_get_on(api)
    eq(job.get()["counts"]["succeeded"], 0, "nothing counts without its state")
    os.remove(at("shut"))
    eq(job.wait_done()["report"], {"taken": 20}, "the report")
    eq(ids(at("log")), list(range(20)), "only the state was tried again")


def test_a_state_that_cannot_be_saved_at_all_fails_the_job(t):
    t.need_modules()
    _, api, at = folder(t)
    shut(at("shut"))
    retry = {"attempts": 3, "backoff_ms": 1, "max_backoff_ms": 2}
    job = t.job(["pass", outlet(state_shut=at("shut"), retry=retry)], api=api)
    job.send(numbers(20))
    done = job.wait_done("failed")
    ok("the state is shut" in done["error"]["detail"], done["error"])


def test_timeout_ms_of_a_sink_that_looks(t):
    t.need_modules()
    _, api, _ = folder(t)
    job = t.job(["pass", outlet(ms=HOUR, timeout_ms=50, retry={"attempts": 1})], api=api)
    job.send(numbers(2), close=True)
    eq(job.wait_done()["counts"]["failed"], 2, "failed")
    eq({f["kind"] for f in job.failures()}, {"timeout"}, "kinds")


def test_a_deaf_sink_does_not_hold_up_the_cancel(t):
    t.need_modules()
    server, api, _ = folder(t)
    job = t.job(["pass", outlet(ms=HOUR, deaf=True)], api=api)
    job.send(numbers(10), close=True)
    job.wait(lambda j: j["stages"][1]["busy"] == 1, what="the sink has begun")
    job.must("cancel")
    job.wait_done("cancelled", timeout=5 * t.slow)
    others_get_on(api)
    server.stop()


def test_a_slow_sink_is_named(t):
    t.need_modules()
    server = t.server({"compute": 2, "stall-ms": 300})
    api = t.client(server)
    job = t.job([{"use": "pass", "name": "first"}, {**outlet(ms=HOUR), "name": "last"}], api=api)
    job.send(numbers(10), close=True)
    stalled = job.wait(lambda j: j["stalled"], what="it is stalled")["stalled"]
    eq(stalled["stage"], "last", "who stands still")
    job.must("cancel")
    job = t.job([{"use": "pass", "name": "first"}, {**outlet(ms=1), "name": "last"}], api=api)
    job.send(numbers(40000))
    job.wait(lambda j: j["bottleneck"] == "last", what="the sink is the bottleneck")
    job.must("cancel")


def test_a_source_that_makes_nothing_is_named(t):
    t.need_modules()
    api = t.client(t.server({"compute": 2, "stall-ms": 300}))
    job = t.job([{"use": "spring", "params": {"count": 1, "ms": HOUR}}, "pass"], api=api)
    stalled = job.wait(lambda j: j["stalled"], what="it is stalled")["stalled"]
    eq(stalled["stage"], "spring", "who stands still")
    job.must("cancel")


def test_a_server_that_stops_does_not_wait_for_what_is_down(t):
    """In the middle of the wait between attempts; what was not taken comes after the start."""
    t.need_modules()
    server = t.server({"compute": 2, "drain-ms": "10min"})
    api = t.client(server)
    log, gate = os.path.join(server.folder, "log"), os.path.join(server.folder, "shut")
    retry = {"attempts": 100, "backoff_ms": HOUR, "max_backoff_ms": HOUR}
    shut(gate)
    job = t.job(["pass", outlet(shut=gate, log=log, retry=retry)], api=api)
    job.send(numbers(100), close=True)
    job.wait(lambda j: j["stages"][1]["busy"] == 1, what="the sink has begun")
    started = time.monotonic()
    server.stop()
    ok(time.monotonic() - started < 20 * t.slow, "it waited for the sink")
    os.remove(gate)
    server.start()
    eq(job.wait_done()["report"], {"taken": 100}, "the report")
    eq(sorted(set(ids(log))), list(range(100)), "what the sink took")


def test_a_server_that_stops_tells_a_source_that_waits(t):
    t.need_modules()
    server = t.server({"compute": 2, "drain-ms": "10min"})
    api = t.client(server)
    stages = [{"use": "spring", "params": {"count": 10, "ms": HOUR}}, "pass"]
    job = t.job(stages, api=api)
    job.wait(lambda j: j["stages"][0]["busy"] == 1, what="the source has begun")
    started = time.monotonic()
    server.stop()
    ok(time.monotonic() - started < 20 * t.slow, "it waited for the source")
    server.start()
    eq(job.get()["state"], "running", "state")
    job.must("cancel")


@timeout(60)
def test_killed_in_the_middle_a_blocking_source_and_sink_are_exact(t):
    t.need_modules()
    server = t.server({"compute": 2, "flush-ms": 5})
    log = os.path.join(server.folder, "log")
    stages = [{"use": "spring", "params": {"count": 3000, "ms": 2, "at_once": 50}},
              {"use": "pass", "workers": 2}, outlet(log=log)]
    api = t.client(server)
    job = t.job(stages, api=api)
    for share in (200, 900, 1700):
        job.wait(lambda j: j["counts"]["succeeded"] >= share, what=f"{share} are done")
        server.restart("kill")
    done = job.wait_done()
    eq((done["counts"]["succeeded"], done["report"]), (3000, {"taken": 3000}), "counts, report")
    eq(sorted(set(ids(log))), list(range(3000)), "each item at least once")


# ---- in batches ----

def batches(path):
    """The numbers of the items in each batch that was taken."""
    with open(path) as file:
        return [[int(id.split("/")[1]) for id in line.split()] for line in file]


def taken(path):
    return [number for batch in batches(path) for number in batch]


def outlet_batch(log, attempts=1000, backoff_ms=5, items=None, wait_ms=0, on_error="dead_letter",
                 **params):
    batch = {} if items is None else {"batch": {"items": items, "wait_ms": wait_ms}}
    return {"use": "outlet-batch", "params": {"log": log, **params}, "on_error": on_error, **batch,
            "retry": {"attempts": attempts, "backoff_ms": backoff_ms, "max_backoff_ms": backoff_ms}}


def test_a_sink_is_given_batches_of_the_size_that_the_job_says(t):
    t.need_modules()
    _, api, at = folder(t)
    job = t.job(["pass", outlet_batch(at("log"), items=100, wait_ms=10000)], api=api, order="input")
    job.send(numbers(1000), close=True)
    done = job.wait_done(timeout=20)
    eq(taken(at("log")), list(range(1000)), "what the sink took, in order")
    ok(max(map(len, batches(at("log")))) == 100, "no batch was full")
    eq((done["stages"][1]["in"], done["counts"]["succeeded"]), (1000, 1000), "counts")


def test_a_batch_waits_for_company_as_the_job_says(t):
    t.need_modules()
    _, api, at = folder(t)
    job = t.job(["pass", outlet_batch(at("log"), items=30, wait_ms=60000)], api=api)
    for _ in range(3):
        job.send(numbers(10))
        job.wait(lambda j: j["stages"][0]["in"] % 10 == 0, what="they have come through")
    job.wait(lambda j: j["counts"]["succeeded"] == 30, what="thirty together are a batch")
    eq(list(map(len, batches(at("log")))), [30], "batches")
    job.send(numbers(5), close=True)
    job.wait_done(timeout=20)
    eq(list(map(len, batches(at("log")))), [30, 5], "who is last waits for nobody")


def test_each_item_of_a_batch_has_its_own_fate(t):
    t.need_modules()
    _, api, at = folder(t)
    kinds = [None, "permanent", None, "transient", None]
    values = [{"bad": kinds[n % 5]} for n in range(500)]
    job = t.job([outlet_batch(at("log"), attempts=3)], api=api)
    job.send(values, close=True)
    done = job.wait_done()
    eq((done["counts"]["succeeded"], done["counts"]["failed"]), (400, 100), "succeeded, failed")
    eq(sorted(taken(at("log"))), [n for n in range(500) if n % 5 != 1], "what the sink took, each once")
    eq({(f["item"] % 5, f["kind"], f["attempts"], f["error"]) for f in job.failures()},
       {(1, "permanent", 1, "a bad one")}, "failures")
    eq(done["stages"][0]["retries"], 100, "only those that failed for the moment came again")


def test_a_batch_that_cannot_be_taken_now_is_taken_later(t):
    t.need_modules()
    _, api, at = folder(t)
    shut(at("shut"))
    job = t.job(["pass", outlet_batch(at("log"), shut=at("shut"))], api=api, order="input")
    job.send([{"bad": "permanent" if n == 7 else None} for n in range(300)], close=True)
    job.wait(lambda j: j["stages"][1]["retries"] >= 600, what="it was tried a few times")
    others_get_on(api)
    os.remove(at("shut"))
    done = job.wait_done()
    eq(taken(at("log")), [n for n in range(300) if n != 7], "each once, in order")
    eq((done["counts"]["succeeded"], done["counts"]["failed"]), (299, 1), "succeeded and failed")


def test_when_its_attempts_are_used_up_a_batch_is_as_many_failures(t):
    t.need_modules()
    _, api, at = folder(t)
    for kind, attempts in (("transient", 4), ("permanent", 1)):
        job = t.job([outlet_batch(at("log"), attempts=4, backoff_ms=1, refuse=1000000, kind=kind)],
                    api=api)
        job.send(numbers(50), close=True)
        eq(job.wait_done()["counts"]["failed"], 50, "failed")
        eq({(f["kind"], f["attempts"], f["error"]) for f in job.failures()},
           {(kind, attempts, "it is shut")}, "failures")
    job = t.job([outlet_batch(at("log"), attempts=1, refuse=1000000, on_error="fail")], api=api)
    job.send(numbers(50))
    ok("it is shut" in job.wait_done("failed")["error"]["detail"], "the job's error")
    job = t.job([outlet_batch(at("log"), attempts=1, refuse=1000000, on_error="drop")], api=api)
    job.send(numbers(50), close=True)
    eq((job.wait_done()["counts"]["failed"], job.failures()), (50, []), "failed, and dropped")


def test_cancel_and_stop_while_a_batch_waits_for_its_next_attempt(t):
    t.need_modules()
    server, api, at = folder(t)
    stage = outlet_batch(at("log"), backoff_ms=HOUR, refuse=1)
    jobs = [t.job(["pass", stage], api=api) for _ in range(2)]
    for job in jobs:
        job.send(numbers(100), close=True)
        job.wait(lambda j: j["stages"][1]["retries"] >= 1, what="it waits")
    jobs[0].must("cancel")
    jobs[0].wait_done("cancelled", timeout=5 * t.slow)
    started = time.monotonic()
    server.stop()
    ok(time.monotonic() - started < 8 * t.slow, "it waited for the sink")
    ok(not os.path.exists(at("log")), "something was taken")
    jobs[1].api.close()
    server.start()
    jobs[1].wait(lambda j: j["stages"][1]["retries"] >= 1, what="it is tried again")
    jobs[1].must("cancel")


def test_killed_in_the_middle_no_batch_is_lost(t):
    t.need_modules()
    server = t.server({"compute": 2, "flush-ms": 5})
    log, api = os.path.join(server.folder, "log"), t.client(server)
    job = t.job([{"use": "spring", "params": {"count": 3000, "ms": 2, "at_once": 50}},
                 outlet_batch(log, items=20)], api=api)
    for share in (300, 1100, 2000):
        job.wait(lambda j: j["counts"]["succeeded"] >= share, what=f"{share} are done")
        server.restart("kill")
    eq(job.wait_done()["counts"]["succeeded"], 3000, "succeeded")
    eq(sorted(set(taken(log))), list(range(3000)), "each item at least once")


def test_a_source_that_has_nothing_is_left_alone_for_a_while(t):
    """1 ms, then twice as long each time, and from the start again after an item."""
    t.need_modules()
    began = time.monotonic()
    job = t.job([{"use": "trickle", "params": {"dry": 8, "count": 2}}, "pass"])
    eq(job.wait_done()["state"], "succeeded", "state")
    took = time.monotonic() - began
    same_list(job.results(), [{"asked": 9}, {"asked": 18}])
    ok(took >= 2 * 0.255, f"16 pauses took {took:.3f} s")


def test_a_source_that_has_nothing_hears_of_pause_and_cancel(t):
    t.need_modules()
    job = t.job([{"use": "trickle", "params": {"dry": HOUR}}, "pass"])
    eq(job.must("pause")["state"], "paused", "state")
    eq(job.must("resume")["state"], "running", "state")
    job.must("cancel")
    job.wait_done("cancelled", timeout=5 * t.slow)


def test_the_rate_of_a_sink(t):
    """Delays, never drops: one item at a time, by batches, and one that may sleep."""
    t.need_modules()
    _, api, path = folder(t)
    throttled = {"rate": {"per_second": 50}}
    sinks = [{"use": "aggregate", "params": {}, **throttled},
             {"use": "outlet-batch", "params": {"log": path("b")}, "batch": {"items": 20},
              **throttled},
             {"use": "outlet", "params": {"log": path("c")}, **throttled}]
    began = time.monotonic()
    jobs = [t.job([{"use": "range", "params": {"to": 100}}, sink], api=api) for sink in sinks]
    for job in jobs:
        done = job.wait_done()
        took = time.monotonic() - began
        eq(done["counts"]["succeeded"], 100, "succeeded")
        eq(done["stages"][1]["in"], 100, "in")
        # the first tenth of a second's worth is there at once, and the last turn's is owed
        ok(took >= 1.0, f"100 items at 50/s took {took:.2f} s")
