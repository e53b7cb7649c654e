"""A PostgreSQL of a test's own: made once as a template, copied, started, killed, asked, ended."""

import ctypes
import glob
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from . import runner
from .client import until
from .server import Log

PASSWORD = "Gar nicht & geheim'1"
USER = "leat owner"
_libc = ctypes.CDLL(None, use_errno=True)


def folder_of_programs():
    """The newest PostgreSQL's, None where there is none."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"),
                   key=lambda path: float(path.split("/")[4]))
    if found:
        return os.path.dirname(found[-1])
    path = shutil.which("initdb")
    return os.path.dirname(path) if path else None


def owner():
    """Who PostgreSQL runs as: it refuses to be root. None: who we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    return None


def as_owner():
    """Runs in the child between fork and exec. The kernel forgets the wish to die with the
    parent when the user changes, so that comes last."""
    user = owner()
    if user is not None:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    _libc.prctl(1, signal.SIGKILL)


def hand_over(path):
    if owner() is not None:
        os.chown(path, owner().pw_uid, owner().pw_gid)


def make_template(folder):
    """A data folder for start() to copy; what is missing is told by the environment."""
    programs = folder_of_programs()
    if programs is None:
        os.environ["POSTGRES_MISSING"] = "there is no PostgreSQL here (Debian: postgresql)"
        return
    hand_over(folder)
    secret = os.path.join(folder, "password")
    with open(secret, "w", encoding="utf-8") as file:
        file.write(PASSWORD + "\n")
    hand_over(secret)
    data = os.path.join(folder, "data")
    done = subprocess.run(
        [os.path.join(programs, "initdb"), "--pgdata", data, "--username", USER, "--no-sync",
         "--auth", "scram-sha-256", "--pwfile", secret, "--encoding", "UTF8", "--locale", "C",
         "--wal-segsize", "1"],
        stdin=subprocess.DEVNULL, capture_output=True, cwd=folder, preexec_fn=as_owner, check=False)
    if done.returncode != 0:
        os.environ["POSTGRES_MISSING"] = "initdb fails: " + done.stderr.decode(errors="replace")[-300:]
        return
    os.environ["POSTGRES_TEMPLATE"] = data


def main(here, doc, jobs):
    """runner.main() for a folder of tests of which some want a PostgreSQL."""
    folder = tempfile.mkdtemp(prefix="leat-postgres-")
    os.chmod(folder, 0o755)
    try:
        make_template(folder)
        return runner.main(here, doc, jobs=jobs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Postgres:
    """Started in a folder of its own; the socket lies there, and no port is open."""

    def __init__(self, t):
        template = os.environ.get("POSTGRES_TEMPLATE")
        if template is None:
            t.skip(os.environ.get("POSTGRES_MISSING", "run this by tests/sql/run.py"))
        self.slow = t.slow
        self.programs = folder_of_programs()
        self.folder = tempfile.mkdtemp(prefix="leat-pg-")
        self.data = os.path.join(self.folder, "data")
        self.process = None
        t.cleanup.append(self.remove)
        os.chmod(self.folder, 0o755)
        hand_over(self.folder)
        subprocess.run(["cp", "-a", template, self.data], check=True)
        self.start()

    # -- life --------------------------------------------------------------------

    def start(self):
        """After a kill the last of its processes may still hold the memory: then once more."""
        until(self._started, 60 * self.slow, "PostgreSQL starts")

    def _started(self):
        self.process = subprocess.Popen(
            [os.path.join(self.programs, "postgres"), "-D", self.data, "-k", self.folder,
             "-c", "listen_addresses=", "-c", "max_connections=30", "-c", "deadlock_timeout=100ms"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            cwd=self.folder, preexec_fn=as_owner)
        self.log = Log(self.process.stderr)
        if self.log.wait(r"ready to accept connections", 60 * self.slow):
            return True
        self.process.wait()
        return False

    def end(self, how):
        """SIGINT: politely but at once; SIGQUIT: without writing anything down; SIGKILL."""
        self.process.send_signal(how)
        self.process.wait()

    def restart(self, how):
        self.end(how)
        self.start()

    def remove(self):
        if self.process is not None and self.process.poll() is None:
            self.end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- for leat ------------------------------------------------------------------

    def dsn(self, user=USER, database="postgres"):
        quoted = user.replace("\\", "\\\\").replace("'", "\\'")
        return f"host={self.folder} dbname={database} user='{quoted}'"

    def stages_d(self, **more):
        """What stages.d/postgres.json says, with the password from the environment."""
        return {"connections": {"main": {"dsn": self.dsn(), "password": {"$env": "TEST_PASSWORD"}}},
                **more}

    # -- asking --------------------------------------------------------------------

    def spawn(self, sql):
        """psql that works on sql meanwhile."""
        return subprocess.Popen(
            [os.path.join(self.programs, "psql"), self.dsn(), "-XAtq", "-v", "ON_ERROR_STOP=1",
             "-f", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PGPASSWORD": PASSWORD, "PGAPPNAME": "test"}, preexec_fn=as_owner,
            cwd=self.folder)

    def do(self, sql):
        """Runs statements; answers what they print."""
        process = self.spawn(sql)
        out, err = process.communicate(sql.encode(), timeout=60 * self.slow)
        if process.returncode != 0:
            raise AssertionError(f"{sql}: {err.decode()}")
        return out.decode().strip()

    def rows(self, query):
        """The rows as objects."""
        return json.loads(self.do(f"SELECT coalesce(json_agg(q), '[]') FROM ({query}) q"))

    def count(self, table):
        """How many rows; 0 where there is no such table, or nobody who could say."""
        try:
            return int(self.do(f"SELECT count(*) FROM {table}"))
        except AssertionError:
            return 0

    def wait_count(self, table, least, timeout=60):
        until(lambda: self.count(table) >= least, timeout * self.slow, f"{least} rows in {table}",
              pause=0.02)
