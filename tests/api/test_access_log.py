"""--access-log: a line a request, when it is over, with nothing in it that may be secret."""

import re

from support.leat import *

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def lines(server, wanted, t):
    """The access log once it has `wanted` lines."""
    return until(lambda: (found := [line for line in server.log.lines if "event=request " in line])
                 and len(found) >= wanted and found, 20 * t.slow, f"{wanted} lines")


def fields(line):
    return dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line))


def test_it_is_off_unless_it_is_asked_for(t):
    server = t.server()
    t.client(server).get("/livez")
    t.client(server).get("/none")
    server.stop()
    eq([line for line in server.log.lines if "event=request" in line], [], "lines")


def test_each_request_has_a_line(t):
    server = t.server({"access-log": "all"})
    api = t.client(server)
    job = t.job(api=api)
    body = b"1\n2\n3\n"
    status(job.upload(body, headers={"traceparent": TRACE}), 200)
    api.get("/none?secret=1")
    found = [fields(line) for line in lines(server, 3, t)]
    eq([(f["method"], f["path"], f["status"]) for f in found],
       [("POST", "/v1/jobs", "201"), ("POST", f"/v1/jobs/{job.id}/items", "200"),
        ("GET", "/none", "404")], "requests")
    eq((found[1]["in"], found[1]["job"], found[1]["trace"], found[1]["client"]),
       (str(len(body)), job.id, TRACE[3:35], "127.0.0.1"), "of the upload")
    ok(int(found[1]["out"]) > 50 and float(found[1]["ms"]) > 0, f"{found[1]}")
    eq(found[0]["job"], job.id, "of the request that made it")
    ok("job" not in found[2] and "trace" not in found[0], f"{found[0]} {found[2]}")


def test_errors_are_those_that_went_wrong(t):
    server = t.server({"access-log": "errors"})
    api = t.client(server)
    api.get("/livez")
    api.get("/none")
    api.post("/livez", b"")
    api.get("/livez")
    found = [fields(line)["status"] for line in lines(server, 2, t)]
    eq(found, ["404", "405"], "statuses")


def test_a_client_that_left_has_a_line(t):
    server = t.server({"access-log": "errors"})
    api = t.client(server)
    job = t.job(api=api)
    gone = api.connect()
    gone.send_head("POST", f"{job.path}/items", {"Content-Length": "1000"})
    gone.send(b"1\n")
    job.wait(lambda j: j["counts"]["succeeded"] == 1, what="its item is there")
    gone.close()
    found = fields(lines(server, 1, t)[0])
    eq((found["status"], found["job"]), ("0", job.id), "the line")


def test_nothing_secret_and_nothing_hostile(t):
    server = t.server({"access-log": "all"})
    api = t.client(server)
    secret = "s3cr3t"
    api.get("/v1/jobs", {"name": secret}, {"Authorization": f"Bearer {secret}",
                                           "Cookie": secret, "Idempotency-Key": secret})
    status(api.post("/v1/run", b'{"text":"%s"}\n' % secret.encode(), {"Content-Type": NDJSON},
                    {"stages": "sha256", "sha256.field": "text", "sha256.into": secret}), 200)
    connection = api.connect()
    t.cleanup.append(connection.close)
    connection.send_head("GET", '/a"status=200\xe9%0aevent=fake', {})
    connection.read_head()
    text = "\n".join(lines(server, 3, t))
    ok(secret not in text and secret not in "\n".join(server.log.lines), "a secret is in the log")
    hostile = [line for line in server.log.lines
               if "event=request " in line and fields(line)["status"] == "404"]
    eq(len(hostile), 1, "lines of the hostile path")


def test_as_json(t):
    server = t.server({"access-log": "all", "log": "json"}, start=False)
    server.spawn()
    server.port = int(server.log.wait(r'"listening".*"port":(\d+)', 20 * t.slow).group(1))
    api = t.client(server)
    api.get('/with"quote')
    found = server.log.wait(r'.*"event":"request".*', 20 * t.slow)
    line = json.loads(found.group(0))
    eq((line["path"], line["status"], line["method"]), ('/with"quote', 404, "GET"), "members")
    ok(isinstance(line["ms"], float), f"{line}")
