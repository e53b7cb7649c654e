"""A full disk: 507, nothing lost, everything goes on by itself when there is room again."""

import fcntl
import shutil
import tempfile

from stubborn import Stubborn
from support.leat import *

MIB = 1 << 20


class SmallDisk:
    """A tmpfs of a few MiB with a file on it that can be removed to make room."""

    def __init__(self, t, size, filler):
        self.path = tempfile.mkdtemp(prefix="leat-disk-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.path],
                              stderr=subprocess.PIPE, check=False)
        if done.returncode:
            os.rmdir(self.path)
            t.skip("a tmpfs cannot be mounted here: "
                   + done.stderr.decode(errors="replace").strip())
        t.cleanup.append(self.remove)
        self.filler = os.path.join(self.path, "filler")
        self.fill(filler)

    def fill(self, size):
        with open(self.filler, "wb") as file:
            for _ in range(size // 65536):
                file.write(bytes(65536))

    def free(self):
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

    def fill_up(self):
        """Takes whatever is left."""
        with open(self.filler + ".more", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass

    def make_room(self):
        for name in (self.filler, self.filler + ".more"):
            if os.path.exists(name):
                os.unlink(name)

    def remove(self):
        subprocess.run(["umount", "-l", self.path], check=False)
        os.rmdir(self.path)


def on_disk(t, size, filler):
    disk = SmallDisk(t, size, filler)
    server = t.server(data=os.path.join(disk.path, "data"))
    return disk, server, t.client(server)


def padded(count, size=1000):
    return [{"n": n, "pad": "x" * (size - 20)} for n in range(count)]


def refused_as_full(reply):
    body = problem(reply, 507, "disk-full")
    for member in ("accepted", "duplicates", "rejected", "next_offset"):
        ok(member in body, f"no {member} in {body}")
    return body


@timeout(90)
def test_an_upload_onto_a_full_disk_is_507_and_resumes(t):
    disk, server, api = on_disk(t, 96 * MIB, 84 * MIB)
    values = padded(24000)
    job = api.create({"stages": [{"use": "pass"}]})
    job.must("pause")
    key = {"Idempotency-Key": "k"}
    body = refused_as_full(job.upload(ndjson(values), {"close": "true"}, key))
    t.note(f"{body['accepted']} of 24,000 items were taken, {disk.free() >> 10} KiB are left")
    ok(0 < body["accepted"] < 24000, f"accepted {body['accepted']}")
    eq(job.get()["input"]["received"], body["accepted"], "received against accepted")
    eq(job.offset("k"), body["next_offset"], "offset of the key")
    still_answers(t, api, job)
    disk.make_room()
    until(lambda: api.get("/readyz").status == 200, 10 * t.slow, "readyz recovers by itself", 0.05)
    reply = until(lambda: (r := job.upload(ndjson(values), {"close": "true"}, key)).status == 200
                  and r, 10 * t.slow, "the upload goes through").json()
    eq(reply["accepted"] + reply["duplicates"], 24000, "accepted and duplicates")
    job.must("resume")
    job.wait_done(timeout=60)
    same_multiset(job.results(), values)


def still_answers(t, api, job):
    """What needs no room works on a full disk."""
    status(api.get("/livez"), 200)
    problem_or_ok = api.get("/readyz")
    ok(problem_or_ok.status in (200, 503), f"readyz {problem_or_ok.status}")
    status(api.get("/v1/jobs"), 200)
    status(api.get(f"{job.path}/results"), 200)
    status(api.get("/v1/stages"), 200)


@timeout(90)
def test_a_job_whose_results_find_no_room_waits_and_goes_on(t):
    disk, server, api = on_disk(t, 96 * MIB, 60 * MIB)
    values = padded(10000)
    job = api.create({"stages": [{"use": "pass", "rate": {"per_second": 20000}}]})
    job.must("pause")
    job.send(values, close=True)
    disk.fill_up()
    code = job.act("resume").status
    ok(code in (200, 507), f"resume: {code}")
    until(lambda: api.get("/readyz").status == 503 or job.get()["done"], 15 * t.slow,
          "the server notices", 0.02)
    ok(job.get()["state"] not in ("failed", "cancelled"), "a full disk has failed the job")
    disk.make_room()
    until(lambda: job.act("resume").status == 200 or job.get()["done"], 15 * t.slow, "resumed")
    job.wait_done(timeout=60)
    same_multiset(job.results(), values)


@timeout(90)
def test_a_server_starts_and_recovers_on_a_full_disk(t):
    disk, server, api = on_disk(t, 96 * MIB, 70 * MIB)
    values = padded(6000)
    job = api.create({"stages": [{"use": "pass"}]})
    job.must("pause")
    job.send(values, close=True)
    done = api.create({"stages": [{"use": "pass"}]})
    done.send(numbers(100), close=True)
    done.wait_done()
    disk.fill_up()
    api.close()
    server.restart()
    same_multiset(done.results(), numbers(100))
    eq(job.get()["input"]["received"], 6000, "received")
    disk.make_room()
    until(lambda: job.act("resume").status == 200, 15 * t.slow, "resumed", 0.05)
    job.wait_done(timeout=60)
    same_multiset(job.results(), values)


@timeout(90)
def test_delete_makes_room_on_a_full_ledger(t):
    """The ledger's own bound (--map-size): 507 as well, and a deleted job's room is free."""
    server = t.server({"map-size": 32 * MIB})
    api = t.client(server)
    values = padded(20000)
    big = api.create({"stages": [{"use": "pass"}]})
    big.must("pause")
    taken = refused_as_full(big.upload(ndjson(values + values)))["accepted"]
    t.note(f"{taken} items of 1,000 bytes fit into 32 MiB")
    ok(taken > 10000, f"only {taken} items fit into 32 MiB")
    status(big.delete(), 204)
    small = values[:5000]
    client = Stubborn(api, 20 * t.slow)
    job = client.create({"stages": [{"use": "pass"}]})
    client.upload(job, small)
    client.done(job)
    same_multiset(job.results(), small)


@timeout(120)
def test_what_was_accepted_can_be_finished_in_a_full_ledger(t):
    """Room for finishing what was taken is kept back: work goes on while uploads are refused."""
    server = t.server({"map-size": 48 * MIB})
    api = t.client(server)
    values = padded(60000)
    job = api.create({"stages": [{"use": "pick", "params": {"fields": {"n": "/n"}}}]})
    job.must("pause")
    key = {"Idempotency-Key": "k"}
    first = refused_as_full(job.upload(ndjson(values), {"close": "true"}, key))
    job.must("resume")
    job.wait(lambda j: j["counts"]["succeeded"] == first["accepted"], 60,
             "what was accepted is finished")
    reply = until(lambda: (r := job.upload(ndjson(values), {"close": "true"}, key)).status == 200
                  and r, 60 * t.slow, "the rest is taken")
    eq(reply.json()["next_offset"], 60000, "next_offset")
    job.wait_done(timeout=60)
    same_multiset(job.results(), numbers(60000))


@timeout(120)
def test_uploads_run_and_sleep_through_a_disk_that_fills_again_and_again(t):
    disk, server, api = on_disk(t, 128 * MIB, 64 * MIB)
    stages = [{"use": "sha256", "params": {"field": "text"}, "workers": 2}]
    values = items.orders(12000)
    client = Stubborn(api, 60 * t.slow)
    job = client.create({"stages": stages, "order": "input"})
    over = threading.Event()

    def tide():
        while not over.wait(0.05):
            disk.fill_up()
            over.wait(0.2)
            try:
                os.unlink(disk.filler + ".more")
            except FileNotFoundError:
                pass
    thread = threading.Thread(target=tide, daemon=True)
    thread.start()
    try:
        client.upload(job, values)
        client.done(job)
    finally:
        over.set()
        thread.join()
    disk.make_room()
    same_list(client.read(job, "results"), model.run(stages, values).values)
    t.note(f"{len(client.refused)} refusals")


# -- whose the folder is ---


def locked(server, pid):
    """The folder's lock, held by this process and said to be another's."""
    file = open(os.path.join(server.data, "leat.lock"), "r+")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.truncate(0)
    file.write(f"{pid}\n")
    file.flush()
    return file


@timeout(60)
def test_a_lock_that_a_child_of_a_killed_server_still_holds_is_waited_for(t):
    server, api, job = held_job(t)
    api.close()
    server.kill()
    held = locked(server, server.pid)  # which is dead
    server.spawn()
    time.sleep(0.3)  # it looks, and goes on looking
    ok(server.running(), f"refused at once:\n{server.log.tail()}")
    held.close()
    found = server.log.wait(r"event=listening\b.*\bport=(\d+)", 20 * t.slow)
    ok(found, f"not started:\n{server.log.tail()}")
    server.port = int(found.group(1))
    eq(job.get()["input"]["received"], 5, "received")


@timeout(60)
def test_a_lock_of_one_that_lives_is_refused_at_once(t):
    server, api, job = held_job(t)
    api.close()
    server.kill()
    with locked(server, os.getpid()):
        server.spawn()
        ok(0 < server.wait(3) < 126, "its exit code")
        ok(f"in use by another leat (process {os.getpid()})" in server.log.tail(), "its words")
    server.start()


# -- the folder goes away ------------------------------------------------------------------------


def refused_as_gone(t, api, job):
    """Nothing is acknowledged that the next start would not find."""
    body = problem(job.upload(ndjson(numbers(5))), 503, "store-unavailable")
    ok("was removed or replaced" in body["detail"], body["detail"])
    ready = api.get("/readyz")
    eq(ready.status, 503, "readyz")
    ok("was removed or replaced" in ready.body.decode(), ready.body)
    problem(api.post("/v1/jobs", {"stages": [{"use": "pass"}]}), 503, "store-unavailable")
    status(api.get("/livez"), 200)
    status(api.get(job.path), 200)


def held_job(t):
    server = t.server()
    api = t.client(server)
    job = api.create({"stages": [{"use": "pass"}]})
    job.must("pause")
    job.send(numbers(5))
    return server, api, job


@timeout(60)
def test_a_folder_that_was_moved_away_and_comes_back(t):
    server, api, job = held_job(t)
    os.rename(server.data, server.data + ".away")
    refused_as_gone(t, api, job)
    os.rename(server.data + ".away", server.data)
    until(lambda: api.get("/readyz").status == 200, 20 * t.slow, "green again by itself")
    job.send(numbers(5, 5), close=True)
    job.must("resume")
    job.wait_done()
    same_multiset(job.results(), numbers(10))
    eq(server.starts, 1, "starts")


@timeout(60)
def test_a_folder_that_was_removed(t):
    server, api, job = held_job(t)
    shutil.rmtree(server.data)
    refused_as_gone(t, api, job)
    os.mkdir(server.data)
    refused_as_gone(t, api, job)
    server.signal(signal.SIGTERM)
    code = server.wait()
    ok(0 <= code < 126, f"it ended with {code}")
    api.close()
    server.start()
    eq(api.jobs()["items"], [], "jobs of a new folder")
    server.stop()


@timeout(60)
def test_a_data_file_that_was_replaced(t):
    """A backup that is put in the place of a file in use is not written over."""
    server, api, job = held_job(t)
    path = os.path.join(server.data, "data.mdb")
    shutil.copyfile(path, path + ".backup")
    os.rename(path + ".backup", path)
    before = open(path, "rb").read()
    refused_as_gone(t, api, job)
    server.kill()
    ok(open(path, "rb").read() == before, "the backup was written to")
    api.close()
    server.start()
    eq(job.get()["input"]["received"], 5, "received, in the backup")
