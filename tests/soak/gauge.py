"""What the server takes, read every few seconds from /proc, and whether it grows."""

import os
import statistics
import threading
import time

from support import proc

SLACK_RSS = 24 << 20    # an allocator's and a page cache's ups and downs
SLACK_COUNT = 24        # descriptors and threads: connections and workers of the moment
SAMPLES_LEAST = 12      # of a life, to say anything


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Gauge(threading.Thread):
    def __init__(self, mill, every):
        super().__init__(daemon=True)
        self.mill, self.every = mill, every
        self.samples = []
        self.life = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(self.every):
            try:
                self.samples.append(self.look())
            except (OSError, ValueError):
                pass  # between two lives

    def look(self):
        server = self.mill.server
        return {"life": self.life, "t": round(time.monotonic() - self.mill.began, 1),
                "anonymous": proc.anonymous_kib(server.pid) * 1024,
                "descriptors": descriptors(server.pid),
                "threads": server.threads(), "disk": server.disk_bytes(),
                "jobs": self.mill.ended}

    def new_life(self):
        self.life += 1

    def stop(self):
        self.over.set()
        self.join()

    def halves(self, what):
        """The medians of what was taken in the first and in the second half of the last life,
        its first tenth, in which it warms up, left out."""
        values = [sample[what] for sample in self.samples if sample["life"] == self.life]
        values = values[len(values) // 10:]
        if len(values) < SAMPLES_LEAST:
            return None
        middle = len(values) // 2
        return statistics.median(values[:middle]), statistics.median(values[middle:])

    def judge(self):
        return [(f"{what} did not grow", self.growth(what, slack))
                for what, slack in (("anonymous", SLACK_RSS), ("descriptors", SLACK_COUNT),
                                    ("threads", SLACK_COUNT))]

    def growth(self, what, slack):
        halves = self.halves(what)
        if halves is None:
            return "too few samples to tell; let it run longer"
        first, second = halves
        return f"{first:,.0f}, then {second:,.0f}" if second > first + slack else None

    def figures(self):
        found = {"lives": self.life + 1, "samples_taken": len(self.samples)}
        for what in ("anonymous", "descriptors", "threads", "disk"):
            values = [sample[what] for sample in self.samples]
            if values:
                found[what] = {"most": max(values), "halves": self.halves(what)}
        return found
