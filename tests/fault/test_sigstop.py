"""SIGSTOP: a server that stood goes on as if no time had passed. Nobody was slow meanwhile."""

import sys

from support.leat import *
from support.metrics import scrape

# A second of a stop counts; the rest is what a busy machine has to go on in time.
SLOW = {"header-ms": 5000, "min-rate": 3000, "slow-ms": 5000, "idle-timeout": 5000,
        "discard-ms": 3000}


def is_asleep(server):
    """None of its threads runs. One that was stopped in the middle of its turn through the
    connections would look at their clocks before it could know that it had been."""
    for name in os.listdir(f"/proc/{server.pid}/task"):
        with open(f"/proc/{server.pid}/task/{name}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] != "S":
                return False
    return True


def stop_for(server, seconds, meanwhile=()):
    """Stops the server, does what clients do meanwhile, lets so much time pass, lets it go on."""
    server.signal(signal.SIGSTOP)
    try:
        until(lambda: proc.status(server.pid)["State"].startswith("T"), 10, "it is stopped")
        ends = time.monotonic() + seconds
        for deed in meanwhile:
            deed()
        time.sleep(max(0, ends - time.monotonic()))
    finally:
        server.signal(signal.SIGCONT)


class HalfHead:
    """A head of which the second half comes while the server stands."""

    def __init__(self, api):
        self.client = api.connect()
        self.client.method = "GET"
        self.client._asked.append(None)
        self.client.send(b"GET /livez HTTP/1.1\r\nHost: local")

    def meanwhile(self):
        self.client.send(b"host\r\n\r\n")

    def check(self, t):
        status(self.client.read_response(timeout=20 * t.slow), 200)


class HalfBody:
    """An upload of which the second half comes while the server stands; or none of it does."""

    def __init__(self, api, late=False):
        self.job = api.create({"stages": [{"use": "pass"}]})
        self.late = late
        self.values = numbers(3000)
        body = ndjson(self.values)
        self.rest = body[len(body) // 2:]
        self.client = api.connect()
        self.client.send_head("POST", f"{self.job.path}/items?close=true", {
            "Content-Type": NDJSON, "Content-Length": str(len(body))})
        self.client.send(body[:len(body) // 2])

    def meanwhile(self):
        if not self.late:
            self.client.send(self.rest)

    def check(self, t):
        if self.late:
            self.client.send(self.rest)
        reply = status(self.client.read_response(timeout=20 * t.slow), 200).json()
        eq((reply["accepted"], reply["duplicates"]), (3000, 0), "accepted and duplicates")
        self.job.wait_done()
        same_multiset(self.job.results(), self.values)


class Kept:
    """A connection that was idle, and asks again while the server stands."""

    def __init__(self, api):
        self.client = api.connect()
        status(self.client.request("GET", "/livez"), 200)

    def meanwhile(self):
        self.client.send_head("GET", "/livez", {})

    def check(self, t):
        status(self.client.read_response(timeout=20 * t.slow), 200)


class Newcomer(Kept):
    """Who connects and asks while the server stands."""

    def __init__(self, api):
        self.api = api

    def meanwhile(self):
        self.client = self.api.connect()
        super().meanwhile()


class Followers:
    """Who follows results, by lines and by events, and who waits for a change."""

    def __init__(self, api):
        self.api = api
        self.job = api.create({"stages": [{"use": "pass"}]})
        self.job.send(numbers(5))
        self.job.wait(lambda j: j["counts"]["results"] == 5)
        self.lines, self.events = self.job.follow(), self.job.events()
        self.waiter = api.connect()
        version = self.job.get()["version"]
        self.waiter.send_head("GET", f"{self.job.path}?wait_ms=2000&version={version + 1000}", {})

    def meanwhile(self):
        pass

    def check(self, t):
        self.job.send(numbers(5), close=True)
        eq([json.loads(line) for line in self.lines], 2 * numbers(5), "lines")
        heard = []
        for event in self.events:
            if event.event == "end":
                break
            heard += [event.json()] if event.event in ("result", None) else []
        eq(len(heard), 10, f"events of results {heard}")
        status(self.waiter.read_response(timeout=20 * t.slow), 200)


class SlowReader:
    """Who was reading a reply, and could not while there was nothing."""

    def __init__(self, api):
        self.job = api.create({"stages": [{"use": "pass"}]})
        self.values = ["x" * 1000 + str(n) for n in range(8000)]
        self.job.send(self.values, close=True)
        self.job.wait_done()
        self.client = api.connect(receive_buffer=4096)
        self.client.send_head("GET", f"{self.job.path}/results", {})
        self.client.read_head()

    def meanwhile(self):
        pass

    def check(self, t):
        read = b""
        while piece := self.client.read_piece():
            read += piece
        eq(read.count(b"\n"), 8000, "lines of the reply")


# The last has the least time.
CLIENTS = [Followers, SlowReader, Newcomer, Kept, HalfBody, lambda api: HalfBody(api, late=True),
           HalfHead]


def clients_go_on(t, seconds):
    server = t.server(SLOW)
    api = t.client(server)
    clients = [kind(api) for kind in CLIENTS]
    until(lambda: all(is_asleep(server) for _ in range(20)), 20 * t.slow, "it waits for clients")
    stop_for(server, seconds, [client.meanwhile for client in clients])
    for client in reversed(clients):
        api.close()  # it may have been idle for too long while another was looked at
        client.check(t)
    api.close()
    m = scrape(api)
    eq([m("leat_http_too_slow_total", **{"in": what}) for what in ("head", "body", "reply")],
       [0, 0, 0], "cut for slowness")


@timeout(90)
def test_clients_of_a_server_that_stood_are_not_called_slow(t):
    clients_go_on(t, 7)


@slow
@timeout(300)
def test_clients_of_a_server_that_stood_for_a_minute_are_not_called_slow(t):
    clients_go_on(t, 60)


@slow
@timeout(60)
def test_who_is_slow_is_still_cut_after_the_server_stood(t):
    server = t.server({**SLOW, "idle-timeout": 20000, "discard-ms": 20000})
    api = t.client(server)
    head, body = HalfHead(api), HalfBody(api)
    stop_for(server, 6)
    problem(head.client.read_response(timeout=20 * t.slow), 408, "too-slow")
    problem(body.client.read_response(timeout=20 * t.slow), 408, "too-slow")


# ---- work ----

SLOW_PROGRAM = """
import json, sys, time
for line in iter(sys.stdin.readline, ""):
    time.sleep(0.7)
    sys.stdout.write(line)
    sys.stdout.flush()
"""


def with_a_program(t):
    folder = t.folder()
    with open(os.path.join(folder, "slow.py"), "w", encoding="utf-8") as file:
        file.write(SLOW_PROGRAM)
    stages_d = os.path.join(folder, "stages.d")
    os.mkdir(stages_d)
    with open(os.path.join(stages_d, "slow.json"), "w", encoding="utf-8") as file:
        json.dump({"argv": [sys.executable, "-S", os.path.join(folder, "slow.py")],
                   "protocol": "plain"}, file)
    return {"stages-d": stages_d}


def work_goes_on(t, seconds):
    """Each item takes 0.7 s and may take 4: nothing is left of that if the stop is counted."""
    t.need_modules()
    server = t.server(with_a_program(t))
    api = t.client(server)
    limits = {"timeout_ms": int(4000 * t.slow), "retry": {"attempts": 1}, "workers": 2}
    stages = [{"use": "slow"}, {"use": "deaf", "params": {"ms": 700}},
              {"use": "deaf", "params": {"ms": 700}, "isolation": "process"},
              {"use": "sleep", "params": {"ms": 700}}]
    jobs = [api.create({"stages": [{**stage, **limits}]}) for stage in stages]
    for job in jobs:
        job.send(numbers(2), close=True)
    for job in jobs:
        job.wait(lambda j: j["counts"]["running"] > 0, what="items are in hand")
    stop_for(server, seconds)
    for job in jobs:
        end = job.wait_done()
        eq(job.failures(), [], "failures")
        eq(end["counts"]["retries"], 0, "tries again")
        same_multiset(job.results(), numbers(2))
    ok(server.log.wait(r"event=stood ms=\d+", 10), "the log says that it stood")


@timeout(120)
def test_no_item_is_late_because_the_server_stood(t):
    work_goes_on(t, 5 * t.slow)


@slow
@timeout(300)
def test_no_item_is_late_because_the_server_stood_for_a_minute(t):
    work_goes_on(t, 60)


@slow
@timeout(180)
def test_stops_at_random_moments_lose_and_double_nothing(t):
    """Under load: uploads that go on by their key, followers, rates, all kinds of stages."""
    server = t.server({"isolated-timeout": 1000})
    api = t.client(server)
    job = api.create({"stages": [
        {"use": "sleep", "params": {"ms": 1}, "workers": 16, "timeout_ms": 1000},
        {"use": "pass", "workers": 2, "isolation": "process"}]})
    follower = job.follow()
    values, heard = numbers(12000), []
    reader = threading.Thread(
        target=lambda: heard.extend(json.loads(line) for line in follower), daemon=True)
    reader.start()
    for at in range(0, 12000, 1000):
        sender = threading.Thread(
            target=lambda: t.client(server).post(
                f"{job.path}/items", ndjson(values[at:at + 1000]),
                {"Content-Type": NDJSON, "Idempotency-Key": f"k{at}"}), daemon=True)
        sender.start()
        time.sleep(t.random.uniform(0, 0.05))  # some moment of it
        stop_for(server, t.random.uniform(0.5, 3))
        sender.join(60)
    job.must("close")
    job.wait_done(timeout=120)
    same_multiset(job.results(), values)
    reader.join(60)
    same_multiset(heard, values)
