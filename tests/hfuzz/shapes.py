"""Sequences of good requests, and what is done to them: by structure, and by bytes.

A request is a list of four: its first line, its head's lines, its body, how the body is framed.
`{id}` stands for a job's id, in what is kept of a finding too.
"""

import gzip
import json

LINES = b'{"n":1,"text":"a"}\n{"n":2}\n[1,2,3]\n"\xc3\xa9"\nnull\n'
CSV = b'n,text\n1,"a ""b""\nc"\n2,\n'
DEFINITIONS = [
    {"stages": [{"use": "pass"}]},
    {"name": "x", "labels": {"a": "b"}, "order": "input", "limits": {"deadline_ms": 60000},
     "stages": [{"use": "sha256", "workers": 2, "params": {"field": "text"}},
                {"use": "filter", "params": {"pointer": "/n", "op": "ge", "value": 1}}]},
    {"stages": [{"use": "fail", "params": {"every": 2}, "retry": {"max_attempts": 2}}],
     "on_error": "fail"},
    {"stages": [{"use": "range", "params": {"from": 1, "to": 5}}, {"use": "aggregate"}]},
]
PATCHES = [{"stages": [{"workers": 3}]}, {"labels": {"a": None}}, {"name": "y"}]
NDJSON = b"Content-Type: application/x-ndjson"
JSON = b"Content-Type: application/json"
PLAIN, LENGTH, CHUNKED = range(3)


def get(path, *head):
    return [b"GET " + path + b" HTTP/1.1", [b"Host: localhost", *head], b"", PLAIN]


def send(method, path, body, *head, framing=LENGTH):
    return [method + b" " + path + b" HTTP/1.1", [b"Host: localhost", *head], body, framing]


def dump(value):
    return json.dumps(value).encode()


GOOD = [
    *(get(path) for path in (
        b"/livez", b"/readyz", b"/metrics", b"/openapi.json", b"/v1/server", b"/v1/stages",
        b"/v1/jobs", b"/v1/jobs?limit=2&state=running", b"/v1/jobs?label.a=b&name=x",
        b"/v1/jobs/{id}", b"/v1/jobs/{id}/definition", b"/v1/jobs/{id}/results",
        b"/v1/jobs/{id}/results?limit=3&wait_ms=10", b"/v1/jobs/{id}/failures?after=0",
        b"/v1/jobs/{id}/items?key=k", b"/v1/jobs/{id}/results?fields=n,text", b"/", b"/docs")),
    get(b"/v1/jobs/{id}/results", b"Accept: application/json", b"Accept-Encoding: gzip"),
    get(b"/v1/jobs/{id}/results", b"Accept: text/csv;q=0.5, */*;q=0.1"),
    get(b"/v1/jobs/{id}/results?limit=1", b"Accept: text/event-stream", b"Last-Event-ID: 0"),
    get(b"/v1/jobs/{id}", b"If-None-Match: \"1\"", b"Traceparent: 00-" + b"a" * 32 + b"-" +
        b"b" * 16 + b"-01"),
    [b"HEAD /v1/jobs/{id}/results HTTP/1.1", [b"Host: localhost"], b"", PLAIN],
    [b"OPTIONS /v1/jobs HTTP/1.1", [b"Host: localhost", b"Origin: http://localhost:1",
                                    b"Access-Control-Request-Method: POST"], b"", PLAIN],
    *(send(b"POST", b"/v1/jobs", dump(d), JSON) for d in DEFINITIONS),
    *(send(b"POST", b"/v1/jobs:validate", dump(d), JSON) for d in DEFINITIONS),
    *(send(b"PATCH", b"/v1/jobs/{id}", dump(p), JSON) for p in PATCHES),
    send(b"POST", b"/v1/jobs/{id}/items", LINES, NDJSON),
    send(b"POST", b"/v1/jobs/{id}/items", LINES, NDJSON, b"Idempotency-Key: k", framing=CHUNKED),
    send(b"POST", b"/v1/jobs/{id}/items?offset=2", LINES, NDJSON, b"Idempotency-Key: k"),
    send(b"POST", b"/v1/jobs/{id}/items", gzip.compress(LINES), NDJSON, b"Content-Encoding: gzip"),
    send(b"POST", b"/v1/jobs/{id}/items", CSV, b"Content-Type: text/csv; header=present"),
    send(b"POST", b"/v1/jobs/{id}/items", b'[{"n":1},{"n":[2,{}]}]', JSON),
    send(b"POST", b"/v1/jobs/{id}/items", LINES, NDJSON, b"Expect: 100-continue"),
    send(b"POST", b"/v1/jobs/{id}/items?wait=false&on_bad_line=skip", LINES, NDJSON),
    send(b"POST", b"/v1/run?stages=pass", LINES, NDJSON, framing=CHUNKED),
    send(b"POST", b"/v1/jobs/{id}/failures/retry", b"{}", JSON),
    *(send(b"POST", b"/v1/jobs/{id}/" + action, b"") for action in
      (b"pause", b"resume", b"close", b"cancel")),
    send(b"DELETE", b"/v1/jobs/{id}", b"", framing=PLAIN),
]

HEADS = [b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Content-Length: 5",
         b"Content-Length: 18446744073709551616", b"Content-Length: -1", b"Content-Length: 0x10",
         b"Connection: close", b"Connection: keep-alive, upgrade", b"Upgrade: h2c",
         b"Host: evil.example", b"Host: [::1]:99999", b"Host:", b"Range: bytes=0-0,-1",
         b"Authorization: Bearer \xff\xfe", b"Authorization: Basic Og==", b"Cookie: a=b",
         b"Content-Encoding: zstd", b"Content-Encoding: br", b"Content-Type: text/csv",
         b"Accept: " + b"a/b, " * 300, b"Accept-Encoding: gzip;q=nan", b"Expect: 200-ok",
         b"X-" + b"y" * 3000 + b": z", b" folded", b"NoColon", b": empty", b"A\x00B: c",
         b"Idempotency-Key: " + b"k" * 300, b"Traceparent: 00-0-0-zz", b"If-None-Match: *",
         b"RateLimit-Policy: 1;w=1", b"Forwarded: for=127.0.0.1", b"Content-Type: ;;;charset="]
TEXTS = [b"\x00", b"\xff\xfe", b"\\ud800", b"\xed\xa0\x80", b"%00", b"%", b"..", b"//", b"{", b"[",
         b"]", b"}", b'"', b"1e999", b"-0", b"9" * 40, b"null", b"\r\n", b"\n", b"\r", b" ", b"\t",
         b"%2f", b"?", b"&", b"=", b"#", b"*", b"http://a/", b"0x", b"\xf0\x9f\x92\xa9", b"[" * 200]
LAST = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
NUMBERS = [b"0", b"-1", b"1", b"18446744073709551615", b"18446744073709551616", b"1e3", b"00", b""]


def bytewise(random, data):
    """One small change anywhere."""
    at = random.randrange(len(data) + 1)
    how = random.randrange(6)
    if how == 0:
        return data[:at] + bytes([random.randrange(256)]) + data[at + 1:]
    if how == 1:
        return data[:at] + random.choice(TEXTS) + data[at:]
    if how == 2:
        return data[:at] + data[at + random.randrange(1, 9):]
    if how == 3:
        return data[:at]
    if how == 4:
        to = random.randrange(at, min(len(data), at + 60) + 1)
        return data[:to] + data[at:to] + data[to:]
    return data[:at] + random.choice(NUMBERS) + data[at:]


def chunks(random, body):
    """As chunks of random lengths; now and then one of them wrong."""
    framed = b""
    while body:
        size = random.randrange(1, len(body) + 1)
        told = size if random.random() < 0.97 else random.choice([0, size + 1, size - 1, 1 << 62])
        extension = b";a=b" if random.random() < 0.05 else b""
        end = b"\r\n" if random.random() < 0.98 else random.choice([b"\n", b"", b"\r"])
        framed += b"%x" % told + extension + b"\r\n" + body[:size] + end
        body = body[size:]
    last = b"0\r\n\r\n" if random.random() < 0.95 else random.choice(
        [b"0\r\nTrailer: x\r\n\r\n", b"0\r\n", b"0\n\n", b"", b"00000000000000000000\r\n\r\n"])
    return framed + last


def structure(random, request):
    """One change to a request's parts."""
    line, head, body, framing = request
    head = list(head)
    how = random.randrange(8)
    if how == 0:
        head.insert(random.randrange(len(head) + 1), random.choice(HEADS))
    elif how == 1:
        del head[random.randrange(len(head))]
        head = head or [b"A: b"]
    elif how == 2:
        head.append(random.choice(head))
    elif how == 3:
        random.shuffle(head)
    elif how == 4:
        line = bytewise(random, line)
    elif how == 5:
        at = random.randrange(len(head))
        head[at] = bytewise(random, head[at])
    elif how == 6:
        body = bytewise(random, body)
    else:
        framing = random.choice([PLAIN, LENGTH, CHUNKED])
    return [line, head, body, framing]


def encode(random, request):
    line, head, body, framing = request
    if framing == LENGTH:
        told = len(body) if random.random() < 0.96 else len(body) + random.choice([-1, 1, 1000])
        head = [*head, b"Content-Length: %d" % told]
    elif framing == CHUNKED:
        head = [*head, b"Transfer-Encoding: chunked"]
        body = chunks(random, body)
    return b"\r\n".join([line, *head, b"", b""]) + body


def sequence(random):
    """The bytes of one to four requests, some of them changed, `{id}` still in them."""
    data = b""
    for _ in range(random.choice([1, 1, 1, 2, 2, 3, 4])):
        request = random.choice(GOOD)
        for _ in range(random.choice([0, 1, 1, 1, 2, 3])):
            request = structure(random, request)
        data += encode(random, request)
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        data = bytewise(random, data)
    # Mostly the last one says that it is the last: whoever is answered need not wait.
    return data + (LAST if random.random() < 0.8 else b"")
