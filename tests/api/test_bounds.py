"""Every bound on what clients may do is reached, refused in words, and recovered from."""

import contextlib
import hmac
import re
import select
import shutil
import tempfile

from support.leat import *
from support.metrics import Metrics

DRIBBLERS = 500


def own(t, **options):
    return t.client(t.server({name.replace("_", "-"): value for name, value in options.items()}))


def scrape(api):
    return Metrics(api.get("/metrics").body.decode())


def counted(t, api, name, least=1, **labels):
    """Waits for a metric to have come that far."""
    return until(lambda: (n := scrape(api)(name, **labels)) >= least and n, 30 * t.slow,
                 f"{name} {labels} reaches {least}", 0.1)


def busy(reply, key):
    body = problem(reply, 503, "too-busy")
    ok(key in body["detail"], f"the detail does not name {key}: {body['detail']}")
    ok(int(reply.headers["retry-after"]) >= 1, "Retry-After")
    return body


def ends(connection, timeout):
    """The bytes that still come until the server closes; a reset is an end, too."""
    connection.socket.settimeout(timeout)
    rest = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while data := connection.socket.recv(1 << 16):
            rest += data
    return rest


# -- slowloris ---------------------------------------------------------------------------------

class Dribblers:
    """Many connections that send a head, each a byte now and then, and never end it."""

    def __init__(self, api, count):
        self.all = [api.connect() for _ in range(count)]
        self.left = {connection.socket.fileno(): connection for connection in self.all}
        self.heard = []
        for connection in self.all:
            connection.send(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")

    def dribble(self):
        """A byte on each that is still open; those that were closed are put aside."""
        readable, _, _ = select.select(list(self.left), [], [], 0)
        for fd in readable:
            self.heard.append(ends(self.left.pop(fd), 5))
        for connection in self.left.values():
            with contextlib.suppress(OSError):
                connection.socket.send(b"a")

    def close(self):
        for connection in self.all:
            connection.close()


@timeout(120)
def test_slow_heads_are_ended_while_others_are_served(t):
    api = own(t, header_ms="3s")
    slow_ones = Dribblers(api, DRIBBLERS)
    t.cleanup.append(slow_ones.close)
    served = 0
    for _ in until_all_gone(t, slow_ones):
        job = api.create({"stages": [{"use": "pass"}]})
        job.send(numbers(50), close=True)
        job.wait_done()
        eq(len(job.results()), 50, "results of somebody else")
        served += 1
    t.note(f"{served} jobs were served meanwhile")
    ok(served > 0, "nobody was served")
    for rest in slow_ones.heard:
        ok(rest.startswith(b"HTTP/1.1 408 ") and b"/problems/too-slow" in rest, f"heard {rest!r}")
    ok(counted(t, api, "leat_http_too_slow_total", DRIBBLERS, **{"in": "head"}) == DRIBBLERS, "counted")
    counted_down(t, api, 1)


def until_all_gone(t, slow_ones):
    deadline = time.monotonic() + 60 * t.slow
    while slow_ones.left:
        ok(time.monotonic() < deadline, f"{len(slow_ones.left)} of them are still there")
        slow_ones.dribble()
        yield


def counted_down(t, api, to):
    until(lambda: scrape(api)("leat_http_connections") <= to, 20 * t.slow, "they are gone", 0.1)


def test_who_says_nothing_is_closed_without_a_word(t):
    api = own(t, header_ms="1s")
    with api.connect() as mute:
        eq(ends(mute, 20 * t.slow), b"", "said to somebody who said nothing")
    eq(scrape(api)("leat_http_too_slow_total", **{"in": "head"}), 0, "slow heads")


def test_an_idle_connection_has_its_time_and_dribbling_adds_none(t):
    api = own(t, header_ms="1s", idle_timeout="2s")
    with api.connect() as connection:
        status(connection.request("GET", "/livez"), 200)
        connection.send(b"GET /livez HTTP/1.1\r\nX-Slow: ")
        deadline = time.monotonic() + 30 * t.slow
        while not select.select([connection.socket], [], [], 0.3)[0]:
            ok(time.monotonic() < deadline, "it dribbles for ever")
            connection.socket.send(b"a")
        ok(ends(connection, 5).startswith(b"HTTP/1.1 408 "), "it hears why")


# -- bodies ------------------------------------------------------------------------------------

def dribble_until_told(t, connection, piece=b"1"):
    deadline = time.monotonic() + 40 * t.slow
    while not select.select([connection.socket], [], [], 0.25)[0]:
        ok(time.monotonic() < deadline, "a slow body goes on for ever")
        with contextlib.suppress(OSError):
            connection.send_chunk(piece)
    return connection.read_response()


def test_a_document_that_dribbles_in_is_too_slow(t):
    api = own(t, slow_ms="2s", min_rate=1000)
    with api.connect() as connection:
        connection.send_head("POST", "/v1/jobs", {"Transfer-Encoding": "chunked",
                                                  "Content-Type": JSON})
        connection.send_chunk(b'{"stages":[')
        body = problem(dribble_until_told(t, connection, b" "), 408, "too-slow")
        ok("min-rate" in body["detail"] and "slow-ms" in body["detail"], body["detail"])
    eq(counted(t, api, "leat_http_too_slow_total", **{"in": "body"}), 1)
    eq(api.jobs()["items"], [], "jobs")


def test_an_item_that_dribbles_in_is_too_slow_and_what_was_whole_is_kept(t):
    api = own(t, slow_ms="2s", min_rate=1000)
    job = api.create({"stages": [{"use": "pass"}]})
    for method, target in (("POST", f"{job.path}/items"), ("POST", "/v1/run?stages=pass")):
        with api.connect() as connection:
            connection.send_head(method, target, {"Transfer-Encoding": "chunked",
                                                  "Content-Type": NDJSON})
            connection.send_chunk(b"1\n2\n3")
            body = problem(dribble_until_told(t, connection), 408, "too-slow")
            if "accepted" in body:
                eq((body["accepted"], body["next_offset"]), (2, 2), "taken before")
    eq(counted(t, api, "leat_http_too_slow_total", 2, **{"in": "body"}), 2)
    job.send([3], close=True)
    job.wait_done()
    eq(job.results(), [1, 2, 3], "results")


def test_a_body_that_stops_altogether_is_too_slow(t):
    api = own(t, slow_ms="1s")
    with api.connect() as connection:
        connection.send_head("POST", "/v1/jobs", {"Content-Length": "100", "Content-Type": JSON})
        connection.send(b"{")
        problem(connection.read_response(timeout=30 * t.slow), 408, "too-slow")


def test_pauses_between_items_are_not_slow(t):
    """A live source has nothing to send for a while; that is not its fault."""
    api = own(t, slow_ms="1s", min_rate="1MiB")
    job = api.create({"stages": [{"use": "pass"}]})
    with api.connect() as connection:
        connection.send_head("POST", f"{job.path}/items?close=true",
                             {"Transfer-Encoding": "chunked", "Content-Type": NDJSON})
        for n in range(3):
            connection.send_chunk(b"%d\n" % n)
            time.sleep(1.3)  # the pause that is meant
        connection.end_chunks()
        status(connection.read_response(), 200)
    job.wait_done()
    eq(job.results(), [0, 1, 2], "results")


def test_an_uploader_held_back_by_us_is_not_slow(t):
    api = own(t, slow_ms="1s", min_rate="1MiB")
    job = api.create({"stages": [{"use": "pass"}], "backlog": {"bytes": 65536}})
    job.must("pause")
    body = ndjson(texts(3000))
    with api.connect() as connection:
        connection.send_head("POST", f"{job.path}/items?close=true",
                             {"Content-Type": NDJSON, "Content-Length": str(len(body))})
        sender = threading.Thread(target=connection.send, args=(body, 60 * t.slow))
        sender.start()
        until(lambda: scrape(api)("leat_ingest_waiting") == 1, 20 * t.slow, "it is held back")
        time.sleep(3)  # longer than slow-ms
        eq(scrape(api)("leat_ingest_waiting"), 1, "held back")
        job.must("resume")
        sender.join()
        status(connection.read_response(), 200)
    job.wait_done()
    eq(job.get()["counts"]["succeeded"], 3000, "items")


# -- replies -----------------------------------------------------------------------------------

def long_job(t, api):
    """40 MiB of results: more than sockets take."""
    job = api.create({"stages": [{"use": "pass"}]})
    line = json.dumps("x" * 100000).encode() + b"\n"
    job.send(line * 400, close=True)
    job.wait_done(timeout=60 * t.slow)
    return job


@timeout(90)
def test_who_never_reads_is_cut_and_who_reads_is_not(t):
    api = own(t, slow_ms="2s", min_rate="1KiB")
    job = long_job(t, api)
    stuck = [api.connect(receive_buffer=4096) for _ in range(5)]
    for connection in stuck:
        connection.send_head("GET", f"{job.path}/results")
    counted(t, api, "leat_http_too_slow_total", 5, **{"in": "reply"})
    for connection in stuck:
        ok(len(ends(connection, 20 * t.slow)) < 40 << 20, "a whole reply came through")
        connection.close()
    eq(len(api.get(f"{job.path}/results").lines()), 400, "results of who reads")
    eq(scrape(api)("leat_http_too_slow_total", **{"in": "reply"}), 5, "slow readers")


def test_a_follower_with_nothing_to_read_is_not_slow(t):
    api = own(t, slow_ms="1s", min_rate="1MiB")
    job = api.create({"stages": [{"use": "pass"}]})
    stream, events = job.follow(), api.stream(f"{job.path}/events", {}, None, Events)
    eq(events.next(10 * t.slow).event, "state")
    time.sleep(3.5)  # longer than slow-ms
    job.send([1])
    eq(stream.readline(10 * t.slow), b"1", "the result")
    ok(events.next(10 * t.slow) is not None, "an event")
    eq(scrape(api)("leat_http_too_slow_total", **{"in": "reply"}), 0, "slow readers")
    stream.close()
    events.close()


# -- connections -------------------------------------------------------------------------------

def test_connections_over_the_bound_of_an_address_are_told_so(t):
    api = own(t, connections_per_address=10)
    status(api.get("/livez"), 200)  # one of them is ours
    held = [api.connect() for _ in range(9)]
    for connection in held:
        status(connection.request("GET", "/livez"), 200)
    with api.connect() as one_more:
        reply = one_more.request("POST", "/v1/jobs", b'{"stages":[{"use":"pass"}]}',
                                 {"Content-Type": JSON})
        busy(reply, "connections-per-address")
        eq(reply.headers["connection"].lower(), "close", "Connection")
        eq(ends(one_more, 10 * t.slow), b"", "behind the reply")
    m = scrape(api)
    eq((m("leat_http_connections_refused_total", bound="connections-per-address"),
        m("leat_http_connections_per_address"), m("leat_http_connections_per_address_max")),
       (1, 10, 10), "as metrics")
    eq(api.jobs()["items"], [], "jobs made by who was refused")
    held.pop().close()
    until(lambda: scrape(api)("leat_http_connections") == 9, 10 * t.slow, "one is gone")
    with api.connect() as welcome:
        status(welcome.request("GET", "/livez"), 200)
    for connection in held:
        connection.close()


def test_connections_over_the_bound_are_told_so(t):
    api = own(t, connections_max=8)
    status(api.get("/livez"), 200)
    held = [api.connect() for _ in range(7)]
    for connection in held:
        status(connection.request("GET", "/livez"), 200)
    for _ in range(3):
        with api.connect() as one_more:
            busy(one_more.request("GET", "/livez"), "connections-max")
    eq(scrape(api)("leat_http_connections_refused_total", bound="connections-max"), 3)
    for connection in held:
        connection.close()
    until(lambda: scrape(api)("leat_http_connections") == 1, 10 * t.slow, "they are gone")
    with api.connect() as welcome:
        status(welcome.request("GET", "/livez"), 200)


@timeout(60)
def test_a_flood_of_connections_is_answered_or_cut(t):
    """Refused connections that ask nothing make no heap: some wait for a short while, and the
    others are closed at once."""
    api = own(t, connections_per_address=20)
    status(api.get("/livez"), 200)
    flood = [api.connect() for _ in range(300)]
    m = until(lambda: (m := scrape(api))("leat_http_connections_refused_total",
              bound="connections-per-address") == 281 and m, 20 * t.slow, "all are counted", 0.1)
    eq(m("leat_http_connections_cut_total"), 281 - 64, "closed at once")
    until(lambda: scrape(api)("leat_http_connections") <= 20, 20 * t.slow, "the rest are closed", 0.1)
    for connection in flood:
        connection.close()
    counted_down(t, api, 1)
    with api.connect() as welcome:
        status(welcome.request("GET", "/livez"), 200)


# -- requests a second -------------------------------------------------------------------------

class Token:
    """A line of a tokens file, and the token itself."""

    def __init__(self, name, *scopes):
        self.name, self.scopes = name, scopes
        self.id = os.urandom(6).hex()
        self.text = f"leat_{self.id}_" + os.urandom(32).hex()[:43]
        self.headers = {"Authorization": f"Bearer {self.text}"}

    def line(self):
        salt = os.urandom(16)
        digest = hmac.new(salt, self.text.encode(), "sha256").hexdigest()
        return json.dumps({"name": self.name, "id": self.id, "salt": salt.hex(), "hash": digest,
                           "scopes": self.scopes}) + "\n"


def with_tokens(t, *tokens, **options):
    path = os.path.join(tempfile.mkdtemp(prefix="leat-tokens-"), "tokens")
    t.cleanup.append(lambda: shutil.rmtree(os.path.dirname(path)))
    with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.writelines(token.line() for token in tokens)
    return own(t, tokens=path, **options)


def limits(reply):
    """What RateLimit says: who, how many are left, in how many seconds all are back."""
    found = re.fullmatch(r'"(\w+)";r=(\d+);t=(\d+)', reply.headers["ratelimit"])
    return found[1], int(found[2]), int(found[3])


def use_up(api, headers=None):
    """Asks until it is refused; the number of answers before, and the refusal."""
    for n in range(1000):
        reply = api.get("/v1/stages", headers=headers)
        if reply.status == 429:
            return n, reply
        status(reply, 200)
    raise AssertionError("no limit is ever reached")


def too_often(reply, per):
    body = problem(reply, 429, "rate-limited")
    ok(f"rate-per-{per}" in body["detail"], body["detail"])
    within(int(reply.headers["retry-after"]), 1, 10, "Retry-After")
    eq(limits(reply)[:2], (per, 0), "RateLimit")


def test_requests_of_an_address_are_counted(t):
    api = own(t, rate_per_address=2)
    first = api.get("/v1/stages")
    eq(first.headers["ratelimit-policy"], '"address";q=20;w=10', "RateLimit-Policy")
    eq(limits(first), ("address", 19, 1), "RateLimit")
    answered, refusal = use_up(api)
    within(answered, 19, 60, "requests before it was refused")
    too_often(refusal, "address")
    for path in ("/livez", "/readyz", "/"):
        ok("ratelimit" not in api.get(path).headers, f"{path} is counted")
    until(lambda: api.get("/v1/stages").status == 200, 20 * t.slow, "one is back", 0.2)
    m = until(lambda: (r := api.get("/metrics")).status == 200 and Metrics(r.body.decode()),
              20 * t.slow, "the metrics", 0.6)
    ok(m("leat_http_rate_limited_total", per="address") >= 1, "counted")
    eq((m("leat_http_rate_max", per="address"), m("leat_http_rate_max", per="token"),
        m("leat_http_rate_buckets", per="address")), (2, 0, 1), "as metrics")


def test_requests_of_a_token_are_counted_apart(t):
    one, other = Token("one", "read"), Token("other", "read")
    api = with_tokens(t, one, other, rate_per_token=1, rate_per_address=3)
    answered, refusal = use_up(api, one.headers)
    within(answered, 10, 40, "requests before it was refused")
    too_often(refusal, "token")
    status(api.get("/v1/stages", headers=other.headers), 200)
    for _ in range(29):  # guesses are counted by where they come from
        reply = api.get("/v1/stages", headers={"Authorization": "Bearer leat_wrong"})
        ok(reply.status in (401, 429), reply)
    until(lambda: api.get("/v1/stages").status == 429, 10 * t.slow, "guesses are refused", 0)
    status(api.get("/v1/stages", headers=other.headers), 200)


def test_a_client_that_is_told_to_wait_waits(t):
    api = own(t, rate_per_address=3)
    use_up(api)
    done = subprocess.run([t.settings.program, "submit", "pass", "--server", f"http://127.0.0.1:{api.server.port}",
                           "--results"], input=b"1\n2\n", capture_output=True, timeout=60 * t.slow,
                          check=False)
    eq((done.returncode, done.stdout), (0, b"1\n2\n"), done.stderr.decode())
    m = until(lambda: (r := api.get("/metrics")).status == 200 and Metrics(r.body.decode()),
              20 * t.slow, "the metrics", 0.6)
    ok(m("leat_http_rate_limited_total", per="address") >= 2, "it was never told to wait")


# -- followers ---------------------------------------------------------------------------------

def test_streams_of_events_are_bounded(t):
    api = own(t, sse_max=3)
    job = api.create({"stages": [{"use": "pass"}]})
    paths = ["/v1/events", f"{job.path}/events", f"{job.path}/results"]
    streams = [api.stream(path, {}, None, Events) for path in paths]
    for path in paths:
        busy(api.get(path, headers={"Accept": "text/event-stream"}), "sse-max")
    m = scrape(api)
    eq([m(f"leat_http_followers{what}", of="events") for what in ("", "_max", "_refused_total")],
       [3, 3, 3], "as metrics")
    streams.pop().close()
    until(lambda: scrape(api)("leat_http_followers", of="events") == 2, 20 * t.slow, "one is gone", 0.1)
    streams.append(api.stream("/v1/events", {}, None, Events))
    job.must("cancel")
    for stream in streams:
        stream.close()


def test_followers_of_results_and_those_who_wait_are_bounded(t):
    api = own(t, followers_max=2)
    job = api.create({"stages": [{"use": "pass"}]})
    streams = [job.follow(), job.follow("failures")]
    for path in (f"{job.path}/results?follow=true", f"{job.path}/failures?wait_ms=1000",
                 f"{job.path}?wait_ms=1000"):
        busy(api.get(path), "followers-max")
    status(api.get(f"{job.path}/results"), 200)
    eq(scrape(api)("leat_http_followers_refused_total", of="results"), 3)
    job.send([1], close=True)
    for stream in streams:
        list(stream)
        stream.close()
    until(lambda: scrape(api)("leat_http_followers", of="results") == 0, 20 * t.slow, "they are gone", 0.1)
    eq(list(job.follow()), [b"1"], "the results")


# -- jobs --------------------------------------------------------------------------------------

def test_jobs_of_a_token_are_bounded_also_over_a_restart(t):
    one, other = Token("one", "submit", "operate", "read"), Token("other", "submit")
    api = with_tokens(t, one, other, jobs_per_token=2)
    definition = {"stages": [{"use": "pass"}]}

    def create(token):
        return api.post("/v1/jobs", definition, headers=token.headers)

    first = create(one).json()["id"]
    status(create(one), 201)

    def refused():
        body = problem(create(one), 429, "too-many-jobs")
        ok("jobs-per-token" in body["detail"] and "'one'" in body["detail"], body["detail"])
        problem(api.post("/v1/run?stages=pass", b"1\n", {**one.headers, "Content-Type": NDJSON}),
                429, "too-many-jobs")

    refused()
    status(create(other), 201)
    api.close()
    api.server.stop()
    api.server.start()
    refused()
    status(api.post(f"/v1/jobs/{first}/cancel", headers=one.headers), 200)
    until(lambda: api.get(f"/v1/jobs/{first}", headers=one.headers).json()["done"], 20 * t.slow,
          "it is done")
    status(create(one), 201)


def test_workers_of_all_jobs_are_bounded(t):
    api = own(t, workers_max=10)
    job = api.create({"stages": [{"use": "pass", "workers": 4}, {"use": "pass", "name": "b"}]})
    busy(api.post("/v1/jobs", {"stages": [{"use": "pass", "workers": 6}]}), "workers-max")
    busy(api.request("PATCH", job.path, {"stages": {"b": {"workers": 7}}}), "workers-max")
    eq(job.get()["stages"][1]["workers"], 1, "workers of b")
    status(api.request("PATCH", job.path, {"stages": {"b": {"workers": 6}}}), 200)
    m = scrape(api)
    eq((m("leat_workers"), m("leat_workers_max")), (10, 10), "as metrics")
    busy(api.post("/v1/jobs", {"stages": [{"use": "pass"}]}), "workers-max")
    job.must("cancel")
    job.wait_done("cancelled")
    eq(scrape(api)("leat_workers"), 0, "workers")
    api.create({"stages": [{"use": "pass", "workers": 10}]}).must("cancel")


# -- memory ------------------------------------------------------------------------------------

MIB = 1 << 20
STUCK = {"use": "sleep", "params": {"ms": 600000}, "queue": {"items": 100000, "bytes": 256 * MIB}}


class Pushers:
    """Uploads of 4 MiB each, which go on as the server takes them."""

    def __init__(self, api, jobs, body):
        self.api, self.body = api, body
        self.left = {}
        for job in jobs:
            connection = api.connect()
            connection.send_head("POST", f"{job.path}/items?close=true",
                                 {"Content-Type": NDJSON, "Content-Length": str(len(body))})
            connection.socket.setblocking(False)
            self.left[connection] = 0

    def push(self):
        """As much as goes; true when something went."""
        _, writable, _ = select.select([], [c.socket for c in self.left], [], 0.2)
        writable = {s.fileno() for s in writable}
        went = False
        for connection in list(self.left):
            if connection.socket.fileno() not in writable:
                continue
            at = self.left[connection]
            sent = connection.socket.send(memoryview(self.body)[at:at + (1 << 18)])
            went |= sent > 0
            self.left[connection] = at + sent
            if at + sent == len(self.body):
                del self.left[connection]
                connection.close()
        return went

    def close(self):
        for connection in self.left:
            connection.close()


@timeout(120)
@alone
def test_200_jobs_with_stuck_stages_stay_within_memory_max(t):
    """Their queues could hold 50 GiB and are sent 800 MiB; what runs goes on, and when they are
    gone others are served as before."""
    limit = 96 * MIB
    api = own(t, memory_max=limit)
    proc.reset_peak(api.server.pid)
    line = json.dumps({"text": "x" * 1000}).encode() + b"\n"
    jobs = [api.create({"stages": [{"use": "pass", "queue": STUCK["queue"]}, STUCK]})
            for _ in range(200)]
    moving = api.create({"stages": [{"use": "sleep", "params": {"ms": 10}}]})
    moving.send(numbers(100))
    pushers = Pushers(api, jobs, line * 4096)
    t.cleanup.append(pushers.close)
    deadline, full = time.monotonic() + 60 * t.slow, 0
    while full < 5:
        ok(time.monotonic() < deadline, f"the bound is never reached: {pushers.left.values()}")
        full = 0 if pushers.push() else full + 1
        if not pushers.left:
            break
    m = scrape(api)
    peak = api.server.peak_rss_kib() << 10
    t.note(f"memory {m('leat_memory_bytes') / MIB:.0f} MiB counted, {peak / MIB:.0f} MiB resident at "
           f"most, of {limit / MIB:.0f}; {len(pushers.left)} uploads wait")
    eq(m("leat_memory_max_bytes"), limit, "the bound")
    if t.settings.sanitizer is None:
        ok(m("leat_memory_bytes") < limit + 32 * MIB, f"{m('leat_memory_bytes')} are in use")
        ok(peak < limit + 64 * MIB, f"{peak / MIB:.0f} MiB were resident")
    moving.must("close")
    moving.wait_done(timeout=30 * t.slow)
    pushers.close()
    for job in jobs:
        status(job.delete(), 204)
    until(lambda: scrape(api)("leat_memory_bytes") < limit / 2, 60 * t.slow, "memory is free again", 0.2)
    after = api.create({"stages": [{"use": "pass"}]})
    after.send(numbers(1000), close=True)
    after.wait_done()
    eq(len(after.results()), 1000, "results of a job after it")


def test_at_memory_max_uploads_wait_and_jobs_are_refused(t):
    """A budget that the bare server exceeds: nothing is admitted, all else is served."""
    api = own(t, memory_max="64KiB")
    busy(api.post("/v1/jobs", {"stages": [{"use": "pass"}]}), "memory-max")
    busy(api.post("/v1/run?stages=pass", b"1\n", {"Content-Type": NDJSON}), "memory-max")
    eq(api.jobs()["items"], [], "jobs")
    ok(scrape(api)("leat_memory_refused_total") >= 2, "counted")


# -- what a job may leave ----------------------------------------------------------------------

def stands(t, job, key):
    """Waits until the job says that it stands because of this bound."""
    found = job.wait(lambda j: j["stalled"] and key in json.dumps(j["stalled"]), what=f"it stands: {key}",
                     timeout=20 * t.slow)
    return found["counts"]


def test_results_of_a_job_are_bounded_and_none_are_lost(t):
    api = own(t, results_max="256KiB")
    job = api.create({"stages": [{"use": "sleep", "params": {"ms": 1}}]})
    items = [{"n": n, "text": "x" * 1000} for n in range(1000)]
    job.send(items)
    counts = stands(t, job, "results-max")
    within(counts["succeeded"], 250, 999, "results before it stood")
    eq(scrape(api)("leat_jobs_output_full"), 1, "as a metric")
    until(lambda: len(job.results()) == job.get()["counts"]["succeeded"], 20 * t.slow,
          "what was under way is there, and can be read", 0.1)
    ok(job.get()["counts"]["succeeded"] < 1000, "it never stood")
    other = api.create({"stages": [{"use": "pass"}]})
    other.send(numbers(10), close=True)
    other.wait_done()
    run = api.post("/v1/run?stages=pass", ndjson(items), {"Content-Type": NDJSON})
    eq(len(run.lines()), 1000, "results of a run, which keeps none")
    api.close()
    api.server.stop()
    api.server.options["results-max"] = "4MiB"
    api.server.start()
    job.must("close")
    job.wait_done(timeout=30 * t.slow)
    same_multiset(job.results(), items)


def test_failures_of_a_job_are_bounded_and_none_are_lost(t):
    api = own(t, failures_max=100)
    job = api.create({"stages": [{"use": "sleep", "params": {"ms": 1}},
                                 {"use": "fail", "params": {"every": 1}}]})
    job.send(numbers(20000), close=True)
    counts = stands(t, job, "failures-max")
    within(counts["failed"], 100, 19999, "failures before it stood")
    until(lambda: len(job.failures()) == job.get()["counts"]["failed"], 20 * t.slow,
          "what was under way is there, and can be read", 0.1)
    job.must("cancel")
    job.wait_done("cancelled")


def test_backlogs_of_all_jobs_are_bounded_together(t):
    api = own(t, backlog_total_max="1MiB")
    jobs = [api.create({"stages": [{"use": "pass"}]}) for _ in range(3)]
    for job in jobs:
        job.must("pause")
    body = ndjson([{"text": "x" * 1000} for _ in range(600)])
    taken = [job.upload(body, query={"on_full": "reject"}) for job in jobs]
    eq([reply.status for reply in taken], [200, 429, 429], "uploads")
    problem(taken[1], 429, "queue-full")
    within(sum(reply.json()["accepted"] for reply in taken), 900, 1300, "items taken")
    within(scrape(api)("leat_backlog_bytes"), MIB - 70000, MIB + 200000, "backlog")
    for job in jobs:
        job.must("resume")
    until(lambda: scrape(api)("leat_backlog_bytes") == 0, 20 * t.slow, "it is worked off", 0.1)
    until(lambda: jobs[2].upload(body, query={"on_full": "reject"}).status == 200, 20 * t.slow, "there is room", 0.2)
