"""The stage `http` with 10,000 requests under way, against libcurl by hand and wrk.

bench/run's table of it. All call bench/slow_server.c, which answers after 100 ms, so that
50,000 items are five rounds: 0.5 s where no CPU is the limit. CPU is counted for each side
by itself.
"""

import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import time

DELAY_MS = 100
CONNECTIONS = 10_000
ITEMS = 50_000
WRK_SECONDS = 5
DESCRIPTORS = CONNECTIONS + 1_000
TICKS = os.sysconf("SC_CLK_TCK")


class Slow:
    """The server that is called; it ends with its standard input, so also with us."""

    def __init__(self, bench):
        self.process = subprocess.Popen([str(bench.tool("slow-server")), str(DELAY_MS)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self):
        """What it counted."""
        said, _ = self.process.communicate(timeout=60)
        return json.loads(said)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def by_leat(bench, path, failed):
    """Seconds, requests, CPU seconds of the client and what the server counted."""
    slow = Slow(bench)
    folder = bench.folder / "calls.d"
    folder.mkdir(exist_ok=True)
    (folder / "http.json").write_text(json.dumps(
        {"hosts": [slow.url], "per_host": CONNECTIONS, "connections": CONNECTIONS}))
    bench.out.unlink(missing_ok=True)
    server = bench.server(["--stages-d", str(folder)])
    try:
        job = server.request("POST", "/v1/jobs", {"stages": [
            {"use": "http", "workers": CONNECTIONS,
             "params": {"url": slow.url + "/{/id}", "take": "body"}}]})
        url = f"{server.url}/v1/jobs/{job['id']}"
        before = cpu_seconds(server.process.pid)
        began = time.perf_counter()
        reader = subprocess.Popen(["curl", "-sSf", "-o", str(bench.out),
                                   f"{url}/results?follow=true"])
        subprocess.run(["curl", "-sSf", "-o", "/dev/null", "-T", str(path),
                        f"{url}/items?close=true"], check=True)
        if reader.wait(600) != 0:
            raise failed(f"curl could not read the results: exit {reader.returncode}")
        took = time.perf_counter() - began
        cpu = cpu_seconds(server.process.pid) - before
    finally:
        server.stop()
        counted = slow.stop()
    lines = bench.out.read_bytes().splitlines()
    if len(lines) != ITEMS or not all(line.endswith(b'"response":{"ok":true}}') for line in lines):
        raise failed(f"http: {len(lines):,} results of {ITEMS:,} calls, or wrong ones")
    return took, ITEMS, cpu, counted


def by_hand(bench):
    """The least that a program with libcurl can do: bench/curl_calls.c."""
    slow = Slow(bench)
    try:
        said = json.loads(subprocess.run(
            [bench.tool("curl-calls"), slow.url, str(ITEMS), str(CONNECTIONS)],
            stdout=subprocess.PIPE, check=True).stdout)
    finally:
        counted = slow.stop()
    return said["seconds"], ITEMS, said["cpu_s"], counted


def by_wrk(bench):
    slow = Slow(bench)
    try:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{WRK_SECONDS}s", slow.url + "/1"],
                       stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    finally:
        counted = slow.stop()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return WRK_SECONDS, counted["requests"], cpu, counted


def calls_table(bench, runs, say, failed):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        say(f"calls: left out, {DESCRIPTORS:,} open files are not allowed here")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    path = bench.folder / "calls.ndjson"
    path.write_text("".join(f'{{"id":{number}}}\n' for number in range(ITEMS)))
    rows = {"leat `http`": lambda: by_leat(bench, path, failed),
            "libcurl by hand": lambda: by_hand(bench)}
    if shutil.which("wrk"):
        rows["wrk"] = lambda: by_wrk(bench)
    found = {name: [] for name in rows}
    for turn in range(runs):
        for name, measure in rows.items():
            took, count, cpu, counted = measure()
            found[name].append((ITEMS * took / count, count / took, 1e6 * cpu / count,
                                1e6 * counted["cpu_s"] / counted["requests"],
                                counted["connections"]))
            say(f"calls, run {turn + 1}: {name:15} {count / took:>12,.0f} requests/s, "
                f"{found[name][-1][2]:.1f} µs of CPU each")
    yield (f"| {CONNECTIONS:,} at once, answered after {DELAY_MS} ms | {ITEMS:,} take | requests/s | "
           "CPU of the client, each | CPU of the server called, each | connections |")
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, values in found.items():
        took, rate, client, server, connections = (statistics.median(v) for v in zip(*values))
        yield (f"| {name} | {took:.2f} s | {rate:,.0f} | {client:.1f} µs | {server:.1f} µs | "
               f"{connections:,.0f} |")
    yield ""
