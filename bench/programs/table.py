"""Programs as stages, against GNU parallel with the same script: bench/run's table of them."""

import json
import os
import pathlib
import shutil
import statistics

HERE = pathlib.Path(__file__).resolve().parent
LINES = 100  # what a process for each line is measured with


def registered(bench, python):
    """The folder in which an operator names the three programs."""
    folder = bench.folder / "stages.d"
    folder.mkdir(exist_ok=True)
    sdk = str(HERE.parent.parent / "sdk/python")
    programs = {
        "lines-py": {"argv": [python, str(HERE / "lines.py"), "each"], "protocol": "plain"},
        "orders-py": {"argv": [python, str(HERE / "orders.py")], "protocol": "framed",
                      "env": {"PYTHONPATH": sdk}},
        "orders-js": {"argv": [shutil.which("node"), str(HERE / "orders.mjs")], "protocol": "framed"},
    }
    for name, said in programs.items():
        (folder / f"{name}.json").write_text(json.dumps(said))
    return folder


def rows(bench, python, path, few):
    """{row: (how many items, how to do it once)}"""
    jobs = os.cpu_count()
    count = sum(1 for _ in path.open("rb"))
    options = ["--stages-d", str(registered(bench, python))]
    found = {"python": (count, lambda: bench.timed([python, HERE.parent / "loop.py", path, bench.out]))}
    if shutil.which("parallel"):
        script = f"{python} {HERE / 'lines.py'}"
        found["parallel --pipe, Python"] = (count, lambda: bench.piped(
            ["parallel", "--pipe", f"-j{jobs}", "--block", "1M", script], path))
        found["parallel, a process a line"] = (LINES, lambda: bench.piped(
            ["parallel", f"-j{jobs}", f"printf %s {{}} | {script}"], few))
    found["leat, Python, plain"] = (count, lambda: bench.leat("lines-py", path, options))
    found["leat, Python, framed"] = (count, lambda: bench.leat("orders-py", path, options))
    if shutil.which("node"):
        found["leat, Node, framed"] = (count, lambda: bench.leat("orders-js", path, options))
    return found


def programs_table(bench, python, path, runs, say):
    few = bench.folder / "few.ndjson"
    with path.open("rb") as whole, few.open("wb") as out:
        out.writelines(line for line, _ in zip(whole, range(LINES)))
    found = rows(bench, python, path, few)
    rates = {name: [] for name in found}
    for turn in range(runs):
        for name, (count, measure) in found.items():
            rates[name].append(count / measure())
            bench.same_results(count, name)
            say(f"programs, run {turn + 1}: {name:26} {rates[name][-1]:>12,.0f} items/s")
    base = statistics.median(rates["python"])
    yield f"| programs, {os.cpu_count()} at once | items/s | × python | lowest to highest of {runs} |"
    yield "| --- | ---: | ---: | ---: |"
    for name, values in rates.items():
        middle = statistics.median(values)
        yield f"| {name} | {middle:,.0f} | {middle / base:.3g} | {min(values):,.0f} to {max(values):,.0f} |"
    yield ""
