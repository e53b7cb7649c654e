"""Items in: every kind of body, one JSON value a line, what the reply says."""

import gzip

from support.leat import *

VALUES = items.STRANGE + items.orders(40)


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def goes_through(t, body, headers, expected, method="POST", accepted=None):
    """Uploads the body with close; what comes out must be `expected`, in order."""
    job = t.job(order="input")
    reply = status(job.upload(body, {"close": "true"}, headers, method), 200).json()
    eq(reply["accepted"], len(expected) if accepted is None else accepted, "accepted")
    job.wait_done()
    same_list(job.results(), expected)
    return reply


def test_the_reply_has_every_member(t):
    reply = t.job().send(numbers(5))
    waited = reply.pop("waited_ms")
    ok(isinstance(waited, int) and waited >= 0, f"waited_ms {waited!r}")
    eq(reply, {"accepted": 5, "duplicates": 0, "rejected": 0, "errors": [], "next_offset": 5},
       "reply")


def test_every_type_that_means_ndjson(t):
    for kind in ("application/x-ndjson", "application/jsonl", "application/x-ndjson; charset=utf-8",
                 "application/jsonl;charset=UTF-8", "Application/X-NDJSON",
                 "application/x-www-form-urlencoded"):
        goes_through(t, ndjson(VALUES), {"Content-Type": kind}, VALUES)


def test_no_content_type_means_ndjson(t):
    job = t.job(order="input")
    with t.api.connect() as connection:
        reply = connection.request("PUT", f"{job.path}/items?close=true", ndjson(VALUES))
        eq(status(reply, 200).json()["accepted"], len(VALUES), "accepted")
    job.wait_done()
    same_list(job.results(), VALUES)


def test_put_is_as_good_as_post(t):
    goes_through(t, ndjson(VALUES), {}, VALUES, "PUT")


def test_a_json_array_is_its_elements(t):
    goes_through(t, json.dumps(VALUES).encode(), {"Content-Type": JSON}, VALUES)


def test_a_pretty_json_array_is_its_elements(t):
    goes_through(t, json.dumps(VALUES, indent=4).encode() + b"\n", {"Content-Type": JSON}, VALUES)


def test_an_empty_array_is_no_item(t):
    goes_through(t, b" [ ] ", {"Content-Type": JSON}, [])


def test_an_array_in_odd_pieces(t):
    text = json.dumps(VALUES, indent=1, ensure_ascii=False).encode()
    goes_through(t, odd_pieces(text), {"Content-Type": JSON + "; charset=utf-8"}, VALUES)


def test_a_long_array_is_taken_while_it_is_being_sent(t):
    job = t.job()
    with t.api.connect() as connection:
        connection.send_head("POST", f"{job.path}/items", {"Content-Type": JSON,
                                                          "Transfer-Encoding": "chunked"})
        connection.send_chunk(b"[" + b",".join(b'{"n":%d}' % n for n in range(5000)))
        job.wait(lambda j: j["counts"]["succeeded"] >= 4000, what="results before the array ends")
        connection.send_chunk(b"]")
        connection.end_chunks()
        eq(connection.read_response().json()["accepted"], 5000, "accepted")


def test_anything_else_in_json_is_one_item(t):
    for value in ({"a": [1, 2]}, "text", 12, None, True, {"deep": {"nl": "a\nb"}}):
        goes_through(t, json.dumps(value, indent=2).encode(), {"Content-Type": JSON}, [value])


def test_gzip_and_zstd_bodies(t):
    text = ndjson(VALUES)
    for encoding, body in (("gzip", gzip.compress(text)), ("zstd", zstd(text)),
                           ("x-gzip", gzip.compress(text)), ("identity", text)):
        goes_through(t, body, {"Content-Encoding": encoding}, VALUES)


def test_compressed_arrays(t):
    text = json.dumps(VALUES).encode()
    goes_through(t, gzip.compress(text), {"Content-Encoding": "gzip", "Content-Type": JSON}, VALUES)
    goes_through(t, zstd(text), {"Content-Encoding": "zstd", "Content-Type": JSON}, VALUES)


def test_compressed_bodies_in_odd_pieces(t):
    text = ndjson(VALUES)
    goes_through(t, odd_pieces(gzip.compress(text)), {"Content-Encoding": "gzip"}, VALUES)
    goes_through(t, odd_pieces(zstd(text)), {"Content-Encoding": "zstd"}, VALUES)


def test_several_gzip_members_and_zstd_frames_are_one_body(t):
    half = len(VALUES) // 2
    parts = [ndjson(VALUES[:half]), ndjson(VALUES[half:])]
    goes_through(t, b"".join(map(gzip.compress, parts)), {"Content-Encoding": "gzip"}, VALUES)
    goes_through(t, b"".join(map(zstd, parts)), {"Content-Encoding": "zstd"}, VALUES)


def test_an_empty_body_is_no_item(t):
    goes_through(t, b"", {}, [])
    goes_through(t, iter(()), {}, [])
    goes_through(t, gzip.compress(b""), {"Content-Encoding": "gzip"}, [])


def test_the_last_line_needs_no_newline(t):
    goes_through(t, ndjson(VALUES)[:-1], {}, VALUES)
    goes_through(t, b'{"only":1}', {}, [{"only": 1}])


def test_blank_lines_are_no_items(t):
    body = b"\n\n1\n\n   \n\t\n2\r\n\r\n3\n\n"
    goes_through(t, body, {}, [1, 2, 3], accepted=3)


def test_crlf_ends_a_line_too(t):
    goes_through(t, ndjson(VALUES).replace(b"\n", b"\r\n"), {}, VALUES)


def test_space_around_a_value_is_no_part_of_it(t):
    goes_through(t, b'  {"a" : 1}\t\n\t2  \n', {}, [{"a": 1}, 2])


def test_chunks_may_split_lines_utf8_and_crlf(t):
    text = ndjson(VALUES).replace(b"\n", b"\r\n")
    for seed in range(3):
        goes_through(t, odd_pieces(text, seed), {}, VALUES)


def test_every_byte_in_a_chunk_of_its_own(t):
    text = ndjson(VALUES[:26])
    goes_through(t, (text[n:n + 1] for n in range(len(text))), {}, VALUES[:26])


def test_bodies_split_over_many_packets(t):
    """With a length, not chunked: the pieces are TCP's."""
    text = ndjson(VALUES)
    job = t.job(order="input")
    with t.api.connect() as connection:
        connection.send_head("POST", f"{job.path}/items?close=true", {"Content-Length": len(text)})
        for piece in odd_pieces(text, 9, 200):
            connection.send(piece)
        eq(status(connection.read_response(), 200).json()["accepted"], len(VALUES), "accepted")
    job.wait_done()
    same_list(job.results(), VALUES)


def test_pass_keeps_the_bytes_of_an_item(t):
    """Items are bytes: order of members, number spelling and escapes stay as they were sent."""
    lines = [b'{"b":1.50,"a":[1e2,-0,0.1E+3],"u":"\\u00e9\\/","b2":{}}',
             b'{"n":12345678901234567890123456789,"x":1.000000000000000000001}']
    job = t.job(order="input")
    status(job.upload(b"\n".join(lines), {"close": "true"}), 200)
    job.wait_done()
    eq(job.raw_results(), b"".join(line + b"\n" for line in lines), "bytes")


def test_an_item_at_the_limit_passes_and_one_above_does_not(t):
    server = t.server({"item-max": 4096})
    api = t.client(server)
    fits = b'"' + b"x" * 4094 + b'"'
    job = t.job(api=api)
    eq(status(job.upload(fits + b"\n"), 200).json()["accepted"], 1, "accepted at the limit")
    body = problem(job.upload(b"1\n2\n" + fits[:-1] + b'y"\n3\n'), 413, "item-too-large")
    eq((body["accepted"], body["errors"][0]["line"]), (2, 3), "accepted and line")
    eq(job.get()["input"]["received"], 3, "received")


def test_close_closes_only_when_the_body_was_read_whole(t):
    job = t.job()
    body = problem(job.upload(b"1\n2\nnot json\n", {"close": "true"}), 422, "item-invalid")
    eq(body["accepted"], 2, "accepted")
    eq(job.get()["input"]["state"], "open", "input.state after a refused body")
    connection = t.api.connect()
    connection.send_head("POST", f"{job.path}/items?close=true", {"Content-Length": 100})
    connection.send(b"3\n")
    connection.close()
    job.send([4])
    job.wait(lambda j: j["counts"]["succeeded"] >= 3, what="what was sent")
    eq(job.get()["input"]["state"], "open", "input.state after a cut body")


def test_an_item_is_worked_on_while_the_body_is_still_coming(t):
    job = t.job()
    with t.api.connect() as connection:
        connection.send_head("POST", f"{job.path}/items", {"Transfer-Encoding": "chunked"})
        for n in range(3):
            connection.send_chunk(b'{"n":%d}\n' % n)
            job.wait(lambda j: j["counts"]["succeeded"] == n + 1, 5, f"result of item {n}")
            eq(job.results()[n], {"n": n}, "the result")
        connection.end_chunks()
        eq(connection.read_response().json()["accepted"], 3, "accepted")


def test_several_uploads_into_one_job_at_once(t):
    job = t.job()
    parts = [numbers(2000, 2000 * n) for n in range(6)]

    def upload(values):
        api = Api(t.api.server)
        api.post(f"{job.path}/items", odd_pieces(ndjson(values), values[0]["n"], 5000))
        api.close()
    threads = [threading.Thread(target=upload, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), [value for part in parts for value in part])


# -- on_invalid -------------------------------------------------------------------------------


def test_stop_keeps_what_came_before_the_bad_line(t):
    job = t.job()
    lines = [b'{"n":%d}' % n for n in range(10)]
    lines[6] = b'{"n":6'
    body = problem(job.upload(b"\n".join(lines)), 422, "item-invalid")
    eq((body["accepted"], body["rejected"], body["next_offset"]), (6, 1, 6), "what was kept")
    eq(body["errors"][0]["line"], 7, "line")
    job.must("close")
    job.wait_done()
    same_multiset(job.results(), numbers(6))


def test_skip_counts_and_names_the_bad_lines(t):
    job = t.job()
    body = b'1\nnope\n2\n\n{"a":\n3\n"\\ud800"\n'
    reply = status(job.upload(body, {"on_invalid": "skip", "close": "true"}), 200).json()
    eq((reply["accepted"], reply["rejected"]), (3, 3), "accepted and rejected")
    eq([error["line"] for error in reply["errors"]], [2, 5, 7], "lines")
    ok(all(error["detail"] for error in reply["errors"]), "an error without detail")
    job.wait_done()
    same_multiset(job.results(), [1, 2, 3])


def test_skip_skips_items_over_the_limit(t):
    api = t.client(t.server({"item-max": 1000}))
    job = t.job(api=api)
    body = b"1\n" + b'"' + b"x" * 5000 + b'"\n2\n'
    reply = status(job.upload(body, {"on_invalid": "skip"}), 200).json()
    eq((reply["accepted"], reply["rejected"], reply["errors"][0]["line"]), (2, 1, 2), "reply")


def test_skip_names_the_first_100(t):
    body = b"bad\n" * 250 + b"1\n"
    reply = status(t.job().upload(body, {"on_invalid": "skip"}), 200).json()
    eq((reply["accepted"], reply["rejected"], len(reply["errors"])), (1, 250, 100), "reply")
    eq([e["line"] for e in reply["errors"]], list(range(1, 101)), "lines named")


def test_line_numbers_count_blank_lines(t):
    body = problem(t.job().upload(b"\n\n1\n\nbad\n"), 422, "item-invalid")
    eq(body["errors"][0]["line"], 5, "line")


def test_a_refused_element_of_an_array_is_numbered(t):
    """In an array an error's line is the number of the element."""
    body = problem(t.job().upload(b'[1,\n\n2, {"a" 1}, 4]', headers={"Content-Type": JSON}),
                   422, "item-invalid")
    eq((body["accepted"], body["errors"][0]["line"]), (2, 3), "accepted and element")


# -- Expect -----------------------------------------------------------------------------------


def test_expect_100_continue_is_honoured(t):
    job = t.job()
    with t.api.connect() as connection:
        connection.send_head("POST", f"{job.path}/items", {"Content-Length": 4,
                                                          "Expect": "100-continue"})
        connection.wait_readable(10)
        ok(connection.buffer.startswith(b"HTTP/1.1 100"), f"not a 100: {bytes(connection.buffer)!r}")
        connection.socket.sendall(b"1\n2\n")
        informational = []
        reply = connection.read_response(informational=informational)
        eq((status(reply, 200).json()["accepted"], informational), (2, [100]), "accepted and 1xx")


def test_expect_on_a_refused_upload_gets_the_refusal_and_no_100(t):
    job = t.job()
    job.must("close")
    with t.api.connect() as connection:
        connection.send_head("POST", f"{job.path}/items", {"Content-Length": 1 << 20,
                                                          "Expect": "100-continue"})
        informational = []
        reply = connection.read_response(informational=informational)
        problem(reply, 409, "input-closed")
        eq(informational, [], "1xx replies")
