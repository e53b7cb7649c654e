"""A folder of every released format opens in this server, and its jobs finish their work."""

from keeping import *


def same_as_told(api, told):
    """What is over is as it was told then."""
    for name, was in told.items():
        if not was["done"]:
            continue
        job = Job(api, was["id"])
        now = job.get()
        for member in ("state", "counts", "report"):
            eq(now[member], was[member], f"{name}: {member}")
        eq(now["name"], was["definition"]["name"])
        eq(now["labels"], was["definition"]["labels"], name)
        eq(digest(job.raw_results()), was["results_sha256"], f"results of {name}")
        failures = job.failures()
        eq(len(failures), len(was["failures"]), f"failures of {name}")
        for is_, was_ in zip(failures, was["failures"]):
            eq({key: is_[key] for key in was_}, was_, f"failure of {name}")


def each_once(job, first, count):
    same_multiset([item["n"] for item in job.results()], list(range(first, first + count)))


def finish(api, told):
    """Every job goes on from where it stood when it was killed, and ends as it should."""
    jobs = {name: Job(api, was["id"]) for name, was in told.items()}
    eq(jobs["half-read"].offset("stream"), 60)
    jobs["half-read"].upload(ndjson([{"n": n} for n in range(60)]), {"close": "true"},
                             {"Idempotency-Key": "stream"})
    eq(jobs["paused"].get()["state"], "paused")
    eq(jobs["paused"].offset("held"), 12)
    jobs["paused"].must("resume")
    jobs["untouched"].send([{"n": 0}, {"n": 1}], close=True)
    ends = {name: jobs[name].wait_done(timeout=60) for name, was in told.items()
            if not was["done"]}
    each_once(jobs["half-read"], 0, 60)
    eq([item["n"] for item in jobs["half-read"].results()], list(range(60)), "in order")
    each_once(jobs["paused"], 0, 12)
    each_once(jobs["untouched"], 0, 2)
    each_once(jobs["many-blocks"], 0, 3000)
    each_once(jobs["transient"], 0, 10)
    same_multiset(jobs["source"].results(), list(range(5, 64)))
    eq(ends["sink"]["report"], {**ends["sink"]["report"], "count": 40, "sum": sum(range(40))})


def _make(name):
    def test(t):
        data, told = fixture(t, name)
        server, api = over(t, data)
        same_as_told(api, told)
        finish(api, told)
        server.restart("stop")
        same_as_told(t.client(server), told)
        server.stop()
    return timeout(90)(test)


for _name in formats():
    globals()[f"test_{_name.replace('-', '_')}_opens_and_finishes_its_work"] = _make(_name)


def test_an_old_folder_opens_after_a_kill_in_its_upgrade(t):
    """Killed at moments all over the start: the next start finds all of it."""
    for name in formats():
        data, told = fixture(t, name)
        for turn in range(12):
            server = t.server({"map-size": 256 << 20, "log-level": "info"}, data=data,
                              start=False)
            server.spawn()
            if turn % 3 == 0:
                server.log.wait("event=store_upgrade|event=recovered", 20)
            else:
                time.sleep(t.random.random() * 0.02)  # where it comes is left to chance
            server.kill()
        server, api = over(t, data)
        same_as_told(api, told)
        server.kill()


def test_a_newer_format_is_refused_in_words(t):
    data = folder(t)
    server, _ = over(t, data)
    server.stop()
    path = os.path.join(data, "data.mdb")
    with open(path, "rb") as file:
        whole = file.read()
    entry = b"format" + (2).to_bytes(8, "little")
    ok(entry in whole, "the format stands in the file")
    with open(path, "wb") as file:
        file.write(whole.replace(entry, b"format" + (77).to_bytes(8, "little")))
    before = digest(open(path, "rb").read())
    server = t.server(data=data, start=False)
    server.spawn()
    eq(server.wait(20), 1)
    text = "\n".join(server.log.lines)
    for word in ("newer leat", "format 77", data):
        ok(word in text, f"{word} in: {text}")
    eq(digest(open(path, "rb").read()), before, "not a byte of it was changed")
