"""The server of a soak and the clients that keep it busy.

Each miller is a thread that makes one job after another of its kind (kinds.py) and checks what
comes out. A connection that breaks because the server was killed is tried again, as clients do:
uploads by their Idempotency-Key, followers by their cursor.
"""

import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback

import kinds
from support import expect
from support.client import Api, until
from support.server import Server
from support.wire import Closed

BROKEN = (Closed, OSError, TimeoutError)
RETENTION_MS = 20000
DISK_MOST = 2 << 30
WAIT_S = 300

PROGRAM = """
import json, sys
for line in iter(sys.stdin.readline, ""):
    value = json.loads(line)
    value["seen"] = True
    sys.stdout.write(json.dumps(value) + "\\n" if value["id"] % 5 else "\\n")
    sys.stdout.flush()
"""


class Gone(Exception):
    """The server went away in the middle of what cannot be sent again."""


class Miller(threading.Thread):
    """One client: jobs of one kind, until it is told to stop."""

    def __init__(self, mill, kind, seed):
        super().__init__(daemon=True)
        self.mill, self.kind = mill, kind
        self.random = random.Random(seed)
        self.api = None
        self.jobs = self.items = self.broken = 0
        self.mistake = None

    def run(self):
        try:
            while not self.mill.over.is_set():
                try:
                    self.items += self.kind(self)
                    self.jobs += 1
                    self.mill.ended += 1
                except Gone:
                    self.broken += 1
                self.mill.over.wait(self.mill.pause)
        except Exception as error:  # said at the end; the others go on
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.mistake = f"{self.kind.__name__} (job {self.jobs}): {error} at {where.name}:" \
                           f"{where.lineno}"
            print(f"# {self.mistake}", flush=True)

    def again(self, what):
        """what(api) until it was not broken off."""
        deadline = time.monotonic() + WAIT_S
        while True:
            port = self.mill.port()
            if self.api is None:
                self.api = Api(self.mill.server, timeout=60)
            try:
                return what(self.api)
            except BROKEN as error:
                self.api.close()
                self.broken += 1
                if time.monotonic() > deadline:
                    raise AssertionError(f"no server for {WAIT_S} s: {error}") from error
                self.mill.lost(port)

    def once(self, what):
        """The same for what must not be sent twice."""
        self.mill.port()
        if self.api is None:
            self.api = Api(self.mill.server, timeout=60)
        try:
            return what(self.api)
        except BROKEN as error:
            self.api.close()
            raise Gone from error


class Mill:
    def __init__(self, program, seed, pause, without=()):
        self.folder = tempfile.mkdtemp(prefix="leat-soak-")
        self.out = os.path.join(self.folder, "out")
        os.mkdir(self.out)
        self.pause = pause
        self.server = Server(program, {
            "retention-default": RETENTION_MS, "map-size": DISK_MOST,
            "stages-d": self.files()})
        self.changed = threading.Condition()
        self.up = False
        self.over = threading.Event()
        self.ended = 0
        self.began = time.monotonic()
        self.millers = [Miller(self, kind, f"{seed}/{number}/{kind.__name__}")
                        for number, kind in enumerate(kinds.ALL)
                        if kind.__name__ not in without]

    def files(self):
        """stages.d: a program, and where databases may be."""
        program = os.path.join(self.folder, "program.py")
        folder = os.path.join(self.folder, "stages.d")
        os.mkdir(folder)
        for name, text in ((program, PROGRAM),
                           (f"{folder}/program.json", json.dumps(
                               {"argv": [sys.executable, "-S", "-u", program]})),
                           (f"{folder}/sqlite.json", json.dumps({"folders": {"out": self.out}}))):
            with open(name, "w", encoding="utf-8") as file:
                file.write(text)
        return folder

    # -- the server ------------------------------------------------------------------

    def start(self):
        self.server.start()
        self.set_up(True)
        for miller in self.millers:
            miller.start()

    def set_up(self, up):
        with self.changed:
            self.up = up
            self.changed.notify_all()

    def port(self):
        with self.changed:
            if not self.changed.wait_for(lambda: self.up, WAIT_S):
                raise AssertionError("the server did not come back")
            return self.server.port

    def lost(self, port):
        with self.changed:
            self.changed.wait_for(lambda: self.server.port != port, 0.05)

    def kill_and_restart(self):
        self.set_up(False)
        self.server.kill()
        self.server.start(60)
        self.set_up(True)

    def work_until(self, moment):
        while time.monotonic() < moment:
            self.over.wait(min(1.0, max(0.0, moment - time.monotonic())))
            self.server.check()

    def finish(self):
        self.over.set()
        for miller in self.millers:
            miller.join(WAIT_S)
            if miller.is_alive():
                miller.mistake = f"{miller.kind.__name__} hangs"

    # -- what became of it ------------------------------------------------------------

    def mistakes(self):
        return "; ".join(m.mistake for m in self.millers if m.mistake) or None

    def judge_end(self):
        return [("what is deleted leaves nothing", self.leftover()),
                ("the disk stayed within its bound", self.disk()),
                ("it ends in order, and with it what it started", self.end())]

    def leftover(self):
        """Every job is done: all can be deleted."""
        api = Api(self.server)
        try:
            while jobs := api.jobs(limit=100)["items"]:
                for job in jobs:
                    expect.ok(job["done"], f"{job['id']} is {job['state']}")
                    api.request("DELETE", f"/v1/jobs/{job['id']}")
        except AssertionError as error:
            return str(error)
        finally:
            api.close()
        return None

    def disk(self):
        used = self.server.disk_bytes()
        return None if used <= DISK_MOST + (1 << 20) else f"{used:,} bytes"

    def end(self):
        try:
            self.server.stop(60)
            until(lambda: not self.children(), 20, "its children are gone", pause=0.05)
        except AssertionError as error:
            return str(error)
        return self.server.report_text() or None

    def children(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                    if self.folder in file.read():
                        found.append(pid)
            except OSError:
                continue
        return found

    def figures(self):
        return {"jobs": sum(m.jobs for m in self.millers),
                "items": sum(m.items for m in self.millers),
                "broken_off": sum(m.broken for m in self.millers),
                "by_kind": {m.kind.__name__: m.jobs for m in self.millers}}

    def remove(self):
        self.over.set()
        self.server.remove()
        shutil.rmtree(self.folder, ignore_errors=True)
