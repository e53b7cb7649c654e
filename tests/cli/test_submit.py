"""leat submit: a pipeline and items made a job on a server, whatever happens on the way."""

import gzip
import hashlib

from remote import *


def lines(values):
    return "".join(json.dumps(value) + "\n" for value in values)


def submit(t, *args, env=None, **more):
    return leat(t, "submit", *args, env=env or shared(t), **more)


def job_of(t, done, api=None):
    """The job whose id the command wrote."""
    eq(len(done.lines()), 1, f"lines on stdout: {done.lines()}")
    return t.adopt(done.lines()[0]) if api is None else Job(api, done.lines()[0])


def test_it_writes_the_id_of_a_job_that_has_all_items(t):
    values = items.texts(500)
    path = file(t, "in.ndjson", lines(values))
    done = submit(t, "sha256:4", "--set", "sha256.field=text", "--name", "mine",
                  "--label", "a=b", "--label=c=d=e", path).exits(0)
    eq(done.err, "")
    job = job_of(t, done)
    got = job.wait_done()
    eq((got["name"], got["labels"]), ("mine", {"a": "b", "c": "d=e"}))
    eq((got["input"]["state"], got["input"]["received"]), ("closed", 500))
    eq(got["stages"][0]["workers"], 4)
    same_multiset(job.results(), [
        {**v, "sha256": hashlib.sha256(v["text"].encode()).hexdigest()} for v in values])


def test_items_come_from_files_and_standard_input_in_turn(t):
    a, b = file(t, "a.ndjson", "1\n2"), file(t, "b.json", "[3, 4,\n 5]")
    gz = file(t, "c.ndjson.gz", gzip.compress(b"6\n7\n"))
    empty = file(t, "empty.ndjson", "")
    done = submit(t, "pass", "--order", "input", "--results", a, empty, b, gz, "-", stdin="8\n\n9")
    eq(done.exits(0).values(), list(range(1, 10)))


def test_without_a_file_standard_input_is_read(t):
    for args in ([], ["-"]):
        eq(submit(t, "pass", "--order=input", "-r", *args, stdin="1\n2\n3").exits(0).values(),
           [1, 2, 3])
    eq(submit(t, "pass", "-r", "--array", "--order=input", stdin="[1,\n2, [3]]").exits(0).values(),
       [1, 2, [3]])
    done = submit(t, "pass", "--results", stdin="").exits(0)
    eq((done.out, done.err), (b"", ""))


def test_a_dash_for_the_pipeline_reads_it_from_standard_input_too(t):
    definition = '{"stages":[{"use":"pick","params":{"fields":["id"]}}],"order":"input"}'
    items_text = lines({"id": i, "x": 1} for i in range(20))
    want = [{"id": i} for i in range(20)]
    for first in (definition + "\n", definition + "\r\n"):
        eq(submit(t, "-", "-r", stdin=first + items_text).exits(0).values(), want)
    path = file(t, "in.ndjson", items_text)
    pretty = json.dumps(json.loads(definition), indent=2)
    eq(submit(t, "-", path, "-r", stdin=pretty).exits(0).values(), want)
    eq(submit(t, "-", "-r", stdin="pass").exits(0).values(), [])
    submit(t, "-", stdin="").exits(2).says("the pipeline on standard input: there is none")
    submit(t, "-", "-", stdin="pass\n1\n").exits(2).says("can be read only once")
    # A line number is that of an item's line: the pipeline's own does not count.
    done = submit(t, "-", stdin="pass\n1\nx\n").exits(2).says("standard input: ", "line 2: ")
    t.adopt(done.lines()[0])


def test_a_definition_is_a_file_or_stands_in_the_line_and_set_adds_to_it(t):
    definition = {"stages": [{"use": "sleep"}, {"use": "pass"}], "order": "input"}
    path = file(t, "job.json", json.dumps(definition))
    for pipeline in (path, json.dumps(definition)):
        job = job_of(t, submit(t, pipeline, "--set", "sleep.ms=1", "--set=workers.sleep=9",
                               "--set", "queue.pass=77", "--order=none", stdin="1\n").exits(0))
        got = job.wait_done()
        eq((got["order"], got["stages"][0]["workers"], got["stages"][1]["queue"]["max_items"]),
           ("none", 9, 77))


def test_a_source_needs_no_items(t):
    done = submit(t, "range,pass", "--set", "range.to=5", "--results", "--order=input")
    eq(done.exits(0).values(), [0, 1, 2, 3, 4])
    before = t.api.jobs(limit=1)["items"][0]["id"]
    submit(t, "range", "--set", "range.to=5", file(t, "a.ndjson", "1\n")).exits(2).says(
        "begins with the source 'range'", "takes no FILE")
    eq(t.api.jobs(limit=1)["items"][0]["id"], before, "no job was made")


def test_a_sink_writes_its_report(t):
    done = submit(t, "aggregate", "--set", "aggregate.field=n", "-r", stdin=lines(items.numbers(10)))
    report = done.exits(0).values()
    eq(len(report), 1)
    here = leat(t, "run", "aggregate", "--set", "aggregate.field=n", stdin=lines(items.numbers(10)))
    eq(report, here.exits(0).values())


def test_follow_waits_for_the_end_and_says_what_failed(t):
    text = lines([{"text": "a"}, {"no": 1}, {"text": "b"}])
    done = submit(t, "sha256", "--set", "sha256.field=text", "--follow", stdin=text).exits(1)
    job = job_of(t, done)
    done.says("1 of 3 items failed", f"leat failures {job.id}")
    done = leat(t, "failures", job.id, env=shared(t)).exits(0)
    eq(done.out.decode(), "failed item 1 at sha256 after 1 attempt: no string field 'text'\n")
    failure = leat(t, "failures", "--json", job.id, env=shared(t)).exits(0).values()
    eq([(f["item"], f["input"]) for f in failure], [(1, {"no": 1})])
    got = json.loads(submit(t, "pass", "-f", "--json", stdin="1\n").exits(0).out)
    eq((got["state"], got["counts"]["succeeded"]), ("succeeded", 1))
    t.adopt(got["id"])


def test_a_job_that_fails_exits_1_with_its_reason(t):
    definition = {"stages": [{"use": "fail", "params": {"every": 1}}], "limits": {"max_failures": 2}}
    done = submit(t, json.dumps(definition), "--follow", stdin=lines(range(50)))
    done.exits(1).says("failed: ")
    eq(job_of(t, done).get()["state"], "failed")


def test_rm_leaves_nothing_behind(t):
    before = {job["id"] for job in t.api.jobs(limit=1000)["items"]}
    name = f"rm-{os.getpid()}"
    eq(submit(t, "pass", "--name", name, "-r", "--rm", stdin="1\n").exits(0).values(), [1])
    eq([job for job in t.api.jobs(name=name)["items"] if job["id"] not in before], [])


def test_an_open_job_takes_more_later(t):
    job = job_of(t, submit(t, "pass", "--keep-open", "--order=input", stdin="1\n2\n").exits(0))
    eq(job.get()["input"], {"state": "open", "received": 2, "bytes": 2})
    done = submit(t, "--job", job.id, "--key", "k", "--keep-open", stdin="3\n4\n").exits(0)
    eq(done.out, b"")
    # The same key and the same input, now with more behind it: only that is new.
    eq(submit(t, "--job", job.id, "--key", "k", "-r", stdin="3\n4\n5\n").exits(0).values(),
       [1, 2, 3, 4, 5])
    submit(t, "--job", job.id, stdin="6\n").exits(1).says("input is closed", "submit a new job")
    submit(t, "--job", "nobody", stdin="6\n").exits(2).says("there is no job 'nobody'")


def test_a_wrong_pipeline_names_every_mistake_and_makes_nothing(t):
    before = t.api.jobs(limit=1)["items"]
    definition = '{"stages":[{"use":"sha265"},{"use":"pick","worker":3}]}'
    done = submit(t, definition, stdin="1\n").exits(2)
    done.says("leat submit: ", "/stages/0/use: there is no stage 'sha265'; did you mean 'sha256'?",
              "/stages/1/worker: ", "/stages/1/params/fields")
    submit(t, "pass:0").exits(2).says("leat submit: ")
    submit(t, "pass", "--set", "workers.nobody=3").exits(2).says("workers.nobody")
    submit(t, "pass", "--set", "ms=3").exits(2).says("ms=3: write STAGE.PARAM=VALUE")
    submit(t, "pass", "--order", "sideways").exits(2).says("/order")
    submit(t, file(t, "broken.json", '{"stages":\n [}')).exits(2).says("broken.json: line 2, column 3")
    submit(t, "/nowhere/job.json").exits(2).says("/nowhere/job.json cannot be read")
    submit(t, "pass", "/nowhere/a.ndjson").exits(2).says("/nowhere/a.ndjson cannot be read")
    submit(t, "pass", folder(t)).exits(2).says("is a folder")
    eq(t.api.jobs(limit=1)["items"], before)


def test_words_that_do_not_go_together_are_refused(t):
    for args, text in (
            ([], "which PIPELINE?"),
            (["pass", "--keep-open", "--follow"], "--keep-open goes with neither"),
            (["pass", "--results", "--json"], "one of them"),
            (["pass", "--rm"], "add --follow or --results"),
            (["pass", "-", "-"], "only once"),
            (["pass", "--label", "nothing"], "write KEY=VALUE"),
            (["pass", "--key", "a b"], "no blanks"),
            (["pass", "--key", ""], "1 to 200 bytes"),
            (["pass", "--retry-for", "soon"], "--retry-for: 'soon' is not a time"),
            (["--job", "x", "--name", "y"], "are for a job that is made"),
            (["pass", "--name", b"\xff"], "UTF-8")):
        words_ = [word.decode("utf-8", "surrogateescape") if isinstance(word, bytes) else word
                  for word in args]
        done = submit(t, *words_).exits(2).says("leat submit: ", text)
        eq(done.out, b"")


def test_a_line_that_is_no_json_ends_it_and_says_how_to_go_on(t):
    path = file(t, "in.ndjson", '{"a":1}\n\n{"a":2}\nx\n{"a":3}\n')
    done = submit(t, "pass", "--order=input", path).exits(2)
    job = job_of(t, done)
    done.says(f"{path}: An item is not valid JSON", "line 4: ", f"leat submit --job {job.id} --key ")
    eq(job.get()["input"]["received"], 2)
    key = re.search(r"--key (\S+)", done.err).group(1)
    with open(path, "wb") as out:
        out.write(b'{"a":1}\n\n{"a":2}\n7\n{"a":3}\n')
    eq(submit(t, "--job", job.id, "--key", key, "-r", path).exits(0).values(),
       [{"a": 1}, {"a": 2}, 7, {"a": 3}])


def test_lines_that_are_no_json_can_be_passed_over(t):
    done = submit(t, "pass", "--order=input", "--skip-invalid", "-r", stdin="1\nx\n2\n[\n3\n").exits(0)
    eq(done.values(), [1, 2, 3])
    done.says("standard input: line 2: ", "standard input: line 4: ", "passed over")


def test_rows_of_csv_are_items_and_what_is_missing_is_sent_again(t):
    path = file(t, "rows.csv", "a;b\n1;x\n2;y;z\n")
    done = submit(t, "pass", "--delimiter=semicolon", "--infer", path).exits(2)
    done.says("line 3: 3 fields where there are 2 columns")
    job = job_of(t, done)
    key = re.search(r"--key (\S+)", done.err).group(1)
    path = file(t, "rows.csv", "a;b\n1;x\n2;y\n;\n")
    eq(submit(t, "--job", job.id, "--key", key, "--delimiter=semicolon", "--infer", "-r", path).exits(0).values(),
       [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}, {"a": None, "b": None}])
    eq(submit(t, "pass", "--csv", "-r", stdin="a\n1\n").exits(0).values(), [{"a": "1"}])
    packed = os.path.join(os.path.dirname(path), "more.csv.gz")
    with gzip.open(packed, "wb") as out:
        out.write(b"a\n1\n")
    eq(submit(t, "pass", "-r", packed).exits(0).values(), [{"a": "1"}])


def test_line_numbers_are_those_of_the_whole_input(t):
    """Beyond the first chunk, and behind a line that is longer than one."""
    text = b'"' + b"x" * 700_000 + b'"\n'
    done = submit(t, "pass", stdin=text * 9 + b"nonsense\n").exits(2).says("line 10: ")
    job = job_of(t, done)
    eq(job.get()["input"]["received"], 9)
    done = submit(t, "pass", stdin=b"1\n" + b'"' + b"y" * (5 << 20) + b'"\n').exits(2)
    done.says("line 2: ", "1048576 bytes")
    job_of(t, done)


def test_a_slow_stream_is_sent_as_it_comes_and_its_results_are_too(t):
    process = start(t, "submit", "pass", "--results", "--order=input", "--server", url(t.api.server))
    for number in range(3):
        process.stdin.write(b"%d\n" % number)
        process.stdin.flush()
        eq(json.loads(read_line(t, process.stdout, 20)), number)
    process.stdin.write(b"3")
    process.stdin.close()
    process.stdin = None
    eq(json.loads(read_line(t, process.stdout, 20)), 3)
    ends(t, process, 0, 20)


def test_without_a_server_nothing_is_read(t):
    submit(t, "pass", env={"LEAT_SERVER": f"http://127.0.0.1:{closed_port()}"}).exits(1).says(
        "leat submit: no server answers at ")


# -- the end before the end --------------------------------------------------------------


def test_ctrl_c_says_what_is_stored_and_how_to_go_on(t):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        process = start(t, "submit", "pass", "--order=input", "--server", url(t.api.server))
        job = t.adopt(read_line(t, process.stdout, 20))
        process.stdin.write(b"1\n2\n")
        process.stdin.flush()
        job.wait(lambda j: j["input"]["received"] == 2, what="two items are stored")
        process.send_signal(number)
        ends(t, process, code, 20)
        said = process.stderr.read().decode()
        key = re.search(rf"leat submit --job {job.id} --key (\S+)", said).group(1)
        eq(submit(t, "--job", job.id, "--key", key, "-r", stdin="1\n2\n3\n").exits(0).values(),
           [1, 2, 3])


def test_who_reads_results_may_leave(t):
    process = start(t, "submit", "pass", "--results", "--server", url(t.api.server))
    process.stdin.write(b"1\n")
    process.stdin.flush()
    eq(read_line(t, process.stdout, 20), "1")
    process.stdout.close()
    process.stdout = None
    process.stdin.write(b"2\n")
    process.stdin.flush()
    ends(t, process, 141, 20)
    t.adopt(re.search(r"--job (\S+)", process.stderr.read().decode()).group(1))


# -- servers that go away ----------------------------------------------------------------


def feed_through_kills(t, server, process, count, kills, api):
    """Writes numbers to the process; after some of them are stored the server is killed, more
    is written, and it is started again. Answers the job's id."""
    job_id = read_line(t, process.stdout, 20)
    log = watch_stderr(t, process)
    step = count // (kills + 1)
    at = 0
    for kill in range(kills + 1):
        stop = count if kill == kills else at + step
        half = (at + stop) // 2
        process.stdin.write(lines({"n": n} for n in range(at, half)).encode())
        process.stdin.flush()
        if kill < kills:
            until(lambda: received(api, job_id) > at, 30 * t.slow, "something is stored")
            api.close()
            server.kill()
        process.stdin.write(lines({"n": n} for n in range(half, stop)).encode())
        process.stdin.flush()
        if kill < kills:
            log.wait(r"trying again", 30 * t.slow)
            server.start()
        at = stop
    process.stdin.close()
    process.stdin = None
    return job_id


@timeout(120)
def test_kill_9_in_the_middle_of_a_stream_loses_and_doubles_nothing(t):
    server = steady(t)
    api = t.client(server)
    process = start(t, "submit", "pass", "--order=input", "--server", url(server))
    job_id = feed_through_kills(t, server, process, 3000, 2, api)
    ends(t, process, 0, 60)
    job = Job(api, job_id)
    job.wait_done()
    eq(job.results(), [{"n": n} for n in range(3000)])


@timeout(120)
def test_kill_9_while_files_wait_for_room_loses_and_doubles_nothing(t):
    server = steady(t)
    api = t.client(server)
    definition = {"stages": [{"use": "sleep", "workers": 4, "params": {"ms": 1},
                              "queue": {"items": 8, "bytes": 65536}}],
                  "order": "input", "backlog": {"bytes": 1}}
    values = [{"n": n, "fill": "x" * 300} for n in range(2500)]
    a = file(t, "a.ndjson", lines(values[:1500]))
    b = file(t, "b.ndjson.gz", gzip.compress(lines(values[1500:]).encode()))
    process = start(t, "submit", json.dumps(definition), a, b, "--server", url(server),
                    stdin=subprocess.DEVNULL)
    job_id = read_line(t, process.stdout, 20)
    log = watch_stderr(t, process)
    for share in (0.2, 0.8):
        until(lambda: received(api, job_id) >= share * len(values), 60 * t.slow, f"{share} of all")
        api.close()
        server.kill()
        if process.poll() is None:
            log.wait(r"trying again", 30 * t.slow)
        server.start()
    code = process.wait(60 * t.slow)
    ok(code == 0, f"exit {code}:\n{log.tail()}")
    job = Job(api, job_id)
    job.wait_done(timeout=60)
    eq(job.results(), values)


@timeout(120)
def test_results_and_items_go_on_together_after_a_drain_and_a_kill(t):
    server = steady(t)
    api = t.client(server)
    process = start(t, "submit", "pass", "--order=input", "--results", "--server", url(server))
    log = watch_stderr(t, process)
    written = []
    for how in ("stop", "kill", None):
        for _ in range(50):
            process.stdin.write(b"%d\n" % len(written))
            process.stdin.flush()
            eq(json.loads(read_line(t, process.stdout, 30)), len(written))
            written.append(how)
        if how:
            server.restart(how)
    process.stdin.close()
    process.stdin = None
    ends(t, process, 0, 60)
    eq(process.stdout.read(), b"")
    ok(log is not None and api is not None, "it was followed")


def test_patience_ends(t):
    server = steady(t)
    process = start(t, "submit", "pass", "--retry-for=300ms", "--server", url(server))
    job_id = read_line(t, process.stdout, 20)
    log = watch_stderr(t, process)
    server.kill()
    process.stdin.write(b"1\n")
    process.stdin.flush()
    ends(t, process, 1, 30)
    log.thread.join(5)
    text = log.tail()
    for words_ in ("trying again", "no server answers at", f"leat submit --job {job_id} --key"):
        ok(words_ in text, f"{words_!r} is not in:\n{text}")


@slow
@timeout(120)
def test_what_is_kept_of_a_stream_is_bounded(t):
    """A server that takes nothing: the client reads 4 MiB and a little, and no more."""
    server = t.server()
    api = t.client(server)
    definition = {"stages": [{"use": "sleep", "params": {"ms": 60000}}], "backlog": {"bytes": 1}}
    process = start(t, "submit", json.dumps(definition), "--server", url(server))
    job_id = read_line(t, process.stdout, 20)
    text = (b'"' + b"z" * 2000 + b'"\n') * 30
    os.set_blocking(process.stdin.fileno(), False)
    sent = idle = 0
    while sent < 256 << 20 and idle < 20:
        try:
            sent += os.write(process.stdin.fileno(), text[sent % len(text):])
            idle = 0
        except BlockingIOError:
            idle += 1
            time.sleep(0.05)
    ok(idle == 20, "the client stopped reading")
    within(sent, 1, 40 << 20, "bytes taken")
    if not t.settings.sanitizer:
        within(proc.peak_rss_kib(process.pid), 0, 60 << 10, "peak RSS in KiB")
    Job(api, job_id).delete()
    os.set_blocking(process.stdin.fileno(), True)
    ends(t, process, 2, 30)
