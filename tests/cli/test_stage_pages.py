"""Every built-in stage has a page, and what stands there is so."""

import re
import shutil
import sys

from line import *

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as page:
        return page.read()


def built_in(t):
    found = [s for s in json.loads(leat(t, "stages", "--json").exits(0).out) if s["module"] is None]
    ok(len(found) > 8, f"only these stages: {found}")
    return found


def rows(page):
    """The first words of the rows of the table of parameters, the rows."""
    table = re.search(r"^\| parameter \|.*\n\| ---.*\n((?:\|.*\n)*)", page, re.M)
    return dict(re.findall(r"^\| `([a-z0-9_]+)` (\|.*)$", table.group(1), re.M)) if table else {}


def test_the_list_of_stages_is_what_the_program_has(t):
    path = file(t, "stages.md", read("docs/stages.md"))
    subprocess.run([sys.executable, "-B", os.path.join(TOP, "tools/make-stages"), t.settings.program, path],
                   check=True, timeout=60 * t.slow, env=environment())
    with open(path, encoding="utf-8") as made:
        ok(made.read() == read("docs/stages.md"), "run tools/make-stages PROGRAM and look at docs/stages.md")


def test_every_stage_has_a_page_with_each_of_its_parameters(t):
    wrong = []
    for stage in built_in(t):
        path = f"stages/{stage['name']}/README.md"
        if not os.path.exists(os.path.join(TOP, path)):
            wrong.append(f"{path} is missing")
            continue
        page = read(path)
        written, schema = rows(page), stage["params"]
        for name in sorted(set(written) ^ set(schema["properties"])):
            wrong.append(f"{path}: `{name}` " + ("is no parameter" if name in written else
                                               "has no row in the table of parameters"))
        for name in set(written) & set(schema["required"]):
            if "required" not in written[name]:
                wrong.append(f"{path}: `{name}` is required, and the page does not say so")
        if not page.startswith(f"# {stage['name']}\n"):
            wrong.append(f"{path}: does not begin with its name")
        if not re.search(rf"\b{stage['kind']}\b", page, re.I):
            wrong.append(f"{path}: does not say that it is a {stage['kind']}")
    eq(wrong, [])


# -- examples ----------------------------------------------------------------------------


# Files, hosts and databases that an example speaks of and a test does not have.
ELSEWHERE = r"\.ndjson|\.csv|stages\.d|/srv/|psql|[a-z]-query|example\.com|time "


def examples():
    """Of every page the blocks that need nothing but a server, and that show what comes out of
    it: path, [(command, what it says)]."""
    for name in sorted(os.listdir(os.path.join(TOP, "stages"))):
        path = f"stages/{name}/README.md"
        if not os.path.exists(os.path.join(TOP, path)):
            continue
        for block in re.findall(r"^```console\n(.*?)^```", read(path), re.M | re.S):
            if not re.search(ELSEWHERE, block) and steps(block)[-1][1]:
                yield path, steps(block)


def steps(block):
    """A command goes on over a line that ends with \\ or |, or within quotes."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif open_ended("\n".join(found[-1][0])):
            found[-1][0].append(line)
        else:
            found[-1][1].append(line)
    return [("\n".join(command), "\n".join(said)) for command, said in found]


def open_ended(command):
    return command.endswith(("\\", "|")) or command.count("'") % 2 == 1


def pattern(said):
    """`…` stands for anything, also between the members that are shown."""
    if "…" not in said:
        return re.escape(said)
    return ".*".join(re.escape(part.strip()) for part in re.split("[…,]", said))


@slow
def test_the_examples_of_the_pages_say_what_they_say(t):
    if not shutil.which("curl"):
        t.skip("curl is not here")
    port = t.api.server.port
    ran, where = 0, folder(t)
    for path, block in examples():
        job = "j_none"
        for command, said in block:
            command = command.replace("localhost:8080", f"127.0.0.1:{port}").replace("j_…", job)
            done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=where,
                                  timeout=60 * t.slow, env=environment(), check=False)
            ok(re.fullmatch(pattern(said), done.stdout.rstrip("\n"), re.S),
               f"{path}: {command}\nsays {done.stdout!r}\n{done.stderr}instead of {said!r}")
            made = re.search(r'"id":"(j_[0-9a-z]+)"', done.stdout)
            if made:
                job = made.group(1)
                t.adopt(job)
            ran += 1
    ok(ran >= 8, f"only {ran} commands were found on the pages")
