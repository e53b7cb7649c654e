"""The n-th allocation fails (a build with -Dfaults=true): refused with 503 or finished right."""

import re

from stubborn import Stubborn
from support.leat import *
from support.server import die_with_parent

STAGES = [{"use": "sha256", "params": {"field": "text"}, "workers": 2},
          {"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 2}},
          {"use": "explode", "params": {"field": "parts"}}]
VALUES = items.mixed(40)


def need_faults(t):
    if not proc.mentions(t.settings.program, "LEAT_FAULT_ALLOC"):
        t.skip("the program was not built with -Dfaults=true")


def numbers_to_try(t, first, last, some):
    """All small numbers, and a few of the large, drawn from the seed; --rounds 0: all."""
    if t.settings.rounds == 0:
        return range(first, last)
    dense = range(first, first + some // 3)
    return sorted({*dense, *(t.random.randrange(first, last) for _ in range(some - len(dense)))})


def start(t, number):
    """A server whose n-th allocation fails; None when it refused to start, in words."""
    server = t.server({"compute": 1}, {"LEAT_FAULT_ALLOC": str(number)}, start=False)
    server.spawn()
    if server.log.wait(r"event=listening\b.*\bport=(\d+)", 20 * t.slow) is None:
        code = server.wait()
        ok(0 < code < 126, f"the start ended with {code}\n{server.log.tail()}")
        ok(server.log.lines, "ended without a word")
        server.remove()
        return None
    server.port = int(server.log.wait(r"event=listening\b.*\bport=(\d+)", 1).group(1))
    return server


def whole_job(t, server):
    """Everything a small job needs; answers how often it was refused."""
    api = t.client(server)
    client = Stubborn(api, 20 * t.slow)
    job = client.create({"stages": STAGES, "order": "input"})
    client.upload(job, VALUES)
    done = client.done(job)
    expected = model.run(STAGES, VALUES)
    eq(done["state"], "succeeded", f"state, error {done['error']}")
    same_list(client.read(job, "results"), expected.values)
    eq({n: done["counts"][n] for n in expected.counts()}, expected.counts(), "counts")
    eq(client.read(job, "failures"), [], "failures")
    client.until_answered("list", lambda: api.get("/v1/jobs"), {200})
    client.until_answered("delete", lambda: job.delete(), {204, 404})
    api.close()
    return len(client.refused)


class Tally:
    """What came of each number. Those that went wrong alike are told together."""

    def __init__(self, tried):
        self.tried, self.wrong = tried, {}

    def each(self, what):
        for number in self.tried:
            try:
                what(number)
            except Exception as error:  # the next number may say more
                text = f"{type(error).__name__}: {error}"
                alike = re.sub(r"\d+", "#", text)[:40]
                self.wrong.setdefault(alike, []).append((number, text))

    def end(self):
        if not self.wrong:
            return
        told = [f"  {len(found)}, as allocation {found[0][0]}: {found[0][1][:500]}"
                for found in self.wrong.values()]
        count = sum(map(len, self.wrong.values()))
        raise AssertionError(f"{count} of {len(self.tried)} went wrong:\n" + "\n".join(told[:12]))


@timeout(1200)
def test_memory_of_a_whole_job(t):
    need_faults(t)
    tally = Tally(numbers_to_try(t, 1, 3000, 40 if t.quick else 240))
    seen = {"not started": 0, "refused something": 0}

    def one(number):
        server = start(t, number)
        if server is None:
            seen["not started"] += 1
            return
        try:
            seen["refused something"] += whole_job(t, server) > 0
            server.stop()
        finally:
            server.remove()
    tally.each(one)
    t.note(f"{len(tally.tried)} numbers: {seen}")
    ok(seen["not started"] < len(tally.tried), "it never started")
    tally.end()


@timeout(300)
def test_memory_of_the_command_line(t):
    need_faults(t)
    stages = [{"use": "sha256", "params": {"field": "text"}}]
    expected = model.run(stages, VALUES).values
    tally, ended = Tally(numbers_to_try(t, 1, 1500, 60 if t.quick else 300)), {}

    def one(number):
        done = subprocess.run(
            [t.settings.program, "run", "sha256:2", "--set=sha256.field=text"],
            input=ndjson(VALUES), capture_output=True, timeout=20 * t.slow,
            env={**os.environ, "LEAT_FAULT_ALLOC": str(number)}, preexec_fn=die_with_parent,
            check=False)
        ended[done.returncode] = ended.get(done.returncode, 0) + 1
        ok(0 <= done.returncode < 126, f"ended with {done.returncode}, {done.stderr[-500:]!r}")
        if done.returncode == 0:
            same_list([json.loads(line) for line in done.stdout.splitlines()], expected)
        else:
            ok(done.stderr, f"exit {done.returncode} without a word")
    tally.each(one)
    t.note(f"exit codes of {len(tally.tried)} runs: {ended}")
    ok(0 in ended, "it never went well")
    tally.end()


@timeout(60)
def test_memory_that_is_gone_for_good(t):
    """Every allocation from the n-th on fails: the server may refuse all, but lives and ends."""
    need_faults(t)
    server = t.server({"compute": 1}, {"LEAT_FAULT_ALLOC": "900+"}, start=False)
    server.spawn()
    found = server.log.wait(r"event=listening\b.*\bport=(\d+)", 20 * t.slow)
    if found is None:
        code = server.wait()
        ok(0 < code < 126, f"the start ended with {code}")
        server.remove()
        return
    server.port = int(found.group(1))
    for _ in range(40):
        api = t.client(server, timeout=3)
        try:
            reply = api.post("/v1/jobs", {"stages": [{"use": "pass"}]})
            ok(reply.status in (201, 503), f"status {reply.status}")
        except (Closed, OSError, TimeoutError):
            pass
        api.close()
        ok(server.running(), f"the server ended:\n{server.log.tail()}")
    server.signal(signal.SIGTERM)
    code = server.wait(20)
    ok(0 <= code < 126, f"the end: {code}")
