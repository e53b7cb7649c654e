"""A program of the SDK as a child, spoken to over its pipes as the server speaks to it."""

import functools
import os
import select
import shutil
import subprocess
import sys
import tempfile

from support.leat import *
from support.server import die_with_parent

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
SDK = {"python": os.path.join(TOP, "sdk/python"), "node": os.path.join(TOP, "sdk/node")}
LANGUAGES = ("python", "node")
HEAD = {
    "python": "import os, sys, time\nfrom leat_stage import *\n",
    "node": "import { stage, many, params, name, log, Permanent, Transient } from '%s';\n"
            % os.path.join(SDK["node"], "leat-stage.mjs"),
}


def environment(language, protocol, more=None):
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent",
           "LANG": "C.UTF-8", "LEAT_STAGE": "mine"}
    if protocol:
        env["LEAT_PROTOCOL"] = protocol
    if language == "python":
        env.update(PYTHONPATH=SDK["python"], PYTHONDONTWRITEBYTECODE="1")
    return {**env, **(more or {})}


def command(t, language, path):
    if language == "python":
        return [sys.executable, path]
    node = shutil.which("node")
    if node is None:
        t.skip("node is not here")
    return [node, path]


class Worker:
    """Runs the program; its stderr is kept in a file."""

    def __init__(self, t, language, text, protocol="framed", env=None):
        folder = tempfile.TemporaryDirectory(prefix="leat-sdk-")
        t.cleanup.append(folder.cleanup)
        self.t = t
        self.path = os.path.join(folder.name, "work.py" if language == "python" else "work.mjs")
        with open(self.path, "w", encoding="utf-8") as out:
            out.write(HEAD[language] + text)
        self.stderr = os.path.join(folder.name, "stderr")
        with open(self.stderr, "ab") as stderr:
            self.process = subprocess.Popen(
                command(t, language, self.path), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=stderr, env=environment(language, protocol, env), cwd=folder.name,
                preexec_fn=die_with_parent, bufsize=0)
        self.rest = b""
        t.cleanup.append(self.end)

    def end(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()

    def said(self):
        """What stands on stderr."""
        with open(self.stderr, "rb") as said:
            return said.read().decode(errors="replace")

    def send(self, *values):
        self.raw(ndjson(values))

    def raw(self, data):
        self.process.stdin.write(data)

    def line(self, seconds=20.0):
        """The next answer, as bytes; None at the end."""
        deadline = time.monotonic() + seconds * self.t.slow
        while b"\n" not in self.rest:
            if not select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"no answer; stderr: {self.said()}")
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
            if not chunk:
                eq(self.rest, b"", "the last line has no end")
                return None
            self.rest += chunk
        line, self.rest = self.rest.split(b"\n", 1)
        return line

    def answer(self):
        line = self.line()
        ok(line is not None, f"it ended; stderr: {self.said()}")
        return json.loads(line)

    def close(self):
        """Ends its input; answers all that it still said, and its exit code."""
        self.process.stdin.close()
        lines = []
        while True:
            line = self.line()
            if line is None:
                break
            lines.append(line)
        return lines, self.wait()

    def wait(self):
        return self.process.wait(20 * self.t.slow)

    def run(self, *values):
        """All at once: the answers by item, which must be one each; exit 0."""
        lines, code = exchange(self, ndjson(values))
        eq(code, 0, self.said())
        answers = {}
        for line in lines:
            answer = json.loads(line)
            ok(answer["item"] not in answers, f"two answers for {answer['item']}")
            answers[answer["item"]] = answer
        return answers


def exchange(worker, data):
    """Writes `data` and reads answers at the same time, until both ends are through."""
    writer = threading.Thread(target=lambda: (worker.raw(data), worker.process.stdin.close()))
    writer.start()
    lines = []
    while True:
        line = worker.line(60)
        if line is None:
            break
        lines.append(line)
    writer.join()
    return lines, worker.wait()


def frame(n, value, attempt=1):
    return {"item": f"j_01/{n}", "attempt": attempt, "value": value}


def emit(n, *values):
    return {"item": f"j_01/{n}", "emit": list(values)}


def error(n, text, transient=False):
    return {"item": f"j_01/{n}", "error": text, "transient": transient}


def both(**programs):
    """Makes of a test one for each language; the program's text is given behind t."""
    def mark(function):
        tests = {}
        for language, text in programs.items():
            def test(t, language=language, text=text):
                function(t, functools.partial(Worker, t, language, text))
            test.__name__ = f"{function.__name__}_in_{language}"
            tests[test.__name__] = test
        sys.modules[function.__module__].__dict__.update(tests)
        return None
    return mark
