"""Running leat as a person does: words in, three streams and an exit code out."""

import os
import pty
import select
import subprocess
import tempfile
import time

from support.leat import *
from support.server import die_with_parent

SANITIZER_EXIT = 99


def environment(extra=None):
    env = {name: value for name, value in os.environ.items() if not name.startswith("LEAT_")}
    for tool in ("ASAN", "TSAN", "UBSAN", "LSAN"):
        given = env.get(f"{tool}_OPTIONS", "")
        env[f"{tool}_OPTIONS"] = f"{given}:exitcode={SANITIZER_EXIT}".lstrip(":")
    env.update(extra or {})
    return env


def words(t, *args):
    return [t.settings.program, *map(str, args)]


class Done:
    """How a command ended."""

    def __init__(self, args, code, out, err):
        self.args = args
        self.code = code
        self.out = out
        self.err = err

    def exits(self, code):
        """Checks the exit code; answers itself."""
        if self.code != code:
            raise AssertionError(f"{self.args}: exit {self.code} instead of {code}\n{self.err}")
        return self

    def says(self, *texts):
        """Checks that all of these stand on stderr; answers itself."""
        for text in texts:
            if text not in self.err:
                raise AssertionError(f"{self.args}: {text!r} is not in:\n{self.err}")
        return self

    def lines(self):
        return self.out.decode().splitlines()

    def values(self):
        return [json.loads(line) for line in self.lines()]


def leat(t, *args, stdin=b"", env=None, cwd=None, limit=20):
    """Runs to the end."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    done = subprocess.run(words(t, *args), input=stdin, capture_output=True, cwd=cwd,
                          env=environment(env), timeout=limit * t.slow,
                          preexec_fn=die_with_parent)
    result = Done(" ".join(map(str, args)), done.returncode, done.stdout,
                  done.stderr.decode(errors="replace"))
    if done.returncode == SANITIZER_EXIT:
        raise AssertionError(f"a sanitizer reports:\n{result.err}")
    return result


def start(t, *args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE):
    """Starts and answers the process, which is ended with the test."""
    process = subprocess.Popen(words(t, *args), stdin=stdin, stdout=stdout, stderr=stderr,
                               env=environment(), preexec_fn=die_with_parent)

    def end():
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass

    t.cleanup.append(end)
    return process


def ends(t, process, code, seconds=5.0):
    """Waits for the end, which must come soon and with this code."""
    try:
        got = process.wait(seconds * t.slow)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"still running after {seconds * t.slow} s") from None
    eq(got, code, "exit code")


def read_line(t, stream, seconds=5.0):
    """One line, which must come soon."""
    line = b""
    deadline = time.monotonic() + seconds * t.slow
    while not line.endswith(b"\n"):
        if not select.select([stream], [], [], max(0, deadline - time.monotonic()))[0]:
            raise AssertionError(f"no line within {seconds * t.slow} s, only {line!r}")
        byte = os.read(stream.fileno(), 1)
        if not byte:
            raise AssertionError(f"the stream ended after {line!r}")
        line += byte
    return line.decode().rstrip("\n")


def folder(t):
    """A folder that is gone after the test."""
    found = tempfile.TemporaryDirectory(prefix="leat-cli-")
    t.cleanup.append(found.cleanup)
    return found.name


def file(t, name, text):
    path = os.path.join(folder(t), name)
    with open(path, "wb") as out:
        out.write(text.encode() if isinstance(text, str) else text)
    return path


def terminal(t):
    """Both ends of a pseudo-terminal: what reads it, what a program writes to."""
    ours, theirs = pty.openpty()
    t.cleanup.append(lambda: os.close(ours))
    return ours, theirs
