"""A client that goes on until everything is done, however often it is refused."""

import json
import ssl
import time

from support.client import NDJSON, Job
from support.expect import counts_add_up, eq, ok
from support.items import ndjson
from support.wire import Closed

REFUSALS = {503, 507}
GONE = (Closed, ConnectionError, ssl.SSLError)  # the connection ended before the reply did
UPLOAD_MEMBERS = ("accepted", "duplicates", "rejected", "next_offset")


class Stubborn:
    """Repeats requests that are refused with 503 or 507; remembers what it was told."""

    def __init__(self, api, timeout):
        self.api = api
        self.deadline = time.monotonic() + timeout
        self.refused = []

    def again(self, what):
        """Before the next try: the time is not over, the server lives."""
        self.api.close()
        if time.monotonic() > self.deadline:
            raise AssertionError(f"{what}: refused to the end, {self.refused[-5:]}")
        self.api.server.check()
        time.sleep(0.02)  # a client's pause between two tries

    def until_answered(self, what, request, good):
        """Repeats `request()` until its status is in `good`; a refusal must be a problem."""
        while True:
            try:
                reply = request()
            except GONE:
                reply = None
            if reply is not None and reply.status in good:
                return reply
            if reply is not None:
                ok(reply.status in REFUSALS, f"{what}: {reply!r}")
                eq(reply.type, "application/problem+json", f"{what}: type of a refusal")
                self.refused.append((what, reply.status, reply.json()["type"]))
            self.again(what)

    def create(self, definition):
        reply = self.until_answered("create", lambda: self.api.post("/v1/jobs", definition), {201})
        return Job(self.api, reply.json()["id"])

    def upload(self, job, values):
        """The whole body under one key until it is taken, then the input is closed."""
        body = ndjson(values)
        reply = self.until_answered("upload", lambda: self.api.request(
            "POST", f"{job.path}/items", body, {"Content-Type": NDJSON, "Idempotency-Key": "s"},
            {"close": "true"}), {200})
        told = reply.json()
        eq(told["next_offset"], len(values), "next_offset of the whole body")
        return told

    def done(self, job):
        """Waits for the end of the job; its counts must add up whenever they can be read."""
        last = None
        while True:
            try:
                reply = self.api.get(job.path)
                if reply.status == 200:
                    last = counts_add_up(reply.json())
                    if last["done"]:
                        return last
                else:
                    ok(reply.status in REFUSALS, f"the job: {reply!r}")
            except GONE:
                pass
            if time.monotonic() > self.deadline:
                raise AssertionError(f"the job does not end: {json.dumps(last)}, refused "
                                     f"{self.refused[-5:]}")
            self.again("the job's end")

    def read(self, job, what):
        reply = self.until_answered(what, lambda: self.api.get(f"{job.path}/{what}"), {200})
        return reply.values()
