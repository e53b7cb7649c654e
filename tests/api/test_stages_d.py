"""The operator's folder stages-d: configurations of stages, programs, and files that are refused."""

import json
import os
import shutil
import tempfile

from support.leat import *
from support import modules

MODULES = os.path.join(modules.TOP, "tests", "modules")
SECRET = "a-secret-that-is-planted"


def folder(t, files):
    """A folder stages.d with these files, and one with the modules that they are about."""
    path = tempfile.mkdtemp(prefix="leat-stages-d-")
    t.cleanup.append(lambda: shutil.rmtree(path))
    for name, content in files.items():
        with open(os.path.join(path, name), "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
    return path


def serve(t, files, **env):
    t.need_modules()
    more = folder(t, {})
    for name in ("configured", "template"):
        modules.compile_module(os.path.join(MODULES, f"{name}.c"), os.path.join(more, f"{name}.so"))
    return t.client(t.server({"stages-d": folder(t, files), "stages": more}, env=env))


def test_a_stage_is_configured_and_nobody_sees_its_secret(t):
    api = serve(t, {"configured.json": {"wanted": True, "greeting": "welcome", "times": 3,
                                        "token": {"$env": "STAGES_D_SECRET"}}},
                STAGES_D_SECRET=SECRET)
    job = t.job(["configured"], api=api)
    job.send([1], close=True)
    job.wait_done()
    eq(job.results(), [{"item": 1, "use": "configured", "greeting": "welcome", "times": 3,
                        "token": len(SECRET), "more": None}])
    for path in ("/v1/stages", "/v1/stages/configured", "/v1/server", "/metrics",
                 f"/v1/jobs/{job.id}", f"/v1/jobs/{job.id}/definition"):
        ok(SECRET not in api.get(path).body.decode(), f"{path} shows the secret")
    ok(SECRET not in api.server.log.tail(10000), "the log shows the secret")


def test_without_a_file_a_stage_has_its_defaults(t):
    api = serve(t, {})
    job = t.job(["configured"], api=api)
    job.send([1], close=True)
    job.wait_done()
    eq(job.results()[0]["greeting"], "hello")


def test_a_program_is_used_by_its_name_with_its_parameters_only(t):
    api = serve(t, {"mine.json": {
        "template": "template", "command": "cmd", "description": "My own",
        "params": {"lang": {"type": "string", "enum": ["en", "de"], "required": True},
                   "many": {"type": "integer", "minimum": 1, "maximum": 9, "default": 4}}}})
    job = t.job([{"use": "mine", "params": {"lang": "de"}}], api=api)
    job.send([1], close=True)
    job.wait_done()
    eq(job.results(), [{"item": 1, "use": "mine", "command": "cmd",
                        "params": {"lang": "de", "many": 4}}])
    shown = api.get("/v1/stages/mine").json()
    eq([shown["module"], shown["summary"], shown["params"]["required"]],
       ["mine.json", "My own", ["lang"]])
    for use, params, pointer in (("mine", {}, "/stages/0/params/lang"),
                                 ("mine", {"lang": "fr"}, "/stages/0/params/lang"),
                                 ("mine", {"lang": "en", "argv": ["sh"]}, "/stages/0/params/argv"),
                                 ("mine", {"lang": "en", "command": "sh"},
                                  "/stages/0/params/command"),
                                 ("template", {}, "/stages/0/use")):
        reply = api.post("/v1/jobs", {"stages": [{"use": use, "params": params}]})
        status(reply, 422)
        eq([error["pointer"] for error in reply.json()["errors"]], [pointer])


def test_what_is_wrong_is_named_and_the_rest_serves(t):
    api = serve(t, {"configured.json": {"wanted": True, "more": "no object"}, "other.json": "{", "pass.json": {},
                    "mine.json": {"template": "template", "command": "cmd"}})
    listed = api.get("/v1/stages").json()
    reasons = {os.path.basename(row["file"]): row["reason"] for row in listed["refused"]}
    eq(sorted(reasons), ["configured.json", "other.json", "pass.json"])
    eq(reasons["configured.json"], "/more: must be an object")
    eq(reasons["pass.json"], "the stage 'pass' takes no configuration")
    eq(api.get("/v1/server").json()["stages"]["refused"], listed["refused"])
    ok("stage_refused" in api.server.log.tail(10000), "the log says nothing")
    job = t.job(["configured", "mine"], api=api)
    job.send([1], close=True)
    job.wait_done()
    eq(job.get()["counts"]["succeeded"], 1)


def test_a_folder_that_is_not_there_is_said_at_start(t):
    server = t.server({"stages-d": "/nonexistent"}, start=False)
    server.spawn()
    ok(server.wait(20) not in (0, None), "it started")
    ok("stages-d" in server.log.tail(), server.log.tail())
