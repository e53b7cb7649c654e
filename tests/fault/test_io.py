"""The n-th write or sync of the ledger fails: refused in words, nothing lost, nothing twice."""

import shutil
import tempfile

from faultio import SYNC, WRITE, FaultIo
from stubborn import Stubborn
from support.leat import *

# Nothing here goes by item number: the numbers of a refused block are not given again.
STAGES = [{"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 2}},
          {"use": "explode", "params": {"field": "parts"}, "workers": 2}]


def some(count):
    """Items of which every ninth fails, for it has no parts."""
    values = items.mixed(count)
    for value in values[4::9]:
        value["parts"] = None
    return values


def faulty(t):
    """A server with the shim, unarmed."""
    if t.settings.sanitizer == "thread":
        t.skip("a preloaded shim and ThreadSanitizer do not go together")
    folder = tempfile.mkdtemp(prefix="leat-faultio-")
    t.cleanup.append(lambda: shutil.rmtree(folder, ignore_errors=True))
    faults = FaultIo(t.settings.program, folder)
    if faults.library is None:
        t.skip("the shim is not built and there is no C compiler here")
    given = os.environ.get("ASAN_OPTIONS", "")
    env = {**faults.environment(), "ASAN_OPTIONS": f"{given}:verify_asan_link_order=0".lstrip(":")}
    server = t.server(env=env)
    return faults, server, t.client(server)


def job_through(t, faults, server, api, values, arm):
    """One job with a fault in the middle of it. Answers how the server has taken it."""
    client = Stubborn(api, 30 * t.slow)
    job = client.create({"stages": STAGES})
    arm()
    client.upload(job, values)
    client.deadline = time.monotonic() + 15 * t.slow
    restarted = False
    try:
        client.done(job)
    except AssertionError:
        server.check()  # it may give up the store, but it must not end
        restarted = True  # only a restart opens the store again
        faults.disarm()
        api.close()
        server.restart()
        client.deadline = time.monotonic() + 30 * t.slow
        client.done(job)
    failed = faults.failed
    faults.disarm()
    expected = model.run(STAGES, values)
    same_multiset(client.read(job, "results"), expected.values)
    same_multiset([f["input"] for f in client.read(job, "failures")],
                  [f["input"] for f in expected.failures], "failures")
    counts = job.get()["counts"]
    eq({n: counts[n] for n in expected.counts()}, expected.counts(), "counts")
    eq(job.delete().status, 204, "delete")
    return failed, restarted, len(client.refused)


def calls_of_a_job(faults, api, values, kinds):
    """How many calls of these kinds the job makes when none fails."""
    client = Stubborn(api, 30)
    job = client.create({"stages": STAGES})
    faults.count(kinds)
    client.upload(job, values)
    client.done(job)
    counted = faults.counted
    faults.disarm()
    status(job.delete(), 204)
    return counted


def each(t, error, kinds, may_restart, **more):
    faults, server, api = faulty(t)
    values = some(3000 if t.slow == 1 else 600)
    total = calls_of_a_job(faults, api, values, kinds)
    ok(total > 0, "the shim has seen no call: is it preloaded?")
    tries = min(total, 6 if t.quick else 25)
    hits = restarts = refused = 0
    for number in sorted({1 + n * total // tries for n in range(tries)}):
        failed, restarted, refusals = job_through(
            t, faults, server, api, values, lambda: faults.arm(number, error, kinds, **more))
        hits, restarts, refused = hits + (failed > 0), restarts + restarted, refused + refusals
    t.note(f"{total} calls a job; {hits} faults hit, {refused} refusals, {restarts} restarts")
    ok(hits > 0, "no fault has hit")
    if not may_restart:
        eq(restarts, 0, "restarts that were needed")


@timeout(240)
def test_a_write_without_room(t):
    each(t, "ENOSPC", WRITE, False)


@timeout(240)
def test_a_write_that_takes_half(t):
    each(t, "ENOSPC", WRITE, False, half=True)


@timeout(240)
def test_many_writes_without_room_in_a_row(t):
    each(t, "ENOSPC", WRITE, False, count=10)


@timeout(240)
def test_a_write_that_fails(t):
    each(t, "EIO", WRITE, True)


@timeout(240)
def test_a_sync_that_fails(t):
    each(t, "EIO", SYNC, True)


@timeout(240)
def test_a_sync_without_room(t):
    each(t, "ENOSPC", SYNC, True)


@timeout(60)
def test_nothing_is_acknowledged_while_every_sync_fails(t):
    faults, server, api = faulty(t)
    job = api.create({"stages": [{"use": "pass"}]})
    job.must("pause")
    job.send(numbers(10))
    faults.arm(1, "EIO", SYNC, count=0)
    try:
        reply = job.upload(ndjson(numbers(10, 10)))
        ok(reply.status in (503, 507), f"an upload that cannot be synced got {reply!r}")
        eq(reply.json()["accepted"], 0, "accepted")
        status(api.get("/livez"), 200)
        eq(api.get("/readyz").status, 503, "readyz")
    except Closed:
        # a store that stays in doubt is left for the next start to find out about
        ok(server.log.wait(r"event=store_lost\b.*failed", 20 * t.slow), "it ended without a word")
        server.wait()
    faults.disarm()
    api.close()
    server.restart()
    received = job.get()["input"]["received"]
    ok(received in (10, 20), f"{received} items: a block is there whole or not at all")
    job.must("resume")
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), numbers(received))
