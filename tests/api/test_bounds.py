"""Every bound on how many clients there may be, and how often they may ask, is reached, refused in
words, and recovered from."""

import re

from bounds import *


# -- connections -------------------------------------------------------------------------------

def test_connections_over_the_bound_of_an_address_are_told_so(t):
    api = own(t, connections_per_address=10)
    status(api.get("/livez"), 200)  # one of them is ours
    held = [api.connect() for _ in range(9)]
    for connection in held:
        status(connection.request("GET", "/livez"), 200)
    with api.connect() as one_more:
        reply = one_more.request("POST", "/v1/jobs", b'{"stages":[{"use":"pass"}]}',
                                 {"Content-Type": JSON})
        busy(reply, "connections-per-address")
        eq(reply.headers["connection"].lower(), "close", "Connection")
        eq(ends(one_more, 10 * t.slow), b"", "behind the reply")
    m = scrape(api)
    eq((m("leat_http_connections_refused_total", bound="connections-per-address"),
        m("leat_http_connections_per_address"), m("leat_http_connections_per_address_max")),
       (1, 10, 10), "as metrics")
    eq(api.jobs()["items"], [], "jobs made by who was refused")
    held.pop().close()
    until(lambda: scrape(api)("leat_http_connections") == 9, 10 * t.slow, "one is gone")
    with api.connect() as welcome:
        status(welcome.request("GET", "/livez"), 200)
    for connection in held:
        connection.close()


def test_connections_over_the_bound_are_told_so(t):
    api = own(t, connections_max=8)
    status(api.get("/livez"), 200)
    held = [api.connect() for _ in range(7)]
    for connection in held:
        status(connection.request("GET", "/livez"), 200)
    for _ in range(3):
        with api.connect() as one_more:
            busy(one_more.request("GET", "/livez"), "connections-max")
    eq(scrape(api)("leat_http_connections_refused_total", bound="connections-max"), 3)
    for connection in held:
        connection.close()
    until(lambda: scrape(api)("leat_http_connections") == 1, 10 * t.slow, "they are gone")
    with api.connect() as welcome:
        status(welcome.request("GET", "/livez"), 200)


@timeout(60)
def test_a_flood_of_connections_is_answered_or_cut(t):
    """Refused connections that ask nothing make no heap: some wait for a short while, and the
    others are closed at once."""
    api = own(t, connections_per_address=20)
    status(api.get("/livez"), 200)
    flood = [api.connect() for _ in range(300)]
    m = until(lambda: (m := scrape(api))("leat_http_connections_refused_total",
              bound="connections-per-address") == 281 and m, 20 * t.slow, "all are counted", 0.1)
    eq(m("leat_http_connections_cut_total"), 281 - 64, "closed at once")
    until(lambda: scrape(api)("leat_http_connections") <= 20, 20 * t.slow, "the rest are closed", 0.1)
    for connection in flood:
        connection.close()
    counted_down(t, api, 1)
    with api.connect() as welcome:
        status(welcome.request("GET", "/livez"), 200)


# -- requests a second -------------------------------------------------------------------------

def limits(reply):
    """What RateLimit says: who, how many are left, in how many seconds all are back."""
    found = re.fullmatch(r'"(\w+)";r=(\d+);t=(\d+)', reply.headers["ratelimit"])
    return found[1], int(found[2]), int(found[3])


def use_up(api, headers=None):
    """Asks until it is refused; the number of answers before, and the refusal."""
    for n in range(1000):
        reply = api.get("/v1/stages", headers=headers)
        if reply.status == 429:
            return n, reply
        status(reply, 200)
    raise AssertionError("no limit is ever reached")


def too_often(reply, per):
    body = problem(reply, 429, "rate-limited")
    ok(f"rate-per-{per}" in body["detail"], body["detail"])
    within(int(reply.headers["retry-after"]), 1, 10, "Retry-After")
    eq(limits(reply)[:2], (per, 0), "RateLimit")


def test_requests_of_an_address_are_counted(t):
    api = own(t, rate_per_address=2)
    first = api.get("/v1/stages")
    eq(first.headers["ratelimit-policy"], '"address";q=20;w=10', "RateLimit-Policy")
    eq(limits(first), ("address", 19, 1), "RateLimit")
    answered, refusal = use_up(api)
    within(answered, 19, 60, "requests before it was refused")
    too_often(refusal, "address")
    for path in ("/livez", "/readyz", "/"):
        ok("ratelimit" not in api.get(path).headers, f"{path} is counted")
    until(lambda: api.get("/v1/stages").status == 200, 20 * t.slow, "one is back", 0.2)
    m = until(lambda: (r := api.get("/metrics")).status == 200 and Metrics(r.body.decode()),
              20 * t.slow, "the metrics", 0.6)
    ok(m("leat_http_rate_limited_total", per="address") >= 1, "counted")
    eq((m("leat_http_rate_max", per="address"), m("leat_http_rate_max", per="token"),
        m("leat_http_rate_buckets", per="address")), (2, 0, 1), "as metrics")


def test_requests_of_a_token_are_counted_apart(t):
    one, other = Token("one", "read"), Token("other", "read")
    api = with_tokens(t, one, other, rate_per_token=1, rate_per_address=3)
    answered, refusal = use_up(api, one.headers)
    within(answered, 10, 40, "requests before it was refused")
    too_often(refusal, "token")
    status(api.get("/v1/stages", headers=other.headers), 200)
    for _ in range(29):  # guesses are counted by where they come from
        reply = api.get("/v1/stages", headers={"Authorization": "Bearer leat_wrong"})
        ok(reply.status in (401, 429), reply)
    until(lambda: api.get("/v1/stages").status == 429, 10 * t.slow, "guesses are refused", 0)
    status(api.get("/v1/stages", headers=other.headers), 200)


def test_a_client_that_is_told_to_wait_waits(t):
    api = own(t, rate_per_address=3)
    use_up(api)
    done = subprocess.run([t.settings.program, "submit", "pass", "--server", f"http://127.0.0.1:{api.server.port}",
                           "--results"], input=b"1\n2\n", capture_output=True, timeout=60 * t.slow,
                          check=False)
    eq((done.returncode, done.stdout), (0, b"1\n2\n"), done.stderr.decode())
    m = until(lambda: (r := api.get("/metrics")).status == 200 and Metrics(r.body.decode()),
              20 * t.slow, "the metrics", 0.6)
    ok(m("leat_http_rate_limited_total", per="address") >= 2, "it was never told to wait")


# -- followers ---------------------------------------------------------------------------------

def test_streams_of_events_are_bounded(t):
    api = own(t, sse_max=3)
    job = api.create({"stages": [{"use": "pass"}]})
    paths = ["/v1/events", f"{job.path}/events", f"{job.path}/results"]
    streams = [api.stream(path, {}, None, Events) for path in paths]
    for path in paths:
        busy(api.get(path, headers={"Accept": "text/event-stream"}), "sse-max")
    m = scrape(api)
    eq([m(f"leat_http_followers{what}", of="events") for what in ("", "_max", "_refused_total")],
       [3, 3, 3], "as metrics")
    streams.pop().close()
    until(lambda: scrape(api)("leat_http_followers", of="events") == 2, 20 * t.slow, "one is gone", 0.1)
    streams.append(api.stream("/v1/events", {}, None, Events))
    job.must("cancel")
    for stream in streams:
        stream.close()


def test_followers_of_results_and_those_who_wait_are_bounded(t):
    api = own(t, followers_max=2)
    job = api.create({"stages": [{"use": "pass"}]})
    streams = [job.follow(), job.follow("failures")]
    for path in (f"{job.path}/results?follow=true", f"{job.path}/failures?wait_ms=1000",
                 f"{job.path}?wait_ms=1000"):
        busy(api.get(path), "followers-max")
    status(api.get(f"{job.path}/results"), 200)
    eq(scrape(api)("leat_http_followers_refused_total", of="results"), 3)
    job.send([1], close=True)
    for stream in streams:
        list(stream)
        stream.close()
    until(lambda: scrape(api)("leat_http_followers", of="results") == 0, 20 * t.slow, "they are gone", 0.1)
    eq(list(job.follow()), [b"1"], "the results")
