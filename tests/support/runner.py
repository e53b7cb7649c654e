"""Finds functions named test_…, runs them in a few processes, prints TAP.

A worker process keeps one server for the tests that only need *a* server, and takes the next
test when it has finished one. Every test has its own timeout, held twice: by an alarm inside
the worker, and by the parent, which ends a worker that does not obey. A test fails too when
its server has died or a sanitizer has written a report.
"""

import argparse
import fnmatch
import importlib.util
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import tempfile
import time
import traceback

from . import traffic
from .context import Context, Settings, Skip
from .modules import build as build_modules
from .server import die_with_parent


class Timeout(BaseException):
    """The test's time is over. No `except Exception` in a test can swallow it."""


# -- one worker ------------------------------------------------------------------------


def told(error):
    """An error as a reader of the output wants it: what, and where in the tests; everything
    where it is no failed expectation but a surprise."""
    if not isinstance(error, AssertionError):
        return "".join(traceback.format_exception(error))
    frames = traceback.extract_tb(error.__traceback__)
    here = [f"  {os.path.basename(f.filename)}:{f.lineno}: {f.line}" for f in frames
            if os.sep + "support" + os.sep not in f.filename]
    return "\n".join([str(error), *here])


def _alarm(signum, frame):
    raise Timeout()


def run_one(settings, name, function):
    """Runs one test; answers (outcome, text)."""
    limit = getattr(function, "timeout", 30) * settings.slow
    context = Context(settings, name)
    outcome, text = "ok", ""
    traffic.test = name
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        try:
            function(context)
        except Skip as reason:
            outcome, text = "skip", str(reason)
        except Timeout:
            outcome, text = "fail", f"not done within {limit:.0f} s\n" + traceback.format_exc()
        except Exception as error:
            outcome, text = "fail", told(error)
        signal.setitimer(signal.ITIMER_REAL, 60)
        try:
            context.finish()
        except (Timeout, Exception):
            outcome, text = "fail", text + "\nat the end of the test:\n" + traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if outcome == "fail" and context.used_shared and Context.shared is not None:
        text += "\nthe server's log:\n" + Context.shared.log.tail(12)
    return outcome, text, context.notes


def _worker(settings, tests, pipe):
    signal.signal(signal.SIGALRM, _alarm)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    while True:
        index = pipe.recv()
        if index is None:
            break
        name, function = tests[index]
        started = time.monotonic()
        outcome = run_one(settings, name, function)
        pipe.send((index, *outcome, time.monotonic() - started))
    failed = ""
    if Context.shared is not None:
        try:
            Context.shared.stop()
            failed = Context.shared.report_text()
        except AssertionError as error:
            failed = str(error)
        Context.shared.remove()
    pipe.send((None, "fail" if failed else "ok", failed, [], 0.0))


# -- the parent ------------------------------------------------------------------------


class Worker:
    """A worker process as the parent sees it."""

    def __init__(self, settings, tests):
        self.pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=_worker, args=(settings, tests, theirs))
        self.process.start()
        theirs.close()
        self.index = None
        self.deadline = None

    def give(self, index, limit):
        self.index = index
        self.deadline = time.monotonic() + limit
        self.pipe.send(index)

    def end(self):
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Run:
    """One run over all tests: hands them out, prints what comes back."""

    def __init__(self, settings, tests, jobs):
        self.settings = settings
        self.tests = tests
        self.jobs = max(1, jobs)
        self.waiting = []
        self.workers = []
        self.printed = self.passed = self.failed = self.skipped = 0

    def limit(self, index):
        """How long the parent waits before it ends a worker: longer than the alarm."""
        return getattr(self.tests[index][1], "timeout", 30) * self.settings.slow + 90

    def report(self, name, outcome, text, notes, seconds):
        self.printed += 1
        if outcome == "ok":
            self.passed += 1
            print(f"ok {self.printed} - {name} # {seconds:.2f} s")
        elif outcome == "skip":
            self.skipped += 1
            print(f"ok {self.printed} - {name} # SKIP {text}")
        else:
            self.failed += 1
            print(f"not ok {self.printed} - {name} # {seconds:.2f} s")
        for note in notes:
            print(f"#   {note}")
        if outcome == "fail":
            for line in text.rstrip().splitlines():
                print(f"#   {line}")
        sys.stdout.flush()

    def run(self):
        print(f"1..{len(self.tests) + 1}")
        together = [i for i, (_, f) in enumerate(self.tests) if not getattr(f, "alone", False)]
        alone_ = [i for i, (_, f) in enumerate(self.tests) if getattr(f, "alone", False)]
        problems = []
        try:
            for indices, jobs in ((together, self.jobs), (alone_, 1)):
                if indices:
                    problems += self.phase(indices, min(jobs, len(indices)))
        finally:  # interrupted, or nobody reads our output any more
            for worker in self.workers:
                worker.end()
        self.report("shared_servers_end_cleanly", "fail" if problems else "ok",
                    "\n".join(problems), [], 0.0)
        if self.skipped:
            print(f"# {self.skipped} skipped")
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0

    def phase(self, indices, jobs):
        """Runs these tests in `jobs` workers; answers what went wrong at their ends."""
        self.waiting = list(indices)
        self.problems = []
        self.workers = [Worker(self.settings, self.tests) for _ in range(jobs)]
        for worker in self.workers:
            self.next(worker)
        while self.workers:
            self.step()
        return self.problems

    def next(self, worker):
        if self.waiting:
            index = self.waiting.pop(0)
            worker.give(index, self.limit(index))
        elif worker.index is not None or worker.deadline is None:
            worker.index = None
            worker.deadline = time.monotonic() + 90 * self.settings.slow
            worker.pipe.send(None)

    def step(self):
        now = time.monotonic()
        soonest = min(worker.deadline for worker in self.workers)
        ready = multiprocessing.connection.wait([w.pipe for w in self.workers],
                                                max(0.0, soonest - now))
        for worker in list(self.workers):
            if worker.pipe in ready:
                self.hear(worker)
            elif time.monotonic() > worker.deadline:
                self.lost(worker, "the worker did not answer and was ended")

    def hear(self, worker):
        try:
            index, outcome, text, notes, seconds = worker.pipe.recv()
        except EOFError:
            self.lost(worker, "the worker process died")
            return
        if index is None:
            if outcome != "ok":
                self.problems.append(text)
            self.workers.remove(worker)
            worker.process.join(10)
            worker.end()
            return
        self.report(self.tests[index][0], outcome, text, notes, seconds)
        self.next(worker)

    def lost(self, worker, why):
        worker.end()
        self.workers.remove(worker)
        if worker.index is None:
            self.problems.append(why)
            return
        self.report(self.tests[worker.index][0], "fail", why, [], 0.0)
        if self.waiting:
            fresh = Worker(self.settings, self.tests)
            self.workers.append(fresh)
            self.next(fresh)


# -- the command line --------------------------------------------------------------------


def discover(folder):
    """All test_… functions of the folder's test_*.py, as (module.name, function)."""
    found = []
    sys.path.insert(0, folder)
    for name in sorted(os.listdir(folder)):
        if name.startswith("test_") and name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(name[:-3], os.path.join(folder, name))
            module = importlib.util.module_from_spec(spec)
            sys.modules[name[:-3]] = module
            spec.loader.exec_module(module)
            found += collect(module, name[5:-3])
    return found


def collect(module, prefix):
    names = [n for n in vars(module) if n.startswith("test_") and callable(getattr(module, n))]
    return [(f"{prefix}.{name[5:]}", getattr(module, name)) for name in names]


def chosen(tests, patterns, quick):
    if quick:
        tests = [test for test in tests if not getattr(test[1], "slow", False)]
    if not patterns:
        return tests
    return [test for test in tests
            if any(p in test[0] or fnmatch.fnmatch(test[0], p) for p in patterns)]


def parse(description, jobs):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--program", default=os.environ.get("LEAT_PROGRAM", "build/leat"),
                        help="the leat to test (default %(default)s)")
    parser.add_argument("--examples", metavar="DIR", help="folder with the example stages")
    parser.add_argument("-k", dest="patterns", action="append", default=[], metavar="TEXT",
                        help="only tests whose name holds TEXT or matches it as a pattern")
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    parser.add_argument("--jobs", type=int, default=jobs, help="tests at once (default %(default)s)")
    parser.add_argument("--seed", type=int, help="seed of everything random (it is printed)")
    parser.add_argument("--rounds", type=int, help="how often random things are tried")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--verbose", action="store_true", help="more diagnostics")
    return parser.parse_args()


def main(folder, description, jobs=1):
    """The whole of a run.py. Answers the exit code."""
    args = parse(description, jobs)
    tests = chosen(discover(folder), args.patterns, args.quick)
    if args.list:
        print("\n".join(name for name, _ in tests))
        return 0
    if not tests:
        print("no test has such a name", file=sys.stderr)
        return 2
    if not os.access(args.program, os.X_OK):
        print(f"{args.program}: not a program; build it or give --program", file=sys.stderr)
        return 2
    settings = Settings(args)
    traffic.begin()
    with tempfile.TemporaryDirectory(prefix="leat-stages-") as modules:
        settings.modules = build_modules(modules)
        return Run(settings, tests, args.jobs).run()
