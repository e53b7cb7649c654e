"""Programs that misbehave: each costs the attempts in its hands, and nothing else."""

from programs import *
from support.metrics import scrape

QUICK = {"attempts": 5, "backoff_ms": 1, "max_backoff_ms": 20}

# An item {"do": …} that misbehaves does so once; whatever the others are, they come out.
SCRIPT = r"""
framed = os.environ["LEAT_PROTOCOL"] == "framed"

def answer(item, x):
    emit(item, x["n"]) if framed else say(x["n"])

def hang():
    while True:
        time.sleep(1000)

def raw(text):
    sys.stdout.write(text)
    sys.stdout.flush()

def misbehave(what, item):
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exit":
        os._exit(3)
    if what == "close_stdout":
        os.close(1)
        hang()
    if what == "garbage":
        raw("Traceback (most recent call last):\n")
        hang()
    if what == "half":
        raw('{"item": ')
        os._exit(0)
    if what == "binary":
        os.write(1, bytes(range(128, 256)) + b"\0\n")
        hang()
    if what == "long":
        while True:
            os.write(1, b"x" * 65536)
    if what == "twice":
        raw((json.dumps({"item": item, "emit": [-1]}) if framed else "-1") + "\n")
        os._exit(1)
    if what == "unknown":
        say({"item": "j_nobody/77", "emit": []})
        hang()
    if what == "wrong":
        say({"item": item, "emit": 5})
        hang()
    if what == "fork":
        if os.fork() != 0:
            os._exit(0)
        hang()
    if what == "hang":
        hang()
    if what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        hang()
    if what == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == "noise":
        for n in range(100000):
            os.write(2, b"nothing but noise %d\n" % n)

def both():
    if framed:
        for item, attempt, x in frames():
            if attempt:
                yield item, x
    else:
        for x in lines():
            yield "", x

for item, x in both():
    if "do" in x and first(x["n"]):
        misbehave(x["do"], item)
    answer(item, x)
"""

HANGS = ("hang", "stubborn", "stopped")
KINDS = ("crash", "exit", "close_stdout", "garbage", "half", "binary", "long", "fork", "noise") + HANGS


def survives(t, protocol, what):
    """Two of 200 items misbehave once; everything comes out, and once."""
    programs, api = one(t, SCRIPT, protocol, kill_ms=100, line_max=1 << 20)
    values = [{"n": n, "do": what} if n in (20, 120) else {"n": n} for n in range(200)]
    stage = {"workers": 2, "retry": {**QUICK, "attempts": 20}}
    if what in HANGS:
        stage["timeout_ms"] = int(1500 * t.slow)
    job = run(t, api, values, stage, timeout=60)
    same_multiset(job.results(), list(range(200)))
    for n in (20, 120):
        ok(os.path.exists(programs.path(f"once-{n}")), f"item {n} did not misbehave")
    all_reaped(t, api.server)


def _make(protocol, what):
    def test(t):
        survives(t, protocol, what)
    return timeout(90)(test)


for _protocol in ("plain", "framed"):
    for _what in KINDS + (("unknown", "wrong") if _protocol == "framed" else ()):
        globals()[f"test_{_protocol}_{_what}"] = _make(_protocol, _what)


def test_an_answer_twice_is_no_second_result(t):
    """The second answer cannot be told from another item's where lines have no ids; framed, it can."""
    _, api = one(t, SCRIPT, "framed", kill_ms=100)
    values = [{"n": 0}, {"n": 1, "do": "twice"}, {"n": 2}]
    job = run(t, api, values, {"retry": QUICK}, order="input")
    eq(len(job.results()), 3, f"results {job.results()}")
    ok(job.results()[0] == 0 and job.results()[2] == 2, f"results {job.results()}")


ALWAYS = r"""
for item, attempt, x in frames():
    if x == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    if attempt:
        emit(item, x)
"""


def test_an_item_that_always_kills_ends_as_a_failure_that_says_so(t):
    for protocol, script in (("framed", ALWAYS), ("plain", ALWAYS.replace("item, attempt, x in frames()", "x in lines()")
                                                  .replace("if attempt:\n        emit(item, x)", "say(x)"))):
        _, api = one(t, script, protocol)
        job = t.job([{"use": "mine", "retry": {**QUICK, "attempts": 4}}], api=api)
        job.send([n if n != 30 else "bad" for n in range(60)], close=True)
        job.wait_done()
        bad = [f for f in job.failures() if f["input"] == "bad"]
        eq(len(bad), 1, f"{protocol}: failures {job.failures()}")
        ok("signal 9" in bad[0]["error"] or "SIGKILL" in bad[0]["error"], f"{protocol}: {bad[0]}")
        if protocol == "plain":
            same_multiset(job.results(), [n for n in range(60) if n != 30])


BATCH = r"""
for line in iter(sys.stdin.readline, ""):
    frame = json.loads(line)
    batch = frame["batch"] if "batch" in frame else [frame] if "value" in frame else []
    for one in batch:  # before it has answered anything of it
        if one["value"] == "bad":
            os.kill(os.getpid(), signal.SIGKILL)
        while one["value"] == "hang":
            time.sleep(1)
    for one in batch:
        emit(one["item"], one["value"])
"""


def test_a_batch_in_a_dying_process_costs_the_guilty_alone(t):
    """One attempt is all that an item has: it is not the neighbour's death that takes it."""
    plain = "for x in lines():\n    if x == 'bad': os.kill(os.getpid(), signal.SIGKILL)\n    say(x)\n"
    for protocol, script in (("framed", BATCH), ("plain", plain)):
        _, api = one(t, script, protocol)
        values = ["bad" if n in (13, 37) else n for n in range(100)]
        job = run(t, api, values, {"batch": {"items": 25}, "retry": {"attempts": 1}}, order="input")
        eq(job.results(), [x for x in values if x != "bad"], protocol)
        eq(len(job.failures()), 2, protocol)
        for text in reasons(job):
            ok("signal 9" in text, f"{protocol}: {text}")
        all_reaped(t, api.server)


def test_a_batch_in_pieces_is_let_go_of(t):
    """By a deadline, and with its job: some pieces wait, one is in a process that hangs."""
    _, api = one(t, BATCH, "framed", kill_ms=50)
    values = ["good", "bad", "hang"] + ["behind"] * 20
    stage = {"batch": {"items": 50}, "retry": {"attempts": 1}, "timeout_ms": int(1500 * t.slow)}
    job = run(t, api, values, stage)
    eq(len(job.results()) + len(job.failures()), len(values))
    ok("timeout" in {f["kind"] for f in job.failures()}, f"{job.failures()}")

    def put_back():
        return scrape(api)("leat_stage_events_total", stage="mine", event="item_put_back")

    before = put_back()
    ok(before >= 22, f"{before} pieces of a batch")
    job = t.job([{"use": "mine", "batch": {"items": 50}}], api=api)
    job.send(values, close=True)
    until(lambda: put_back() > before, 30 * t.slow, "a batch was taken to pieces")
    job.must("cancel")
    job.wait_done("cancelled")
    eq(run(t, api, [1, 2], {"batch": {"items": 2}}, order="input").results(), [1, 2])


def test_what_becomes_of_processes_is_counted(t):
    _, api = one(t, SCRIPT, "framed", kill_ms=50, idle_ms=50)
    deeds = ["crash", "exit", "garbage", "stubborn"]
    stage = {"retry": {**QUICK, "attempts": 20}, "timeout_ms": int(1500 * t.slow)}
    for n, what in enumerate(deeds):
        eq(len(run(t, api, [{"n": n, "do": what}], stage, timeout=60).results()), 1, what)

    def seen(event):
        return scrape(api)("leat_stage_events_total", stage="mine", event=event)

    until(lambda: scrape(api)("leat_stage_level", stage="mine", what="children") == 0, 20 * t.slow, "all have ended")
    for event in ("child_died", "child_ended", "child_garbage", "child_held_up", "child_killed"):
        eq(seen(event), 1, event)
    ends = sum(seen(e) for e in ("child_died", "child_ended", "child_garbage", "child_held_up", "child_retired"))
    eq(seen("child_started"), ends, "each that was started has ended")
    _, api = one(t, None, argv=["/nonexistent"])
    run(t, api, [1], {"retry": {"attempts": 1}})
    ok(seen("child_not_started") >= 1, "it could not be started, and nobody counts")


def test_a_program_that_is_not_there_fails_items_with_the_reason(t):
    programs = Programs(t).add("mine", argv=["/nonexistent/program"])
    programs.add("folder", argv=["/"]).add("text", argv=[programs.path("text.txt")])
    with open(programs.path("text.txt"), "w", encoding="utf-8") as file:
        file.write("hello")
    api = programs.serve()
    for use, word in (("mine", "No such file or directory"), ("folder", "Permission denied"),
                      ("text", "Permission denied")):
        job = t.job([{"use": use, "retry": {"attempts": 2, "backoff_ms": 1}}], api=api)
        job.send([1, 2, 3], close=True)
        job.wait_done()
        said = reasons(job)
        eq(len(said), 3)
        for text in said:
            ok("cannot start" in text and word in text, f"{use}: {text!r}")
        eq({f["kind"] for f in job.failures()}, {"transient"})


def test_a_program_that_ends_at_once_fails_items_with_the_reason(t):
    _, api = one(t, "sys.stderr.write('no licence\\n'); sys.exit(7)\n")
    job = run(t, api, list(range(20)), {"retry": {"attempts": 2, "backoff_ms": 1}})
    eq(len(job.failures()), 20)
    for text in reasons(job):
        ok("7" in text, f"no exit status in {text!r}")


def test_a_program_that_is_repaired_is_used_again(t):
    programs, api = one(t, "sys.exit(1)\n")
    job = run(t, api, [1, 2, 3], {"retry": {"attempts": 1}})
    eq(len(job.failures()), 3)
    with open(programs.path("mine.py"), "w", encoding="utf-8") as file:
        file.write(HEAD + DOUBLE)
    stage = {"retry": {"attempts": 100, "backoff_ms": 20, "max_backoff_ms": 200}}
    same_multiset(run(t, api, [1, 2, 3], stage).results(), [2, 4, 6])


def test_a_wrong_folder_is_said(t):
    _, api = one(t, DOUBLE, cwd="/nonexistent/folder")
    job = run(t, api, [1], {"retry": {"attempts": 1}})
    ok("No such file or directory" in reasons(job)[0], reasons(job)[0])


def test_stderr_goes_to_the_log_and_does_not_flood_it(t):
    """Every line is accounted for: it stands there, or among those that are said to be left out."""
    _, api = one(t, "for x in lines():\n"
                    "    for n in range(20000): sys.stderr.write('a line of noise\\n')\n"
                    "    sys.stderr.flush()\n    say(os.getpid())\n", idle_ms=50)
    job = run(t, api, list(range(5)))
    pid, = set(job.results())
    event = re.compile(rf'event=stage_stderr (?:job={job.id} )?stage=mine (?:use=mine )?pid={pid} skipped=(\d+)'
                       r'( text="a line of noise")?$')

    def said():
        found = [event.search(line) for line in list(api.server.log.lines)]
        return [(int(match[1]), bool(match[2])) for match in found if match]

    until(lambda: sum(skipped + shown for skipped, shown in said()) == 100000, 30 * t.slow,
          "100,000 lines are accounted for")
    within(sum(shown for _, shown in said()), 1, 3000, "lines of noise in the log")
    m = scrape(api)
    eq(m("leat_stage_events_total", stage="mine", event="stderr_line"), 100000)
    eq(m("leat_stage_events_total", stage="mine", event="stderr_line_skipped"),
       sum(skipped for skipped, _ in said()))


def test_a_refused_item_does_not_harm_its_neighbours_when_the_program_is_slow(t):
    """A job that is deleted while its items are in the hands of a process that answers none."""
    programs, api = one(t, "for x in lines():\n    while x == 'hang': time.sleep(1)\n    say(x)\n", kill_ms=100)
    job = t.job([{"use": "mine", "workers": 2}], api=api)
    job.send(["hang"] * 20)
    job.wait(lambda j: j["counts"]["running"] > 0)
    job.must("cancel")
    job.wait_done("cancelled")
    status(job.delete(), 204)
    same_multiset(run(t, api, list(range(50)), {"workers": 2}).results(), list(range(50)))
