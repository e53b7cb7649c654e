"""What the tests of this folder share: commands, folders, a small ledger of everything."""

import hashlib
import lzma
import os
import subprocess
import tempfile

from support.leat import *
from support.server import die_with_parent

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(os.path.dirname(HERE), "fixtures")


def formats():
    return sorted(name for name in os.listdir(FIXTURES) if name.startswith("format-"))


def folder(t):
    made = tempfile.TemporaryDirectory(prefix="leat-ledger-")
    t.cleanup.append(made.cleanup)
    return made.name


def fixture(t, name):
    """A data folder of a released format, and what its jobs had told."""
    data = folder(t)
    with lzma.open(os.path.join(FIXTURES, name, "data.mdb.xz")) as file:
        with open(os.path.join(data, "data.mdb"), "wb") as out:
            out.write(file.read())
    with open(os.path.join(FIXTURES, name, "expected.json"), encoding="utf-8") as file:
        return data, json.load(file)


class Done:
    """How a command ended."""

    def __init__(self, args, done):
        self.args = " ".join(args)
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr.decode(errors="replace")

    def exits(self, *codes):
        if self.code not in codes:
            raise AssertionError(f"{self.args}: exit {self.code} instead of {codes}\n{self.err}\n"
                                 + self.out.decode(errors="replace")[-2000:])
        return self

    def says(self, *texts):
        whole = self.err + self.out.decode(errors="replace")
        for text in texts:
            if text not in whole:
                raise AssertionError(f"{self.args}: {text!r} is not in:\n{whole}")
        return self

    def values(self):
        return [json.loads(line) for line in self.out.decode().splitlines()]


def leat(t, *args, stdin=b"", env=None, limit=60):
    words = [t.settings.program, *map(str, args)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEAT_")}
    done = subprocess.run(words, input=stdin, capture_output=True, env={**kept, **(env or {})},
                          timeout=limit * t.slow, preexec_fn=die_with_parent)
    return Done(words[1:], done)


def digest(raw):
    return hashlib.sha256(raw).hexdigest()


def over(t, data, **options):
    """A server on this folder, and a client of it."""
    server = t.server({"map-size": 256 << 20, **options}, data=data)
    return server, t.client(server)
