"""Every bound on what jobs may have together, in number and memory, is reached, refused in words,
and recovered from."""

import select

from bounds import *


# -- jobs --------------------------------------------------------------------------------------

def test_jobs_of_a_token_are_bounded_also_over_a_restart(t):
    one, other = Token("one", "submit", "operate", "read"), Token("other", "submit")
    api = with_tokens(t, one, other, jobs_per_token=2)
    definition = {"stages": [{"use": "pass"}]}

    def create(token):
        return api.post("/v1/jobs", definition, headers=token.headers)

    first = create(one).json()["id"]
    status(create(one), 201)

    def refused():
        body = problem(create(one), 429, "too-many-jobs")
        ok("jobs-per-token" in body["detail"] and "'one'" in body["detail"], body["detail"])
        problem(api.post("/v1/run?stages=pass", b"1\n", {**one.headers, "Content-Type": NDJSON}),
                429, "too-many-jobs")

    refused()
    status(create(other), 201)
    api.close()
    api.server.stop()
    api.server.start()
    refused()
    status(api.post(f"/v1/jobs/{first}/cancel", headers=one.headers), 200)
    until(lambda: api.get(f"/v1/jobs/{first}", headers=one.headers).json()["done"], 20 * t.slow,
          "it is done")
    status(create(one), 201)


def test_workers_of_all_jobs_are_bounded(t):
    api = own(t, workers_max=10)
    job = api.create({"stages": [{"use": "pass", "workers": 4}, {"use": "pass", "name": "b"}]})
    busy(api.post("/v1/jobs", {"stages": [{"use": "pass", "workers": 6}]}), "workers-max")
    busy(api.request("PATCH", job.path, {"stages": {"b": {"workers": 7}}}), "workers-max")
    eq(job.get()["stages"][1]["workers"], 1, "workers of b")
    status(api.request("PATCH", job.path, {"stages": {"b": {"workers": 6}}}), 200)
    m = scrape(api)
    eq((m("leat_workers"), m("leat_workers_max")), (10, 10), "as metrics")
    busy(api.post("/v1/jobs", {"stages": [{"use": "pass"}]}), "workers-max")
    job.must("cancel")
    job.wait_done("cancelled")
    eq(scrape(api)("leat_workers"), 0, "workers")
    api.create({"stages": [{"use": "pass", "workers": 10}]}).must("cancel")


# -- memory ------------------------------------------------------------------------------------

STUCK = {"use": "sleep", "params": {"ms": 600000}, "queue": {"items": 100000, "bytes": 256 * MIB}}


class Pushers:
    """Uploads of 4 MiB each, which go on as the server takes them."""

    def __init__(self, api, jobs, body):
        self.api, self.body = api, body
        self.left = {}
        for job in jobs:
            connection = api.connect()
            connection.send_head("POST", f"{job.path}/items?close=true",
                                 {"Content-Type": NDJSON, "Content-Length": str(len(body))})
            connection.socket.setblocking(False)
            self.left[connection] = 0

    def push(self):
        """As much as goes; true when something went."""
        _, writable, _ = select.select([], [c.socket for c in self.left], [], 0.2)
        writable = {s.fileno() for s in writable}
        went = False
        for connection in list(self.left):
            if connection.socket.fileno() not in writable:
                continue
            at = self.left[connection]
            sent = connection.socket.send(memoryview(self.body)[at:at + (1 << 18)])
            went |= sent > 0
            self.left[connection] = at + sent
            if at + sent == len(self.body):
                del self.left[connection]
                connection.close()
        return went

    def close(self):
        for connection in self.left:
            connection.close()


@timeout(120)
@alone
def test_200_jobs_with_stuck_stages_stay_within_memory_max(t):
    """Their queues could hold 50 GiB and are sent 800 MiB; what runs goes on, and when they are
    gone others are served as before."""
    limit = 96 * MIB
    api = own(t, memory_max=limit)
    proc.reset_peak(api.server.pid)
    line = json.dumps({"text": "x" * 1000}).encode() + b"\n"
    jobs = [api.create({"stages": [{"use": "pass", "queue": STUCK["queue"]}, STUCK]})
            for _ in range(200)]
    moving = api.create({"stages": [{"use": "sleep", "params": {"ms": 10}}]})
    moving.send(numbers(100))
    pushers = Pushers(api, jobs, line * 4096)
    t.cleanup.append(pushers.close)
    deadline, full = time.monotonic() + 60 * t.slow, 0
    while full < 5:
        ok(time.monotonic() < deadline, f"the bound is never reached: {pushers.left.values()}")
        full = 0 if pushers.push() else full + 1
        if not pushers.left:
            break
    m = scrape(api)
    peak = api.server.peak_rss_kib() << 10
    t.note(f"memory {m('leat_memory_bytes') / MIB:.0f} MiB counted, {peak / MIB:.0f} MiB resident at "
           f"most, of {limit / MIB:.0f}; {len(pushers.left)} uploads wait")
    eq(m("leat_memory_max_bytes"), limit, "the bound")
    if t.settings.sanitizer is None:
        ok(m("leat_memory_bytes") < limit + 32 * MIB, f"{m('leat_memory_bytes')} are in use")
        ok(peak < limit + 64 * MIB, f"{peak / MIB:.0f} MiB were resident")
    moving.must("close")
    moving.wait_done(timeout=30 * t.slow)
    pushers.close()
    for job in jobs:
        status(job.delete(), 204)
    until(lambda: scrape(api)("leat_memory_bytes") < limit / 2, 60 * t.slow, "memory is free again", 0.2)
    after = api.create({"stages": [{"use": "pass"}]})
    after.send(numbers(1000), close=True)
    after.wait_done()
    eq(len(after.results()), 1000, "results of a job after it")


def test_at_memory_max_uploads_wait_and_jobs_are_refused(t):
    """A budget that the bare server exceeds: nothing is admitted, all else is served."""
    api = own(t, memory_max="64KiB")
    busy(api.post("/v1/jobs", {"stages": [{"use": "pass"}]}), "memory-max")
    busy(api.post("/v1/run?stages=pass", b"1\n", {"Content-Type": NDJSON}), "memory-max")
    eq(api.jobs()["items"], [], "jobs")
    ok(scrape(api)("leat_memory_refused_total") >= 2, "counted")
