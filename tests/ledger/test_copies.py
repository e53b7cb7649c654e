"""Backups made under load, ledgers made small, and both interrupted anywhere."""

import shutil
import signal
import threading

from keeping import *


class Load:
    """Sends items to a job until told to stop; knows what was acknowledged when."""

    def __init__(self, t, server, sends=10 ** 9):
        self.api = t.client(server)
        self.job = self.api.create({"stages": [{"use": "pass"}]})
        self.acknowledged = 0
        self.stop = threading.Event()
        self.sends = sends
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        t.cleanup.append(self.end)

    def run(self):
        for _ in range(self.sends):
            if self.stop.is_set():
                return
            first = self.acknowledged
            try:
                reply = self.job.upload(ndjson([{"n": n} for n in range(first, first + 500)]))
            except (Closed, OSError):
                return
            if reply.status != 200:
                return
            self.acknowledged = first + 500

    def end(self):
        self.stop.set()
        self.thread.join(60)


def exactly_once(api, job_id, at_least):
    """All items up to some number, each once; `at_least` of them."""
    job = Job(api, job_id)
    job.must("close")
    job.wait_done(timeout=60)
    got = sorted(item["n"] for item in job.results())
    eq(got, list(range(len(got))), "each once, none missing")
    ok(len(got) >= at_least, f"{len(got)} items, {at_least} were acknowledged")


@timeout(90)
def test_a_backup_under_load_has_all_that_was_acknowledged(t):
    server, _ = over(t, folder(t))
    loads = [Load(t, server) for _ in range(2)]
    for turn in range(3):
        until(lambda: all(load.acknowledged >= 3000 * (turn + 1) for load in loads),
              60 * t.slow, "items are acknowledged")
        copy = os.path.join(folder(t), "copy")
        known = [load.acknowledged for load in loads]
        leat(t, "backup", "--data", server.data, copy).exits(0)
        leat(t, "fsck", "--data", copy).exits(0).says("whole")
        second, api = over(t, copy)
        for load, acknowledged in zip(loads, known):
            exactly_once(api, load.job.id, acknowledged)
        second.stop()
    for load in loads:
        load.end()
        exactly_once(load.api, load.job.id, load.acknowledged)


@timeout(90)
def test_a_killed_server_leaves_a_whole_ledger(t):
    data = folder(t)
    told = None
    for turn in range(4 if t.quick else 40):
        if turn == 2:
            data, told = fixture(t, formats()[-1])
        server, _ = over(t, data)
        load = Load(t, server)
        until(lambda: load.acknowledged >= 500 + 500 * t.random.randrange(8), 30 * t.slow,
              "some are acknowledged")
        server.kill()
        load.end()
        leat(t, "fsck", "--data", data).exits(0).says("whole")
    ok(told, "jobs of every kind were among them")


def test_what_a_running_server_uses_is_refused_in_words(t):
    server, _ = over(t, folder(t))
    for command in (["fsck"], ["fsck", "--repair"], ["compact"]):
        leat(t, *command, "--data", server.data).exits(1).says("in use", server.data)
    nowhere = os.path.join(folder(t), "nothing")
    for command in (["fsck"], ["compact"], ["backup", nowhere + "2"]):
        leat(t, *command, "--data", nowhere).exits(1).says("no ledger", nowhere)
        ok(not os.path.exists(nowhere), "and nothing was made")
    leat(t, "backup", "--data", server.data).exits(2).says("DIR is missing")
    leat(t, "backup", "--data", server.data, server.data).exits(1).says("holds a ledger")


def ledger_with_room(t):
    """A folder of which most was deleted; answers it, what a job in it says, and its id."""
    data = folder(t)
    server, api = over(t, data)
    kept = api.create({"stages": [{"use": "pass"}]})
    kept.send(numbers_of(200), close=True)
    kept.wait_done()
    gone = api.create({"stages": [{"use": "pass"}]})
    gone.send([{"text": "x" * 4000, "n": n} for n in range(3000)], close=True)
    gone.wait_done()
    gone.delete()
    until(lambda: api.get("/v1/server").json()["disk"]["used_bytes"] < 2 << 20, 30 * t.slow,
          "its bytes are gone")
    raw = kept.raw_results()
    server.stop()
    return data, kept.id, raw


def numbers_of(count):
    return [{"n": n} for n in range(count)]


def test_compact_gives_the_disk_back(t):
    data, job, raw = ledger_with_room(t)
    path = os.path.join(data, "data.mdb")
    before = os.path.getsize(path)
    leat(t, "compact", "--data", data).exits(0)
    ok(os.path.getsize(path) < before / 4, f"{before} bytes, now {os.path.getsize(path)}")
    server, api = over(t, data)
    eq(Job(api, job).raw_results(), raw)
    server.stop()


@timeout(60)
def test_killed_anywhere_a_copy_is_whole_or_none(t):
    data, job, raw = ledger_with_room(t)
    target = os.path.join(folder(t), "copy")
    whole = 0
    for turn in range(12 if t.quick else 100):
        what = ["compact"] if turn % 3 == 0 else ["backup", target]
        process = subprocess.Popen([t.settings.program, *what, "--data", data],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   preexec_fn=die_with_parent)
        try:
            process.wait(t.random.random() * 0.06)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        leat(t, "fsck", "--data", data).exits(0).says("whole")
        if os.path.exists(os.path.join(target, "data.mdb")):
            leat(t, "fsck", "--data", target).exits(0).says("whole")
            shutil.rmtree(target)
            whole += 1
        elif os.path.exists(os.path.join(target, "data.mdb.part")):
            leat(t, "serve", "--listen", "127.0.0.1:0", "--data", target).exits(1).says(
                "was not finished")
    server, api = over(t, data)
    eq(Job(api, job).raw_results(), raw)
    server.stop()
    t.note(f"{whole} backups were whole")


def test_a_full_disk_leaves_what_was_there(t):
    data, job, raw = ledger_with_room(t)
    limit = "ulimit -f 100; trap '' XFSZ; exec \"$@\""
    for what in (["compact"], ["backup", os.path.join(folder(t), "copy")]):
        done = subprocess.run(["bash", "-c", limit, "sh", t.settings.program, *what, "--data",
                               data], capture_output=True, timeout=60)
        ok(done.returncode in (0, 1), f"{what}: {done}")
        leat(t, "fsck", "--data", data).exits(0).says("whole")
        if done.returncode == 1:
            ok(b"cannot be written" in done.stderr or b"no space" in done.stderr, done.stderr)
    server, api = over(t, data)
    eq(Job(api, job).raw_results(), raw)
    server.stop()


def test_a_read_only_folder_is_checked_and_not_changed(t):
    data, _, _ = ledger_with_room(t)
    os.unlink(os.path.join(data, "leat.lock"))
    os.chmod(data, 0o500)
    t.cleanup.append(lambda: os.chmod(data, 0o700))
    before = sorted(os.listdir(data))
    leat(t, "fsck", "--data", data).exits(0).says("whole")
    if os.geteuid() != 0:
        eq(sorted(os.listdir(data)), before)
        leat(t, "compact", "--data", data).exits(1)
