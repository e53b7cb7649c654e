"""Bounded: what memory and disk may grow to."""

from support.leat import *

MIB = 1 << 20
ALLOWANCE = 64 * MIB
BLOCK = 64 << 10


class Memory:
    """How far the server's resident memory rises above where it was."""

    def __init__(self, server):
        self.server = server
        proc.reset_peak(server.pid)
        self.idle = server.rss_kib() * 1024

    def rise(self):
        return self.server.peak_rss_kib() * 1024 - self.idle

    def check(self, t, bound, what):
        rise = self.rise()
        t.note(f"{what}: peak {rise / MIB:.1f} MiB above idle ({self.idle / MIB:.1f} MiB)")
        if t.settings.sanitizer is None:
            ok(rise < bound, f"{what}: {rise / MIB:.1f} MiB above idle, allowed {bound / MIB:.0f}")


def warm(t, **options):
    """A server that has done a small job, so that idle is idle."""
    server = t.server(options)
    api = t.client(server)
    job = api.create({"stages": [{"use": "sleep", "params": {"ms": 0}}, {"use": "pass"}]})
    job.send(numbers(2000), close=True)
    job.wait_done()
    job.results()
    status(job.delete(), 204)
    return server, api


def block_of(count, size=200):
    """NDJSON lines of one size, as one block of bytes."""
    return b"".join(b'{"n":%d,"pad":"%s"}\n' % (10 ** 8 + n, b"x" * (size - 25)) for n in range(count))


def push(connection, job, blocks, timeout=2.0, **query):
    """Sends blocks until the server has stopped reading for `timeout`; answers bytes sent and
    whether it stopped."""
    connection.send_head("POST", target(f"{job.path}/items", query),
                         {"Transfer-Encoding": "chunked"})
    sent = 0
    try:
        for block in blocks:
            if not connection.send_chunk(block, timeout):
                return sent, False
            sent += len(block)
    except TimeoutError:
        return sent, True
    return sent, False


@timeout(180)
def test_two_million_items_into_a_slow_stage(t):
    server, api = warm(t)
    memory = Memory(server)
    threads = server.threads()
    job = api.create({"stages": [{"use": "sleep", "params": {"ms": 10}, "workers": 8}]})
    block = block_of(10000)
    with api.connect() as connection:
        sent, stopped = push(connection, job, (block for _ in range(200)), 2.0 * t.slow)
        ok(stopped, f"the uploader was never stopped, {sent} bytes sent")
        now = job.get()
        bound = now["backlog"]["max_bytes"]
        eq(bound, 256 * MIB, "the default backlog")
        disk = server.disk_bytes()
        t.note(f"stopped after {sent / MIB:.0f} MiB, backlog {now['backlog']['bytes'] / MIB:.0f} "
               f"MiB, disk {disk / MIB:.0f} MiB")
        # the block that reaches the bound is still taken whole
        ok(now["backlog"]["bytes"] <= bound + BLOCK, f"backlog {now['backlog']}")
        ok(disk < bound * 1.1 + 8 * MIB, f"{disk / MIB:.0f} MiB on disk for a backlog of "
           f"{bound / MIB:.0f} MiB")
        served_meanwhile(t, api)
        status(api.get("/readyz"), 200)
        ok(job.get()["counts"]["succeeded"] > now["counts"]["succeeded"], "the job stands still")
        memory.check(t, ALLOWANCE, "2,000,000 items of 200 bytes")
        ok(server.threads() <= threads + 4, f"threads: {threads}, then {server.threads()}")
        started = time.monotonic()
        job.must("cancel")
        job.wait_done("cancelled")
        took = time.monotonic() - started
        t.note(f"cancelled in {took:.2f} s")
        ok(took < 1.0 * t.slow, f"cancel took {took:.2f} s")
    memory.check(t, ALLOWANCE, "with the cancel")


def served_meanwhile(t, api):
    """Other jobs go through at a good pace while one is full."""
    started = time.monotonic()
    other = api.create({"stages": [{"use": "pass", "workers": 2}]})
    other.send(numbers(5000), close=True)
    other.wait_done()
    same_multiset(other.results(), numbers(5000))
    took = time.monotonic() - started
    ok(took < 2 * t.slow, f"another job of 5,000 items took {took:.1f} s")
    t.note(f"another job of 5,000 items meanwhile: {took:.2f} s")


@timeout(120)
def test_freed_disk_is_used_again(t):
    """Ten times the same job, deleted each time: the file does not grow by its history."""
    server, api = warm(t)
    block, sizes = block_of(50000), []
    for _ in range(4 if t.quick else 10):
        job = api.create({"stages": [{"use": "pass"}]})
        job.send(block, close=True)
        job.wait_done()
        status(job.delete(), 204)
        until(lambda: api.get(job.path).status == 404, 10, "the job is gone")
        sizes.append(server.disk_bytes())
    t.note("MiB on disk after each: " + " ".join(f"{size / MIB:.0f}" for size in sizes))
    ok(sizes[-1] < 3 * 2 * len(block) + 16 * MIB, f"{sizes[-1] / MIB:.0f} MiB in the end")
    ok(sizes[-1] < 1.6 * sizes[1] + 8 * MIB, "the file grows with every job")


@timeout(120)
def test_results_that_nobody_reads(t):
    server, api = warm(t)
    memory = Memory(server)
    job = api.create({"stages": [{"use": "pass", "workers": 2}]})
    stuck = api.stream(f"{job.path}/results", {"follow": "true"}, receive_buffer=4096)
    block = block_of(10000)
    count = 25 if t.quick else 200
    reply = job.upload(iter([block] * count), {"close": "true"})
    eq(status(reply, 200).json()["accepted"], 10000 * count, "accepted")
    job.wait_done(timeout=60)
    memory.check(t, ALLOWANCE, f"{count * 10000} results, one reader that does not read")
    stuck.close()


@timeout(120)
def test_items_of_a_mebibyte(t):
    server, api = warm(t)
    memory = Memory(server)
    job = api.create({"stages": [{"use": "pass", "workers": 2},
                                 {"use": "sleep", "params": {"ms": 1}, "workers": 1000}]})
    stuck = api.stream(f"{job.path}/results", {"follow": "true"}, receive_buffer=4096)
    line = b'"' + b"x" * (MIB - 3) + b'"\n'
    count = 50 if t.quick else 300
    reply = job.upload(iter([line] * count), {"close": "true"}, timeout=60 * t.slow)
    eq(status(reply, 200).json()["accepted"], count, "accepted")
    job.wait_done(timeout=60)
    memory.check(t, ALLOWANCE, f"{count} items of 1 MiB, one reader that does not read")
    eq(sum(len(line) for line in job.raw_results(limit=20).splitlines()), 20 * (MIB - 1), "bytes")
    stuck.close()


@timeout(60)
def test_items_that_become_large(t):
    """A batch begins before it is known what becomes of its items; it ends when that is much."""
    t.need_modules()
    server, api = warm(t)
    memory = Memory(server)
    job = api.create({"stages": [{"use": "swell", "params": {"bytes": 8 * MIB}},
                                 {"use": "sleep", "params": {"ms": 10}, "workers": 4}]})
    job.send(numbers(64), close=True)
    job.wait_done()
    eq(job.get()["counts"]["results"], 64, "results")
    memory.check(t, 2 * ALLOWANCE, "64 items that become 8 MiB each")


@timeout(120)
def test_the_window_of_order_input_is_bounded(t):
    """One item that waits for its retry holds back all results behind it, not all of memory."""
    server, api = warm(t)
    memory = Memory(server)
    job = api.create({"order": "input", "backlog": {"bytes": 32 * MIB}, "stages": [
        {"use": "fail", "workers": 4, "params": {"every": 20000, "kind": "transient",
                                                 "until_attempt": 2},
         "retry": {"attempts": 2, "backoff_ms": 600000, "max_backoff_ms": 600000}}]})
    with api.connect() as connection:
        _, stopped = push(connection, job, (block_of(10000) for _ in range(60)), 2.0 * t.slow)
        ok(stopped, "120 MB went in behind a stuck item")
        memory.check(t, ALLOWANCE, "a stuck item and order input")
        started = time.monotonic()
        job.must("cancel")
        job.wait_done("cancelled")
        ok(time.monotonic() - started < 1.0 * t.slow, "cancel took more than a second")


@timeout(60)
def test_an_item_that_explodes_into_many(t):
    server, api = warm(t)
    memory = Memory(server)
    job = api.create({"stages": [{"use": "explode", "params": {"field": "a"}},
                                 {"use": "sleep", "params": {"ms": 1}, "workers": 64,
                                  "queue": {"items": 64}}]})
    many = b'{"a":[' + b",".join([b"7"] * 250000) + b"]}\n"
    job.send(many * 20)
    job.wait(lambda j: j["stages"][1]["in"] > 2000, what="work behind the explosion")
    memory.check(t, ALLOWANCE, "20 items that explode into 250,000 each")
    job.must("cancel")
    job.wait_done("cancelled", timeout=2)


@timeout(120)
def test_a_run_whose_reply_is_not_read(t):
    server, api = warm(t)
    memory = Memory(server)
    block, count = block_of(10000), (15 if t.quick else 50)
    connection = api.connect(receive_buffer=8192)
    connection.send_head("POST", "/v1/run?stages=pass:2", {"Transfer-Encoding": "chunked"})
    for _ in range(count):
        connection.send_chunk(block, 20 * t.slow)
    connection.end_chunks()
    head = connection.read_head(30 * t.slow)
    memory.check(t, ALLOWANCE, f"/v1/run over {count * 10000} items, reply not yet read")
    connection.read_body(head, 60 * t.slow)
    eq(head.body.count(b"\n"), 10000 * count, "lines in the reply")
    connection.close()


def giant_line(t):
    """Two good lines and one of 1 GiB (less where a sanitizer or --quick counts the time)."""
    pieces = 1024 if t.settings.sanitizer is None and not t.quick else 96
    yield b'1\n2\n"'
    for _ in range(pieces):
        yield b"x" * MIB
    yield b'"\n3\n'


@timeout(120)
def test_a_line_of_1_gib_is_refused_by_its_number(t):
    server, api = warm(t)
    job = api.create({"stages": [{"use": "pass"}]})
    memory = Memory(server)
    with api.connect() as connection:
        reply = connection.request("POST", f"{job.path}/items", giant_line(t),
                                   {"Content-Type": NDJSON}, 60 * t.slow)
        body = problem(reply, 413, "item-too-large")
        eq((body["accepted"], body["errors"][0]["line"]), (2, 3), "accepted and line")
    memory.check(t, 16 * MIB, "a giant line")
    eq(job.get()["input"]["received"], 2, "received")


@timeout(120)
def test_a_line_of_1_gib_is_skipped_if_one_wants_that(t):
    server, api = warm(t)
    job = api.create({"stages": [{"use": "pass"}]})
    memory = Memory(server)
    with api.connect() as connection:
        reply = connection.request("POST", f"{job.path}/items?on_invalid=skip&close=true",
                                   giant_line(t), {"Content-Type": NDJSON}, 60 * t.slow)
        body = status(reply, 200).json()
        eq((body["accepted"], body["rejected"], body["errors"][0]["line"]), (3, 1, 3), "reply")
    memory.check(t, 16 * MIB, "a giant line, skipped")
    job.wait_done()
    same_multiset(job.results(), [1, 2, 3])
