"""leat export, leat import: everything there and back, or nothing."""

import signal

from keeping import *
from test_formats import finish, same_as_told


def exported(t):
    """A folder with jobs of every kind, its export, and what the jobs had told."""
    data, told = fixture(t, formats()[-1])
    return data, leat(t, "export", "--data", data).exits(0).out, told


def test_everything_goes_there_and_back_byte_for_byte(t):
    data, lines, told = exported(t)
    copy = os.path.join(folder(t), "copy")
    leat(t, "import", "--data", copy, stdin=lines).exits(0).says(f"{len(told)} jobs")
    leat(t, "fsck", "--data", copy).exits(0).says("whole")
    eq(leat(t, "export", "--data", copy).exits(0).out, lines, "the same lines again")
    answers = []
    for place in (data, copy):
        server, api = over(t, place)
        answers.append({name: (api.get(f"/v1/jobs/{was['id']}").body,
                               Job(api, was["id"]).raw_results(),
                               api.get(f"/v1/jobs/{was['id']}/failures").body)
                        for name, was in told.items() if was["done"]})
        server.kill()
    eq(answers[0], answers[1], "and the same answers")


def test_imported_jobs_go_on_where_they_stood(t):
    _, lines, told = exported(t)
    copy = folder(t)
    leat(t, "import", "--data", copy, stdin=lines).exits(0)
    server, api = over(t, copy)
    same_as_told(api, told)
    finish(api, told)
    server.stop()


def test_an_export_is_ndjson_with_everything_in_it(t):
    _, lines, told = exported(t)
    values = [json.loads(line) for line in lines.splitlines()]
    jobs = {value["job"]: value for value in values if value.get("kind") == "job"}
    eq(set(jobs), {was["id"] for was in told.values()})
    for name, was in told.items():
        job = jobs[was["id"]]
        eq(job["state"], was["state"], name)
        eq(job["definition"]["name"], name)
        eq(job["definition"]["labels"], was["definition"]["labels"])
        mine = [value for value in values if value.get("job") == was["id"]]
        eq({value["key"]: value["lines"] for value in mine if value["kind"] == "key"}, was["keys"])
        if was["done"]:
            eq(len([v for v in mine if v["kind"] == "failure"]), len(was["failures"]), name)
            eq(sum(v["count"] for v in mine if v["kind"] == "results"),
               was["counts"]["results"], name)
    eq(values[-1], {"kind": "end", "lines": len(values) - 2})


def test_what_is_there_already_is_refused_and_nothing_imported(t):
    data, lines, _ = exported(t)
    done = leat(t, "import", "--data", data, stdin=lines).exits(2)
    done.says("already", "nothing was imported")
    eq(leat(t, "export", "--data", data).exits(0).out, lines)


def test_an_import_adds_to_what_is_there(t):
    data = folder(t)
    server, api = over(t, data)
    mine = api.create({"stages": [{"use": "pass"}]})
    mine.send([1, 2, 3], close=True)
    mine.wait_done()
    server.stop()
    _, lines, told = exported(t)
    leat(t, "import", "--data", data, stdin=lines).exits(0)
    server, api = over(t, data)
    same_as_told(api, told)
    eq(Job(api, mine.id).results(), [1, 2, 3])
    server.kill()


def empty(t, data):
    server, api = over(t, data)
    eq(api.jobs()["items"], [], "no job is shown")
    server.stop()


def test_wrong_lines_are_refused_by_number_and_leave_nothing(t):
    _, lines, _ = exported(t)
    rows = lines.splitlines(keepends=True)
    at = next(n for n, row in enumerate(rows) if b'"kind":"result"' in row)
    cases = {
        "cut off": lines[:len(lines) // 2],
        "its last line": b"".join(rows[:-1]),
        "as many lines": b"".join(rows[:-1] + [b'{"kind":"end","lines":3}\n']),
        "not complete": b"".join(rows[:at] + rows[at + 1:]),
        "no export of leat": b'{"hello":1}\n' + b"".join(rows[1:]),
        "version": lines.replace(b'"version":1', b'"version":9', 1),
        "is empty": b"",
        "nobody knows": rows[0] + b'{"kind":"cake"}\n',
        f"line {at + 1} ": b"".join(rows[:at] + [rows[at].replace(b'"value":', b'"value":}', 1)]
                                    + rows[at + 1:]),
        "base64": lines.replace(b'"record":"', b'"record":"!', 1),
    }
    for words, text in cases.items():
        data = folder(t)
        leat(t, "import", "--data", data, stdin=text).exits(2).says(words)
        leat(t, "fsck", "--data", data).exits(0).says("whole")
        empty(t, data)


@timeout(240)
def test_garbage_is_refused(t):
    _, lines, _ = exported(t)
    for turn in range(10 if t.quick else 300):
        changed = bytearray(lines)
        for _ in range(t.random.choice([1, 3, 50])):
            changed[t.random.randrange(len(changed))] = t.random.randrange(256)
        data = folder(t)
        leat(t, "import", "--data", data, stdin=bytes(changed)).exits(0, 1, 2)
        leat(t, "fsck", "--data", data).exits(0, 1)


def test_killed_in_the_middle_nothing_of_it_is_shown(t):
    _, lines, told = exported(t)
    for turn in range(6 if t.quick else 60):
        data = folder(t)
        process = subprocess.Popen([t.settings.program, "import", "--data", data],
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        cut = t.random.randrange(len(lines) - 60)
        process.stdin.write(lines[:cut])
        process.stdin.flush()
        if turn % 2:
            until(lambda: os.path.exists(os.path.join(data, "data.mdb")), 20 * t.slow, "begun")
        process.send_signal(signal.SIGKILL)
        process.wait()
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
        if os.path.exists(os.path.join(data, "data.mdb")):
            empty(t, data)
        leat(t, "import", "--data", data, stdin=lines).exits(0)
