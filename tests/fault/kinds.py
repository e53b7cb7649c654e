"""Jobs of every kind of stage, for tests in which the system refuses something."""

from support.leat import *


def stages_d(t, values, more=None):
    """A folder of what the operator says of stages: the program `echo`, a root of files with these
    values, and more by name."""
    folder, root = t.folder(), t.folder()
    with open(os.path.join(root, "in.ndjson"), "wb") as file:
        file.write(ndjson(values))
    files = {"files": {"roots": {"data": root}},
             "echo": {"argv": ["/bin/cat"], "protocol": "plain"}, **(more or {})}
    for name, content in files.items():
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(content, file)
    return folder


SOURCE = {"use": "files", "params": {"root": "data", "glob": "*.ndjson"}}
STAGES = [
    {"use": "doze", "params": {"ms": 1}, "workers": 4},        # threads of its own
    {"use": "pass", "workers": 2, "isolation": "process"},     # and one that starts processes
    {"use": "jq", "params": {"program": "."}, "workers": 2},
    {"use": "echo", "workers": 2},
    {"use": "sleep", "params": {"ms": 1}, "workers": 8},
    {"use": "pass", "workers": 2},
]


def made(api, stages, values):
    """The job, fed; None where it was refused."""
    reply = api.post("/v1/jobs", {"stages": stages})
    if reply.status == 503:
        ok("cannot" in reply.json()["detail"], f"{reply!r}")
        return None
    job = Job(api, status(reply, 201).json()["id"])
    if stages[0] is not SOURCE:
        job.send(values, close=True)
    return job


def everything(api, values):
    """A job of each kind, made and fed; whoever is refused hears 503 and tries again."""
    return [until(lambda: made(api, stages, values), 60, f"a job of {stages[0]['use']}", 0.05)
            for stages in [[stage] for stage in STAGES] + [[SOURCE, {"use": "pass"}]]]


def reads_are_served(api, job):
    """What libuv's pool reads is not refused."""
    for path in (job.path, f"{job.path}/results", f"{job.path}/failures", f"{job.path}/items",
                 "/v1/jobs?limit=5", "/metrics", "/livez", "/readyz"):
        reply = api.get(path, {"key": "k"} if path.endswith("items") else None)
        ok(reply.status == 200, f"{path}: {reply!r}")


def none_is_lost(jobs, values):
    for job in jobs:
        job.wait_done(timeout=60)
        eq(job.failures(), [], "failures")
        results = job.results()
        eq(len(results), len(values), "results")
        if "worker" not in results[0]:
            same_multiset(results, values)
