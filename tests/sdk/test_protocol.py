"""What holds for the helpers of all languages, spoken to over their pipes."""

from worker import *

ECHO = {"python": "@stage\ndef work(item):\n    return item\n",
        "node": "stage((item) => item);\n"}


# -- results ------------------------------------------------------------------------------


@both(python="@stage\ndef work(item):\n    return {**item, 'total': item['a'] * 2}\n",
      node="stage((item) => ({ ...item, total: item.a * 2 }));\n")
def test_what_is_returned_is_emitted(t, worker):
    eq(worker().run(frame(1, {"a": 2}), frame(2, {"a": 5})),
       {"j_01/1": emit(1, {"a": 2, "total": 4}), "j_01/2": emit(2, {"a": 5, "total": 10})})


@both(python="@stage\ndef work(item):\n    return item if item > 1 else None\n",
      node="stage((item) => item > 1 ? item : item === 0 ? null : undefined);\n")
def test_nothing_filters(t, worker):
    eq(worker().run(frame(0, 0), frame(1, 1), frame(2, 2)),
       {"j_01/0": emit(0), "j_01/1": emit(1), "j_01/2": emit(2, 2)})


@both(python="@stage\ndef work(item):\n    if item == 0:\n        return Many([1, None, [2]])\n"
             "    if item == 1:\n        return [1, 2]\n    return (n for n in range(item))\n",
      node="stage((item) => item === 0 ? many([1, null, [2]]) : item === 1 ? [1, 2]\n"
           "\t: (function* () { for (let n = 0; n < item; n++) yield n; })());\n")
def test_many_and_generators_emit_many_and_a_list_is_one_value(t, worker):
    eq(worker().run(frame(0, 0), frame(1, 1), frame(3, 3)),
       {"j_01/0": emit(0, 1, None, [2]), "j_01/1": emit(1, [1, 2]), "j_01/3": emit(3, 0, 1, 2)})


@both(**ECHO)
def test_every_kind_of_value_comes_back(t, worker):
    values = [True, False, 0, -1, 1.5, -0.25, 1e300, 2**53 - 1, "", "a", "ä€😀", "\u0000\u001f\"\\/\u2028",
              [], {}, [[[]]], {"": {"ß": [None, {"a": 1}]}}, {"__proto__x": 1, "item": 3}, "x" * 3]
    got = worker().run(*(frame(n, value) for n, value in enumerate(values)))
    for n, value in enumerate(values):
        eq(got[f"j_01/{n}"], emit(n, value))


@both(**ECHO)
def test_null_comes_in_and_means_filtered_when_it_comes_back(t, worker):
    eq(worker().run(frame(1, None)), {"j_01/1": emit(1)})


@both(**ECHO)
def test_huge_items_pass(t, worker):
    big = {"text": "ä" * (3 << 20), "list": list(range(100000))}
    eq(worker().run(frame(1, 1), frame(2, big), frame(3, 3)),
       {"j_01/1": emit(1, 1), "j_01/2": emit(2, big), "j_01/3": emit(3, 3)})


@both(**ECHO)
def test_lines_may_come_in_any_pieces(t, worker):
    data = ndjson([frame(n, {"t": "é😀" * (n % 7), "n": n}) for n in range(200)])
    child = worker()
    for piece in odd_pieces(data, t.seed):
        child.raw(bytes(piece))
    lines, code = child.close()
    eq((code, len(lines)), (0, 200))
    for n, line in enumerate(lines):
        eq(json.loads(line), emit(n, {"t": "é😀" * (n % 7), "n": n}))


@both(**ECHO)
def test_many_items_are_answered_once_each(t, worker):
    eq(len(worker().run(*(frame(n, {"n": n}) for n in range(20000)))), 20000)


@both(**ECHO)
def test_an_item_alone_is_answered_at_once(t, worker):
    child = worker()
    for n in range(50):
        child.send(frame(n, n + 1))
        eq(child.answer(), emit(n, n + 1))
    eq(child.close(), ([], 0))


@both(python="@stage\ndef work(item):\n    if item == 2:\n        time.sleep(0.05)\n    return item\n",
      node="stage((item) => {\n\tconst end = performance.now() + (item === 2 ? 50 : 0);\n"
           "\twhile (performance.now() < end);\n\treturn item;\n});\n")
def test_order_is_kept_where_nothing_runs_at_once(t, worker):
    lines, code = exchange(worker(), ndjson([frame(n, n) for n in range(1, 9)]))
    eq((code, [json.loads(line)["emit"][0] for line in lines]), (0, list(range(1, 9))))


# -- failures -----------------------------------------------------------------------------


@both(python="@stage\ndef work(item):\n    if item == 1:\n        raise KeyError('x')\n"
             "    if item == 2:\n        raise Permanent('no such town')\n"
             "    if item == 3:\n        raise Transient('busy')\n    return item\n",
      node="stage((item) => {\n\tif (item === 1)\n\t\tthrow new RangeError(\"'x'\");\n"
           "\tif (item === 2)\n\t\tthrow new Permanent('no such town');\n"
           "\tif (item === 3)\n\t\tthrow new Transient('busy');\n\treturn item;\n});\n")
def test_exceptions_are_failures_and_the_next_item_does_not_notice(t, worker):
    child = worker()
    got = child.run(*(frame(n, n) for n in (1, 2, 3, 4)))
    ok(got["j_01/1"]["error"] in ("KeyError: 'x'", "RangeError: 'x'"), got["j_01/1"])
    eq(got["j_01/1"]["transient"], False)
    eq([got["j_01/2"], got["j_01/3"], got["j_01/4"]],
       [error(2, "no such town"), error(3, "busy", True), emit(4, 4)])
    said = child.said()
    ok("work." in said and "'x'" in said, f"no traceback: {said}")
    ok("no such town" not in said, "a failure that was meant has no traceback")


@both(python="@stage\ndef work(item):\n"
             "    return {0: float('nan'), 1: [float('inf')], 2: {'a': {'b': -float('inf')}}, 3: 3}[item]\n",
      node="stage((item) => [NaN, [Infinity], { a: { b: -Infinity } }, 3][item]);\n")
def test_nan_and_infinity_are_failures(t, worker):
    got = worker().run(*(frame(n, n) for n in range(4)))
    for n in range(3):
        ok("NaN and infinity" in got[f"j_01/{n}"]["error"], got)
    eq(got["j_01/3"], emit(3, 3))


@both(python="@stage\ndef work(item):\n    if item == 0:\n        return {1, 2}\n    if item == 1:\n"
             "        a = []\n        a.append(a)\n        return a\n    if item == 2:\n"
             "        return object()\n    return item\n",
      node="stage((item) => {\n\tif (item === 0)\n\t\treturn Symbol('x');\n\tif (item === 1) {\n"
           "\t\tconst a = [];\n\t\ta.push(a);\n\t\treturn a;\n\t}\n"
           "\tif (item === 2)\n\t\treturn () => 1;\n\treturn item;\n});\n")
def test_what_is_no_json_is_a_failure(t, worker):
    got = worker().run(*(frame(n, n) for n in range(4)))
    for n in range(3):
        ok(got[f"j_01/{n}"]["error"].startswith("the result is not JSON: "), got)
    eq(got["j_01/3"], emit(3, 3))


@both(python="@stage\ndef work(item):\n    if item == 3:\n        raise Permanent('bad \\ud800 text')\n"
             "    return ['\\ud83d', {'\\udc00': 1}, '\\\\ud800 as text'][item]\n",
      node="stage((item) => {\n\tif (item === 3)\n\t\tthrow new Permanent('bad \\ud800 text');\n"
           "\treturn ['\\ud83d', { '\\udc00': 1 }, '\\\\ud800 as text'][item];\n});\n")
def test_half_a_surrogate_pair_never_goes_out(t, worker):
    got = worker().run(*(frame(n, n) for n in range(4)))
    for n in range(2):
        ok("surrogate" in got[f"j_01/{n}"]["error"], got)
    eq(got["j_01/2"], emit(2, "\\ud800 as text"))
    ok(got["j_01/3"]["error"].startswith("bad ") and got["j_01/3"]["error"].isprintable(), got)


@both(python="@stage\ndef work(item):\n    yield 1\n    if item:\n        raise Permanent('half way')\n",
      node="stage(function* (item) {\n\tyield 1;\n\tif (item)\n\t\tthrow new Permanent('half way');\n});\n")
def test_a_generator_that_fails_emits_nothing(t, worker):
    eq(worker().run(frame(1, 1), frame(2, 0)), {"j_01/1": error(1, "half way"), "j_01/2": emit(2, 1)})


# -- what the item says --------------------------------------------------------------------


@both(python="@stage\ndef work(value, item):\n    return [value, item.id, item.attempt, item.cancelled.is_set()]\n",
      node="stage((value, item) => [value, item.id, item.attempt, item.signal.aborted]);\n")
def test_id_and_attempt_are_there(t, worker):
    eq(worker().run(frame(7, "v", 3)), {"j_01/7": emit(7, ["v", "j_01/7", 3, False])})


@both(python="@stage\ndef work(item):\n    return [params(), name()]\n",
      node="stage((item) => [params(), name()]);\n")
def test_params_and_name_come_from_the_environment(t, worker):
    child = worker(env={"LEAT_PARAMS": '{"lang":"dé","n":2}'})
    eq(child.run(frame(1, 1)), {"j_01/1": emit(1, [{"lang": "dé", "n": 2}, "mine"])})
    eq(worker().run(frame(1, 1)), {"j_01/1": emit(1, [{}, "mine"])})


@both(python="@stage\ndef work(item):\n    log('seen\\n' + item)\n    return item\n",
      node="stage((item) => {\n\tlog('seen\\n' + item);\n\treturn item;\n});\n")
def test_log_is_a_line_of_the_protocol(t, worker):
    child = worker()
    child.send(frame(1, "ü"))
    eq(child.answer(), {"log": "seen\nü"})
    eq(child.answer(), emit(1, "ü"))
    eq(child.close(), ([], 0))


@both(python="print('at the start')\n@stage\ndef work(item):\n    print('a stray one')\n"
             "    sys.stdout.write('no end')\n    os.system('echo from a child; cat')\n    return item\n",
      node="console.log('at the start, a stray one');\nimport { spawnSync } from 'node:child_process';\n"
           "stage((item) => {\n\tconsole.log('a stray one');\n\tprocess.stdout.write('no end');\n"
           "\tprocess.stderr.write(spawnSync('echo', ['from a child']).stdout);\n\treturn item;\n});\n"
           .replace("console.log('at the start, a stray one');\n", ""))
def test_stray_output_goes_to_stderr(t, worker):
    child = worker()
    if child.path.endswith(".py"):
        eq(child.line(), b"at the start")  # before the helper had a say
    eq(child.run(frame(1, 1), frame(2, 2)), {"j_01/1": emit(1, 1), "j_01/2": emit(2, 2)})
    for text in ("a stray one", "no end", "from a child"):
        ok(text in child.said(), child.said())


# -- batches ------------------------------------------------------------------------------

BATCH = dict(
    python="@stage(batch=3)\ndef work(values):\n    if 'all' in values:\n        raise Transient('together')\n"
           "    if 'short' in values:\n        return values[1:]\n"
           "    return [None if v == 'none' else Many([1, 2]) if v == 'many' else Permanent('bad') if v == 'bad'\n"
           "            else Transient('later') if v == 'later' else [v, len(values)] for v in values]\n",
    node="stage((values) => {\n\tif (values.includes('all'))\n\t\tthrow new Transient('together');\n"
         "\tif (values.includes('short'))\n\t\treturn values.slice(1);\n"
         "\treturn values.map((v) => ({ none: null, many: many([1, 2]), bad: new Permanent('bad'),\n"
         "\t\tlater: new Transient('later') })[v] ?? (v === 'none' ? null : [v, values.length]));\n}, { batch: 3 });\n")


def batch(first, *values):
    return {"batch": [frame(first + n, value) for n, value in enumerate(values)]}


@both(**BATCH)
def test_each_item_of_a_batch_has_its_own_fate(t, worker):
    eq(worker().run(batch(1, "none", "many", "bad"), batch(4, "later", "x")),
       {"j_01/1": emit(1), "j_01/2": emit(2, 1, 2), "j_01/3": error(3, "bad"),
        "j_01/4": error(4, "later", True), "j_01/5": emit(5, ["x", 2])})


@both(**BATCH)
def test_a_batch_may_fail_as_a_whole(t, worker):
    got = worker().run(batch(1, "a", "all"), batch(3, "short", "b"), batch(5, "c"))
    eq([got["j_01/1"], got["j_01/2"]], [error(1, "together", True), error(2, "together", True)])
    eq([got["j_01/3"], got["j_01/4"]],
       [error(n, "a batch of 2 items was answered with 1 results") for n in (3, 4)])
    eq(got["j_01/5"], emit(5, ["c", 1]))


@both(**BATCH)
def test_a_batch_is_never_larger_than_was_said(t, worker):
    got = worker().run(batch(0, *"abcdefgh"), *(frame(n, "z") for n in range(8, 20)))
    sizes = [got[f"j_01/{n}"]["emit"][0][1] for n in range(20)]
    eq(sizes[:8], [3, 3, 3, 3, 3, 3, 2, 2])
    ok(max(sizes) <= 3, sizes)


@both(**ECHO)
def test_a_batch_reaches_a_function_of_one_item_item_by_item(t, worker):
    eq(worker().run(batch(1, "a", "b"), frame(3, "c")),
       {f"j_01/{n}": emit(n, v) for n, v in ((1, "a"), (2, "b"), (3, "c"))})


# -- many at once, and cancel ----------------------------------------------------------------

LATER = dict(
    python="import asyncio\n@stage\nasync def work(value, item):\n    try:\n        await asyncio.sleep(value)\n"
           "    finally:\n        if item.cancelled.is_set():\n            log('over')\n    return item.attempt\n",
    node="import { setTimeout as sleep } from 'node:timers/promises';\nstage(async (value, item) => {\n"
         "\ttry {\n\t\tawait sleep(value * 1000, null, { signal: item.signal });\n\t} finally {\n"
         "\t\tif (item.signal.aborted)\n\t\t\tlog('over');\n\t}\n\treturn item.attempt;\n});\n")


@both(**LATER)
def test_async_functions_run_at_once_and_answer_in_any_order(t, worker):
    child = worker()
    child.send(frame(1, 600), frame(2, 0.01), frame(3, 0))
    eq({child.answer()["item"], child.answer()["item"]}, {"j_01/2", "j_01/3"})
    child.send(frame(4, 0))
    eq(child.answer(), emit(4, 1))
    child.send({"cancel": "j_01/1"})
    eq(child.answer(), {"log": "over"})
    eq(child.answer(), error(1, "cancelled", True))
    eq(child.close(), ([], 0))


@both(**LATER)
def test_at_the_end_of_the_input_what_runs_is_finished(t, worker):
    eq(sorted(worker().run(frame(1, 0.2), frame(2, 0.1))), ["j_01/1", "j_01/2"])


@both(**LATER)
def test_a_cancel_of_an_item_that_is_not_there_is_nothing(t, worker):
    child = worker()
    child.send({"cancel": "j_01/9"}, frame(1, 0), {"cancel": "j_01/8"})
    eq(child.answer(), emit(1, 1))
    eq(child.close(), ([], 0))


@both(**LATER)
def test_an_item_is_cancelled_in_the_same_breath(t, worker):
    child = worker()
    child.send(frame(1, 600), {"cancel": "j_01/1"}, frame(2, 0))
    eq({answer["item"]: answer.get("error") for answer in (child.answer(), child.answer())},
       {"j_01/1": "cancelled", "j_01/2": None})
    eq(child.close(), ([], 0))


@both(python="import asyncio\nopen_ = 0\nmost = 0\n@stage(concurrency=4)\nasync def work(value):\n"
             "    global open_, most\n    open_ += 1\n    most = max(most, open_)\n    await asyncio.sleep(0.002)\n"
             "    open_ -= 1\n    return most\n",
      node="import { setTimeout as sleep } from 'node:timers/promises';\nlet open = 0;\nlet most = 0;\n"
           "stage(async () => {\n\topen++;\n\tmost = Math.max(most, open);\n\tawait sleep(2);\n\topen--;\n"
           "\treturn most;\n}, { concurrency: 4 });\n")
def test_concurrency_is_a_bound(t, worker):
    got = worker().run(*(frame(n, n) for n in range(60)))
    eq(max(answer["emit"][0] for answer in got.values()), 4)
    eq(len(got), 60)


@both(python="@stage\nasync def work(value):\n    if value == 1:\n        raise Transient('busy')\n"
             "    if value == 2:\n        raise ValueError('x')\n    if value == 3:\n        return None\n    return value\n",
      node="stage(async (value) => {\n\tif (value === 1)\n\t\tthrow new Transient('busy');\n\tif (value === 2)\n"
           "\t\tthrow new RangeError('x');\n\treturn value === 3 ? undefined : value;\n});\n")
def test_async_functions_fail_and_filter_like_others(t, worker):
    got = worker().run(*(frame(n, n) for n in range(1, 5)))
    eq([got["j_01/1"], got["j_01/3"], got["j_01/4"]], [error(1, "busy", True), emit(3), emit(4, 4)])
    ok(got["j_01/2"]["error"] in ("ValueError: x", "RangeError: x"), got)


@both(python="@stage\nasync def work(value):\n    for n in range(value):\n        yield n\n",
      node="stage(async function* (value) {\n\tfor (let n = 0; n < value; n++)\n\t\tyield n;\n});\n")
def test_async_generators_emit_many(t, worker):
    eq(worker().run(frame(3, 3), frame(0, 0)), {"j_01/3": emit(3, 0, 1, 2), "j_01/0": emit(0)})


# -- garbage, and the end --------------------------------------------------------------------


@both(**ECHO)
def test_what_is_not_the_protocol_ends_the_program_in_one_clear_line(t, worker):
    for garbage in (b"hello\n", b"[1]\n", b"{\"item\n", b"17\n", b"\xff\xfe\n", b"{\"item\":", b"{" * 9999 + b"\n"):
        child = worker()
        child.send(frame(1, 1))
        eq(child.answer(), emit(1, 1))
        child.raw(garbage)
        lines, code = child.close()
        eq((lines, code), ([], 1))
        ok("this is not a line of the framed protocol" in child.said(), child.said())
        ok("Traceback" not in child.said() and "    at " not in child.said(), child.said())


@both(**ECHO)
def test_an_item_that_cannot_be_read_fails_alone(t, worker):
    child = worker()
    bad = b'{"item":"j_01/2","attempt":1,"value":' + b"[" * 200000 + b"]" * 200000 + b"}\n"
    worse = b'{"item":"j_01/3","attempt":1,"value":{"a":tru}}\n'
    lines, code = exchange(child, ndjson([frame(1, 1)]) + bad + worse + ndjson([frame(4, 4)]))
    eq(code, 0, child.said())
    got = {answer["item"]: answer for answer in map(json.loads, lines)}
    eq([got["j_01/1"], got["j_01/4"]], [emit(1, 1), emit(4, 4)])
    ok("cannot be read" in got["j_01/3"]["error"], got["j_01/3"])
    ok("error" in got["j_01/2"] or got["j_01/2"]["emit"], "it is answered, one way or the other")


@both(**ECHO)
def test_blank_lines_and_new_kinds_of_lines_are_passed_over(t, worker):
    child = worker()
    child.raw(b"\n  \n")
    child.send({"hello": 1}, frame(1, 1), {"item": "j_01/2", "attempt": 1, "value": 2, "more": True})
    eq([child.answer(), child.answer()], [emit(1, 1), emit(2, 2)])
    eq(child.close(), ([], 0))


@both(**ECHO)
def test_the_end_of_the_input_is_the_end(t, worker):
    child = worker()
    eq(child.close(), ([], 0))
    eq(child.said(), "")


@both(**ECHO)
def test_a_broken_pipe_is_a_quiet_end(t, worker):
    child = worker()
    child.send(frame(1, 1))
    eq(child.answer(), emit(1, 1))
    child.process.stdout.close()
    child.send(frame(2, 2))
    eq(child.wait(), 0)
    eq(child.said(), "")


@both(python="@stage\ndef work(value):\n    if value == 2:\n        sys.stderr.write('begun\\n')\n"
             "        sys.stderr.flush()\n        time.sleep(600)\n    return value\n",
      node="stage((value) => {\n\tif (value === 2) {\n\t\tprocess.stderr.write('begun\\n');\n"
           "\t\treturn new Promise(() => setTimeout(() => {}, 600000));\n\t}\n\treturn value;\n});\n")
def test_term_breaks_off_what_runs_and_says_what_was_done(t, worker):
    child = worker()
    child.send(frame(1, 1), frame(2, 2))
    until(lambda: "begun" in child.said(), 20 * t.slow, "the second item has begun")
    child.process.terminate()
    eq(child.answer(), emit(1, 1))
    eq((child.line(), child.wait()), (None, 143))
    eq(child.said(), "begun\n")


# -- the plain protocol ----------------------------------------------------------------------

DOUBLE = dict(python="@stage\ndef work(n):\n    print('stray')\n    return None if n == 2 else n * 2\n",
              node="stage((n) => {\n\tconsole.log('stray');\n\treturn n === 2 ? null : n * 2;\n});\n")


@both(**DOUBLE)
def test_plain_is_a_line_for_a_line_and_what_there_is_without_a_server(t, worker):
    for protocol in ("plain", None, ""):
        child = worker(protocol=protocol)
        child.raw(b"1\n2\n3")
        eq(child.close(), ([b"2", b"", b"6"], 0))


@both(python="import asyncio\n@stage(concurrency=9)\nasync def work(n):\n    await asyncio.sleep((9 - n) / 1000)\n"
             "    return n\n",
      node="import { setTimeout as sleep } from 'node:timers/promises';\n"
           "stage(async (n) => {\n\tawait sleep(9 - n);\n\treturn n;\n}, { concurrency: 9 });\n")
def test_plain_keeps_the_order_of_async_functions(t, worker):
    child = worker(protocol="plain")
    child.raw(b"".join(b"%d\n" % n for n in range(9)))
    eq(child.close(), ([b"%d" % n for n in range(9)], 0))


@both(python="@stage\ndef work(n):\n    if n == 3:\n        raise Permanent('three')\n"
             "    return Many([n]) if n == 4 else n\n",
      node="stage((n) => {\n\tif (n === 3)\n\t\tthrow new Permanent('three');\n\treturn n === 4 ? many([n]) : n;\n});\n")
def test_plain_has_no_word_for_a_failure_so_the_program_ends_with_its_reason(t, worker):
    for data, reason in ((b"1\n3\n2\n", "three"), (b"1\n{\n2\n", "cannot be read"),
                         (b"1\n4\n2\n", "framed")):
        child = worker(protocol="plain")
        child.raw(data)
        eq(child.close(), ([b"1"], 1))
        ok(reason in child.said(), child.said())


@both(python="@stage\ndef work(item):\n    return item\n", node="stage((item) => item);\n")
def test_an_unknown_protocol_is_refused(t, worker):
    child = worker(protocol="fancy")
    eq(child.close(), ([], 1))
    ok("LEAT_PROTOCOL is 'fancy'" in child.said(), child.said())


@both(python="stage(3)\n", node="stage(3);\n")
def test_what_is_no_function_is_refused(t, worker):
    child = worker()
    eq(child.close(), ([], 1))
    ok("a function is wanted" in child.said(), child.said())
