"""Kept also with stages that are other people's code: programs, isolated stages, databases.

The server is killed with items in the hands of children, of host processes and of transactions;
in the end everything stands once, and nothing that it started is left.
"""

import shutil
import sqlite3
import sys
import tempfile

from support.postgres import PASSWORD, Postgres
from storm import Load, Storm
from support.leat import *

RETRY = {"attempts": 1000, "backoff_ms": 1, "max_backoff_ms": 20}

PLAIN = """
import json, sys
for line in iter(sys.stdin.readline, ""):
    value = json.loads(line)
    value["seen"] = True
    sys.stdout.write(json.dumps(value) + "\\n" if value["id"] % 5 else "\\n")
    sys.stdout.flush()
"""

FRAMED = """
import json, os, sys
for line in iter(sys.stdin.readline, ""):
    asked = json.loads(line)
    value = asked.get("value")
    if "cancel" in asked:
        continue
    if value["id"] % 50 == 7 and asked["attempt"] == 1:
        os.kill(os.getpid(), 11)
    if value["id"] % 11 == 3:
        answer = {"item": asked["item"], "error": "no"}
    else:
        answer = {"item": asked["item"], "emit": [value, {"again": value["id"]}]}
    sys.stdout.write(json.dumps(answer) + "\\n")
    sys.stdout.flush()
"""


def written(t, files):
    path = tempfile.mkdtemp(prefix="leat-any-code-")
    t.cleanup.append(lambda: shutil.rmtree(path, ignore_errors=True))
    for name, content in files.items():
        with open(os.path.join(path, name), "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
    return path


def programs(t):
    """Files of stages.d: a program of each protocol."""
    code = written(t, {"plain.py": PLAIN, "framed.py": FRAMED})
    argv = [sys.executable, "-S", "-u"]
    return {"plain.json": {"argv": [*argv, os.path.join(code, "plain.py")]},
            "framed.json": {"argv": [*argv, os.path.join(code, "framed.py")],
                            "protocol": "framed"}}


def expected(outcome):
    """The model's, of what a function of ours makes of each value."""
    return model.run([], outcome)


def plain(count, seed):
    values = numbered(count, seed)
    kept = model.run([{"use": "filter", "params": {"pointer": "/five", "op": "ne", "value": 0}}],
                     [{**v, "seen": True, "five": v["id"] % 5} for v in values])
    kept.results = [(n, {k: x for k, x in v.items() if k != "five"}) for n, v in kept.results]
    return Load("plain", [{"use": "plain", "workers": 3, "retry": RETRY}], values, expected=kept)


def numbered(count, seed):
    rng = random.Random(seed)
    return [{"id": n, "x": rng.random(), "text": "é" * rng.randrange(50)} for n in range(count)]


def isolated(count, seed):
    values = items.orders(count, seed)
    stages = [{"use": "sleep", "params": {"ms": 0, "jitter_ms": 4}, "workers": 4},
              {"use": "sha256", "params": {"field": "text"}, "workers": 2, "isolation": "process",
               "retry": RETRY}]
    return Load("isolated", stages, values)


def rage(t, loads, files, kills, orders=("none", "pause")):
    """A storm over them; afterwards none of the server's children is left. Answers how many kills
    found unfinished work."""
    seed = t.settings.seed if t.settings.seed is not None else int(time.time()) % 1000000
    storm = Storm(t, loads, seed, kills, orders, {"stages-d": written(t, files)},
                  {"TEST_PASSWORD": PASSWORD})
    t.note(f"seed {seed}")
    storm.run()
    t.note(f"{storm.server.starts} starts, {storm.struck} of {kills} kills found unfinished work")
    storm.api.close()
    storm.server.stop()
    until(lambda: not children_of(files), 20 * t.slow, "its children are gone", pause=0.02)
    return storm.struck


def children_of(files):
    """Processes that run a program of these files."""
    words = [file["argv"][-1] for file in files.values() if "argv" in file]
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                line = file.read().split("\0")
        except OSError:
            continue
        if any(word in line for word in words):
            found.append(pid)
    return found


def count_of(t, quick, full):
    return quick if t.quick or t.slow > 1 else full


@timeout(300)
def test_programs(t):
    seed = 1
    rage(t, [plain(count_of(t, 1500, 4000), seed)], programs(t), 10)


@timeout(300)
def test_programs_that_crash_themselves(t):
    """Those who kill their child the first time succeed the second; what fails fails alone."""
    values = numbered(count_of(t, 400, 1000), 2)
    outcome = model.run([{"use": "explode", "params": {"field": "parts"}}],
                        [{"parts": [] if v["id"] % 11 == 3 else [v, {"again": v["id"]}]}
                         for v in values])
    server = t.server({"stages-d": written(t, programs(t))})
    api = t.client(server)
    job = api.create({"stages": [{"use": "framed", "workers": 3, "retry": RETRY}]})
    job.send(values, close=True)
    for _ in range(4):
        time.sleep(t.random.random() * 0.2)  # the moment of the kill
        api.close()
        server.kill()
        server.start()
    done = job.wait_done(timeout=120)
    same_multiset(job.results(), outcome.values, "results")
    same_list(sorted(f["item"] for f in job.failures()),
              [v["id"] for v in values if v["id"] % 11 == 3], "failures")
    eq(done["counts"]["failed"], len(job.failures()), "failed")


@timeout(300)
def test_isolated_stages(t):
    rage(t, [isolated(count_of(t, 1500, 5000), 3)], {}, 10)


def into_sqlite(t, count, seed):
    """A program's answers as rows. Answers the job and the files of stages.d that it wants."""
    out = written(t, {})
    values = numbered(count, seed)

    def check(done):
        report = done["report"]
        eq(report["written"] + report["repeated"], len(values), f"of {report}")
        with sqlite3.connect(os.path.join(out, "a.db")) as base:
            eq(base.execute("SELECT count(*), count(DISTINCT id), sum(id) FROM t").fetchone(),
               (len(values), len(values), sum(v["id"] for v in values)), "rows")

    stages = [{"use": "plain", "workers": 2, "retry": RETRY},
              {"use": "sqlite", "params": {"folder": "out", "file": "a.db", "table": "t"},
               "retry": RETRY}]
    for value in values:  # none that the program filters out
        value["id"] = value["id"] * 5 + 1
    return (Load("sqlite", stages, values, expected=expected(values), check=check),
            {"sqlite.json": {"folders": {"out": out}}, **programs(t)})


@timeout(300)
def test_into_sqlite(t):
    load, files = into_sqlite(t, count_of(t, 1500, 4000), 4)
    rage(t, [load], files, 10)


@timeout(300)
def test_into_postgres(t):
    pg = Postgres(t)
    values = numbered(count_of(t, 1500, 4000), 5)

    def check(done):
        report = done["report"]
        eq(report["written"] + report["repeated"], len(values), f"of {report}")
        eq(pg.rows("SELECT count(*) AS n, count(DISTINCT id) AS d, sum(id) AS s FROM t"),
           [{"n": len(values), "d": len(values), "s": sum(v["id"] for v in values)}], "rows")

    stages = [{"use": "pass", "isolation": "process", "workers": 2, "retry": RETRY},
              {"use": "postgres", "params": {"connection": "main", "table": "t"}, "retry": RETRY}]
    rage(t, [Load("postgres", stages, values, expected=expected(values), check=check)],
         {"postgres.json": pg.stages_d()}, 10)
