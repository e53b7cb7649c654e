"""What only the helper for Python does."""

from worker import *


def python(t, text, **more):
    return Worker(t, "python", text, **more)


def test_whole_numbers_have_no_bound_but_that_of_the_interpreter(t):
    child = python(t, "@stage\ndef work(n):\n    return n + 1\n")
    big = 10**3000
    eq(child.run(frame(1, 2**64), frame(2, big)), {"j_01/1": emit(1, 2**64 + 1), "j_01/2": emit(2, big + 1)})


def test_a_number_that_the_interpreter_refuses_fails_its_item_alone(t):
    child = python(t, "@stage\ndef work(n):\n    return 1\n")
    line = b'{"item":"j_01/1","attempt":1,"value":' + b"9" * 5000 + b"}\n"
    lines, code = exchange(child, line + ndjson([frame(2, 2)]))
    eq(code, 0, child.said())
    first, second = map(json.loads, lines)
    ok("emit" in first or "cannot be read in Python" in first["error"], first)
    eq(second, emit(2, 1))


def test_a_function_that_sleeps_hears_of_the_cancel(t):
    child = python(t, "@stage\ndef work(value, item):\n    log('begun')\n    if item.cancelled.wait(600):\n"
                      "        raise Transient('as you like')\n    return value\n")
    child.send(frame(1, 1), frame(2, 2))
    eq(child.answer(), {"log": "begun"})
    child.send({"cancel": "j_01/2"}, {"cancel": "j_01/1"})
    eq([child.answer(), child.answer()], [error(1, "as you like", True), error(2, "cancelled", True)])
    eq(child.close(), ([], 0))


def test_threads_run_at_once_and_each_hears_of_its_cancel(t):
    child = python(t, "@stage(concurrency=3)\ndef work(value, item):\n    log('begun')\n"
                      "    item.cancelled.wait(600)\n    return [value, item.cancelled.is_set()]\n")
    child.send(*(frame(n, n) for n in (1, 2, 3)))
    eq([child.answer() for _ in range(3)], [{"log": "begun"}] * 3)
    child.send({"cancel": "j_01/2"})
    eq(child.answer(), emit(2, [2, True]))
    child.send({"cancel": "j_01/1"}, {"cancel": "j_01/3"})
    eq({child.answer()["item"], child.answer()["item"]}, {"j_01/1", "j_01/3"})
    eq(child.close(), ([], 0))


def test_threads_answer_every_item_once(t):
    child = python(t, "@stage(concurrency=8)\ndef work(value):\n    if value % 5 == 0:\n"
                      "        raise Permanent('five')\n    return value\n")
    got = child.run(*(frame(n, n) for n in range(3000)))
    eq((len(got), sum("error" in answer for answer in got.values())), (3000, 600))


def test_term_ends_a_program_whose_threads_sleep(t):
    child = python(t, "@stage(concurrency=2)\ndef work(value):\n    log('begun')\n    time.sleep(600)\n")
    child.send(frame(1, 1), frame(2, 2))
    eq([child.answer(), child.answer()], [{"log": "begun"}] * 2)
    child.process.terminate()
    eq((child.line(), child.wait()), (None, 143))


def test_an_ordinary_import_does_not_start_anything(t):
    child = python(t, "sys.modules['m'] = type(sys)('m')\nsys.modules['m'].stage = stage\n"
                      "exec('@stage\\ndef twice(v):\\n    return v * 2\\n', sys.modules['m'].__dict__)\n"
                      "import leat_stage\nleat_stage.run(sys.modules['m'].twice)\n")
    eq(child.run(frame(1, 4)), {"j_01/1": emit(1, 8)})


def test_a_second_argument_with_a_default_is_the_functions_own(t):
    child = python(t, "@stage\ndef work(value, factor=3):\n    return value * factor\n")
    eq(child.run(frame(1, 4)), {"j_01/1": emit(1, 12)})


def test_functions_written_in_c_and_objects_are_functions_too(t):
    eq(python(t, "stage_ = run(len)\n").run(frame(1, "four")), {"j_01/1": emit(1, 4)})
    eq(python(t, "class Work:\n    def __call__(self, value):\n        return value * 2\nrun(Work())\n")
       .run(frame(1, 4)), {"j_01/1": emit(1, 8)})


def test_options_that_make_no_sense_are_refused(t):
    for options, reason in (("batch=-1", "batch is"), ("batch='x'", "batch is"),
                            ("concurrency=-1", "concurrency is"), ("concurrency=1.5", "concurrency is"),
                            ("batch=2, concurrency=2", "runs alone"), ("fast=True", "fast")):
        child = python(t, f"@stage({options})\ndef work(value):\n    return value\n")
        eq(child.close()[1], 1)
        ok(reason in child.said(), child.said())


def test_standard_input_is_not_the_functions(t):
    child = python(t, "@stage\ndef work(value):\n    return [value, sys.stdin.read()]\n")
    eq(child.run(frame(1, 1), frame(2, 2)), {"j_01/1": emit(1, [1, ""]), "j_01/2": emit(2, [2, ""])})


def test_a_finally_of_the_program_runs_at_term(t):
    child = python(t, "import atexit\natexit.register(lambda: sys.stderr.write('closed\\n'))\n@stage\n"
                      "def work(value):\n    try:\n        sys.stderr.write('begun\\n')\n"
                      "        time.sleep(600)\n    finally:\n        sys.stderr.write('undone\\n')\n")
    child.send(frame(1, 1))
    until(lambda: "begun" in child.said(), 20 * t.slow, "the item has begun")
    child.process.terminate()
    eq(child.wait(), 143)
    eq(child.said(), "begun\nundone\nclosed\n")


def test_it_is_typed_and_needs_no_more_than_python_3_9(t):
    import ast
    with open(os.path.join(SDK["python"], "leat_stage.py"), encoding="utf-8") as source:
        tree = ast.parse(source.read(), feature_version=(3, 9))
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    for function in functions:
        if function.name in ("stage", "run", "params", "name", "log", "wait", "is_set"):
            ok(function.returns is not None, f"{function.name}() says no type")
