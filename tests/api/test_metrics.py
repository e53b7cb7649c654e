"""GET /metrics: what it counts is what happened, and nobody can make it grow."""

from support.leat import *
from support.metrics import scrape

CAPS = {"leat_jobs_max": 10000, "leat_item_max_bytes": 1 << 20, "leat_output_max_bytes": 16 << 20,
        "leat_job_input_memory_max_bytes": 2 << 20, "leat_jobs_cached_max": 1000,
        "leat_job_keys_max": 10000, "leat_job_stages_max": 64, "leat_blocking_threads_max": 256,
        "leat_job_queue_max_items": 1000000, "leat_job_queue_max_bytes": 1 << 30,
        "leat_job_backlog_max_bytes": 1 << 40, "leat_http_connections_max": 16384,
        "leat_http_head_max_bytes": 32 << 10, "leat_http_body_max_bytes": 1 << 20,
        "leat_store_max_bytes": 64 << 30, "leat_store_reserve_bytes": 4 << 30}

# Everything that a label may say: nothing of it comes from a client.
BOUNDED = {"state": {"running", "paused", "finishing", "busy", "blocked", "starved"},
           "outcome": {"succeeded", "failed", "cancelled", "filtered"},
           "method": {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "other"}}


def own(t, **options):
    """A server of the test's own, so that counts are exact."""
    return t.client(t.server(options or None))


def job_of(t, api, stages, **more):
    return t.job(stages, api=api, **more)


def test_types_names_and_help_are_as_they_should_be(t):
    m = scrape(t.api)
    eq(set(m.types), set(m.helps), "families with HELP and TYPE")
    for name, kind in m.types.items():
        ok(name.startswith(("leat_", "process_")), f"{name} has no prefix of ours")
        eq(name.endswith("_total"), kind == "counter", f"{name}, a {kind}, by its name")
        ok(not name.endswith(("_ms", "_ns", "_kb", "_mb", "_count", "_sum", "_bucket")), name)
    eq(m("leat_build_info", version=t.api.get("/v1/server").json()["version"]), 1, "build info")


def test_items_are_counted_exactly(t):
    api = own(t)
    job = job_of(t, api, [{"use": "sha256", "workers": 2, "params": {"field": "text"}},
                          {"use": "filter", "params": {"pointer": "n", "op": "ge", "value": 10}}])
    items = [{"n": n, "text": "x"} for n in range(100)] + [{"n": 1}] * 7
    body = ndjson(items)
    eq(job.send(body, close=True)["accepted"], 107, "accepted")
    job.wait_done()
    job.results()
    m = scrape(api)
    eq(m("leat_ingest_items_total"), 107, "items in")
    eq(m("leat_ingest_bytes_total"), job.get()["input"]["bytes"], "bytes in")
    done = {word: m("leat_items_done_total", outcome=word) for word in BOUNDED["outcome"]}
    eq(done, {"succeeded": 90, "filtered": 10, "failed": 7, "cancelled": 0}, "outcomes")
    eq((m("leat_results_total"), m("leat_failures_total")), (90, 7), "stored")
    eq((m("leat_results_read_total"), m("leat_failures_read_total")), (90, 0), "read")
    for stage, words in {"sha256": (107, 100, 0, 7), "filter": (100, 90, 10, 0)}.items():
        eq(tuple(m(f"leat_stage_items_{word}_total", stage=stage)
                 for word in ("in", "out", "filtered", "failed")), words, f"counts of {stage}")
        eq(m("leat_stage_item_duration_seconds_count", stage=stage), words[0], f"times of {stage}")
        ok(m("leat_stage_item_duration_seconds_sum", stage=stage) > 0, f"time of {stage}")
    eq(m("leat_jobs_done_total", outcome="succeeded"), 1, "jobs done")
    eq(m("leat_jobs_created_total"), 1, "jobs created")
    eq(m("leat_jobs", state="running"), 0, "jobs running")


def test_histograms_are_cumulative(t):
    job = t.job(["pass"])
    job.send(list(range(1000)), close=True)
    job.wait_done()
    m = scrape(t.api)
    series = {}
    for (name, labels), value in m.values.items():
        if name.endswith("_bucket"):
            bounds = dict(labels)
            le = bounds.pop("le")
            series.setdefault((name[:-7], tuple(sorted(bounds.items()))), []).append((le, value))
    ok(len(series) > 5, f"only {len(series)} histograms")
    for (name, labels), buckets in series.items():
        ordered = sorted(buckets, key=lambda b: float(b[0]))
        eq(buckets, ordered, f"order of the buckets of {name}")
        ok(all(a[1] <= b[1] for a, b in zip(ordered, ordered[1:])), f"{name} is not cumulative")
        eq(ordered[-1][0], "+Inf", f"last bucket of {name}")
        eq(ordered[-1][1], m(name + "_count", **dict(labels)), f"count of {name}")


def test_counters_outlive_the_jobs_that_made_them(t):
    api = own(t)
    for _ in range(3):
        job = job_of(t, api, ["pass"])
        job.send(list(range(50)), close=True)
        job.wait_done()
        status(job.delete(), 204)
    m = scrape(api)
    eq(m("leat_stage_items_in_total", stage="pass"), 150, "items through pass")
    eq(m("leat_ingest_items_total"), 150, "items in")
    eq((m("leat_jobs_created_total"), m("leat_jobs_deleted_total")), (3, 3), "jobs")
    before = m
    status(api.post("/v1/run", b"1\n2\n3\n", {"Content-Type": NDJSON}, {"stages": "pass"}), 200)
    m = until(lambda: (m := scrape(api))("leat_jobs_deleted_total") == 4 and m, 10 * t.slow,
              "the job of /v1/run is gone")
    eq(m("leat_stage_items_in_total", stage="pass"), 153, "items through pass")
    for key, value in before.values.items():
        if before.types.get(key[0]) == "counter" or key[0].endswith(("_bucket", "_sum", "_count")):
            ok(m.values[key] >= value, f"{key} went down from {value} to {m.values[key]}")


def test_what_was_done_before_a_restart_is_not_counted_again(t):
    server = t.server()
    api = t.client(server)
    job = job_of(t, api, [{"use": "pass", "queue": {"items": 10}}])
    job.send(list(range(30)))
    job.wait(lambda j: j["counts"]["succeeded"] == 30, what="30 are through")
    server.restart("stop")
    api.close()
    m = scrape(api)
    eq(m("leat_stage_items_in_total", stage="pass"), 0, "after the restart")
    eq((m("leat_jobs", state="running"), m("leat_jobs_created_total")), (1, 0), "jobs")
    job.send([1, 2], close=True)
    job.wait_done()
    m = scrape(api)
    eq(m("leat_stage_items_in_total", stage="pass"), 2, "of the new ones")
    eq(m("leat_ingest_items_total"), 2, "items in")


def test_failures_retries_and_what_is_run_again(t):
    api = own(t)
    job = job_of(t, api, [{"use": "fail", "params": {"every": 2, "kind": "transient"},
                           "retry": {"attempts": 3, "backoff_ms": 1}}])
    job.send(list(range(10)), close=True)
    done = job.wait_done()
    m = scrape(api)
    eq(m("leat_stage_items_failed_total", stage="fail"), done["counts"]["failed"], "failed")
    eq(m("leat_stage_retries_total", stage="fail"), done["counts"]["retries"], "retries")
    first = m("leat_items_done_total", outcome="failed")
    eq(first, done["counts"]["failed"], "outcomes")
    status(job.retry(), 200)
    job.wait_done()
    m = scrape(api)
    eq(m("leat_items_done_total", outcome="failed"), 2 * first, "failed twice is counted twice")
    eq(m("leat_jobs_done_total", outcome="succeeded"), 2, "and its job ended twice")


def test_refused_lines_and_duplicates(t):
    api = own(t)
    job = job_of(t, api, ["pass"])
    body = b"1\nnot json\n2\n"
    for _ in range(2):
        status(job.upload(body, {"on_invalid": "skip"}, {"Idempotency-Key": "k"}), 200)
    m = scrape(api)
    eq((m("leat_ingest_items_total"), m("leat_ingest_rejected_lines_total"),
        m("leat_ingest_duplicate_lines_total")), (2, 1, 3), "taken, rejected, known")
    eq(m("leat_ingest_keys"), 1, "keys")


def test_queues_workers_and_waiting_uploads_are_seen(t):
    api = own(t)
    job = job_of(t, api, [{"use": "sleep", "workers": 3, "params": {"ms": 60000},
                           "queue": {"items": 16}}], backlog={"bytes": 1 << 16})
    body = ndjson([{"x": "y" * 1000}] * 300)
    reply = job.upload(body, {"on_full": "reject"})
    problem(reply, 429, "queue-full")
    stuck = api.connect()
    t.cleanup.append(stuck.close)
    stuck.send_head("POST", f"{job.path}/items", {"Content-Type": NDJSON,
                                                  "Content-Length": str(len(body))})
    stuck.send(body)
    def seen():
        m = scrape(api)
        return m if (m("leat_ingest_waiting"), m("leat_stage_workers_busy", stage="sleep"),
                     m("leat_queue_items", stage="sleep")) == (1, 3, 16) else None
    m = until(seen, 20 * t.slow, "the upload waits, behind a full queue and busy workers")
    eq((m("leat_stage_workers", stage="sleep"), m("leat_queue_max_items", stage="sleep")), (3, 16),
       "bounds")
    within(m("leat_queue_bytes", stage="sleep"), 16000, m("leat_queue_max_bytes", stage="sleep"),
           "bytes in the queue")
    ok(m("leat_backlog_bytes") >= 1 << 16, f"backlog {m('leat_backlog_bytes')}")
    ok(m("leat_ingest_waits_total") >= 1, "nobody has waited")
    eq(m("leat_ingest_uploads"), 1, "uploads")
    eq(m("leat_jobs", state="running"), 1, "jobs")
    status(job.delete(), 204)
    m = until(lambda: (m := scrape(api))("leat_ingest_waiting") == m("leat_ingest_uploads") == 0
              and m, 20 * t.slow, "nobody waits")
    ok(m("leat_ingest_wait_seconds_total") > 0, "waited for no time")
    eq((m("leat_queue_items", stage="sleep"), m("leat_stage_workers", stage="sleep"),
        m("leat_backlog_bytes")), (0, 0, 0), "a job that is gone")


def test_states_of_jobs_and_their_ends(t):
    api = own(t)
    jobs = [job_of(t, api, ["pass"]) for _ in range(5)]
    jobs[0].must("pause")
    jobs[1].must("cancel")
    jobs[2].must("close")
    jobs[2].wait_done()
    m = scrape(api)
    eq([m("leat_jobs", state=state) for state in ("running", "paused")], [2, 1], "live")
    eq([m("leat_jobs_done_total", outcome=word) for word in ("succeeded", "failed", "cancelled")],
       [1, 0, 1], "done")
    eq(m("leat_jobs_retained"), 2, "retained")


def test_requests_by_route_method_and_code(t):
    api = own(t)
    job = job_of(t, api, ["pass"])
    for _ in range(3):
        job.get()
    api.get("/v1/jobs/j_00000000000000000000000000")
    api.request("HEAD", job.path)
    api.get("/no/such/path")
    api.get("/another")
    api.request("DELETE", "/v1/jobs")
    m = scrape(api)

    def count(route, method, code):
        return m("leat_http_requests_total", route=route, method=method, code=code)
    eq(count("/v1/jobs", "POST", "201"), 1, "POST")
    eq(count("/v1/jobs/{id}", "GET", "200"), 3, "GET")
    eq(count("/v1/jobs/{id}", "GET", "404"), 1, "GET of nothing")
    eq(count("/v1/jobs/{id}", "HEAD", "200"), 1, "HEAD")
    eq(count("none", "GET", "404"), 2, "unknown paths")
    eq(count("none", "DELETE", "405"), 1, "a method that is not there")
    eq(m("leat_http_request_duration_seconds_count", route="/v1/jobs/{id}", method="GET"), 4,
       "durations of GET")
    eq(m("leat_http_requests_in_flight"), 1, "this one")
    within(m("leat_http_connections"), 1, 2, "connections")


def test_a_client_that_leaves_in_the_middle_of_its_head_is_counted(t):
    api = own(t)
    api.request("BREW", "/v1/jobs")
    for _ in range(2):
        gone = api.connect()
        gone.send(b"GET /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Half: ")
        gone.close()
    until(lambda: scrape(api)("leat_http_requests_total", route="none", method="other",
                              code="none") == 2, 20 * t.slow, "both are counted")


def test_bytes_of_bodies(t):
    api = own(t)
    job = job_of(t, api, ["pass"])
    before = scrape(api)
    body = ndjson(range(1000))
    job.send(body, close=True)
    job.wait_done()
    out = job.raw_results()
    m = scrape(api)
    eq(m("leat_http_request_body_bytes_total") - before("leat_http_request_body_bytes_total"),
       len(body), "bytes in")
    ok(m("leat_http_response_body_bytes_total") - before("leat_http_response_body_bytes_total")
       >= len(out) + len(before.text), "bytes out")


def test_commits_are_measured(t):
    api = own(t)
    job = job_of(t, api, ["pass"])
    job.send([1, 2, 3], close=True)
    job.wait_done()
    m = until(lambda: (m := scrape(api))("leat_commit_duration_seconds_count") ==
              api.get("/v1/server").json()["commit"]["count"] and m, 20 * t.slow, "all are counted")
    commits = m("leat_commit_duration_seconds_count")
    ok(commits >= 2, f"{commits} commits")
    eq((m("leat_commit_sync_duration_seconds_count"), m("leat_commit_operations_count")),
       (commits, commits), "of all of them")
    ok(m("leat_commit_duration_seconds_sum") >= m("leat_commit_sync_duration_seconds_sum") > 0,
       "time of commits and of their syncs")
    ok(m("leat_commit_operations_sum") >= commits, "operations")
    ok(m("leat_commit_bytes_total") > 0, "bytes")
    eq((m("leat_store_healthy"), m("leat_commit_failures_total")), (1, 0), "health")
    ok(0 < m("leat_store_used_bytes") < m("leat_store_max_bytes"), "disk")


def test_every_cap_is_a_metric(t):
    m = scrape(own(t))
    eq({name: m(name) for name in CAPS}, CAPS, "caps")
    small = scrape(own(t, **{"jobs-max": 7, "map-size": 1 << 24, "connections-max": 100}))
    eq((small("leat_jobs_max"), small("leat_store_max_bytes"), small("leat_http_connections_max")),
       (7, 1 << 24, 100), "caps that were set")


def test_every_setting_that_is_a_bound_is_a_metric(t):
    said = subprocess.run([t.settings.program, "serve", "--print-config"], capture_output=True,
                          timeout=30 * t.slow, check=True)
    bounds = [key.replace("_", "-") for key in json.loads(said.stdout) if key.endswith("_max")]
    ok(len(bounds) > 12, f"only {bounds}")
    helps = " ".join(scrape(t.api).helps.values())
    for name in bounds + ["map-size", "hot-bytes", "connection-memory"]:
        ok(name in helps, f"the setting {name} bounds something and is no metric")


def test_the_process_is_described(t):
    server = t.server()
    m = scrape(t.client(server))
    within(m("process_resident_memory_bytes"), server.rss_kib() * 512, server.rss_kib() * 2048,
           "resident memory")
    within(m("process_threads"), 3, 100, "threads")
    within(m("process_start_time_seconds"), time.time() - 3600, time.time() + 2, "start")
    within(m("leat_start_time_seconds"), time.time() - 3600, time.time() + 2, "start")
    within(m("process_open_fds"), 5, m("process_max_fds"), "descriptors")


def test_labels_say_nothing_that_comes_from_clients(t):
    api = own(t)
    before = scrape(api)
    for n in range(20):
        job = job_of(t, api, [{"use": "pass", "name": f"stage-{n}"}], name=f'evil" {n}',
                     labels={f"k{n}": "v"})
        job.send([n], close=True, **{"on_invalid": "skip"})
        job.wait_done()
        api.get(f"/path-{n}", {f"q{n}": n})
        api.get(f"/v1/stages/none-{n}")
        api.request("BREW" + "X" * n, "/v1/jobs")
    m = scrape(api)
    ok("j_" not in m.text, "an id of a job")
    ok("stage-" not in m.text and "evil" not in m.text and "path-" not in m.text, "a client's word")
    for label, allowed in BOUNDED.items():
        ok(m.label_values(label) <= allowed, f"{label}: {m.label_values(label) - allowed}")
    eq(m.label_values("stage"), before.label_values("stage"), "stages")
    eq(m.label_values("stage"), {s["name"] for s in api.get("/v1/stages").json()["items"]}, "stages")
    routes = {name for name in m.label_values("route")}
    ok(all(route == "none" or route.startswith("/") and "?" not in route for route in routes),
       f"routes: {routes}")
    size = len(scrape(api).values)
    for n in range(20):
        api.get(f"/more-{n}")
        api.request("BREWS" + "X" * n, "/v1/jobs")
    eq(len(scrape(api).values), size, "series after more of the same")


def test_head_and_parameters(t):
    head = t.api.request("HEAD", "/metrics")
    eq((head.status, head.body), (200, b""), "HEAD")
    problem(t.api.post("/metrics", b""), 405, "method-not-allowed")
    eq(t.api.get("/metrics", {"x": 1}).status, 422, "a parameter that is not there")


def test_a_full_store_is_seen(t):
    api = own(t, **{"map-size": 2 << 20, "reserve": 1 << 20, "drain-ms": 100})
    eq(scrape(api)("leat_admitting"), 1, "at first")
    job = job_of(t, api, [{"use": "sleep", "params": {"ms": 60000}}])
    body = ndjson([{"x": "y" * 1000}] * 1000)
    reply = until(lambda: (r := job.upload(body)).status != 200 and r, 30 * t.slow, "it is full")
    problem(reply, 507, "disk-full")
    m = scrape(api)
    eq((m("leat_admitting"), m("leat_draining")), (0, 0), "full")
    ok(m("leat_store_used_bytes") + m("leat_store_reserve_bytes") >= m("leat_store_max_bytes"),
       "used and reserve")


@timeout(120)
def test_many_jobs_make_a_scrape_neither_slow_nor_large(t):
    api = own(t)
    small = scrape(api)
    for n in range(300 if t.quick else 1000):
        job_of(t, api, [{"use": "pass", "name": f"s{n}"}, "pass"])
    m = scrape(api)
    eq(m("leat_jobs", state="running"), 300 if t.quick else 1000, "jobs")
    within(len(m.values), len(small.values), len(small.values) + 60, "series")
    began = time.monotonic()
    for _ in range(10):
        scrape(api)
    within(time.monotonic() - began, 0, 10 * t.slow, "seconds for ten of them")


def test_no_series_stands_twice_whatever_the_methods_were(t):
    """Methods that are none of ours are one, whatever became of them and where."""
    api = own(t)
    for method in ("BREW", "PROPFIND", "OPTIONS", "TRACE"):
        for path in ("/nowhere", "/v1/jobs", "/v1/jobs/none"):
            ok(api.request(method, path).status >= 400, f"{method} {path}")
    status(api.get("/nowhere"), 404)
    status(api.post("/nowhere"), 404)
    m = scrape(api)
    total = sum(value for (name, labels), value in m.values.items()
                if name == "leat_http_requests_total" and ("method", "other") in labels)
    eq(total, 12, "requests of other methods")
