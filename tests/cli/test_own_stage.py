"""leat new-stage and leat test-stage: from nothing to a stage that is known to be right."""

import http.server
import shutil
import sqlite3
import threading

from line import *

from support.modules import TOP, compile_module

STAGES = os.path.join(TOP, "stages")
PICK = '{"case":"%s","params":{"fields":["a"]},"in":[{"a":1,"b":2},7],"out":[%s]}\n'


def cases(t, text):
    return file(t, "cases.ndjson", text)


def wrong_file(t, text, *texts):
    """The file is refused; what was said."""
    path = cases(t, text)
    done = leat(t, "test-stage", "pass", path)
    done.exits(2)
    done.says(path, *texts)


def test_the_cases_of_every_built_in_stage_are_as_wanted(t):
    """Of those that have some: what needs a server or a database around it has tests of its own."""
    names = sorted(name for name in os.listdir(STAGES)
                   if os.path.exists(os.path.join(STAGES, name, f"{name}.c"))
                   and os.path.exists(os.path.join(STAGES, name, "cases.ndjson")))
    ok(len(names) >= 9, f"only {names}")
    for name in names:
        done = leat(t, "test-stage", name, os.path.join(STAGES, name, "cases.ndjson"))
        done.exits(0)
        ok(done.lines()[-1].endswith(" passed, 0 failed"), f"{name}: {done.out!r}")


class Echo(http.server.BaseHTTPRequestHandler):
    """What it was asked for; /404 is answered by that status."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"asked": self.path}, separators=(",", ":")).encode()
        self.send_response(int(self.path[1:4]) if self.path[1:4].isdigit() else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


def echo(t):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    t.cleanup.append(server.server_close)
    t.cleanup.append(server.shutdown)
    return f"http://127.0.0.1:{server.server_address[1]}"


def cities(where):
    with sqlite3.connect(os.path.join(where, "cities.db")) as database:
        database.execute("CREATE TABLE cities (id INTEGER, name TEXT)")
        database.executemany("INSERT INTO cities VALUES (?, ?)", [(1, "Oslo"), (2, "Rome")])
    database.close()


def test_the_cases_of_stages_with_a_configuration_are_as_wanted(t):
    """stages/NAME/configured: the folder stages-d, the cases, and what they read."""
    url = echo(t)
    for name, use in (("exec", "score"), ("http", "http"), ("files", "files"), ("sqlite", "sqlite"),
                      ("sqlite-query", "sqlite-query")):
        where = os.path.join(folder(t), name)
        shutil.copytree(os.path.join(STAGES, name, "configured"), where)
        cities(where)
        path = os.path.join(where, "cases.ndjson")
        with open(path, encoding="utf-8") as text:
            asked = text.read().replace("CASES_URL", url)
        with open(path, "w", encoding="utf-8") as text:
            text.write(asked)
        done = leat(t, "test-stage", use, path, "--stages-d", where,
                    env={"CASES": where, "CASES_URL": url})
        ok(done.code == 0, f"{name}: {done.out}{done.err}")
        eq(done.lines()[-1], f"{asked.count(chr(10))} passed, 0 failed", name)


def test_a_module_is_named_by_its_file(t):
    top = os.path.join(t.settings.examples, "orders.so")
    if not os.path.exists(top):
        t.skip("the examples are not built")
    leat(t, "test-stage", top, os.path.join(TOP, "examples", "orders", "cases.ndjson")).exits(0)


def test_what_is_not_as_wanted_is_shown(t):
    path = cases(t, PICK % ("right", '{"a":1},{}') + PICK % ("wrong", '{"a":2}'))
    done = leat(t, "test-stage", "pick", path)
    done.exits(1)
    lines = done.out.decode().splitlines()
    eq(lines[0], 'ok 1 - line 1: "right"')
    eq(lines[1], 'not ok 2 - line 2: "wrong"')
    ok('wanted [{"a":2}], got [{"a":1},{}]' in lines[2], lines[2])
    eq(lines[-2:], ["1..2", "1 passed, 1 failed"])


def test_failures_reports_and_refusals_are_compared(t):
    for stage, case, said in (
            ("sha256", {"params": {"field": "t"}, "in": [1], "out": []}, "failures: wanted [], got [{"),
            ("aggregate", {"in": [1], "report": {"count": 2}}, 'got {"count":1}'),
            ("pass", {"in": [1], "out": [1], "report": 1}, "report: wanted 1, got none"),
            ("pick", {"params": {}, "refused": "no"}, "refused: wanted no, got /params/fields:"),
            ("pass", {"refused": "no"}, "it was not refused"),
            ("range", {"params": {"to": 2}, "out": [1]}, "got [0,1]")):
        done = leat(t, "test-stage", stage, cases(t, json.dumps(case)))
        done.exits(1)
        ok(said in done.out.decode(), f"{stage}: {done.out.decode()}")


def test_wrong_cases_are_named_with_their_line(t):
    good = PICK % ("good", "1")
    wrong_file(t, good.replace("pick", "pass") + '\n{"in":[1}\n', "line 3")
    wrong_file(t, '{"inn":[]}', "line 1", "'inn'", "did you mean 'in'?")
    wrong_file(t, '{"zebra":[]}', "no member 'zebra'")
    wrong_file(t, "[]", "a case is an object")
    wrong_file(t, '{"in":{}}', '"in" must be an array')
    wrong_file(t, '{"params":[]}', '"params" must be an object')
    for attempts in ("0", "101", '"3"', "1.5", "-1"):
        wrong_file(t, '{"attempts":%s,"in":[]}' % attempts, '"attempts" must be from 1 to 100')
    wrong_file(t, b'{"in":[]}\0', "NUL")
    wrong_file(t, b'{"case":"\xff"}', "line 1")


def test_wrong_lines_are_refused_in_words(t):
    path = cases(t, '{"in":[1],"out":[1]}\n')
    leat(t, "test-stage").exits(2).says("which stage", "leat test-stage ./upper.so")
    leat(t, "test-stage", "pass").exits(2)
    leat(t, "test-stage", "pass", path, "more").exits(2).says("'more' is too many")
    leat(t, "test-stage", "pass", "/nowhere/c.ndjson").exits(2).says("/nowhere/c.ndjson")
    leat(t, "test-stage", "pas", path).exits(2).says("there is no stage 'pas'", "'pass'")
    leat(t, "test-stage", "./none.so", path).exits(2).says("./none.so", "cannot be loaded")
    leat(t, "test-stage", path, path).exits(2).says("cannot be loaded")


def test_a_new_stage_builds_and_its_cases_are_as_wanted(t):
    where = folder(t)
    done = leat(t, "new-stage", "text-length", cwd=where)
    done.exits(0)
    made = os.path.join(where, "text-length")
    eq(sorted(os.listdir(made)),
       ["cases.ndjson", "meson.build", "text-length.c", "text-length.md"])
    for name in os.listdir(made):
        with open(os.path.join(made, name), encoding="utf-8") as text:
            ok("@" not in text.read(), f"{name} has a mark that was not replaced")
    module = os.path.join(made, "text-length.so")
    compile_module(os.path.join(made, "text-length.c"), module, "-Wall", "-Wextra", "-Werror",
                   "-ljansson")
    leat(t, "test-stage", module, os.path.join(made, "cases.ndjson")).exits(0)
    run = leat(t, "run", "text-length", "--stages", made, "--set", "text-length.field=t",
               stdin='{"t":"abc"}\n')
    run.exits(0)
    eq(run.values(), [{"t": "abc", "length": 3}])


def test_a_new_stage_overwrites_nothing_and_wants_a_name(t):
    where = folder(t)
    leat(t, "new-stage", "mine", cwd=where).exits(0)
    leat(t, "new-stage", "mine", cwd=where).exits(2).says("mine", "exists")
    for name in ("9x", "-x", "a/b", "", "ü", "x" * 65, "../x"):
        leat(t, "new-stage", "--", name, cwd=where).exits(2)
    leat(t, "new-stage", cwd=where).exits(2).says("leat new-stage upper")
    leat(t, "new-stage", "a", "b", cwd=where).exits(2).says("'b' is too many")
    eq(os.listdir(where), ["mine"])


def test_modules_of_every_abi_that_there_was_are_served(t):
    """tests/abi/vN: stage.h as it was then, a module built against it, its cases."""
    abis = os.path.join(TOP, "tests", "abi")
    for name in sorted(os.listdir(abis)):
        here = os.path.join(abis, name)
        module = os.path.join(folder(t), f"{name}.so")
        compile_module(os.path.join(here, f"{name}.c"), module, headers=here)
        leat(t, "test-stage", module, os.path.join(here, "cases.ndjson")).exits(0)


def libraries_of(t):
    """Where it finds its libraries from, for a copy of it elsewhere."""
    told = subprocess.run(["ldd", t.settings.program], stdout=subprocess.PIPE, check=True)
    paths = [line.split()[2] for line in told.stdout.decode().splitlines() if "=> /" in line]
    return {"LD_LIBRARY_PATH": ":".join(sorted({os.path.dirname(path) for path in paths}))}


def test_a_folder_beside_the_program_is_loaded_without_asking(t):
    """The one of --stages goes first, and what it has is not taken from there again."""
    where = folder(t)
    program = os.path.join(where, "leat")
    shutil.copy2(t.settings.program, program)
    os.mkdir(os.path.join(where, "leat-stages"))
    here = os.path.join(TOP, "tests", "abi", "v1")
    compile_module(os.path.join(here, "v1.c"), os.path.join(where, "leat-stages", "v1.so"),
                   headers=here)
    listed = json.loads(subprocess.run([program, "stages", "--json"], stdout=subprocess.PIPE,
                                       env=environment(libraries_of(t)), check=True).stdout)
    ok("v1" in [stage["name"] for stage in listed], "v1 is not among the stages")
    ok("v1" not in [stage["name"] for stage in json.loads(leat(t, "stages", "--json").out)],
       "v1 is there without the folder")
