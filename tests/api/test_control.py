"""Close, pause, resume, cancel, delete in each state; PATCH of a running job."""

from support.leat import *

SLEEP = {"use": "sleep", "params": {"ms": 30}, "workers": 2}


def in_state(t, state):
    """A job that is in this state and stays there while it is looked at."""
    if state == "succeeded":
        job = t.job()
        job.send(numbers(3), close=True)
        job.wait_done()
    elif state == "failed":
        job = t.job([{"use": "fail", "params": {"every": 1}, "on_error": "fail"}])
        eq(job.upload(ndjson(numbers(3))).status in (200, 409), True, "200, or 409 if it has failed")
        job.wait_done("failed")
    else:
        job = t.job([{"use": "sleep", "params": {"ms": 200}}])
        job.send(numbers(300))
        if state == "closed":
            job.must("close")
        if state in ("paused", "cancelled"):
            job.must({"paused": "pause", "cancelled": "cancel"}[state])
        if state == "cancelled":
            job.wait_done("cancelled")
    return job


# state → verb → the state it leads to; None: 409; a tuple: either is allowed by the contract
MOVES = {
    "running":   {"close": "running", "pause": "paused", "resume": "running", "cancel": "cancelled"},
    "closed":    {"close": "running", "pause": "paused", "resume": "running", "cancel": "cancelled"},
    "paused":    {"close": "paused", "pause": "paused", "resume": "running", "cancel": "cancelled"},
    "succeeded": {"close": "succeeded", "pause": None, "resume": None, "cancel": None},
    "failed":    {"pause": None, "resume": None, "cancel": None},
    "cancelled": {"pause": None, "resume": None, "cancel": "cancelled"},
}


def _move(state, verb, leads_to):
    def test(t):
        job = in_state(t, state)
        before = job.get()
        reply = job.act(verb)
        if leads_to is None:
            problem(reply, 409, "state-conflict")
            eq(job.get()["state"], before["state"], "state after a refusal")
        else:
            counts_add_up(status(reply, 200).json())
            job.wait(lambda j: j["state"] == leads_to, 5, f"the job is {leads_to}")
        if verb == "close" and leads_to:
            eq(job.get()["input"]["state"], "closed", "input.state")
    return test


for _state, _verbs in MOVES.items():
    for _verb, _leads_to in _verbs.items():
        globals()[f"test_{_verb}_of_a_{_state}_job"] = _move(_state, _verb, _leads_to)


def _delete(state):
    def test(t):
        job = in_state(t, state)
        reply = status(job.delete(), 204)
        eq(reply.body, b"", "body of the 204")
        for path in ("", "/results", "/failures", "/items?key=a"):
            problem(t.api.get(job.path + path), 404, "job-not-found")
        problem(job.delete(), 404, "job-not-found")
        problem(job.upload(b"1\n"), 404, "job-not-found")
        ok(job.id not in [j["id"] for j in t.api.jobs(limit=100)["items"]], "it is still listed")
    return test


for _state in MOVES:
    globals()[f"test_delete_of_a_{_state}_job_removes_all_of_it"] = _delete(_state)


def test_items_are_refused_after_close(t):
    job = t.job()
    job.send(numbers(2), close=True)
    body = problem(job.upload(ndjson(numbers(2))), 409, "input-closed")
    eq(body["accepted"], 0, "accepted")
    eq(job.wait_done()["input"]["received"], 2, "received")


def test_items_are_refused_after_cancel(t):
    job = in_state(t, "cancelled")
    before = job.get()["input"]["received"]
    problem(job.upload(ndjson(numbers(2))), 409, "state-conflict")
    eq(job.get()["input"]["received"], before, "received")


def test_a_paused_job_takes_items_and_works_on_none(t):
    job = t.job()
    job.must("pause")
    job.send(numbers(50))
    other = t.job()
    other.send(numbers(50), close=True)
    other.wait_done()
    counts = job.get()["counts"]
    eq((counts["pending"], counts["succeeded"]), (50, 0), "pending and succeeded while paused")
    job.must("resume")
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), numbers(50))


def test_pause_stops_a_job_in_the_middle_and_resume_goes_on(t):
    job = t.job([SLEEP])
    job.send(numbers(100), close=True)
    job.wait(lambda j: j["counts"]["succeeded"] >= 5, what="five items are through")
    job.must("pause")
    still = job.wait(lambda j: j["counts"]["running"] == 0, 5, "nothing is running")
    time_passed = t.job([SLEEP])
    time_passed.send(numbers(6), close=True)
    time_passed.wait_done()
    eq(job.get()["counts"]["succeeded"], still["counts"]["succeeded"], "succeeded while paused")
    eq(job.get()["state"], "paused", "state")
    job.must("resume")
    job.wait_done()
    same_multiset(job.results(), numbers(100))


def test_cancel_counts_what_was_not_worked_on(t):
    job = t.job([SLEEP])
    job.send(numbers(400))
    job.wait(lambda j: j["counts"]["succeeded"] >= 4, what="four items are through")
    job.must("cancel")
    counts = job.wait_done("cancelled", timeout=2)["counts"]
    eq(counts["succeeded"] + counts["cancelled"], 400, "succeeded and cancelled")
    ok(counts["cancelled"] > 300, f"cancelled: {counts}")
    eq(len(job.results()), counts["succeeded"], "results")


def test_cancel_ends_long_sleeps_at_once(t):
    job = t.job([{"use": "sleep", "params": {"ms": 600000}, "workers": 50}])
    job.send(numbers(50))
    job.wait(lambda j: j["stages"][0]["busy"] == 50, what="fifty sleep")
    started = time.monotonic()
    job.must("cancel")
    job.wait_done("cancelled")
    ok(time.monotonic() - started < 1.0 * t.slow, "cancel took more than a second")


def test_cancel_ends_an_upload_that_waits(t):
    job = t.job(backlog={"bytes": 1 << 20})
    job.must("pause")
    line = ndjson([{"pad": "x" * 1000}])
    with t.api.connect() as upload:
        upload.send_head("POST", f"{job.path}/items", {"Transfer-Encoding": "chunked"})
        try:
            while upload.send_chunk(line * 500, timeout=1.0):
                pass
        except TimeoutError:
            pass
        job.must("cancel")
        try:
            reply = upload.read_response(10)
        except Closed:
            return
        eq(reply.status, 409, "status")
        ok(reply.json()["accepted"] > 0, "it does not say what was taken")


def test_delete_ends_those_who_follow(t):
    job = t.job()
    stream = job.follow()
    status(job.delete(), 204)
    try:
        eq(stream.readline(10), None, "a line from a deleted job")
    except Closed:
        pass


def test_close_ends_the_job_when_all_is_worked_on(t):
    job = t.job([SLEEP])
    job.send(numbers(10))
    eq(job.must("close")["input"]["state"], "closed", "input.state")
    eq(job.wait_done()["counts"]["succeeded"], 10, "succeeded")


def test_states_survive_a_restart(t):
    server = t.server()
    api = t.client(server)
    paused = t.job([SLEEP], api=api)
    paused.send(numbers(20), close=True)
    paused.must("pause")
    cancelled = t.job([SLEEP], api=api)
    cancelled.send(numbers(20))
    cancelled.must("cancel")
    before = cancelled.wait_done("cancelled")
    done = t.job(api=api, name="done")
    done.send(numbers(4), close=True)
    done.wait_done()
    deleted = t.job(api=api)
    status(deleted.delete(), 204)
    api.close()
    server.restart()
    eq(paused.get()["state"], "paused", "state of the paused job")
    eq(cancelled.get()["counts"], before["counts"], "counts of the cancelled job")
    eq(done.get()["state"], "succeeded", "state of the job that was done")
    same_multiset(done.results(), numbers(4))
    problem(api.get(deleted.path), 404, "job-not-found")
    paused.must("resume")
    paused.wait_done()
    same_multiset(paused.results(), numbers(20))


# -- PATCH ------------------------------------------------------------------------------------


def busy_reaches(job, count, what):
    """Seconds until `count` workers are busy."""
    started = time.monotonic()
    until(lambda: job.get()["stages"][0]["busy"] == count, 5, what, pause=0.002)
    return time.monotonic() - started


def soonest(job, workers, back, enough):
    """Seconds until so many are busy after a PATCH: the least of some tries."""
    took = 1e9
    for _ in range(3):
        job.workers("sleep", workers)
        took = min(took, busy_reaches(job, workers, f"{workers} are busy"))
        if took < enough:
            break
        job.workers("sleep", back)
        busy_reaches(job, back, f"{back} are busy again")
    return took


@alone
def test_more_workers_are_busy_within_100_ms(t):
    job = t.job([{"use": "sleep", "params": {"ms": 300}, "workers": 2}], order="input")
    job.send(numbers(500))
    busy_reaches(job, 2, "two are busy")
    took = soonest(job, 32, 2, 0.1 * t.slow)
    ok(took < 0.1 * t.slow, f"32 workers were busy after {took * 1000:.0f} ms")


@alone
def test_fewer_workers_are_busy_when_their_items_are_through(t):
    job = t.job([{"use": "sleep", "params": {"ms": 50}, "workers": 16}], order="input")
    job.send(numbers(2000))
    busy_reaches(job, 16, "16 are busy")
    took = soonest(job, 3, 16, 0.15 * t.slow)
    ok(took < 0.15 * t.slow, f"3 workers were busy after {took * 1000:.0f} ms")


def test_patching_workers_loses_nothing_and_keeps_the_order(t):
    stages = [{"use": "sleep", "params": {"ms": 0, "jitter_ms": 4}, "workers": 4},
              {"use": "sha256", "params": {"field": "text"}, "workers": 2}]
    values = texts(1500)
    job = t.job(stages, order="input")
    job.send(values, close=True)
    patched = 0
    while job.patch({"stages": {"sleep": {"workers": t.random.randint(1, 40)},
                                "sha256": {"workers": t.random.randint(1, 8)}}}).status == 200:
        patched += 1
    ok(patched > 3, f"only {patched} PATCHes while it ran")
    job.wait_done()
    same_list(job.results(), model.run(stages, values).values)


def test_a_done_job_cannot_be_patched(t):
    job = in_state(t, "succeeded")
    problem(job.patch({"stages": {"pass": {"workers": 3}}}), 409, "state-conflict")


def test_patch_answers_the_job(t):
    job = t.job()
    body = status(job.patch({"stages": {"pass": {"workers": 5}}}), 200).json()
    eq((body["id"], body["stages"][0]["workers"]), (job.id, 5), "id and workers")


def test_patch_of_labels(t):
    job = t.job(labels={"a": "1"})
    status(job.patch({"labels": {"b": "2"}}), 200)
    eq(job.get()["labels"]["b"], "2", "label b")


def test_patch_of_limits_takes_effect_on_a_running_job(t):
    job = t.job([{"use": "fail", "params": {"every": 1}}])
    job.send(numbers(20))
    job.wait(lambda j: j["counts"]["failed"] == 20, what="all have failed")
    status(job.patch({"limits": {"max_failures": 25}}), 200)
    eq(job.get()["state"], "running", "state below the limit")
    job.upload(ndjson(numbers(20)))
    eq(job.wait_done("failed")["error"]["type"], "/problems/too-many-failures", "error")


def test_patch_survives_a_restart(t):
    server = t.server()
    api = t.client(server)
    job = t.job(api=api, labels={"a": "1"})
    job.workers("pass", 9)
    status(job.patch({"labels": {"a": "2"}}), 200)
    api.close()
    server.restart()
    eq((job.get()["stages"][0]["workers"], job.get()["labels"]["a"]), (9, "2"), "after SIGKILL")


def test_a_patch_with_one_mistake_changes_nothing(t):
    job = t.job(["pass", {"use": "sleep", "params": {"ms": 0}}])
    before = job.get()
    body = problem(job.patch({"stages": {"pass": {"workers": 4}, "sleep": {"workers": 0}}}),
                   422, "definition-invalid")
    has_pointers(body, ["/stages/sleep/workers"])
    eq(job.get()["stages"][0]["workers"], before["stages"][0]["workers"], "workers")


def test_an_empty_patch_is_fine(t):
    eq(t.job().patch({}).status, 200, "status")
