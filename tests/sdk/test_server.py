"""Programs with the helpers as stages of a server."""

from worker import *


def serve(t, **programs):
    """A client of a server that has these programs: {name: (language, text, more of its file)}."""
    folder = tempfile.TemporaryDirectory(prefix="leat-sdk-")
    t.cleanup.append(folder.cleanup)
    stages_d = os.path.join(folder.name, "stages.d")
    os.mkdir(stages_d)
    for name, (language, text, more) in programs.items():
        path = os.path.join(folder.name, name + (".py" if language == "python" else ".mjs"))
        with open(path, "w", encoding="utf-8") as out:
            out.write(HEAD[language] + text)
        env = {"PYTHONPATH": SDK["python"], "PYTHONDONTWRITEBYTECODE": "1"} if language == "python" else {}
        with open(os.path.join(stages_d, name + ".json"), "w", encoding="utf-8") as out:
            json.dump({"argv": command(t, language, path), "protocol": "framed", "env": env, **more}, out)
    api = t.client(t.server({"stages-d": stages_d}))
    eq(api.get("/v1/stages").json()["refused"], [])
    return api


def done(t, api, stage, values, state="succeeded"):
    """A job of that stage over the values, when it is done."""
    job = t.job([stage], api=api)
    job.send(values, close=True)
    job.wait_done(state, timeout=60)
    return job


@both(python="@stage\ndef work(n, item):\n    if n % 10 == 3:\n        return None\n    if n % 10 == 4:\n"
             "        return Many([n, -n])\n    if n % 10 == 5:\n        raise Permanent('five')\n"
             "    if n % 10 == 6 and item.attempt == 1:\n        raise Transient('six')\n"
             "    print('stray')\n    return n * params()['by']\n",
      node="stage((n, item) => {\n\tif (n % 10 === 3)\n\t\treturn null;\n\tif (n % 10 === 4)\n\t\treturn many([n, -n]);\n"
           "\tif (n % 10 === 5)\n\t\tthrow new Permanent('five');\n\tif (n % 10 === 6 && item.attempt === 1)\n"
           "\t\tthrow new Transient('six');\n\tconsole.log('stray');\n\treturn n * params().by;\n});\n")
def test_every_fate_reaches_the_job(t, worker):
    language, text = worker.args[1:]
    api = serve(t, mine=(language, text, {"params": {"by": {"type": "integer", "default": 2}}}))
    job = done(t, api, {"use": "mine", "workers": 2, "params": {"by": 3}, "retry": {"attempts": 2, "backoff_ms": 1}},
               list(range(3000)))
    want = [n * 3 for n in range(3000) if n % 10 not in (3, 4, 5)]
    want += [m for n in range(4, 3000, 10) for m in (n, -n)]
    same_multiset(job.results(), want)
    counts = job.get()["counts"]
    eq([counts[key] for key in ("filtered", "failed", "retries")], [300, 300, 300])
    eq({(f["error"], f["kind"], f["attempts"]) for f in job.failures(limit=1000)}, {("five", "permanent", 1)})
    eq(sorted(f["input"] for f in job.failures(limit=1000)), list(range(5, 3000, 10)))


@both(python="@stage(batch=True)\ndef work(values):\n"
             "    return [Permanent('seven') if v % 7 == 0 else [v, len(values)] for v in values]\n",
      node="stage((values) => values.map((v) => v % 7 === 0 ? new Permanent('seven') : [v, values.length]),\n"
           "\t{ batch: true });\n")
def test_batches_of_the_job_are_batches_of_the_function(t, worker):
    language, text = worker.args[1:]
    api = serve(t, mine=(language, text, {}))
    job = done(t, api, {"use": "mine", "batch": {"items": 20, "wait_ms": 50}}, list(range(700)))
    results = job.results()
    eq(sorted(v for v, _ in results), [v for v in range(700) if v % 7])
    ok(max(size for _, size in results) == 20, "the largest batch is that of the job")
    eq(job.get()["counts"]["failed"], 100)


@both(python="@stage\ndef work(path, item):\n    log('begun')\n    item.cancelled.wait(600)\n"
             "    open(path, 'w').close()\n    return 1\n",
      node="import { writeFileSync } from 'node:fs';\nstage(async (path, item) => {\n\tlog('begun');\n"
           "\tawait new Promise((go) => item.signal.addEventListener('abort', go));\n"
           "\twriteFileSync(path, '');\n\treturn 1;\n});\n")
def test_a_function_hears_that_its_job_was_cancelled(t, worker):
    language, text = worker.args[1:]
    api = serve(t, mine=(language, text, {}))
    marker = os.path.join(api.server.folder, "heard")
    job = t.job(["mine"], api=api)
    job.send([marker])
    api.server.log.wait("begun", 20 * t.slow)
    job.must("cancel")
    job.wait_done("cancelled")
    until(lambda: os.path.exists(marker), 20 * t.slow, "the function hears of it")


@both(python="@stage\ndef work(n, item):\n    if n == 77 and item.attempt == 1:\n        os._exit(3)\n    return n\n",
      node="stage((n, item) => n === 77 && item.attempt === 1 ? process.exit(3) : n);\n")
def test_a_program_that_ends_is_started_again_and_no_item_is_missing(t, worker):
    language, text = worker.args[1:]
    api = serve(t, mine=(language, text, {}))
    job = done(t, api, {"use": "mine", "retry": {"attempts": 20, "backoff_ms": 20}}, list(range(200)))
    same_multiset(job.results(), list(range(200)))
    ok(job.get()["counts"]["retries"] > 0, "it was tried again")
