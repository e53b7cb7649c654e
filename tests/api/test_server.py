"""The rest: stages, the server, health, methods, headers, options, shutting down."""

from support.leat import *

BUILT_IN = {"pass": "map", "sleep": "map", "fail": "map", "sha256": "map", "pick": "map",
            "filter": "map", "explode": "map", "range": "source", "aggregate": "sink"}


def test_the_list_of_stages(t):
    body = status(t.api.get("/v1/stages"), 200).json()
    stages = {stage["name"]: stage for stage in body["items"]}
    for name, kind in BUILT_IN.items():
        ok(name in stages, f"no stage {name}")
        eq(stages[name]["kind"], kind, f"kind of {name}")


def test_each_stage_describes_itself(t):
    for name, kind in BUILT_IN.items():
        stage = status(t.api.get(f"/v1/stages/{name}"), 200).json()
        eq((stage["name"], stage["kind"]), (name, kind), "name and kind")
        ok(stage["version"] and stage["summary"], f"version and summary of {name}")
        ok(stage["threads"] in ("serial", "parallel", "blocking", "async"), f"{stage['threads']}")
        eq(stage["params"]["type"], "object", f"schema of {name}")
        for field, schema in stage["params"].get("properties", {}).items():
            ok(schema.get("description"), f"{name}.{field} is not described")


def test_the_schema_names_what_is_required(t):
    schema = t.api.get("/v1/stages/filter").json()["params"]
    ok("pointer" in schema["required"], f"required: {schema.get('required')}")
    eq(schema.get("additionalProperties"), False, "additionalProperties")


def test_an_unknown_stage_is_404(t):
    problem(t.api.get("/v1/stages/nosuch"), 404, "stage-not-found")


def test_the_server_tells_about_itself(t):
    body = status(t.api.get("/v1/server"), 200).json()
    ok(body["version"], "no version")
    text = json.dumps(body)
    for word in ("uptime", "limits", "memory", "disk"):
        ok(word in text, f"nothing about {word} in {text[:500]}")
    within(body["memory"]["rss_bytes"], 1 << 20, 1 << 40, "resident memory")


def test_health(t):
    for path in ("/livez", "/readyz"):
        body = status(t.api.get(path), 200).json()
        ok(body["status"], f"status of {path}")
        ok(isinstance(body["checks"], dict), f"checks of {path}")


def test_readyz_is_about_this_server_and_not_about_jobs(t):
    job = t.job([{"use": "fail", "params": {"every": 1}, "on_error": "fail"}])
    job.upload(b"1\n")
    job.wait_done("failed")
    status(t.api.get("/readyz"), 200)


HEADABLE = ("/v1/jobs", "/v1/stages", "/v1/stages/pass", "/v1/server", "/livez", "/readyz", "/metrics")


def test_head_works_where_get_does(t):
    for path in HEADABLE:
        head = t.api.request("HEAD", path)
        get = t.api.get(path)
        eq((head.status, head.type, head.body), (get.status, get.type, b""), f"HEAD {path}")
    head = t.api.request("HEAD", "/v1/jobs/j_00000000000000000000000000")
    eq((head.status, head.body), (404, b""), "HEAD of a missing job")


METHODS = {"/v1/jobs": "GET POST", "/metrics": "GET", "/v1/stages": "GET", "/v1/server": "GET", "/livez": "GET",
           "/readyz": "GET", "/v1/run": "POST PUT", "/v1/events": "GET",
           "/v1/jobs:validate": "POST", "{job}": "GET PATCH DELETE", "{job}/items": "GET POST PUT",
           "{job}/results": "GET", "{job}/failures": "GET", "{job}/failures/retry": "POST",
           "{job}/close": "POST", "{job}/pause": "POST", "{job}/resume": "POST",
           "{job}/cancel": "POST", "{job}/events": "GET"}


def test_other_methods_are_405_with_allow(t):
    job = t.job()
    for path, methods in METHODS.items():
        allowed = set(methods.split())
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
            reply = t.api.request(method, path.replace("{job}", job.path))
            problem(reply, 405, "method-not-allowed")
            told = {word.strip() for word in reply.headers["allow"].split(",")}
            eq(told - {"HEAD", "OPTIONS"}, allowed, f"Allow of {path}")
            eq("HEAD" in told, "GET" in allowed, f"HEAD in Allow of {path}")
    eq(job.get()["state"], "running", "state after all that")


def test_one_connection_carries_many_requests(t):
    job = t.job()
    with t.api.connect() as connection:
        for n in range(50):
            eq(connection.request("GET", "/livez").status, 200, "livez")
            reply = connection.request("POST", f"{job.path}/items", b"%d\n" % n)
            eq(reply.json()["accepted"], 1, "accepted")
            eq(connection.request("GET", "/nosuch").status, 404, "an unknown path")


def test_requests_may_be_pipelined(t):
    with t.api.connect() as connection:
        connection.method = "GET"
        connection.send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        eq([connection.read_response().status for _ in range(5)], [200] * 5, "statuses")


def test_http_1_0_is_answered(t):
    with t.api.connect() as connection:
        eq(connection.raw(b"GET /livez HTTP/1.0\r\n\r\n").status, 200, "status")


def test_an_own_origin_is_allowed(t):
    port = t.api.server.port
    for origin in (f"http://127.0.0.1:{port}", f"http://localhost:{port}"):
        headers = {"Origin": origin, "Host": origin[7:], "Sec-Fetch-Site": "same-origin"}
        reply = t.api.post("/v1/jobs", {"stages": [{"use": "pass"}]}, headers)
        t.adopt(status(reply, 201).json()["id"])


def test_a_foreign_origin_changes_nothing(t):
    job = t.job()
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"},
                    {"Sec-Fetch-Site": "cross-site"}):
        for reply in (job.upload(b"1\n", headers=headers),
                      t.api.post("/v1/jobs", b"{}", headers),
                      t.api.post(f"{job.path}/cancel", b"", headers),
                      t.api.request("DELETE", job.path, None, headers)):
            problem(reply, 403, "cross-origin")
    eq((job.get()["state"], job.get()["input"]["received"]), ("running", 0), "state and received")


def test_log_lines_name_event_and_job(t):
    server = t.server()
    api = t.client(server)
    job = t.job(api=api)
    job.must("cancel")
    ok(server.log.wait(rf"event=\w+.*{job.id}", 5 * t.slow), "no line about the job")


def test_log_as_json(t):
    server = t.server({"log": "json"}, start=False)
    server.spawn()
    found = server.log.wait(r'"listening"', 20 * t.slow)
    ok(found, "no listening event")
    line = json.loads(found.string)
    eq(line["event"], "listening", "event")


def test_two_servers_on_one_folder_are_refused_in_words(t):
    server = t.server()
    second = Server(t.settings.program, {"data": server.data}, slow=t.slow)
    t.cleanup.append(second.remove)
    second.spawn()
    code = second.wait(10)
    ok(code not in (0, None) and code > 0, f"exit {code}")
    ok(server.data in second.log.tail(), f"it does not name the folder:\n{second.log.tail()}")
    status(t.client(server).get("/livez"), 200)


# -- shutting down ----------------------------------------------------------------------------


def test_sigterm_drains_what_is_in_flight(t):
    server = t.server({"drain-ms": 10000})
    api = t.client(server)
    job = t.job([{"use": "sleep", "params": {"ms": 300}, "workers": 5}], api=api)
    job.send(numbers(100))
    job.wait(lambda j: j["stages"][0]["busy"] == 5, what="five are busy")
    before = job.get()["counts"]["succeeded"]
    server.signal(signal.SIGTERM)
    eq(server.wait(15), 0, "exit code")
    api.close()
    server.start()
    ok(job.get()["counts"]["succeeded"] >= before + 5, "what was in flight was not committed")
    job.must("cancel")


def test_readyz_is_503_while_draining_and_nothing_is_admitted(t):
    server = t.server({"drain-ms": 20000})
    api = t.client(server)
    job = t.job([{"use": "sleep", "params": {"ms": 3000}}], api=api)
    job.send(numbers(3))
    job.wait(lambda j: j["stages"][0]["busy"] == 1, what="one is busy")
    second = t.client(server)
    status(second.get("/livez"), 200)
    server.signal(signal.SIGTERM)
    until(lambda: api.get("/readyz").status == 503, 2 * t.slow, "readyz says 503")
    status(api.get("/livez"), 200)
    problem(api.post("/v1/jobs", {"stages": [{"use": "pass"}]}), 503, "draining")
    problem(second.post(f"{job.path}/items", b"1\n"), 503, "draining")
    eq(server.wait(20), 0, "exit code")


def test_drain_ms_bounds_the_drain(t):
    server = t.server({"drain-ms": 300})
    api = t.client(server)
    job = t.job([{"use": "sleep", "params": {"ms": 60000}, "workers": 3}], api=api)
    job.send(numbers(10))
    job.wait(lambda j: j["stages"][0]["busy"] == 3, what="three are busy")
    started = time.monotonic()
    server.signal(signal.SIGTERM)
    eq(server.wait(10), 0, "exit code")
    within(time.monotonic() - started, 0.2, 3 * t.slow, "seconds")
    api.close()
    server.start()
    eq(job.get()["input"]["received"], 10, "received after it")


def test_sigint_twice_stops_at_once_and_loses_nothing(t):
    server = t.server({"drain-ms": 60000})
    api = t.client(server)
    job = t.job([{"use": "sleep", "params": {"ms": 30000}, "workers": 3}], api=api)
    job.send(numbers(10), close=True)
    job.wait(lambda j: j["stages"][0]["busy"] == 3, what="three are busy")
    server.signal(signal.SIGINT)
    until(lambda: api.get("/readyz").status == 503, 2 * t.slow, "readyz says 503")
    started = time.monotonic()
    server.signal(signal.SIGINT)
    server.wait(10)
    ok(time.monotonic() - started < 2 * t.slow, "the second SIGINT took long")
    api.close()
    server.start()
    now = job.get()
    eq((now["input"]["received"], now["input"]["state"]), (10, "closed"), "input after it")
    job.must("cancel")


def test_sigterm_with_followers_and_uploaders_connected(t):
    """Suspended connections must not hold or abort the end (libmicrohttpd does, if let)."""
    server = t.server({"drain-ms": 1000})
    api = t.client(server)
    job = t.job(api=api, backlog={"bytes": 1 << 20})
    streams = [job.follow() for _ in range(10)] + \
              [api.stream(f"{job.path}/events", kind=Events) for _ in range(10)]
    job.must("pause")
    upload = api.connect()
    upload.send_head("POST", f"{job.path}/items", {"Transfer-Encoding": "chunked"})
    try:
        for _ in range(60):
            upload.send_chunk(ndjson([{"pad": "x" * 1000}]) * 500, timeout=0.5)
    except TimeoutError:
        pass
    server.signal(signal.SIGTERM)
    eq(server.wait(15), 0, "exit code")
    for stream in streams:
        stream.close()
    upload.close()


def test_a_client_that_leaves_with_half_a_body_is_seen_soon(t):
    api = t.client(t.server({"idle-timeout": 120000}))
    job = t.job(api=api)
    for _ in range(20):
        connection = api.connect()
        connection.send(f"PUT {job.path}/items HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
                        "{}\n".encode())
        connection.close()
    until(lambda: api.get("/v1/server").json()["http"]["active"] == 1, 20 * t.slow,
          "only the one that asks is active")
