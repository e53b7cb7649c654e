"""The job resource: its members, its version, long-polling, the list."""

import re

from support.leat import *

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def etag_version(response):
    found = re.fullmatch(r'W/"(\d+)"', response.headers["etag"])
    ok(found, f"not a weak tag: {response.headers['etag']!r}")
    return int(found.group(1))


def test_a_new_job_has_every_member(t):
    job = t.job(name="orders").get()
    eq((job["name"], job["labels"], job["state"], job["done"]), ("orders", {}, "running", False),
       "first members")
    eq(job["input"], {"state": "open", "received": 0, "bytes": 0}, "input")
    eq(job["counts"], {"total": None, **{fate: 0 for fate in FATES}, "results": 0, "retries": 0},
       "counts")
    eq((job["order"], job["error"], job["report"], job["stalled"]), ("none", None, None, None),
       "order, error, report, stalled")
    eq((job["progress"], job["eta_s"]), (None, None), "progress and eta of an open input")
    eq(job["backlog"]["max_bytes"], 268435456, "backlog.max_bytes")
    ok(TIME.fullmatch(job["created_at"]), f"created_at {job['created_at']!r}")
    eq(job["finished_at"], None, "finished_at")
    ok("items_per_s" in job["rate"], "no rate.items_per_s")
    ok("bottleneck" in job, "no bottleneck")


def test_a_stage_in_the_job_has_every_member(t):
    stage, = t.job([{"use": "sha256", "workers": 8, "params": {"field": "a"}}]).get()["stages"]
    eq((stage["name"], stage["use"], stage["workers"], stage["busy"]), ("sha256", "sha256", 8, 0),
       "name, use, workers, busy")
    eq([stage[n] for n in ("in", "out", "filtered", "failed", "retries")], [0] * 5, "counts")
    eq(stage["queue"], {"items": 0, "bytes": 0, "max_items": 1024, "max_bytes": 16777216}, "queue")
    eq(set(stage["time"]), {"busy", "blocked", "starved"}, "time")
    eq(set(stage["latency_us"]), {"p50", "p99", "max"}, "latency_us")


def test_counts_and_stage_counts_after_a_job(t):
    stages = [{"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 3}},
              {"use": "fail", "params": {"every": 10, "kind": "permanent"}, "workers": 2}]
    values = items.mixed(500)
    job = t.job(stages)
    job.send(values, close=True)
    done = job.wait_done()
    expected = model.run(stages, values)
    counts = done["counts"]
    eq({name: counts[name] for name in expected.counts()}, expected.counts(), "counts")
    eq(counts["total"], 500, "total")
    eq(done["input"]["state"], "closed", "input.state")
    first, second = done["stages"]
    eq((first["in"], first["filtered"]), (500, expected.filtered), "in and filtered of the filter")
    eq((second["in"], second["out"], second["failed"]),
       (500 - expected.filtered, expected.succeeded, expected.failed), "counts of fail")


def test_input_bytes_count_what_was_received(t):
    job = t.job()
    body = ndjson(numbers(100))
    job.send(body)
    within(job.get()["input"]["bytes"], len(body) - 100, len(body), "input.bytes")


def test_finished_at_and_progress_at_the_end(t):
    job = t.job()
    job.send(numbers(3), close=True)
    done = job.wait_done()
    ok(TIME.fullmatch(done["started_at"]) and TIME.fullmatch(done["finished_at"]), "times")
    ok(done["created_at"] <= done["started_at"] <= done["finished_at"], "the order of the times")
    eq(done["progress"], 1, "progress")


def test_a_job_without_items_succeeds(t):
    job = t.job()
    job.must("close")
    done = job.wait_done()
    eq((done["counts"]["total"], done["counts"]["results"]), (0, 0), "total and results")
    eq(job.raw_results(), b"", "results")


def test_total_progress_and_eta_come_with_the_close(t):
    job = t.job([{"use": "sleep", "params": {"ms": 5}}])
    job.send(numbers(100))
    half = job.wait(lambda j: j["counts"]["succeeded"] >= 20, what="20 items are through")
    eq((half["counts"]["total"], half["progress"], half["eta_s"]), (None,) * 3, "before close")
    closed = job.must("close")
    eq(closed["counts"]["total"], 100, "total after close")
    within(closed["progress"], 0.15, 1, "progress")
    later = job.get()
    if not later["done"]:
        ok(later["eta_s"] is None or later["eta_s"] >= 0, f"eta_s {later['eta_s']}")


def test_running_and_busy_are_seen(t):
    job = t.job([{"use": "sleep", "params": {"ms": 100}, "workers": 5}])
    job.send(numbers(100))
    job.wait(lambda j: j["stages"][0]["busy"] == 5, what="five busy workers")
    ok(job.get()["counts"]["running"] >= 5, "fewer running items than busy workers")


def test_the_bottleneck_is_the_slow_stage(t):
    job = t.job([{"use": "pass", "workers": 2},
                 {"use": "sleep", "name": "slow", "params": {"ms": 10}, "workers": 2,
                  "queue": {"items": 8}},
                 {"use": "pass", "name": "last", "workers": 2}])
    job.send(numbers(3000))
    job.wait(lambda j: j["bottleneck"] == "slow", 10, "the slow stage is the bottleneck")
    shares = job.get()["stages"][1]["time"]
    within(shares["busy"], 0.5, 1.01, "busy share of the slow stage")
    job.wait(lambda j: j["stages"][0]["time"]["blocked"] > 0.5, 10, "the stage before it is blocked")


def test_latency_is_measured(t):
    job = t.job([{"use": "sleep", "params": {"ms": 20}, "workers": 8}])
    job.send(numbers(64), close=True)
    latency = job.wait_done()["stages"][0]["latency_us"]
    within(latency["p50"], 15000, 60000 * t.slow, "p50")
    ok(latency["p50"] <= latency["p99"] <= latency["max"], f"order of {latency}")


def test_the_rate_is_shown_while_items_move(t):
    job = t.job([{"use": "sleep", "params": {"ms": 2}}])
    job.send(numbers(2000))
    job.wait(lambda j: (j["rate"]["items_per_s"] or 0) > 10, 10, "a rate above 10 items/s")


def test_reals_are_written_short(t):
    job = t.job([{"use": "pass"}])
    job.send(texts(3000), close=True)
    job.wait_done()
    reply = t.api.get(job.path)
    ok(not re.search(rb"\.\d{10}", reply.body), f"17 digits: {reply.body}")


def test_stalled_is_set_when_nothing_moves(t):
    server = t.server({"stall-ms": 300})
    api = t.client(server)
    job = t.job([{"use": "sleep", "params": {"ms": 60000}}], api=api)
    job.send(numbers(1))
    stalled = job.wait(lambda j: j["stalled"], 10, "the job is stalled")["stalled"]
    eq(stalled["stage"], "sleep", "stalled.stage")
    ok(stalled["reason"], "no reason")
    job.must("cancel")
    eq(job.wait_done("cancelled")["stalled"], None, "stalled after cancel")


def test_a_paused_job_is_not_stalled(t):
    server = t.server({"stall-ms": 200})
    api = t.client(server)
    job = t.job(api=api)
    job.must("pause")
    job.send(numbers(5))
    watched = t.job([{"use": "sleep", "params": {"ms": 60000}}], api=api)
    watched.send(numbers(1))
    watched.wait(lambda j: j["stalled"], 10, "the other job is stalled")
    eq(job.get()["stalled"], None, "stalled of a paused job")


# -- version, ETag, long poll -----------------------------------------------------------------


def test_the_etag_is_the_version_and_weak(t):
    job = t.job()
    reply = t.api.get(job.path)
    eq(etag_version(reply), reply.json()["version"], "version in the tag")


def test_an_unchanged_job_answers_304(t):
    job = t.job()
    tag = t.api.get(job.path).headers["etag"]
    reply = t.api.get(job.path, headers={"If-None-Match": tag})
    eq((reply.status, reply.body), (304, b""), "reply")
    eq(reply.headers["etag"], tag, "tag of the 304")


def test_a_changed_job_answers_200(t):
    job = t.job()
    before = t.api.get(job.path)
    job.send(numbers(1))
    after = t.api.get(job.path, headers={"If-None-Match": before.headers["etag"]})
    eq(after.status, 200, "status")
    ok(after.json()["version"] > before.json()["version"], "the version has not grown")


def test_if_none_match_understands_lists_and_star(t):
    job = t.job()
    tag = t.api.get(job.path).headers["etag"]
    for value in (f'"x", {tag}', tag.replace("W/", ""), "*"):
        eq(t.api.get(job.path, headers={"If-None-Match": value}).status, 304, f"status for {value}")
    eq(t.api.get(job.path, headers={"If-None-Match": 'W/"0"'}).status, 200, "status for another tag")


def test_the_version_grows_with_every_visible_change(t):
    job = t.job()
    seen = [job.get()["version"]]
    for change in (lambda: job.send(numbers(1)), lambda: job.must("pause"),
                   lambda: job.workers("pass", 3), lambda: job.patch({"labels": {"a": "b"}}),
                   lambda: job.must("resume"), lambda: job.must("close")):
        change()
        seen.append(job.get()["version"])
    ok(all(a < b for a, b in zip(seen, seen[1:])), f"versions {seen}")


def test_a_long_poll_returns_when_the_job_changes(t):
    job = t.job()
    version = job.get()["version"]
    with t.api.connect() as waiting:
        waiting.send_head("GET", f"{job.path}?wait_ms=30000&version={version}")
        started = time.monotonic()
        other = t.client(t.api.server)
        status(other.post(f"{job.path}/pause"), 200)
        reply = waiting.read_response(10)
        ok(time.monotonic() - started < 2 * t.slow, "the poll returned late")
        ok(reply.json()["version"] > version, "the version is not newer")


def test_a_long_poll_for_an_old_version_returns_at_once(t):
    job = t.job()
    started = time.monotonic()
    job.get(wait_ms=20000, version=0)
    ok(time.monotonic() - started < 2 * t.slow, "the poll waited")


def test_a_long_poll_ends_after_its_time(t):
    """A new job may change once more by itself, then nothing does."""
    job = t.job()
    version = job.get()["version"]
    for _ in range(3):
        started = time.monotonic()
        reply = t.api.get(job.path, {"wait_ms": 200, "version": version})
        took = time.monotonic() - started
        ok(reply.status in (200, 304), f"status {reply.status}")
        if reply.status == 304 or reply.json()["version"] == version:
            break
        version = reply.json()["version"]
    else:
        raise AssertionError(f"the version of an idle job grows: {version}")
    within(took, 0.15, 2 * t.slow, "seconds waited")


def test_a_long_poll_on_a_deleted_job_ends(t):
    job = t.job()
    version = job.get()["version"]
    with t.api.connect() as waiting:
        waiting.send_head("GET", f"{job.path}?wait_ms=30000&version={version}")
        status(job.delete(), 204)
        reply = waiting.read_response(10)
        ok(reply.status in (200, 404), f"status {reply.status}")


def test_head_answers_like_get_without_a_body(t):
    job = t.job()
    for _ in range(100):  # a new job's state may move on between the two
        get, head = t.api.get(job.path), t.api.request("HEAD", job.path)
        if head.headers["etag"] == get.headers["etag"]:
            break
    eq((head.status, head.body), (200, b""), "HEAD")
    eq(head.headers["etag"], get.headers["etag"], "ETag")
    eq(head.type, get.type, "type")
    eq(head.headers.get("content-length"), get.headers.get("content-length"), "length")


# -- the list ---------------------------------------------------------------------------------


def made(t, count, **more):
    label = f"l{os.getpid()}{t.random.randrange(10 ** 9)}"
    return label, [t.job(labels={"set": label, "n": str(n)}, name=f"{label}-{n % 2}", **more)
                   for n in range(count)]


def ids(page):
    return [job["id"] for job in page["items"]]


def test_the_list_is_newest_first(t):
    label, jobs = made(t, 5)
    eq(ids(t.api.jobs(**{"label.set": label})), [j.id for j in reversed(jobs)], "ids")


def test_the_list_filters_by_state_name_and_labels(t):
    label, jobs = made(t, 4)
    jobs[1].must("cancel")
    jobs[1].wait_done("cancelled")
    jobs[2].must("pause")
    mine = {"label.set": label}
    eq(ids(t.api.jobs(state="cancelled", **mine)), [jobs[1].id], "cancelled")
    eq(ids(t.api.jobs(state="paused", **mine)), [jobs[2].id], "paused")
    eq(ids(t.api.jobs(state="running", **mine)), [jobs[3].id, jobs[0].id], "running")
    eq(ids(t.api.jobs(name=f"{label}-1", **mine)), [jobs[3].id, jobs[1].id], "by name")
    eq(ids(t.api.jobs(name=f"{label}-1", state="running")), [jobs[3].id], "by name and state")
    eq(ids(t.api.jobs(**mine, **{"label.n": "2"})), [jobs[2].id], "by two labels")
    eq(ids(t.api.jobs(**{"label.set": "no such"})), [], "by a label of nobody")


def test_the_list_pages(t):
    label, jobs = made(t, 7)
    mine = {"label.set": label, "limit": 3}
    first = t.api.jobs(**mine)
    second = t.api.jobs(**mine, after=first["next"])
    third = t.api.jobs(**mine, after=second["next"])
    eq(ids(first) + ids(second) + ids(third), [j.id for j in reversed(jobs)], "all pages")
    eq([len(ids(p)) for p in (first, second, third)], [3, 3, 1], "sizes")
    eq(third["next"], None, "next of the last page")


def test_a_page_of_the_list_stays_put_while_jobs_come_and_go(t):
    label, jobs = made(t, 6)
    mine = {"label.set": label, "limit": 2}
    first = t.api.jobs(**mine)
    eq(ids(first), [jobs[5].id, jobs[4].id], "first page")
    t.job(labels={"set": label})
    status(jobs[4].delete(), 204)
    eq(ids(t.api.jobs(**mine, after=first["next"])), [jobs[3].id, jobs[2].id], "second page")


def test_the_items_of_the_list_are_jobs(t):
    label, (job,) = made(t, 1)
    job.send(numbers(3))
    item, = t.api.jobs(**{"label.set": label})["items"]
    counts_add_up(item)
    eq(item["input"]["received"], 3, "received")


def test_the_list_survives_a_restart(t):
    server = t.server()
    api = t.client(server)
    jobs = [t.job(api=api, name=f"n{n}") for n in range(3)]
    api.close()
    server.restart()
    eq(ids(api.jobs()), [j.id for j in reversed(jobs)], "ids after SIGKILL")
