"""leat watch: a job on the screen, and in a log."""

from screen import *


def working_job(t, count=50, **more):
    """It has results of `count` items, and waits for more."""
    job = t.job([{"use": "sleep", "workers": 8, "params": {"ms": 1}}, "pass"], **more)
    job.send(list(range(count)))
    job.wait(lambda j: j["counts"]["succeeded"] == count, what="all are worked on")
    return job


def test_a_job_is_drawn_and_drawn_again(t):
    job = working_job(t, name="drawn")
    shown = Shown(t, ["watch", job.id], shared(t))
    shown.shows("drawn", job.id, "running", "50 of 50 so far", "50 succeeded", "sleep", "pass",
                "0/8", "WORKERS", "BUSY", "QUEUE", "q ends this view")
    ok(shown.screen.alternate and not shown.screen.cursor_shown, "it has the whole screen")
    ok("░" in shown.screen.text(), "bars of blocks")
    job.send(list(range(25)))
    shown.shows("75 of 75 so far")
    job.workers("sleep", 33)
    shown.shows("0/33")
    job.must("pause")
    shown.shows("paused")
    shown.type(b"xyq")
    shown.ends(0)
    ok("75 succeeded" in shown.screen.text(), "the last picture stays")


def test_it_ends_with_the_job_and_its_exit_code(t):
    job = working_job(t)
    shown = Shown(t, ["watch", job.id], shared(t))
    shown.shows("50 of 50 so far")
    job.must("close")
    shown.ends(0)
    for text in ("succeeded", "100.0 %", "50 of 50"):
        ok(text in shown.screen.text(), shown.screen.text())
    failing = t.job([{"use": "fail", "params": {"every": 2}}])
    shown = Shown(t, ["watch", failing.id], shared(t))
    shown.shows("0 of 0 so far")
    failing.send([1, 2, 3, 4], close=True)
    shown.ends(1)
    ok("2 of 4 items failed" in shown.screen.text(), shown.screen.text())


def test_ctrl_c_gives_the_terminal_back(t):
    job = working_job(t)
    for end, code in ((lambda shown: shown.type(b"\x03"), 130),
                      (lambda shown: shown.process.terminate(), 143)):
        shown = Shown(t, ["watch", job.id], shared(t))
        shown.shows("q ends this view")
        end(shown)
        shown.ends(code)


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(t):
    job = working_job(t)
    shown = Shown(t, ["watch", job.id], shared(t))
    shown.shows("q ends this view")
    shown.process.send_signal(signal.SIGTSTP)
    shown.until(lambda screen: not screen.alternate, "the ordinary screen is back")
    until(lambda: proc.status(shown.process.pid)["State"].startswith("T"), 10 * t.slow, "it is stopped")
    eq(termios.tcgetattr(shown.theirs), shown.before, "the terminal's modes")
    shown.process.send_signal(signal.SIGCONT)
    shown.until(lambda screen: screen.alternate, "it is drawn again")
    shown.type(b"q")
    shown.ends(0)


def test_the_picture_fits_every_size(t):
    stages = [{"use": "pass", "name": f"stage-{n}-with-a-long-name"} for n in range(12)]
    job = t.job(stages, name="n" * 150)
    shown = Shown(t, ["watch", job.id], shared(t), 90, 30)
    shown.shows("stage-11", "q ends this view")
    for columns, rows in ((40, 8), (200, 50), (20, 3), (1, 1), (80, 24)):
        shown.resize(columns, rows)
        mark = f"mark-{columns}"
        job.patch({"labels": {"a": mark}})
        if columns >= 40:
            shown.shows(mark, "q ends this view")
        shown.until(lambda screen: screen.fits(columns, rows), "it is drawn for the new size")
        shown.screen.columns, shown.screen.rows = columns, rows
        shown.resize(columns, rows)
        shown.process.send_signal(signal.SIGWINCH)
        shown.read(0.2)
    shown.shows("stage-3", "q ends this view")
    shown.type(b"q")
    shown.until(lambda screen: not screen.alternate, "the ordinary screen is back")


def test_a_server_that_goes_away_is_waited_for(t):
    server = steady(t)
    api = t.client(server)
    job = t.job(["pass"], api=api, name="lasting")
    job.send([1, 2, 3])
    shown = Shown(t, ["watch", job.id], at(server))
    shown.shows("3 of 3 so far", "q ends this view")
    api.close()
    server.kill()
    shown.shows("lasting", "trying again")
    server.start()
    shown.shows("3 of 3 so far", "q ends this view")
    Job(t.client(server), job.id).must("close")
    shown.ends(0)


def test_a_job_that_is_removed_ends_it(t):
    server = t.server()
    job = t.job(["pass"], api=t.client(server))
    shown = Shown(t, ["watch", job.id], at(server))
    shown.shows("q ends this view")
    job.delete()
    shown.ends(2)
    ok("leat watch: " in shown.screen.text(), shown.screen.text())


def test_all_jobs_are_shown_without_a_word(t):
    server = t.server()
    api = t.client(server)
    t.job(["pass"], api=api, name="eins")
    shown = Shown(t, ["watch"], at(server), 120, 10)
    shown.shows("eins", "NAME")
    for number in range(20):
        t.job(["pass"], api=api, name=f"job-{number}")
    shown.shows("job-19", "q ends this view")
    shown.until(lambda screen: len(screen.lines()) == 10, "the picture is whole")
    shown.type(b"q")
    shown.ends(0)


def test_hostile_names_are_only_text(t):
    hostile = "a\u001b[2Jb\u009bc\u202ed\u0007e"
    job = {"id": "j_" + "1" * 26, "name": hostile, "state": hostile, "version": 1,
           "counts": {"total": None}, "stages": [{"name": hostile, "workers": 1}],
           "labels": {hostile: hostile}, "stalled": hostile, "error": {"detail": hostile}}
    shown = Shown(t, ["watch", job["id"]], at(impostor(t, 200, "application/json", json.dumps(job))))
    shown.shows(r"a\x1b[2Jb\x9bc\u{202e}d\x07e", "q ends this view")
    shown.type(b"q")
    shown.ends(0)


def test_where_there_are_no_blocks_and_no_colours_there_are_none(t):
    job = working_job(t)
    shown = Shown(t, ["watch", job.id], {**shared(t), "LC_ALL": "C", "NO_COLOR": "1"})
    shown.shows("..........", "q ends this view")
    ok(all(ord(c) < 128 or c == "µ" for c in shown.screen.text()), shown.screen.text())
    shown.type(b"q")
    shown.ends(0)
    shown = Shown(t, ["watch", job.id], {**shared(t), "TERM": "dumb"})
    shown.until(lambda screen: "running" in screen.text(), "a line")
    ok(not shown.screen.alternate, "no whole screen where the terminal cannot do it")
    shown.process.terminate()
    shown.ends(143)


def test_without_a_terminal_it_writes_lines(t):
    job = working_job(t)
    process = start(t, "watch", job.id, "--server", url(t.api.server), stdin=subprocess.DEVNULL)
    first = read_line(t, process.stdout, 20)
    ok(first.startswith("running  50 of 50 so far"), first)
    job.must("close")
    ends(t, process, 0, 20)
    rest = process.stdout.read().decode().splitlines()
    eq(rest[-1], "succeeded  100.0 %  50 of 50")
    ok("\x1b" not in first + "".join(rest), rest)
    done = leat(t, "watch", "--json", job.id, env=shared(t)).exits(0)
    eq([value["state"] for value in done.values()], ["succeeded"])
    leat(t, "watch", "nobody", env=shared(t)).exits(2).says("there is no job 'nobody'")
