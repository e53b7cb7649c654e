"""The API as a user of it would write it down: Api for requests, Job for one job.

Every job object that passes through here is checked for the invariant of its counts.
"""

import json
import time
from urllib.parse import quote, urlencode

from . import expect
from .wire import Closed, Connection, Events, Lines

NDJSON = "application/x-ndjson"


def until(condition, timeout, what, pause=0.005):
    """Polls `condition` until it answers something true, and answers that."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.1f} s: {what}")
        time.sleep(pause)


def target(path, query=None):
    """A request target; `query` values that are True/False become true/false."""
    if not query:
        return path
    words = {name: str(value).lower() if isinstance(value, bool) else value
             for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(words)}"


class Api:
    """Requests to one server over one kept-alive connection."""

    def __init__(self, server, timeout=30.0):
        self.server = server
        self.timeout = timeout * server.slow
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def connect(self, **options):
        """A connection of one's own, for what needs its own socket."""
        options.setdefault("timeout", self.timeout)
        return Connection(self.server.port, **options)

    def request(self, method, path, body=None, headers=None, query=None, timeout=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        elif isinstance(body, str):
            body = body.encode()
        reused = self.connection is not None
        if not reused:
            self.connection = self.connect()
        try:
            response = self.connection.request(method, target(path, query), body, headers, timeout)
        except Closed:
            self.close()
            if not reused or method not in ("GET", "HEAD"):
                raise
            return self.request(method, path, body, headers, query, timeout)
        except BaseException:
            self.close()
            raise
        if self.connection.partial or \
                (response.headers.get("connection") or "").lower() == "close":
            self.close()
        return response

    def get(self, path, query=None, headers=None, timeout=None):
        return self.request("GET", path, None, headers, query, timeout)

    def post(self, path, body=None, headers=None, query=None, timeout=None):
        return self.request("POST", path, body, headers, query, timeout)

    def stream(self, path, query=None, headers=None, kind=Lines, method="GET", body=None,
               **options):
        """Opens a reply to be read while it comes, on a connection of its own."""
        connection = self.connect(**options)
        headers = dict(headers or {})
        if kind is Events:
            headers.setdefault("Accept", "text/event-stream")
        if body is not None:
            headers["Content-Length"] = str(len(body))
        connection.send_head(method, target(path, query), headers)
        if body is not None:
            connection.send(body)
        response = connection.read_head()
        if response.status != 200:
            raise AssertionError(f"{path}: {connection.read_body(response)!r}")
        return kind(connection, response)

    def create(self, definition, query=None):
        """POST /v1/jobs, which must succeed."""
        response = self.post("/v1/jobs", definition, query=query)
        expect.status(response, 201)
        job = Job(self, response.json()["id"])
        expect.eq(response.headers.get("location"), f"/v1/jobs/{job.id}", "Location")
        expect.counts_add_up(response.json())
        return job

    def jobs(self, **query):
        """One page of the list."""
        return expect.status(self.get("/v1/jobs", query), 200).json()


class Job:
    """A handle on one job of the server."""

    def __init__(self, api, job_id):
        self.api = api
        self.id = job_id
        self.path = f"/v1/jobs/{job_id}"

    def get(self, **query):
        response = expect.status(self.api.get(self.path, query), 200)
        return expect.counts_add_up(response.json())

    def act(self, verb):
        return self.api.post(f"{self.path}/{verb}")

    def must(self, verb):
        """close, pause, resume or cancel, which must succeed; answers the job."""
        return expect.counts_add_up(expect.status(self.act(verb), 200).json())

    def patch(self, change):
        return self.api.request("PATCH", self.path, change)

    def workers(self, stage, count):
        return expect.status(self.patch({"stages": {stage: {"workers": count}}}), 200).json()

    def delete(self):
        return self.api.request("DELETE", self.path)

    # -- items ---------------------------------------------------------------------

    def upload(self, body, query=None, headers=None, method="POST", timeout=None):
        headers = dict(headers or {})
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = NDJSON
        return self.api.request(method, f"{self.path}/items", body, headers, query, timeout)

    def send(self, values, close=False, **query):
        """Uploads values as NDJSON; all must be accepted. Answers the reply's object."""
        from .items import ndjson
        if close:
            query["close"] = "true"
        body = values if isinstance(values, bytes) else ndjson(values)
        reply = expect.status(self.upload(body, query), 200).json()
        expect.eq(reply["rejected"], 0, "rejected")
        return reply

    def offset(self, key):
        """How many lines the server has taken under an idempotency key."""
        reply = expect.status(self.api.get(f"{self.path}/items", {"key": key}), 200)
        return reply.json()["next_offset"]

    # -- waiting -------------------------------------------------------------------

    def wait(self, condition, timeout=30.0, what="the condition"):
        """Polls the job until `condition(job)` holds; answers the job."""
        last = {}

        def look():
            last["job"] = self.get()
            return last["job"] if condition(last["job"]) else None
        try:
            return until(look, timeout * self.api.server.slow, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; the job: {json.dumps(last.get('job'))}") from None

    def wait_done(self, state="succeeded", timeout=30.0):
        job = self.wait(lambda j: j["done"], timeout, "the job is done")
        if state is not None:
            expect.eq(job["state"], state, f"state at the end, error {job['error']}")
        return job

    # -- what comes out --------------------------------------------------------------

    def results(self, what="results", **query):
        """All of what stands there now, as values."""
        return expect.status(self.api.get(f"{self.path}/{what}", query), 200).values()

    def raw_results(self, **query):
        return expect.status(self.api.get(f"{self.path}/results", query), 200).body

    def failures(self, **query):
        return self.results("failures", **query)

    def pages(self, what="results", **query):
        """Every page as JSON, by cursor, until nothing more comes."""
        while True:
            page = expect.status(self.api.get(f"{self.path}/{what}", query,
                                              {"Accept": "application/json"}), 200).json()
            yield page
            if not page["items"]:
                return
            query["after"] = page["next"]

    def follow(self, what="results", **query):
        """Opens the stream that ends with the job."""
        return self.api.stream(f"{self.path}/{what}", {"follow": "true", **query})

    def events(self, what="results", headers=None, **query):
        return self.api.stream(f"{self.path}/{what}", query, headers, Events)

    def retry(self, items=None):
        body = {} if items is None else {"items": items}
        return self.api.post(f"{self.path}/failures/retry", body)


def quoted(text):
    return quote(text, safe="")
