"""docs/your-code.md, done as it says by somebody in an empty folder."""

import os
import re
import shutil
import sys
import tempfile

from support.leat import *
from support.server import die_with_parent

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
# Hosts that are not there, and a module to be built: tests/api and tests/cli have these.
ELSEWHERE = r"example\.com|new-stage"


def blocks(title):
    """The blocks of code of one chapter: (language, text)."""
    with open(os.path.join(TOP, "docs/your-code.md"), encoding="utf-8") as page:
        found = re.split(r"^## ", page.read(), flags=re.M)
    chapter = next(part for part in found if part.startswith(title + "\n"))
    return re.findall(r"^```(\w+)\n(.*?)^```", chapter, re.M | re.S)


def steps(block):
    """(command, what it says); a command goes on over a here-document."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif "<<END" in found[-1][0] and not found[-1][0].endswith("\nEND"):
            found[-1][0] += "\n" + line
        else:
            found[-1][1].append(line)
    return found


class Newcomer:
    """A folder, leat on the PATH, and a server once one is asked for."""

    def __init__(self, t):
        self.t = t
        where = tempfile.TemporaryDirectory(prefix="leat-newcomer-")
        t.cleanup.append(where.cleanup)
        self.folder = os.path.join(where.name, "work")
        os.makedirs(os.path.join(self.folder, "stages.d"))
        os.mkdir(os.path.join(where.name, "bin"))
        os.symlink(t.settings.program, os.path.join(where.name, "bin/leat"))
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("LEAT_")}
        self.env["PATH"] = os.path.join(where.name, "bin") + ":" + self.env["PATH"]
        self.port = None

    def types(self, command, said):
        command = command.replace("/usr/share/leat/sdk", os.path.join(TOP, "sdk"))
        if command == "leat serve --stages-d stages.d &":
            self.port = self.t.server({"stages-d": os.path.join(self.folder, "stages.d")}).port
            return
        if self.port:
            command = command.replace("localhost:8080", f"127.0.0.1:{self.port}")
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=self.folder,
                              env=self.env, timeout=60 * self.t.slow, preexec_fn=die_with_parent, check=False)
        eq(sorted((done.stdout + done.stderr).splitlines()), sorted(said), command)


def follow(t, title, file):
    newcomer = Newcomer(t)
    ran = 0
    for language, text in blocks(title):
        if language in ("python", "js"):
            with open(os.path.join(newcomer.folder, file), "w", encoding="utf-8") as out:
                out.write(text)
        elif language == "console" and not re.search(ELSEWHERE, text):
            for command, said in steps(text):
                newcomer.types(command, said)
                ran += 1
    return newcomer, ran


def test_the_chapter_on_python_is_so(t):
    if not shutil.which("curl"):
        t.skip("curl is not here")
    _, ran = follow(t, "Python", "total.py")
    ok(ran >= 6, f"only {ran} commands")


def test_the_chapter_on_programs_that_read_lines_is_so(t):
    _, ran = follow(t, "Anything that reads lines", None)
    ok(ran >= 2, f"only {ran} commands")


def test_the_chapter_on_node_has_a_program_that_works(t):
    if not shutil.which("node"):
        t.skip("node is not here")
    newcomer, _ = follow(t, "Node", "total.mjs")
    newcomer.types("cp /usr/share/leat/sdk/node/leat-stage.mjs .", [])
    newcomer.types("""echo '{"price":2.5,"qty":4}' | LEAT_PARAMS='{"tax":20}' node total.mjs""",
                   ['{"price":2.5,"qty":4,"total":12}'])
