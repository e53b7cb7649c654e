"""Little programs, servers that know them, and a look at the processes that they become."""

import os
import re
import shutil
import sys
import tempfile
import uuid

from support.leat import *

# What most programs below begin with.
HEAD = r"""
import json, os, signal, sys, threading, time
lock = threading.Lock()

def say(value):
    with lock:
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()

def lines():  # plain
    for line in iter(sys.stdin.readline, ""):
        yield json.loads(line)

def frames():  # framed: (id, attempt, value), or (id, None, None) for a cancel
    for line in iter(sys.stdin.readline, ""):
        frame = json.loads(line)
        if "cancel" in frame:
            yield frame["cancel"], None, None
            continue
        for one in frame.get("batch", [frame]):
            yield one["item"], one["attempt"], one["value"]

def emit(item, *values):
    say({"item": item, "emit": list(values)})

def first(what):  # once for all processes of the test
    try:
        os.close(os.open(os.path.join(os.environ["HERE"], "once-" + str(what)), os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False
"""

DOUBLE = "for x in lines(): say(x * 2)\n"
DOUBLE_FRAMED = "for item, attempt, x in frames():\n    if attempt: emit(item, x * 2)\n"


class Programs:
    """A folder stages.d with programs, the scripts that they run, and a mark in their environment."""

    def __init__(self, t):
        self.t = t
        self.mark = f"EXEC_TEST_MARK={uuid.uuid4().hex}"
        self.folder = tempfile.mkdtemp(prefix="leat-exec-")
        t.cleanup.append(self._remove)
        self.stages_d = os.path.join(self.folder, "stages.d")
        os.mkdir(self.stages_d)

    def _remove(self):
        left = self.alive()
        for pid in left:  # found by our own mark
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)
        ok(not left, f"processes {left} have outlived their server")

    def path(self, name):
        return os.path.join(self.folder, name)

    def add(self, name, script=None, argv=None, **config):
        """Registers a program: Python text behind HEAD, or any command."""
        if script is not None:
            with open(self.path(f"{name}.py"), "w", encoding="utf-8") as file:
                file.write(HEAD + script)
            argv = [sys.executable, "-S", self.path(f"{name}.py")]
        key, _, value = self.mark.partition("=")
        env = {key: value, "HERE": self.folder, "PYTHONDONTWRITEBYTECODE": "1", **config.pop("env", {})}
        with open(os.path.join(self.stages_d, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump({"argv": argv, "env": env, **config}, file)
        return self

    def serve(self, **more):
        """A client of a server that knows them."""
        server = self.t.server({"stages-d": self.stages_d, **more.pop("options", {})}, **more)
        return self.t.client(server)

    def alive(self):
        """Processes with our mark in their environment, whoever started them."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if self.mark.encode() in file.read():
                        found.append(int(pid))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                pass
        return sorted(found)

    def wait_gone(self, what="all processes have ended", timeout=20):
        until(lambda: not self.alive(), timeout * self.t.slow, what)


def one(t, script, protocol="plain", **config):
    """A server with the program `mine`; answers the programs and a client."""
    programs = Programs(t).add("mine", script, protocol=protocol, **config)
    return programs, programs.serve()


def run(t, api, values, stage=None, state="succeeded", timeout=30, **more):
    """A job of the stage `mine` with these items, at its end."""
    job = t.job([{"use": "mine", **(stage or {})}], api=api, **more)
    job.send(values, close=True)
    job.wait_done(state, timeout)
    return job


def reasons(job):
    """What is said of each failed item, in the order of the items."""
    rows = sorted(job.failures(), key=lambda row: row["item"])
    return [str(row["error"]) for row in rows]


def zombies(parent):
    """Children of the server that nobody has waited for."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] == "Z":
                found.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def all_reaped(t, server):
    """A process is a zombie for a moment whenever it ends: one that stays so was forgotten."""
    until(lambda: not zombies(server.pid), 20 * t.slow, "the server has waited for all of its children")


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


__all__ = [name for name in dir() if not name.startswith("_")]
