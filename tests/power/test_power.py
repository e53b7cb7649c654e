"""A recorded run, played back to moments at which the power goes (recording.py).

At each moment a server is started on what the disk may hold. It must open; of what the client
had been told by then nothing may be missing; and the rest of the run, done once more by a client
that does not know how far it was, must come to the same end as if nothing had happened.
"""

import random
import shutil
import tempfile

import recording
from support.leat import *

STAGES = [{"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 2}},
          {"use": "explode", "params": {"field": "parts"}, "workers": 2}]
COUNTED = 3000
HOW = ("none", "all", "some", "some", "torn", "torn")


def some(count, seed):
    """Items of which every ninth fails, for it has no parts."""
    values = items.mixed(count, seed)
    for value in values[4::9]:
        value["parts"] = None
    return values


class Run:
    """The run that is recorded, and what every image of it is held against."""

    def __init__(self, t, seed, env=None):
        self.t, self.seed = t, seed
        self.folder = tempfile.mkdtemp(prefix="leat-power-")
        t.cleanup.append(lambda: shutil.rmtree(self.folder, ignore_errors=True))
        self.path = os.path.join(self.folder, "recording")
        self.env = env or {}
        self.values = some(600, seed)
        self.told = {"lines": 0}

    def tell(self, **said):
        self.told.update(said)
        recording.marked(self.path, self.told)

    def record(self):
        preload = recording.shim(self.t.settings.program)
        if preload is None:
            self.t.skip("the shim is not built")
        given = os.environ.get("ASAN_OPTIONS", "")
        server = self.t.server(env={
            "LD_PRELOAD": preload, "LEAT_RECORDIO": self.path, **self.env,
            "ASAN_OPTIONS": f"{given}:verify_asan_link_order=0".lstrip(":")})
        api = self.t.client(server)
        self.tell(opened=True)
        self.act(api)
        api.close()
        server.stop()
        return list(recording.read(self.path))

    def act(self, api):
        """Uploads piece by piece, a source into a sink, jobs that go, stop and change."""
        fed = api.create({"stages": STAGES})
        self.tell(fed=fed.id)
        doomed = api.create({"stages": [{"use": "pass"}]})
        self.tell(doomed=doomed.id)
        counted = api.create({"stages": [{"use": "range", "params": {"to": COUNTED}},
                                         {"use": "aggregate", "params": {}}]})
        self.tell(counted=counted.id)
        held = api.create({"stages": [{"use": "pass"}]})
        self.tell(held=held.id)
        doomed.send(numbers(500))
        at, rng = 0, random.Random(self.seed)
        while at < len(self.values):
            more = rng.randrange(1, 120)
            piece = self.values[at:at + more]
            at += len(piece)
            status(fed.upload(ndjson(self.values[:at]), headers={"Idempotency-Key": "k"}), 200)
            self.tell(lines=at)
            if at > 200 and "paused" not in self.told:
                held.must("pause")
                self.tell(paused=True)
                status(doomed.delete(), 204)
                self.tell(deleted=True)
            if at > 400 and "workers" not in self.told:
                fed.workers("explode", 7)
                self.tell(workers=7)
        counted.wait_done()
        self.tell(report=True)
        fed.wait(lambda j: j["counts"]["pending"] + j["counts"]["running"] == 0, 30, "all is over")
        failures = len(fed.failures())
        status(fed.retry(), 200)
        self.tell(retried=failures)

    # -- one image -----------------------------------------------------------------

    def examine(self, image, told):
        data = tempfile.mkdtemp(prefix="image-", dir=self.folder)
        image.save(data)
        server = self.t.server(data=data)
        api = self.t.client(server)
        try:
            self.examine_jobs(api, told)
            server.check()
        finally:
            api.close()
            server.kill()
            server.remove()
            shutil.rmtree(data, ignore_errors=True)

    def job(self, api, told, name):
        """The job if it is there; it must be where its creation was acknowledged."""
        job = Job(api, self.told[name])
        found = api.get(job.path).status
        ok(found == 200 or (found == 404 and name not in told), f"{name}: {found}")
        return job if found == 200 else None

    def examine_jobs(self, api, told):
        status(api.get("/readyz"), 200)
        doomed = api.get(f"/v1/jobs/{self.told['doomed']}").status
        ok(doomed == 404 or (doomed == 200 and "deleted" not in told), f"the deleted job: {doomed}")
        held = self.job(api, told, "held")
        if held and "paused" in told:
            eq(held.get()["state"], "paused", "the paused job")
        counted = self.job(api, told, "counted")
        fed = self.job(api, told, "fed")
        if fed:
            self.examine_fed(fed, told)
        if counted:
            eq(counted.wait_done()["report"]["count"], COUNTED, "the sink's report")

    def examine_fed(self, job, told):
        at_start = job.get()
        received = at_start["input"]["received"]
        ok(received >= told["lines"], f"{told['lines']} lines were acknowledged, {received} are there")
        if "workers" in told:
            eq(at_start["stages"][1]["workers"], told["workers"], "workers")
        job.wait(lambda j: j["counts"]["pending"] + j["counts"]["running"] == 0, 30, "it goes on")
        self.compare(job, self.values[:received])
        reply = status(job.upload(ndjson(self.values), {"close": "true"},
                                  {"Idempotency-Key": "k"}), 200).json()
        eq(reply["duplicates"], received, "duplicates")
        eq(reply["next_offset"], len(self.values), "next_offset")
        job.wait_done()
        self.compare(job, self.values)

    def compare(self, job, values):
        expected = model.run(STAGES, values)
        same_multiset(job.results(), expected.values)
        same_multiset([f["input"] for f in job.failures()],
                      [f["input"] for f in expected.failures], "failures")
        counts = job.get()["counts"]
        eq({n: counts[n] for n in expected.counts()}, expected.counts(), "counts")


def losses(records, count, rng):
    """`count` moments with what the disk did, and each of the first ones, in which the folder is
    made; in order."""
    first = [(moment, how) for moment in range(10) for how in ("none", "all", "torn")]
    return first + [(moment, rng.choice(HOW)) for moment in
                    sorted(rng.randrange(10, len(records) + 1) for _ in range(count))]


def power_goes(t, seed, count, env=None):
    """How many images were examined; raises with the moment that was not survived."""
    run = Run(t, seed, env)
    records = run.record()
    t.note(f"seed {seed}: {recording.sizes(records)}")
    rng = random.Random(seed)
    moments = recording.Moments(records)
    todo = losses(records, count, rng)
    for moment, how in todo:
        moments.go(moment)
        image = moments.image(how, rng)
        try:
            run.examine(image, moments.told)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, before record {moment} of {len(records)}, of what "
                                 f"was not durable {how}; told {moments.told}: {error}") from error
    return len(todo)


def images(t):
    return 90 if t.quick or t.slow > 1 else 1500


@timeout(3000)
def test_the_power_goes(t):
    seed = t.settings.seed if t.settings.seed is not None else 1
    t.note(f"{power_goes(t, seed, images(t))} images opened, complete")


@timeout(3000)
def test_the_power_goes_in_another_run(t):
    seed = t.settings.seed + 1 if t.settings.seed is not None else 2
    t.note(f"{power_goes(t, seed, images(t))} images opened, complete")


@timeout(600)
def test_a_server_that_does_not_sync_is_found_out(t):
    """Otherwise the tests above would show nothing."""
    if not t.settings.sanitizer == "address":
        t.skip("bugs are planted in the build with -Dfaults=true, which is that with ASan")
    try:
        power_goes(t, 3, 60, {"LEAT_FAULT_PLANT": "no-sync"})
    except AssertionError as error:
        t.note(f"found: {str(error)[:200]}")
        return
    raise AssertionError("60 images of a run without syncs were all complete")
