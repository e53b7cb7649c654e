"""The n-th allocation fails while tokens are read again, while a server starts, while it stops."""

import scenes
from support.leat import *
from support.tokens import Tokens
from walk import QUICK


def picked(t, count):
    """The numbers that are tried: all, some in the quick run."""
    every = range(1, count + 1)
    return sorted(t.random.sample(every, min(QUICK, count))) if t.quick else every


def who_may(holder, stranger):
    """The tokens that were in force still are: nobody is let in for want of memory."""
    status(holder.get("/v1/jobs"), 200)
    problem(stranger.get("/v1/jobs"), 401, "unauthorized")


def reload_walked(t, counter):
    """SIGHUP: the file is read, or what was in force stays."""
    tokens = Tokens(t, compute=1)
    holder, stranger = tokens.holder("me", "read"), tokens.client(None)
    tokens.new("other", "submit", team="a")
    memory = counter(t, tokens.server)
    tokens.server.env.update(memory.environment())
    tokens.start()
    memory.count()
    tokens.reload()
    count = memory.counted
    tried = picked(t, count)
    hit = 0
    for number in tried:
        memory.arm(number)
        tokens.reload()
        memory.disarm()
        hit += memory.failed > 0
        who_may(holder, stranger)
    tokens.server.check()
    t.note(f"{len(tried)} of {count} allocations walked, {hit} failed")
    ok(hit > 0, "no allocation has failed")


def leave(t, server, api):
    """A job that is done and one that stands half fed; answers what says that both are there."""
    stages = [scenes.KEEP, scenes.EXPLODE]
    done = api.create({"name": "done", "stages": stages, "order": "input"})
    done.send(scenes.VALUES, close=True)
    done.wait_done()
    half = api.create({"name": "half", "stages": stages})
    half.must("pause")
    status(half.upload(ndjson(scenes.VALUES[:7]), headers={"Idempotency-Key": "k"}), 200)

    def check():
        same_list(done.results(), model.run(stages, scenes.VALUES).values)
        eq((half.offset("k"), half.get()["state"]), (7, "paused"), "the half job")
        eq(len(api.jobs()["items"]), 2, "jobs")
    check()
    server.stop()
    return check


def started(server, memory):
    """Whether it listens; if not, it must have said why."""
    server.spawn()
    found = server.log.wait(r"event=listening\b.*\bport=(\d+)", 20 * server.slow)
    memory.disarm()
    if found is None:
        code = server.wait()
        ok(0 < code < 126 and not server.reports(), f"the start ended with {code}\n"
           f"{server.log.tail()}{server.report_text()}")
        ok(any("memory" in line.lower() for line in server.log.lines),
           f"it does not say why:\n{server.log.tail()}")
        return False
    server.port = int(found.group(1))
    return True


def start_walked(t, counter):
    """With tokens and with jobs that were kept: refused in words, or everything is there."""
    tokens = Tokens(t, compute=1)
    server = tokens.server
    holder = tokens.holder("me", "read", "submit", "operate")
    memory = counter(t, server)
    server.env.update(memory.environment())
    tokens.start()
    check = leave(t, server, holder)
    memory.count()
    ok(started(server, memory), "it does not start again")
    count, refused = memory.counted, 0
    server.stop()
    tried = picked(t, count)
    for number in tried:
        memory.arm(number)
        if not started(server, memory):
            refused += 1
            continue
        try:
            who_may(holder, tokens.client(None))
            check()
        except AssertionError as error:
            raise AssertionError(f"allocation {number}: {error}\n{server.log.tail()}") from None
        holder.close()
        server.signal(signal.SIGTERM)
        eq(server.wait(), 0, f"exit code with allocation {number}")
        ok(not server.reports(), server.report_text())
    ok(started(server, memory), "it does not start again")
    check()
    t.note(f"seed {t.seed}: {len(tried)} of {count} allocations, {refused} starts refused")


def stopped(server, memory, number):
    """SIGTERM, and the number-th allocation from there on fails."""
    memory.arm(number)
    server.signal(signal.SIGTERM)
    eq(server.wait(30 * server.slow), 0, f"exit code with allocation {number}")
    memory.disarm()
    ok(not server.reports(), server.report_text())


def stop_walked(t, counter):
    """With a job under way, one that stands half fed, an upload and a follower that wait: it ends
    by itself, and the next start has everything."""
    server = t.server({"compute": 1, "flush-ms": 1, "drain-ms": 50}, start=False)
    memory = counter(t, server)
    server.env.update(memory.environment())
    server.start()
    api = t.client(server)
    check = leave(t, server, api)

    def stop(number):
        server.start()
        half = Job(api, next(j["id"] for j in api.jobs()["items"] if j["name"] == "half"))
        with api.connect() as follower, api.connect() as sender:
            follower.send_head("GET", target(f"{half.path}/results", {"follow": "true"}),
                               {"Accept": NDJSON})
            status(follower.read_head(), 200)
            sender.send_head("POST", f"{half.path}/items", {
                "Content-Type": NDJSON, "Content-Length": "1000", "Idempotency-Key": "other"})
            stopped(server, memory, number)
        api.close()
    memory.count()
    stop(0)
    count = memory.counted
    tried = picked(t, count)
    hit = 0
    for number in tried:
        stop(number)
        hit += memory.failed > 0
    server.start()
    check()
    t.note(f"seed {t.seed}: {len(tried)} of {count} allocations, {hit} failed")
    ok(hit > 0, "no allocation has failed")
