"""A list costs the same however many jobs have finished: a page is found by looking at so many of
them and no more, and the next one goes on there."""

from keeping import *

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # of an id, in their order
STRAWS, LOOK_MAX = 12_000, 10_000


def later(job_id, by):
    """The id that is so many behind this one."""
    number, text = by, ""
    for digit in job_id[2:]:
        number += DIGITS.index(digit) * 32 ** (25 - len(text))
        text += "0"
    return "j_" + "".join(DIGITS[number >> 5 * at & 31] for at in reversed(range(26)))


def hay(t):
    """A folder with the job `needle` (label kind=needle) and thousands of finished ones that came
    after it, by an export that says so."""
    server, api = over(t, folder(t))
    for name in ("needle", "straw"):
        job = api.create({"name": name, "labels": {"kind": name}, "stages": [{"use": "pass"}]})
        job.must("close")
        job.wait_done()
    server.stop()
    lines = leat(t, "export", "--data", server.data).out.decode().splitlines()
    jobs = {name: line for line in lines for name in ("needle", "straw")
            if f'"name":"{name}"' in line}
    first, straw = (json.loads(jobs[name])["job"] for name in ("needle", "straw"))
    body = [lines[0], jobs["needle"]]
    body += [jobs["straw"].replace(straw, later(first, at + 1)) for at in range(STRAWS)]
    body.append(json.dumps({"kind": "end", "lines": STRAWS + 1}))
    data = folder(t)
    leat(t, "import", "--data", data, stdin="\n".join([*body, ""]).encode()).exits(0)
    return data, first


@timeout(120)
def test_a_filter_that_few_match_looks_at_so_many_jobs_at_a_time(t):
    data, first = hay(t)
    server, api = over(t, data)
    for found in ({"name": "needle"}, {"label.kind": "needle"}):
        page = api.jobs(**found)
        eq((page["items"], page["next"]), ([], later(first, STRAWS - LOOK_MAX + 1)), f"{found}")
        page = api.jobs(**found, after=page["next"])
        eq(([job["id"] for job in page["items"]], page["next"]), ([first], None), f"{found}")
    page = api.jobs(name="straw", limit=3)
    eq([job["id"] for job in page["items"]], [later(first, STRAWS - at) for at in range(3)])
    listed = leat(t, "ls", "--server", f"http://127.0.0.1:{server.port}", "--name", "needle",
                  "--json")
    eq([job["id"] for job in listed.values()], [first], "leat ls goes on until it has looked at all")
    server.stop()


@timeout(120)
def test_jobs_that_live_are_found_at_once(t):
    """Also behind thousands that came later, by name and label, in pages."""
    server, api = over(t, folder(t))
    made = [api.create({"name": f"n{at % 2}", "labels": {"team": "a"}, "stages": [{"use": "pass"}]})
            for at in range(7)]
    made[2].must("pause")
    running = [job.id for job in reversed(made) if job is not made[2]]
    eq([job["id"] for job in api.jobs(state="running")["items"]], running)
    eq([job["id"] for job in api.jobs(state="paused")["items"]], [made[2].id])
    eq([job["id"] for job in api.jobs(state="running", name="n1", **{"label.team": "a"})["items"]],
       [made[5].id, made[3].id, made[1].id])
    eq(api.jobs(state="running", **{"label.team": "b"}), {"items": [], "next": None})
    seen, after = [], {}
    while True:
        page = api.jobs(state="running", limit=4, **after)
        seen += [job["id"] for job in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    eq(seen, running, "by pages of 4")
    for job in made:
        job.delete()
    eq(api.jobs(state="running")["items"], [], "what was deleted is not there")
    server.stop()
