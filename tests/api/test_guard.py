"""Names, origins and pages of others: what a browser can be made to do, and what it cannot."""

import http.client
import re

from support.leat import *
from support.tokens import Tokens

HERE = ("127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:1", "localhost.", "[::1]", "[::1]:80",
        "10.1.2.3", "192.168.0.1:8080", "[fe80::1]")
ELSEWHERE = ("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example",
             "localhost@evil.example", "127.1", "0x7f.1", "2130706433", "", "leat", "evil", ":8080",
             "127.0.0.1 evil.example", "notlocalhost", "::1")


def with_host(api, host, path="/v1/jobs", method="GET", **headers):
    with api.connect() as connection:
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return connection.raw(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode("latin-1"),
                              method)


def test_a_name_that_is_not_listed_is_refused(t):
    for host in HERE:
        eq(with_host(t.api, host).status, 200, f"Host: {host}")
    for host in ELSEWHERE:
        reply = with_host(t.api, host)
        if re.search("[ @]", host):  # no name at all
            problem(reply, 400, "bad-request")
        else:
            problem(reply, 403, "host-not-allowed")
    # Before a route is asked for anything, and for pages and probes never.
    reply = with_host(t.api, "evil.example", "/v1/jobs/j_00000000000000000000000000", "DELETE")
    problem(reply, 403, "host-not-allowed")
    for path in ("/livez", "/readyz", "/", "/openapi.json"):
        eq(with_host(t.api, "evil.example", path).status, 200, path)


def test_rebinding_does_not_help_a_page_that_says_it_is_our_own(t):
    reply = with_host(t.api, "evil.example", "/v1/jobs", "POST", Origin="http://evil.example",
                      **{"Sec-Fetch-Site": "same-origin", "Content-Length": "0"})
    problem(reply, 403, "host-not-allowed")


def test_names_can_be_listed(t):
    server = t.server({"hosts": "leat, jobs.example ,x"})
    api = t.client(server)
    for host in ("leat", "LEAT:8080", "jobs.example", "jobs.example.", "x", "localhost"):
        eq(with_host(api, host).status, 200, f"Host: {host}")
    for host in ("evil.example", "jobs.example.evil", "jobs", "le", "y"):
        eq(with_host(api, host).status, 403, f"Host: {host}")
    for host in ("leat,", "leat, jobs.example"):
        eq(with_host(api, host).status, 400, f"Host: {host}")


def test_a_token_is_as_good_as_a_name(t):
    tokens = Tokens(t)
    good = tokens.new("me", "read")
    api = tokens.start().client(None)
    eq(with_host(api, "any.example", Authorization=f"Bearer {good}").status, 200, "with a token")
    problem(with_host(api, "any.example"), 401, "unauthorized")
    problem(with_host(api, "any.example", Authorization="Bearer x"), 401, "unauthorized")


def changing(api):
    """Every operation that is not GET: (method, path)."""
    for path, item in api.get("/openapi.json").json()["paths"].items():
        for method in ("post", "put", "patch", "delete"):
            if method in item:
                yield method.upper(), path


def test_no_page_of_another_origin_changes_anything(t):
    """Each route, each way in which a browser can be made to ask, also with a token in hand."""
    tokens = Tokens(t)
    me = tokens.holder("me", "admin")
    tokens.start()
    job = t.job(api=me)
    found = list(changing(me))
    ok(len(found) >= 12, f"{found}")
    for method, path in found:
        target = path.replace("{id}", job.id)
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"},
                        {"Origin": f"http://127.0.0.1:{tokens.server.port + 1}"},
                        {"Origin": f"https://evil.example#127.0.0.1:{tokens.server.port}"},
                        {"Sec-Fetch-Site": "cross-site"},
                        {"Sec-Fetch-Site": "cross-site", "Origin": f"http://127.0.0.1:{tokens.server.port}"}):
            for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
                reply = me.request(method, target, b"{}", {**headers, "Content-Type": kind})
                problem(reply, 403, "cross-origin")
    eq(job.get()["state"], "running", "state")
    eq([row["id"] for row in me.jobs()["items"]], [job.id], "jobs")


def test_nothing_sets_or_reads_a_cookie(t):
    job = t.job()
    job.send([1], close=True)
    for path in ("/", "/docs", "/v1/jobs", "/v1/server", job.path, f"{job.path}/results", "/v1/none"):
        reply = t.api.get(path, headers={"Cookie": "leat.token=x; session=y"})
        ok("set-cookie" not in reply.headers, f"{path}: {reply.headers.pairs}")


def test_every_reply_forbids_guessing_and_no_page_is_framed(t):
    job = t.job()
    for path in ("/", "/docs", "/openapi.json", "/v1/jobs", job.path, "/v1/none", "/metrics"):
        headers = t.api.get(path).headers
        eq(headers["X-Content-Type-Options"], "nosniff", path)
        if path in ("/", "/docs"):
            policy = headers["Content-Security-Policy"]
            for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'",
                         "base-uri 'none'", "form-action 'none'", "connect-src 'self'"):
                ok(part in policy, f"{path}: {part} is not in {policy}")
            eq(headers["Referrer-Policy"], "no-referrer", path)


# ---- CORS ----


def preflight(server, origin, method="POST", headers="authorization,content-type"):
    """By the standard library: OPTIONS is in no description."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30 * server.slow)
    connection.request("OPTIONS", "/v1/jobs", headers={
        "Origin": origin, "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers})
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply


def allowed_origin(reply):
    found = [value for name, value in reply.headers.pairs if name.lower() == "access-control-allow-origin"]
    eq(len(found) <= 1, True, f"{found}")
    return found[0] if found else None


def test_cors_is_off_unless_it_is_asked_for(t):
    reply = t.api.get("/v1/jobs", headers={"Origin": "https://a.example"})
    eq(status(reply, 200).headers.get("Access-Control-Allow-Origin"), None, "the header")
    eq(preflight(t.api.server, "https://a.example").status, 405, "a preflight")


def test_pages_of_listed_origins_may_ask(t):
    origin = "https://a.example"
    tokens = Tokens(t, **{"cors-origins": f"{origin}, http://b.example:8000"})
    me = tokens.holder("me", "admin")
    tokens.start()
    for good in (origin, "http://b.example:8000"):
        reply = preflight(tokens.server, good)
        eq((reply.status, reply.headers["Access-Control-Allow-Origin"], reply.headers["Vary"]),
           (204, good, "Origin"), "a preflight")
        for name in ("authorization", "content-type", "idempotency-key", "last-event-id"):
            ok(name in reply.headers["Access-Control-Allow-Headers"].lower(), name)
        for method in ("PUT", "PATCH", "DELETE"):
            ok(method in reply.headers["Access-Control-Allow-Methods"], method)
        ok("Access-Control-Allow-Credentials" not in reply.headers, "credentials")
    for bad in ("https://a.example.evil", "http://a.example", "https://evil.example", "null", "*",
                "https://a.example:444", "https://a.example,", ""):
        reply = preflight(tokens.server, bad)
        eq((reply.status, reply.headers.get("Access-Control-Allow-Origin")), (405, None), repr(bad))
        reply = me.get("/v1/jobs", headers={"Origin": bad})
        eq((reply.status, allowed_origin(reply)), (200, None), repr(bad))
        problem(me.post("/v1/jobs", {"stages": [{"use": "pass"}]}, {"Origin": bad}) if bad else
                me.post("/v1/jobs", {"stages": [{"use": "pass"}]}, {"Origin": "x"}), 403, "cross-origin")
    reply = me.post("/v1/jobs", {"stages": [{"use": "pass"}]},
                    {"Origin": origin, "Sec-Fetch-Site": "cross-site"})
    eq((status(reply, 201).headers["Access-Control-Allow-Origin"], allowed_origin(reply)),
       (origin, origin), "a page makes a job")
    ok("Location" in reply.headers["Access-Control-Expose-Headers"], "and sees where it is")
    # What is refused can be read by the page, too, or it would never know why.
    reply = tokens.client(None).get("/v1/jobs", headers={"Origin": origin})
    problem(reply, 401, "unauthorized")
    eq(allowed_origin(reply), origin, "of a refusal")
    with me.stream("/v1/events", headers={"Origin": origin}, kind=Events).connection as connection:
        ok(connection, "a stream")


# ---- audit ----


def fields(line):
    return {name: value.strip('"') for name, value in
            re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line)}


def audit(server, wanted, t):
    def look():
        found = [line for line in server.log.lines if "event=audit " in line]
        return found if len(found) >= wanted else None
    return [fields(line) for line in until(look, 20 * t.slow, f"{wanted} lines of audit")]


def test_every_change_has_a_line_of_audit(t):
    tokens = Tokens(t)
    me = tokens.holder("me", "admin")
    less = tokens.holder("the other one", "read")
    tokens.start()
    job = t.job(api=me)
    job.send([1])
    status(job.patch({"labels": {"x": "y"}}), 200)
    for verb in ("pause", "resume", "close"):
        job.must(verb)
    job.wait_done()
    problem(less.request("DELETE", job.path), 403, "forbidden")
    status(less.get(job.path), 200)
    status(me.post("/v1/jobs:validate", {"stages": [{"use": "pass"}]}), 200)
    status(job.delete(), 204)
    run = me.post("/v1/run", b"1\n", {"Content-Type": NDJSON}, {"stages": "pass"})
    ran = status(run, 200).headers["Leat-Job"]
    problem(me.post("/v1/jobs", {"stages": []}), 422, "definition-invalid")
    found = audit(tokens.server, 10, t)
    eq([(f["method"], f["route"], f["status"], f["who"], f.get("job")) for f in found],
       [("POST", "/v1/jobs", "201", "me", job.id),
        ("POST", "/v1/jobs/{id}/items", "200", "me", job.id),
        ("PATCH", "/v1/jobs/{id}", "200", "me", job.id),
        *[("POST", f"/v1/jobs/{{id}}/{verb}", "200", "me", job.id) for verb in ("pause", "resume", "close")],
        ("DELETE", "/v1/jobs/{id}", "403", "the other one", job.id),
        ("DELETE", "/v1/jobs/{id}", "204", "me", job.id),
        ("POST", "/v1/run", "200", "me", ran),
        ("POST", "/v1/jobs", "422", "me", None)], "what was done")
    eq({f["client"] for f in found}, {"127.0.0.1"}, "from where")


def test_strangers_do_not_fill_the_log(t):
    tokens = Tokens(t)
    tokens.new("me", "admin")
    api = tokens.start().client(None)
    for _ in range(300):
        problem(api.post("/v1/jobs", b"{}"), 401, "unauthorized")
    found = audit(tokens.server, 1, t)
    ok(len(found) < 150, f"{len(found)} lines for 300 strangers")
    eq({(f["status"], f.get("who")) for f in found}, {("401", None)}, "lines")


def test_audit_can_be_switched_off(t):
    server = t.server({"audit-log": "off"})
    t.job(api=t.client(server))
    server.stop()
    eq([line for line in server.log.lines if "event=audit" in line], [], "lines")
