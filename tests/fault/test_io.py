"""The n-th write or sync of the ledger fails: refused in words, nothing lost, nothing twice."""

import select
import shutil
import tempfile

from faultio import READ, SYNC, WRITE, FaultIo
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
    if faults.preload is None:
        t.skip("the shim is not built and there is no C compiler here")
    given = os.environ.get("ASAN_OPTIONS", "")
    env = {**faults.environment(), "ASAN_OPTIONS": f"{given}:verify_asan_link_order=0".lstrip(":")}
    server = t.server(env=env)
    return faults, server, t.client(server)


def job_through(t, faults, api, values, arm):
    """One job with a fault in the middle of it. Answers how the server has taken it."""
    client = Stubborn(api, 30 * t.slow)
    job = client.create({"stages": STAGES})
    arm()
    client.upload(job, values)
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
    return failed, len(client.refused)


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


def each(t, error, kinds, **more):
    faults, server, api = faulty(t)
    values = some(3000 if t.slow == 1 else 600)
    total = calls_of_a_job(faults, api, values, kinds)
    ok(total > 0, "the shim has seen no call: is it preloaded?")
    tries = min(total, 6) if t.quick else total
    hits = refused = 0
    for number in sorted({1 + n * total // tries for n in range(tries)}):
        failed, refusals = job_through(
            t, faults, api, values, lambda: faults.arm(number, error, kinds, **more))
        hits, refused = hits + (failed > 0), refused + refusals
    t.note(f"{total} calls a job; {hits} faults hit, {refused} refusals")
    ok(hits > 0, "no fault has hit")
    eq(server.starts, 1, "starts: it goes on by itself")


@timeout(240)
def test_a_write_without_room(t):
    each(t, "ENOSPC", WRITE)


@timeout(240)
def test_a_write_that_takes_half(t):
    each(t, "ENOSPC", WRITE, half=True)


@timeout(240)
def test_many_writes_without_room_in_a_row(t):
    each(t, "ENOSPC", WRITE, count=10)


@timeout(240)
def test_a_write_that_fails(t):
    each(t, "EIO", WRITE)


@timeout(240)
def test_a_sync_that_fails(t):
    each(t, "EIO", SYNC)


@timeout(240)
def test_a_sync_without_room(t):
    each(t, "ENOSPC", SYNC)


@timeout(240)
def test_a_write_beyond_the_quota(t):
    each(t, "EDQUOT", WRITE)


@timeout(240)
def test_a_disk_that_was_made_read_only(t):
    each(t, "EROFS", WRITE, count=4)


@timeout(240)
def test_calls_that_a_signal_interrupts(t):
    each(t, "EINTR", WRITE | SYNC)


@timeout(60)
def test_refusals_say_what_the_disk_said(t):
    """The reason stands in the reply and in readyz, which is green again by itself."""
    faults, server, api = faulty(t)
    job = api.create({"stages": [{"use": "pass"}]})
    job.must("pause")
    sent = 0
    for error, code, words in (("ENOSPC", 507, "no space is left"), ("EDQUOT", 507, "no space"),
                               ("EROFS", 503, "Read-only file system"),
                               ("EIO", 503, "Input/output error")):
        faults.arm(1, error, WRITE, count=0)
        reply = job.upload(ndjson(numbers(10)))
        eq(reply.status, code, f"status with {error}")
        ok(words in reply.json()["detail"], f"{error}: {reply.json()['detail']}")
        ready = api.get("/readyz")
        eq(ready.status, 503, f"readyz with {error}")
        ok(words in ready.body.decode(), f"readyz with {error}: {ready.body!r}")
        status(api.get("/livez"), 200)
        eq(job.get()["input"]["received"], sent, f"received after {error}")
        faults.release()
        until_ready(t, api)
        job.send(numbers(10))
        sent += 10
    finish(job, numbers(10) * 4)


@timeout(90)
def test_a_slow_disk_slows_down_and_nothing_else(t):
    """100 ms a sync: what waits for the disk waits, what does not is answered at once."""
    faults, server, api = faulty(t)
    values = numbers(2000)
    job = api.create({"stages": [{"use": "pass", "workers": 2}]})
    faults.slow_down(SYNC, 100)
    live, over = [], threading.Event()

    def look():
        client = Api(server)
        while not over.wait(0.01):
            began = time.monotonic()
            for path in ("/livez", "/readyz", job.path):
                status(client.get(path), 200)
            live.append(time.monotonic() - began)
        client.close()
    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        began = time.monotonic()
        for at in range(0, 2000, 200):
            job.send(values[at:at + 200])
        took = time.monotonic() - began
        job.must("close")
        job.wait_done()
    finally:
        over.set()
        looking.join()
    syncs = faults.failed
    faults.disarm()
    ok(took >= 10 * 0.1, f"ten uploads were acknowledged in {took:.2f} s: before they were synced")
    ok(len(live) > 5 and sorted(live)[len(live) // 2] < 0.1 * t.slow,
       f"three looks took {sorted(live)} s")
    same_multiset(job.results(), values)
    eq(len([line for line in server.log.lines if "event=store_failed" in line]), 0, "failures")
    t.note(f"{syncs} syncs of 100 ms; three looks took {sorted(live)[len(live) // 2] * 1000:.1f} ms")


@timeout(120)
def test_a_start_on_a_disk_that_fails_is_refused_in_words_and_harms_nothing(t):
    """Every read, write and sync of a start fails once."""
    faults, server, api = faulty(t)
    job = api.create({"stages": [{"use": "pass"}]})
    job.must("pause")
    job.send(numbers(50))
    refused = 0
    for number in range(1, 100):
        server.kill()
        api.close()
        faults.arm(number, "EIO", READ | WRITE | SYNC)
        server.spawn()
        found = server.log.wait(r"event=listening\b.*\bport=(\d+)", 20 * t.slow)
        if found is None:
            refused += 1
            code = server.wait()
            ok(0 < code < 126, f"the start ended with {code}")
            ok("Input/output error" in server.log.tail(), f"no reason:\n{server.log.tail()}")
            server.start()  # its other calls do not fail
        else:
            server.port = int(found.group(1))
        hit = faults.failed
        eq(job.get()["input"]["received"], 50, "received")
        if hit == 0:
            break
    ok(refused > 0, "no start was refused")
    t.note(f"{number - 1} calls of a start, {refused} starts refused")
    faults.disarm()
    finish(job, numbers(50))


@timeout(240)
def test_a_disk_that_is_away_for_a_while(t):
    """Whatever the first call is that fails, all behind it do: some commits are in doubt."""
    faults, server, api = faulty(t)
    values = some(3000 if t.slow == 1 else 600)
    total = calls_of_a_job(faults, api, values, WRITE | SYNC)

    def go_away(number):
        faults.arm(number, "EIO", count=0)
        threading.Timer(0.4, faults.release).start()
    for number in range(1, total + 1, 3 if t.quick else 1):
        job_through(t, faults, api, values, lambda: go_away(number))
    t.note(f"{total} calls a job; in doubt: {in_doubt(server)}")
    eq(server.starts, 1, "starts: it goes on by itself")


def is_taken_with_no_room(faults, api, t, job, verb):
    """Asked for as the disk fills up: is it in force? A commit of something else that was
    under way may have failed at its last write; what is new is refused then, until that is
    known."""
    faults.arm(1, "ENOSPC", WRITE, count=0)
    reply = job.patch({"stages": {"pass": {"workers": 5}}}) if verb == "patch" \
        else job.act(verb)
    body = problem(reply, 507, "disk-full")
    faults.release()
    until(lambda: api.get("/readyz").status == 200, 20 * t.slow, "green again")
    return "in force" in body["detail"]


@timeout(90)
def test_a_change_asked_for_as_the_disk_fills_up_is_answered_and_stands(t):
    """It is in force and will be stored, but its client is not kept until there is room."""
    faults, server, api = faulty(t)
    jobs = {verb: api.create({"stages": [{"use": "pass", "workers": 2}]})
            for verb in ("pause", "close", "cancel", "patch")}
    for job in jobs.values():
        job.send(numbers(3))
        job.wait(lambda j: j["counts"]["succeeded"] == 3, what="its items are through")
    for verb, job in jobs.items():
        until(lambda: is_taken_with_no_room(faults, api, t, job, verb), 60 * t.slow, verb)
    for verb, job in jobs.items():
        if verb not in ("patch", "close"):
            job.must(verb)
    eq(jobs["pause"].get()["state"], "paused", "state")
    eq(jobs["close"].wait_done()["counts"]["succeeded"], 3, "of the closed job")
    eq(jobs["cancel"].get()["state"], "cancelled", "state")
    eq(jobs["patch"].get()["stages"][0]["workers"], 5, "workers")
    server.kill()
    server.start()
    eq(jobs["pause"].get()["state"], "paused", "state after a restart")
    eq(jobs["patch"].get()["stages"][0]["workers"], 5, "workers after a restart")


@timeout(60)
def test_nothing_is_acknowledged_while_every_sync_fails(t):
    faults, server, api = faulty(t)
    job = api.create({"stages": [{"use": "pass"}]})
    job.must("pause")
    job.send(numbers(10))
    faults.arm(1, "EIO", SYNC, count=0)
    reply = job.upload(ndjson(numbers(10, 10)))
    eq(reply.status, 503, f"an upload that cannot be synced got {reply!r}")
    eq(reply.json()["accepted"], 0, "accepted")
    status(api.get("/livez"), 200)
    eq(api.get("/readyz").status, 503, "readyz")
    faults.disarm()
    until_ready(t, api)
    eq(job.get()["input"]["received"], 10, "received")
    job.send(numbers(10, 10))
    finish(job, numbers(20))


@timeout(60)
def test_what_stands_in_front_of_a_mistake_is_not_passed_over(t):
    """Its line is named; but who put only that right would lose what could not be stored."""
    faults, server, api = faulty(t)
    job = api.create({"stages": [{"use": "pass"}]})
    job.must("pause")
    faults.arm(1, "EIO", SYNC, count=0)
    reply = job.upload(b'{"n":0}\n{"n":\n')
    body = problem(reply, 503, "store-unavailable")
    eq((body["accepted"], body["next_offset"]), (0, 0), "accepted, next_offset")
    eq([error["line"] for error in body["errors"]], [2], "lines that are wrong")
    faults.disarm()
    until_ready(t, api)
    body = problem(job.upload(b'{"n":0}\n{"n":\n'), 422, "item-invalid")
    eq((body["accepted"], body["next_offset"]), (1, 1), "accepted, next_offset")
    finish(job, numbers(1))


# -- in doubt: the write that ends a commit failed, and so does asking what became of it ---


def until_ready(t, api):
    until(lambda: api.get("/readyz").status == 200, 10 * t.slow, "it recovers by itself")


def until_unready(t, api):
    until(lambda: api.get("/readyz").status == 503, 10 * t.slow, "the store is unhealthy")


def finish(job, expected):
    job.must("resume")
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), expected)


def paused_job(faults, api):
    """With 10 items; and how many calls it took to store them."""
    job = api.create({"stages": [{"use": "pass"}]})
    job.must("pause")
    faults.count()
    job.send(numbers(10))
    return job, faults.counted


def begin_upload(job, values):
    """Sends all of an upload; answers the connection on which the reply will come."""
    body = ndjson(values)
    connection = job.api.connect()
    connection.send_head("POST", f"{job.path}/items",
                         {"Content-Type": NDJSON, "Content-Length": str(len(body))})
    connection.send(body)
    return connection


def in_doubt(server):
    return any("event=store_in_doubt" in line for line in server.log.lines)


def into_doubt(t, faults, api, job, calls):
    """All fails from the last write of an upload's commit on: which of its calls that is depends
    on the pages it finds, so around what another has taken. Answers the upload's connection."""
    for first in [calls + n for n in (0, 1, -1, 2, 0, 1, -1, 2)]:
        faults.arm(first, "EIO", WRITE | SYNC, count=0)
        upload = begin_upload(job, numbers(10))
        until(lambda: faults.failed > 0 or select.select([upload.socket], [], [], 0)[0],
              10 * t.slow, "it is stored, or not")
        if faults.failed > 0:
            until_unready(t, api)
        if in_doubt(job.api.server):
            return upload
        faults.disarm()
        upload.read_response()
        upload.close()
        until_ready(t, api)
    raise AssertionError("no commit was in doubt")


def stay(api, seconds):
    """For so long nothing is taken, and that is said at once."""
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        began = time.monotonic()
        problem(api.post("/v1/jobs", {"stages": [{"use": "pass"}]}), 503, "store-unavailable")
        ok(time.monotonic() - began < 1, "a refusal took its time")
        status(api.get("/livez"), 200)
        time.sleep(0.1)  # between two looks


@timeout(90)
def test_a_commit_in_doubt_refuses_what_is_new_until_it_is_known(t):
    faults, server, api = faulty(t)
    job, calls = paused_job(faults, api)
    upload = into_doubt(t, faults, api, job, calls)
    sent = job.get()["input"]["received"]
    stay(api, 1.0 if t.quick else 7.0)
    # A sync after one that failed may find nothing to do, though the disk has not got it.
    faults.arm(1, "EIO", WRITE, count=0)
    ok(not select.select([upload.socket], [], [], 1.0)[0],
       "what was in doubt is believed without having been written again")
    faults.disarm()
    until_ready(t, api)
    reply = upload.read_response()
    upload.close()
    ok(reply.status in (200, 503), f"{reply!r}")
    sent += 10 if reply.status == 200 else 0
    eq(job.get()["input"]["received"], sent, f"received after {reply.status}")
    job.send(numbers(10))
    finish(job, numbers(10) * (sent // 10 + 1))


@timeout(90)
def test_a_server_that_is_stopped_in_doubt_says_so_and_the_next_finds_out(t):
    faults, server, api = faulty(t)
    job, calls = paused_job(faults, api)
    upload = into_doubt(t, faults, api, job, calls)
    sent = job.get()["input"]["received"]
    server.signal(signal.SIGTERM)
    ok(server.log.wait(r"event=signal name=SIGTERM", 5 * t.slow), "it heard")
    server.signal(signal.SIGINT)
    code = server.wait()
    ok(0 < code < 126, f"it ended with {code}")
    ok(server.log.wait(r"event=not_all_stored", 1), "it says so")
    upload.close()
    faults.disarm()
    api.close()
    server.start()
    received = job.get()["input"]["received"]
    ok(received in (sent, sent + 10), f"{received} items: a block is there whole or not at all")
    finish(job, numbers(10) * (received // 10))
