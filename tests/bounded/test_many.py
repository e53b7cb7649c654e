"""Bounded: many jobs, many connections; and none of them costs anything while idle."""

from support.leat import *

MIB = 1 << 20


@timeout(120)
def test_1000_jobs_open_at_once(t):
    server = t.server()
    api = t.client(server)
    before, threads = server.rss_kib(), server.threads()
    started = time.monotonic()
    jobs = [api.create({"name": f"n{n}", "stages": [{"use": "pass"},
                        {"use": "sleep", "params": {"ms": 1}, "workers": 4}]})
            for n in range(1000)]
    for n, job in enumerate(jobs):
        job.send(numbers(5, n))
    eq(len(api.jobs(state="running", limit=100)["items"]), 100, "running jobs in a page")
    t.note(f"1,000 jobs with 5 items each in {time.monotonic() - started:.1f} s, "
           f"{(server.rss_kib() - before) / 1000:.0f} KiB and "
           f"{(server.threads() - threads) / 1000:.3f} threads a job")
    ok(server.threads() <= threads + 8, f"threads: {threads}, then {server.threads()}")
    idle_costs_nothing(t, server)
    for job in jobs:
        job.must("close")
    for n, job in enumerate(jobs):
        job.wait_done()
        same_multiset(job.results(), numbers(5, n))
    if t.settings.sanitizer is None:
        rise = (server.peak_rss_kib() - before) / 1024
        ok(rise < 128, f"1,000 jobs took {rise:.0f} MiB")


def idle_costs_nothing(t, server):
    """The processor's share of a second in which nothing is asked."""
    until(lambda: cpu_share(server, 0.25) < 0.05, 10 * t.slow, "the server comes to rest", 0)
    share = cpu_share(server, 1.0)
    t.note(f"processor while idle: {share * 100:.1f} %")
    ok(share < 0.1, f"idle, and {share * 100:.0f} % of a processor used")


def cpu_share(server, seconds):
    before, started = proc.cpu_seconds(server.pid), time.monotonic()
    time.sleep(seconds)  # the span that is measured
    return (proc.cpu_seconds(server.pid) - before) / (time.monotonic() - started)


@timeout(120)
def test_5000_followers_of_idle_results(t):
    wanted = 5000
    limit = proc.raise_open_files(wanted + 500)
    if limit < wanted + 500:
        t.skip(f"only {limit} open files are allowed here, {wanted + 500} are needed")
    server = t.server()
    api = t.client(server)
    job = api.create({"stages": [{"use": "pass"}]})
    before = server.rss_kib()
    followers = [api.connect() for _ in range(wanted)]
    try:
        follow_all(t, api, server, job, followers, before)
    finally:
        for connection in followers:
            connection.close()
    until(lambda: open_files(server) < 200, 20 * t.slow, "the server forgets its followers", 0.05)


def open_files(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


def follow_all(t, api, server, job, followers, before):
    for connection in followers:
        connection.send_head("GET", f"{job.path}/results?follow=true")
    for connection in followers:
        eq(connection.read_head(20 * t.slow).status, 200, "status of a follower")
    t.note(f"{(server.rss_kib() - before) / len(followers):.1f} KiB a follower")
    if t.settings.sanitizer is None:
        ok(server.rss_kib() - before < 512 * 1024, "more than 512 MiB for 5,000 followers")
    idle_costs_nothing(t, server)
    status(api.get("/livez"), 200)
    started = time.monotonic()
    job.send([{"n": 1}])
    for connection in followers:
        eq(connection.read_piece(20 * t.slow), b'{"n":1}\n', "the line that a follower got")
    t.note(f"one result to all of them in {(time.monotonic() - started) * 1000:.0f} ms")
    job.must("close")
    for connection in followers:
        eq(connection.read_piece(20 * t.slow), b"", "the end of a follower's stream")


@timeout(60)
def test_an_idle_server_rests(t):
    server = t.server()
    idle_costs_nothing(t, server)


@timeout(90)
def test_connections_that_say_nothing_harm_nobody(t):
    server = t.server()
    api = t.client(server)
    mute = [api.connect() for _ in range(300)]
    half = [api.connect() for _ in range(300)]
    for connection in half:
        connection.send(b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Le")
    job = api.create({"stages": [{"use": "pass"}]})
    job.send(numbers(1000), close=True)
    job.wait_done(timeout=5)
    for connection in mute + half:
        connection.close()
