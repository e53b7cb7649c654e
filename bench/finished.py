#!/usr/bin/env python3
"""What finished jobs cost: a whole job's time, a page of the list, the start, memory.

    bench/finished.py --program build/leat [--counts 1,10000,100000] [--probes 100]

Makes that many finished jobs in one folder, each with three items and results, and at each
count asks: how long does a job take from POST to its last result read (the median of many),
how long a page of the list (first and in the middle), how long the start until it listens,
and how much memory does the server have then. The figures stand in docs/reliability.md.
"""

import argparse
import os
import statistics
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "tests"))

from support import proc  # noqa: E402  (the path must be set first)
from support.client import Api, until  # noqa: E402
from support.items import ndjson  # noqa: E402
from support.server import Server  # noqa: E402

ITEMS = ndjson([{"n": n, "text": "finished"} for n in range(3)])


def whole_job(api):
    """POST, upload, wait, read; answers its id."""
    job = api.create({"name": "finished", "stages": [{"use": "pass"}]})
    job.upload(ITEMS, {"close": "true"})
    assert len(job.results(follow=True)) == 3  # answers when the job is done
    return job.id


def fill(server, count, threads=16):
    def some():
        api = Api(server)
        for _ in range(count // threads):
            api.create({"name": "finished", "stages": [{"use": "pass"}]}).upload(
                ITEMS, {"close": "true"})
        api.close()
    running = [threading.Thread(target=some) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def median_ms(function, times):
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def measure(server, probes):
    api = Api(server)
    until(lambda: api.get("/v1/server").json()["totals"]["jobs_open"] == 0, 120, "all are done")
    job = median_ms(lambda: whole_job(api), probes)
    page = median_ms(lambda: api.jobs(limit=50), 20)
    middle = api.jobs(limit=50)["next"]
    further = median_ms(lambda: api.jobs(limit=50, after=middle), 20) if middle else 0.0
    api.close()
    server.stop()
    began = time.perf_counter()
    server.start(timeout=120)
    start = (time.perf_counter() - began) * 1000
    return job, page, further, start, server.rss_kib() / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/leat")
    parser.add_argument("--counts", default="1,10000,100000")
    parser.add_argument("--probes", type=int, default=100)
    args = parser.parse_args()
    server = Server(args.program, {"map-size": 8 << 30, "log-level": "info"}).start()
    made = 0
    try:
        print("| finished jobs | a whole job | page of the list | next page | start | memory | disk |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for count in map(int, args.counts.split(",")):
            fill(server, max(0, count - made))
            made = count
            job, page, further, start, rss = measure(server, args.probes)
            disk = proc.disk_bytes(server.data) / (1 << 20)
            print(f"| {count:,} | {job:.1f} ms | {page:.1f} ms | {further:.1f} ms "
                  f"| {start:.0f} ms | {rss:.0f} MiB | {disk:.0f} MiB |", flush=True)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
