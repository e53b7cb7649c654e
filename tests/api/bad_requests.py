"""Bad requests as data: what is sent, and what the server must say and must have kept.

A row is made by one of the functions below; test_bad_requests.py runs each as a test. `{job}`
in a target is the path of a fresh job in the state that the row asks for. What a row says:

    status, slug    of the problem; slug None where the HTTP library answers by itself, one of
                    several where it does so in some of its releases
    pointers        each must stand in errors[].pointer
    detail          a pattern that the problem's text must match
    line            errors[0].line
    kept            items that were accepted, and are in the job
"""

import gzip
import json
import subprocess
import zlib

NDJSON, JSON = "application/x-ndjson", "application/json"
NOBODY = "/v1/jobs/j_00000000000000000000000000"
ROWS = []


class Row:
    """One bad request; see the head of this file."""

    def __init__(self, name, method, target, status, slug, *, body=None, headers=None, job=None,
                 pointers=(), detail=None, line=None, kept=None, raw=None, allow=None,
                 creates_nothing=None):
        self.name, self.method, self.target = name, method, target
        self.status, self.slug, self.body = status, slug, body
        self.headers, self.job, self.pointers = headers or {}, job, pointers
        self.detail, self.line, self.kept = detail, line, kept
        self.raw, self.allow, self.creates_nothing = raw, allow, creates_nothing
        ROWS.append(self)


def wrong_definition(name, definition, pointers, detail=None):
    """POST /v1/jobs that is JSON but no definition."""
    if isinstance(definition, dict) and "name" not in definition:
        definition = {"name": "bad " + name, **definition}
    Row("definition_" + name, "POST", "/v1/jobs", 422, "definition-invalid",
        body=json.dumps(definition).encode(), headers={"Content-Type": JSON}, pointers=pointers,
        detail=detail, creates_nothing="bad " + name)


def wrong_stage(name, stage, pointers, detail=None):
    """A definition with one wrong stage; pointers are relative to it."""
    stage = {"use": "pass", **stage} if isinstance(stage, dict) else stage
    wrong_definition(name, {"stages": [stage]}, ["/stages/0" + p for p in pointers], detail)


def not_json(name, body, detail=None, status=400, slug="bad-json", headers=None):
    """POST /v1/jobs with bytes."""
    Row("body_" + name, "POST", "/v1/jobs", status, slug, body=body,
        headers={"Content-Type": JSON, **(headers or {})}, detail=detail)


def wrong_query(name, method, target, pointer, job=None, body=None, slug="bad-query", status=422):
    """A query parameter that is unknown or has a bad value."""
    Row("query_" + name, method, target, status, slug, job=job, body=body,
        headers={"Content-Type": JSON if body else NDJSON},
        pointers=[pointer] if pointer else [])


def wrong_items(name, body, status, slug, *, line=None, kept=0, headers=None, job="open",
                query="", detail=None):
    """An upload that ends with an error; `kept` items before it stay."""
    Row("items_" + name, "POST", "{job}/items" + query, status, slug, body=body, line=line,
        headers={"Content-Type": NDJSON, **(headers or {})}, job=job, kept=kept, detail=detail)


def wrong_patch(name, body, pointers=(), status=422, slug="definition-invalid"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    Row("patch_" + name, "PATCH", "{job}", status, slug, body=body, job="open",
        headers={"Content-Type": JSON}, pointers=pointers)


def wrong_run(name, query, status, slug, pointers=(), body=b"1\n2\n", detail=None, line=None):
    Row("run_" + name, "POST", "/v1/run?" + query, status, slug, body=body, line=line,
        headers={"Content-Type": NDJSON}, pointers=pointers, detail=detail)


def raw(name, data, status, slug=None, method="GET"):
    """Bytes that are hardly HTTP. `status` may be several; 0 among them: just hung up."""
    Row("wire_" + name, method, "", status, slug, raw=data)


# -- the definition: JSON, but wrong ------------------------------------------------------------

PASS = [{"use": "pass"}]

wrong_definition("without_stages", {}, ["/stages"])
wrong_definition("stages_object", {"stages": {}}, ["/stages"])
wrong_definition("stages_empty", {"stages": []}, ["/stages"])
wrong_definition("stages_null", {"stages": None}, ["/stages"])
wrong_definition("too_many_stages", {"stages": PASS * 65}, ["/stages"])
wrong_definition("stage_string", {"stages": ["pass"]}, ["/stages/0"])
wrong_stage("without_use", {"use": None, "name": "x"}, ["/use"])
wrong_definition("use_missing", {"stages": [{"workers": 3}]}, ["/stages/0/use"])
wrong_stage("use_number", {"use": 5}, ["/use"])
wrong_stage("unknown_stage_suggests_nearest", {"use": "sha265"}, ["/use"], "sha256")
wrong_stage("unknown_stage_far_from_all", {"use": "zzzzzzzzzzzz"}, ["/use"])
wrong_definition("unknown_field", {"stages": PASS, "stagez": []}, ["/stagez"])
wrong_definition("field_with_slash", {"stages": PASS, "a/b~c": 1}, ["/a~1b~0c"])
wrong_stage("unknown_stage_field", {"worker": 3}, ["/worker"], "workers")
wrong_stage("workers_0", {"workers": 0}, ["/workers"])
wrong_stage("workers_10001", {"workers": 10001}, ["/workers"], "10,?000")
wrong_stage("workers_string", {"workers": "8"}, ["/workers"])
wrong_stage("workers_fraction", {"workers": 1.5}, ["/workers"])
wrong_stage("workers_negative", {"workers": -1}, ["/workers"])
wrong_stage("workers_huge", {"workers": 2 ** 62}, ["/workers"])
wrong_stage("workers_null", {"workers": None}, ["/workers"])
wrong_definition("duplicate_stage_names", {"stages": [{"use": "pass", "name": "a"},
                                                      {"use": "pass", "name": "a"}]},
                 ["/stages/1/name"])
wrong_stage("name_empty", {"name": ""}, ["/name"])
wrong_stage("name_with_dot", {"name": "a.b"}, ["/name"])
wrong_stage("name_number", {"name": 7}, ["/name"])
wrong_definition("name_not_text", {"stages": PASS, "name": 7}, ["/name"])
wrong_definition("labels_array", {"stages": PASS, "labels": []}, ["/labels"])
wrong_definition("label_number", {"stages": PASS, "labels": {"a": 1}}, ["/labels/a"])
wrong_stage("queue_items_0", {"queue": {"items": 0}}, ["/queue/items"])
wrong_stage("queue_bytes_text", {"queue": {"bytes": "1M"}}, ["/queue/bytes"])
wrong_stage("queue_number", {"queue": 100}, ["/queue"])
wrong_stage("queue_unknown", {"queue": {"item": 5}}, ["/queue/item"], "items")
wrong_stage("timeout_negative", {"timeout_ms": -5}, ["/timeout_ms"])
wrong_stage("timeout_0", {"timeout_ms": 0}, ["/timeout_ms"])
wrong_stage("attempts_0", {"retry": {"attempts": 0}}, ["/retry/attempts"])
wrong_stage("backoff_negative", {"retry": {"backoff_ms": -1}}, ["/retry/backoff_ms"])
wrong_stage("retry_unknown", {"retry": {"attempt": 1}}, ["/retry/attempt"], "attempts")
wrong_stage("retry_array", {"retry": []}, ["/retry"])
wrong_stage("on_error_unknown", {"on_error": "ignore"}, ["/on_error"], "dead_letter")
wrong_stage("rate_0", {"rate": {"per_second": 0}}, ["/rate/per_second"])
wrong_stage("rate_empty", {"rate": {}}, ["/rate/per_second"])
wrong_definition("order_unknown", {"stages": PASS, "order": "sorted"}, ["/order"], "input")
wrong_definition("backlog_negative", {"stages": PASS, "backlog": {"bytes": -1}},
                 ["/backlog/bytes"])
wrong_definition("backlog_beyond_the_limit", {"stages": PASS, "backlog": {"bytes": 2 ** 60}},
                 ["/backlog/bytes"])
wrong_definition("max_failures_negative", {"stages": PASS, "limits": {"max_failures": -1}},
                 ["/limits/max_failures"])
wrong_definition("ratio_above_1", {"stages": PASS, "limits": {"max_failure_ratio": 1.5}},
                 ["/limits/max_failure_ratio"])
wrong_definition("deadline_0", {"stages": PASS, "limits": {"deadline_ms": 0}},
                 ["/limits/deadline_ms"])
wrong_definition("limits_unknown", {"stages": PASS, "limits": {"max": 1}}, ["/limits/max"])
wrong_definition("retention_text", {"stages": PASS, "retention_ms": "week"}, ["/retention_ms"])
wrong_stage("unknown_parameter", {"use": "sha256", "params": {"feild": "a"}}, ["/params/feild"],
            "field")
wrong_stage("parameter_of_wrong_type", {"use": "sleep", "params": {"ms": "ten"}}, ["/params/ms"])
wrong_stage("parameter_out_of_bounds", {"use": "sleep", "params": {"ms": -1}}, ["/params/ms"])
wrong_stage("required_parameter_missing", {"use": "filter", "params": {"op": "exists"}},
            ["/params/pointer"])
wrong_stage("params_array", {"params": []}, ["/params"])
wrong_stage("filter_op_unknown", {"use": "filter", "params": {"pointer": "/a", "op": "like",
                                                             "value": 1}}, ["/params/op"])
wrong_stage("filter_pattern_broken", {"use": "filter", "params": {"pointer": "/a", "op": "matches",
                                                                 "value": "("}},
            ["/params/value"])
wrong_stage("pointer_with_bad_escape", {"use": "filter", "params": {"pointer": "/a~2b",
                                                                   "op": "exists"}},
            ["/params/pointer"])
wrong_definition("source_not_first", {"stages": [{"use": "pass"}, {"use": "range", "params":
                 {"from": 0, "to": 5}}]}, ["/stages/1/use"], "first")
wrong_definition("sink_not_last", {"stages": [{"use": "aggregate", "params": {"field":
                 "/a"}}, {"use": "pass"}]}, ["/stages/0/use"], "last")
wrong_definition("every_mistake_is_listed",
                 {"nope": 1, "order": 3, "stages": [{"use": "pass", "workers": 0, "queue": {
                     "items": -1}}, {"use": "sleep", "params": {"ms": "x", "mz": 1}}]},
                 ["/nope", "/order", "/stages/0/workers", "/stages/0/queue/items",
                  "/stages/1/params/ms", "/stages/1/params/mz"])
wrong_definition("is_an_array", [], [""])
wrong_definition("is_a_number", 5, [""])
wrong_definition("is_null", None, [""])

# -- the definition: not even JSON --------------------------------------------------------------

not_json("empty", b"")
not_json("only_space", b"  \n ")
not_json("broken_at_line_7", b'{\n"name":"x",\n"stages":[\n{\n"use":"pass",\n"workers":3,\n"a" 1}]}',
         "line 7")
not_json("text", b"stages=pass")
not_json("rest_behind_the_end", b'{"stages":[{"use":"pass"}]} x')
not_json("two_documents", b'{"stages":[{"use":"pass"}]}{"stages":[]}')
not_json("cut", b'{"stages":[{"use":"pa')
not_json("invalid_utf8", b'{"name":"\xff\xfe","stages":[{"use":"pass"}]}')
not_json("lone_surrogate", b'{"name":"\\ud800","stages":[{"use":"pass"}]}')
not_json("nested_100000_deep", b"[" * 100000)
not_json("too_large", b'{"name":"' + b"x" * (24 << 20) + b'"}', status=413, slug="body-too-large")
not_json("of_type_text", b"{}", status=415, slug="unsupported-media-type",
         headers={"Content-Type": "text/plain"})
not_json("of_type_xml", b"<job/>", status=415, slug="unsupported-media-type",
         headers={"Content-Type": "application/xml"})
not_json("in_brotli", b"\x0b\x02\x80", status=415, slug="unsupported-encoding",
         headers={"Content-Encoding": "br"})

# -- queries ------------------------------------------------------------------------------------

GOOD = json.dumps({"stages": [{"use": "pass"}], "name": "bad query"}).encode()

for _name, _query, _pointer in (
        ("unknown_on_create", "workerz.pass=8", "workerz.pass"),
        ("plain_unknown_on_create", "verbose=1", "verbose"),
        ("workers_of_no_stage", "workers.sha256=8", "workers.sha256"),
        ("workers_zero", "workers.pass=0", "workers.pass"),
        ("workers_above", "workers.pass=10001", "workers.pass"),
        ("workers_text", "workers.pass=many", "workers.pass"),
        ("workers_with_nothing", "workers.pass=", "workers.pass"),
        ("queue_zero", "queue.pass=0", "queue.pass"),
        ("queue_of_no_stage", "queue.nosuch=5", "queue.nosuch")):
    wrong_query(_name, "POST", f"/v1/jobs?{_query}", _pointer, body=GOOD)
wrong_query("unknown_on_validate", "POST", "/v1/jobs:validate?x=1", "x", body=GOOD)
wrong_query("list_state", "GET", "/v1/jobs?state=bogus", "state")
wrong_query("list_limit_zero", "GET", "/v1/jobs?limit=0", "limit")
wrong_query("list_limit_text", "GET", "/v1/jobs?limit=ten", "limit")
wrong_query("list_unknown", "GET", "/v1/jobs?colour=red", "colour")
wrong_query("job_unknown", "GET", "{job}?fields=all", "fields", "open")
wrong_query("job_wait_text", "GET", "{job}?wait_ms=long", "wait_ms", "open")
wrong_query("job_version_negative", "GET", "{job}?wait_ms=5&version=-1", "version", "open")
wrong_query("results_limit", "GET", "{job}/results?limit=-1", "limit", "open")
wrong_query("results_limit_huge", "GET", "{job}/results?limit=99999999999999999999999", "limit",
            "open")
wrong_query("results_follow", "GET", "{job}/results?follow=maybe", "follow", "open")
wrong_query("results_wait", "GET", "{job}/results?wait_ms=1s", "wait_ms", "open")
wrong_query("results_envelope", "GET", "{job}/results?envelope=2", "envelope", "open")
wrong_query("results_unknown", "GET", "{job}/results?offset=3", "offset", "open")
wrong_query("failures_unknown", "GET", "{job}/failures?stage=pass", "stage", "open")
wrong_query("cancel_unknown", "POST", "{job}/cancel?force=true", "force", "open")
wrong_query("items_on_full", "POST", "{job}/items?on_full=drop", "on_full", "open")
wrong_query("items_close", "POST", "{job}/items?close=perhaps", "close", "open")
wrong_query("items_max_wait", "POST", "{job}/items?max_wait_ms=-1", "max_wait_ms", "open")
wrong_query("items_on_invalid", "POST", "{job}/items?on_invalid=ignore", "on_invalid", "open")
wrong_query("items_offset", "POST", "{job}/items?offset=abc", "offset", "open")
wrong_query("items_unknown", "POST", "{job}/items?clos=true", "clos", "open")
wrong_query("key_missing", "GET", "{job}/items", "key", "open")

for _log in ("results", "failures"):
    for _name, _cursor in (("garbage", "nonsense"), ("empty", ""), ("binary", "%00%ff"),
                           ("long", "x" * 500)):
        wrong_query(f"{_log}_cursor_{_name}", "GET", f"{{job}}/{_log}?after={_cursor}", None,
                    "open", slug="bad-cursor", status=400)
wrong_query("list_cursor", "GET", "/v1/jobs?after=nonsense", None, slug="bad-cursor", status=400)
Row("last_event_id_garbage", "GET", "{job}/results", 400, "bad-cursor", job="open",
    headers={"Accept": "text/event-stream", "Last-Event-ID": "nonsense"})

# -- items --------------------------------------------------------------------------------------

SIX = b"".join(b'{"n":%d}\n' % n for n in range(6))

for _name, _bad in (
        ("broken_json_at_line_7", b'{"n":6'), ("invalid_utf8", b'"\xc3\x28"'),
        ("overlong_utf8", b'"\xc0\xaf"'), ("surrogate_in_utf8", b'"\xed\xa0\x80"'),
        ("utf8_beyond_unicode", b'"\xf4\x90\x80\x80"'), ("lone_high_surrogate", b'"\\ud800"'),
        ("lone_low_surrogate", b'"\\udc00 x"'), ("swapped_surrogates", b'"\\udc00\\ud800"'),
        ("nul_byte", b'{"a":"\x00"}'), ("only_nul", b"\x00"), ("control_character", b'"a\x01b"'),
        ("tab_in_string", b'"a\tb"'), ("deep_nesting", b"[" * 100000 + b"]" * 100000),
        ("deep_objects", b'{"a":' * 5000 + b"1" + b"}" * 5000), ("trailing_comma", b'{"a":1,}'),
        ("nan", b"NaN"), ("infinity", b"[Infinity]"), ("single_quotes", b"{'a':1}"),
        ("two_values", b"{} {}"), ("leading_zero", b"007"), ("plus_sign", b"+1"),
        ("bare_word", b"hello"), ("comment", b'{"a":1} // x'), ("hex", b"0x10"),
        ("bad_escape", b'"\\x41"'), ("unquoted_key", b"{a:1}"), ("cut_number", b"1."),
        ("cut_literal", b"tru"), ("form", b"a=1&b=2")):
    wrong_items(_name, SIX + _bad + b"\n7\n8\n", 422, "item-invalid", line=7, kept=6)
wrong_items("cut_last_line", SIX + b'{"n":', 422, "item-invalid", line=7, kept=6)
wrong_items("too_large", SIX + b'"' + b"x" * (1 << 20) + b'"\n7\n', 413, "item-too-large", line=7,
            kept=6)
wrong_items("broken_array", b"[1,2,", 422, "item-invalid", kept=2, headers={"Content-Type": JSON})
wrong_items("array_and_more", b"[1,2] 3", 422, "item-invalid", kept=2,
            headers={"Content-Type": JSON})
wrong_items("array_without_comma", b"[1 2]", 422, "item-invalid", kept=None,
            headers={"Content-Type": JSON})
wrong_items("json_of_nothing", b"   ", 422, "item-invalid", headers={"Content-Type": JSON})

TEXT = b"".join(b'{"n":%d,"h":"%08x"}\n' % (n, zlib.crc32(b"%d" % n)) for n in range(20000))
ZSTD = subprocess.run(["zstd", "-q", "-c"], input=TEXT, stdout=subprocess.PIPE, check=True).stdout
GZIP = {"Content-Encoding": "gzip"}

wrong_items("truncated_gzip", gzip.compress(TEXT)[:-200], 400, "body-corrupt", kept=None,
            headers=GZIP)
wrong_items("gzip_without_its_end", gzip.compress(SIX)[:-4], 400, "body-corrupt", kept=None,
            headers=GZIP)
wrong_items("gzip_with_wrong_checksum", gzip.compress(SIX)[:-8] + b"\0" * 8, 400, "body-corrupt",
            kept=None, headers=GZIP)
wrong_items("no_gzip", SIX, 400, "body-corrupt", headers=GZIP)
wrong_items("rest_behind_gzip", gzip.compress(SIX) + b"rest", 400, "body-corrupt", kept=None,
            headers=GZIP)
wrong_items("truncated_zstd", ZSTD[:-200], 400, "body-corrupt", kept=None,
            headers={"Content-Encoding": "zstd"})
wrong_items("no_zstd", SIX, 400, "body-corrupt", headers={"Content-Encoding": "zstd"})
wrong_items("gzip_bomb", gzip.compress(b"\n" * (200 << 20), 9), 413, "body-too-large", kept=None,
            headers=GZIP)
wrong_items("gzip_bomb_of_items", gzip.compress(b"0" * (64 << 20), 9), 413,
            ("item-too-large", "body-too-large"), headers=GZIP)
wrong_items("in_brotli", b"\x0b", 415, "unsupported-encoding", headers={"Content-Encoding": "br"})
wrong_items("in_two_encodings", gzip.compress(SIX), 415, "unsupported-encoding",
            headers={"Content-Encoding": "gzip, zstd"})
for _kind in ("text/html", "text/plain", "multipart/form-data; boundary=x", "application/xml",
              "nonsense"):
    wrong_items("of_type_" + _kind.split(";")[0].replace("/", "_").replace("-", "_"), SIX, 415,
                "unsupported-media-type", headers={"Content-Type": _kind})
wrong_items("of_another_charset", SIX, 415, "unsupported-media-type",
            headers={"Content-Type": NDJSON + "; charset=iso-8859-1"})
for _name, _headers in (("foreign_origin", {"Origin": "http://evil.example"}),
                        ("null_origin", {"Origin": "null"}),
                        ("cross_site", {"Sec-Fetch-Site": "cross-site"})):
    wrong_items("of_" + _name, SIX, 403, "cross-origin", headers=_headers)
for _state, _slug in (("closed", "input-closed"), ("done", "input-closed"),
                      ("cancelled", "state-conflict")):
    wrong_items(f"into_a_{_state}_job", SIX, 409, _slug, job=_state)
wrong_items("behind_a_gap", SIX, 409, "offset-gap", query="?offset=10",
            headers={"Idempotency-Key": "k"})
wrong_items("offset_without_a_key", SIX, 422, "bad-query", query="?offset=10")
wrong_items("empty_key", SIX, 400, "bad-request", headers={"Idempotency-Key": ""})
Row("items_into_no_job", "POST", NOBODY + "/items", 404, "job-not-found", body=SIX,
    headers={"Content-Type": NDJSON})

# -- PATCH and retry ----------------------------------------------------------------------------

wrong_patch("unknown_stage", {"stages": {"nosuch": {"workers": 3}}}, ["/stages/nosuch"])
wrong_patch("workers_0", {"stages": {"pass": {"workers": 0}}}, ["/stages/pass/workers"])
wrong_patch("workers_10001", {"stages": {"pass": {"workers": 10001}}}, ["/stages/pass/workers"])
wrong_patch("workers_text", {"stages": {"pass": {"workers": "3"}}}, ["/stages/pass/workers"])
wrong_patch("params", {"stages": {"pass": {"params": {}}}}, ["/stages/pass/params"])
wrong_patch("stages_array", {"stages": []}, ["/stages"])
wrong_patch("unknown_field", {"order": "input"}, ["/order"])
wrong_patch("labels", {"labels": {"a": 5}}, ["/labels/a"])
wrong_patch("limits", {"limits": {"max_failures": "x"}}, ["/limits/max_failures"])
wrong_patch("an_array", [], [""])
wrong_patch("not_json", b"{", (), 400, "bad-json")
wrong_patch("empty", b"", (), 400, "bad-json")
Row("patch_of_no_job", "PATCH", NOBODY, 404, "job-not-found", body=b"{}",
    headers={"Content-Type": JSON})
for _name, _body, _pointer in (("items_text", {"items": "all"}, "/items"),
                               ("items_negative", {"items": [-1]}, "/items/0"),
                               ("items_fraction", {"items": [1, 2.5]}, "/items/1"),
                               ("unknown_field", {"item": [1]}, "/item"), ("array", [1], "")):
    Row("retry_" + _name, "POST", "{job}/failures/retry", 422, "definition-invalid", job="open",
        body=json.dumps(_body).encode(), headers={"Content-Type": JSON}, pointers=[_pointer])
Row("retry_not_json", "POST", "{job}/failures/retry", 400, "bad-json", job="open", body=b"[",
    headers={"Content-Type": JSON})

# -- one shot -----------------------------------------------------------------------------------

wrong_run("without_stages", "", 422, "bad-query", ["stages"])
wrong_run("empty_stages", "stages=", 422, ("bad-query", "definition-invalid"), ["stages"])
wrong_run("unknown_stage", "stages=pass,sha265", 422, "definition-invalid", ["/stages/1/use"],
          detail="sha256")
wrong_run("workers_0", "stages=pass:0", 422, ("bad-query", "definition-invalid"), ["stages"])
wrong_run("workers_text", "stages=pass:many", 422, ("bad-query", "definition-invalid"), ["stages"])
wrong_run("unknown_parameter", "stages=pass&verbose=1", 422, "bad-query", ["verbose"])
wrong_run("parameter_of_no_stage", "stages=pass&sha256.field=a", 422,
          ("bad-query", "definition-invalid"), ["sha256.field"])
wrong_run("unknown_stage_parameter", "stages=sha256&sha256.feild=a", 422, "definition-invalid",
          ["/stages/0/params/feild"])
wrong_run("bad_order", "stages=pass&order=sideways", 422, ("bad-query", "definition-invalid"))
wrong_run("bad_fail_fast", "stages=pass&fail_fast=maybe", 422, "bad-query", ["fail_fast"])
wrong_run("bad_line", "stages=pass", 422, "item-invalid", body=b"1\n2\n{\n", line=3)
wrong_run("of_a_source", "stages=range&range.from=0&range.to=5", 422,
          ("bad-query", "definition-invalid"))

# -- paths, methods, representations ------------------------------------------------------------

for _path in ("/nosuch", "/v1", "/v1/", "/v1/job", "/v2/jobs", "/v1/jobs/", "//v1/jobs",
              "/v1/jobs/../jobs", "/v1/jobs%00", "/%2e%2e/etc/passwd"):
    Row("path_" + "".join(c if c.isalnum() else "_" for c in _path), "GET", _path, 404, "not-found")
Row("path_below_a_job", "GET", "{job}/nosuch", 404, "not-found", job="open")
Row("path_wrong_id", "GET", "/v1/jobs/nope", 404, "job-not-found")
for _method, _sub in (("GET", ""), ("DELETE", ""), ("GET", "/results"), ("GET", "/failures"),
                      ("POST", "/close"), ("POST", "/pause"), ("POST", "/resume"),
                      ("POST", "/cancel"), ("POST", "/failures/retry"), ("GET", "/events"),
                      ("GET", "/items?key=k")):
    Row(f"no_job_{_method.lower()}{_sub.split('?')[0].replace('/', '_')}", _method, NOBODY + _sub,
        404, "job-not-found", body=b"{}" if _sub.endswith("retry") else None,
        headers={"Content-Type": JSON})
Row("no_stage", "GET", "/v1/stages/nosuch", 404, "stage-not-found")
for _method, _path, _allow in (("DELETE", "/v1/jobs", "GET"), ("PUT", "{job}", "PATCH"),
                               ("PATCH", "/v1/stages", "GET"), ("POST", "/livez", "GET"),
                               ("GET", "/v1/run", "POST"), ("GET", "{job}/close", "POST"),
                               ("BREW", "/v1/jobs", "GET"), ("TRACE", "/livez", "GET")):
    Row(f"method_{_method.lower()}_{_path.strip('{}/').replace('/', '_').replace('}', '')}",
        _method, _path, 405, "method-not-allowed", job="open", allow=_allow)
for _kind in ("text/html", "image/png", "application/x-ndjson;q=0", "text/xml, text/html;q=0.9"):
    Row("accept_" + "".join(c if c.isalnum() else "_" for c in _kind), "GET", "{job}/results", 406,
        "not-acceptable", job="open", headers={"Accept": _kind})
for _verb in ("pause", "resume"):
    Row(f"{_verb}_of_a_done_job", "POST", f"{{job}}/{_verb}", 409, "state-conflict", job="done")
for _headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
    Row("create_of_" + next(iter(_headers)).lower().replace("-", "_"), "POST", "/v1/jobs", 403,
        "cross-origin", body=GOOD, headers={"Content-Type": JSON, **_headers},
        creates_nothing="bad query")

# -- the wire -----------------------------------------------------------------------------------

HOST = b"Host: localhost\r\n"
raw("huge_header", b"GET /livez HTTP/1.1\r\n" + HOST + b"X: " + b"x" * (1 << 20) + b"\r\n\r\n",
    (431, 0))
raw("many_headers", b"GET /livez HTTP/1.1\r\n" + HOST +
    b"".join(b"X-%d: y\r\n" % n for n in range(50000)) + b"\r\n", (431, 0))
raw("huge_target", b"GET /" + b"x" * (1 << 20) + b" HTTP/1.1\r\n" + HOST + b"\r\n", (414, 431, 0))
raw("no_http", b"hello\r\n\r\n", (400, 0))
raw("tls_hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100 + b"\r\n\r\n",
    (400, 0))
raw("bad_version", b"GET /livez HTTP/9.9\r\n" + HOST + b"\r\n", (400, 505, 0))
raw("no_host", b"GET /livez HTTP/1.1\r\n\r\n", (400, 0))
raw("bad_length", b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: ten\r\n\r\n", (400, 0),
    method="POST")
raw("negative_length", b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\n",
    (400, 0), method="POST")
raw("bad_chunk", b"POST /v1/jobs HTTP/1.1\r\n" + HOST +
    b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n0\r\n\r\n", (400, 0), method="POST")
for _name, _framing, _slug in (
        ("length_and_chunks", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "bad-request"),
        ("two_lengths", b"Content-Length: 5\r\nContent-Length: 40\r\n", "bad-request"),
        ("chunks_twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
         "bad-request"),
        # libmicrohttpd 1.0 answers that itself
        ("unknown_coding", b"Transfer-Encoding: xchunked\r\n", ("bad-request", None))):
    raw(_name, b"POST /v1/jobs HTTP/1.1\r\n" + HOST + _framing + b"\r\n0\r\n\r\n", 400, _slug,
        method="POST")
raw("thousands_of_parameters", b"GET /v1/jobs?" + b"&".join(b"a%d=1" % n for n in range(2000)) +
    b" HTTP/1.1\r\n" + HOST + b"\r\n", 422, "bad-query")
raw("folded_header", b"GET /livez HTTP/1.1\r\n" + HOST + b"A: b\r\n  folded\r\n\r\n",
    (200, 400, 0))
