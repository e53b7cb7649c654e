"""The stage jq in a server: what programs cannot do to it, and what becomes of its processes."""

from support.leat import *


def jq(program, **params):
    return {"use": "jq", "params": {"program": program, **params}}


def helpers(server):
    """The processes of jq that are children of this server and live."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == server.pid and name == "leat-jq" and state != "Z":
            found.append(int(pid))
    return found


def test_a_mistake_is_one_of_the_definition(t):
    for program, words in ((".a +", "syntax error"), ("nosuch", "nosuch/0 is not defined"),
                           ("$x", "$x is not defined"), ('import "m" as m; .', "module not found: m"),
                           ("", None)):
        reply = t.api.post("/v1/jobs", {"stages": [{"use": "pass"}, jq(program)]})
        if words is None:  # jq 1.6 takes it for ".", jq 1.7 wants to be told
            ok(reply.status in (201, 422), f"an empty program: {reply.status}")
            continue
        body = problem(reply, 422, "definition-invalid")
        has_pointers(body, ["/stages/1/params/program"])
        ok(words in body["errors"][0]["detail"], f"{program}: {body['errors']}")
        status(t.api.post("/v1/jobs:validate", {"stages": [jq(program)]}), 422)


def test_many_items_by_many_workers_are_what_jq_makes_of_them(t):
    job = t.job([{**jq("select(.n % 3 != 0) | .n, {n: (.n * 2)}"), "workers": 4}], order="input")
    job.send([{"n": n} for n in range(5000)], close=True)
    done = job.wait_done()
    eq(job.results(), [v for n in range(5000) if n % 3 for v in (n, {"n": 2 * n})], "results")
    eq((done["counts"]["filtered"], done["counts"]["failed"]), (1667, 0), "counts")


def spoil(t, program, params, culprits):
    """Of 600 items, batches of which are under way when a helper dies, only the culprits fail."""
    job = t.job([{**jq(program, **params), "workers": 2}])
    job.send(list(range(600)), close=True)
    job.wait_done(timeout=60)
    same_multiset(job.results(), [n for n in range(600) if n not in culprits])
    failed = {failure["item"]: failure["error"] for failure in job.failures()}
    eq(sorted(failed), sorted(culprits), "who failed")
    ok(all(failure["kind"] == "permanent" for failure in job.failures()), "kinds")
    for item, words in culprits.items():
        ok(words in failed[item], f"item {item}: {failed[item]}")


@timeout(120)
def test_what_kills_a_helper_costs_only_its_own_item(t):
    spoil(t, "if . == 10 then def f: f; f else . end", {"time_ms": 300}, {10: "time_ms"})
    spoil(t, "if . == 300 then [range(1e12)] elif . == 301 then tostring[0:1] * 1e9 elif . == 302 then error(\"no\")"
             " else . end", {"time_ms": 60000, "memory_mb": 16},
          {300: "memory_mb", 301: "memory_mb", 302: "no"})
    spoil(t, "if . == 599 then reduce range(400000) as $i (0; [.]) else . end",
          {"time_ms": 60000, "memory_mb": 256}, {599: "crashes jq"})


@timeout(120)
def test_a_helper_that_somebody_kills_is_replaced(t):
    server = t.server()
    job = t.job([{**jq("[range(300)] | add | $x, .", args={"x": 1}),
                  "retry": {"attempts": 20, "backoff_ms": 1}}], api=t.client(server))
    for _ in range(3):
        job.send([0] * 700)
        for pid in until(lambda: helpers(server), 20 * t.slow, "there is a helper"):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    job.must("close")
    done = job.wait_done(timeout=60)
    eq((done["counts"]["succeeded"], done["counts"]["results"]), (2100, 4200), "counts")


@timeout(120)
def test_cancel_ends_an_endless_program_and_no_process_is_left(t):
    server = t.server()
    job = t.job([{**jq("def f: f; f", time_ms=3600000), "workers": 3}], api=t.client(server))
    job.send([1, 2, 3])
    until(lambda: len(helpers(server)) >= 1 and job.get()["counts"]["running"] > 0, 20 * t.slow, "it runs")
    job.must("cancel")
    job.wait_done("cancelled")
    until(lambda: not helpers(server), 20 * t.slow, "its helpers are gone")
    status(t.client(server).get("/livez"), 200)


@timeout(120)
def test_an_endless_program_ends_soon_after_its_server(t):
    """The limit is the kernel's: it holds also when nobody is left to keep it."""
    server = t.server()
    job = t.job([jq("def f: f; f", time_ms=500)], api=t.client(server))
    job.send([1])
    pids = until(lambda: helpers(server), 20 * t.slow, "there is a helper")
    server.kill()
    until(lambda: not any(alive(pid) for pid in pids), 60 * t.slow, "it has ended")


def alive(pid):
    """A process that nobody waits for may stay as a zombie: that is dead enough."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            name, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
    except OSError:
        return False
    return name == "leat-jq" and rest.split()[0] != "Z"


def test_a_helper_sees_nothing_of_the_server(t):
    server = t.server(env={"SECRET_OF_THE_SERVER": "hush"})
    api = t.client(server)
    job = t.job([jq("[env, $ENV, env.SECRET_OF_THE_SERVER, get_search_list]")], api=api)
    job.send([1])
    pid = until(lambda: helpers(server), 20 * t.slow, "there is a helper")[0]
    with open(f"/proc/{pid}/environ", "rb") as environ:
        eq(environ.read(), b"", "its environment")
    fds = {os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd")}
    eq(fds, {"socket", "/dev/null"}, "what it has open")
    with open(f"/proc/{pid}/limits", encoding="utf-8") as limits:
        ok(any(line.startswith("Max open files") and line.split()[3:5] == ["1", "1"] for line in limits),
           "it may open nothing")
    job.must("close")
    job.wait_done()
    eq(job.results()[0][:3], [{}, {}, None], "results")
