"""Requests that two parsers could read differently: refused and the connection closed, or read
exactly as RFC 9112 says. Behind each stands a canary, a second request, which an attacker would
smuggle: where the first is refused it must never be answered."""

import re

from support.leat import *

BODY = b'{"stages":[{"use":"pass"}]}'
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
CANARY = b"GET /livez?canary HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def post(*headers, body=b"", version=b"HTTP/1.1"):
    return b"\r\n".join([b"POST /v1/jobs:validate " + version, b"Host: localhost", *headers]) \
        + b"\r\n\r\n" + body


def get(*headers, line=b"GET /livez HTTP/1.1", host=b"Host: localhost"):
    return b"\r\n".join([line, *([host] if host else []), *headers]) + b"\r\n\r\n"


# What it is, where RFC 9112 speaks of it, the bytes.
REFUSED = [
    ("a length and chunks", "6.1", post(b"Content-Length: 5", b"Transfer-Encoding: chunked",
                                        body=b"0\r\n\r\n")),
    ("chunks and a length", "6.1", post(b"Transfer-Encoding: chunked", b"Content-Length: 5",
                                        body=b"0\r\n\r\n")),
    ("two lengths", "6.3", post(b"Content-Length: 27", b"Content-Length: 5", body=BODY)),
    ("one length twice", "6.3", post(b"Content-Length: 27", b"Content-Length: 27", body=BODY)),
    ("a list of lengths", "6.3", post(b"Content-Length: 27, 27", body=BODY)),
    ("a length with a sign", "6.2", post(b"Content-Length: +27", body=BODY)),
    ("a negative length", "6.2", post(b"Content-Length: -1", body=BODY)),
    ("a length in hexadecimal", "6.2", post(b"Content-Length: 0x1b", body=BODY)),
    ("a length with a space", "6.2", post(b"Content-Length: 2 7", body=BODY)),
    ("a length of more than 64 bits", "6.2", post(b"Content-Length: 18446744073709551643",
                                                  body=BODY)),
    ("an empty length", "6.2", post(b"Content-Length:", body=BODY)),
    ("chunked twice", "6.1", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked",
                                  body=CHUNKED)),
    ("a list of chunked", "7", post(b"Transfer-Encoding: chunked, chunked", body=CHUNKED)),
    ("another coding first", "6.1", post(b"Transfer-Encoding: gzip, chunked", body=CHUNKED)),
    ("chunked is not the last", "6.3", post(b"Transfer-Encoding: chunked, identity", body=CHUNKED)),
    ("a coding of no name", "6.1", post(b"Transfer-Encoding: xchunked", body=CHUNKED)),
    ("a control character before it", "5", post(b"Transfer-Encoding: \x0bchunked", body=CHUNKED)),
    ("the coding identity", "6.1", post(b"Transfer-Encoding: identity", b"Content-Length: 27",
                                        body=BODY)),
    ("a space before the colon", "5.1", post(b"Transfer-Encoding : chunked", body=CHUNKED)),
    ("a length with a space before the colon", "5.1", post(b"Content-Length : 27", body=BODY)),
    ("a folded line", "5.2", post(b"X: y\r\n Transfer-Encoding: chunked", b"Content-Length: 27",
                                  body=BODY)),
    ("chunks in HTTP/1.0", "6.1", post(b"Transfer-Encoding: chunked", body=CHUNKED,
                                       version=b"HTTP/1.0")),
    ("a chunk of 0x1b", "7.1", post(b"Transfer-Encoding: chunked", body=b"0x" + CHUNKED)),
    ("a chunk of less than nothing", "7.1", post(b"Transfer-Encoding: chunked",
                                                 body=b"-1\r\n" + BODY + b"\r\n0\r\n\r\n")),
    ("a chunk of more than 64 bits", "7.1", post(
        b"Transfer-Encoding: chunked", body=b"1000000000000001b\r\n" + BODY + b"\r\n0\r\n\r\n")),
    ("a space before a chunk's size", "7.1", post(b"Transfer-Encoding: chunked",
                                                  body=b" " + CHUNKED)),
    ("a chunk without its end", "7.1", post(b"Transfer-Encoding: chunked",
                                            body=b"1b\r\n" + BODY + b"0\r\n\r\n")),
    ("a chunk longer than it says", "7.1", post(b"Transfer-Encoding: chunked",
                                                body=b"1a\r\n" + BODY + b"\r\n0\r\n\r\n")),
    ("a chunk without a size", "7.1", post(b"Transfer-Encoding: chunked",
                                           body=b"\r\n" + BODY + b"\r\n0\r\n\r\n")),
    ("a bare CR behind the size", "2.2", post(b"Transfer-Encoding: chunked",
                                              body=b"1b\r" + BODY + b"\r\n0\r\n\r\n")),
    ("a bare CR in a header", "2.2", get(b"X: a\rContent-Length: 5")),
    ("a name with a space", "5.1", get(b"Content-Length X: 5")),
    ("a line without a colon", "5", get(b"Xyz")),
    ("a space before the first header", "2.2", get(host=b" Host: localhost")),
    ("two hosts", "3.2", get(b"Host: elsewhere")),
    ("the version of HTTP/2", "2.5", get(line=b"GET /livez HTTP/2.0")),
    ("the beginning of HTTP/2", "2.3", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("a version that is none", "2.3", get(line=b"GET /livez HTTP/11")),
    ("a version in small letters", "2.3", get(line=b"GET /livez http/1.1")),
    ("HTTP/0.9", "2.3", b"GET /livez\r\n\r\n"),
]

# Read as the RFC says; the canary is answered, as the second request.
READ = [
    ("a tab before the value", "5", post(b"Transfer-Encoding:\tchunked", body=CHUNKED), 200),
    ("capitals", "6.1", post(b"TRANSFER-ENCODING: CHUNKED", body=CHUNKED), 200),
    ("an extension of a chunk", "7.1.1", post(
        b"Transfer-Encoding: chunked", body=b'1b;a="b\\"c;d"\r\n' + BODY + b"\r\n0\r\n\r\n"), 200),
    ("a length among the trailers", "7.1.2", post(
        b"Transfer-Encoding: chunked",
        body=b"1b\r\n" + BODY + b"\r\n0\r\nContent-Length: 50\r\n\r\n"), 200),
    ("empty lines before the request", "2.2", b"\r\n\r\n" + get(), 200),
    ("a GET with a body", "9.3.1 of RFC 9110", get(b"Content-Length: 5") + b"hello", 200),
    ("a GET with chunks", "9.3.1 of RFC 9110", get(b"Transfer-Encoding: chunked")
     + b"5\r\nhello\r\n0\r\n\r\n", 200),
    ("no Host", "3.2", get(host=None), 400),
    ("another server's URL", "3.2.2", get(line=b"GET http://elsewhere.example/livez HTTP/1.1"), 404),
    ("TRACE", "9.3.8 of RFC 9110", get(line=b"TRACE /livez HTTP/1.1"), 405),
    ("CONNECT", "3.2.3", get(line=b"CONNECT localhost:80 HTTP/1.1"), 404),
    ("OPTIONS *", "3.2.4", get(line=b"OPTIONS * HTTP/1.1"), 404),
    ("an offer of h2c", "7.8 of RFC 9110", get(
        b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
        b"HTTP2-Settings: AAMAAABkAAQAAP__"), 200),
]


def spoken(t, sent):
    """Everything that comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", t.api.server.port), timeout=20 * t.slow) as peer:
        try:
            peer.sendall(sent + CANARY)
        except OSError:
            pass  # it closed while we spoke; what it said is there all the same
        heard = b""
        try:
            while piece := peer.recv(65536):
                heard += piece
        except ConnectionResetError:
            pass
        return heard


def statuses(heard):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", heard)]


def test_what_is_ambiguous_is_refused_and_nothing_behind_it_is_heard(t):
    for what, where, sent in REFUSED:
        heard = spoken(t, sent)
        # the library sends the head of a refusal of its own twice
        ok(set(statuses(heard)) <= {400, 413, 501, 505}, f"{what} (RFC 9112, {where}): {heard!r}")
        ok(b"canary" not in heard and b'"checks"' not in heard,
           f"{what} (RFC 9112, {where}) let the canary through: {heard!r}")
    eq(t.api.get("/livez").status, 200, "alive")


def test_what_is_clear_is_read_as_the_rfc_says(t):
    for what, where, sent, expected in READ:
        eq(statuses(spoken(t, sent)), [expected, 422], f"{what} (RFC 9112, {where})")


def test_a_client_that_shuts_its_side_is_answered(t):
    """RFC 9112, 9.6: the end of what it sends is not the end of what it wants."""
    with socket.create_connection(("127.0.0.1", t.api.server.port), timeout=20 * t.slow) as peer:
        peer.sendall(post(b"Content-Length: 27", b"Connection: close", body=BODY))
        peer.shutdown(socket.SHUT_WR)
        heard = b""
        while piece := peer.recv(65536):
            heard += piece
    eq(statuses(heard), [200], "status")


def reset(peer):
    """Ends it by RST: nothing more is sent, nothing is waited for."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()


def open_files(server):
    return len(os.listdir(f"/proc/{server.pid}/fd"))


@timeout(120)
def test_clients_that_vanish_leave_nothing(t):
    """In the middle of head, body and reply, by FIN and by RST."""
    proc.raise_open_files(4096)
    server = t.server({"idle-timeout": "5s"})
    api = t.client(server)
    job = api.create({"stages": [{"use": "pass"}]})
    job.send(numbers(20000))
    job.wait(lambda j: j["counts"]["succeeded"] == 20000, what="all is through")
    before = open_files(server)
    wanted = [b"GET /liv", b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Le",
              f"POST {job.path}/items HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
              '{"n":1}\n{"n"'.encode(),
              f"GET {job.path}/results HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
              f"GET {job.path}/results?follow=true HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
              b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
              b"POST /v1/run?stages=sleep:1&sleep.ms=600000 HTTP/1.1\r\nHost: localhost\r\n"
              b"Content-Length: 8\r\n\r\n{\"n\":1}\n"]
    for wave in range(2 if t.quick or t.slow > 1 else 20):
        peers = []
        for number in range(500):
            peer = socket.create_connection(("127.0.0.1", server.port), timeout=20 * t.slow)
            peer.sendall(wanted[number % len(wanted)])
            peers.append(peer)
        for number, peer in enumerate(peers):
            (reset if (number + wave) % 2 else socket.socket.close)(peer)
    eq(api.get("/livez").status, 200, "alive")
    # Who vanished in the middle of a head is seen by the head's deadline, whoever is left by
    # idle-timeout.
    until(lambda: open_files(server) <= before + 2, 90 * t.slow, "their descriptors are closed",
          pause=0.1)
    # a job of /v1/run goes with its client
    until(lambda: len(api.jobs()["items"]) == 1, 30 * t.slow, "their jobs are gone", pause=0.1)
    ok(job.get()["input"]["received"] >= 20000, "received")


def test_pipelined_requests_are_answered_in_order(t):
    lines = [f"GET /livez?n={n} HTTP/1.1\r\nHost: localhost\r\n\r\n" if n % 2 else
             "GET /v1/stages/pass HTTP/1.1\r\nHost: localhost\r\n\r\n" for n in range(50)]
    heard = spoken(t, "".join(lines).encode())
    eq(statuses(heard), [422 if n % 2 else 200 for n in range(50)] + [422], "statuses")


def test_a_client_that_never_reads_holds_up_nobody(t):
    server = t.server()
    api = t.client(server)
    job = api.create({"stages": [{"use": "pass"}]})
    job.send([{"pad": "x" * 1000} for _ in range(30000)], close=True)
    job.wait_done()
    idle = server.rss_kib()
    peers = []
    for _ in range(40):
        peer = socket.create_connection(("127.0.0.1", server.port), timeout=20 * t.slow)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(f"GET {job.path}/results HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        peers.append(peer)
    for _ in range(20):
        status(api.get("/livez"), 200)
    eq(len(job.results()), 30000, "results for who reads")
    if t.settings.sanitizer is None:
        within(server.rss_kib() - idle, -100000, 60 * 1024, "KiB for 40 who do not read")
    for peer in peers:
        reset(peer)


def test_who_is_told_to_continue_and_goes_is_forgotten(t):
    server = t.server()
    api = t.client(server)
    job = api.create({"stages": [{"use": "pass"}]})
    before = open_files(server)
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20 * t.slow) as peer:
            peer.sendall(f"POST {job.path}/items HTTP/1.1\r\nHost: localhost\r\n"
                         "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n".encode())
            ok(peer.recv(1000).startswith(b"HTTP/1.1 100"), "100 Continue")
    until(lambda: open_files(server) <= before, 30 * t.slow, "they are forgotten", pause=0.05)
    job.send([{"n": 1}], close=True)
    eq(job.wait_done()["input"]["received"], 1, "received")
