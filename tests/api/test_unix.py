"""Unix sockets: the file, who may use it, and that it is as good a way in as TCP."""

import stat
import sys

from support.leat import *
from support.other_ways import UnixApi, UnixConnection

TWO = "127.0.0.1:0,unix:{}"


def on(t, options=None, path=None, **more):
    """A server on a Unix socket beside TCP; answers it, the path and a client."""
    path = path or os.path.join(t.folder(), "leat.sock")
    server = t.server({"listen": TWO.format(path), **(options or {})}, **more)
    api = UnixApi(server, path)
    t.cleanup.append(api.close)
    return server, path, api


def test_a_job_from_begin_to_end(t):
    server, path, api = on(t, {"access-log": "all"})
    job = t.job(["pass"], api=api)
    stream = job.follow()
    job.send(list(range(5000)), close=True)
    eq(sorted(json.loads(line) for line in stream), list(range(5000)), "results")
    stream.close()
    api.close()
    server.log.wait(f"event=request client=\"?unix:uid={os.getuid()}\"? method=POST path=/v1/jobs ", 10 * t.slow)
    eq(t.client(server).get(job.path).status, 200, "TCP goes on beside it")


def test_only_a_unix_socket(t):
    path = os.path.join(t.folder(), "leat.sock")
    server = t.server({"listen": f"unix:{path}"})
    eq(server.port, 0, "no port")
    with UnixConnection(path) as connection:
        eq(connection.request("GET", "/livez").status, 200)
    with UnixConnection(path) as connection:
        # No browser speaks to it, so any name of the host will do.
        eq(connection.request("GET", "/v1/jobs", headers={"Host": "whatever"}).status, 200)


def test_the_file_has_the_mode_and_goes_at_the_end(t):
    server, path, api = on(t, {"unix-mode": "0640"})
    found = os.stat(path)
    ok(stat.S_ISSOCK(found.st_mode), "a socket")
    eq(stat.S_IMODE(found.st_mode), 0o640, "mode")
    server.stop()
    ok(not os.path.exists(path), "it is gone")
    server, path, api = on(t, path=path)
    eq(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode, unless it is said")


def test_what_a_killed_server_left_is_taken_over(t):
    server, path, api = on(t)
    server.kill()
    ok(os.path.exists(path), "it lies there")
    server.start()
    status(api.get("/livez"), 200)


def does_not_start(t, listen, *why, **options):
    server = t.server({"listen": listen, **options}, start=False)
    server.spawn()
    ok(server.wait() in (1, 2), "it does not start")
    for text in why:
        ok(text in server.log.tail(), f"not {text!r}:\n{server.log.tail()}")


def test_one_that_is_in_use_or_is_no_socket_is_left_alone(t):
    server, path, api = on(t)
    does_not_start(t, f"unix:{path}", "another server listens there")
    status(api.get("/livez"), 200)
    file = os.path.join(t.folder(), "file")
    with open(file, "w") as made:
        made.write("precious")
    does_not_start(t, f"unix:{file}", "something else than a socket")
    eq(open(file).read(), "precious")


def test_the_socket_of_a_successor_is_not_removed(t):
    server, path, api = on(t)
    os.unlink(path)
    successor, _, its_api = on(t, path=path)
    server.stop()
    status(its_api.get("/livez"), 200)


def test_bad_places_are_refused_with_words(t):
    does_not_start(t, "unix:", "the path is missing", "unix:/PATH")
    does_not_start(t, "unix:" + "/x" * 80, "at most 107 bytes")
    does_not_start(t, "unix:/nowhere/at/all", "No such file")
    does_not_start(t, ",".join(["127.0.0.1:0"] * 9), "more than 8 places")
    does_not_start(t, "127.0.0.1:0,", "the port is missing")
    does_not_start(t, "127.0.0.1:0", "unix-mode: 'rw'", **{"unix-mode": "rw"})
    does_not_start(t, "127.0.0.1:0", "no group 'nosuchgroup'", **{"unix-group": "nosuchgroup"})
    does_not_start(t, "127.0.0.1:0", "no user 'nosuchuser'", **{"unix-users": "nosuchuser"})
    does_not_start(t, "127.0.0.1:0", "the setting tokens is not set", **{"unix-users": "root=ci"})


# -- who -------------------------------------------------------------------------------

ASK = """
import os, socket, sys
os.setuid(int(sys.argv[1]))
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect(sys.argv[2])
s.sendall((sys.argv[3] + " HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: %d\\r\\n"
           "Content-Type: application/json\\r\\nConnection: close\\r\\n\\r\\n%s"
           % (len(sys.argv[4]), sys.argv[4])).encode())
data = b""
while piece := s.recv(65536):
    data += piece
sys.stdout.buffer.write(data)
"""


def asked_by(uid, path, what="GET /v1/jobs", body=""):
    """Status and body of one request that another user of this machine makes."""
    done = subprocess.run([sys.executable, "-c", ASK, str(uid), path, what, body],
                          capture_output=True, timeout=120)
    ok(done.returncode == 0, done.stderr.decode())
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    return int(head.split()[1]), rest


def needs_root(t):
    if os.getuid() != 0:
        t.skip("only root can be other users")


def open_path(t):
    folder = t.folder()
    os.chmod(folder, 0o755)
    return os.path.join(folder, "leat.sock")


def test_users_who_are_not_listed_are_refused(t):
    needs_root(t)
    server, path, api = on(t, {"unix-mode": "0666"}, path=open_path(t))
    code, body = asked_by(4711, path)
    eq(code, 403, body)
    refusal = json.loads(body)
    ok(refusal["type"].endswith("forbidden"), f"{refusal}")
    ok("4711" in refusal["detail"] and "unix-users" in refusal["detail"], refusal["detail"])
    eq(asked_by(4711, path, "POST /v1/jobs", '{"stages":[{"use":"pass"}]}')[0], 403)
    eq(len(api.jobs()["items"]), 0, "jobs")
    eq(asked_by(0, path)[0], 200, "root")


def test_a_listed_user_is_whom_the_tokens_file_calls_so(t):
    needs_root(t)
    tokens = os.path.join(t.folder(), "tokens")
    with open(tokens, "w") as file:
        file.write('{"name":"reader","scopes":["read"]}\n')
    server, path, api = on(t, {"unix-mode": "0666", "tokens": tokens, "access-log": "all",
                               "unix-users": "4711=reader,4712,4713=nobody"}, path=open_path(t))
    create = ("POST /v1/jobs", '{"stages":[{"use":"pass"}]}')
    eq(asked_by(4711, path)[0], 200, "the reader reads")
    eq(asked_by(4711, path, *create)[0], 403, "and does no more")
    eq(asked_by(4712, path, *create)[0], 201, "listed without a name: everything")
    code, body = asked_by(4713, path)
    eq(code, 401, body)
    ok(b"nobody" in body, f"{body}")
    eq(asked_by(4714, path)[0], 403, "not listed")
    eq(asked_by(0, path, *create)[0], 201, "root, with tokens in force and none shown")
    problem(t.client(server).get("/v1/jobs"), 401, "unauthorized")
    server.log.wait(r"client=\"?unix:uid=4712\"? method=POST", 10 * t.slow)
