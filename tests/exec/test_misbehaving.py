"""Programs that misbehave: each costs the attempts in its hands, and nothing else."""

from programs import *

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
    eq(zombies(api.server.pid), [], "zombies")


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
    _, api = one(t, "for x in lines():\n"
                    "    for n in range(20000): sys.stderr.write('a line of noise\\n')\n"
                    "    sys.stderr.flush()\n    say(x)\n")
    job = run(t, api, list(range(5)))
    eq(len(job.results()), 5)
    found = api.server.log.wait(r"mine\b.*pid=\d+.*a line of noise", 20 * t.slow)
    ok(found, api.server.log.tail())
    written = [line for line in list(api.server.log.lines) if "a line of noise" in line]
    within(len(written), 1, 3000, "lines of noise in the log")


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
