"""Tokens: every route against every scope, as the description that is built in names them."""

import itertools
import signal

from support.leat import *
from support.tokens import SCOPES, Tokens

NOBODY = "j_00000000000000000000000000"
BODIES = {"createJob": {"stages": [{"use": "pass"}]}, "validateJob": {"stages": [{"use": "pass"}]},
          "changeJob": {"labels": {"x": "y"}}, "uploadItems": b"1\n", "putItems": b"1\n",
          "runOnce": b"1\n", "runOncePut": b"1\n", "retryFailures": {}}
QUERIES = {"runOnce": {"stages": "pass"}, "runOncePut": {"stages": "pass"},
           "getUploadOffset": {"key": "k"}, "getJob": {"wait_ms": 0}}


def operations(api):
    """(name, method, path, scopes of which one is wanted) of all that is served."""
    paths = api.get("/openapi.json").json()["paths"]
    for path, item in paths.items():
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                yield (item[method]["operationId"], method.upper(), path,
                       {way["bearer"][0] for way in item[method]["security"]})


def ask(api, name, method, path, job=NOBODY):
    target = path.replace("{id}", job).replace("{name}", "pass")
    with api.connect() as connection:
        body = BODIES.get(name)
        headers = api.shown({"Content-Type": JSON if isinstance(body, dict) else NDJSON})
        body = json.dumps(body).encode() if isinstance(body, dict) else body
        query = "?" + "&".join(f"{k}={v}" for k, v in QUERIES[name].items()) if name in QUERIES else ""
        if name != "watchJobs":
            return connection.request(method, target + query, body, headers)
        connection.send_head(method, target, headers)
        response = connection.read_head()
        if response.status != 200:
            connection.read_body(response)
        return response


def is_let_in(reply, what):
    ok(reply.status not in (401, 403), f"{what}: {reply}")
    ok(reply.status in (200, 201, 204, 404), f"{what}: {reply}")


def test_every_route_wants_the_scope_that_its_description_names(t):
    tokens = Tokens(t)
    held = [set(some) for n in range(1, 5) for some in itertools.combinations(SCOPES, n)]
    texts_of = [tokens.new("-".join(sorted(scopes)), *sorted(scopes)) for scopes in held]
    tokens.start()
    found = list(operations(tokens.client(None)))
    ok(len(found) >= 30, f"{len(found)} operations")
    for scopes, text in zip(held, texts_of):
        api = tokens.client(text)
        for name, method, path, wanted in found:
            reply = ask(api, name, method, path)
            what = f"{method} {path} with {sorted(scopes)}"
            if not wanted or scopes & (wanted | {"admin"}):
                is_let_in(reply, what)
                continue
            body = problem(reply, 403, "forbidden")
            ok(" or ".join(s for s in SCOPES if s in wanted) in body["detail"], f"{what}: {body}")
            eq(reply.headers["WWW-Authenticate"], 'Bearer realm="leat", error="insufficient_scope", '
               f'scope="{" ".join(s for s in SCOPES if s in wanted)}"', what)


def test_without_a_token_only_pages_and_probes_are_served(t):
    tokens = Tokens(t)
    good = tokens.new("me", "admin")
    tokens.start()
    stranger = tokens.client(None)
    for name, method, path, wanted in operations(stranger):
        reply = ask(stranger, name, method, path)
        if not wanted:
            is_let_in(reply, f"{method} {path}")
            continue
        problem(reply, 401, "unauthorized")
        eq(reply.headers["WWW-Authenticate"], 'Bearer realm="leat"', f"{method} {path}")
    api = tokens.client(None)
    wrong = ["", "x", good[:-1], good + "x", good[:-1] + ("A" if good[-1] != "A" else "B"),
             good.upper(), "leat_" + "0" * 12 + good[17:], good + " x", " ", "\t" + good,
             "leat_" + "\xff" * 56]
    for text in wrong:
        reply = api.get("/v1/jobs", headers={"Authorization": f"Bearer {text}"})
        problem(reply, 401, "unauthorized")
        eq(reply.headers["WWW-Authenticate"], 'Bearer realm="leat", error="invalid_token"', repr(text))
    for header in (f"Basic {good}", good, f"Bearer{good}", f"Token {good}", "Bearer"):
        problem(api.get("/v1/jobs", headers={"Authorization": header}), 401, "unauthorized")
    for query in ({"access_token": good}, {"token": good}):
        problem(api.get("/v1/jobs", query), 401, "unauthorized")
    problem(api.get("/v1/jobs", headers={"Cookie": f"token={good}"}), 401, "unauthorized")
    for scheme in ("Bearer", "bearer", "BEARER", "Bearer  "):
        status(api.get("/v1/jobs", headers={"Authorization": f"{scheme} {good}"}), 200)
    with api.connect() as connection:  # nobody can say which of two is meant
        two = f"Authorization: Bearer {good}\r\n"
        reply = connection.raw(f"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n{two}{two}\r\n".encode())
        eq(reply.status, 401, "two tokens")


def test_the_words_of_a_path_that_is_not_there_need_no_token(t):
    tokens = Tokens(t)
    tokens.new("me", "admin")
    api = tokens.start().client(None)
    problem(api.get("/v1/none"), 404, "not-found")
    problem(api.request("DELETE", "/v1/jobs"), 405, "method-not-allowed")


# ---- labels ----


def two_teams(t):
    """Tokens of two teams and of an operator without labels, each with all but admin."""
    tokens = Tokens(t)
    rest = ("read", "submit", "operate")
    a = tokens.holder("a", *rest, team="a")
    b = tokens.holder("b", *rest, team="b")
    root = tokens.holder("root", *rest)
    tokens.start()
    return tokens, a, b, root


def test_a_job_gets_the_labels_of_its_token_and_keeps_them(t):
    _, a, b, root = two_teams(t)
    job = t.job(api=a, labels={"x": "1"})
    eq(job.get()["labels"], {"x": "1", "team": "a"}, "labels")
    eq(job.get()["owner"], "a", "owner")
    body = problem(a.post("/v1/jobs", {"stages": [{"use": "pass"}], "labels": {"team": "b"}}),
                   403, "forbidden")
    has_pointers(body, ["/labels/team"])
    checked = status(a.post("/v1/jobs:validate", {"stages": [{"use": "pass"}]}), 200).json()
    eq(checked["labels"], {"team": "a"}, "of the definition checked")
    for labels in ({"team": "b"}, {"team": None}, {"team": "a", "x": None, "team ": "b"}):
        reply = job.patch({"labels": labels})
        eq(reply.status, 403 if labels.get("team") != "a" else 200, f"{labels}: {reply}")
        eq(job.get()["labels"]["team"], "a", "the label")
    mine = t.job(api=root)
    eq((mine.get()["labels"], mine.get()["owner"]), ({}, "root"), "of who has no labels")
    # Nobody pulls another's job over, for he does not see it.
    problem(a.request("PATCH", mine.path, {"labels": {"team": "a"}}), 404, "job-not-found")
    eq(len(b.jobs()["items"]), 0, "what the other sees")


def without_id(text, job_id):
    return text.replace(job_id.encode(), b"ID")


def test_a_job_of_others_is_as_one_that_never_was(t):
    """Status, headers and body of every route that names a job, byte for byte."""
    tokens, a, b, _ = two_teams(t)
    live = t.job(api=b)
    live.upload(b"1\n2\n", headers={"Idempotency-Key": "k"})
    done = t.job(api=b)
    done.send([1], close=True)
    done.wait_done()
    for name, method, path, _ in operations(a):
        if "{id}" not in path:
            continue
        for method in ([method, "HEAD"] if method == "GET" else [method]):
            unknown = ask(a, name, method, path)
            for job in (live, done):
                theirs = ask(a, name, method, path, job.id)
                eq((theirs.status, theirs.status), (unknown.status, 404), f"{method} {path}")
                eq(without_id(theirs.body, job.id), without_id(unknown.body, NOBODY), path)
                pick = [[(k, v) for k, v in reply.headers.pairs if k.lower() != "date"]
                        for reply in (theirs, unknown)]
                eq(pick[0], pick[1], f"headers of {method} {path}")
    for job in (live, done):
        job.get()  # nothing has happened to it
    # An upload of theirs cannot be taken up, nor asked about.
    problem(Job(a, live.id).upload(b"1\n2\n3\n", headers={"Idempotency-Key": "k"}), 404,
            "job-not-found")
    eq(live.offset("k"), 2, "lines under the key")
    tokens.server.stop()


def test_lists_show_what_is_ones_own(t):
    _, a, b, root = two_teams(t)
    of_a = [t.job(api=a, labels={"n": str(n)}).id for n in range(3)]
    of_b = [t.job(api=b).id for _ in range(3)]
    loose = t.job(api=root).id

    def ids(api, **query):
        return [job["id"] for job in api.jobs(**query)["items"]]

    eq(ids(a), of_a[::-1], "of a")
    eq(ids(b), of_b[::-1], "of b")
    eq(ids(root), [loose, *of_b[::-1], *of_a[::-1]], "of all")
    eq(ids(a, **{"label.team": "b"}), [], "asked for another's label")
    eq(ids(a, **{"label.team": "a", "label.n": "1"}), [of_a[1]], "with a filter")
    eq(ids(a, after=of_b[0]), of_a[::-1], "a cursor made of another's id tells nothing")
    page = a.jobs(limit=2)
    eq(([job["id"] for job in page["items"]], page["next"]), (of_a[:0:-1], of_a[1]), "a page")
    eq((ids(a, limit=2, after=page["next"]), a.jobs(after=page["next"])["next"]), (of_a[:1], None),
       "the last page")


def test_events_and_metrics_tell_nothing_of_others(t):
    _, a, b, root = two_teams(t)
    watch = a.stream("/v1/events", kind=Events)
    theirs = t.job(api=b)
    theirs.send([1, 2], close=True)
    theirs.wait_done()
    status(theirs.delete(), 204)
    mine = t.job(api=a)
    mine.send([1], close=True)
    mine.wait_done()
    status(mine.delete(), 204)
    seen = []
    while not seen or seen[-1].event != "deleted":
        seen.append(watch.next(timeout=20 * t.slow))
    watch.close()
    eq({event.json()["id"] for event in seen}, {mine.id}, "jobs in the events")
    body = problem(a.get("/metrics"), 403, "forbidden")
    ok("all labels" in body["detail"], body["detail"])
    text = status(root.get("/metrics"), 200).body.decode()
    ok(mine.id not in text and "team" not in text, "metrics name a job")
    ok(theirs.id not in status(a.get("/v1/server"), 200).body.decode(), "the server names a job")


def test_a_one_shot_job_is_the_tokens_own(t):
    _, a, b, _ = two_teams(t)
    stream = a.stream("/v1/run", {"stages": "pass"}, {"Content-Type": NDJSON}, method="POST",
                      body=b"1\n2\n")
    job = stream.response.headers["Leat-Job"]
    problem(b.get(f"/v1/jobs/{job}"), 404, "job-not-found")
    eq([json.loads(line) for line in stream], [1, 2], "results")
    stream.close()


def test_who_follows_a_job_that_becomes_anothers_is_cut_off(t):
    _, a, b, root = two_teams(t)
    job = t.job(api=a)
    job.send([1])
    results = job.follow()
    eq(json.loads(results.readline(timeout=20 * t.slow)), 1, "the first result")
    events = a.stream(f"{job.path}/events", kind=Events)
    events.next(timeout=20 * t.slow)
    reply = status(root.request("PATCH", job.path, {"labels": {"team": "b"}}), 200).json()
    eq(reply["labels"], {"team": "b"}, "labels")
    for stream in (results, events):
        try:
            for _ in stream:
                pass
            raise AssertionError("the stream ended as if it were whole")
        except Closed:
            pass
        stream.close()
    problem(a.get(job.path), 404, "job-not-found")
    eq(Job(b, job.id).get()["owner"], "a", "owner")


# ---- the file, read again ----


def test_a_reload_lets_in_and_shuts_out_and_drops_no_connection(t):
    tokens = Tokens(t)
    stays = tokens.holder("stays", "read", "submit")
    goes = tokens.holder("goes", "read", "submit")
    tokens.start()
    job = t.job(api=stays)
    job.send([1])
    kept, cut = job.follow(), goes.stream(f"{job.path}/results", {"follow": "true"})
    watching = goes.stream("/v1/events", kind=Events)
    held = stays.connect()
    t.cleanup.append(held.close)
    eq(held.request("GET", "/v1/jobs", headers=stays.shown(None)).status, 200, "before")
    for stream in (kept, cut):
        eq(json.loads(stream.readline(timeout=20 * t.slow)), 1, "the first result")
    waiting = goes.connect()
    waiting.send_head("GET", f"{job.path}?wait_ms=60000&version=99999999", goes.shown(None))
    upload = goes.connect()
    upload.send_head("POST", f"{job.path}/items", {**goes.shown(None), "Content-Length": "1000"})
    upload.send(b"2\n")
    job.wait(lambda j: j["counts"]["succeeded"] == 2, what="the upload is under way")

    tokens.revoke("goes")
    comes = tokens.holder("comes", "read")
    problem(comes.get("/v1/jobs"), 401, "unauthorized")
    tokens.reload()

    status(comes.get("/v1/jobs"), 200)
    problem(goes.get("/v1/jobs"), 401, "unauthorized")
    for stream in (cut, watching):
        try:
            for _ in stream:
                pass
            raise AssertionError("the stream ended as if it were whole")
        except Closed:
            pass
        stream.close()
    for connection in (waiting, upload):
        try:
            reply = connection.read_response()
            raise AssertionError(f"an answer for who may not ask any more: {reply}")
        except (Closed, ConnectionResetError):
            pass
        connection.close()
    eq(held.request("GET", "/v1/jobs", headers=stays.shown(None)).status, 200,
       "over the connection from before")
    job.send([3])
    eq([json.loads(kept.readline(timeout=20 * t.slow)) for _ in range(2)], [2, 3],
       "who stays follows on")
    kept.close()


def test_a_broken_file_changes_nothing_and_is_named(t):
    tokens = Tokens(t)
    me = tokens.holder("me", "admin")
    tokens.start()
    job = t.job(api=me)
    job.send([1])
    stream = job.follow()
    stream.readline(timeout=20 * t.slow)
    with open(tokens.path, encoding="utf-8") as file:
        good = file.read()
    for text, why in (("{", "line 1"), (good + good, "stands there twice"),
                      (good + '{"name":"x","scopes":["all"]}', "line 2"), (None, "cannot be read")):
        os.remove(tokens.path)
        if text is not None:
            with open(tokens.path, "w", encoding="utf-8") as file:
                file.write(text)
        tokens.reload()
        found = [line for line in tokens.server.log.lines if "event=not_reloaded" in line][-1]
        ok(why in found and tokens.path in found, found)
        status(me.get("/v1/jobs"), 200)
        if text is None:
            with open(tokens.path, "w", encoding="utf-8") as file:
                file.write(good)
    tokens.reload()
    job.send([2])
    eq(json.loads(stream.readline(timeout=20 * t.slow)), 2, "the stream goes on")
    stream.close()


def test_scopes_and_labels_that_change_count_from_then_on(t):
    tokens = Tokens(t)
    me = tokens.holder("me", "read", "submit", "operate")
    tokens.start()
    job = t.job(api=me)
    stream = me.stream(f"{job.path}/events", kind=Events)
    stream.next(timeout=20 * t.slow)

    def change(old, new):
        with open(tokens.path, encoding="utf-8") as file:
            text = file.read()
        ok(old in text, text)
        with open(tokens.path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new))
        tokens.reload()

    change('"operate"', '"read"')
    problem(me.request("DELETE", job.path), 403, "forbidden")
    job.send([1])
    stream.next(timeout=20 * t.slow)  # who may still read follows on
    change('"created"', '"labels":{"team":"a"},"created"')
    problem(me.get(job.path), 404, "job-not-found")
    try:
        for _ in stream:
            pass
        raise AssertionError("the stream ended as if it were whole")
    except Closed:
        pass
    stream.close()


def test_without_tokens_a_reload_changes_nothing(t):
    server = t.server()
    api = t.client(server)
    server.signal(signal.SIGHUP)
    status(api.get("/v1/jobs", headers={"Authorization": "Bearer whatever"}), 200)
    eq(t.job(api=api).get()["owner"], None, "owner")
    server.stop()


def test_an_owner_survives_a_restart(t):
    tokens = Tokens(t)
    me = tokens.holder("me of long standing", "admin")
    tokens.start()
    live, done = t.job(api=me), t.job(api=me)
    done.send([1], close=True)
    done.wait_done()
    me.close()
    tokens.server.restart("kill")
    eq((live.get()["owner"], done.get()["owner"]), ("me of long standing",) * 2, "owners")
