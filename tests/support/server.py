"""A `leat serve` in a folder of its own: started, waited for, stopped, killed, started again.

Ready means that the line `event=listening … port=N` stood on stderr. Reports of sanitizers go
to files, which reports() reads. If the test process dies, the kernel ends the server.
"""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque

from . import proc

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """Runs in the child between fork and exec."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tells_something(report):
    """LeakSanitizer looks for leaks as a program ends. One that a test kills at that moment leaves
    a line behind that is no finding."""
    return any(line.strip() and "Unable to get registers from thread" not in line
               for line in report.splitlines())


class Log:
    """The server's stderr: kept, and waited on line by line."""

    def __init__(self, stream, keep=4000):
        self.lines = deque(maxlen=keep)
        self.seen = 0
        self.ended = False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self.thread.start()

    def _read(self, stream):
        for line in stream:
            with self.changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.seen += 1
                self.changed.notify_all()
        stream.close()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, pattern, timeout):
        """The first line that matches, from the start on; None once the stream has ended."""
        regex = re.compile(pattern)
        deadline = time.monotonic() + timeout
        looked = 0
        with self.changed:
            while True:
                first = self.seen - len(self.lines)
                for line in list(self.lines)[max(0, looked - first):]:
                    found = regex.search(line)
                    if found:
                        return found
                looked = self.seen
                if self.ended:
                    return None
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no line {pattern!r} in the log within {timeout} s:\n"
                                       + self.tail())
                self.changed.wait(left)

    def tail(self, count=25):
        return "\n".join("    | " + line for line in list(self.lines)[-count:])


class Server:
    """`options` are long options without their dashes: {"map-size": 1 << 26}."""

    def __init__(self, program, options=None, stages=(), env=None, data=None, slow=1.0):
        self.program = os.path.abspath(program)
        self.folder = tempfile.mkdtemp(prefix="leat-test-")
        self.data = data or os.path.join(self.folder, "data")
        self.options = {"listen": "127.0.0.1:0", "data": self.data, "compute": 2}
        self.options.update(options or {})
        self.stages = list(stages)
        self.env = dict(env or {})
        self.slow = slow
        self.process = None
        self.port = None
        self.log = None
        self.starts = 0
        # Nobody has damaged its ledger, nor planted a bug that does.
        self.sound = "LEAT_FAULT_PLANT" not in {**os.environ, **self.env}
        self.handed = None  # a listening socket that the server is given, as systemd does it

    # -- life --------------------------------------------------------------------

    def arguments(self):
        words = [self.program, "serve"]
        for name, value in self.options.items():
            if value is not None:
                words += [f"--{name}", str(value)]
        for folder in self.stages:
            words += ["--stages", folder]
        return words

    def environment(self):
        # Not what the caller's own leat is set to, but a bug that tests/selftest plants.
        env = {name: value for name, value in os.environ.items()
               if not name.startswith("LEAT_") or name == "LEAT_FAULT_PLANT"}
        env.update(self.env)
        for tool in ("ASAN", "TSAN", "UBSAN", "LSAN"):
            given = env.get(f"{tool}_OPTIONS", "")
            log = f"log_path={self.folder}/report.{tool.lower()}"
            env[f"{tool}_OPTIONS"] = f"{given}:{log}" if given else log
        return env

    def handed_arguments(self):
        if self.handed is None:
            return self.arguments()
        return ["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh", *self.arguments()]

    def _prepare(self):
        die_with_parent()
        if self.handed is not None:
            os.dup2(self.handed.fileno(), 3)

    def spawn(self):
        """Starts the process without waiting for it to be ready."""
        self.process = subprocess.Popen(
            self.handed_arguments(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env=self.environment(), cwd=self.folder,
            preexec_fn=self._prepare, close_fds=self.handed is None)
        self.log = Log(self.process.stderr)
        self.starts += 1

    def start(self, timeout=20.0):
        """Starts and waits until it listens. Answers the server itself."""
        self.spawn()
        found = self.log.wait(r"event=listening\b(?:.*\bport=(\d+))?", timeout * self.slow)
        if found is None:
            code = self.process.wait()
            raise AssertionError(f"the server did not start (exit {code}):\n{self.log.tail()}"
                                 + self.report_text())
        self.port = int(found.group(1) or 0)  # 0: a Unix socket
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=30.0):
        """Waits for the end; answers the exit code (negative: by a signal)."""
        try:
            code = self.process.wait(timeout * self.slow)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not end within {timeout * self.slow} s:\n"
                                 + self.log.tail()) from None
        self.log.thread.join(5)
        return code

    def kill(self):
        """SIGKILL, and wait until the kernel has taken everything back."""
        if self.running():
            self.process.kill()
        self.process.wait()
        self.log.thread.join(5)

    def stop(self, timeout=30.0):
        """SIGTERM; anything but exit 0 is an error."""
        if self.process is None:
            return
        if self.running():
            self.signal(signal.SIGTERM)
            code = self.wait(timeout)
        else:
            code = self.process.returncode
        if code != 0:
            raise AssertionError(f"the server ended with {code} instead of 0:\n{self.log.tail()}"
                                 + self.report_text())
        self.check_ledger()

    def check_ledger(self):
        """`leat fsck` must find what is left on disk whole, whatever the test has done."""
        if not self.sound or not os.path.exists(os.path.join(self.data, "data.mdb")):
            return
        env = self.environment()
        env.pop("LD_PRELOAD", None)  # a shim of the test's
        done = subprocess.run([self.program, "fsck", "--data", self.data], env=env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              timeout=120 * self.slow, check=False)
        if done.returncode != 0:
            raise AssertionError(f"leat fsck ends with {done.returncode}:\n{done.stdout}")

    def restart(self, how="kill"):
        """Ends the server by `kill` or `stop` and starts it on the same data."""
        if how == "kill":
            self.kill()
        else:
            self.stop()
        return self.start()

    def remove(self):
        """Ends the process if it lives and removes the folder."""
        if self.running():
            self.kill()
        if self.process is not None and self.process.stderr:
            self.log.thread.join(5)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- looking -----------------------------------------------------------------

    def reports(self):
        """Files that a sanitizer has written, with their text."""
        found = {}
        if not os.path.isdir(self.folder):
            return found
        for name in sorted(os.listdir(self.folder)):
            if name.startswith("report."):
                with open(os.path.join(self.folder, name), errors="replace") as file:
                    found[name] = file.read()
        return {name: text for name, text in found.items() if tells_something(text)}

    def report_text(self, lines=60):
        text = ""
        for name, report in self.reports().items():
            text += f"\n{name}:\n" + "\n".join(report.splitlines()[:lines])
        return text

    def check(self):
        """The server must live and no sanitizer may have spoken."""
        text = self.report_text()
        if text:
            raise AssertionError("a sanitizer reports:" + text)
        if self.process is not None and not self.running():
            raise AssertionError(f"the server ended by itself with {self.process.returncode}:\n"
                                 + self.log.tail())

    def rss_kib(self):
        return proc.rss_kib(self.pid)

    def peak_rss_kib(self):
        return proc.peak_rss_kib(self.pid)

    def threads(self):
        return proc.threads(self.pid)

    def disk_bytes(self):
        return proc.disk_bytes(self.data)
