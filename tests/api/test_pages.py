"""The pages built into the program: how they are served, cached and fenced in."""

import gzip
import re

from support.leat import *

PAGES = {"/": "text/html; charset=utf-8", "/docs": "text/html; charset=utf-8",
         "/openapi.json": "application/json"}
FENCE = {"default-src": "'none'", "script-src": "'self'", "style-src": "'self'",
         "img-src": "'self' data:", "connect-src": "'self'", "font-src": "'self'",
         "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}


def assets_of(t):
    """What the pages load, each from this server."""
    found = set()
    for path in ("/", "/docs"):
        text = t.api.get(path).body.decode()
        for link in re.findall(r'<(?:script|link|img)\b[^>]*?\b(?:src|href)="([^"]*)"', text):
            ok(link.startswith(("/", "./", "assets/", "data:")), f"{path} loads {link}")
            if not link.startswith("data:"):
                found.add("/" + link.lstrip("./"))
    return sorted(found)


def test_the_pages_are_there(t):
    for path, kind in PAGES.items():
        reply = status(t.api.get(path), 200)
        eq(reply.headers["content-type"], kind, f"type of {path}")
        eq(reply.headers["cache-control"], "no-cache", f"caching of {path}")


def test_what_the_pages_load_is_there_and_kept_for_ever(t):
    for path in assets_of(t):
        reply = status(t.api.get(path), 200)
        eq(reply.headers["cache-control"], "public, max-age=31536000, immutable", path)
        ok(reply.headers["content-type"].startswith(("text/", "image/", "font/")), path)


def test_pages_may_load_and_run_only_what_this_server_sends(t):
    for path in [*PAGES, *assets_of(t)]:
        headers = t.api.get(path).headers
        policy = dict(part.strip().split(" ", 1)
                      for part in headers["content-security-policy"].split(";"))
        eq(policy, FENCE, f"policy of {path}")
        eq(headers["x-content-type-options"], "nosniff", path)
        eq(headers["referrer-policy"], "no-referrer", path)


def test_pages_have_no_code_and_no_style_inside(t):
    for path in ("/", "/docs"):
        text = t.api.get(path).body.decode()
        ok(not re.search(r"<script(?![^>]*\bsrc=)|<style\b|\sstyle=|\son[a-z]+=|javascript:",
                         text), f"{path} has what its policy forbids")


def test_gzip_is_sent_where_it_is_accepted(t):
    for path in PAGES:
        plain = status(t.api.get(path), 200)
        ok("content-encoding" not in plain.headers, f"{path} is coded unasked")
        packed = status(t.api.get(path, headers={"Accept-Encoding": "br, gzip;q=0.5"}), 200)
        if "content-encoding" not in packed.headers:
            ok(len(plain.body) < 1000, f"{path} is sent without gzip")
            continue
        eq(packed.headers["content-encoding"], "gzip", path)
        eq(gzip.decompress(packed.body), plain.body, f"contents of {path}")
        eq(packed.headers["vary"], "Accept-Encoding", path)
        ok(packed.headers["etag"] != plain.headers["etag"], f"one tag for two codings of {path}")
        refused = t.api.get(path, headers={"Accept-Encoding": "gzip;q=0, *"})
        ok("content-encoding" not in refused.headers, f"gzip was refused for {path}")


def test_a_page_that_did_not_change_is_304(t):
    for path in [*PAGES, *assets_of(t)]:
        for coding in ("identity", "gzip"):
            headers = {"Accept-Encoding": coding}
            first = status(t.api.get(path, headers=headers), 200)
            tag = first.headers["etag"]
            ok(re.fullmatch(r'"[^"]+"', tag), f"{tag} of {path} is no strong tag")
            for asked in (tag, f'"other", W/{tag}', "*"):
                again = t.api.get(path, headers={**headers, "If-None-Match": asked})
                eq((again.status, again.body), (304, b""), f"{path} with {asked}")
                eq(again.headers["etag"], tag, f"tag of {path}")
                eq(again.headers["cache-control"], first.headers["cache-control"], path)
            changed = t.api.get(path, headers={**headers, "If-None-Match": '"other"'})
            eq(changed.status, 200, f"{path} with another tag")


def test_head_of_a_page_has_its_length(t):
    for path in PAGES:
        get, head = t.api.get(path), t.api.request("HEAD", path)
        eq((head.status, head.body), (200, b""), f"HEAD {path}")
        eq(head.headers["content-length"], str(len(get.body)), f"length of {path}")
        eq(head.headers["etag"], get.headers["etag"], f"tag of {path}")


def test_a_file_that_is_not_there_is_404(t):
    for path in ("/assets/none-01234567.js", "/assets/..%2findex.html", "/index.html", "/docs/",
                 "/favicon.ico", "//"):
        problem(t.api.get(path), 404, "not-found")
    for path in ("/", "/docs", "/openapi.json", "/assets/x.js"):
        reply = t.api.post(path, b"")
        problem(reply, 405, "method-not-allowed")
        eq(reply.headers["allow"], "GET, HEAD", f"Allow of {path}")
    problem(t.api.get("/docs?x=1"), 422, "bad-query")


def test_the_description_is_of_this_version(t):
    described = t.api.get("/openapi.json").json()
    ok(described["openapi"].startswith("3.1."), f"OpenAPI {described['openapi']}")
    eq(described["info"]["version"], t.api.get("/v1/server").json()["version"], "version")
