"""Threads are refused, at the start and while everything runs: words, patience, no crash."""

from kinds import everything, none_is_lost, reads_are_served, stages_d
from shims import Threads
from support.leat import *


def start_refused(t, shim, nth):
    """The nth thread and those behind it are refused. Answers what the server said, or None when
    it has started all the same."""
    shim.refuse(nth)
    server = t.server(env=shim.environment(), start=False)
    server.spawn()
    if server.log.wait("event=listening", 20 * t.slow):
        server.stop()
        return None
    eq(server.wait(20), 1, f"exit code without thread {nth}")
    return server.log.tail(1)


@timeout(60)
def test_a_start_without_threads_is_refused_in_words(t):
    shim, nth = Threads(t), 1
    while (said := start_refused(t, shim, nth)) is not None:
        ok("threads" in said or "no thread" in said, f"without thread {nth}: {said}")
        nth += 1
    within(nth, 5, 30, "threads that a start cannot do without")
    t.note(f"{nth - 1} threads are needed to start")


@timeout(120)
def test_threads_refused_while_it_runs_are_waited_for(t):
    """First all are refused, for a while; then some, here and there."""
    t.need_modules()
    shim = Threads(t)
    shim.allow()
    values = numbers(200)
    server = t.server({"stages-d": stages_d(t, values)}, env=shim.environment())
    api = t.client(server)
    quiet = api.create({"stages": [{"use": "pass"}]})
    quiet.send(values, close=True)
    quiet.wait_done()
    shim.refuse()
    jobs = [api.create({"stages": [{"use": "doze", "params": {"ms": 1}, "workers": 2}]})]
    jobs[0].send(values, close=True)
    until(lambda: shim.refused > 0, 20 * t.slow, "a thread is refused")
    jobs[0].workers("doze", 16)
    reads_are_served(api, quiet)
    helper = threading.Timer(1, shim.allow)
    helper.start()
    jobs += everything(api, values)
    helper.join()
    none_is_lost(jobs, values)
    for turn in range(2 if t.quick else 20):
        shim.refuse(1 + turn % 5, 1 + turn % 7)
        none_is_lost(everything(api, values), values)
        reads_are_served(api, quiet)
    shim.allow()
