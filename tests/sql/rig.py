"""leat with a folder stages.d, and jobs into and out of databases."""

import json
import os
import shutil
import tempfile

from support.postgres import PASSWORD, Postgres
from support.leat import *

RETRY = {"attempts": 1000, "backoff_ms": 5, "max_backoff_ms": 50}


def folder(t, files=None):
    path = tempfile.mkdtemp(prefix="leat-sql-")
    t.cleanup.append(lambda: shutil.rmtree(path, ignore_errors=True))
    for name, content in (files or {}).items():
        with open(os.path.join(path, name), "w", encoding="utf-8") as file:
            json.dump(content, file)
    return path


def serve(t, files, options=None):
    """A server with these files in stages.d; all of them are taken."""
    server = t.server({"stages-d": folder(t, files), **(options or {})},
                      env={"TEST_PASSWORD": PASSWORD})
    api = t.client(server)
    eq(api.get("/v1/stages").json().get("refused", []), [], "refused files")
    return api


def with_postgres(t, **more):
    """(PostgreSQL, a client of a leat that may use it)"""
    pg = Postgres(t)
    return pg, serve(t, {"postgres.json": pg.stages_d(**more)})


def sink(use, throttle=None, retry=None, on_error=None, **params):
    """The stages of a job into a table; `throttle`: items a second, so that it lasts."""
    last = {"use": use, "params": params, "retry": retry or RETRY}
    if on_error:
        last["on_error"] = on_error
    first = {"use": "pass"}
    if throttle:
        first["rate"] = {"per_second": throttle}
    return [first, last]


def source(use, throttle=None, **params):
    after = {"use": "pass"}
    if throttle:
        after["rate"] = {"per_second": throttle}
    return [{"use": use, "params": params, "retry": RETRY}, after]


def refused(t, api, stages, text):
    """The definition is refused with these words."""
    reply = api.post("/v1/jobs", {"stages": stages})
    body = problem(reply, 422, "definition-invalid")
    ok(text in json.dumps(body), f"no {text!r} in {body}")


def adds_up(job, count):
    """written + repeated is what came through; answers the report."""
    report = job["report"]
    eq(report["written"] + report["repeated"], count, f"written and repeated of {report}")
    return report


def reasons(job):
    return {f["item"]: f["error"] for f in job.failures()}
