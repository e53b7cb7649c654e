#!/usr/bin/env python3
"""The API's description against the program, both ways.

    tests/openapi/run.py --program build/leat [--examples DIR] [--traffic FILE]... [-k TEXT] [--runs N] [--seed N]

Installs what package-lock.json names (once), starts a server, and lets Node.js run *.test.mjs
against it: the document is linted, every operation is asked in the ways that all have in
common, every example is replayed, a client generated from it runs a job, random requests are
made from its schemas. At last traffic.test.mjs holds every exchange that was recorded, of
these tests, of the tests of the API and of those of faults, against the document.

--traffic names a record that LEAT_TRAFFIC made; where there is none of the tests of the API
that is newer than the program, they are run.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from support.server import Server, die_with_parent  # noqa: E402  (the path must be set first)

LAST = "traffic.test.mjs"
TIME = 240  # seconds a call of Node.js may take, with the usual number of runs


def options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/leat")
    parser.add_argument("--examples", help="folder with the example stages, for the API's tests")
    parser.add_argument("--traffic", action="append", default=[], metavar="FILE")
    parser.add_argument("--runs", type=int, default=30, help="random requests a property")
    parser.add_argument("--seed", type=int, help="of the random requests; it is printed")
    parser.add_argument("-k", dest="only", metavar="TEXT", help="only files whose name holds TEXT")
    return parser.parse_args()


def node(files, settings, runs=30):
    """Runs the files of tests; true when all went well. TAP goes to our output."""
    words = ["node", "--test", "--test-reporter=tap", *map(str, files)]
    done = subprocess.run(words, cwd=HERE, env={**os.environ, **settings}, timeout=TIME * max(1, runs / 30),
                          stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, check=False)
    return done.returncode == 0


def recorded(args, folder):
    """The records of other tests; the API's are made where there is no fresh one."""
    program = os.stat(args.program).st_mtime
    fresh = [os.path.abspath(name) for name in args.traffic
             if os.path.exists(name) and os.stat(name).st_mtime >= program]
    if any("api" in os.path.basename(name) for name in fresh):
        return fresh
    record = os.path.join(folder, "api.jsonl")
    words = [sys.executable, TOP / "tests/api/run.py", "--program", args.program]
    if args.examples:
        words += ["--examples", args.examples]
    done = subprocess.run(words, env={**os.environ, "LEAT_TRAFFIC": record}, check=False,
                          stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    if done.returncode != 0:
        sys.stdout.write(done.stdout.decode(errors="replace"))
        sys.exit("the tests of the API failed; the document cannot be held against them")
    return [*fresh, record]


def description(server, folder):
    """What the server says of itself, in a file."""
    path = os.path.join(folder, "openapi.json")
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/openapi.json") as reply:
        pathlib.Path(path).write_bytes(reply.read())
    return path


def main():
    args = options()
    subprocess.run([sys.executable, TOP / "tools/npm-install", HERE], check=True)
    files = sorted(HERE.glob("*.test.mjs"))
    with tempfile.TemporaryDirectory(prefix="leat-openapi-") as folder:
        server = Server(args.program)
        try:
            server.start()
            ours = os.path.join(folder, "ours.jsonl")
            settings = {"LEAT_URL": f"http://127.0.0.1:{server.port}", "LEAT_TRAFFIC": ours,
                        "LEAT_OPENAPI": description(server, folder), "LEAT_FOLDER": folder, "LEAT_RUNS": str(args.runs)}
            if args.seed is not None:
                settings["LEAT_SEED"] = str(args.seed)
            good = node([file for file in files if file.name != LAST
                         and (args.only or "") in file.name], settings, args.runs)
            if not good:
                print("the server's log:\n" + server.log.tail())
            server.check()
            server.stop()
            if args.only is None:
                records = [ours, *recorded(args, folder)]
                good &= node([LAST], {**settings, "LEAT_EXCHANGES": ":".join(records)})
        finally:
            server.remove()
    return 0 if good else 1


sys.exit(main())
