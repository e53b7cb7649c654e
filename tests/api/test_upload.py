"""Uploads that break, wait, are refused, resume: Idempotency-Key, offset, on_full, max_wait_ms."""

from support.leat import *

LINE = ndjson([{"pad": "x" * 1000}])


def test_the_same_body_with_the_same_key_is_taken_once(t):
    job = t.job()
    key = {"Idempotency-Key": "first"}
    body = ndjson(numbers(100))
    one = status(job.upload(body, headers=key), 200).json()
    two = status(job.upload(body, headers=key), 200).json()
    eq((one["accepted"], one["duplicates"], one["next_offset"]), (100, 0, 100), "first time")
    eq((two["accepted"], two["duplicates"], two["next_offset"]), (0, 100, 100), "second time")
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), numbers(100))


def test_a_longer_body_under_the_same_key_adds_its_rest(t):
    job = t.job()
    key = {"Idempotency-Key": "grows"}
    job.upload(ndjson(numbers(40)), headers=key)
    reply = status(job.upload(ndjson(numbers(70)), headers=key), 200).json()
    eq((reply["accepted"], reply["duplicates"], reply["next_offset"]), (30, 40, 70), "reply")


def test_another_key_and_no_key_are_other_bodies(t):
    job = t.job()
    body = ndjson(numbers(10))
    for headers in ({"Idempotency-Key": "a"}, {"Idempotency-Key": "b"}, {}, {}):
        eq(job.upload(body, headers=headers).json()["accepted"], 10, f"accepted with {headers}")
    eq(job.get()["input"]["received"], 40, "received")


def test_keys_belong_to_their_job(t):
    one, two = t.job(), t.job()
    for job in (one, two):
        reply = job.upload(ndjson(numbers(10)), headers={"Idempotency-Key": "same"}).json()
        eq(reply["accepted"], 10, "accepted")


def test_keys_may_hold_any_text(t):
    job = t.job()
    for key in ("a b", "ключ".encode().decode("latin-1"), '"quoted"', "x" * 200, "/?&=%"):
        job.upload(ndjson(numbers(3)), headers={"Idempotency-Key": key})
        reply = job.upload(ndjson(numbers(3)), headers={"Idempotency-Key": key}).json()
        eq((reply["accepted"], reply["duplicates"]), (0, 3), f"reply for {key!r}")


def test_the_offset_of_a_key_can_be_asked(t):
    job = t.job()
    eq(job.offset("k"), 0, "offset of an unknown key")
    job.upload(ndjson(numbers(12)), headers={"Idempotency-Key": "k"})
    eq(job.offset("k"), 12, "offset")


def test_offset_skips_ahead(t):
    job = t.job()
    key = {"Idempotency-Key": "k"}
    values = numbers(30)
    job.upload(ndjson(values[:12]), headers=key)
    reply = status(job.upload(ndjson(values[12:]), {"offset": 12}, key), 200).json()
    eq((reply["accepted"], reply["duplicates"], reply["next_offset"]), (18, 0, 30), "reply")
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), values)


def test_an_offset_below_what_was_taken_makes_duplicates(t):
    job = t.job()
    key = {"Idempotency-Key": "k"}
    values = numbers(30)
    job.upload(ndjson(values[:20]), headers=key)
    reply = status(job.upload(ndjson(values[10:]), {"offset": 10}, key), 200).json()
    eq((reply["accepted"], reply["duplicates"], reply["next_offset"]), (10, 10, 30), "reply")


def test_an_offset_above_what_was_taken_is_a_gap(t):
    job = t.job()
    key = {"Idempotency-Key": "k"}
    job.upload(ndjson(numbers(5)), headers=key)
    body = problem(job.upload(ndjson(numbers(5)), {"offset": 6}, key), 409, "offset-gap")
    eq((body["accepted"], body["next_offset"]), (0, 5), "what was taken")


def test_skipped_and_blank_lines_count_for_the_offset(t):
    """What a key remembers is lines of the body, so that the same body resumes rightly."""
    job = t.job()
    key = {"Idempotency-Key": "k"}
    body = b"1\nbad\n\n2\n3\n"
    one = status(job.upload(body, {"on_invalid": "skip"}, key), 200).json()
    eq((one["accepted"], one["rejected"]), (3, 1), "first time")
    two = status(job.upload(body + b"4\n", {"on_invalid": "skip"}, key), 200).json()
    eq(two["accepted"], 1, "accepted the second time")
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), [1, 2, 3, 4])


def test_a_key_survives_a_restart(t):
    server = t.server()
    api = t.client(server)
    job = t.job(api=api)
    key = {"Idempotency-Key": "k"}
    job.upload(ndjson(numbers(50)), headers=key)
    api.close()
    server.restart()
    eq(job.offset("k"), 50, "offset after SIGKILL")
    eq(job.upload(ndjson(numbers(60)), headers=key).json()["accepted"], 10, "accepted")


def test_a_key_outlives_the_job_s_end_and_a_restart(t):
    """Who never heard the reply of the upload that closed a job can still ask, and send again."""
    server = t.server()
    job = t.job(api=t.client(server))
    for n, more in enumerate(({}, {"close": "true"})):
        status(job.upload(ndjson(numbers(10)), more, {"Idempotency-Key": f"k{n}"}), 200)
    job.wait_done()
    job.api.close()
    server.restart()
    eq([job.offset(f"k{n}") for n in range(3)], [10, 10, 0], "next_offset of the keys")
    again = status(job.upload(ndjson(numbers(10)), {"close": "true"},
                              {"Idempotency-Key": "k1"}), 200).json()
    eq((again["accepted"], again["duplicates"]), (0, 10), "sent again")



def test_a_repeated_body_after_close_is_all_duplicates(t):
    """The reply to a finished upload got lost: the same command again must not be refused."""
    job = t.job()
    key = {"Idempotency-Key": "k"}
    body = ndjson(numbers(20))
    status(job.upload(body, {"close": "true"}, key), 200)
    again = status(job.upload(body, {"close": "true"}, key), 200).json()
    eq((again["accepted"], again["duplicates"]), (0, 20), "reply")
    job.wait_done()
    same_multiset(job.results(), numbers(20))


def test_a_client_that_skips_all_after_close_has_nothing_to_send(t):
    """It asked for its offset, and all of its body was taken before."""
    job = t.job()
    key = {"Idempotency-Key": "k"}
    status(job.upload(ndjson(numbers(20)), {"close": "true"}, key), 200)
    again = status(job.upload(b"", {"close": "true", "offset": 20}, key), 200).json()
    eq((again["accepted"], again["duplicates"], again["next_offset"]), (0, 0, 20), "reply")
    body = problem(job.upload(b"20\n", {"offset": 20}, key), 409, "input-closed")
    eq(body["next_offset"], 20, "next_offset of what is new")
    problem(job.upload(b"", {"offset": 21}, key), 409, "input-closed")
    problem(job.upload(b"", {}, {"Idempotency-Key": "other"}), 409, "input-closed")


def cut_upload(t, job, body, key, at):
    """Sends `body` in chunks and resets the connection behind byte `at`."""
    connection = t.api.connect()
    connection.send_head("POST", f"{job.path}/items?close=true", {
        "Transfer-Encoding": "chunked", "Idempotency-Key": key})
    for piece in odd_pieces(body[:at], at, 4000):
        connection.send_chunk(piece)
    if at % 2:
        connection.cut()
    else:
        connection.close()


@timeout(60)
def test_an_upload_cut_at_random_points_resumes(t):
    values = items.orders(1500)
    body = ndjson(values)
    for trial in range(4):
        job = t.job()
        for _ in range(5):
            cut_upload(t, job, body, "k", t.random.randrange(len(body)))
        # an upload that was cut may be read later than this one begins, and then counts as newer
        reply = until(lambda: (r := job.upload(body, {"close": "true"}, {"Idempotency-Key": "k"}))
                      .status == 200 and r or not problem(r, 409, "superseded"), 10 * t.slow,
                      "the whole body is taken").json()
        eq(reply["accepted"] + reply["duplicates"], 1500, "accepted and duplicates")
        eq(reply["next_offset"], 1500, "next_offset")
        job.wait_done()
        same_multiset(job.results(), values)


def test_a_newer_upload_under_a_key_takes_over(t):
    job = t.job()
    values = numbers(10)
    with t.api.connect() as older:
        older.send_head("POST", f"{job.path}/items", {"Transfer-Encoding": "chunked",
                                                     "Idempotency-Key": "k"})
        older.send_chunk(ndjson(values[:4]))
        job.wait(lambda j: j["input"]["received"] == 4, what="four items")
        reply = status(job.upload(ndjson(values), headers={"Idempotency-Key": "k"}), 200).json()
        eq((reply["accepted"], reply["duplicates"]), (6, 4), "reply to the newer upload")
        older.send_chunk(ndjson(values[4:]))
        older.end_chunks()
        try:
            body = problem(older.read_response(10), 409, "superseded")
            ok("accepted" in body, "no accepted member")
        except Closed:
            pass
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), values)


def test_a_body_cut_in_a_line_does_not_take_the_broken_line(t):
    job = t.job()
    connection = t.api.connect()
    connection.send_head("POST", f"{job.path}/items", {"Content-Length": 1000})
    connection.send(b'1\n2\n34')
    job.wait(lambda j: j["input"]["received"] >= 2, what="two items")
    connection.close()
    job.send([5])
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), [1, 2, 5])


# -- back-pressure ----------------------------------------------------------------------------


def full_job(t, backlog=1 << 20):
    """A paused job and its backlog filled to the brim."""
    job = t.job(backlog={"bytes": backlog})
    job.must("pause")
    reply = job.upload(LINE * (2 * backlog // len(LINE)), {"on_full": "reject"})
    return job, problem(reply, 429, "queue-full")


def stuck_upload(t, job, lines, **query):
    """A connection that has sent until the server stopped reading. Answers it and the lines
    sent."""
    connection = t.api.connect(receive_buffer=65536)
    connection.send_head("POST", target(f"{job.path}/items", query),
                         {"Transfer-Encoding": "chunked"})
    sent = 0
    try:
        while sent < lines:
            connection.send_chunk(LINE * 200, timeout=1.5)
            sent += 200
    except TimeoutError:
        return connection, sent
    raise AssertionError(f"{sent} lines went into a full backlog")


@timeout(60)
def test_a_full_backlog_stops_the_uploader_by_tcp(t):
    job = t.job(backlog={"bytes": 1 << 20})
    job.must("pause")
    connection, sent = stuck_upload(t, job, 100000)
    with connection:
        now = job.get()
        eq(now["backlog"]["max_bytes"], 1 << 20, "max_bytes")
        within(now["backlog"]["bytes"], (1 << 20) * 0.5, (1 << 20) * 1.25, "backlog.bytes")
        ok(sent * len(LINE) < 40 << 20, f"{sent * len(LINE)} bytes were taken from the client")
        before = now["input"]["received"]
        job.must("resume")
        job.wait(lambda j: j["counts"]["succeeded"] > before + 500, what="the uploader goes on")


def test_waiting_uploads_are_taken_when_there_is_room(t):
    job, reply = full_job(t)
    taken = reply["accepted"]
    with t.api.connect() as connection:
        body = LINE * 500
        connection.send_head("POST", f"{job.path}/items", {"Content-Length": len(body)})
        connection.send(body)
        job.must("resume")
        answer = status(connection.read_response(), 200).json()
        eq(answer["accepted"], 500, "accepted")
    job.must("close")
    eq(job.wait_done()["input"]["received"], taken + 500, "received")


def test_reject_answers_429_at_once_and_says_what_was_taken(t):
    started = time.monotonic()
    job, body = full_job(t)
    ok(time.monotonic() - started < 3 * t.slow, "the 429 came late")
    eq(body["accepted"], job.get()["input"]["received"], "accepted against received")
    within(body["accepted"] * len(LINE), (1 << 20) * 0.5, (1 << 20) * 1.25, "bytes accepted")
    again = job.upload(LINE, {"on_full": "reject"})
    problem(again, 429, "queue-full")
    ok(int(again.headers["retry-after"]) >= 1, "Retry-After")
    eq(again.json()["accepted"], 0, "accepted of the second")


def test_a_rejected_upload_resumes_by_its_key(t):
    job = t.job(backlog={"bytes": 1 << 20})
    job.must("pause")
    values = [{"n": n, "pad": "x" * 1000} for n in range(2500)]
    body, key = ndjson(values), {"Idempotency-Key": "k"}
    first = problem(job.upload(body, {"on_full": "reject"}, key), 429, "queue-full")
    eq(job.offset("k"), first["next_offset"], "offset")
    job.must("resume")
    reply = until(lambda: (r := job.upload(body, {"on_full": "reject", "close": "true"}, key))
                  .status == 200 and r, 20 * t.slow, "the rest is taken").json()
    eq(reply["next_offset"], 2500, "next_offset")
    job.wait_done()
    same_multiset(job.results(), values)


def test_max_wait_ms_bounds_the_wait(t):
    job, _ = full_job(t)
    started = time.monotonic()
    body = problem(job.upload(LINE, {"max_wait_ms": 300}), 429, "queue-full")
    within(time.monotonic() - started, 0.25, 3 * t.slow, "seconds until the 429")
    within(body["waited_ms"], 200, 3000 * t.slow, "waited_ms")


def test_waited_ms_says_how_long_it_waited(t):
    job, _ = full_job(t)
    with t.api.connect() as connection:
        connection.send_head("POST", f"{job.path}/items", {"Content-Length": len(LINE)})
        connection.send(LINE)
        time.sleep(0.3)  # the wait itself is what is measured
        job.must("resume")
        reply = status(connection.read_response(), 200).json()
        within(reply["waited_ms"], 150, 5000 * t.slow, "waited_ms")


def test_small_uploads_do_not_wait_for_a_block_to_fill(t):
    job = t.job()
    started = time.monotonic()
    for n in range(20):
        job.send([n])
    ok(time.monotonic() - started < 2 * t.slow, "20 single items took more than two seconds")
    job.wait(lambda j: j["counts"]["succeeded"] == 20, 2, "all are through")


def test_other_jobs_are_served_while_one_is_full(t):
    job = t.job(backlog={"bytes": 1 << 20})
    job.must("pause")
    connection, _ = stuck_upload(t, job, 100000)
    with connection:
        other = t.job()
        other.send(numbers(1000), close=True)
        other.wait_done(timeout=5)
        same_multiset(other.results(), numbers(1000))


def test_what_was_acknowledged_is_there_after_sigkill(t):
    server = t.server()
    api = t.client(server)
    job = t.job(api=api)
    job.must("pause")
    taken = 0
    for n in range(1, 6):
        taken += job.send(numbers(n * 7, taken))["accepted"]
        api.close()
        server.restart()
        eq(job.get()["input"]["received"], taken, "received after SIGKILL")
    job.must("resume")
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), numbers(taken))
