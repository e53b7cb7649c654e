"""Results out: NDJSON, JSON, server-sent events; pages, cursors, follow, long poll."""

import re

from support.leat import *


def done_job(t, count=250, **more):
    """An ordered job that is done, whose results are its items."""
    job = t.job(order="input", **more)
    job.send(numbers(count), close=True)
    job.wait_done()
    return job


def next_link(response):
    """The target of the Link header's rel="next", or None."""
    link = response.headers.get("link")
    if link is None:
        return None
    found = re.fullmatch(r'<([^>]+)>; *rel="?next"?', link)
    ok(found, f"Link header {link!r}")
    return found.group(1)


def test_ndjson_is_the_default(t):
    job = done_job(t)
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/x-ndjson"},
                    {"Accept": "application/*"}, {"Accept": "text/html;q=0.2, */*;q=0.1"}):
        reply = status(t.api.get(f"{job.path}/results", headers=headers), 200)
        eq(reply.type, "application/x-ndjson", f"type for {headers}")
        eq(reply.body, ndjson(numbers(250)), "body")


def test_ndjson_has_no_limit_by_default(t):
    job = done_job(t, 5000)
    eq(len(job.results()), 5000, "results")


def test_results_of_a_new_job_are_empty(t):
    job = t.job()
    eq(job.raw_results(), b"", "results")
    page = next(job.pages())
    eq((page["items"], page["done"]), ([], False), "page")


def test_json_comes_in_pages_of_100(t):
    job = done_job(t)
    pages = list(job.pages())
    eq([len(p["items"]) for p in pages if p["items"]], [100, 100, 50], "page sizes")
    eq([v for p in pages for v in p["items"]], numbers(250), "items")
    eq([p["done"] for p in pages][0], False, "done of the first page")
    eq(pages[-1]["done"], True, "done of the last page")


def test_json_takes_a_limit(t):
    job = done_job(t)
    pages = list(job.pages(limit=120))
    eq([len(p["items"]) for p in pages if p["items"]], [120, 120, 10], "page sizes")


def test_done_is_false_while_the_job_goes_on(t):
    job = t.job()
    job.send(numbers(3))
    job.wait(lambda j: j["counts"]["succeeded"] == 3, what="three results")
    page = next(job.pages())
    eq((page["items"], page["done"]), (numbers(3), False), "page of an open job")


def test_the_cursor_of_the_last_page_waits_for_more(t):
    job = t.job()
    job.send(numbers(3))
    job.wait(lambda j: j["counts"]["results"] == 3, what="three results")
    cursor = next(job.pages())["next"]
    job.send(numbers(2, 3))
    job.wait(lambda j: j["counts"]["results"] == 5, what="five results")
    eq(job.results(after=cursor), numbers(2, 3), "results behind the cursor")


def test_limit_gives_a_link_to_the_next_page(t):
    job = done_job(t, 25)
    seen, path, pages = [], f"{job.path}/results?limit=10", 0
    while path:
        reply = status(t.api.get(path), 200)
        seen += reply.values()
        path = next_link(reply)
        pages += 1
        ok(pages < 10, "the links have no end")
    eq(seen, numbers(25), "results over all pages")


def test_without_limit_there_is_no_link(t):
    eq(next_link(t.api.get(f"{done_job(t, 5).path}/results")), None, "Link")


def test_envelope_names_cursor_item_and_value(t):
    job = done_job(t, 30)
    lines = job.results(envelope=True)
    eq([set(line) for line in lines], [{"cursor", "item", "value"}] * 30, "members")
    eq([line["item"] for line in lines], list(range(30)), "item numbers")
    eq([line["value"] for line in lines], numbers(30), "values")
    eq(job.results(after=lines[9]["cursor"]), numbers(20, 10), "results behind a cursor")
    page = next(job.pages(envelope=True, limit=5))
    eq([item["value"] for item in page["items"]], numbers(5), "envelopes in JSON")


def test_the_item_number_of_an_exploded_item_is_its_input_s(t):
    job = t.job([{"use": "explode", "params": {"field": "a"}}], order="input")
    job.send([{"a": [1, 2]}, {"a": []}, {"a": [3]}], close=True)
    job.wait_done()
    eq([(line["item"], line["value"]) for line in job.results(envelope=True)],
       [(0, 1), (0, 2), (2, 3)], "numbers and values")


def test_every_cursor_of_a_json_page_is_good(t):
    job = done_job(t, 40)
    whole = job.results(envelope=True)
    for at in (0, 1, 17, 38, 39):
        eq(job.results(after=whole[at]["cursor"]), numbers(39 - at, at + 1), f"behind result {at}")


def test_cursors_survive_a_restart(t):
    server = t.server()
    api = t.client(server)
    job = t.job(order="input", api=api)
    job.send(numbers(50), close=True)
    job.wait_done()
    cursor = job.results(envelope=True)[19]["cursor"]
    api.close()
    for how in ("kill", "stop"):
        api.close()
        server.restart(how)
        eq(job.results(after=cursor), numbers(30, 20), f"behind the cursor after {how}")


def test_results_can_be_read_while_the_job_runs(t):
    job = t.job([{"use": "sleep", "params": {"ms": 5}}], order="input")
    job.send(numbers(200), close=True)
    job.wait(lambda j: j["counts"]["results"] >= 10, what="ten results")
    part = job.results()
    ok(10 <= len(part), f"{len(part)} results")
    eq(part, numbers(len(part)), "the first results")


def test_results_with_strange_values_come_back_right(t):
    job = t.job(order="input")
    job.send(items.STRANGE, close=True)
    job.wait_done()
    same_list(job.results(), items.STRANGE)
    same_list([v for p in job.pages(limit=7) for v in p["items"]], items.STRANGE, "in JSON pages")
    same_list([line["value"] for line in job.results(envelope=True)], items.STRANGE, "envelopes")


# -- follow, wait -----------------------------------------------------------------------------


def test_follow_stays_until_the_job_is_done_and_all_is_read(t):
    job = t.job(order="input")
    stream = job.follow()
    for n in range(5):
        job.send([{"n": n}])
        eq(json.loads(stream.readline(5)), {"n": n}, "the next line")
    job.must("close")
    eq(stream.readline(5), None, "the end of the stream")
    stream.close()


def test_follow_of_a_done_job_ends_at_once(t):
    job = done_job(t, 30)
    eq([json.loads(line) for line in job.follow()], numbers(30), "lines")


def test_follow_goes_on_behind_a_cursor(t):
    job = t.job(order="input")
    job.send(numbers(10))
    job.wait(lambda j: j["counts"]["results"] == 10, what="ten results")
    cursor = job.results(envelope=True)[6]["cursor"]
    stream = job.follow(after=cursor, envelope=True)
    job.send(numbers(5, 10), close=True)
    eq([json.loads(line)["value"]["n"] for line in stream], list(range(7, 15)), "values")


def test_follow_with_a_limit_ends_there(t):
    job = t.job()
    stream = job.follow(limit=3)
    job.send(numbers(10))
    eq(len(list(stream)), 3, "lines")


def test_follow_ends_with_a_cancelled_job(t):
    job = t.job([{"use": "sleep", "params": {"ms": 1000}}])
    stream = job.follow()
    job.send(numbers(5))
    job.must("cancel")
    while stream.readline(5) is not None:
        pass


def test_many_follow_one_job(t):
    job = t.job(order="input")
    streams = [job.follow() for _ in range(20)]
    job.send(numbers(3000), close=True)
    for stream in streams:
        eq([json.loads(line) for line in stream], numbers(3000), "lines")
        stream.close()


def test_a_slow_reader_does_not_stop_the_job(t):
    values = [{"n": n, "pad": "x" * 2000} for n in range(8000)]
    job = t.job(order="input")
    stream = t.api.stream(f"{job.path}/results", {"follow": "true"}, receive_buffer=8192)
    job.send(values, close=True)
    job.wait_done()
    same_list([json.loads(line) for line in stream], values)


def test_a_follower_that_goes_away_is_forgotten(t):
    job = t.job()
    for _ in range(30):
        job.follow().connection.cut()
    job.send(numbers(10), close=True)
    job.wait_done()
    same_multiset(job.results(), numbers(10))


def test_wait_ms_answers_as_soon_as_there_is_one(t):
    job = t.job()
    with t.api.connect() as waiting:
        waiting.send_head("GET", f"{job.path}/results?wait_ms=30000")
        job.send([{"n": 1}])
        eq(status(waiting.read_response(5), 200).values(), [{"n": 1}], "results")


def test_wait_ms_answers_at_once_when_there_is_one_already(t):
    job = t.job()
    job.send(numbers(2))
    job.wait(lambda j: j["counts"]["results"] == 2, what="two results")
    started = time.monotonic()
    eq(job.results(wait_ms=20000), numbers(2), "results")
    ok(time.monotonic() - started < 2 * t.slow, "it waited")


def test_wait_ms_answers_empty_after_its_time(t):
    job = t.job()
    started = time.monotonic()
    eq(job.results(wait_ms=200), [], "results")
    within(time.monotonic() - started, 0.15, 2 * t.slow, "seconds")


def test_wait_ms_ends_when_the_job_does(t):
    job = t.job()
    with t.api.connect() as waiting:
        waiting.send_head("GET", f"{job.path}/results?wait_ms=30000")
        job.must("close")
        eq(status(waiting.read_response(5), 200).body, b"", "results")


def test_wait_ms_behind_a_cursor_in_json(t):
    job = t.job()
    job.send(numbers(2))
    job.wait(lambda j: j["counts"]["results"] == 2, what="two results")
    cursor = next(job.pages())["next"]
    with t.api.connect() as waiting:
        waiting.send_head("GET", f"{job.path}/results?wait_ms=30000&after={quoted(cursor)}",
                          {"Accept": JSON})
        job.send(numbers(1, 2))
        page = status(waiting.read_response(5), 200).json()
        eq(page["items"], numbers(1, 2), "items")


# -- server-sent events -----------------------------------------------------------------------


def test_results_as_events(t):
    job = done_job(t, 20)
    events = list(job.events(follow="true"))
    eq([event.json() for event in events], numbers(20), "data")
    ids = [event.id for event in events]
    ok(all(ids) and len(set(ids)) == 20, f"ids {ids[:3]}")


def test_events_come_while_the_job_runs(t):
    job = t.job(order="input")
    stream = job.events(follow="true")
    eq(stream.response.type, "text/event-stream", "type")
    for n in range(3):
        job.send([n])
        eq(stream.next(5).json(), n, "data")
    stream.close()


def test_last_event_id_resumes(t):
    job = done_job(t, 20)
    events = list(job.events(follow="true"))
    rest = job.events(headers={"Last-Event-ID": events[11].id}, follow="true")
    eq([event.json() for event in rest], numbers(8, 12), "data behind the event")


def test_an_event_id_is_a_cursor(t):
    job = done_job(t, 20)
    events = list(job.events(follow="true"))
    eq(job.results(after=events[4].id), numbers(15, 5), "results behind the event's id")


def test_events_resume_after_a_restart(t):
    server = t.server()
    api = t.client(server)
    job = t.job(order="input", api=api)
    job.send(numbers(6))
    stream = job.events(follow="true")
    seen = [stream.next(5) for _ in range(6)]
    api.close()
    server.restart()
    job.send(numbers(4, 6), close=True)
    rest = list(job.events(headers={"Last-Event-ID": seen[-1].id}, follow="true"))
    eq([event.json() for event in seen + rest], numbers(10), "all data")


def test_head_of_results(t):
    job = done_job(t, 20)
    reply = t.api.request("HEAD", f"{job.path}/results")
    eq((reply.status, reply.type, reply.body), (200, "application/x-ndjson", b""), "HEAD")
    eq(status(t.api.get(f"{job.path}/results"), 200).body, ndjson(numbers(20)), "GET after it")
