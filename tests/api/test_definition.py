"""Job definition: every field, its default, and what it means."""

from support.leat import *

RETRY = {"attempts": 3, "backoff_ms": 200, "max_backoff_ms": 30000}
QUEUE = {"items": 1024, "bytes": 16777216}


def validated(t, definition, query=None):
    reply = t.api.post("/v1/jobs:validate", definition, query=query)
    return status(reply, 200).json()


def test_validate_fills_in_every_default(t):
    made = validated(t, {"stages": [{"use": "pass"}]})
    eq(made["name"], "", "name")
    eq(made["labels"], {}, "labels")
    eq(made["order"], "none", "order")
    eq(made["backlog"], {"bytes": 268435456}, "backlog")
    eq(made["retention_ms"], 7 * 24 * 3600 * 1000, "retention_ms")
    stage, = made["stages"]
    eq(stage["use"], "pass", "use")
    eq(stage["name"], "pass", "name of the stage")
    eq(stage["params"], {}, "params")
    eq(stage["workers"], 1, "workers")
    eq(stage["queue"], QUEUE, "queue")
    eq(stage["retry"], RETRY, "retry")
    eq(stage["on_error"], "dead_letter", "on_error")
    eq(stage.get("timeout_ms"), None, "timeout_ms")
    eq(stage.get("rate"), None, "rate")


def test_validate_opens_the_stages(t):
    broken = {"stages": [{"use": "pass"}, {"use": "filter", "params": {"pointer": "/a", "op": "matches",
                                      "value": "("}}]}
    body = status(t.api.post("/v1/jobs:validate", broken), 422).json()
    eq([e["pointer"] for e in body["errors"]], ["/stages/1/params/value"], "pointers")


def test_validate_fills_in_the_defaults_of_parameters(t):
    made = validated(t, {"stages": [{"use": "sha256", "params": {"field": "text"}}]})
    eq(made["stages"][0]["params"]["into"], "sha256", "default of `into`")
    eq(made["stages"][0]["params"]["field"], "/text", "the name as the pointer it means")


def test_validate_keeps_what_was_given(t):
    stage = {"use": "sleep", "name": "nap", "params": {"ms": 1, "jitter_ms": 2}, "workers": 7,
             "queue": {"items": 5, "bytes": 65536}, "timeout_ms": 900,
             "retry": {"attempts": 2, "backoff_ms": 1, "max_backoff_ms": 9},
             "on_error": "drop", "rate": {"per_second": 50}}
    given = {"name": "mine", "labels": {"a": "b"}, "stages": [stage], "order": "input",
             "backlog": {"bytes": 1048576}, "retention_ms": 60000,
             "limits": {"max_failures": 3, "max_failure_ratio": 0.5, "deadline_ms": 99000}}
    made = validated(t, given)
    eq({field: made["stages"][0][field] for field in stage}, stage, "the stage")
    for name in ("name", "labels", "order", "backlog", "retention_ms", "limits"):
        eq(made[name], given[name], name)


def test_the_definition_of_a_job_can_be_had_again(t):
    given = {"name": "mine", "stages": [{"use": "sha256", "params": {"field": "text"}, "workers": 2}]}
    job = t.job(**given)
    made = status(t.api.get(f"/v1/jobs/{job.id}/definition"), 200).json()
    eq(made, validated(t, given), "the definition is the one that was posted, whole")
    job.workers("sha256", 5)
    again = status(t.api.get(f"/v1/jobs/{job.id}/definition"), 200).json()
    eq(again["stages"][0]["workers"], 5, "workers after a change")
    status(t.api.post("/v1/jobs", again), 201)


def test_the_definition_of_no_job_is_not_found(t):
    status(t.api.get("/v1/jobs/j_00000000000000000000000000/definition"), 404)
    status(t.api.get("/v1/jobs/nonsense/definition"), 404)


def test_validate_answers_what_can_be_posted_again(t):
    made = validated(t, {"stages": [{"use": "sha256", "params": {"field": "a"}}, {"use": "pass"}]})
    eq(validated(t, made), made, "validated twice")
    t.job(**made)


def test_validate_applies_scaling_parameters(t):
    made = validated(t, {"stages": [{"use": "pass"}]}, {"workers.pass": 9, "queue.pass": 77})
    eq(made["stages"][0]["workers"], 9, "workers")
    eq(made["stages"][0]["queue"]["items"], 77, "queue.items")


def test_validate_creates_nothing(t):
    name = "only-validated"
    validated(t, {"name": name, "stages": [{"use": "pass"}]})
    eq(t.api.jobs(name=name)["items"], [], "jobs of that name")


def test_a_partial_queue_and_retry_keep_the_other_defaults(t):
    made = validated(t, {"stages": [{"use": "pass", "queue": {"items": 5},
                                     "retry": {"attempts": 1}}]})
    eq(made["stages"][0]["queue"], {**QUEUE, "items": 5}, "queue")
    eq(made["stages"][0]["retry"], {**RETRY, "attempts": 1}, "retry")


def test_creation_answers_201_location_and_the_job(t):
    reply = status(t.api.post("/v1/jobs", {"stages": [{"use": "pass"}]}), 201)
    body = reply.json()
    job = t.adopt(body["id"])
    eq(reply.headers["location"], job.path, "Location")
    eq(reply.type, JSON, "type")
    eq(job.get()["id"], body["id"], "id")
    ok(body["id"].startswith("j_"), f"id {body['id']!r}")


def test_the_body_may_come_as_curl_sends_it(t):
    """curl -d names the body a form; it is read as JSON here."""
    text = b'{"stages":[{"use":"pass"}]}'
    for kind in ("application/x-www-form-urlencoded", JSON, JSON + "; charset=utf-8", None):
        headers = {"Content-Type": kind} if kind else {}
        t.adopt(status(t.api.post("/v1/jobs", text, headers), 201).json()["id"])


def test_the_definition_may_come_in_chunks(t):
    text = b'{"stages":[{"use":"pass","workers":3}]}'
    reply = t.api.post("/v1/jobs", odd_pieces(text), {"Content-Type": JSON})
    job = t.adopt(status(reply, 201).json()["id"])
    eq(job.get()["stages"][0]["workers"], 3, "workers")


def test_name_is_shown_and_need_not_be_unique(t):
    one, two = t.job(name="Ünï"), t.job(name="Ünï")
    ok(one.id != two.id, "two jobs have one id")
    eq([one.get()["name"], two.get()["name"]], ["Ünï", "Ünï"], "names")


def test_labels_are_shown(t):
    eq(t.job(labels={"team": "mill", "x": ""}).get()["labels"], {"team": "mill", "x": ""}, "labels")


def test_stages_run_in_order(t):
    first = t.job([{"use": "pick", "params": {"fields": {"text": "/t"}}},
                   {"use": "sha256", "params": {"field": "text"}}])
    first.send([{"t": "x", "u": 1}], close=True)
    first.wait_done()
    eq(list(first.results()[0]), ["text", "sha256"], "fields when pick comes first")
    second = t.job([{"use": "sha256", "params": {"field": "t"}},
                    {"use": "pick", "params": {"fields": {"sha": "/sha256"}}}])
    second.send([{"t": "x", "u": 1}], close=True)
    second.wait_done()
    eq(list(second.results()[0]), ["sha"], "fields when pick comes last")


def test_stages_without_names_are_numbered(t):
    job = t.job(["pass", "pass", {"use": "sleep", "params": {"ms": 0}}, "pass"]).get()
    eq([s["name"] for s in job["stages"]], ["pass", "pass-2", "sleep", "pass-3"], "names")
    eq([s["use"] for s in job["stages"]], ["pass", "pass", "sleep", "pass"], "uses")


def test_a_stage_name_is_what_counts_query_and_patch_go_by(t):
    job = t.job([{"use": "pass", "name": "first"}, "pass"], {"workers.first": 4})
    eq([(s["name"], s["workers"]) for s in job.get()["stages"]], [("first", 4), ("pass", 1)],
       "workers by name")
    job.workers("first", 6)
    eq(job.get()["stages"][0]["workers"], 6, "workers after PATCH")


def test_parameters_reach_the_stage(t):
    job = t.job([{"use": "sha256", "params": {"field": "/a/b", "into": "digest"}}])
    job.send([{"a": {"b": "x"}}], close=True)
    job.wait_done()
    same_list(job.results(), model.run([{"use": "sha256", "params": {"field": "/a/b",
              "into": "digest"}}], [{"a": {"b": "x"}}]).values)


def test_workers_may_be_1_to_10000(t):
    for count in (1, 10000):
        job = t.job([{"use": "sleep", "params": {"ms": 0}, "workers": count}])
        eq(job.get()["stages"][0]["workers"], count, "workers")


def test_scaling_by_query_overrides_the_definition(t):
    job = t.job([{"use": "pass", "workers": 2, "queue": {"items": 9}}],
                {"workers.pass": 8, "queue.pass": 2048})
    stage = job.get()["stages"][0]
    eq(stage["workers"], 8, "workers")
    eq(stage["queue"]["max_items"], 2048, "queue")


def test_the_queue_is_bounded_in_items(t):
    job = t.job([{"use": "sleep", "params": {"ms": 20}, "queue": {"items": 3}}])
    job.send(numbers(60))
    for _ in range(20):
        queue = job.get()["stages"][0]["queue"]
        eq(queue["max_items"], 3, "max_items")
        ok(queue["items"] <= 3, f"{queue['items']} items in a queue of 3")


def test_the_queue_is_bounded_in_bytes(t):
    job = t.job([{"use": "sleep", "params": {"ms": 20}, "queue": {"items": 1000, "bytes": 4096}}])
    job.send([{"n": n, "pad": "x" * 1000} for n in range(60)])
    for _ in range(20):
        queue = job.get()["stages"][0]["queue"]
        eq(queue["max_bytes"], 4096, "max_bytes")
        ok(queue["bytes"] <= 4096, f"{queue['bytes']} bytes in a queue of 4096")


def test_a_queue_of_one_item_is_enough_for_every_stage(t):
    stages = [{"use": "explode", "params": {"field": "parts"}, "queue": {"items": 1}, "workers": 3},
              {"use": "filter", "params": {"pointer": "/w", "op": "gt", "value": 20},
               "queue": {"items": 1}, "workers": 2},
              {"use": "sleep", "params": {"ms": 0}, "queue": {"items": 1}, "workers": 4}]
    values = items.mixed(600)
    job = t.job(stages)
    job.send(values, close=True)
    job.wait_done()
    same_multiset(job.results(), model.run(stages, values).values)


def test_an_item_larger_than_the_queue_still_passes(t):
    """The byte bound of a queue must not make an item impossible that the item limit allows."""
    job = t.job([{"use": "pass", "queue": {"items": 4, "bytes": 1024}}, "pass"])
    value = {"pad": "y" * 200000}
    job.send([value, {"n": 1}, value], close=True)
    job.wait_done(timeout=10)
    same_multiset(job.results(), [value, {"n": 1}, value])


def test_rate_delays_and_never_drops(t):
    job = t.job([{"use": "pass", "rate": {"per_second": 100}}])
    started = time.monotonic()
    job.send(numbers(150), close=True)
    done = job.wait_done()
    elapsed = time.monotonic() - started
    eq(done["counts"]["succeeded"], 150, "succeeded")
    within(elapsed, 0.4, 4.0 * t.slow, "seconds for 150 items at 100/s")


def test_order_input_holds_with_many_workers_and_random_sleeps(t):
    values = items.mixed(800)
    stages = [{"use": "sleep", "params": {"ms": 0, "jitter_ms": 6}, "workers": 8},
              {"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 2}},
              {"use": "fail", "params": {"every": 13}, "workers": 3}]
    job = t.job(stages, order="input")
    job.send(values, close=True)
    job.wait_done()
    expected = model.run(stages, values)
    same_list(job.results(), expected.values)
    counts_match(job, expected)


def test_order_input_holds_through_explode(t):
    values = items.mixed(300)
    stages = [{"use": "explode", "params": {"field": "parts"}, "workers": 4},
              {"use": "sleep", "params": {"ms": 0, "jitter_ms": 3}, "workers": 8}]
    job = t.job(stages, order="input")
    job.send(values, close=True)
    job.wait_done()
    same_list(job.results(), model.run(stages, values).values)


def test_order_none_may_overtake_but_loses_nothing(t):
    values = numbers(400)
    job = t.job([{"use": "sleep", "params": {"ms": 0, "jitter_ms": 5}, "workers": 8}])
    job.send(values, close=True)
    job.wait_done()
    results = job.results()
    same_multiset(results, values)
    ok(results != values, "400 items with random sleeps in 8 workers came out in order")


def test_deadline_fails_the_job(t):
    job = t.job([{"use": "sleep", "params": {"ms": 50}}], limits={"deadline_ms": 200})
    job.send(numbers(500))
    done = job.wait_done("failed", timeout=5)
    eq(done["error"]["type"], "/problems/deadline-exceeded", "error")
    ok(done["counts"]["cancelled"] > 400, f"cancelled: {done['counts']}")


def test_retention_removes_results_after_done(t):
    job = t.job(retention_ms=300)
    job.send(numbers(5), close=True)
    job.wait_done()
    pages = job.pages(limit=2)
    cursor = next(pages)["next"]
    gone = until(lambda: (r := t.api.get(f"{job.path}/results", {"after": cursor})).status != 200
                 and r, 20 * t.slow, "the results expire", pause=0.05)
    problem(gone, 410, "results-expired")


def test_retention_forgets_the_job_itself_later(t):
    server = t.server({"retention-records": 2500})
    api = t.client(server)
    jobs = [t.job(retention_ms=100, api=api) for _ in range(3)]
    for job in jobs:
        job.send(numbers(5), close=True)
    api.close()
    server.restart()  # what is due later is found again
    for job in jobs:
        until(lambda: api.get(job.path).status == 404, 20 * t.slow, "the job is forgotten")
    # A job that goes is not found as soon as it was told to go, and listed until it has gone.
    until(lambda: api.jobs()["items"] == [], 20 * t.slow, "no job is listed")


def counts_match(job, expected):
    """The job's counts against the model's."""
    counts = job.get()["counts"]
    eq({name: counts[name] for name in expected.counts()}, expected.counts(), "counts")
