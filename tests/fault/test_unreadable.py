"""Pages of the ledger that the disk does not give while the server runs: each read that needs one
is refused with the reason, the server and everything else go on, and so does that read once it
can. The data file is cut short, which makes of a page what a bad sector makes of it: a SIGBUS."""

from ledger.keeping import leat
from shims import Pages
from support.leat import *
from support.wire import Closed

ITEMS = 20000


def read_all(api, job):
    """Its results, None where they were refused or the reply was cut off in the middle."""
    try:
        got = api.get(f"{job.path}/results")
    except (Closed, OSError):
        return None
    if got.status != 200:
        refused(got)
        return None
    return got.values()


@timeout(120)
def test_pages_that_cannot_be_read_cost_their_reads_only(t):
    server = t.server()
    api = t.client(server)
    job = api.create({"stages": [{"use": "pass"}]})
    sent = [{"n": n, "pad": "x" * 200} for n in range(ITEMS)]
    job.send(sent, close=True)
    job.wait_done()
    same_multiset(job.results(), sent, "results")
    path = os.path.join(server.data, "data.mdb")
    with open(path, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        for part in (8, 4, 1):
            keep = size // 4096 * part // 16 * 4096
            file.seek(keep)
            tail = file.read()
            file.truncate(keep)
            try:
                eq(read_all(api, job), None, "results")
                for probe in ("/livez", "/v1/server", "/metrics"):
                    eq(api.get(probe).status, 200, probe)
            finally:
                file.seek(keep)
                file.write(tail)
                file.flush()
            ok(server.running(), "the server lives")
            same_multiset(job.results(), sent, "results, all of them again")
    other = api.create({"stages": [{"use": "pass"}]})
    other.send(numbers(100), close=True)
    other.wait_done()
    eq(len(other.results()), 100, "results of a job made since")


class Sent:
    """A job that takes its items by and by."""

    def __init__(self, api, count):
        self.job, self.values, self.taken = api.create({"stages": [{"use": "pass"}]}), [], 0
        self.values = [{"n": n, "pad": "y" * (n % 500)} for n in range(count)]

    def send(self, count):
        """False when it was refused, which must say why."""
        end = min(self.taken + count, len(self.values))
        query = {"offset": self.taken, **({"close": "true"} if end == len(self.values) else {})}
        reply = self.job.upload(ndjson(self.values[self.taken:end]), query,
                                {"Idempotency-Key": "k"})
        if reply.status == 200:
            self.taken = end
            return True
        refused(reply)
        return False


class Deletion(threading.Thread):
    """Waits for its answer where the store cannot be written to, as what must be done does."""

    def __init__(self, api, path):
        super().__init__()
        self.api, self.path, self.status = api, path, None
        self.start()

    def run(self):
        self.status = self.api.request("DELETE", self.path).status


def refused(reply):
    problem(reply, 503, "store-unavailable")
    detail = reply.json()["detail"]
    ok("cannot be read" in detail or "opened again" in detail, detail)


def ready(api):
    return api.get("/readyz").status == 200


def away_and_back(t, server, api, pages, old, which, live):
    """While `which` pages are away: items are sent, results read, one of the old jobs is deleted."""
    pages.take(*which)
    refusals = 0
    for _ in range(20):
        refusals += not live.send(20)
    gone = Deletion(t.client(server), old[0].path)
    read_all(api, old[1])
    for probe in ("/livez", "/v1/server", "/metrics"):
        eq(api.get(probe).status, 200, probe)
    ok(server.running(), "the server lives")
    pages.give_back()
    until(lambda: ready(api), 20 * t.slow, "green again by itself")
    gone.join()
    ok(gone.status in (200, 202, 204), f"DELETE: {gone.status}")
    while live.taken < len(live.values):
        until(lambda: live.send(100), 20 * t.slow, "taken")
    live.job.wait_done()
    same_multiset(live.job.results(), live.values, "results")
    until(lambda: api.get(old[0].path).status == 404, 20 * t.slow, "deleted")
    return refusals


@timeout(240)
def test_pages_that_are_away_cost_the_commits_that_need_them_only(t):
    """By a shim: the file itself is whole. All but the first two go once, then some here and there."""
    pages, rnd = Pages(t), t.random
    server = t.server(env=pages.environment())
    api = t.client(server)
    turns, refusals = 4 if t.quick else 30, 0
    old = []
    for n in range(turns + 1):
        job = api.create({"stages": [{"use": "pass"}]})
        job.send([{"n": n, "pad": "x" * 100 * (n % 3)} for n in range(2000)], close=True)
        job.wait_done()
        old.append(job)
    kept = old[-1].results()
    for turn in range(turns):
        count = os.path.getsize(os.path.join(server.data, "data.mdb")) // 4096 - 2
        first = 2 if turn == 0 else 2 + rnd.randrange(count // 2)
        which = (first, count if turn == 0 else rnd.randrange(1, count // 2))
        refusals += away_and_back(t, server, api, pages, old[turn:], which, Sent(api, 1000))
        same_multiset(old[-1].results(), kept, "results of a job of before")
    ok(refusals > 0, "something was refused")
    eq([line for line in server.log.lines if "store_damaged" in line], [], "damage")
    server.stop()
    leat(t, "fsck", "--data", server.data).exits(0).says("whole")
    t.note(f"{refusals} refused while pages were away {turns} times")


@timeout(60)
def test_a_copy_says_which_page_it_lacks_and_leaves_nothing(t):
    """`leat backup` beside a server that reads on; `leat compact` of what it left."""
    pages, server = Pages(t), t.server()
    job = t.client(server).create({"stages": [{"use": "pass"}]})
    job.send([{"n": n, "pad": "x" * 300} for n in range(3000)], close=True)
    job.wait_done()
    whole = os.path.getsize(os.path.join(server.data, "data.mdb")) // 4096
    copy = os.path.join(t.folder(), "copy")
    for first in (2, whole // 2, whole - 8):
        pages.write(first, whole - first, 1, 0)
        leat(t, "backup", "--data", server.data, copy, env=pages.environment()).exits(1).says(
            "the disk does not give a page")
        eq(os.listdir(copy), [], "what a backup leaves that failed")
    eq(len(job.results()), 3000, "results")
    server.stop()
    pages.write(2, whole - 2, 1, 0)
    leat(t, "compact", "--data", server.data, env=pages.environment()).exits(1).says(
        "the disk does not give a page")
    leat(t, "fsck", "--data", server.data).exits(0).says("whole")
    leat(t, "backup", "--data", server.data, copy).exits(0)
