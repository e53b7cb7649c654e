"""The command line: `leat run`, --help, --print-config, wrong options."""

import re
import tempfile

from support.leat import *
from support.server import die_with_parent


def leat(t, *words, data=b"", timeout=30, env=None):
    """Runs the program; answers exit code, stdout, stderr."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LEAT_")}
    with tempfile.TemporaryDirectory(prefix="leat-cli-") as folder:
        for tool in ("ASAN", "TSAN", "UBSAN"):
            clean[f"{tool}_OPTIONS"] = ":".join(filter(None, [
                clean.get(f"{tool}_OPTIONS"), f"log_path={folder}/report.{tool.lower()}"]))
        done = subprocess.run([t.settings.program, *words], input=data, capture_output=True,
                              timeout=timeout * t.slow, env={**clean, **(env or {})}, cwd=folder,
                              preexec_fn=die_with_parent, check=False)
        reports = [name for name in os.listdir(folder) if name.startswith("report.")]
        for name in reports:
            with open(os.path.join(folder, name), errors="replace") as file:
                raise AssertionError(f"{' '.join(words)}: {file.read()[:4000]}")
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def test_run_reads_stdin_and_writes_stdout_in_order(t):
    values = texts(5000)
    code, out, err = leat(t, "run", "sha256:8", data=ndjson([{**v} for v in values]))
    if code != 0:
        # the field has no default: it is given on the command line
        code, out, err = leat(t, "run", "sha256:8", "sha256.field=text", data=ndjson(values))
    eq(code, 0, f"exit code, stderr {err[-500:]}")
    got = [json.loads(line) for line in out.splitlines()]
    same_list(got, model.run([{"use": "sha256", "params": {"field": "text"}}], values).values)


def test_run_of_pass_keeps_the_bytes(t):
    data = b'{"b": 1.50, "a":[1e2]}\n"x"\n'
    eq(leat(t, "run", "pass", data=data)[:2], (0, data), "exit code and stdout")


def test_run_of_nothing(t):
    eq(leat(t, "run", "pass:4,pass")[:2], (0, b""), "exit code and stdout")


def test_run_with_failures_exits_1_and_names_them(t):
    code, out, err = leat(t, "run", "sha256,pass", "sha256.field=text",
                          data=b'{"text":"a"}\n{"no":1}\n{"text":"b"}\n')
    eq(code, 1, f"exit code, stderr {err}")
    eq(len(out.splitlines()), 2, "lines out")
    ok(re.search(r"\b2\b", err) and "text" in err, f"stderr names neither line nor reason: {err}")


def test_run_with_a_line_that_is_not_json_exits_1(t):
    code, out, err = leat(t, "run", "pass", data=b"1\nnope\n")
    ok(code in (1, 2) and code != 0, f"exit code {code}")
    ok(re.search(r"\b2\b", err), f"stderr does not name the line: {err}")


def test_run_with_a_wrong_definition_exits_2(t):
    code, out, err = leat(t, "run", "sha265:8")
    eq((code, out), (2, b""), "exit code and stdout")
    ok("sha256" in err, f"no nearest name in {err}")
    for words in (["pass:0"], ["pass:10001"], [""], ["pass", "pass.nosuch=1"], ["nosuch"]):
        code, out, err = leat(t, "run", *words)
        eq((code, out), (2, b""), f"exit code and stdout of {words}")
        ok(err.strip(), f"no word about {words}")


def test_run_without_a_pipeline_exits_2_and_shows_usage(t):
    code, _, err = leat(t, "run")
    eq(code, 2, "exit code")
    ok("leat run" in err, f"no usage: {err}")


def test_run_writes_no_progress_when_stderr_is_no_terminal(t):
    code, _, err = leat(t, "run", "pass", data=ndjson(numbers(10000)))
    eq((code, err), (0, ""), "exit code and stderr")


def test_run_ends_quietly_when_its_reader_goes(t):
    process = subprocess.Popen([t.settings.program, "run", "pass"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=die_with_parent)
    process.stdout.close()
    try:
        process.stdin.write(ndjson(items.orders(50000)))
        process.stdin.close()
    except BrokenPipeError:
        pass
    process.wait(20 * t.slow)
    ok(process.returncode != -signal.SIGSEGV and process.returncode != -signal.SIGABRT,
       f"ended by {process.returncode}")
    process.stderr.close()


def test_help_is_worth_reading(t):
    code, out, _ = leat(t, "--help")
    eq(code, 0, "exit code")
    for word in (b"serve", b"run"):
        ok(word in out, f"no word {word}")
    code, out, _ = leat(t, "serve", "--help")
    eq(code, 0, "exit code")
    for word in ("--listen", "--data", "--stages", "--compute", "--drain-ms", "--map-size",
                 "--item-max", "--stall-ms", "--log", "LEAT_"):
        ok(word.encode() in out, f"no {word} in serve --help")


def test_version(t):
    code, out, _ = leat(t, "--version")
    eq(code, 0, "exit code")
    ok(re.search(rb"\d+\.\d+\.\d+", out), f"version {out!r}")


def test_wrong_options_exit_2_in_words(t):
    for words in (["serve", "--no-such"], ["nosuch"], ["serve", "--compute", "many"],
                  ["serve", "--listen", "nowhere:x"], ["serve", "--log", "xml"]):
        code, _, err = leat(t, *words)
        eq(code, 2, f"exit code of {words}")
        ok(words[-1].lstrip("-") in err or words[-2].lstrip("-") in err, f"{words}: {err!r}")


def test_print_config_shows_what_is_in_force(t):
    code, out, err = leat(t, "serve", "--print-config", "--compute", "3")
    eq(code, 0, f"exit code, {err}")
    eq(json.loads(out)["compute"], 3, "compute")


def test_flag_before_environment_before_file(t):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"compute": 4, "drain_ms": 1111, "stall_ms": 2222}, file)
        file.flush()
        code, out, err = leat(t, "serve", "--config", file.name, "--compute", "2", "--print-config",
                              env={"LEAT_COMPUTE": "3", "LEAT_DRAIN_MS": "3333"})
    eq(code, 0, f"exit code, {err}")
    config = json.loads(out)
    eq((config["compute"], config["drain_ms"], config["stall_ms"]), (2, 3333, 2222), "precedence")
