"""A small life of a server, acted out by a client that does not give up: jobs of every kind are
made, fed, changed, stopped, run again and removed, and the server ends and starts in between.

The server may be killed anywhere in it (LEAT_FAULT_CRASH, server/base/fault.h). Then it is started
again, what the client had been told by then must stand, and the script goes on with the request
that was not answered. In the end everything must be as if nothing had happened.
"""

import os
import signal
import sqlite3
import time

from support import items, model
from support.client import NDJSON, Api, Job, until
from support.expect import eq, ok, same_list, same_multiset, status
from support.items import ndjson
from support.wire import Closed

BROKEN = (Closed, OSError, TimeoutError)
RETRY = {"attempts": 3, "backoff_ms": 1, "max_backoff_ms": 5}
KEY = {"Idempotency-Key": "script"}
FILTER = {"use": "filter", "params": {"pointer": "/keep", "op": "ge", "value": 2}}
EXPLODE = {"use": "explode", "params": {"field": "parts"}, "workers": 2}
SHAKY = {"use": "fail", "name": "shaky", "retry": RETRY, "workers": 2,
         "params": {"every": 3, "kind": "transient", "until_attempt": 2}}
BROKEN_STAGE = {"use": "fail", "name": "broken", "params": {"every": 7, "kind": "permanent"}}
SLOW = {"use": "sleep", "params": {"ms": 0, "jitter_ms": 110}, "workers": 8}
SQLITE = {"use": "sqlite", "params": {"folder": "out", "file": "a.db", "table": "t"},
          "retry": RETRY}
COUNTED = 150
RUN = "/v1/run?stages=filter,explode&filter.pointer=/keep&filter.op=ge&filter.value=2" \
      "&explode.field=parts"

# What is made of the script's items, by name; `sink`: its results are elsewhere.
JOBS = {
    "mapped": {"stages": [FILTER, EXPLODE]},
    "ordered": {"stages": [SHAKY, BROKEN_STAGE, EXPLODE], "order": "input"},
    "slow": {"stages": [SLOW, FILTER, EXPLODE]},
    "summed": {"stages": [{"use": "pick", "params": {"fields": ["/id", "/keep"]}},
                          {"use": "aggregate", "params": {"field": "/keep"}}]},
    "rows": {"stages": [{"use": "pick", "params": {"fields": ["/id", "/keep"]}}, SQLITE]},
    "held": {"stages": [FILTER, EXPLODE]},
    "counted": {"stages": [{"use": "range", "params": {"to": COUNTED}},
                           {"use": "aggregate", "params": {}}]},
    "cancelled": {"stages": [{"use": "pass"}]},
    "deleted": {"stages": [FILTER, EXPLODE]},
    "brief": {"stages": [{"use": "pass"}], "retention_ms": 1},
}
SINKS = ("summed", "rows", "counted")


class Script:
    """`env` arms the fault, which is in force until the first kill and never again after it;
    `disarm` is what takes it back beside that."""

    def __init__(self, t, folder, env=None, disarm=None, seed=1):
        self.t = t
        self.disarm = disarm
        self.armed = bool(env)
        self.out = os.path.join(folder, "out")
        stages_d = os.path.join(folder, "stages.d")
        os.makedirs(self.out)
        os.makedirs(stages_d)
        with open(os.path.join(stages_d, "sqlite.json"), "w", encoding="utf-8") as file:
            file.write('{"folders": {"out": "%s"}}' % self.out)
        self.server = t.server({"stages-d": stages_d}, dict(env or {}), start=False)
        self.values = items.mixed(60, seed)
        self.told = {}  # by name of a job, what must hold from now on
        self.ids = {}
        self.api = None
        self.killed = 0

    # -- the server ----------------------------------------------------------------

    def up(self):
        """Starts it; once more where it is killed before it listens."""
        self.server.spawn()
        found = self.server.log.wait(r"event=listening\b.*\bport=(\d+)", 30 * self.t.slow)
        if found is None:
            self.fell()
            return
        self.server.port = int(found.group(1))
        self.api = Api(self.server)

    def fell(self):
        """It has ended: by the fault, once. Up again, and what was told must hold."""
        code = self.server.wait()
        text = self.server.report_text()
        ok(code == -signal.SIGKILL and self.armed,
           f"the server ended with {code}\n{self.server.log.tail()}{text}")
        self.armed = False
        self.server.env.pop("LEAT_FAULT_CRASH", None)
        if self.disarm is not None:
            self.disarm()
        self.killed += 1
        if self.api is not None:
            self.api.close()
        self.up()
        self.look()

    def down(self):
        """SIGTERM; killed on the way it is started again and has ended then, too."""
        self.api.close()
        self.server.signal(signal.SIGTERM)
        code = self.server.wait(60)
        if code == 0:
            return
        self.fell()
        self.api.close()
        self.server.stop(60)

    def do(self, what, act):
        """`act(api)` until it is answered. A server that is gone is started again."""
        for _ in range(5):
            try:
                return act(self.api)
            except BROKEN as error:
                self.api.close()
                try:
                    self.server.process.wait(10 * self.t.slow)
                except Exception:
                    raise AssertionError(f"{what}: {error!r}, and the server lives") from None
                self.fell()
        raise AssertionError(f"{what}: never answered")

    # -- requests, each of which may come twice --------------------------------------

    def job(self, name):
        return Job(self.api, self.ids[name])

    def tell(self, name, **what):
        self.told.setdefault(name, {}).update(what)

    def create(self, name):
        def act(api):
            there = [job["id"] for job in api.jobs(limit=100)["items"] if job["name"] == name]
            ok(len(there) <= 1, f"{len(there)} jobs are called {name}")
            return there[0] if there else api.create({"name": name, **JOBS[name]}).id
        self.ids[name] = self.do(f"create {name}", act)
        self.tell(name)

    def upload(self, name, upto, close=False):
        query = {"close": "true"} if close else {}

        def act(api):
            return until(lambda: self.answered(Job(api, self.ids[name]).upload(
                ndjson(self.values[:upto]), query, KEY)), 30 * self.t.slow, f"upload to {name}")
        told = self.do(f"upload to {name}", act)
        eq((told["next_offset"], told["rejected"]), (upto, 0), f"upload to {name}")
        self.tell(name, lines=upto)

    def answered(self, reply):
        """A closing that is just being stored asks to come again."""
        if reply.status == 409 and reply.json()["type"] == "/problems/superseded":
            return None
        return status(reply, 200).json()

    def act(self, name, verb, **told):
        self.told[name].pop("state", None)  # asked to change, not yet told that it has
        self.do(f"{verb} {name}", lambda api: status(self.job(name).act(verb), 200))
        self.tell(name, **told)

    def wait(self, name, state="succeeded"):
        done = self.do(f"the end of {name}", lambda api: self.job(name).wait_done(state, 60))
        self.tell(name, done=done["state"])
        return done

    def delete(self, name):
        def act(api):
            code = Job(api, self.ids[name]).delete().status
            ok(code == 204 or (code == 404 and self.killed), f"delete: {code}")
        self.do(f"delete {name}", act)
        self.tell(name, deleted=True)

    # -- what must hold at any time --------------------------------------------------

    def look(self):
        for name, told in self.told.items():
            reply = self.api.get(self.job(name).path)
            if told.get("deleted"):
                eq(reply.status, 404, f"{name}, deleted")
            elif reply.status != 404 or name != "deleted":
                self.look_at(name, told, status(reply, 200).json())

    def look_at(self, name, told, job):
        received, lines = job["input"]["received"], told.get("lines", 0)
        ok(received >= lines, f"{name}: {lines} lines were acknowledged, {received} are there")
        if "state" in told:
            eq(job["state"], told["state"], f"state of {name}")
        if "workers" in told:
            eq(job["stages"][1]["workers"], told["workers"], f"workers of {name}")
        if told.get("done") and not told.get("retrying"):
            eq(job["state"], told["done"], f"state of {name}, which was over")

    def compare(self, name):
        """A done job against the model."""
        job = self.job(name)
        done = job.get()
        expected = model.run([s for s in JOBS[name]["stages"] if s["use"] not in (
            "aggregate", "sqlite", "range")], self.values)
        counts = expected.counts()
        if name in SINKS:
            del counts["results"]
        else:
            same = same_list if JOBS[name].get("order") else same_multiset
            same(job.results(), expected.values, f"results of {name}")
        same_multiset([[f["item"], f["stage"], f["attempts"]] for f in job.failures()],
                      [[f["item"], f["stage"], f["attempts"]] for f in expected.failures],
                      f"failures of {name}")
        eq({key: done["counts"][key] for key in counts}, counts, f"counts of {name}")
        return done

    # -- the acts ----------------------------------------------------------------------

    def first(self):
        """Jobs come into being, some do their work, one is held in the middle."""
        self.up()
        for name in JOBS:
            self.create(name)
        for name in ("held", "cancelled"):
            self.act(name, "pause", state="paused")
        for name in JOBS:
            if name != "counted":
                self.upload(name, 25)
        for name in ("mapped", "ordered", "slow", "summed", "rows", "brief"):
            self.upload(name, len(self.values), close=True)
        self.do("patch", lambda api: status(self.job("held").patch(
            {"stages": {"explode": {"workers": 5}}}), 200))
        self.tell("held", workers=5)
        self.act("cancelled", "cancel", state="cancelled")
        self.do("run", self.run_once)
        self.delete("deleted")
        self.wait("ordered")

    def run_once(self, api):
        reply = status(api.post(RUN, ndjson(self.values), {"Content-Type": NDJSON}), 200)
        same_multiset(reply.values(), model.run([FILTER, EXPLODE], self.values).values, "run")

    def second(self):
        """After another start: what was held goes on, what failed runs again, all ends."""
        self.up()
        self.look()
        self.act("held", "resume")
        self.upload("held", len(self.values))
        self.act("held", "close")
        self.tell("ordered", retrying=True)
        self.do("retry", lambda api: status(self.job("ordered").retry(), 200))
        for name in ("mapped", "ordered", "slow", "summed", "rows", "held", "counted", "brief"):
            self.wait(name)
        self.do("expiry", lambda api: until(
            lambda: api.get(f"{self.job('brief').path}/results").status == 410,
            30 * self.t.slow, "the brief job's results are gone"))

    def third(self):
        """Everything stands, also after one start more."""
        self.up()
        self.do("verify", lambda api: self.verify())

    def verify(self):
        self.look()
        for name in ("mapped", "ordered", "slow", "held", "rows", "summed"):
            done = self.compare(name)
            if name == "summed":
                eq(done["report"], model.aggregate({"field": "/keep"}, self.values), "report")
        eq(self.job("counted").get()["report"]["count"], COUNTED, "report of the source's job")
        with sqlite3.connect(os.path.join(self.out, "a.db")) as base:
            eq(base.execute("SELECT count(*), count(DISTINCT id) FROM t").fetchone(),
               (len(self.values), len(self.values)), "rows")
        cancelled = self.job("cancelled").get()
        eq(len(self.job("cancelled").results()), cancelled["counts"]["succeeded"], "cancelled")
        eq(sorted(job["name"] for job in self.api.jobs(limit=100)["items"]),
           sorted(name for name in JOBS if name != "deleted"), "the list")
        return True

    def play(self):
        for act in (self.first, self.second, self.third):
            act()
            self.down()
