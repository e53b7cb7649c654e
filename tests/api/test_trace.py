"""traceparent (W3C Trace Context): taken where it is valid, kept with the job, given to stages."""

from support.leat import *

ID = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
GOOD = f"00-{ID}-{PARENT}-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-00"

# What stands in the header, and what becomes of it.
HEADERS = [
    (GOOD, GOOD),
    (f"00-{ID}-{PARENT}-00", f"00-{ID}-{PARENT}-00"),
    (f"  {GOOD}\t", GOOD),
    (f"01-{ID}-{PARENT}-01-tomorrow", GOOD),
    (f"cc-{ID}-{PARENT}-01", GOOD),
    (f"00-{ID}-{PARENT}-ff", f"00-{ID}-{PARENT}-03"),
    ("", None),
    ("garbage", None),
    (GOOD.upper(), None),
    (f"00-{ID.upper()}-{PARENT}-01", None),
    (f"ff-{ID}-{PARENT}-01", None),
    (f"00-{'0' * 32}-{PARENT}-01", None),
    (f"00-{ID}-{'0' * 16}-01", None),
    (f"{GOOD}-more", None),
    (GOOD[:-1], None),
    (f"{GOOD}, {OTHER}", None),
    (f"01-{ID}-{PARENT}-01.x", None),
    ("x" * 5000, None),
]


def create(t, api=None, headers=None, stages=("pass",)):
    api = api or t.api
    reply = status(api.post("/v1/jobs", {"stages": [{"use": use} for use in stages]}, headers), 201)
    return t.adopt(reply.json()["id"], api), reply.json()


def test_what_is_valid_is_kept_and_nothing_else(t):
    for header, wanted in HEADERS:
        job, created = create(t, headers={"traceparent": header})
        eq(created["traceparent"], wanted, f"of {header!r}")
        eq(job.get()["traceparent"], wanted, f"of {header!r}, asked for later")


def test_without_one_there_is_none(t):
    job, created = create(t)
    ok("traceparent" in created, "the member is missing")
    eq((created["traceparent"], job.get()["traceparent"]), (None, None), "traceparent")


def test_its_name_has_no_case(t):
    for name in ("Traceparent", "TRACEPARENT", "TraceParent"):
        eq(create(t, headers={name: GOOD})[1]["traceparent"], GOOD, name)


def test_two_of_them_are_none(t):
    for first, second in ((GOOD, OTHER), (GOOD, GOOD), ("bad", GOOD)):
        _, created = create(t, headers={"traceparent": first, "Traceparent": second})
        eq(created["traceparent"], None, f"of {first} and {second}")


def test_a_job_without_one_takes_that_of_the_first_upload_that_has_one(t):
    job, _ = create(t)
    status(job.upload(b"1\n"), 200)
    status(job.upload(b"2\n", headers={"traceparent": "bad"}), 200)
    eq(job.get()["traceparent"], None, "none so far")
    status(job.upload(b"3\n", headers={"traceparent": GOOD}), 200)
    eq(job.get()["traceparent"], GOOD, "of the upload")
    status(job.upload(b"4\n", headers={"traceparent": OTHER}, query={"close": "true"}), 200)
    eq(job.wait_done()["traceparent"], GOOD, "it stays")
    eq(job.get()["counts"]["succeeded"], 4, "succeeded")


def test_a_job_that_has_one_keeps_it(t):
    job, _ = create(t, headers={"traceparent": OTHER})
    status(job.upload(b"1\n", headers={"traceparent": GOOD}, query={"close": "true"}), 200)
    eq(job.wait_done()["traceparent"], OTHER, "traceparent")


def test_it_survives_a_kill(t):
    server = t.server()
    api = t.client(server)
    made, _ = create(t, api, {"traceparent": GOOD})
    later, _ = create(t, api)
    status(later.upload(b"1\n", headers={"traceparent": OTHER}), 200)
    done, _ = create(t, api, {"traceparent": GOOD})
    done.send([1], close=True)
    done.wait_done()
    server.restart("kill")
    api.close()
    eq([job.get()["traceparent"] for job in (made, later, done)], [GOOD, OTHER, GOOD],
       "after kill -9")
    server.log.wait(r"event=recovered", 5 * t.slow)
    made.must("cancel")
    ok(server.log.wait(rf"event=job_state job={made.id} trace={ID} ", 10 * t.slow),
       "no trace in the log after the restart")


def stage_sees(t, use, api=None):
    """What the stage emits for an item that comes before there is a trace, and behind."""
    job, _ = create(t, api, stages=["pass", use])
    job.send([1])
    job.wait(lambda j: j["counts"]["results"] == 1, what="the first is through")
    status(job.upload(b"2\n", headers={"traceparent": GOOD}, query={"close": "true"}), 200)
    job.wait_done()
    return job.results()


def test_a_stage_that_calls_out_is_given_it(t):
    t.need_modules()
    for use in ("traced", "traced-async"):
        job, _ = create(t, headers={"traceparent": GOOD}, stages=[use, "pass"])
        job.send(list(range(50)), close=True)
        job.wait_done()
        eq(job.results(), [GOOD] * 50, f"what {use} sees")
        eq(stage_sees(t, use), [None, GOOD], f"what {use} sees of an upload's")


def test_a_stage_is_given_it_after_a_restart(t):
    t.need_modules()
    server = t.server()
    api = t.client(server)
    job, _ = create(t, api, {"traceparent": GOOD}, ["traced"])
    server.restart("kill")
    api.close()
    job.send([1], close=True)
    job.wait_done()
    eq(job.results(), [GOOD], "what it sees")


def test_one_shot_runs_have_it_too(t):
    t.need_modules()
    for header, wanted in ((GOOD, GOOD), (GOOD.upper(), None)):
        reply = t.api.post("/v1/run", b"1\n2\n", {"traceparent": header, "Content-Type": NDJSON},
                           {"stages": "traced"})
        eq(status(reply, 200).values(), [wanted] * 2, f"of {header}")


def test_the_log_names_it_in_every_line_about_the_job(t):
    server = t.server()
    api = t.client(server)
    job, _ = create(t, api, {"traceparent": GOOD}, ["traced"] if t.settings.modules else ["pass"])
    job.send([1], close=True)
    job.wait_done()
    plain, _ = create(t, api)
    plain.must("cancel")
    server.log.wait(rf"event=job_state .*job={plain.id}|event=job_state job={plain.id}", 10 * t.slow)
    # A line of audit has its request's.
    lines = [line for line in server.log.lines if job.id in line and "event=audit" not in line]
    ok(len(lines) >= 2, f"only {lines}")
    for line in lines:
        ok(f"job={job.id} trace={ID} " in line + " ", f"no trace in {line}")
    if t.settings.modules:
        ok(any("event=stage_log" in line for line in lines), f"the stage said nothing: {lines}")
    for line in server.log.lines:
        ok(plain.id not in line or "trace" not in line, f"a trace that is not there: {line}")


def test_as_json_it_is_a_member(t):
    server = t.server({"log": "json"}, start=False)
    server.spawn()
    found = server.log.wait(r'"event":"listening".*"port":(\d+)', 20 * t.slow)
    server.port = int(found.group(1))
    api = t.client(server)
    job, _ = create(t, api, {"traceparent": GOOD})
    job.must("cancel")
    found = server.log.wait(r'.*"event":"job_state".*', 10 * t.slow)
    line = json.loads(found.group(0))
    eq((line["job"], line["trace"], line["to"], line["level"]), (job.id, ID, "cancelled", "info"),
       "members")
