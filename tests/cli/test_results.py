"""leat results and leat failures: what came out of a job, each line once."""

from remote import *


def lines(values):
    return "".join(json.dumps(value) + "\n" for value in values)


def results(t, *args, env=None, **more):
    return leat(t, "results", *args, env=env or shared(t), **more)


def done_job(t, values, stages=("pass",), **more):
    job = t.job(list(stages), order="input", **more)
    job.send(values, close=True)
    job.wait_done()
    return job


def test_results_come_byte_for_byte(t):
    text = b'{"a": 1}\n[ 1,2 ]\n"\xc3\xa9 \xe2\x80\xae ,\\"value\\":"\n12.50\nnull\n{"value":{"cursor":"x"}}\n'
    job = done_job(t, text)
    eq(results(t, job.id).exits(0).out, text)
    eq(results(t, "-f", job.id).exits(0).out, text)


def test_pages_by_limit_and_cursor(t):
    job = done_job(t, items.numbers(10))
    first = results(t, job.id, "--limit", 4, "--envelope").exits(0).values()
    eq([(line["item"], line["value"]) for line in first], [(n, {"n": n}) for n in range(4)])
    rest = results(t, job.id, "--after", first[-1]["cursor"]).exits(0).values()
    eq(rest, items.numbers(6, 4))
    eq(results(t, "-f", job.id, "--limit=3").exits(0).values(), items.numbers(3))
    results(t, job.id, "--after", "nonsense").exits(2).says("leat results: ", "nonsense")
    for limit in ("0", "-1", "many"):
        results(t, job.id, f"--limit={limit}").exits(2).says("--limit: ")


def test_without_f_it_ends_though_the_job_does_not(t):
    job = t.job(["pass"])
    job.send([1, 2])
    job.wait(lambda j: j["counts"]["results"] == 2, what="two results")
    same_multiset(results(t, job.id).exits(0).values(), [1, 2])
    eq(results(t, t.job(["pass"]).id).exits(0).out, b"")


def test_f_writes_lines_as_they_come_and_ends_with_the_job(t):
    job = t.job(["pass"])
    process = start(t, "results", "-f", job.id, "--server", url(t.api.server))
    for number in range(3):
        job.send([number])
        eq(json.loads(read_line(t, process.stdout, 20)), number)
    job.must("close")
    ends(t, process, 0, 20)
    eq((process.stdout.read(), process.stderr.read()), (b"", b""))


def test_f_exits_1_when_items_or_the_job_failed(t):
    job = done_job(t, [1, 2, 3, 4], [{"use": "fail", "params": {"every": 2}}])
    done = results(t, "-f", job.id).exits(1).says("2 of 4 items failed", "leat failures")
    eq(len(done.lines()), 2)
    results(t, job.id).exits(0)
    job = t.job(["pass"])
    job.must("cancel")
    results(t, "-f", job.id).exits(1).says(f"the job {job.id} cancelled")


def test_failures_are_told_for_people_and_programs(t):
    job = done_job(t, [{"text": "a"}, {"no": 1}, 7], [{"use": "sha256", "params": {"field": "text"}}])
    done = leat(t, "failures", job.id, env=shared(t)).exits(0)
    eq([line.split(":")[0] for line in done.lines()],
       [f"failed item {n} at sha256 after 1 attempt" for n in (1, 2)])
    got = leat(t, "failures", job.id, "--json", env=shared(t)).exits(0).values()
    eq(got, job.failures())
    eq(leat(t, "failures", "-f", job.id, "--limit=1", "--json", env=shared(t)).exits(0).values(),
       got[:1])


def test_who_reads_may_leave(t):
    job = done_job(t, [{"fill": "x" * 200}] * 5000)
    process = start(t, "results", job.id, "--server", url(t.api.server))
    read_line(t, process.stdout, 20)
    process.stdout.close()
    process.stdout = None
    ends(t, process, 141, 20)
    eq(process.stderr.read(), b"")


def test_a_full_disk_is_said(t):
    job = done_job(t, [1])
    with open("/dev/full", "wb") as full:
        process = start(t, "results", job.id, "--server", url(t.api.server), stdout=full)
        ends(t, process, 1, 20)
    ok(b"the output cannot be written: No space left" in process.stderr.read(), "why")


def test_ctrl_c_ends_it(t):
    job = t.job(["pass"])
    job.send([1])
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = start(t, "results", "-f", job.id, "--server", url(t.api.server))
        eq(read_line(t, process.stdout, 20), "1")
        process.send_signal(number)
        ends(t, process, code, 20)


def test_a_job_that_is_removed_meanwhile_is_said(t):
    server = t.server()
    api = t.client(server)
    job = t.job(["pass"], api=api)
    job.send([1])
    process = start(t, "results", "-f", job.id, "--server", url(server))
    eq(read_line(t, process.stdout, 20), "1")
    job.delete()
    ends(t, process, 2, 20)
    ok(b"leat results: " in process.stderr.read(), "why")


def test_what_is_no_result_is_said(t):
    for body in ('{"hello":1}\n', "7\n", '{"cursor":"a","item":1}\n'):
        server = impostor(t, 200, "application/x-ndjson", body)
        results(t, "j_" + "1" * 26, env=at(server)).exits(1).says("is that a leat server?")


@timeout(120)
def test_kill_9_while_results_are_followed_loses_and_doubles_nothing(t):
    server = steady(t)
    api = t.client(server)
    job = t.job([{"use": "sleep", "workers": 4, "params": {"ms": 1}}], api=api, order="input")
    process = start(t, "results", "-f", job.id, "--server", url(server))
    log = watch_stderr(t, process)
    seen = 0
    for how in ("kill", "stop", "kill", None):
        job.send(items.numbers(300, 300 * (seen // 300)), close=how is None)
        until_ = seen + (150 if how else 300)
        while seen < until_:
            eq(json.loads(read_line(t, process.stdout, 30)), {"n": seen})
            seen += 1
        if how:
            api.close()
            server.restart(how)
        while seen < until_ + (150 if how else 0):
            eq(json.loads(read_line(t, process.stdout, 30)), {"n": seen})
            seen += 1
    ends(t, process, 0, 60)
    eq(process.stdout.read(), b"")
    log.thread.join(5)
    eq(job.results(), items.numbers(seen))


def test_on_a_terminal_results_cannot_command_it(t):
    text = '{"x":"a\u009b31m\u202eb\u007fc\U000e0041d\u200b"}'
    job = done_job(t, (text + "\n").encode())
    ours, theirs = terminal(t)
    process = start(t, "results", job.id, "--server", url(t.api.server), stdin=subprocess.DEVNULL,
                    stdout=theirs)
    os.close(theirs)
    got = b""
    while not got.endswith(b"\n"):
        got += os.read(ours, 4096)
    ends(t, process, 0, 20)
    eq(got.decode().strip(), r'{"x":"a\u009b31m\u202eb\u007fc\udb40\udc41d\u200b"}')
    eq(json.loads(got.decode()), json.loads(text))
