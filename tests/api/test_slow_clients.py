"""Clients that are slow, or say nothing, are ended in words and hold up nobody."""

import contextlib
import select

from bounds import *

DRIBBLERS = 500


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
