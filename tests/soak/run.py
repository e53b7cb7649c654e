#!/usr/bin/env python3
"""A soak: a mix of everything for a long time, on one server, with every count checked.

    tests/soak/run.py --program build/leat [--seconds 3600] [--pause 0.05] [--report FILE]

Clients (mill.py) make jobs of every kind over and over: they upload, follow, watch, rescale,
retry, cancel and delete, and compare what comes out with the model. Every third of the time the
server is killed. A gauge (gauge.py) reads the server's memory, descriptors, threads, children and
disk every few seconds. In the end

* every job that ended has exactly the counts and results that it should have,
* of the last life, the second half took no more memory, descriptors or threads than the first,
* the disk is within what retention leaves, and nothing that the server started is left.

Ends by itself; the last line is `N passed, N failed`.
"""

import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)

from gauge import Gauge  # noqa: E402
from mill import Mill  # noqa: E402
from support import proc  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--examples")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.05, help="between two jobs of a client")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", default="", help="kinds of jobs to leave out, as a,b")
    parser.add_argument("--report", help="write the figures as JSON")
    return parser.parse_args()


def judged(name, mistake, passed):
    print(f"{'not ok' if mistake else 'ok'} - {name}" + (f": {mistake}" if mistake else ""),
          flush=True)
    return passed + (not mistake)


def main():
    args = arguments()
    proc.raise_open_files(4096)
    mill = Mill(args.program, args.seed, args.pause, args.without.split(","))
    gauge = Gauge(mill, every=max(0.5, min(10.0, args.seconds / 60)))
    began = time.monotonic()
    try:
        mill.start()
        gauge.start()
        for third in (1, 2, 3):
            mill.work_until(began + args.seconds * third / 3)
            if third < 3:
                mill.kill_and_restart()
                gauge.new_life()
        mill.finish()
        gauge.stop()
        checks = [("every job came to what it should", mill.mistakes())]
        checks += gauge.judge()
        checks += mill.judge_end()
    finally:
        mill.remove()
    figures = {"seconds": round(time.monotonic() - began), **mill.figures(), **gauge.figures()}
    print(json.dumps(figures, indent=1))
    if args.report:
        with open(args.report, "w", encoding="utf-8") as file:
            json.dump({**figures, "samples": gauge.samples}, file)
    passed = 0
    for name, mistake in checks:
        passed = judged(name, mistake, passed)
    print(f"{passed} passed, {len(checks) - passed} failed")
    return passed != len(checks)


if __name__ == "__main__":
    sys.exit(main())
