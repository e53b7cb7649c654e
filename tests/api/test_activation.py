"""Sockets that are handed over, restarts that nobody notices, and words to systemd."""

from support.leat import *
from support.other_ways import UnixConnection

RESTARTS = 10


def held(t, family=socket.AF_INET, address=("127.0.0.1", 0)):
    """A listening socket that this test holds, as systemd does."""
    made = socket.socket(family, socket.SOCK_STREAM)
    t.cleanup.append(made.close)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(address)
    made.listen(4096)
    return made


def activated(t, handed, options=None, **more):
    server = t.server(options, start=False, **more)
    server.handed = handed
    return server


def test_a_handed_socket_is_listened_on_instead_of_the_setting(t):
    handed = held(t)
    server = activated(t, handed, {"listen": "127.0.0.1:1"}).start()
    eq(server.port, handed.getsockname()[1], "port")
    server.log.wait("event=listening .*handed=yes", 5)
    status(t.client(server).get("/livez"), 200)


def test_a_handed_unix_socket_stays_where_it_is(t):
    path = os.path.join(t.folder(), "handed.sock")
    server = activated(t, held(t, socket.AF_UNIX, path)).start()
    with UnixConnection(path) as connection:
        eq(connection.request("GET", "/livez").status, 200)
    server.stop()
    ok(os.path.exists(path), "its owner removes it")


def test_whoever_connects_before_the_start_is_answered(t):
    handed = held(t)
    with Connection(handed.getsockname()[1]) as early:
        early.send_head("GET", "/livez")
        activated(t, handed).start()
        eq(early.read_response().status, 200)


def test_variables_that_make_no_sense_are_refused_or_passed_over(t):
    def start(**env):
        return t.server({"listen": "127.0.0.1:0"}, env=env, start=False)

    status(t.client(start(LISTEN_FDS="1", LISTEN_PID="1").start()).get("/livez"), 200)
    for options, why in (({"LISTEN_FDS": "1"}, "descriptor 3, which was handed over"),
                         ({"LISTEN_FDS": "x"}, "LISTEN_FDS='x'"),
                         ({"LISTEN_FDS": "99"}, "at most 8 sockets"),
                         ({"LISTEN_FDS": "1", "LISTEN_PID": "me"}, "LISTEN_PID='me'")):
        server = start()
        server.handed_arguments = lambda s=server, o=options: [
            "sh", "-c", "exec 3</dev/null; LISTEN_PID=${LISTEN_PID-$$} exec \"$@\"", "sh", *s.arguments()]
        server.env.update(options)
        server.spawn()
        ok(server.wait() in (1, 2), f"{options}")
        ok(why in server.log.tail(), f"not {why!r}:\n{server.log.tail()}")


# -- restarts under load -----------------------------------------------------------------


class Load:
    """Threads that make a job each and then ask short questions, a connection each, for as long
    as they may. Every one of them must be answered, and no upload may be lost or doubled."""

    def __init__(self, t, port, threads=6):
        self.port = port
        self.timeout = 60 * t.slow
        self.over = threading.Event()
        self.asked = 0
        self.cut = []
        self.unanswered = []
        self.taken = {}
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(at,), daemon=True)
                        for at in range(threads)]

    def ask(self, method, path, body=None, headers=None):
        with Connection(self.port, timeout=self.timeout) as connection:
            response = connection.request(method, path, body, {"Connection": "close", **(headers or {})})
        with self.lock:
            self.asked += 1
        return response

    def run(self, number):
        try:
            self.rounds(number)
        except Exception as error:  # told at the end
            with self.lock:
                self.unanswered.append(repr(error))

    def rounds(self, number):
        made = self.ask("POST", "/v1/jobs", json.dumps({"stages": [{"use": "pass"}]}).encode(),
                        {"Content-Type": JSON})
        job = status(made, 201).json()["id"]
        sent = 0
        while not self.over.is_set():
            lines = b"".join(b"%d\n" % (sent + n) for n in range(20))
            reply = self.ask("POST", f"/v1/jobs/{job}/items", lines, {"Content-Type": NDJSON})
            if reply.status == 200:
                eq(reply.json()["accepted"], 20, "accepted")
            else:
                problem(reply, 503, "draining")
                with self.lock:
                    self.cut.append(reply.json()["accepted"])
                eq(reply.json()["accepted"], 0, "of an upload this small: all or nothing")
                continue
            sent += 20
            with self.lock:
                self.taken[job] = sent
            status(self.ask("GET", f"/v1/jobs/{job}"), 200)
            status(self.ask("GET", "/livez"), 200)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(self.timeout)


@timeout(120)
def test_ten_restarts_under_load_drop_no_request(t):
    handed = held(t)
    server = activated(t, handed).start()
    with Load(t, server.port) as load:
        for _ in range(RESTARTS):
            before = load.asked
            until(lambda: load.asked > before + 100 or load.unanswered, 60 * t.slow, "load")
            server.stop()
            server.start()
        before = load.asked
        until(lambda: load.asked > before + 100 or load.unanswered, 60 * t.slow, "load at the end")
    eq(load.unanswered, [], "requests without an answer")
    t.note(f"{load.asked} requests on as many connections over {RESTARTS} restarts, "
           f"{len(load.cut)} told to come again")
    eq(len(load.cut), 0, "requests that were told to come again")
    api = t.client(server)
    for job_id, sent in load.taken.items():
        job = t.adopt(job_id, api)
        status(job.act("close"), 200)
        job.wait_done()
        eq(sorted(job.results()), list(range(sent)), "items")


def test_an_upload_in_flight_is_finished_and_a_follower_is_told_to_go_on(t):
    handed = held(t)
    server = activated(t, handed).start()
    api = t.client(server)
    job = t.job(["pass"], api=api)
    follower = job.follow()
    with api.connect() as upload, api.connect() as silent, api.connect() as kept:
        eq(kept.request("GET", "/livez").status, 200)
        upload.send_head("POST", job.path + "/items",
                         {"Content-Type": NDJSON, "Transfer-Encoding": "chunked"})
        upload.send_chunk(b"1\n2\n")
        eq(sorted([follower.readline(), follower.readline()]), [b"1", b"2"])
        server.signal(signal.SIGTERM)
        eq(follower.readline(), None, "the follower's end")
        follower.close()
        # Still asked of the old one: what was under way, and what was accepted and said nothing.
        upload.send_chunk(b"3\n")
        upload.end_chunks()
        reply = upload.read_response()
        eq((reply.status, reply.headers.get("connection").lower()), (200, "close"))
        eq(reply.json()["accepted"], 3)
        silent.send_head("GET", "/livez")
        eq(silent.read_response().status, 200, "accepted before, asked after")
        eq(server.wait(), 0)
    api.close()
    server.start()
    status(job.act("close"), 200)
    job.wait_done()
    eq(sorted(job.results()), [1, 2, 3])


# -- what systemd is told -----------------------------------------------------------------


def test_systemd_is_told_how_far_it_is(t):
    for path in (os.path.join(t.folder(), "notify"), f"@leat-test-{os.getpid()}-{random.random()}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.settimeout(20 * t.slow)
            told.bind(path.replace("@", "\0"))
            server = t.server(env={"NOTIFY_SOCKET": path})
            ok(told.recv(4096).startswith(b"READY=1\n"), "ready")
            server.signal(signal.SIGHUP)
            ok(told.recv(4096).startswith(b"RELOADING=1\nMONOTONIC_USEC="), "reloading")
            ok(told.recv(4096).startswith(b"READY=1\n"), "ready again")
            server.stop()
            ok(told.recv(4096).startswith(b"STOPPING=1\n"), "stopping")


def test_a_notify_socket_that_is_not_there_harms_nobody(t):
    for path in ("/nowhere", "relative", "@", "", "/x" * 100):
        server = t.server(env={"NOTIFY_SOCKET": path})
        status(t.client(server).get("/livez"), 200)
        server.stop()
