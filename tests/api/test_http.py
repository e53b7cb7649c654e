"""The stage `http`: calls to a server that answers well, badly, late, too much, or not at all."""

import json
import os
import shutil
import tempfile

from support.leat import *
from support.far import Far
from support.server import die_with_parent

TOKEN = "planted-\"token\"-zqxjkv"
CONFIG = {"secrets": {"token": {"$env": "HTTP_TOKEN"},
                      "elsewhere": {"value": {"$env": "HTTP_TOKEN"}, "hosts": ["other.test"]}}}


def far(t):
    server = Far()
    t.cleanup.append(server.stop)
    return server


def serve(t, server, options=None, **config):
    """A leat that may call it."""
    path = tempfile.mkdtemp(prefix="leat-http-")
    t.cleanup.append(lambda: shutil.rmtree(path))
    config = {**CONFIG, "hosts": [server.host], **config}
    with open(os.path.join(path, "http.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    return t.client(t.server({"stages-d": path, **(options or {})}, env={"HTTP_TOKEN": TOKEN}))


def call(url, workers=1, attempts=1, backoff_ms=1, timeout_ms=None, **params):
    stage = {"use": "http", "workers": workers, "params": {"url": url, **params},
             "retry": {"attempts": attempts, "backoff_ms": backoff_ms,
                       "max_backoff_ms": backoff_ms}}
    return {**stage, "timeout_ms": timeout_ms} if timeout_ms else stage


def run(t, api, stage, items, **more):
    job = t.job([stage], api=api, order="input", **more)
    job.send(items, close=True)
    job.wait_done(timeout=60 * t.slow)
    return job


def only_failure(t, api, stage, item=None):
    failures = run(t, api, stage, [{} if item is None else item]).failures()
    eq(len(failures), 1, "failures")
    return failures[0]


def refused(api, stage):
    reply = api.post("/v1/jobs", {"stages": [stage]})
    status(reply, 422)
    return [(error["pointer"].removeprefix("/stages/0/params"), error["detail"])
            for error in reply.json()["errors"]]


def test_the_answer_goes_into_the_item(t):
    server = far(t)
    api = serve(t, server)
    url = server.url + "/echo/{/id}?q={/q}"
    result = run(t, api, call(url), [{"id": "a/b?c", "q": "x y&z=1"}]).results()[0]
    eq(result["response"]["status"], 200)
    eq(result["response"]["headers"]["content-type"], "application/json")
    eq(result["response"]["body"]["target"], "/echo/a%2Fb%3Fc?q=x%20y%26z%3D1")
    eq(result["response"]["body"]["headers"]["user-agent"], "leat")
    ok("traceparent" not in server.requests[0].headers, "a trace from nowhere")
    items = [{"a": {"x": 1}, "big": 12345678901234567890123}, {"a": {}}]
    stage = call(server.url + "/status/200?times=0", into="/a/b/c", take="body")
    results = run(t, api, stage, items)
    eq(results.results(), [{"a": {"x": 1, "b": {"c": {"tries": 1}}},
                            "big": 12345678901234567890123}, {"a": {"b": {"c": {"tries": 2}}}}])
    stage = call(server.url + "/empty", into="/a", take="body", parse="json")
    eq(run(t, api, stage, [{"a": 7, "b": 1}]).results(), [{"a": None, "b": 1}])
    eq(run(t, api, call(server.url + "/text", into="", take="body"), [1]).results(),
       ["caf\u00e9 \ufffd\n\"q\""])
    eq(run(t, api, call(server.url + "/echo", take="nothing"), [[1]]).results(), [[1]])
    eq(run(t, api, call(server.url + "/chunked/999", into="", take="body"), [1]).results(),
       [[1234] * 999 + [5]])


def test_what_is_sent(t):
    server = far(t)
    api = serve(t, server)
    item = {"id": 7, "name": "A \"b\"\n\u00fc", "tags": ["x"]}

    def sent(**params):
        stage = call(server.url + "/echo", method="POST", take="body", into="", **params)
        return run(t, api, stage, [item]).results()[0]

    eq(json.loads(sent()["body"]), item)
    eq(sent()["headers"]["content-type"], "application/json")
    body = sent(body={"n": "{/id}", "t": ["{/tags}"], "s": "{{{/name}!", "o": {"k": None}})
    eq(json.loads(body["body"]),
       {"n": 7, "t": [["x"]], "s": "{A \"b\"\n\u00fc!", "o": {"k": None}})
    text = sent(body_text="id={/id};tags={/tags}", headers={"content-type": "a/b"})
    eq([text["body"], text["headers"]["content-type"]], ['id=7;tags=["x"]', "a/b"])
    eq(sent(body=None)["body"], "")
    header = sent(headers={"X-Name": "n {/id}", "X-Empty": ""})["headers"]
    eq([header["x-name"], header["x-empty"]], ["n 7", ""])
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    reply = api.post("/v1/jobs", {"stages": [call(server.url + "/echo")]},
                     headers={"traceparent": parent})
    job = t.adopt(status(reply, 201).json()["id"], api)
    job.send([1], close=True)
    eq(job.wait_done()["counts"]["failed"], 1)
    ok("no place" in job.failures()[0]["error"], job.failures())
    eq(server.requests[-1].headers["traceparent"].split("-")[1], parent.split("-")[1])


def test_values_cannot_become_more_than_values(t):
    server = far(t)
    api = serve(t, server)
    for item, url, header, says in (
            ({"v": ".."}, "/echo/{/v}/x", "a", "path"), ({"v": ""}, "/echo/{/v}", "a", "empty"),
            ({"v": "a\r\nX-Evil: 1"}, "/echo", "{/v}", "line end"),
            ({"v": {"a": 1}}, "/echo/{/v}", "a", "object"), ({"v": None}, "/echo?{/v}", "a", "null"),
            ({"w": 1}, "/echo/{/v}", "a", "there is no '/v'"),
            ({"v": "a\u0000b"}, "/echo/{/v}", "a", "U+0000")):
        failure = only_failure(t, api, call(server.url + url, headers={"X-A": header}), item)
        eq(failure["kind"], "permanent")
        ok(says in failure["error"], failure["error"])
    eq(server.requests, [], "requests")
    for url, says in (("http://127.0.0.1:1/x", "not one that the operator allows"),
                      (f"http://user:pw@{server.host}/", "no user"), ("ftp://127.0.0.1/", "http"),
                      (f"http://{server.host}@evil.test/", "no user"), ("file:///etc/passwd", "http"),
                      ("//x", "URL"), ("http://evil.test\\@" + server.host + "/", ""),
                      (f"http://{server.host}.evil.test/", "")):
        failure = only_failure(t, api, call("{/url}"), {"url": url})
        eq(failure["kind"], "permanent", url)
        ok(says in failure["error"], f"{url}: {failure['error']}")
    failure = only_failure(t, api, call("http://{/host}:%d/" % server.port), {"host": "a.b/c"})
    ok("not a host's name" in failure["error"], failure["error"])
    eq(server.requests, [], "requests")


def test_mistakes_are_told_when_the_job_is_made(t):
    server = far(t)
    api = serve(t, server)
    url = server.url + "/"
    for params, pointer, says in (
            ({"url": "http://evil.test/x"}, "/url", "not one that the operator allows"),
            ({"url": "http://evil.test:80/{/x}"}, "/url", "'evil.test' (port 80)"),
            ({"url": "ftp://x/"}, "/url", "http"), ({"url": url + "{x}"}, "/url", "JSON pointer"),
            ({"url": url + "{/x"}, "/url", "closed"),
            ({"url": url + "{$secret:token}"}, "/url", "no secrets here"),
            ({"headers": {"A": "{$secret:nope}"}}, "/headers/A", "no secret 'nope'"),
            ({"headers": {"A b": "x"}}, "/headers", "name of a header"),
            ({"headers": {"Host": "x"}}, "/headers/Host", "by itself"),
            ({"headers": {"A": "x\r\nB: y"}}, "/headers/A", "one line"),
            ({"headers": {"A": 1}}, "/headers/A", "string"), ({"headers": []}, "/headers", "object"),
            ({"body": {"a": "{$secret:token}"}, "method": "POST"}, "/body", "no secrets here"),
            ({"body": 1, "body_text": "x"}, "/body_text", "already"),
            ({"body": 1, "method": "HEAD"}, "/method", "no body"),
            ({"ok": [99]}, "/ok/0", "status"), ({"transient": ["6xx"]}, "/transient/0", "status"),
            ({"permanent": 5}, "/permanent", "array"), ({"redirects": 6}, "/redirects", "at most 5"),
            ({"per_host": 5000}, "/per_host", "at most 100"),
            ({"response_max": 2000000}, "/response_max", "at most")):
        mistakes = refused(api, {"use": "http", "params": {"url": url, **params}})
        eq([mistake[0] for mistake in mistakes], [pointer])
        ok(says in mistakes[0][1], mistakes)
    eq(server.connections, 0, "connections")


def test_statuses_are_transient_permanent_or_fine(t):
    server = far(t)
    api = serve(t, server)
    for code, kind in ((404, "permanent"), (302, "permanent"), (503, "transient"),
                       (429, "transient"), (501, "permanent")):
        failure = only_failure(t, api, call(f"{server.url}/status/{code}?k={code}", attempts=3))
        eq([failure["kind"], failure["attempts"]], [kind, 3 if kind == "transient" else 1])
        ok(f"HTTP {code} from 127.0.0.1: " in failure["error"] and "no luck" in failure["error"],
           failure["error"])
    job = run(t, api, call(server.url + "/status/503?times=2", attempts=3), [{}])
    eq(job.results()[0]["response"]["body"], {"tries": 3})
    eq(run(t, api, call(server.url + "/status/404", ok=["4xx"]), [{}]).results()[0]
       ["response"]["status"], 404)
    eq(only_failure(t, api, call(server.url + "/status/404?a", transient=[404], attempts=2))
       ["attempts"], 2)
    eq(only_failure(t, api, call(server.url + "/status/500?b", permanent=[500], attempts=2))
       ["attempts"], 1)


def test_retry_after_is_waited_for(t):
    server = far(t)
    api = serve(t, server)
    started = time.monotonic()
    job = run(t, api, call(server.url + "/status/429?times=1&after=1", attempts=2), [{}])
    eq(job.get()["counts"]["succeeded"], 1)
    ok(time.monotonic() - started >= 0.9, "it came back too early")
    started = time.monotonic()
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))
    job = run(t, api, call(server.url + "/status/503?times=1&after=" + quoted(date), attempts=2),
              [{}])
    ok(time.monotonic() - started >= 1.0, "it came back too early")
    for after in ("-5", "garbage", "99999999999999999999999"):
        stage = call(f"{server.url}/status/503?times=1&after={after}", attempts=2,
                     retry_after_max_ms=50)
        eq(run(t, api, stage, [{}]).get()["counts"]["succeeded"], 1, after)


def test_a_server_that_does_not_answer_well(t):
    server = far(t)
    api = serve(t, server)
    for path, kind, says in (("/cut", "transient", ""), ("/short", "transient", ""),
                             ("/noise", "transient", ""), ("/nojson", "permanent", "no JSON"),
                             ("/deep", "permanent", "nested"),
                             ("/size/2000000", "permanent", "1048576"),
                             ("/gzip/90000000", "permanent", "1048576")):
        failure = only_failure(t, api, call(server.url + path))
        eq(failure["kind"], kind, path)
        ok("127.0.0.1: " in failure["error"] and says in failure["error"], failure["error"])
    eq(len(run(t, api, call(server.url + "/gzip/50000", take="body"), [{}]).results()[0]
           ["response"]), 50000)
    failure = only_failure(t, api, call(server.url + "/size/11", response_max=10))
    ok("more than 10 bytes" in failure["error"], failure["error"])
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        other = serve(t, server, hosts=["127.0.0.1:*"])
        failure = only_failure(t, other, call("http://127.0.0.1:%d/" % closed.getsockname()[1],
                                              attempts=2))
    eq([failure["kind"], failure["attempts"]], ["transient", 2])
    failure = only_failure(t, api, call(server.url + "/hang", timeout_ms=200))
    eq(failure["kind"], "timeout")


def test_the_address_is_checked_when_it_is_connected_to(t):
    server = far(t)
    name = f"localhost:{server.port}"
    api = serve(t, server, hosts=[name, "127.0.0.1:*"])
    failure = only_failure(t, api, call(f"http://{name}/echo", attempts=3))
    eq([failure["kind"], failure["attempts"]], ["permanent", 1])
    ok("is in no network that the operator allows" in failure["error"], failure["error"])
    eq(server.connections, 0, "connections")
    stage = call(server.url + "/redirect?to=" + quoted(f"http://{name}/echo"), redirects=1)
    ok("in no network" in only_failure(t, api, stage)["error"], "a redirect is not checked")
    api = serve(t, server, hosts=[name], networks=["127.0.0.0/8", "::1/128"])
    eq(run(t, api, call(f"http://{name}/echo"), [{}]).get()["counts"]["succeeded"], 1)


def test_redirects_stay_where_they_may(t):
    server, other = far(t), far(t)
    api = serve(t, server, hosts=[server.host, other.host])

    def redirect(to, how=302, **params):
        url = f"{server.url}/redirect?to={quoted(to)}&status={how}"
        return call(url, **{"redirects": 2, "take": "body", "into": "", **params})

    eq(only_failure(t, api, redirect("/echo", redirects=0))["error"][:8], "HTTP 302")
    eq(run(t, api, redirect("/echo?x"), [1]).results()[0]["target"], "/echo?x")
    twice = server.url + "/redirect?to=" + quoted("/redirect?to=" + quoted("/redirect?to=/echo"))
    ok("too often" in only_failure(t, api, redirect(twice))["error"], "endless redirects")
    for to in ("http://127.0.0.1:1/", "http://evil.test/", "file:///etc/passwd",
               "http://u:p@" + other.host + "/"):
        failure = only_failure(t, api, redirect(to))
        eq(failure["kind"], "permanent")
        ok("redirects to where it may not" in failure["error"], failure["error"])
    for how, method, body in ((307, "POST", '{"a":1}'), (308, "POST", '{"a":1}'),
                              (303, "GET", ""), (302, "GET", "")):
        got = run(t, api, redirect("/echo", how, method="POST"), [{"a": 1}]).results()[0]
        eq([got["method"], got["body"]], [method, body], how)
    headers = {"X-Token": "{$secret:token}", "Authorization": "Bearer x", "X-Plain": "p"}
    run(t, api, redirect(other.url + "/echo", headers=headers), [1])
    got = other.requests[-1].headers
    eq(["x-token" in got, "authorization" in got, got["x-plain"]], [False, False, "p"])
    run(t, api, redirect(server.url + "/echo", headers=headers), [1])
    eq(server.requests[-1].headers["x-token"], TOKEN)


def test_secrets_are_sent_and_never_shown(t):
    server = far(t)
    api = serve(t, server, secrets_in_url=True, secrets_in_body=True)
    headers = {"X-Token": "{$secret:token}"}
    stage = call(server.url + "/echo?k={$secret:token}", headers=headers, method="POST",
                 body={"t": "a {$secret:token}"})
    job = run(t, api, stage, [{}])
    eq(server.requests[0].headers["x-token"], TOKEN)
    eq(server.requests[0].query["k"], TOKEN)
    eq(json.loads(server.requests[0].body), {"t": "a " + TOKEN})
    failing = run(t, api, call(server.url + "/status/500", headers=headers), [{}])
    eq(failing.get()["counts"]["failed"], 1)
    bound = only_failure(t, api, call(server.url + "/echo", headers={"A": "{$secret:elsewhere}"}))
    ok("'elsewhere' is not for the host" in bound["error"], bound["error"])
    shown = [api.get(path).body.decode() for each in (job, failing) for path in
             (each.path, each.path + "/definition", each.path + "/results",
              each.path + "/failures")]
    shown += [api.get(path).body.decode() for path in
              ("/v1/stages", "/v1/stages/http", "/v1/server", "/v1/jobs", "/metrics")]
    shown.append(api.server.log.tail(10000))
    for text in shown:
        for form in (TOKEN, json.dumps(TOKEN)[1:-1], json.dumps(json.dumps(TOKEN)[1:-1])[1:-1],
                     quoted(TOKEN), "zqxjkv"):
            ok(form not in text, f"{form} is shown in {text[:300]}")


def batch(url, items, **more):
    return {**call(url, **more), "batch": {"items": items}}


def test_a_batch_is_one_request_and_each_item_has_its_own_fate(t):
    server = far(t)
    api = serve(t, server)
    values = [{"n": n} | ({"fail": "once"} if n % 10 == 3 else {}) |
              ({"fail": "for good"} if n % 10 == 7 else {}) for n in range(100)]
    job = run(t, api, batch(server.url + "/each", 25, method="POST", into="a", attempts=3), values)
    results = job.results()
    same_list([r["n"] for r in results], [v["n"] for v in values if v.get("fail") != "for good"])
    eq([r["a"] for r in results if r.get("fail") == "once"],
       [{"late": n} for n in range(3, 100, 10)], "those of the second attempt")
    ok(any(r["a"].get("of") == 25 for r in results), "no batch was whole")
    eq({r["a"]["big"] for r in results if "fail" not in r}, {12345678901234567890123}, "numbers")
    same_list(sorted([f["item"], f["error"], f["attempts"]] for f in job.failures()),
              [[n, "never", 1] for n in range(7, 100, 10)], "failures")
    ok(len(server.requests) < 50, f"{len(server.requests)} requests")


def test_a_response_of_the_wrong_length_or_kind_fails_the_batch(t):
    server = far(t)
    api = serve(t, server)
    for path, words in (("/each?less=1", "a JSON array of as many"), ("/echo", "not object"),
                        ("/nojson", "no JSON"), ("/status/400", "HTTP 400")):
        job = run(t, api, batch(server.url + path, 5, method="POST"), [{"n": n} for n in range(5)])
        failures = job.failures()
        eq(len(failures), 5, path)
        ok(all(words in f["error"] for f in failures), f"{path}: {failures[0]['error']}")
    job = run(t, api, batch(server.url + "/each", 5), [{"n": 1}])
    ok("POST" in job.failures()[0]["error"], "GET sends nothing")


def test_a_batch_is_tried_again_as_a_whole(t):
    server = far(t)
    api = serve(t, server)
    stage = batch(server.url + "/status/503?times=1", 5, method="POST", attempts=3, take="nothing")
    job = run(t, api, stage, [{"n": n} for n in range(5)])
    eq([f["kind"] for f in job.failures()], ["permanent"] * 5, "the second answer is no array")
    ok(job.get()["counts"]["retries"] >= 5, "it was not tried again")


def test_without_a_configuration_nothing_may_be_called(t):
    server = far(t)
    mistakes = refused(t.api, call(server.url + "/echo"))
    eq(mistakes[0][0], "/url")
    ok("not one that the operator allows" in mistakes[0][1], mistakes)
    job = t.job([call("{/u}")])
    job.send([{"u": server.url}], close=True)
    eq(job.wait_done()["counts"]["failed"], 1)
    eq(server.connections, 0)


def test_a_configuration_that_is_wrong_is_refused(t):
    server = far(t)
    for config, says in (({"hosts": "x"}, "/hosts"), ({"hosts": ["a b"]}, "/hosts/0"),
                         ({"hosts": ["x:99999"]}, "/hosts/0"), ({"hosts": ["ftp://x"]}, "/hosts/0"),
                         ({"networks": ["10.0.0.0/33"]}, "/networks/0"),
                         ({"networks": ["x"]}, "/networks/0"), ({"secrets": {"a": ""}}, "/secrets/a"),
                         ({"secrets": {"a": "x\n"}}, "/secrets/a"), ({"ca_file": "/none"}, "/ca_file"),
                         ({"hosts": ["http://"]}, "/hosts/0"), ({"hosts": [""]}, "/hosts/0")):
        api = serve(t, server, **config)
        rows = api.get("/v1/stages").json()["refused"]
        eq(len(rows), 1, config)
        ok(says in rows[0]["reason"], rows[0]["reason"])
        api.server.stop()


def test_connections_are_used_again(t):
    server = far(t)
    api = serve(t, server)
    job = run(t, api, call(server.url + "/echo", workers=3, take="nothing"), numbers(300))
    eq(job.get()["counts"]["succeeded"], 300)
    ok(server.connections <= 3, f"{server.connections} connections")


def test_limits_per_host_hold(t):
    server = far(t)
    api = serve(t, server, per_host=7)
    job = t.job([call(server.url + "/gate", workers=50, take="nothing")], api=api)
    job.send(numbers(100), close=True)
    server.wait_for(7)
    job.wait(lambda j: j["stages"][0]["busy"] == 50, what="all workers wait")
    eq(server.now, 7, "at once")
    mine = t.job([call(server.url + "/echo", workers=50, take="nothing", per_host=2)], api=api)
    mine.send(numbers(50), close=True)
    server.open_gate()
    eq(job.wait_done()["counts"]["succeeded"], 100)
    eq(mine.wait_done()["counts"]["succeeded"], 50)
    ok(server.most <= 7, f"{server.most} at once")


def test_a_thousand_calls_at_once_need_no_thread(t):
    server = far(t)
    api = serve(t, server, per_host=2000)
    job = t.job([call(server.url + "/gate", workers=1000, take="nothing")], api=api)
    threads = api.server.threads()
    job.send(numbers(1500), close=True)
    server.wait_for(1000, 60 * t.slow)
    ok(api.server.threads() <= threads + 2, "threads")
    server.open_gate()
    eq(job.wait_done(timeout=60 * t.slow)["counts"]["succeeded"], 1500)


def test_cancel_lets_go_of_calls_under_way(t):
    server = far(t)
    api = serve(t, server)
    job = t.job([call(server.url + "/hang", workers=20)], api=api)
    job.send(numbers(40))
    server.wait_for(20)
    job.must("cancel")
    job.wait_done("cancelled")
    until(lambda: server.now == 0, 20 * t.slow, "the connections are gone")
    eq(run(t, api, call(server.url + "/echo", take="nothing"), [1]).results(), [1])


def test_a_server_that_stops_does_not_wait_for_calls(t):
    server = far(t)
    api = serve(t, server, options={"drain-ms": "100"})
    job = t.job([call(server.url + "/hang", workers=20)], api=api)
    job.send(numbers(40))
    server.wait_for(20)
    api.close()
    api.server.stop()
    until(lambda: server.now == 0, 20 * t.slow, "the connections are gone")


def test_kill_in_the_middle_loses_and_doubles_nothing(t):
    server = far(t)
    api = serve(t, server)
    job = t.job([call(server.url + "/gate?n={/n}", workers=10, into="r", take="body")], api=api)
    job.send([{"n": n} for n in range(60)], close=True)
    server.wait_for(10)
    api.close()
    api.server.kill()
    server.open_gate()
    api.server.start()
    job.wait_done(timeout=60 * t.slow)
    eq(sorted(r["n"] for r in job.results()), list(range(60)))
    ok(all(r["r"]["target"] == f"/gate?n={r['n']}" for r in job.results()), "an answer of another")


def certificate(folder):
    """Of 127.0.0.1, signed by itself."""
    key, cert = (os.path.join(folder, name) for name in ("key.pem", "cert.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key,
                    "-out", cert, "-days", "30", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return key, cert


@timeout(60)
def test_http_2_shares_a_connection_and_certificates_are_checked(t):
    for program in ("nghttpd", "openssl"):
        if shutil.which(program) is None:
            t.skip(f"{program} is not installed")
    folder = tempfile.mkdtemp(prefix="leat-h2-")
    t.cleanup.append(lambda: shutil.rmtree(folder))
    with open(os.path.join(folder, "a.json"), "w", encoding="utf-8") as file:
        file.write('{"a":1}')
    key, cert = certificate(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(os.path.join(folder, "log"), "wb") as log:
        process = subprocess.Popen(["nghttpd", "-v", "-a", "127.0.0.1", "-d", folder, str(port),
                                    key, cert], stdout=log, stderr=log,
                                   preexec_fn=die_with_parent)
    t.cleanup.append(lambda: (process.kill(), process.wait()))

    def listens():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(listens, 20 * t.slow, "nghttpd listens")

    class Server:
        host = f"https://127.0.0.1:{port}"

    stage = call(f"{Server.host}/a.json", workers=50, into="r", take="body", parse="json")
    failure = only_failure(t, serve(t, Server), stage)
    ok("certificate" in failure["error"], failure["error"])
    api = serve(t, Server, ca_file=cert)
    ok(refused(api, call(f"http://127.0.0.1:{port}/a.json")), "http where https is listed")
    job = run(t, api, stage, [{"n": n} for n in range(500)])
    eq(job.results(), [{"n": n, "r": {"a": 1}} for n in range(500)])
    with open(os.path.join(folder, "log"), encoding="utf-8", errors="replace") as log:
        streams = {line.split("]")[0] for line in log if ":path: /a.json" in line}
    ok(1 <= len(streams) <= 2, f"{len(streams)} connections")
