"""leat run: the engine between files, without a server."""

import hashlib

from line import *


def orders(count):
    return [{"id": i, "qty": i % 5, "text": f"text number {i}"} for i in range(count)]


def lines(values):
    return "".join(json.dumps(value) + "\n" for value in values)


def test_items_come_out_as_they_went_in(t):
    text = b'{"a": 1}\n[ 1,2 ]\n"x"\n12.50\nnull\n'
    eq(leat(t, "run", "pass", stdin=text).exits(0).out, text)


def test_nothing_in_nothing_out(t):
    for text in (b"", b"\n\n\n"):
        done = leat(t, "run", "pass", stdin=text).exits(0)
        eq((done.out, done.err), (b"", ""))


def test_the_last_line_needs_no_end(t):
    eq(leat(t, "run", "pass", stdin=b"1\r\n2").exits(0).out, b"1\n2\n")


def test_the_work_is_done(t):
    values = orders(1000)
    got = leat(t, "run", "sha256:8", "--set", "sha256.field=text", stdin=lines(values)).exits(0)
    eq(got.values(), [{**v, "sha256": hashlib.sha256(v["text"].encode()).hexdigest()}
                      for v in values])


def test_results_stand_in_the_order_of_the_input(t):
    values = list(range(500))
    for order in ([], ["--order", "input"]):
        got = leat(t, "run", "sleep:50", "--set", "sleep.ms=1", "--set", "sleep.jitter_ms=20",
                   *order, stdin=lines(values)).exits(0)
        eq(got.values(), values)
    got = leat(t, "run", "sleep:50", "--set", "sleep.ms=1", "--set", "sleep.jitter_ms=20",
               "--order=none", stdin=lines(values)).exits(0)
    same_multiset(got.values(), values)


def test_a_definition_may_be_a_file_or_stand_in_the_line(t):
    definition = '{"stages":[{"use":"pick","params":{"fields":["id"]}}]}'
    want = [{"id": i} for i in range(10)]
    eq(leat(t, "run", definition, stdin=lines(orders(10))).exits(0).values(), want)
    path = file(t, "job.json", definition)
    eq(leat(t, "run", path, stdin=lines(orders(10))).exits(0).values(), want)


def test_files_are_read_one_after_the_other(t):
    a, b, c = (file(t, "a.ndjson", "1\n2\n"), file(t, "empty.ndjson", ""),
               file(t, "c.json", "[3, 4,\n 5]"))
    eq(leat(t, "run", "pass", a, b, c, stdin=b"9\n").exits(0).values(), [1, 2, 3, 4, 5])
    eq(leat(t, "run", "pass", a, "-", stdin=b"9\n").exits(0).values(), [1, 2, 9])


def test_json_input_is_an_array_or_one_value(t):
    eq(leat(t, "run", "pass", "--json", stdin=b"[1,\n2, [3]]").exits(0).values(), [1, 2, [3]])
    eq(leat(t, "run", "pass", "--json", stdin=b'{\n"a":\n1}').exits(0).values(), [{"a": 1}])


def test_a_source_needs_no_input(t):
    done = leat(t, "run", "range", "--set", "range.to=10").exits(0)
    eq(done.values(), list(range(10)))
    leat(t, "run", "range", "--set", "range.to=10", file(t, "a.ndjson", "")).exits(2).says(
        "begins with the source 'range'")


def test_a_sink_prints_its_report(t):
    done = leat(t, "run", "range,aggregate", "--set", "range.from=1", "--set", "range.to=101",
                "--set", "aggregate.field=").exits(0)
    eq(len(done.lines()), 1)
    text = done.out.decode()
    for number in ("100", "5050"):
        ok(number in text, text)


def test_stages_that_filter_and_explode_change_the_number(t):
    values = [{"n": i, "parts": list(range(i % 4))} for i in range(200)]
    done = leat(t, "run", "filter,explode", "--set", "filter.pointer=/n", "--set", "filter.op=ge",
                "--set", "filter.value=100", "--set", "explode.field=parts", stdin=lines(values))
    done.exits(0)
    eq(done.values(), [p for v in values if v["n"] >= 100 for p in v["parts"]])


@timeout(120)
def test_a_hundred_thousand_items(t):
    values = lines({"id": i, "text": "x" * 150} for i in range(100_000)).encode()
    path = file(t, "many.ndjson", values)
    eq(leat(t, "run", "pass:2,pass", path, limit=60).exits(0).out, values)


# -- failures --------------------------------------------------------------------------


def test_failed_items_are_named_with_line_stage_attempts_and_reason(t):
    values = orders(5)
    del values[1]["text"]
    values[3]["text"] = 7
    text = lines(values).replace('{"id": 3', '\n\n{"id": 3')
    done = leat(t, "run", "sha256", "--set", "sha256.field=text", stdin=text).exits(1)
    eq([v["id"] for v in done.values()], [0, 2, 4])
    said = done.err.splitlines()
    eq(len(said), 3, done.err)
    ok(said[0].startswith("failed item 1 (line 2) at sha256 after 1 attempt: "), said[0])
    ok(said[1].startswith("failed item 3 (line 6) at sha256 after 1 attempt: "), said[1])
    eq(said[2], "leat run: 2 of 5 items failed")


def test_failures_name_the_file(t):
    a, b = file(t, "a.ndjson", "1\n2\n"), file(t, "b.ndjson", "3\n4\n")
    done = leat(t, "run", "fail", "--set", "fail.every=4", a, b).exits(1)
    done.says(f"failed item 3 ({b} line 2) at fail after 1 attempt: ")
    eq(done.values(), [1, 2, 3])


def test_attempts_are_counted(t):
    definition = ('{"stages":[{"use":"fail","params":{"every":2,"kind":"transient"},'
                  '"retry":{"attempts":4,"backoff_ms":1}}]}')
    done = leat(t, "run", definition, stdin=b"1\n2\n").exits(1)
    done.says("failed item 1 (line 2) at fail after 4 attempts: ")


def test_failures_can_go_to_a_file_with_their_input(t):
    path = os.path.join(folder(t), "failed.ndjson")
    done = leat(t, "run", "fail", "--set", "fail.every=3", "--failures", path,
                stdin=lines(orders(9))).exits(1)
    eq(done.err, "leat run: 3 of 9 items failed\n")
    with open(path, encoding="utf-8") as got:
        failures = [json.loads(line) for line in got]
    eq([f["item"] for f in failures], [2, 5, 8])
    eq([f["where"] for f in failures], ["line 3", "line 6", "line 9"])
    eq([f["input"] for f in failures], [orders(9)[i] for i in (2, 5, 8)])
    eq({(f["stage"], f["kind"], f["attempts"]) for f in failures}, {("fail", "permanent", 1)})


def test_a_job_that_fails_by_its_limits_says_so(t):
    definition = ('{"stages":[{"use":"fail","params":{"every":1}}],'
                  '"limits":{"max_failures":3}}')
    leat(t, "run", definition, stdin=lines(range(1000))).exits(1).says("the job failed: ")


def test_on_error_fail_ends_a_run_whose_input_stays_open(t):
    definition = '{"stages":[{"use":"fail","on_error":"fail"}]}'
    process = start(t, "run", definition)
    process.stdin.write(b"1\n")
    process.stdin.flush()
    ends(t, process, 1)


def test_a_line_that_is_no_json_ends_the_input_there(t):
    done = leat(t, "run", "pass", stdin=b"1\n2\n{oops\n4\n").exits(1)
    eq(done.values(), [1, 2])
    done.says("leat run: line 3: ", "--skip-invalid")


def test_skip_invalid_goes_on_and_still_exits_1(t):
    done = leat(t, "run", "pass", "--skip-invalid", stdin=b"1\n{oops\n\n4\n\xff\n6").exits(1)
    eq(done.values(), [1, 4, 6])
    done.says("leat run: line 2: ", "leat run: line 5: ")


def test_an_item_over_the_limit_is_refused_by_its_line(t):
    text = b'1\n"' + b"x" * 5000 + b'"\n3\n'
    done = leat(t, "run", "pass", "--item-max", "4k", "--skip-invalid", stdin=text).exits(1)
    eq(done.values(), [1, 3])
    done.says("line 2: ")


def test_rows_of_csv_are_items(t):
    text = 'a;b\n1;"x\ny"\n2\n3;\n'
    path = file(t, "rows.csv", text)
    done = leat(t, "run", "pass", path, "--delimiter=semicolon", "--infer", "--skip-invalid").exits(1)
    eq(done.values(), [{"a": 1, "b": "x\ny"}, {"a": 3, "b": None}])
    done.says("leat run: line 4: 1 field where there are 2 columns")
    done = leat(t, "run", "pass", "--csv", stdin=b"a,b\n1,2\n").exits(0)
    eq(done.values(), [{"a": "1", "b": "2"}])
    done = leat(t, "run", "fail", path, "--delimiter=semicolon", "--skip-invalid").exits(1)
    done.says("failed item 1 (line 5)")
    leat(t, "run", "pass", "--csv", "--delimiter=;", stdin=b"").exits(2).says("--delimiter: must be comma")


# -- what is wrong before it starts -------------------------------------------------------


def test_a_wrong_pipeline_exits_2_with_every_mistake(t):
    leat(t, "run", "sha265").exits(2).says("/stages/0/use: ", "sha256")
    leat(t, "run", "sha256").exits(2).says("field")
    leat(t, "run", "pass:0").exits(2).says("pass:0")
    leat(t, "run", "pass", "--set", "pas.x=1").exits(2).says("did you mean 'pass'?")
    leat(t, "run", "pass", "--set", "nonsense").exits(2).says("STAGE.PARAM=VALUE")
    leat(t, "run", "sleep", "--set", "sleep.ms=soon").exits(2).says("ms")
    done = leat(t, "run", '{"stages":[{"use":"nope"},{"use":"pass","workers":0}],"x":1}').exits(2)
    done.says("/stages/0/use", "/stages/1/workers", "/x")
    leat(t, "run", '{"stages":').exits(2).says("line 1, column")
    leat(t, "run", "/nowhere/job.json").exits(2).says("/nowhere/job.json")


def test_a_stage_that_cannot_open_exits_2(t):
    done = leat(t, "run", "filter", "--set", "filter.pointer=/a", "--set", "filter.op=matches",
                "--set", 'filter.value="("', stdin=b"1\n").exits(2)
    eq(done.out, b"")


def test_an_unreadable_file_exits_2_before_anything_is_done(t):
    good = file(t, "good.ndjson", "1\n")
    done = leat(t, "run", "pass", good, "/nowhere.ndjson").exits(2)
    done.says("/nowhere.ndjson cannot be read: No such file")
    eq(done.out, b"")
    leat(t, "run", "pass", folder(t)).exits(2).says("is a folder")
    leat(t, "run", "pass", "--failures", "/nowhere/f", stdin=b"").exits(2).says(
        "/nowhere/f cannot be written")
    leat(t, "run", "pass", "--stages", "/nowhere", stdin=b"").exits(2).says("/nowhere")


# -- streams ----------------------------------------------------------------------------


def test_a_result_comes_while_the_input_stays_open(t):
    process = start(t, "run", "pass,pass:4")
    for value in range(5):
        process.stdin.write(b"%d\n" % value)
        process.stdin.flush()
        eq(read_line(t, process.stdout), str(value))
    process.stdin.close()
    process.stdin = None
    ends(t, process, 0)


def test_it_ends_quietly_when_nobody_reads_its_output(t):
    process = start(t, "run", "range", "--set", "range.to=1000000000")
    eq(read_line(t, process.stdout), "0")
    process.stdout.close()
    process.stdout = None
    ends(t, process, 141)
    eq(process.stderr.read(), b"")


def test_ctrl_c_while_it_waits_for_input(t):
    process = start(t, "run", "pass")
    process.stdin.write(b"1\n")
    process.stdin.flush()
    eq(read_line(t, process.stdout), "1")
    process.send_signal(signal.SIGINT)
    ends(t, process, 130)


def test_ctrl_c_while_it_works(t):
    process = start(t, "run", "range,sleep:4", "--set", "range.to=1000000", "--set", "sleep.ms=50",
                    "--order", "none")
    read_line(t, process.stdout)
    process.send_signal(signal.SIGINT)
    until(lambda: process.stdout.read(65536) == b"", 5 * t.slow, "the output ends")
    ends(t, process, 130)


def test_sigterm_ends_it_too(t):
    process = start(t, "run", "pass")
    process.stdin.write(b"1\n")
    process.stdin.flush()
    read_line(t, process.stdout)
    process.terminate()
    ends(t, process, 143)


def test_ctrl_c_again_ends_it_though_nobody_reads(t):
    process = start(t, "run", "range", "--set", "range.to=1000000000")
    read_line(t, process.stdout)

    def again():
        """Signals that come too fast are one signal."""
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        return process.poll() is not None

    until(again, 5 * t.slow, "the end", pause=0.05)
    ends(t, process, 130)


def wait_until_calm(t, process, seconds=0.5):
    """Waits until the process has used hardly any CPU for a while: everything waits."""
    def calm():
        before = proc.cpu_seconds(process.pid)
        time.sleep(seconds)
        return proc.cpu_seconds(process.pid) - before < 0.05
    until(calm, 30 * t.slow, "it comes to rest")


@slow
@timeout(90)
def test_a_slow_reader_bounds_its_memory(t):
    template = json.dumps({"n": "$i", "text": "y" * 500})
    process = start(t, "run", "range", "--set", "range.to=100000000", "--set",
                    f"range.template={template}")
    read_line(t, process.stdout)
    wait_until_calm(t, process)
    if not t.settings.sanitizer:
        within(proc.peak_rss_kib(process.pid), 0, 250 << 10, "peak RSS in KiB")
    for value in range(1, 1000):
        eq(json.loads(read_line(t, process.stdout))["n"], value)
    process.stdout.close()
    process.stdout = None
    ends(t, process, 141)


@slow
@timeout(90)
def test_a_slow_reader_of_failures_bounds_its_memory(t):
    template = json.dumps({"n": "$i", "text": "y" * 500})
    process = start(t, "run", "range,fail", "--set", "range.to=100000000", "--set",
                    f"range.template={template}")
    read_line(t, process.stderr)
    wait_until_calm(t, process)
    if not t.settings.sanitizer:
        within(proc.peak_rss_kib(process.pid), 0, 250 << 10, "peak RSS in KiB")
    for value in range(1, 1000):
        ok(f"failed item {value} at fail" in read_line(t, process.stderr), "in order")
    process.send_signal(signal.SIGINT)
    process.stderr.close()
    process.stderr = None
    ends(t, process, 130)


@slow
@timeout(90)
def test_a_fast_writer_bounds_its_memory(t):
    process = start(t, "run", "sleep:2", "--set", "sleep.ms=100")
    line = json.dumps({"text": "z" * 1000}).encode() + b"\n"
    os.set_blocking(process.stdin.fileno(), False)
    sent = idle = 0
    while sent < 512 << 20 and idle < 20:
        try:
            sent += os.write(process.stdin.fileno(), line * 60)
            idle = 0
        except BlockingIOError:
            idle += 1
            time.sleep(0.05)
    ok(sent < 64 << 20, f"{sent} bytes were taken from a writer that should have been stopped")
    if not t.settings.sanitizer:
        within(proc.peak_rss_kib(process.pid), 0, 150 << 10, "peak RSS in KiB")
    process.send_signal(signal.SIGINT)
    ends(t, process, 130)


# -- progress ----------------------------------------------------------------------------


def test_progress_is_shown_on_a_terminal_only(t):
    ours, theirs = terminal(t)
    path = file(t, "in.ndjson", lines(range(60)))
    out = open(os.path.join(folder(t), "out.ndjson"), "wb")
    t.cleanup.append(out.close)
    process = start(t, "run", "sleep", "--set", "sleep.ms=15", path, stdin=subprocess.DEVNULL,
                    stdout=out, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    ends(t, process, 0)
    ok(b"[#" in shown, shown)
    ok(b" items  " in shown and b"/s" in shown, shown)
    last = shown.split(b"\x1b[K")[-1]
    ok(last.startswith(b"60 of 60 items"), last)
    done = leat(t, "run", "sleep:4", "--set", "sleep.ms=15", path).exits(0)
    eq(done.err, "")
