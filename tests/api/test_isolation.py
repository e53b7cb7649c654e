"""Stages in processes of their own: what they die of costs the item in hand and nothing else."""

from support.leat import *
from support.metrics import scrape

# What an item does, and what its failure then says: one of these, and its kind. A sanitizer in
# the program ends the process in ways of its own.
CULPRITS = {
    "segv": ("died (SIGSEGV)", "crash"),
    "abort": ("died (SIGABRT)", "crash"),
    "overflow": ("died (SIGSEGV)", "crash"),
    "fpe": ("died (SIGFPE)", "crash"),
    "exit": ("ended its process (exit code 3)", "crash"),
    "kill": ("was killed (SIGKILL)", "crash"),
    "scribble_input": ("died (SIGSEGV)", "crash"),
    "loop": ("took longer than timeout_ms (400): the stage's process was killed", "timeout"),
    "patient": ("took longer than timeout_ms (400)", "timeout"),
    "lie": ("the stage left a message that means nothing", "crash"),
    "not_json": ("the stage emitted what is not JSON", "permanent"),
    "fail": ("told to fail, ", "permanent"),
}
# Nothing comes of these, for nobody: not for the item itself either.
HARMLESS = ("scribble", "scribble_all", "noise", "chatter", "program")


def hosts(server):
    """The processes that run stages for this server."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except (OSError, ValueError):
            continue
        if int(fields[1]) == server.process.pid and fields[0] != "Z" and b"stage-host" in words:
            found.append(int(entry))
    return found


def alive(pids):
    """Those of them that have not ended; a zombie has."""
    left = []
    for pid in pids:
        try:
            if not proc.status(pid)["State"].startswith("Z"):
                left.append(pid)
        except (OSError, ValueError, KeyError):
            continue
    return left


def isolated(use, workers=2, **more):
    return {"use": use, "workers": workers, "isolation": "process", **more}


def misbehave(workers=2, attempts=1, **more):
    return isolated("misbehave", workers, retry={"attempts": attempts, "backoff_ms": 1,
                                                "max_backoff_ms": 5}, **more)


def with_deeds(count, deeds):
    """Items, some of which do something: {index: deed}."""
    return [{"n": n, "do": deeds[n]} if n in deeds else {"n": n} for n in range(count)]


def results_are(job, values, but=()):
    """Each value once, but for those at these places."""
    same_multiset(job.results(), [v for n, v in enumerate(values) if n not in but])


@timeout(120)
def test_each_fault_costs_its_item_alone(t):
    t.need_modules()
    deeds = {300 + 450 * n + k: deed for n, deed in enumerate(CULPRITS) for k in (0, 200)}
    deeds |= {100 + 450 * n + k: deed for n, deed in enumerate(HARMLESS) for k in (0, 100)}
    deeds |= {n: "noise" for n in range(6000, 9000, 100)}
    values = with_deeds(10000, deeds)
    job = t.job([misbehave(timeout_ms=400), {"use": "pass", "workers": 2}])
    job.send(values, close=True)
    done = job.wait_done(timeout=90)
    failures = job.failures()
    guilty = {n for n, deed in deeds.items() if deed in CULPRITS}
    eq(sorted(f["item"] for f in failures), sorted(guilty), "items that failed")
    results_are(job, values, guilty)
    eq(done["counts"]["failed"], len(guilty), "failed")
    eq(done["stages"][0]["in"], 10000, "items that the stage has worked on")
    for failure in failures:
        text, kind = CULPRITS[deeds[failure["item"]]]
        ok(text in failure["error"], f"{deeds[failure['item']]}: {failure['error']}")
        eq(failure["kind"], kind, deeds[failure["item"]])
        eq(failure["attempts"], 1, f"attempts of {failure}")


@timeout(60)
def test_who_says_in_the_host_s_name_that_all_is_done_is_blamed_and_nobody_else(t):
    """The host's own word comes a moment later, when another round may be under way."""
    t.need_modules()
    values = with_deeds(600, {n: "lie" for n in range(5, 600, 7)})
    job = t.job([misbehave()])
    job.send(values, close=True)
    job.wait_done(timeout=50)
    guilty = set(range(5, 600, 7))
    eq(sorted(f["item"] for f in job.failures()), sorted(guilty), "items that failed")
    results_are(job, values, guilty)


def test_a_process_that_talks_out_of_turn_each_time_fails_its_items(t):
    t.need_modules()
    job = t.job([misbehave(params={"open": "hasty"}), "pass"])
    job.send(numbers(10), close=True)
    eq(job.wait_done()["counts"]["failed"], 10, "failed")
    for failure in job.failures():
        ok("a message that means nothing" in failure["error"], f"{failure}")


@timeout(60)
def test_a_crash_is_tried_again_as_the_job_says(t):
    t.need_modules()
    job = t.job([misbehave(attempts=3)])
    job.send(with_deeds(50, {7: "segv"}), close=True)
    done = job.wait_done()
    eq([(f["item"], f["attempts"], f["kind"]) for f in job.failures()], [(7, 3, "crash")])
    eq(done["counts"]["retries"], 2, "retries")


def test_order_and_texts_are_as_in_the_server(t):
    values = items.mixed(400, t.seed) + [{"keep": 1, "parts": [{"s": "x" * n}] * 3}
                                         for n in (1, 5000, 300000)]
    stages = [("filter", {"pointer": "/keep", "op": "gt", "value": 0}),
              ("explode", {"field": "/parts"}), ("pass", {})]
    got = []
    for isolation in ("none", "process"):
        job = t.job([{"use": use, "params": params, "workers": 3, "isolation": isolation}
                     for use, params in stages], order="input")
        job.send(values, close=True)
        job.wait_done()
        got.append((job.raw_results(), job.failures(), job.get()["counts"]))
    eq(got[1][0], got[0][0], "results")
    eq([(f["item"], f["error"]) for f in got[1][1]], [(f["item"], f["error"]) for f in got[0][1]])
    eq(got[1][2], got[0][2], "counts")


def test_numbers_and_attempts_are_the_items(t):
    got = []
    for isolation in ("none", "process"):
        job = t.job([{"use": "filter", "params": {"pointer": "/n", "op": "gt", "value": 9}},
                     {"use": "fail", "params": {"every": 3, "kind": "transient", "until_attempt": 3},
                      "retry": {"attempts": 4, "backoff_ms": 1, "max_backoff_ms": 2},
                      "isolation": isolation, "workers": 2},
                     {"use": "fail", "params": {"every": 4}, "isolation": isolation}])
        job.send(numbers(300), close=True)
        counts = job.wait_done()["counts"]
        got.append((sorted(f["item"] for f in job.failures()), counts))
        same_multiset([r["n"] for r in job.results()],
                      [n for n in range(10, 300) if (n + 1) % 4 != 0])
    eq(got[1], got[0], "failures and counts")
    eq(got[1][1]["retries"], 2 * len([n for n in range(10, 300) if (n + 1) % 3 == 0]), "retries")


def test_what_is_too_large_fails_with_the_same_words(t):
    server = t.server({"output-max": 4096})
    api = t.client(server)
    said = []
    for isolation in ("none", "process"):
        job = t.job([{"use": "explode", "params": {"field": "/parts"}, "isolation": isolation}],
                    api=api)
        job.send([{"parts": ["x" * 100] * 60}, {"parts": ["y"]}], close=True)
        job.wait_done()
        eq(job.results(), ["y"], "results")
        said.append([f["error"] for f in job.failures()])
    eq(said[1], said[0], "reasons")
    ok("output-max" in said[0][0], said[0])


@timeout(90)
def test_memory_is_bounded_and_a_leak_costs_nothing(t):
    t.need_modules()
    if t.settings.sanitizer:
        t.skip("a sanitizer takes terabytes of address space: there is no bound")
    server = t.server({"isolated-memory": 64 << 20})
    job = t.job([misbehave()], api=t.client(server))
    values = with_deeds(500, {**{n: "leak" for n in range(0, 500, 2)}, 333: "hog"})
    job.send(values, close=True)
    job.wait_done(timeout=60)
    eq([(f["item"], f["kind"]) for f in job.failures()], [(333, "crash")], "failures")
    results_are(job, values, {333})
    ok(server.log.wait("memory was nearly used up", 5), "no process was replaced")


def test_what_open_does_wrong_refuses_the_definition(t):
    t.need_modules()
    for how, text in (("fail", "told to fail"),
                      ("segv", "died (SIGSEGV) before the stage was open"),
                      ("exit", "ended its process (exit code 3) before the stage was open")):
        reply = t.api.post("/v1/jobs", {"stages": [misbehave(params={"open": how})]})
        body = problem(reply, 422, "definition-invalid")
        ok(text in json.dumps(body), f"{how}: {body}")
    eq(t.api.get("/v1/server").status, 200, "the server after that")


def test_a_stage_that_cannot_be_isolated_is_refused(t):
    t.need_modules()
    cases = [([isolated("range", params={"count": 3}), "pass"], 0, "it is a source"),
             (["pass", isolated("aggregate")], 1, "it is a sink"),
             ([isolated("sleep", params={"ms": 1})], 0, "works on the server's loop")]
    for stages, index, why in cases:
        stages = [{"use": s} if isinstance(s, str) else s for s in stages]
        for stage in stages:
            stage.pop("workers", None)
        body = problem(t.api.post("/v1/jobs:validate", {"stages": stages}), 422,
                       "definition-invalid")
        has_pointers(body, [f"/stages/{index}/isolation"])
        ok(why in json.dumps(body), f"{why}: {body}")
    body = problem(t.api.post("/v1/jobs:validate", {"stages": [{"use": "pass", "isolation": "vm"}]}),
                   422, "definition-invalid")
    has_pointers(body, ["/stages/0/isolation"])


@timeout(120)
def test_a_server_that_is_killed_takes_its_processes_along(t):
    t.need_modules()
    server = t.server()
    job = t.job([misbehave(2, attempts=1), isolated("sha256", params={"field": "text"})],
                api=t.client(server))
    values = [{"n": n, "text": str(n), **({"do": "segv"} if n % 3000 == 2999 else {})}
              for n in range(12000)]
    job.send(values, close=True)
    for _ in range(2):
        job.wait(lambda j: j["done"] or j["counts"]["succeeded"] > 0, what="some are done")
        pids = hosts(server)
        server.kill()
        until(lambda: not alive(pids), 10 * t.slow, f"{pids} have ended")
        server.start()
        job.api.close()
    job.wait_done(timeout=60)
    eq(sorted(f["item"] for f in job.failures()), [2999, 5999, 8999, 11999], "failures")
    same_multiset([r["n"] for r in job.results()],
                  [v["n"] for v in values if "do" not in v])


@timeout(120)
def test_processes_killed_at_random_lose_and_double_nothing(t):
    t.need_modules()
    server = t.server()
    job = t.job([misbehave(4, attempts=10, params={"ms": 1})],
                api=t.client(server), order="input")
    values = numbers(3000)
    job.send(values, close=True)
    killed = seen = 0
    while not (now := job.get())["done"]:
        pids = hosts(server)
        if pids and now["counts"]["succeeded"] >= seen:
            seen = now["counts"]["succeeded"] + 20
            try:
                os.kill(t.random.choice(pids), signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
    job.wait_done()
    ok(killed > 5, f"{killed} were killed")
    eq([r["n"] for r in job.results()], [v["n"] for v in values], "results in order")
    eq(job.failures(), [], "failures")


@timeout(60)
def test_processes_follow_the_workers(t):
    t.need_modules()
    server = t.server()
    job = t.job([misbehave(1, params={"ms": 5})], api=t.client(server))
    job.send(numbers(3000))
    until(lambda: len(hosts(server)) == 1, 10 * t.slow, "one process")
    job.workers("misbehave", 5)
    until(lambda: len(hosts(server)) == 5, 10 * t.slow, "five processes")
    job.workers("misbehave", 1)
    until(lambda: len(hosts(server)) == 1, 20 * t.slow, "one process again")
    job.workers("misbehave", 6)
    job.must("close")
    job.wait_done(timeout=40)
    same_multiset([r["n"] for r in job.results()], list(range(3000)))
    until(lambda: not hosts(server), 10 * t.slow, "none")


@timeout(60)
def test_cancel_ends_what_will_not_end(t):
    t.need_modules()
    server = t.server({"isolated-timeout": 0})
    job = t.job([misbehave(2)], api=t.client(server))
    job.send(with_deeds(4, {0: "loop", 1: "loop", 2: "loop", 3: "loop"}))
    job.wait(lambda j: j["stages"][0]["busy"] == 2, what="two are busy")
    job.must("cancel")
    job.wait_done("cancelled", timeout=10)
    until(lambda: not hosts(server), 10 * t.slow, "no process is left")


@timeout(60)
def test_shutdown_ends_what_will_not_end(t):
    t.need_modules()
    server = t.server({"isolated-timeout": 0, "drain-ms": 100})
    job = t.job([misbehave(1)], api=t.client(server))
    job.send(with_deeds(2, {0: "loop"}))
    job.wait(lambda j: j["stages"][0]["busy"] == 1, what="it is busy")
    pids = hosts(server)
    job.api.close()
    server.stop()
    eq(alive(pids), [], "processes that are left")


@timeout(60)
def test_what_close_does_wrong_ends_with_the_job(t):
    t.need_modules()
    server = t.server()
    for how in ("segv", "loop"):
        job = t.job([misbehave(4, params={"close": how, "ms": 2})], api=t.client(server))
        job.send(numbers(200))
        until(lambda: len(hosts(server)) == 4, 10 * t.slow, "four processes")
        job.must("close")
        job.wait_done()
        eq(len(job.results()), 200, "results")
        until(lambda: not hosts(server), 15 * t.slow, f"no process is left ({how})")


@timeout(60)
def test_a_job_that_crashes_does_not_hold_up_another(t):
    t.need_modules()
    bad = t.job([misbehave(2)])
    good = t.job([isolated("sha256", params={"field": "text"})])
    bad.send(with_deeds(30, {n: "segv" for n in range(30)}), close=True)
    good.send(texts(5000), close=True)
    good.wait_done()
    eq(len(good.results()), 5000, "results")
    bad.wait_done(timeout=40)
    eq({f["kind"] for f in bad.failures()}, {"crash"}, "kinds")
    eq(len(bad.failures()), 30, "failures")


def test_a_serial_stage_keeps_its_one_process(t):
    t.need_modules()
    server = t.server()
    job = t.job([isolated("entered", 8)], api=t.client(server))
    for _ in range(3):
        job.send(numbers(300))
        job.wait(lambda j: j["counts"]["pending"] + j["counts"]["running"] == 0, what="all are over")
        eq(len(hosts(server)), 1, "processes")
    job.must("close")
    eq(job.wait_done()["counts"]["succeeded"], 900, "succeeded")


@timeout(60)
def test_without_a_timeout_of_the_job_the_server_s_holds(t):
    t.need_modules()
    server = t.server({"isolated-timeout": 300})
    job = t.job([misbehave(1)], api=t.client(server))
    job.send(with_deeds(20, {5: "loop"}), close=True)
    job.wait_done()
    failure, = job.failures()
    eq((failure["item"], failure["kind"]), (5, "timeout"))
    ok("took longer than isolated-timeout (300)" in failure["error"], failure)


def test_a_process_has_nothing_of_the_server_s_open(t):
    t.need_modules()
    server = t.server()
    job = t.job([misbehave(1)], api=t.client(server))
    job.send(numbers(10))
    job.wait(lambda j: j["counts"]["succeeded"] == 10, what="all are over")
    host, = hosts(server)
    seen = {fd: os.readlink(f"/proc/{host}/fd/{fd}") for fd in os.listdir(f"/proc/{host}/fd")}
    strange = {fd: path for fd, path in seen.items() if int(fd) > 5 and "statm" not in path}
    if not t.settings.sanitizer:
        eq(strange, {}, "open descriptors")
    ok(not any(server.data in path for path in seen.values()), f"the ledger is open: {seen}")
    ok(proc.status(host)["NoNewPrivs"] == "1", "it may gain rights")
    eq(os.getpgid(host), host, "its process group")


def test_log_lines_come_out_in_the_server_s_log(t):
    t.need_modules()
    server = t.server()
    job = t.job([misbehave(1)], api=t.client(server))
    job.send(with_deeds(3, {1: "chatter"}), close=True)
    job.wait_done()
    eq(len(job.results()), 3, "results")
    ok(server.log.wait(rf"event=stage_log job={job.id}.*stage=misbehave.*line 0 with a", 10),
       "no line in the log")


def events_of(api, stage):
    return {dict(labels)["event"]: value for (name, labels), value in scrape(api).values.items()
            if name == "leat_stage_events_total" and dict(labels)["stage"] == stage}


def test_what_a_stage_counts_is_told_from_either_side(t):
    t.need_modules()
    for isolation in ("process", "none"):
        api = t.client(t.server())
        job = t.job([{**misbehave(2), "isolation": isolation}], api=api)
        job.send(with_deeds(300, {n: "count" for n in range(0, 300, 3)}), close=True)
        job.wait_done()
        eq(events_of(api, "misbehave"), {"counted": 300}, isolation)


def test_the_names_that_a_stage_counts_by_are_bounded(t):
    t.need_modules()
    for isolation in ("process", "none"):
        api = t.client(t.server())
        job = t.job([{**misbehave(1), "isolation": isolation}], api=api)
        job.send(with_deeds(1, {0: "count_all"}), close=True)
        job.wait_done()
        events = events_of(api, "misbehave")
        within(len(events), 30, 33, f"{isolation}: names")
        eq(sum(events.values()), 106, f"{isolation}: sum of {events}")
        within(events["other"], 70, 80, f"{isolation}: others")


def test_a_folder_can_be_isolated(t):
    t.need_modules()
    server = t.server({"stages-isolated": t.settings.modules}, start=False)
    server.stages = []
    server.start()
    api = t.client(server)
    shown = {s["name"]: s["isolation"] for s in status(api.get("/v1/stages"), 200).json()["items"]}
    eq((shown["misbehave"], shown["pass"], shown["outlet"], shown["traced-async"]),
       ("process", "none", "none", "none"), "isolation")
    ok(server.log.wait("event=stage_not_isolated stage=outlet", 5), "not said of the sink")
    whole = status(api.post("/v1/jobs:validate", {"stages": [{"use": "misbehave"}]}), 200).json()
    eq(whole["stages"][0]["isolation"], "process", "where the job does not say")
    job = t.job([{"use": "misbehave", "retry": {"attempts": 1}}], api=api)
    job.send(with_deeds(10, {3: "segv"}), close=True)
    job.wait_done()
    eq([f["item"] for f in job.failures()], [3], "failures")
    job = t.job([{"use": "doze", "params": {"ms": 1}, "isolation": "none"}], api=api)
    job.send(numbers(10))
    job.wait(lambda j: j["counts"]["succeeded"] == 10, what="all are over")
    eq(hosts(server), [], "processes of a job that wants none")
    server.restart("kill")
    api.close()
    whole = status(api.get(f"{job.path}/definition"), 200).json()
    eq(whole["stages"][0]["isolation"], "none", "after a restart")


def test_nobody_but_a_server_starts_a_host(t):
    done = subprocess.run([t.settings.program, "stage-host", "pass"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20 * t.slow)
    eq(done.returncode, 2, "exit code")
    ok("leat serve" in done.stderr, done.stderr)
    shown = subprocess.run([t.settings.program, "help"], capture_output=True, text=True, check=True,
                           timeout=20 * t.slow)
    ok("stage-host" not in shown.stdout, "it stands in the help")
