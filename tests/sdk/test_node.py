"""What only the helper for Node does."""

from worker import *


def node(t, text, **more):
    return Worker(t, "node", text, **more)


def test_whole_numbers_beyond_a_double_come_as_bigint_where_asked_for(t):
    text = "stage((item) => ({ kind: typeof item.n, n: item.n, s: item.s }), { bigints: true });\n"
    big = 2**64 + 1
    child = node(t, text)
    eq(child.run(frame(1, {"n": big, "s": f"{big}"}), frame(2, {"n": -big, "s": f'"{big}\\'}),
                 frame(3, {"n": 5, "s": ""}), frame(4, {"n": 0.1234567890123456789, "s": ""}),
                 frame(5, {"n": 1e22, "s": ""})),
       {"j_01/1": emit(1, {"kind": "bigint", "n": big, "s": f"{big}"}),
        "j_01/2": emit(2, {"kind": "bigint", "n": -big, "s": f'"{big}\\'}),
        "j_01/3": emit(3, {"kind": "number", "n": 5, "s": ""}),
        "j_01/4": emit(4, {"kind": "number", "n": 0.12345678901234568, "s": ""}),
        "j_01/5": emit(5, {"kind": "number", "n": 1e22, "s": ""})})


def test_a_bigint_is_emitted_as_a_number(t):
    child = node(t, "stage((n) => [2n ** 70n, { a: BigInt(n) }]);\n")
    eq(child.run(frame(1, 3)), {"j_01/1": emit(1, [2**70, {"a": 3}])})


def test_null_within_a_result_stays(t):
    child = node(t, "stage((n) => ({ a: null, b: [null, undefined], c: undefined }));\n")
    eq(child.run(frame(1, 3)), {"j_01/1": emit(1, {"a": None, "b": [None, None]})})


def test_batches_may_be_promises(t):
    child = node(t, "stage(async (values, items) => values.map((v, i) => v === 2 ? new Transient('two') :\n"
                    "\t[v, items[i].id, items[i].signal.aborted]), { batch: true, concurrency: 2 });\n")
    eq(child.run({"batch": [frame(1, 1), frame(2, 2)]}, frame(3, 3)),
       {"j_01/1": emit(1, [1, "j_01/1", False]), "j_01/2": error(2, "two", True),
        "j_01/3": emit(3, [3, "j_01/3", False])})


def test_options_that_make_no_sense_are_refused(t):
    for options, reason in (("{ batch: -1 }", "batch is"), ("{ batch: 'x' }", "batch is"),
                            ("{ concurrency: -1 }", "concurrency is"), ("{ concurrency: 1.5 }", "concurrency is")):
        child = node(t, f"stage((v) => v, {options});\n")
        eq(child.close()[1], 1)
        ok(reason in child.said(), child.said())
    child = node(t, "stage((v) => v);\nstage((v) => v);\n")
    eq(child.close()[1], 1)
    ok("a program is one stage" in child.said(), child.said())


def test_what_is_thrown_need_not_be_an_error(t):
    child = node(t, "stage((v) => { throw v === 1 ? 'a word' : v === 2 ? null : new Permanent(); });\n")
    eq(child.run(frame(1, 1), frame(2, 2), frame(3, 3)),
       {"j_01/1": error(1, "a word"), "j_01/2": error(2, "null"), "j_01/3": error(3, "Permanent")})


def test_a_promise_that_nobody_waits_for_ends_the_program_with_its_reason(t):
    child = node(t, "stage((v) => { Promise.reject(new Error('lost')); return v; });\n")
    child.send(frame(1, 1))
    eq(child.close()[1], 1)
    ok("lost" in child.said(), child.said())
