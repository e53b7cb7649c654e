"""CSV in (Content-Type: text/csv) and out (Accept: text/csv); Python's csv module is the judge."""

import csv
import gzip
import io

from support.leat import *

CSV = "text/csv"
TYPE = {"Content-Type": CSV}
ABSENT = {"Content-Type": "text/csv; header=absent"}
WANT = {"Accept": CSV}
COLUMNS = ["id", "name, as told", 'say "it"', "größe"]


def rows(count, seed=1):
    rng = random.Random(seed)
    odd = ["", "plain", "a,b", 'he said "hi"', "two\nlines", "cr\r\nlf", " blank ", "\\n", "\t",
           "é€😀", "'", '"', '""', "=1+1", "x" * 300]
    return [{name: rng.choice(odd) + str(i) * rng.randint(0, 1) for name in COLUMNS}
            for i in range(count)]


def written(values, columns=COLUMNS, **options):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, **options)
    writer.writeheader()
    writer.writerows(values)
    return out.getvalue().encode()


def read(body):
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


def run(t, body, headers=TYPE, **query):
    return t.api.request("POST", "/v1/run", body, headers, {"stages": "pass", **query})


# ---- in ----

def test_what_python_writes_comes_in_as_it_was(t):
    values = rows(500)
    for options in ({}, {"quoting": csv.QUOTE_ALL}, {"lineterminator": "\n"}):
        job = t.job()
        reply = status(job.upload(written(values, **options), {"close": True}, TYPE), 200).json()
        eq((reply["accepted"], reply["rejected"], reply["next_offset"]), (500, 0, 500), "reply")
        job.wait_done()
        same_multiset(job.results(), values)


def test_in_pieces_of_any_size_and_compressed(t):
    values = rows(300, seed=2)
    body = written(values)
    same_list(run(t, odd_pieces(body)).values(), values)
    same_list(run(t, (bytes([byte]) for byte in body[:3000]), on_invalid="skip").values()[:5], values[:5])
    same_list(run(t, gzip.compress(body), {**TYPE, "Content-Encoding": "gzip"}).values(), values)


def test_blocks_of_rows_are_more_than_a_piece(t):
    values = [{"n": str(n), "text": f"line {n}\nand another, {'x' * (n % 97)}"} for n in range(20000)]
    got = run(t, written(values, ["n", "text"])).values()
    eq(len(got), len(values), "count")
    same_list(got, values)


def test_delimiters_columns_and_inferred_types(t):
    eq(run(t, "a;b\n1,5;x\n", delimiter="semicolon").values(), [{"a": "1,5", "b": "x"}], "semicolon")
    eq(run(t, "a\tb\n1\t\n", delimiter="tab").values(), [{"a": "1", "b": ""}], "tab")
    eq(run(t, "a|b\n1|2\n", delimiter="pipe").values(), [{"a": "1", "b": "2"}], "pipe")
    eq(run(t, "1,2\n3,4\n", ABSENT).values(), [{"c1": "1", "c2": "2"}, {"c1": "3", "c2": "4"}], "no names")
    eq(run(t, "1,2\n", ABSENT, columns='x,"y,z"').values(), [{"x": "1", "y,z": "2"}], "names")
    reply = run(t, 'a,b,c,d\n1,007,true,\n-1.50e3,"5",null,""\n', infer=True)
    eq(reply.body, b'{"a":1,"b":"007","c":true,"d":null}\n{"a":-1.50e3,"b":"5","c":null,"d":""}\n',
       "inferred, digit by digit")


def test_a_mark_blank_lines_and_no_end_of_line(t):
    eq(run(t, b"\xef\xbb\xbfa,b\r\n\r\n1,2\n\n3,4").values(), [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}],
       "rows")
    for nothing in ("", "\n", "a,b\n", "a,b"):
        eq(run(t, nothing).values(), [], f"items of {nothing!r}")


WRONG = [
    ("1\n", "1 field where there are 2 columns"),
    ("1,2,3\n", "3 fields where there are 2 columns"),
    ('"x"y,2\n', 'field 1 "a": there is text behind its closing quote; a quote inside a quoted '
                 "field is written twice"),
    (b"\xff,1\n", "not UTF-8 at byte 1"),
    (b"a\0b,1\n", "it holds a NUL byte; perhaps the file is UTF-16: send UTF-8"),
    ('1,"never closed\n5,6\n', 'field 2 "b": its quote is not closed'),
]


def test_a_wrong_row_is_named_and_what_came_before_it_is_kept(t):
    for row, detail in WRONG:
        job = t.job()
        row = row.encode() if isinstance(row, str) else row
        body = problem(job.upload(b'a,b\n"1\n1",2\n' + row + b"8,9\n", headers=TYPE), 422,
                       "item-invalid")
        eq(body["detail"], "line 4: " + detail, "detail")
        eq(body["errors"], [{"line": 4, "detail": detail}], "errors")
        eq((body["accepted"], body["rejected"], body["next_offset"]), (1, 1, 1), "counts")
        job.must("close")
        job.wait_done()
        eq(job.results(), [{"a": "1\n1", "b": "2"}], "what was taken")


def test_wrong_rows_are_skipped_when_asked_for(t):
    job = t.job()
    body = b"a,b\n" + b"".join(row if isinstance(row, bytes) else row.encode() for row, _ in WRONG[:5])
    reply = status(job.upload(body + b"1,2\n", {"on_invalid": "skip", "close": True}, TYPE), 200).json()
    eq((reply["accepted"], reply["rejected"], reply["next_offset"]), (1, 5, 6), "counts")
    eq([error["line"] for error in reply["errors"]], [2, 3, 4, 5, 6], "lines")
    job.wait_done()
    eq(job.results(), [{"a": "1", "b": "2"}], "results")


def test_a_wrong_header_ends_it_whatever_is_to_be_skipped(t):
    for body, detail in (("a,b,a\n1,2,3\n", 'field 3 "a": another column (1) has this name'),
                         (b"\xff\n1\n", "not UTF-8 at byte 1"),
                         ('"a\n1\n', "field 1: its quote is not closed"),
                         ("," * 20000 + "\n", "more than 10000 columns")):
        for on_invalid in ("stop", "skip"):
            reply = problem(run(t, body, on_invalid=on_invalid), 422, "item-invalid")
            eq(reply["detail"], "line 1: the header: " + detail, "detail")
            eq(reply["accepted"], 0, "accepted")


def test_a_row_over_the_item_limit_is_refused_without_being_kept(t):
    api = t.client(t.server({"item-max": 1000}))
    for row in ("x" * 1100, "x" * 995, '"' + "a\n" * 600 + '"', "\x01" * 170):
        job = t.job(api=api)
        body = problem(job.upload("a\n1\n" + row + "\n2\n", headers=TYPE), 413, "item-too-large")
        eq((body["accepted"], body["errors"][0]["line"]), (1, 3), "accepted, line")
        reply = status(job.upload("a\n" + row + "\n2\n", {"on_invalid": "skip"}, TYPE), 200).json()
        eq((reply["accepted"], reply["rejected"]), (1, 1), "skipped")


def test_an_offset_counts_rows_and_every_body_has_a_header(t):
    values = rows(60, seed=3)
    job = t.job()
    key = {**TYPE, "Idempotency-Key": "k"}
    status(job.upload(written(values[:20]), headers=key), 200)
    eq(job.offset("k"), 20, "offset")
    reply = status(job.upload(written(values[:40]), headers=key), 200).json()
    eq((reply["accepted"], reply["duplicates"], reply["next_offset"]), (20, 20, 40), "the same body, longer")
    reply = status(job.upload(written(values[30:]), {"offset": 30}, key), 200).json()
    eq((reply["accepted"], reply["duplicates"], reply["next_offset"]), (20, 10, 60), "from an offset")
    problem(job.upload(written(values[:1]), {"offset": 61}, key), 409, "offset-gap")
    job.must("close")
    again = status(job.upload(written(values), headers=key), 200).json()
    eq((again["accepted"], again["duplicates"]), (0, 60), "when the input is closed")
    job.wait_done()
    same_multiset(job.results(), values)


def test_rows_that_were_refused_count_for_the_offset(t):
    job = t.job()
    key = {**TYPE, "Idempotency-Key": "k"}
    body = "a\n\n1\nbad,row\n2\n"
    one = status(job.upload(body, {"on_invalid": "skip"}, key), 200).json()
    eq((one["accepted"], one["rejected"], one["next_offset"]), (2, 1, 3), "first time")
    two = status(job.upload(body + "3\n", {"on_invalid": "skip"}, key), 200).json()
    eq((two["accepted"], two["next_offset"]), (1, 4), "second time")


def test_a_key_of_rows_survives_sigkill(t):
    server = t.server()
    api = t.client(server)
    job = t.job(api=api)
    values = rows(200, seed=4)
    key = {**TYPE, "Idempotency-Key": "k"}
    status(job.upload(written(values[:120]), headers=key), 200)
    api.close()
    server.restart()
    eq(job.offset("k"), 120, "offset after SIGKILL")
    eq(job.upload(written(values), {"close": True}, key).json()["accepted"], 80, "accepted")
    job.wait_done()
    same_multiset(job.results(), values)


def test_a_full_backlog_stops_it_in_the_middle_of_a_piece(t):
    """The rest of a piece is put aside with the row under way in it, and goes on."""
    values = [{"n": str(n), "text": 'x,"' * 300} for n in range(500)]
    job = t.job(["pass"], backlog={"bytes": 65536})
    status(job.upload(odd_pieces(written(values, ["n", "text"])), {"close": True}, TYPE), 200)
    job.wait_done()
    same_multiset(job.results(), values)


def test_what_is_for_csv_only_is_refused_elsewhere(t):
    job = t.job()
    for name, value in (("columns", "a"), ("delimiter", "tab"), ("infer", "true")):
        body = problem(job.upload(b"1\n", {name: value}), 422, "bad-query")
        has_pointers(body, [name])
        has_pointers(problem(run(t, b"1\n", {}, **{name: value}), 422, "bad-query"), [name])
    has_pointers(problem(job.upload(b"1\n", {"columns": "a"}, TYPE), 422, "bad-query"), ["columns"])
    has_pointers(problem(job.upload(b"1\n", {"delimiter": ";"}, TYPE), 422, "bad-query"), ["delimiter"])
    problem(job.upload(b"a\n", headers={"Content-Type": "text/csv; charset=windows-1252"}), 415,
            "unsupported-media-type")
    eq(job.get()["input"]["received"], 0, "received")


# ---- out ----

def done(t, values):
    job = t.job(order="input")
    job.send(values, close=True)
    job.wait_done()
    return job


def sheet(job, headers=WANT, **query):
    return status(job.api.get(f"{job.path}/results", query, headers), 200)


def test_results_as_csv_are_what_python_reads(t):
    values = rows(300, seed=5)
    reply = sheet(done(t, values))
    eq(reply.headers.get("content-type"), "text/csv; charset=utf-8; header=present", "type")
    eq(read(reply.body), [COLUMNS] + [[value[name] for name in COLUMNS] for value in values], "rows")
    eq(reply.trailers.get("leat-left-out"), "0", "left out")


def test_it_comes_in_again_as_it_went_out(t):
    values = [{"s": "x", "e": "", "n": None, "i": 5, "f": -0.5, "b": True, "t": "yes, no"}]
    body = sheet(done(t, values)).body
    eq(body, b's,e,n,i,f,b,t\r\nx,"",,5,-0.5,true,"yes, no"\r\n', "bytes")
    same_list(run(t, body, infer=True).values(), values)
    values = rows(100, seed=6)
    reply = t.api.request("POST", "/v1/run", written(values), {**TYPE, **WANT}, {"stages": "pass"})
    same_list(run(t, reply.body).values(), values)
    eq(reply.trailers.get("leat-results"), "100", "trailer of the run")


def test_nested_values_are_json_and_what_is_no_object_is_a_value(t):
    body = sheet(done(t, [{"a": [1, {"b": "c"}], "o": {}}, {"a": 12345678901234567890}])).body
    eq(read(body), [["a", "o"], ['[1,{"b":"c"}]', "{}"], ["12345678901234567890", ""]], "rows")
    eq(read(sheet(done(t, [5, "x,y", [1], None, {"value": 7, "z": 1}])).body),
       [["value"], ["5"], ["x,y"], ["[1]"], [""], ["7"]], "values")


def test_members_without_a_column_are_counted(t):
    job = done(t, [{"a": 1, "b": 2}, {"b": 3, "c": 4, "d": 5}, {"c": 6}, 7, {}, {"b": 8, "a": 9}])
    reply = sheet(job)
    eq(read(reply.body), [["a", "b"], ["1", "2"], ["", "3"], ["", ""], ["", ""], ["", ""], ["9", "8"]],
       "rows")
    eq(reply.trailers.get("leat-left-out"), "4", "left out")
    reply = sheet(job, fields='c,nosuch,a')
    eq(read(reply.body)[:3], [["c", "nosuch", "a"], ["", "", "1"], ["4", "", ""]], "fields")


def test_every_page_has_its_header_and_a_link_to_the_next(t):
    job = done(t, [{"n": n} for n in range(10)])
    path, got = target(f"{job.path}/results", {"limit": 4, "fields": "n"}), []
    while path:
        reply = status(t.api.get(path, headers=WANT), 200)
        page = read(reply.body)
        eq(page[0], ["n"], "header")
        got += [int(row[0]) for row in page[1:]]
        link = reply.headers.get("link")
        path = link[1:link.index(">")] if link else None
    eq(got, list(range(10)), "all of them")
    bare = sheet(job, {"Accept": "text/csv; header=absent"}, limit=2)
    eq((bare.body, bare.type), (b"0\r\n1\r\n", "text/csv"), "without header")


def test_a_follower_gets_rows_as_they_come(t):
    job = t.job(order="input")
    stream = job.api.stream(f"{job.path}/results", {"follow": "true"}, WANT)
    job.send([{"a": 1}])
    eq([stream.readline(), stream.readline()], [b"a", b"1"], "first")
    job.send([{"a": 2}], close=True)
    eq(list(stream), [b"2"], "the rest")
    stream.close()


def test_formulas_are_guarded_when_asked_for(t):
    job = done(t, [{"=a": "=1+1", "b": "+4", "c": "-5", "d": "@x", "e": -5, "f": "x=1", "g": "\t=2"}])
    eq(read(sheet(job).body)[1], ["=1+1", "+4", "-5", "@x", "-5", "x=1", "\t=2"], "as they are")
    eq(read(sheet(job, guard=True).body),
       [["'=a", "b", "c", "d", "e", "f", "g"], ["'=1+1", "'+4", "'-5", "'@x", "-5", "x=1", "'\t=2"]],
       "guarded")


def test_no_results_are_no_rows(t):
    job = done(t, [])
    eq((sheet(job).body, sheet(job, fields="a,b").body), (b"", b"a,b\r\n"), "bodies")


def test_what_cannot_be_had_as_csv(t):
    job = done(t, [{"a": 1}])
    results = f"{job.path}/results"
    for query, name in (({"envelope": True}, "envelope"), ({"fields": "a,b,a"}, "fields"),
                        ({"fields": '"a'}, "fields"), ({"fields": "," * 5000}, "fields")):
        has_pointers(problem(t.api.get(results, query, WANT), 422, "bad-query"), [name])
    for name, value in (("fields", "a"), ("guard", "true")):
        has_pointers(problem(t.api.get(results, {name: value}), 422, "bad-query"), [name])
        has_pointers(problem(run(t, b"1\n", {}, **{name: value}), 422, "bad-query"), [name])
    problem(t.api.get(f"{job.path}/failures", headers=WANT), 406, "not-acceptable")
