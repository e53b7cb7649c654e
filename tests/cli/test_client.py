"""Looking at jobs and steering them from the command line: ls, show, pause, scale and the rest."""

from remote import *

NAMES = ("ls", "show", "pause", "resume", "cancel", "close", "rm", "scale", "retry")
HOSTILE = "a\u001b[31mred\u0007\u202eback\u009b2J"


def cells(line):
    return line.split()


def test_ls_lists_newest_first_and_filters(t):
    label = {"team": f"ls-{os.getpid()}"}
    first = t.job(["pass"], name="first & best", labels=label)
    second = t.job(["pass", "pass"], name="second", labels=label)
    only = ["--label", f"team={label['team']}"]
    done = leat(t, "ls", *only, env=shared(t)).exits(0)
    eq(cells(done.lines()[0])[:2], ["ID", "STATE"])
    eq([cells(line)[0] for line in done.lines()[1:]], [second.id, first.id])
    ok(done.lines()[2].endswith("first & best"), done.lines())
    found = leat(t, "ls", "--json", "--name", "first & best", *only, env=shared(t)).exits(0)
    eq([job["id"] for job in found.values()], [first.id])
    first.must("pause")
    found = leat(t, "ls", "--json", "--state=paused", *only, env=shared(t)).exits(0)
    eq([job["name"] for job in found.values()], ["first & best"])
    eq(len(leat(t, "ls", "--json", "--limit", 1, *only, env=shared(t)).exits(0).lines()), 1)
    eq(leat(t, "ls", "--json", "--label", "team=nobody", env=shared(t)).exits(0).out, b"")


def test_ls_reads_page_after_page(t):
    server = t.server({"page-limit-max": 2})
    api = t.client(server)
    ids = [t.job(["pass"], api=api).id for _ in range(7)]
    got = leat(t, "ls", "--all", env=at(server)).exits(0).lines()
    eq([cells(line)[0] for line in got], ["ID", *reversed(ids)])
    got = leat(t, "ls", "--limit", 5, "--json", env=at(server)).exits(0).values()
    eq([job["id"] for job in got], list(reversed(ids))[:5])


def test_show_tells_what_the_api_tells(t):
    job = t.job([{"use": "sha256", "workers": 3, "params": {"field": "text"}}, "pass"], name="shown",
                labels={"team": "press"})
    job.send([{"text": "a"}] * 5 + [{"no": 1}] * 2, close=True)
    job.wait_done()
    done = leat(t, "show", job.id, env=shared(t)).exits(0)
    text = done.out.decode()
    for words in ("shown", job.id, "succeeded", "team=press", "100.0 %", "7 of 7", "5 succeeded",
                  "2 failed", "sha256", "0/3"):
        ok(words in text, f"{words!r} is not in:\n{text}")
    ok("\033" not in text, "no colour where there is no terminal")
    eq(json.loads(leat(t, "show", "--json", job.id, env=shared(t)).exits(0).out), job.get())


def test_a_job_may_be_named_by_the_beginning_of_its_id_or_by_name(t):
    server = t.server()
    api = t.client(server)
    job = t.job(["pass"], api=api, name="only one")
    other = t.job(["pass"], api=api, name="twins")
    t.job(["pass"], api=api, name="twins")

    def shown(word):
        return json.loads(leat(t, "show", "--json", word, env=at(server)).exits(0).out)["id"]

    common = os.path.commonprefix([job.id, other.id])
    for word in ("only one", job.id, job.id[:len(common) + 1], job.id[2:len(common) + 1]):
        eq(shown(word), job.id)
    done = leat(t, "show", common, env=at(server)).exits(2)
    done.says(f"'{common}' may mean several jobs", job.id, other.id)
    leat(t, "show", "twins", env=at(server)).exits(2).says("may mean several jobs", other.id)
    for word in ("nobody", "", "j_zzz", "a/b?c&d"):
        leat(t, "show", word, env=at(server)).exits(2).says("leat show: there is no job '", "leat ls")
    leat(t, "show", "j_" + "0" * 26, env=at(server)).exits(2).says("leat show: ", "'leat ls' lists")


def test_jobs_are_paused_resumed_closed_and_cancelled(t):
    first, second = t.job(["pass"]), t.job(["pass"])
    done = leat(t, "pause", first.id, second.id, env=shared(t)).exits(0)
    eq(done.lines(), [f"{first.id} paused", f"{second.id} paused"])
    eq(first.get()["state"], "paused")
    leat(t, "resume", first.id, env=shared(t)).exits(0)
    eq((first.get()["state"], second.get()["state"]), ("running", "paused"))
    leat(t, "close", first.id, env=shared(t)).exits(0)
    first.wait_done()
    got = json.loads(leat(t, "cancel", second.id, "--json", env=shared(t)).exits(0).out)
    eq((got["id"], got["state"]), (second.id, "cancelled"))
    leat(t, "pause", second.id, env=shared(t)).exits(1).says("leat pause: ")


def test_one_job_that_is_not_there_does_not_keep_the_others_from_it(t):
    job = t.job(["pass"])
    done = leat(t, "pause", "nobody", job.id, env=shared(t)).exits(2)
    done.says("there is no job 'nobody'")
    eq(done.lines(), [f"{job.id} paused"])


def test_rm_takes_a_job_that_works_only_by_force(t):
    server = t.server()
    api = t.client(server)
    job, ended = t.job(["pass"], api=api), t.job(["pass"], api=api)
    leat(t, "rm", job.id, env=at(server)).exits(1).says("is running", "--force")
    eq(job.get()["state"], "running")
    ended.must("close")
    ended.wait_done()
    eq(leat(t, "rm", ended.id, env=at(server)).exits(0).lines(), [f"{ended.id} removed"])
    leat(t, "rm", "--force", job.id, env=at(server)).exits(0)
    eq([api.get(j.path).status for j in (job, ended)], [404, 404])


def test_scale_changes_workers_while_it_runs(t):
    job = t.job([{"use": "sleep", "workers": 2, "params": {"ms": 1}}, "pass"])
    done = leat(t, "scale", job.id, "sleep=7", "pass=3", env=shared(t)).exits(0)
    eq(done.lines(), ["sleep=7", "pass=3"])
    eq([s["workers"] for s in job.get()["stages"]], [7, 3])
    leat(t, "scale", job.id, "slep=3", env=shared(t)).exits(2).says(
        "/stages/slep", "did you mean 'sleep'?")
    leat(t, "scale", job.id, "sleep=0", env=shared(t)).exits(2).says("/stages/sleep/workers")
    for word in ("sleep", "sleep=", "=3", "sleep=many"):
        leat(t, "scale", job.id, word, env=shared(t)).exits(2).says("write STAGE=N")
    leat(t, "scale", job.id, env=shared(t)).exits(2).says("which STAGE=N?")
    eq([s["workers"] for s in job.get()["stages"]], [7, 3])


def test_retry_runs_failed_items_again(t):
    job = t.job([{"use": "fail", "params": {"every": 2}, "retry": {"attempts": 1}}])
    job.send(list(range(10)), close=True)
    job.wait_done()
    failed = [failure["item"] for failure in job.failures()]
    eq(len(failed), 5)
    done = leat(t, "retry", job.id, failed[0], failed[1], env=shared(t)).exits(0)
    eq(done.lines(), ["2 failures run again"])
    job.wait_done()
    left = len(job.failures())
    ok(left >= 3, "the others have failed still")
    got = json.loads(leat(t, "retry", job.id, "--json", env=shared(t)).exits(0).out)
    eq((got["id"], got["retried"]), (job.id, left))
    leat(t, "retry", job.id, "first", env=shared(t)).exits(2).says("is not the number of an item")


def test_a_word_is_missing(t):
    for name in NAMES[1:]:
        done = leat(t, name, env=shared(t)).exits(2).says(f"leat {name}: which JOB", "--help")
        eq(done.out, b"")


def test_without_a_server_it_says_where_it_looked(t):
    address = f"http://127.0.0.1:{closed_port()}"
    for name in NAMES:
        words = {"ls": [], "scale": ["x", "y=1"]}.get(name, ["x"])
        leat(t, name, *words, env={"LEAT_SERVER": address}).exits(1).says(
            f"leat {name}: no server answers at {address}", "--server or LEAT_SERVER")


def test_flags_go_before_the_environment(t):
    job = t.job(["pass"])
    dead = {"LEAT_SERVER": f"http://127.0.0.1:{closed_port()}"}
    leat(t, "show", job.id, "--server", url(t.api.server), env=dead).exits(0)


def test_a_token_is_sent_as_a_bearer_and_never_said(t):
    server = impostor(t, 401, "text/plain", "no")
    for line, env in ((["--token", "geheim"], {}), ([], {"LEAT_TOKEN": "geheim"})):
        done = leat(t, "ls", *line, env=at(server, **env)).exits(2).says("--token or LEAT_TOKEN")
        ok("geheim" not in done.err, done.err)
        eq(server.seen[-1][2]["Authorization"], "Bearer geheim")
    leat(t, "ls", env=at(server)).exits(2)
    ok("Authorization" not in server.seen[-1][2], server.seen[-1])


def test_what_is_no_leat_server_is_said(t):
    for status, kind, body, text in (
            (404, "text/html", "<h1>no</h1>", "answers 404 without a reason; is that a leat server?"),
            (200, "text/html", "<h1>hello</h1>", "is not JSON; is that a leat server?"),
            (500, "application/problem+json", "{", "answers 500 without a reason")):
        leat(t, "show", "x", env=at(impostor(t, status, kind, body))).says(text)


def test_what_does_not_speak_http_is_said(t):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"220 mail ready\r\n")
        thread = threading.Thread(target=answer)
        thread.start()
        leat(t, "ls", "--server", f"127.0.0.1:{server.getsockname()[1]}").says("leat ls: ")
        thread.join()


def hostile_job():
    return {"id": "j_" + "1" * 26, "name": HOSTILE, "labels": {HOSTILE: HOSTILE}, "state": "failed",
            "done": True, "created_at": "2026-11-22T16:09:00.123Z", "progress": 0.5,
            "input": {"received": 10}, "counts": {"total": 10, "failed": 1},
            "error": {"detail": HOSTILE}, "stalled": HOSTILE, "report": {"x": HOSTILE},
            "stages": [{"name": HOSTILE, "workers": 2, "busy": 1}]}


def seen_on_a_terminal(t, server, *args):
    """What a terminal is sent by a command that ends by itself."""
    ours, theirs = terminal(t)
    process = start(t, *args, "--server", url(server), stdin=subprocess.DEVNULL, stdout=theirs)
    os.close(theirs)
    text = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    process.wait(20 * t.slow)
    return text.decode()


def without_style(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_texts_of_others_cannot_command_a_terminal(t):
    listed = impostor(t, 200, "application/json", json.dumps({"items": [hostile_job()]}))
    shown = impostor(t, 200, "application/json", json.dumps(hostile_job()))
    refused = impostor(t, 422, "application/problem+json", json.dumps(
        {"type": "/problems/x", "title": HOSTILE, "errors": [{"pointer": HOSTILE, "detail": HOSTILE}]}))
    for server, args in ((listed, ["ls"]), (shown, ["show", "j_" + "1" * 26]),
                         (listed, ["ls", "--json"]), (shown, ["show", "--json", "j_" + "1" * 26])):
        text = without_style(seen_on_a_terminal(t, server, *args))
        bad = [c for c in text if c in "\x1b\x07\u202e\u009b"]
        eq(bad, [], f"{args} sends {text!r}")
        ok("red" in text, text)
    done = leat(t, "show", "j_" + "1" * 26, env=at(refused)).exits(2)
    eq([c for c in done.err if c in "\x1b\x07\u202e\u009b"], [], done.err)
    ok(r"\x1b[31mred\x07\u{202e}back" in done.err, done.err)


def test_a_reply_that_lacks_everything_is_drawn_all_the_same(t):
    for job in ({}, {"counts": 7, "stages": [{}, 3, None]}, {"stages": {"a": 1}, "labels": []}):
        leat(t, "show", "j_" + "1" * 26,
             env=at(impostor(t, 200, "application/json", json.dumps(job)))).exits(0)


def test_stages_of_a_server(t):
    for words_ in ([], ["sha256"]):
        here = leat(t, "stages", *words_).exits(0)
        there = leat(t, "stages", *words_, "--server", url(t.api.server)).exits(0)
        ok(set(here.lines()) <= set(there.lines()), there.lines())
    ok(any(line.startswith("gate ") for line in
           leat(t, "stages", "--server", url(t.api.server)).exits(0).lines()), "its modules, too")
    eq(json.loads(leat(t, "stages", "--json", "--server", url(t.api.server)).exits(0).out),
       t.api.get("/v1/stages").json()["items"])
    leat(t, "stages", "sha265", "--server", url(t.api.server)).exits(2).says(
        "leat stages: ", "did you mean 'sha256'?")
    text = seen_on_a_terminal(t, impostor(t, 200, "application/json", json.dumps(
        {"items": [{"name": HOSTILE, "summary": HOSTILE}]})), "stages")
    eq([c for c in text if c in "\x1b\x07\u202e\u009b"], [], text)
