"""Server-sent events of a job and of all jobs."""

from support.leat import *


def watch(t, path):
    stream = t.api.stream(path, kind=Events)
    eq(stream.response.type, "text/event-stream", "type")
    return stream


def state_events(stream, until_state, timeout=10):
    """The states that pass by until one is seen."""
    seen = []
    while True:
        event = stream.next(timeout)
        ok(event is not None, f"the stream ended before {until_state}, after {seen}")
        if event.event == "state":
            seen.append(event.json()["state"])
            if seen[-1] == until_state:
                return seen


def test_a_job_s_states_are_told(t):
    job = t.job()
    stream = watch(t, f"{job.path}/events")
    job.must("pause")
    state_events(stream, "paused")
    job.must("resume")
    state_events(stream, "running")
    job.send(numbers(3), close=True)
    seen = state_events(stream, "succeeded")
    ok(set(seen) <= {"finishing", "succeeded", "running"}, f"states {seen}")
    stream.close()


def test_progress_is_told_at_most_four_times_a_second(t):
    job = t.job([{"use": "sleep", "params": {"ms": 2}}])
    stream = watch(t, f"{job.path}/events")
    job.send(numbers(600), close=True)
    started, progress = time.monotonic(), []
    while (event := stream.next(10)) is not None:
        if event.event == "progress":
            progress.append(event.json())
        if event.event == "state" and event.json()["state"] == "succeeded":
            break
    elapsed = time.monotonic() - started
    ok(progress, "no progress was told")
    ok(len(progress) <= 4 * elapsed + 2, f"{len(progress)} in {elapsed:.1f} s")
    done = [p["counts"]["succeeded"] for p in progress]
    eq(done, sorted(done), "succeeded only grows")


def test_stalled_is_told(t):
    server = t.server({"stall-ms": 300})
    api = t.client(server)
    job = t.job([{"use": "sleep", "params": {"ms": 60000}}], api=api)
    stream = api.stream(f"{job.path}/events", kind=Events)
    job.send(numbers(1))
    started = time.monotonic()
    while stream.next(10).event != "stalled":
        pass
    ok(time.monotonic() - started < 3 * t.slow, "the stall was told late")
    stream.close()


def test_all_jobs_are_told_together(t):
    stream = watch(t, "/v1/events")
    jobs = [t.job() for _ in range(3)]
    for job in jobs:
        job.must("close")
    waiting = {job.id for job in jobs}
    while waiting:
        event = stream.next(10)
        ok(event is not None, "the stream ended")
        if event.event == "state" and event.json()["state"] == "succeeded":
            waiting.discard(event.json()["id"])
    stream.close()


def test_events_of_a_done_job_say_so(t):
    job = t.job()
    job.must("close")
    job.wait_done()
    stream = watch(t, f"{job.path}/events")
    state_events(stream, "succeeded")
    stream.close()


@slow
def test_a_comment_keeps_an_idle_stream_alive(t):
    job = t.job()
    stream = watch(t, f"{job.path}/events")
    results = t.api.stream(f"{job.path}/results", {"follow": "true"}, kind=Events)
    for idle in (stream, results):
        while (event := idle.next(17 * t.slow, comments=True)).comment is None:
            pass
        idle.close()


def test_a_watcher_that_goes_away_is_forgotten(t):
    job = t.job()
    for _ in range(30):
        watch(t, f"{job.path}/events").connection.cut()
    job.must("close")
    job.wait_done()


def test_events_of_a_missing_job_are_404(t):
    problem(t.api.get("/v1/jobs/j_00000000000000000000000000/events"), 404, "job-not-found")
