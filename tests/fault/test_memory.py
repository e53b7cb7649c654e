"""The n-th allocation fails (a build with -Dfaults=true): refused with 503 or finished right."""

import gzip
import re
import shutil

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


def gone_from(t, number):
    """Every allocation from the n-th on fails. Answers whether the server had started."""
    server = t.server({"compute": 1}, {"LEAT_FAULT_ALLOC": f"{number}+"}, start=False)
    server.spawn()
    found = server.log.wait(r"event=listening\b.*\bport=(\d+)", 20 * t.slow)
    if found is None:
        code = server.wait()
        ok(0 < code < 126, f"the start ended with {code}")
        server.remove()
        return False
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
    ok(0 <= code < 126, f"the end: {code}\n{server.log.tail()}")
    ok(not server.reports(), server.report_text())
    server.remove()
    return True


@timeout(120)
def test_memory_that_is_gone_for_good(t):
    """The server may refuse all, but lives and ends."""
    need_faults(t)
    numbers_tried = range(100, 3000, 400 if t.quick else 100)
    started = sum(gone_from(t, number) for number in numbers_tried)
    t.note(f"{started} of {len(numbers_tried)} started")
    ok(started > 0, "it never started")


# -- what else there is ----------------------------------------------------------------------

FAILING = {"labels": {"kind": "odd"}, "stages": [
    {"use": "fail", "params": {"every": 4, "kind": "permanent"}, "workers": 2},
    {"use": "fail", "name": "twice", "params": {"every": 3, "kind": "transient",
                                                "until_attempt": 2},
     "retry": {"attempts": 5, "backoff_ms": 1, "max_backoff_ms": 2}}]}
RUN = "/v1/run?stages=filter,explode:2&filter.pointer=/keep&filter.op=ge&filter.value=2" \
      "&explode.field=parts"


def changed_and_read(client, api, job):
    """Every way to change a job and to read what it made; answers what was read."""
    def ask(what, *request, good=200, **more):
        return client.until_answered(what, lambda: api.request(*request, **more), {good})
    ask("patch", "PATCH", job.path, {"stages": {"twice": {"workers": 4}}, "labels": {"a": "b"}})
    for verb in ("pause", "resume"):
        ask(verb, "POST", f"{job.path}/{verb}")
    body = gzip.compress(ndjson(VALUES))
    ask("a gzip upload", "POST", f"{job.path}/items", body, query={"close": "true"}, headers={
        "Content-Type": NDJSON, "Content-Encoding": "gzip", "Idempotency-Key": "z"})
    eq(client.done(job)["labels"], {"kind": "odd", "a": "b"}, "labels")
    pages = [ask("a page", "GET", f"{job.path}/results", headers={"Accept": "application/json"},
                 query={"limit": 100}).json()["items"],
             ask("lines", "GET", f"{job.path}/results").values()]
    listed = ask("the list", "GET", "/v1/jobs", query={"label.kind": "odd"}).json()["items"]
    ok(job.id in [found["id"] for found in listed], f"the list lacks {job.id}")
    return pages


def streamed(client, api, path, **query):
    """An event stream to its end, or however far it comes."""
    try:
        for event in api.stream(path, query, kind=Events):
            json.loads(event.data)
    except (Closed, ConnectionError, AssertionError):
        client.again(path)


def other_things(t, server):
    api = t.client(server)
    client = Stubborn(api, 20 * t.slow)

    def ask(what, good, *request, **more):
        return client.until_answered(what, lambda: api.request(*request, **more), {good})
    ask("validate", 200, "POST", "/v1/jobs:validate", FAILING)
    wrong = {"stages": [{"use": "sleep", "params": {"ms": "x"}}, {"use": "no"}], "order": 7}
    eq(len(ask("a wrong one", 422, "POST", "/v1/jobs", wrong).json()["errors"]), 3, "mistakes")
    job = client.create(FAILING)
    pages = changed_and_read(client, api, job)
    same_multiset(pages[0], pages[1], "results by page and by line")
    failures = client.read(job, "failures")
    eq(len(failures) + len(pages[1]), len(VALUES), "results and failures")
    streamed(client, api, f"{job.path}/events")
    streamed(client, api, f"{job.path}/results", follow="true")
    ask("retry", 200, "POST", f"{job.path}/failures/retry", {})
    client.done(job)
    eq(len(client.read(job, "failures")), len(failures), "failures after they were retried")
    for path in ("/v1/stages", "/v1/server", "/readyz", "/openapi.json", "/metrics"):
        client.until_answered(path, lambda: api.get(path), {200, 404})
    run = client.until_answered("run", lambda: api.post(RUN, ndjson(VALUES), {
        "Content-Type": NDJSON}), {200})
    same_list(run.values(), model.run(LEFT, VALUES).values)
    ask("delete", 204, "DELETE", job.path)
    api.close()


@timeout(1200)
def test_memory_of_everything_else(t):
    need_faults(t)
    tally = Tally(numbers_to_try(t, 1, 6000, 40 if t.quick else 240))

    def one(number):
        server = start(t, number)
        if server is None:
            return
        try:
            other_things(t, server)
            server.stop()
            ok(not server.reports(), server.report_text())
        finally:
            server.remove()
    tally.each(one)
    tally.end()


# -- a start on what another has left --------------------------------------------------------

LEFT = [{"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 2}},
        {"use": "explode", "params": {"field": "parts"}, "workers": 2}]


def leave(t):
    """A server whose data holds jobs of every kind, killed. Answers it and their handles."""
    server = t.server({"compute": 1}, start=False)
    server.start()
    api = t.client(server)
    done = api.create({"name": "done", "stages": LEFT})
    done.send(VALUES, close=True)
    done.wait_done()
    half = api.create({"name": "half", "stages": LEFT, "order": "input"})
    half.must("pause")
    status(half.upload(ndjson(VALUES[:30]), headers={"Idempotency-Key": "k"}), 200)
    ranged = api.create({"name": "ranged", "stages": [
        {"use": "range", "params": {"from": 0, "to": 50}},
        {"use": "sleep", "params": {"ms": 2}}, {"use": "aggregate"}]})
    ranged.wait(lambda j: j["input"]["received"] > 0, what="the source is at work")
    api.close()
    server.kill()
    return server, [done, half, ranged]


def take_up(server, data, number):
    """Starts on a copy of the data with the n-th allocation failing; false when it refuses."""
    shutil.rmtree(server.data)
    shutil.copytree(data, server.data)
    server.env["LEAT_FAULT_ALLOC"] = str(number)
    server.spawn()
    found = server.log.wait(r"event=listening\b.*\bport=(\d+)", 20 * server.slow)
    if found is None:
        code = server.wait()
        ok(0 < code < 126 and not server.reports(), f"the start ended with {code}\n"
           f"{server.log.tail()}{server.report_text()}")
        ok(any("memory" in line for line in server.log.lines), "it does not say why")
        return False
    server.port = int(found.group(1))
    return True


def all_is_there(t, server, jobs):
    """What was left is finished as if nothing had been."""
    client = Stubborn(Api(server), 20 * t.slow)
    for job in jobs:
        job.api = client.api
    done, half, ranged = jobs
    expected = model.run(LEFT, VALUES)
    same_multiset(client.read(done, "results"), expected.values)
    reply = client.until_answered("the offset", lambda: client.api.get(
        f"{half.path}/items", {"key": "k"}), {200})
    eq(reply.json()["next_offset"], 30, "next_offset after the start")
    client.until_answered("resume", lambda: half.act("resume"), {200})
    reply = client.until_answered("the rest", lambda: half.upload(
        ndjson(VALUES), {"close": "true"}, {"Idempotency-Key": "k"}), {200})
    eq(reply.json()["next_offset"], 40, "next_offset of the whole")
    client.done(half)
    same_list(client.read(half, "results"), expected.values)
    report = client.done(ranged)["report"]
    eq(report["count"], 50, f"count in {report}")
    client.api.close()


@timeout(600)
def test_memory_of_a_start_on_what_was_left(t):
    need_faults(t)
    server, jobs = leave(t)
    kept = os.path.join(server.folder, "kept")
    shutil.copytree(server.data, kept)
    refused, tally = [], Tally(numbers_to_try(t, 1, 2000, 40 if t.quick else 240))

    def one(number):
        if not take_up(server, kept, number):
            refused.append(number)
            return
        try:
            all_is_there(t, server, jobs)
            server.stop()
        finally:
            server.kill()
    tally.each(one)
    t.note(f"{len(tally.tried)} numbers, {len(refused)} starts refused")
    tally.end()
