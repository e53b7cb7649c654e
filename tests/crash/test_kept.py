"""Kept: whatever happens, the end is that of an undisturbed run."""

from storm import Load, Storm, undisturbed
from support.leat import *

RETRY = {"attempts": 3, "backoff_ms": 1, "max_backoff_ms": 5}


def nap(jitter=2, workers=4, **more):
    """A stage that keeps items in hand for a moment, so that kills find some there."""
    return {"use": "sleep", "params": {"ms": 0, "jitter_ms": jitter}, "workers": workers, **more}


def plain(count, seed, name="plain"):
    return Load(name, [nap(), {"use": "sha256", "params": {"field": "text"}, "workers": 2}],
                items.orders(count, seed))


def ordered(count, seed):
    stages = [nap(4, 8), {"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 2}},
              {"use": "fail", "params": {"every": 11}, "workers": 2},
              {"use": "explode", "params": {"field": "parts"}, "workers": 3}]
    return Load("ordered", stages, items.mixed(count, seed), order="input")


def troubled(count, seed):
    """Retries, filters, failures for good, and several results an item."""
    stages = [{"use": "fail", "name": "shaky", "retry": RETRY, "workers": 4,
               "params": {"every": 3, "kind": "transient", "until_attempt": 2}},
              {"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 3}},
              {"use": "fail", "name": "broken", "params": {"every": 7, "kind": "permanent"}},
              {"use": "fail", "name": "hopeless", "params": {"every": 13, "kind": "transient"},
               "retry": RETRY, "workers": 2},
              nap(), {"use": "explode", "params": {"field": "parts"}, "workers": 2},
              {"use": "filter", "name": "heavy", "params": {"pointer": "/w", "op": "gt",
                                                            "value": 10}}]
    return Load("troubled", stages, items.mixed(count, seed))


def generated(count, seed):
    """A source: it resumes where its items are kept and repeats none."""
    expected = model.run([], [{"n": n} for n in range(count)])
    stages = [{"use": "range", "params": {"from": 0, "to": count, "template": {"n": "$i"}}}, nap(1)]
    return Load("generated", stages, expected=expected)


def summed(count, seed):
    """A sink whose state must be exact."""
    values = items.orders(count, seed)
    params = {"field": "/qty", "by": "/customer/city"}
    return Load("summed", [nap(), {"use": "aggregate", "params": params}], values,
                report=model.aggregate(params, values))


def rounds(t, make, kills, orders=("none", "pause", "workers")):
    """Storms of one kind: the count of them from --rounds, each with its own seed."""
    base = t.settings.seed if t.settings.seed is not None else int(time.time()) % 1000000
    many = t.settings.rounds or (1 if t.quick else 3)
    for seed in range(base, base + many):
        loads = make(seed)
        t.note(f"seed {seed}: {kills} kills over {', '.join(load.name for load in loads)}")
        storm = Storm(t, loads, seed, kills, orders)
        storm.run()
        t.note(f"seed {seed}: {storm.server.starts} starts, {storm.struck} of {kills} kills found "
               f"unfinished work, "
               f"{sum(c.tries for c in storm.clients)} connections")
    return loads


def compared(t, load):
    """One storm's job again in calm weather: what the model says is what the server does."""
    results, failures, counts, report = undisturbed(t, load)
    expected = [canonical(value) for value in load.expected.values]
    if not load.sink:
        eq(results, expected if load.ordered else sorted(expected), "results, undisturbed")
    eq(failures, sorted(load.expected.failure_keys()), "failures, undisturbed")
    if load.sink:
        eq(report, load.report, "report, undisturbed")


def storms(make_load, kills, count, **more):
    def test(t):
        slow_count = count if t.slow == 1 else count // 3
        load, = rounds(t, lambda seed: [make_load(slow_count, seed)], kills, **more)
        compared(t, load)
    return timeout(300)(test)


test_plain = storms(plain, 14, 6000)
test_order_input = storms(ordered, 14, 5000)
test_failing_retrying_filtering_exploding = storms(troubled, 14, 5000)
test_a_source_resumes_and_never_repeats = storms(generated, 14, 10000)
test_a_sink_s_report_is_exact = storms(summed, 14, 6000)


@timeout(300)
def test_several_jobs_at_once(t):
    count = 2500 if t.slow == 1 else 800
    rounds(t, lambda seed: [plain(count, seed), ordered(count, seed + 1), troubled(count, seed + 2),
                            generated(3 * count, seed), summed(count, seed + 4),
                            plain(count, seed + 5, "second")], 16)


@timeout(300)
def test_without_orders_only_kills(t):
    rounds(t, lambda seed: [plain(8000 if t.slow == 1 else 2000, seed)], 20, orders=("none",))


# -- cancel, delete, retry under kills ----------------------------------------------------------


def seeds(t):
    base = t.settings.seed if t.settings.seed is not None else int(time.time()) % 1000000
    return range(base, base + (t.settings.rounds or (4 if t.quick else 12)))


@timeout(200)
def test_killed_while_it_cancels(t):
    """Cancelled or not: the counts add up, and what succeeded is what stands in the results."""
    server = t.server()
    api = t.client(server)
    stages = [nap(3, 8), {"use": "fail", "params": {"every": 5}}]
    for seed in seeds(t):
        rng = random.Random(seed)
        t.note(f"seed {seed}")
        values = numbers(3000)
        job = api.create({"stages": stages})
        job.send(values, close=True)
        time.sleep(rng.random() * 0.1)  # the moment of the cancel
        connection = api.connect()
        connection.send_head("POST", f"{job.path}/cancel", {"Content-Length": 0})
        told = None
        if rng.random() < 0.5:
            told = connection.read_response().status
        else:
            time.sleep(rng.random() * 0.01)  # the moment of the kill
        api.close()
        server.restart()
        after = job.get()
        if told == 200:
            job.wait_done("cancelled")
        elif after["state"] != "cancelled":
            job.wait_done("succeeded", 60)
        connection.close()
        counts = job.get()["counts"]
        expected = {canonical(v) for v in model.run(stages, values).values}
        results = [canonical(v) for v in job.results()]
        eq(len(results), len(set(results)), f"seed {seed}: a result stands twice")
        ok(set(results) <= expected, f"seed {seed}: a result that cannot be")
        eq((len(results), len(job.failures())), (counts["succeeded"], counts["failed"]),
           f"seed {seed}: results and failures against the counts")


@timeout(200)
def test_killed_while_it_deletes(t):
    """A deleted job never comes back, and others are not touched."""
    server = t.server()
    api = t.client(server)
    kept = api.create({"name": "kept", "stages": [{"use": "pass"}]})
    kept.send(numbers(500), close=True)
    kept.wait_done()
    for seed in seeds(t):
        rng = random.Random(seed)
        t.note(f"seed {seed}")
        job = api.create({"stages": [{"use": "pass"}]})
        job.send(items.orders(8000, seed), close=True)
        time.sleep(rng.random() * 0.05)  # somewhere in the work
        status(job.delete(), 204)
        time.sleep(rng.random() * 0.02)  # somewhere in the removal
        api.close()
        server.restart()
        problem(api.get(job.path), 404, "job-not-found")
        eq([j["id"] for j in api.jobs()["items"]], [kept.id], f"seed {seed}: the list")
    same_multiset(kept.results(), numbers(500))


@timeout(200)
def test_killed_while_failures_are_retried(t):
    """A retried item fails or succeeds once; none is in two places."""
    server = t.server()
    api = t.client(server)
    stage = {"use": "sleep", "params": {"ms": 0, "jitter_ms": 40}, "timeout_ms": 20,
             "retry": {"attempts": 1}, "workers": 64}
    for seed in seeds(t):
        rng = random.Random(seed)
        t.note(f"seed {seed}")
        values = numbers(400)
        job = api.create({"stages": [stage]})
        job.send(values, close=True)
        job.wait_done()
        for _ in range(4):
            reply = job.retry()
            eq(reply.status, 200, "status of the retry")
            time.sleep(rng.random() * 0.06)  # somewhere in the work
            api.close()
            server.restart()
            job.wait_done()
            results = sorted(v["n"] for v in job.results())
            failed = sorted(f["item"] for f in job.failures())
            eq(sorted(results + failed), list(range(400)), f"seed {seed}: items, each once")


@timeout(100)
def test_a_server_that_is_killed_at_start_starts_again(t):
    """Recovery itself can be interrupted anywhere."""
    server = t.server()
    api = t.client(server)
    values = items.orders(4000)
    jobs = [api.create({"stages": [nap(1)]}) for _ in range(20)]
    for job in jobs:
        job.send(ndjson(values[:200]))
    job = api.create({"stages": [nap(1), {"use": "sha256", "params": {"field": "text"}}]})
    job.send(ndjson(values), close=True)
    api.close()
    for seed in list(seeds(t)) * 2:
        server.kill()
        server.spawn()
        time.sleep(random.Random(seed).random() * 0.05)  # somewhere in the recovery
    server.kill()
    server.start()
    job.wait_done()
    same_multiset(job.results(), model.run([{"use": "sha256", "params": {"field": "text"}}],
                                           values).values)
    for other in jobs:
        eq(other.get()["input"]["received"], 200, "received of another job")
