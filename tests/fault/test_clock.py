"""The clock on the wall jumps, both ways, by years: it is shown, and steers nothing."""

import email.utils

from shims import Clock
from support.leat import *

MINUTE, DAY, YEAR = 60, 86400, 365 * 86400
JUMPS = (2 * MINUTE, -2 * MINUTE, 40 * DAY, 11 * YEAR, -16 * YEAR, 0)


def some_ticks(api, job):
    """The server has had time to look at everything that time alone changes."""
    status(api.get(job.path, {"wait_ms": 700, "version": 10 ** 9}), 200)


def now_is_shown(api, shift):
    """The reply's date is the clock's."""
    reply = status(api.get("/livez"), 200)
    date = email.utils.parsedate_to_datetime(reply.headers["date"]).timestamp()
    within(date - time.time() - shift, -20, 20, "Date against the clock")


def nothing_is_odd(value, path=""):
    """No number of a job is negative or huge."""
    if isinstance(value, dict):
        for name, member in value.items():
            nothing_is_odd(member, f"{path}/{name}")
    elif isinstance(value, list):
        for at, member in enumerate(value):
            nothing_is_odd(member, f"{path}/{at}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        bound = 10 ** 13 if path.endswith("_ms") else 10 ** 10
        ok(-1 <= value < bound, f"{path} is {value}")


def metrics_are_sane(api):
    for line in status(api.get("/metrics"), 200).body.decode().splitlines():
        if line and not line.startswith("#") and "start_time" not in line:
            number = float(line.rpartition(" ")[2])
            ok(0 <= number < 2 ** 63 or "level" in line, f"a metric: {line}")


def newest_first(api):
    return [job["id"] for page in [api.jobs(limit=100)] for job in page["items"]]


@timeout(120)
def test_a_clock_that_jumps_steers_nothing(t):
    clock = Clock(t)
    server = t.server(env=clock.environment())
    api = t.client(server)
    done = api.create({"stages": [{"use": "pass"}]})
    done.send(numbers(10), close=True)
    done.wait_done()
    works = api.create({"stages": [{"use": "sleep", "params": {"ms": 5}, "timeout_ms": 60000,
                                    "workers": 4}],
                        "limits": {"deadline_ms": 3600000}})
    tries = api.create({"stages": [{"use": "fail", "params": {"every": 2, "kind": "transient"},
                                    "retry": {"attempts": 3, "backoff_ms": 50}}]})
    follower, made = works.follow(), [done.id, works.id, tries.id]
    sent = 0
    for shift in JUMPS[3:] if t.quick else JUMPS:
        clock.shift(shift)
        some_ticks(api, done)
        now_is_shown(api, shift)
        for job in (works, tries):
            job.send(numbers(40))
        sent += 40
        fresh = api.create({"stages": [{"use": "pass"}], "limits": {"deadline_ms": 3600000}})
        fresh.send(numbers(3), close=True)
        fresh.wait_done()
        made.append(fresh.id)
        some_ticks(api, done)
        for job in (done, works, tries, fresh):
            nothing_is_odd(job.get())
        metrics_are_sane(api)
        same_multiset(done.results(), numbers(10), "what was done before")
        eq(newest_first(api), made[::-1], "jobs, newest first")
    for job in (works, tries):
        job.must("close")
        job.wait_done()
    eq(len(list(follower)), sent, "what the follower has read")
    eq(tries.get()["counts"]["succeeded"] + tries.get()["counts"]["failed"], sent, "all tried")
    ok(clock.asked > 0, "the shim was asked for the time")


@timeout(120)
def test_a_restart_with_a_clock_behind_what_is_kept(t):
    """Ids, order, cursors; and what is kept stays."""
    clock = Clock(t)
    server = t.server(env=clock.environment())
    api, made = t.client(server), []
    going = api.create({"stages": [{"use": "pass"}], "limits": {"deadline_ms": 3600000}})
    going.send(numbers(5))
    going.wait(lambda j: j["counts"]["results"] == 5)
    page = next(going.pages())
    made.append(going.id)
    for shift in (0, -DAY, -30 * DAY, -10 * YEAR):
        clock.shift(shift)
        api.close()
        server.restart("kill" if shift == -DAY else "stop")
        job = api.create({"stages": [{"use": "pass"}]})
        job.send(numbers(4), close=True)
        job.wait_done()
        made.append(job.id)
        eq(newest_first(api), made[::-1], "jobs, newest first")
        eq(len(set(made)), len(made), "ids")
        some_ticks(api, job)
        for job_id in made[1:]:
            same_multiset(Job(api, job_id).results(), numbers(4), "kept")
    going.send(numbers(5), close=True)
    going.wait_done()
    eq([row["n"] if "n" in row else row["value"]["n"] for p in going.pages(after=page["next"])
        for row in p["items"]], [0, 1, 2, 3, 4], "behind the cursor")


@timeout(90)
def test_results_go_when_they_are_old_whatever_the_clock_says(t):
    clock = Clock(t)
    server = t.server(env=clock.environment())
    api, ends = t.client(server), []
    for shift in (5 * YEAR, -5 * YEAR):
        job = api.create({"stages": [{"use": "pass"}], "retention_ms": 2500})
        job.send(numbers(3), close=True)
        began = time.monotonic()  # before its end
        job.wait_done()
        ends.append((job, began))
        clock.shift(shift)
        some_ticks(api, job)
        reply = api.get(f"{job.path}/results")
        ok(reply.status == 200 or time.monotonic() - began > 2.5, f"gone too early: {reply!r}")
    for job, began in ends:
        until(lambda: api.get(f"{job.path}/results").status == 410, 30 * t.slow,
              "the results are gone in time", 0.02)
        ok(time.monotonic() - began > 2.5, "gone before their time")


@timeout(60)
def test_rates_are_those_of_time_that_passes(t):
    """A clock that jumps gives nobody new requests, and takes none away."""
    clock = Clock(t)
    server = t.server({"rate-per-address": 5}, env=clock.environment())
    api = t.client(server)
    until(lambda: api.get("/v1/jobs").status == 429, 20 * t.slow, "the rate is used up", 0)
    for shift in (YEAR, -YEAR, 0):
        clock.shift(shift)
        reply = [api.get("/v1/jobs") for _ in range(20)][-1]
        problem(reply, 429, "rate-limited")
        within(int(reply.headers["retry-after"]), 1, 11, "Retry-After")
    until(lambda: api.get("/v1/jobs").status == 200, 20 * t.slow, "there are some again", 0.2)
