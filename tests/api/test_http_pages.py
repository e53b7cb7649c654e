"""The source `http-pages`: pages followed by link, by URL and by cursor, to the last one."""

from support.leat import *
from test_http import TOKEN, far, refused, serve


def pages(url, attempts=1, **params):
    return {"use": "http-pages", "params": {"url": url, **params},
            "retry": {"attempts": attempts, "backoff_ms": 1, "max_backoff_ms": 1}}


def run(t, api, stage, state="succeeded", **more):
    job = t.job([stage, "pass"], api=api, order="input", **more)
    job.wait_done(state, timeout=60 * t.slow)
    return job


def test_pages_are_followed_to_the_last(t):
    server = far(t)
    api = serve(t, server)
    for how, params in (("link", {}), ("next", {"items": "/items", "next": "/next"}),
                        ("cursor", {"items": "/items", "cursor": "/cursor",
                                    "cursor_param": "page"})):
        before = len(server.requests)
        stage = pages(f"{server.url}/list/{how}?of=10&size=3", **params,
                      headers={"X-Token": "{$secret:token}"})
        eq(run(t, api, stage).results(), [{"n": n} for n in range(10)], how)
        eq(len(server.requests) - before, 4, "requests")
        eq(server.requests[-1].headers["x-token"], TOKEN)
        eq(server.requests[-1].query, {"of": "10", "size": "3", "page": "3"})
    eq(run(t, api, pages(server.url + "/list/link?of=0")).results(), [])
    stage = pages(server.url + "/list/link?of=9000&size=4000")
    eq(len(set(r["n"] for r in run(t, api, stage).results())), 9000)


def test_what_is_no_page_ends_the_job_with_the_reason(t):
    server = far(t)
    api = serve(t, server)
    for path, params, says in (
            ("/status/404", {}, "HTTP 404"), ("/text", {}, "no JSON"), ("/nojson", {}, "no JSON"),
            ("/echo", {}, "no array of items"), ("/list/next?of=9", {"items": "/x"}, "no array"),
            ("/list/link?of=100&size=1", {"max_pages": 3}, "more than 3 pages"),
            ("/size/5000000", {}, "more than 1048576 bytes"),
            ("/list/link?of=9&size=3", {"items": "", "next": "/0/n"}, "")):
        job = t.job([pages(server.url + path, **params)], api=api)
        job.wait(lambda j: j["done"], 30, "the job is done")
        if says:
            eq(job.get()["state"], "failed", path)
            ok(says in json.dumps(job.get()["error"]), job.get()["error"])


def test_mistakes_are_told_when_the_job_is_made(t):
    server = far(t)
    api = serve(t, server, secrets_in_url=True)
    for params, pointer in (({"url": server.url + "/{/x}"}, "/url"),
                            ({"url": "http://evil.test/"}, "/url"),
                            ({"url": server.url + "/{$secret:token}"}, "/url"),
                            ({"url": server.url, "headers": {"A": "{/x}"}}, "/headers/A"),
                            ({"url": server.url, "next": "a", "cursor": "b"}, "/cursor")):
        eq([m[0] for m in refused(api, {"use": "http-pages", "params": params})], [pointer])


def test_a_page_that_fails_for_a_while_is_tried_again(t):
    server = far(t)
    api = serve(t, server)
    stage = pages(server.url + "/status/503?times=2", attempts=3, items="/none")
    job = run(t, api, stage, "failed")
    eq(len(server.requests), 3, "requests")
    ok("no array" in json.dumps(job.get()["error"]), job.get())


def test_kill_in_the_middle_of_pages_loses_and_doubles_nothing(t):
    server = far(t)
    api = serve(t, server)
    stage = pages(server.url + "/list/link?of=3000&size=7")
    job = t.job([stage, {"use": "sleep", "params": {"ms": 1}, "workers": 50}], api=api)
    for count in (30, 120, 250):
        server.wait_for(count, 60 * t.slow)
        api.close()
        api.server.kill()
        api.server.start()
    job.wait_done(timeout=60 * t.slow)
    eq(sorted(r["n"] for r in job.results()), list(range(3000)))


def test_cancel_lets_go_of_a_page_that_does_not_come(t):
    server = far(t)
    api = serve(t, server)
    job = t.job([pages(server.url + "/hang")], api=api)
    server.wait_for(1)
    job.must("cancel")
    job.wait_done("cancelled")
    until(lambda: server.now == 0, 20 * t.slow, "the connection is gone")
