"""What a test gets as `t`: servers, clients and jobs, seeded chance, notes, and the promise that
all of it is undone when the test ends. The marks that a test may carry stand here too.
"""

import os
import random
import shutil
import tempfile

from . import proc
from .client import Api, Job
from .expect import counts_add_up
from .server import Server

SHARED_OPTIONS = {}


class Skip(Exception):
    """Raised by t.skip(): the reason stands in the TAP line."""


def timeout(seconds):
    """Marks a test that may take longer (or must take less) than the default of 30 s."""
    def mark(function):
        function.timeout = seconds
        return function
    return mark


def slow(function):
    """Marks a test that --quick leaves out."""
    function.slow = True
    return function


def alone(function):
    """Marks a test that measures time: nothing else runs beside it."""
    function.alone = True
    return function


class Settings:
    """What the command line says, and what follows from the program."""

    def __init__(self, args):
        self.program = os.path.abspath(args.program)
        self.examples = os.path.abspath(args.examples) if args.examples else None
        self.quick = args.quick
        self.seed = args.seed
        self.rounds = args.rounds
        self.verbose = args.verbose
        self.sanitizer = proc.sanitizer_of(self.program)
        self.slow = {"thread": 6.0, "address": 3.0}.get(self.sanitizer, 1.0)
        self.modules = None

    def stages(self):
        """The folders that every server loads stages from."""
        return [folder for folder in (self.examples, self.modules) if folder]


class Context:
    """What a test gets: servers, clients, jobs; and cleans up after it."""

    shared = None

    def __init__(self, settings, name):
        self.settings = settings
        self.name = name
        self.slow = settings.slow
        self.quick = settings.quick
        self.cleanup = []
        self.used_shared = False
        self.notes = []
        seed = settings.seed if settings.seed is not None else 20260101
        self.seed = seed
        self.random = random.Random(f"{seed}/{name}")
        self._api = None

    def folder(self):
        """A folder of the test's own, gone when it ends."""
        made = tempfile.mkdtemp(prefix="leat-files-")
        self.cleanup.append(lambda: shutil.rmtree(made, ignore_errors=True))
        return made

    def note(self, text):
        """A line of diagnostics beside the result."""
        self.notes.append(str(text))

    def skip(self, reason):
        raise Skip(reason)

    def need_modules(self):
        """For tests that use the stages of support/stages."""
        if self.settings.modules is None:
            self.skip("there is no C compiler here to build the tests' own stages with")

    def server(self, options=None, env=None, start=True, **more):
        """A server of the test's own; it must end with exit 0 or have been killed."""
        server = Server(self.settings.program, options, self.settings.stages(), env, slow=self.slow,
                        **more)
        self.cleanup.append(lambda: self._end(server))
        return server.start() if start else server

    @staticmethod
    def _end(server):
        try:
            if server.running():
                server.check()
                server.stop()
            text = server.report_text()
            if text:
                raise AssertionError("a sanitizer reports:" + text)
        finally:
            server.remove()

    def client(self, server, **options):
        api = Api(server, **options)
        self.cleanup.append(api.close)
        return api

    @property
    def api(self):
        """A client of the server that tests share."""
        if self._api is None:
            if Context.shared is None:
                Context.shared = Server(self.settings.program, SHARED_OPTIONS, self.settings.stages(),
                                        slow=self.slow).start()
            self.used_shared = True
            self._api = self.client(Context.shared)
        return self._api

    def job(self, stages=None, query=None, api=None, **more):
        """Creates a job, which is deleted after the test. A stage may be just a name."""
        api = api or self.api
        stages = ["pass"] if stages is None else stages
        definition = {"stages": [{"use": s} if isinstance(s, str) else s for s in stages], **more}
        job = api.create(definition, query)
        if api.server is Context.shared:
            self.cleanup.append(lambda: self._delete(job))
        return job

    def _delete(self, job):
        if Context.shared is not None and Context.shared.running():
            job.api.close()
            reply = job.api.get(job.path)
            if reply.status == 200:
                counts_add_up(reply.json())
                job.delete()

    def adopt(self, job_id, api=None):
        """A handle on a job that was made by other means; deleted after the test."""
        job = Job(api or self.api, job_id)
        self.cleanup.append(lambda: self._delete(job))
        return job

    def finish(self):
        """Undoes everything, last first; the first error of it is raised."""
        first = None
        for undo in reversed(self.cleanup):
            try:
                undo()
            except Exception as error:  # all of the rest must still be undone
                first = first or error
        if self.used_shared:
            try:
                Context.shared.check()
            except AssertionError:
                Context.shared.remove()
                Context.shared = None
                raise
        if first:
            raise first
