"""Pages of the ledger that the disk does not give while the server runs: each read that needs one
is refused with the reason, the server and everything else go on, and so does that read once it
can. The data file is cut short, which makes of a page what a bad sector makes of it: a SIGBUS."""

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
        problem(got, 503, "store-unavailable")
        ok("cannot be read" in got.json()["detail"], got.body)
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
