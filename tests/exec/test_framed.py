"""Framed programs: ids, many outputs, failures, any order, batches, cancel, log."""

from programs import *

FATES = r"""
for item, attempt, x in frames():
    if x["do"] == "many":
        emit(item, *range(x["n"]))
    elif x["do"] == "permanent":
        say({"item": item, "error": "no such town: \u00e9", "transient": False})
    elif x["do"] == "transient" and attempt < 3:
        say({"item": item, "error": "busy", "transient": True})
    elif x["do"] == "busy":
        say({"item": item, "error": "always busy", "transient": True})
    else:
        emit(item, {"attempt": attempt})
"""


def test_each_item_has_its_own_fate(t):
    _, api = one(t, FATES, "framed")
    values = [{"do": "many", "n": 3}, {"do": "many", "n": 0}, {"do": "permanent"}, {"do": "transient"},
              {"do": "busy"}, {"do": "many", "n": 1}]
    job = run(t, api, values, {"retry": {"attempts": 3, "backoff_ms": 1}}, order="input")
    eq(job.results(), [0, 1, 2, {"attempt": 3}, 0])
    eq([(f["item"], f["kind"], f["attempts"]) for f in sorted(job.failures(), key=lambda f: f["item"])],
       [(2, "permanent", 1), (4, "transient", 3)])
    eq(reasons(job), ["no such town: é", "always busy"])
    eq(job.get()["counts"]["filtered"], 1)


def test_what_is_emitted_stays_as_it_was_written(t):
    _, api = one(t, r"""
for item, attempt, x in frames():
    sys.stdout.write('{"emit": [1.10, 12345678901234567890123, "\\u00e9\\ud83d\\ude00", {"a" : [ ]}], "item": "%s"}\n' % item)
    sys.stdout.flush()
""", "framed")
    job = run(t, api, [1], order="input")
    first, second, third, fourth = job.raw_results().decode().splitlines()
    eq((first, second, json.loads(third), json.loads(fourth)),
       ("1.10", "12345678901234567890123", "é😀", {"a": []}))


def test_answers_come_in_any_order(t):
    _, api = one(t, r"""
def later(item, x):
    time.sleep((x * 7919 % 13) / 1000)
    emit(item, x)
for item, attempt, x in frames():
    threading.Thread(target=later, args=(item, x)).start()
""", "framed")
    job = run(t, api, list(range(400)), {"workers": 2}, order="input")
    eq(job.results(), list(range(400)))


def test_what_waits_inside_is_given_many_items(t):
    """Answers take 20 ms whatever comes meanwhile: a program that can do many is given many."""
    _, api = one(t, r"""
top = busy = 0
def later(item):
    global busy
    time.sleep(0.02)
    with lock: busy -= 1
    emit(item, top)
for item, attempt, x in frames():
    with lock: busy += 1
    top = max(top, busy)
    threading.Thread(target=later, args=(item,)).start()
""", "framed", window_max=32)
    job = run(t, api, list(range(600)))
    within(max(job.results()), 2, 32, "items in its hands at most")


def test_a_batch_is_one_line_and_has_many_fates(t):
    _, api = one(t, r"""
for line in iter(sys.stdin.readline, ""):
    frame = json.loads(line)
    batch = frame.get("batch") or [frame]
    for one in reversed(batch):
        x = one["value"]
        if x % 10 == 3:
            say({"item": one["item"], "error": "three"})
        elif x % 10 == 4:
            emit(one["item"])
        else:
            emit(one["item"], [x, "batch" in frame and len(batch) or 0])
""", "framed")
    job = run(t, api, list(range(200)), {"batch": {"items": 20}, "workers": 2}, order="input")
    results = job.results()
    eq([x for x, _ in results], [x for x in range(200) if x % 10 not in (3, 4)])
    within(max(size for _, size in results), 2, 20, "the largest batch")
    eq(reasons(job), ["three"] * 20)
    eq(job.get()["counts"]["filtered"], 20)


def test_a_cancelled_item_is_said_and_the_process_goes_on(t):
    _, api = one(t, r"""
for item, attempt, x in frames():
    if attempt is None:
        say({"log": "let go of it"})
        say({"item": item, "error": "cancelled", "transient": True})
    elif x != "hang":
        emit(item, os.getpid())
""", "framed", kill_ms=20000)
    job = t.job([{"use": "mine", "timeout_ms": 2000, "retry": {"attempts": 1}}], api=api)
    job.send(["before", "hang"])
    job.wait(lambda j: j["counts"]["failed"] == 1)
    job.send(["after"], close=True)
    job.wait_done()
    eq(job.failures()[0]["kind"], "timeout")
    eq(len(set(job.results())), 1, f"processes {job.results()}")
    eq(len(job.results()), 2)
    api.server.log.wait("let go of it", 20 * t.slow)


def test_a_cancelled_job_is_said_too(t):
    programs, api = one(t, r"""
for item, attempt, x in frames():
    if attempt is None:
        open(os.path.join(os.environ["HERE"], "cancelled"), "w").close()
        say({"item": item, "error": "cancelled", "transient": True})
    elif x != "hang":
        emit(item, x)
""", "framed", kill_ms=20000)
    job = t.job(["mine"], api=api)
    job.send(["hang"])
    job.wait(lambda j: j["counts"]["running"] == 1)
    job.must("cancel")
    job.wait_done("cancelled")
    until(lambda: os.path.exists(programs.path("cancelled")), 20 * t.slow, "the program heard of it")
    eq(run(t, api, ["next"]).results(), ["next"])


def test_a_line_for_the_log_goes_there(t):
    _, api = one(t, r"""
for item, attempt, x in frames():
    say({"log": "a \"word\" to the log\u0007"})
    emit(item, x)
""", "framed")
    eq(run(t, api, [1]).results(), [1])
    ok(api.server.log.wait(r'a \\"word\\" to the log', 20 * t.slow), api.server.log.tail())
