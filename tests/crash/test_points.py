"""The server is killed at every crash point of its sources (a build with -Dfaults=true), and at
writes and syncs of its ledger: it starts again, and all ends as if nothing had happened."""

import collections
import glob
import lzma
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor

from fault.faultio import SYNC, WRITE, FaultIo
from script import Script
from support.leat import *

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FIXTURE = os.path.join(ROOT, "tests", "fixtures", "format-1")
POINT = re.compile(r'\bFAULT_POINT\("([a-z-]+)"\)')


def need_points(t):
    if not proc.mentions(t.settings.program, "LEAT_FAULT_CRASH"):
        t.skip("the program was not built with -Dfaults=true")


def in_sources():
    found = set()
    for path in glob.glob(os.path.join(ROOT, "server", "*", "*.c")):
        with open(path, encoding="utf-8") as file:
            found.update(POINT.findall(file.read()))
    ok(len(found) > 40, f"only {len(found)} crash points in the sources")
    return found


def folder(t):
    made = tempfile.mkdtemp(prefix="leat-points-")
    t.cleanup.append(lambda: shutil.rmtree(made, ignore_errors=True))
    return made


def played(t, env, disarm=None):
    """The script with that fault. Answers how often the server was killed."""
    script = Script(t, folder(t), env, disarm)
    try:
        script.play()
    finally:
        script.server.remove()
    return script.killed


def upgraded(t, env):
    """A data folder of the first format is opened, killed on the way, and opened again."""
    data = folder(t)
    with lzma.open(os.path.join(FIXTURE, "data.mdb.xz")) as file:
        with open(os.path.join(data, "data.mdb"), "wb") as out:
            shutil.copyfileobj(file, out)
    with open(os.path.join(FIXTURE, "expected.json"), encoding="utf-8") as file:
        told = json.load(file)
    script = Script(t, folder(t), env)
    script.server.options.update({"data": data, "map-size": 256 << 20})
    try:
        script.up()
        for name, was in told.items():
            if was["done"]:
                job = Job(script.api, was["id"])
                eq(job.get()["counts"], was["counts"], f"counts of {name}")
                eq(len(job.failures()), len(was["failures"]), f"failures of {name}")
        script.down()
    finally:
        script.server.remove()
    return script.killed


def passed(t, life):
    """How often each point is passed in a life without faults."""
    path = os.path.join(folder(t), "points")
    eq(life(t, {"LEAT_FAULT_POINTS": path}), 0, "kills without a fault")
    with open(path, encoding="utf-8") as file:
        return collections.Counter(line.strip() for line in file)


def passings(count, t):
    """Which passings of a point to be killed at: the first; a few that chance picks; the last."""
    some = {1} if t.random.random() < 0.5 or count < 3 else {t.random.randrange(2, count // 2 + 2)}
    if not t.quick:
        some |= {1, max(1, count - 1), *(t.random.randrange(1, count + 1) for _ in range(4))}
    return sorted(some)


def several(t, what, todo, life):
    """life(one) for one of `todo` after the other, several at once; answers how often the server
    was killed in each."""
    def one(each):
        try:
            return life(each), None
        except Exception as error:  # the others are walked all the same
            return 0, f"{each}: {type(error).__name__}: {error}"
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(one, todo))
    wrong = [text for _, text in ended if text]
    ok(not wrong, f"{len(wrong)} of {len(todo)} went wrong:\n" + "\n".join(wrong[:8]))
    t.note(f"{len(todo)} {what}, {sum(kills for kills, _ in ended)} kills")
    return [kills for kills, _ in ended]


def walk(t, life, counts):
    """Every point."""
    todo = [(name, n) for name, count in sorted(counts.items()) for n in passings(count, t)]
    killed = several(t, f"passings of {len(counts)} points", todo,
                     lambda each: life(t, {"LEAT_FAULT_CRASH": f"{each[0]}:{each[1]}"}))
    # How often a point is passed differs from life to life, but once it is.
    missed = [name for (name, n), kills in zip(todo, killed) if n == 1 and kills == 0]
    ok(not missed, f"not killed at {missed}")


@timeout(2400)
def test_points_are_all_walked(t):
    need_points(t)
    script, upgrade = passed(t, played), passed(t, upgraded)
    never = in_sources() - set(script) - set(upgrade)
    ok(not never, f"crash points that this test never passes: {sorted(never)}")
    ok(not set(script) - in_sources(), f"points unknown: {set(script) - in_sources()}")
    only = {name: count for name, count in upgrade.items() if name.startswith("upgrade-")}
    walk(t, upgraded, only)
    walk(t, played, script)


# -- within LMDB: a shim ends the server instead of the n-th write or sync ---------------------


def shimmed(t, nth):
    """A life that ends at the n-th write or sync (0: never). Answers (kills, calls)."""
    faults = FaultIo(t.settings.program, folder(t))
    if faults.preload is None:
        t.skip("the shim is not built and there is no C compiler here")
    if nth == 0:
        faults.count(WRITE | SYNC)
    else:
        faults.arm(nth, "EIO", WRITE | SYNC, kill=True)
    given = os.environ.get("ASAN_OPTIONS", "")
    env = {**faults.environment(), "ASAN_OPTIONS": f"{given}:verify_asan_link_order=0".lstrip(":")}
    return played(t, env, faults.disarm), faults.counted


@timeout(2400)
def test_points_within_a_commit(t):
    if t.settings.sanitizer == "thread":
        t.skip("a preloaded shim and ThreadSanitizer do not go together")
    _, total = shimmed(t, 0)
    ok(total > 50, f"{total} writes and syncs in a whole life")
    # Not the last ones: another life may have fewer.
    some = sorted(t.random.sample(range(1, total * 4 // 5), 10 if t.quick else 120))
    killed = several(t, f"of {total} writes and syncs", some, lambda n: shimmed(t, n)[0])
    ok(sum(killed) > len(some) // 2, f"only {sum(killed)} of {len(some)} lives were cut")
