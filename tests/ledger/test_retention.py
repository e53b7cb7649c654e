"""Results go by age and by bytes, the oldest first, and nobody waits for it."""

from keeping import *


def filled(api, count, size=1000):
    job = api.create({"stages": [{"use": "pass"}]})
    job.send([{"n": n, "text": "x" * size} for n in range(count)], close=True)
    job.wait_done()
    return job


def status(api, job):
    return api.get(f"{job.path}/results").status


def test_beyond_the_bound_the_oldest_go_first(t):
    server, api = over(t, folder(t), **{"retention-bytes": "1MiB"})
    jobs = [filled(api, 300) for _ in range(6)]  # about 310 KiB each: three have room
    until(lambda: status(api, jobs[2]) == 410, 30 * t.slow, "the first three are gone")
    eq([status(api, job) for job in jobs], [410, 410, 410, 200, 200, 200])
    eq([job.get()["counts"]["results"] for job in jobs], [300] * 6, "they are known all the same")
    server.restart("kill")
    api = t.client(server)
    jobs = [Job(api, job.id) for job in jobs]
    more = filled(api, 300)
    until(lambda: status(api, jobs[3]) == 410, 30 * t.slow, "the next one is gone")
    eq([status(api, job) for job in jobs], [410, 410, 410, 410, 200, 200], "after a restart, too")
    jobs[4].delete()
    last = filled(api, 300)
    eq([status(api, job) for job in (jobs[5], more, last)], [200, 200, 200],
       "what was deleted does not count")
    server.stop()


def test_failures_count_and_a_retry_counts_once(t):
    server, api = over(t, folder(t), **{"retention-bytes": "1MiB"})
    failing = api.create({"stages": [{"use": "fail"}]})
    failing.send([{"text": "x" * 1000}] * 500, close=True)
    failing.wait_done()
    for _ in range(4):
        eq(failing.retry().status, 200)
        failing.wait(lambda j: j["done"] and j["counts"]["failed"] == 500)
    eq(status(api, failing), 200, "one job with half of it")
    filled(api, 600)
    until(lambda: status(api, failing) == 410, 30 * t.slow, "the oldest is gone")
    server.stop()


@alone
@timeout(120)
def test_a_large_delete_does_not_hold_up_others(t):
    """While a large job goes, piece by piece, small ones are made and finished."""
    server, api = over(t, folder(t), **{"map-size": 2 << 30})
    large = api.create({"stages": [{"use": "pass"}]})
    for _ in range(10 if t.quick else 100):
        large.send([{"n": n, "text": "x" * 40} for n in range(50_000)])
    large.must("close")
    large.wait_done(timeout=100)
    used = api.get("/v1/server").json()["disk"]["used_bytes"]
    began = time.monotonic()
    large.delete()
    worst, made = 0.0, 0
    while api.get("/v1/server").json()["disk"]["used_bytes"] > used / 10:
        at = time.monotonic()
        filled(api, 5, 10)
        worst = max(worst, time.monotonic() - at)
        made += 1
        ok(time.monotonic() - began < 60 * t.slow, "it ends")
    t.note(f"{used >> 20} MiB went in {time.monotonic() - began:.2f} s; of {made} jobs beside it "
           f"the slowest took {worst * 1000:.0f} ms from POST to done")
    within(worst, 0, 5 * t.slow, "seconds")
    server.stop()
