"""No descriptors left: who connects waits and is served later, nothing is lost, nothing spins."""

import resource

from kinds import everything, made, none_is_lost, reads_are_served, stages_d, SOURCE, STAGES
from support.leat import *
from support.metrics import scrape
from support.tokens import Tokens


def open_files(server):
    return {int(name) for name in os.listdir(f"/proc/{server.pid}/fd")}


class Files:
    """The limit of open files of a running server."""

    def __init__(self, t, server):
        self.server = server
        self.given = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        t.cleanup.append(self.lift)

    def leave(self, spare):
        """So many more can be opened, and no more."""
        used = open_files(self.server)
        free = [number for number in range(len(used) + spare + 1) if number not in used]
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (free[spare], self.given[1]))

    def lift(self):
        if self.server.running():
            resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, self.given)


def knock(t, api, count):
    """Clients that connect and ask; the system takes that from them."""
    made = []
    for _ in range(count):
        client = api.connect()
        t.cleanup.append(client.close)
        client.send_head("GET", "/livez", {})
        made.append(client)
    return made


def all_answered(t, clients):
    for client in clients:
        status(client.read_response(timeout=20 * t.slow), 200)


def is_silent(client, seconds):
    try:
        client.wait_readable(seconds)
    except TimeoutError:
        return
    raise AssertionError(f"there was a descriptor for it: {client.buffer!r}")


def starved(server, spare, t, api, files, others):
    """One round: clients at the limit, then the limit lifted."""
    files.leave(spare)
    clients = knock(t, api, spare + others)
    all_answered(t, clients[:spare])
    files.lift()
    all_answered(t, clients[spare:])
    for client in clients:
        client.close()
    until(lambda: len(open_files(server)) <= files.used, 20 * t.slow, "they are gone")


@timeout(60)
def test_who_connects_while_there_are_no_descriptors_waits_and_is_served(t):
    server = t.server()
    api, files = t.client(server), Files(t, server)
    job = api.create({"stages": [{"use": "pass"}]})
    follower = job.follow()
    files.used = len(open_files(server))
    for round_ in range(5 if t.quick else 100):
        starved(server, round_ % 4, t, api, files, 1 + round_ % 7)
        status(api.get("/livez"), 200)
    job.send(numbers(10), close=True)
    eq([json.loads(line) for line in follower], numbers(10), "what the follower reads")


@alone
@timeout(60)
def test_waiting_for_descriptors_takes_no_processor_time(t):
    server = t.server()
    api, files = t.client(server), Files(t, server)
    job = api.create({"stages": [{"use": "pass"}]})
    for kept in (True, False):
        if not kept:
            api.close()
            until(lambda: len(open_files(server)) < files.used, 20 * t.slow, "nobody is connected")
        files.used = len(open_files(server))
        files.leave(0)
        clients = knock(t, api, 10)
        before, began = proc.cpu_seconds(server.pid), time.monotonic()
        server.log.wait("event=accept_starved", 20)
        for client in clients:
            is_silent(client, 0.1)
        spent, took = proc.cpu_seconds(server.pid) - before, time.monotonic() - began
        t.note(f"{spent * 1000:.0f} ms in {took:.1f} s")
        ok(spent < 0.2 * took, f"{spent:.2f} s of processor time in {took:.2f} s of waiting")
        files.lift()
        all_answered(t, clients)
        for client in clients:
            client.close()
        eq(scrape(api)("leat_http_accept_starved_total"), 1 if kept else 2, "starved")
    job.delete()


@timeout(120)
def test_work_that_needs_descriptors_waits_for_them(t):
    """Processes, pipes, files: while there are none no item fails, and all go on by themselves."""
    t.need_modules()
    values = numbers(50)
    server = t.server({"stages-d": stages_d(t, values)})
    api, files = t.client(server), Files(t, server)
    quiet = api.create({"stages": [{"use": "pass"}]})
    quiet.send(values, close=True)
    quiet.wait_done()
    before = len(open_files(server))
    for spare in range(2 if t.quick else 12):
        ready = [api.create({"stages": stages}) for stages in
                 [[stage] for stage in STAGES]]
        files.leave(spare)
        for job in ready:
            job.send(values, close=True)
        more = [job for stages in [[stage] for stage in STAGES] + [[SOURCE, {"use": "pass"}]]
                if (job := made(api, stages, values))]
        reads_are_served(api, quiet)
        for _ in range(10):  # some time without any
            status(api.get(quiet.path, {"wait_ms": 100, "version": 10 ** 9}), 200)
        files.lift()
        none_is_lost(ready + more + (everything(api, values) if spare == 0 else []), values)
    for line in ("event=stage_process_waits .*Too many open files", "jq's process cannot be made"):
        ok(server.log.wait(line, 10), f"the log says {line}")
    # Programs that are kept warm have three pipes each.
    until(lambda: len(open_files(server)) <= before + 20, 30 * t.slow, "descriptors are given back")


@timeout(60)
def test_a_reload_without_descriptors_changes_nothing_and_says_so(t):
    tokens = Tokens(t)
    stays = tokens.holder("stays", "read")
    tokens.start()
    files = Files(t, tokens.server)
    status(stays.get("/v1/jobs"), 200)
    tokens.run("new", "--name", "more", "--scope", "read")
    files.leave(0)
    tokens.server.signal(signal.SIGHUP)
    said = tokens.server.log.wait(r"event=not_reloaded\b.*", 20 * t.slow)
    ok("Too many open files" in said.group(0), said.group(0))
    status(stays.get("/v1/jobs"), 200)
    files.lift()
    tokens.reload()
    status(stays.get("/v1/jobs"), 200)
