"""One shot: /v1/run."""

import gzip

from support.leat import *


def run(t, query, values, headers=None, method="POST", body=None):
    headers = {"Content-Type": NDJSON, **(headers or {})}
    return t.api.request(method, "/v1/run", ndjson(values) if body is None else body, headers,
                         query)


def gone(t, job_id):
    until(lambda: t.api.get(f"/v1/jobs/{job_id}").status == 404, 10 * t.slow, "the job is removed")


def test_results_come_in_the_reply_in_order(t):
    values = texts(2000)
    reply = status(run(t, {"stages": "sha256:8", "sha256.field": "text"}, values), 200)
    eq(reply.type, "application/x-ndjson", "type")
    stages = [{"use": "sha256", "params": {"field": "text"}}]
    same_list(reply.values(), model.run(stages, values).values)


def test_put_and_bodies_of_every_kind(t):
    values = texts(50)
    same_list(run(t, {"stages": "pass"}, values, method="PUT").values(), values)
    same_list(run(t, {"stages": "pass"}, None, {"Content-Type": JSON},
                  body=json.dumps(values).encode()).values(), values)
    same_list(run(t, {"stages": "pass"}, None, {"Content-Encoding": "gzip"},
                  body=gzip.compress(ndjson(values))).values(), values)
    same_list(run(t, {"stages": "pass"}, None, body=odd_pieces(ndjson(values))).values(), values)
    with t.api.connect() as connection:
        same_list(connection.request("PUT", "/v1/run?stages=pass", ndjson(values)).values(), values)


def test_an_empty_body_has_an_empty_reply(t):
    reply = status(run(t, {"stages": "pass"}, []), 200)
    eq((reply.body, reply.trailers.get("leat-results")), (b"", "0"), "body and trailer")


def test_several_stages_with_workers_and_parameters(t):
    values = items.mixed(400)
    query = {"stages": "filter,explode:3,sha256:4,pick", "filter.pointer": "/keep",
             "filter.op": "ge", "filter.value": "5", "explode.field": "parts",
             "sha256.field": "/none", "pick.fields": '["id"]'}
    query["stages"] = "filter,explode:3,pick:2"
    del query["sha256.field"]
    stages = [{"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 5}},
              {"use": "explode", "params": {"field": "parts"}},
              {"use": "pick", "params": {"fields": ["id"]}}]
    same_list(run(t, query, values).values(), model.run(stages, values).values)


def test_a_value_is_json_where_it_is_json_else_a_string(t):
    values = [{"a": 5}, {"a": "5"}, {"a": "x y"}]
    for given, kept in (("5", {"a": 5}), ('"5"', {"a": "5"}), ("x y", {"a": "x y"})):
        reply = run(t, {"stages": "filter", "filter.pointer": "/a", "filter.op": "eq",
                        "filter.value": given}, values)
        eq(reply.values(), [kept], f"kept for {given}")


def test_stage_numbers_and_scaling_words_work_here(t):
    values = numbers(100)
    query = {"stages": "pass,pass", "workers.pass-2": 4, "queue.pass": 3}
    same_list(status(run(t, query, values), 200).values(), values)


def test_order_none_is_possible(t):
    values = numbers(300)
    reply = run(t, {"stages": "sleep:8", "sleep.ms": 0, "sleep.jitter_ms": 5, "order": "none"},
                values)
    same_multiset(reply.values(), values)
    ok(reply.values() != values, "random sleeps in 8 workers came out in order")


def test_order_input_is_the_default(t):
    values = numbers(300)
    reply = run(t, {"stages": "sleep:8", "sleep.ms": 0, "sleep.jitter_ms": 5}, values)
    same_list(reply.values(), values)


def test_trailers_give_the_counts(t):
    reply = status(run(t, {"stages": "fail", "fail.every": 4}, numbers(40)), 200)
    eq((reply.trailers.get("leat-results"), reply.trailers.get("leat-failures")), ("30", "10"),
       "Leat-Results and Leat-Failures")
    ok("leat-results" in (reply.headers.get("trailer") or "leat-results").lower(), "Trailer header")


def test_the_job_is_named_and_removed_when_the_reply_was_read(t):
    reply = run(t, {"stages": "pass"}, numbers(10))
    gone(t, reply.headers["leat-job"])


def test_the_job_can_be_watched_while_it_runs(t):
    before = {job["id"] for job in t.api.jobs(limit=100)["items"]}
    with t.api.connect() as connection:
        connection.send_head("POST", "/v1/run?stages=sleep:4&sleep.ms=20",
                             {"Transfer-Encoding": "chunked"})
        connection.send_chunk(ndjson(numbers(100)))
        found = until(lambda: [job for job in t.api.jobs(limit=100)["items"]
                               if job["id"] not in before and job["counts"]["succeeded"] >= 4],
                      10 * t.slow, "work begins before the body ends")
        job = t.adopt(found[0]["id"])
        connection.end_chunks()
        reply = connection.read_response()
        eq(reply.headers["leat-job"], job.id, "Leat-Job")
        same_list(reply.values(), numbers(100))


def test_the_job_can_be_cancelled(t):
    with t.api.connect() as connection:
        connection.send_head("POST", "/v1/run?stages=sleep&sleep.ms=100",
                             {"Content-Length": len(ndjson(numbers(500)))})
        connection.send(ndjson(numbers(500)))
        head = connection.read_head(10)
        job = t.adopt(head.headers["leat-job"])
        status(job.act("cancel"), 200)
        try:
            connection.read_body(head, 10)
            ok(len(head.lines()) < 500, "all results came from a cancelled job")
        except Closed:
            pass


def test_the_job_goes_when_the_client_does(t):
    connection = t.api.connect()
    connection.send_head("POST", "/v1/run?stages=sleep&sleep.ms=50",
                         {"Content-Length": len(ndjson(numbers(1000)))})
    connection.send(ndjson(numbers(1000)))
    head = connection.read_head(10)
    connection.cut()
    gone(t, head.headers["leat-job"])


def test_the_job_goes_when_the_client_leaves_in_the_body(t):
    label = {job["id"] for job in t.api.jobs(limit=100)["items"]}
    connection = t.api.connect()
    connection.send_head("POST", "/v1/run?stages=pass", {"Content-Length": 10000})
    connection.send(ndjson(numbers(5)))
    new = until(lambda: [job["id"] for job in t.api.jobs(limit=100)["items"]
                         if job["id"] not in label], 10 * t.slow, "the job appears")
    connection.cut()
    gone(t, new[0])


def test_what_a_stage_refuses_is_named_with_a_pointer(t):
    reply = run(t, {"stages": "filter", "filter.pointer": "/a", "filter.op": "matches",
                    "filter.value": "("}, [{}])
    body = problem(reply, 422, "definition-invalid")
    eq([mistake["pointer"] for mistake in body["errors"]], ["/stages/0/params/value"], "errors")


def test_a_long_reply_streams(t):
    values = items.orders(20000)
    reply = status(run(t, {"stages": "pass:2"}, None, body=ndjson(values)), 200)
    same_list(reply.values(), values)


def test_a_slow_client_gets_all_of_it(t):
    values = [{"n": n, "pad": "x" * 2000} for n in range(6000)]
    body = ndjson(values)
    connection = t.api.connect(receive_buffer=8192)
    connection.send_head("POST", "/v1/run?stages=pass", {"Content-Length": len(body)})
    connection.send(body)
    reply = connection.read_response()
    same_list(reply.values(), values)
    connection.close()


def test_failures_do_not_stop_the_rest(t):
    stages = [{"use": "fail", "params": {"every": 3}}]
    reply = run(t, {"stages": "fail", "fail.every": 3}, numbers(30))
    same_list(reply.values(), model.run(stages, numbers(30)).values)


def test_fail_fast_answers_the_first_failure(t):
    reply = run(t, {"stages": "fail", "fail.every": 1, "fail_fast": "true"}, numbers(5))
    body = problem(reply, 422, "item-failed")
    eq((body.get("item"), body.get("stage")), (0, "fail"), "item and stage")


def test_fail_fast_cuts_the_connection_once_results_were_sent(t):
    """A client must never take half of the results for all of them."""
    query = target("/v1/run", {"stages": "sleep,fail", "sleep.ms": 2, "fail.every": 900,
                               "fail_fast": "true"})
    body = ndjson([{"n": n, "pad": "x" * 500} for n in range(1000)])
    with t.api.connect() as connection:
        connection.send_head("POST", query, {"Content-Length": len(body)})
        connection.send(body)
        head = connection.read_head(30)
        if head.status == 422:
            problem(connection.read_body(head), 422, "item-failed")
            return
        eq(head.status, 200, "status")
        try:
            connection.read_body(head, 30)
        except Closed:
            return
        raise AssertionError("the reply looks whole though an item failed")


def test_fail_fast_without_a_failure_is_a_plain_reply(t):
    same_list(run(t, {"stages": "pass", "fail_fast": "true"}, numbers(20)).values(), numbers(20))


def test_a_bad_line_is_a_problem_and_leaves_no_job(t):
    before = {job["id"] for job in t.api.jobs(limit=100)["items"]}
    body = problem(run(t, {"stages": "pass"}, None, body=b"1\n2\nbad\n"), 422, "item-invalid")
    eq(body["errors"][0]["line"], 3, "line")
    until(lambda: {job["id"] for job in t.api.jobs(limit=100)["items"]} <= before, 10 * t.slow,
          "the job is removed")


def test_a_run_does_not_survive_a_restart(t):
    server = t.server()
    api = t.client(server)
    connection = api.connect()
    connection.send_head("POST", "/v1/run?stages=sleep&sleep.ms=100", {"Content-Length": 100000})
    connection.send(ndjson(numbers(50)))
    until(lambda: api.jobs()["items"], 10 * t.slow, "the job appears")
    api.close()
    server.restart()
    until(lambda: not api.jobs()["items"], 10 * t.slow, "the job is removed at the next start")
    connection.close()
