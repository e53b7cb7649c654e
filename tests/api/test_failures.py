"""Failures: their form, on_error, retries, timeouts, limits, and running them again."""

from gates import gate
from support.leat import *

FAIL3 = {"use": "fail", "params": {"every": 3}}
QUICK_RETRY = {"attempts": 3, "backoff_ms": 1, "max_backoff_ms": 4}


def failed_job(t, stages, values, **more):
    job = t.job(stages, **more)
    job.send(values, close=True)
    job.wait_done()
    return job


def fits_model(job, stages, values):
    """Results, failures and counts are those of the model."""
    expected = model.run(stages, values)
    failures = job.failures()
    same_multiset(job.results(), expected.values)
    same_multiset([[f["item"], f["stage"], f["kind"], f["attempts"]] for f in failures],
                  [list(key) for key in expected.failure_keys()], "failures")
    counts = job.get()["counts"]
    eq({n: counts[n] for n in expected.counts()}, expected.counts(), "counts")
    return failures


def fails_meanwhile(job, values):
    """Uploads into a job that may fail before the upload is answered: 200, or 409."""
    reply = job.upload(ndjson(values))
    ok(reply.status in (200, 409), f"{reply!r}")


def test_a_failure_has_every_member(t):
    job = failed_job(t, [{"use": "sha256", "params": {"field": "text"}}], [{"no": 1}])
    failure, = job.failures()
    eq(set(failure), {"cursor", "item", "stage", "attempts", "kind", "error", "input", "at"},
       "members")
    eq((failure["item"], failure["stage"], failure["attempts"], failure["kind"]),
       (0, "sha256", 1, "permanent"), "item, stage, attempts, kind")
    ok("text" in failure["error"], f"error {failure['error']!r} does not name the field")
    eq(failure["input"], {"no": 1}, "input")
    ok(failure["at"].endswith("Z"), f"at {failure['at']!r}")


def test_failures_carry_strange_inputs_unchanged(t):
    job = failed_job(t, [{"use": "fail", "params": {"every": 1}}], items.STRANGE)
    same_multiset([f["input"] for f in job.failures()], items.STRANGE, "inputs")


def test_permanent_failures_are_not_retried(t):
    stages = [{**FAIL3, "retry": QUICK_RETRY}]
    job = failed_job(t, stages, numbers(30))
    fits_model(job, stages, numbers(30))
    eq(job.get()["counts"]["retries"], 0, "retries")


def test_transient_failures_are_retried_until_the_attempts_are_used_up(t):
    stages = [{"use": "fail", "params": {"every": 5, "kind": "transient"}, "retry": QUICK_RETRY}]
    job = failed_job(t, stages, numbers(50))
    for failure in fits_model(job, stages, numbers(50)):
        eq((failure["kind"], failure["attempts"]), ("transient", 3), "kind and attempts")
    eq(job.get()["counts"]["retries"], 20, "retries: two for each of ten items")


def test_a_retry_may_succeed(t):
    stages = [{"use": "fail", "params": {"every": 2, "kind": "transient", "until_attempt": 3},
               "retry": QUICK_RETRY, "workers": 4}]
    job = failed_job(t, stages, numbers(40), order="input")
    fits_model(job, stages, numbers(40))
    eq(job.results(), numbers(40), "all in order, retried ones too")
    eq(job.get()["counts"]["retries"], 40, "retries")


def test_one_attempt_means_no_retry(t):
    stages = [{"use": "fail", "params": {"every": 2, "kind": "transient", "until_attempt": 2},
               "retry": {"attempts": 1}}]
    fits_model(failed_job(t, stages, numbers(20)), stages, numbers(20))


def test_backoff_holds_back_only_the_item_that_failed(t):
    stages = [{"use": "fail", "params": {"every": 10, "kind": "transient"},
               "retry": {"attempts": 2, "backoff_ms": 20000, "max_backoff_ms": 20000}}]
    job = t.job(stages)
    job.send(numbers(100), close=True)
    job.wait(lambda j: j["counts"]["succeeded"] == 90, 5, "all others are through")


def test_a_failure_in_the_middle_of_the_pipeline(t):
    stages = [{"use": "pass"}, {**FAIL3, "name": "middle", "workers": 2}, {"use": "pass"}]
    values = numbers(60)
    for failure in fits_model(failed_job(t, stages, values), stages, values):
        eq(failure["stage"], "middle", "stage")


def test_dead_letter_inside_the_limits_succeeds(t):
    job = failed_job(t, [FAIL3], numbers(30))
    eq((job.get()["state"], job.get()["counts"]["failed"]), ("succeeded", 10), "state and failed")


def test_on_error_drop_only_counts(t):
    stages = [{**FAIL3, "on_error": "drop"}]
    job = failed_job(t, stages, numbers(30))
    fits_model(job, stages, numbers(30))
    eq(job.failures(), [], "failures kept")


def test_on_error_fail_fails_the_job(t):
    job = t.job([{"use": "fail", "params": {"every": 50}, "on_error": "fail"}])
    fails_meanwhile(job, numbers(500))
    done = job.wait_done("failed")
    eq(done["error"]["type"], "/problems/item-failed-job", "error")
    ok(done["error"]["detail"], "no detail")
    ok(done["counts"]["failed"] >= 1, f"failed: {done['counts']}")


def test_failures_page_and_follow_like_results(t):
    job = failed_job(t, [{"use": "fail", "params": {"every": 1}}], numbers(250), order="input")
    pages = list(job.pages("failures"))
    eq([len(p["items"]) for p in pages if p["items"]], [100, 100, 50], "page sizes")
    eq(sorted(f["item"] for p in pages for f in p["items"]), list(range(250)), "items")
    whole = job.failures()
    eq([f["item"] for f in job.failures(after=whole[99]["cursor"])],
       [f["item"] for f in whole[100:]], "failures behind a cursor")
    eq(len(list(job.follow("failures"))), 250, "followed")
    events = list(job.events("failures", follow="true"))
    eq(len(events), 250, "events")
    eq(events[0].id, events[0].json()["cursor"], "the event's id is the cursor")


def test_failures_can_be_followed_while_the_job_runs(t):
    job = t.job([{"use": "fail", "params": {"every": 2}}])
    stream = job.follow("failures")
    job.send(numbers(2))
    eq(json.loads(stream.readline(5))["stage"], "fail", "stage")
    job.must("close")
    eq(stream.readline(5), None, "the end")


def test_failures_survive_a_restart(t):
    server = t.server()
    api = t.client(server)
    job = failed_job(t, [FAIL3], numbers(60), api=api)
    before = job.failures()
    api.close()
    server.restart()
    eq(job.failures(), before, "failures after SIGKILL")


# -- timeouts ---------------------------------------------------------------------------------


def test_a_timeout_is_a_failure_of_kind_timeout(t):
    job = failed_job(t, [{"use": "sleep", "params": {"ms": 60000}, "timeout_ms": 50,
                          "retry": {"attempts": 1}, "workers": 10}], numbers(10))
    failures = job.failures()
    eq([(f["kind"], f["attempts"]) for f in failures], [("timeout", 1)] * 10, "kinds, attempts")
    eq(job.get()["counts"]["failed"], 10, "failed")


def test_a_timeout_is_retried(t):
    job = failed_job(t, [{"use": "sleep", "params": {"ms": 60000}, "timeout_ms": 30,
                          "retry": QUICK_RETRY, "workers": 5}], numbers(5))
    eq([(f["kind"], f["attempts"]) for f in job.failures()], [("timeout", 3)] * 5, "failures")
    eq(job.get()["counts"]["retries"], 10, "retries")


def test_who_is_quicker_than_the_timeout_is_not_touched(t):
    job = failed_job(t, [{"use": "sleep", "params": {"ms": 1}, "timeout_ms": 20000,
                          "workers": 5}], numbers(100))
    same_multiset(job.results(), numbers(100))


def test_the_order_holds_through_timeouts(t):
    job = failed_job(t, [{"use": "sleep", "params": {"ms": 0, "jitter_ms": 60}, "timeout_ms": 30,
                          "retry": {"attempts": 1}, "workers": 16}], numbers(300), order="input")
    results = [value["n"] for value in job.results()]
    failed = [failure["item"] for failure in job.failures()]
    eq(results, sorted(results), "order of the results")
    eq(sorted(results + failed), list(range(300)), "results and failures together")


# -- limits -----------------------------------------------------------------------------------


def test_max_failures_fails_the_job(t):
    job = t.job([{"use": "fail", "params": {"every": 2}}], limits={"max_failures": 10})
    fails_meanwhile(job, numbers(1000))
    done = job.wait_done("failed")
    eq(done["error"]["type"], "/problems/too-many-failures", "error")
    ok(done["counts"]["failed"] > 10, f"failed: {done['counts']}")


def test_exactly_max_failures_is_allowed(t):
    job = t.job([{"use": "fail", "params": {"every": 2}}], limits={"max_failures": 10})
    job.send(numbers(20), close=True)
    eq(job.wait_done()["counts"]["failed"], 10, "failed")


def test_max_failure_ratio_counts_after_the_first_100(t):
    limits = {"max_failure_ratio": 0.2}
    few = t.job([{"use": "fail", "params": {"every": 1}}], limits=limits)
    few.send(numbers(90), close=True)
    eq(few.wait_done()["counts"]["failed"], 90, "failed among the first 100")
    many = t.job([{"use": "fail", "params": {"every": 2}}], limits=limits)
    fails_meanwhile(many, numbers(2000))
    eq(many.wait_done("failed")["error"]["type"], "/problems/too-many-failures", "error")
    below = t.job([{"use": "fail", "params": {"every": 10}}], limits=limits)
    below.send(numbers(2000), close=True)
    eq(below.wait_done()["counts"]["failed"], 200, "failed below the ratio")


# -- running failures again -------------------------------------------------------------------


def test_retried_failures_succeed_when_the_cause_is_gone(t):
    stage, open_gate = gate(t, workers=4)
    job = failed_job(t, ["pass", stage], numbers(60))
    eq((job.get()["counts"]["failed"], len(job.failures())), (60, 60), "failed and failures")
    open_gate()
    status(job.retry(), 200)
    counts = job.wait_done()["counts"]
    eq((counts["succeeded"], counts["failed"], counts["results"]), (60, 0, 60), "counts")
    eq(job.failures(), [], "failures")
    same_multiset(job.results(), numbers(60))


def test_retried_items_keep_their_numbers_and_may_stand_behind_in_the_order(t):
    stage, open_gate = gate(t)
    job = t.job([{"use": "filter", "params": {"pointer": "/n", "op": "ge", "value": 3}}, stage],
                order="input")
    job.send(numbers(6))
    job.wait(lambda j: j["counts"]["failed"] == 3, what="three failures")
    open_gate()
    job.send(numbers(4, 6))
    job.wait(lambda j: j["counts"]["succeeded"] == 4, what="four results")
    status(job.retry(), 200)
    job.must("close")
    job.wait_done()
    eq(sorted(r["item"] for r in job.results(envelope=True)), list(range(3, 10)), "item numbers")
    same_multiset(job.results(), numbers(7, 3))


def test_retry_of_a_done_job_moves_its_end(t):
    stage, open_gate = gate(t)
    job = failed_job(t, [stage], numbers(5))
    before = job.get()
    open_gate()
    status(job.retry([0, 1]), 200)
    after = job.wait_done()
    ok(after["version"] > before["version"], "the version has not grown")
    eq((after["counts"]["succeeded"], after["counts"]["failed"]), (2, 3), "counts")
    ok(after["finished_at"] >= before["finished_at"], "finished_at")


def test_transient_failures_heal_by_themselves(t):
    stage, open_gate = gate(t, retry={"attempts": 1000, "backoff_ms": 5, "max_backoff_ms": 20})
    stage["params"]["kind"] = "transient"
    job = t.job([stage])
    job.send(numbers(20), close=True)
    job.wait(lambda j: j["counts"]["retries"] > 60, what="some retries")
    eq(job.get()["counts"]["succeeded"], 0, "succeeded while the gate is shut")
    open_gate()
    eq(job.wait_done()["counts"]["succeeded"], 20, "succeeded")


def test_retry_of_some_leaves_the_others(t):
    job = failed_job(t, [FAIL3], numbers(30))
    before = {f["item"]: f["cursor"] for f in job.failures()}
    status(job.retry([2, 5]), 200)
    job.wait_done()
    after = {f["item"]: f["cursor"] for f in job.failures()}
    eq(sorted(after), sorted(before), "items that have failed")
    for item in before:
        eq(after[item] == before[item], item not in (2, 5), f"item {item} keeps its failure")
    eq(job.get()["counts"]["failed"], 10, "failed")
    same_multiset(job.results(), model.run([FAIL3], numbers(30)).values)


def test_retry_answers_the_job_and_it_runs_again(t):
    job = failed_job(t, [FAIL3], numbers(40))
    body = status(job.retry(), 200).json()
    counts_add_up(body)
    eq(body["id"], job.id, "id")
    ok(body["state"] in ("running", "finishing", "succeeded"), f"state {body['state']}")
    job.wait_done()


def test_retry_while_the_job_runs(t):
    job = t.job([FAIL3])
    job.send(numbers(30))
    job.wait(lambda j: j["counts"]["failed"] == 10, what="ten failures")
    status(job.retry(), 200)
    job.wait(lambda j: j["counts"]["failed"] == 10, what="they have failed again")
    job.must("close")
    job.wait_done()
    eq(sorted(f["item"] for f in job.failures()), list(range(2, 30, 3)), "failures, each once")


def test_retry_without_failures_changes_nothing(t):
    job = t.job()
    job.send(numbers(5), close=True)
    job.wait_done()
    status(job.retry(), 200)
    done = job.wait_done()
    eq(done["counts"]["succeeded"], 5, "succeeded")


def test_retried_failures_survive_a_restart(t):
    server = t.server()
    api = t.client(server)
    job = failed_job(t, [FAIL3], numbers(300), api=api)
    status(job.retry(), 200)
    api.close()
    server.restart()
    job.wait_done()
    eq(sorted(f["item"] for f in job.failures()), list(range(2, 300, 3)), "failures, each once")
    same_multiset(job.results(), model.run([FAIL3], numbers(300)).values)


def test_a_failed_or_cancelled_job_does_not_retry(t):
    job = t.job([{"use": "fail", "params": {"every": 1}}])
    job.send(numbers(5))
    job.wait(lambda j: j["counts"]["failed"] == 5, what="five failures")
    job.must("cancel")
    job.wait_done("cancelled")
    problem(job.retry(), 409, "state-conflict")
