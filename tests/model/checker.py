"""Decides from a history alone whether the promises held.

A history is a list of events, one a request, in the order in which they ended. Each has `op`, the
numbers `begin` and `end` (one clock over all clients: what ended before another began happened
before it), `job`, and what was asked and answered. `status` is None where the connection broke:
it may have happened or not. What the ops carry:

    create   definition                    body     key, values: what a client will send
    upload   key, lines, close, reply      offset   key, next_offset
    look     reply: the job resource       read     what, after, items, whole
    act      verb                          patch    stage, workers
    retry    delete   kill   started

Items are objects with a unique member `n`; the pipelines are of filter, explode, pass and sleep,
so what an item comes to follows from its value (fates.py). This file knows the API's page and
nothing of how leat works.
"""

from collections import Counter, defaultdict

from fates import fate

DONE = ("succeeded", "failed", "cancelled")
NEXT = {"running": {"running", "paused", "finishing", *DONE}, "paused": {"paused", "running", *DONE,
        "finishing"}, "finishing": {"finishing", "running", *DONE},
        "succeeded": {"succeeded", "running", "finishing"}, "failed": {"failed"},
        "cancelled": {"cancelled"}}


class Broken(Exception):
    """A promise that was not kept, with what shows it."""

    def __init__(self, promise, evidence):
        super().__init__(f"{promise}: {evidence}")
        self.promise = promise


def before(a, b):
    return a["end"] < b["begin"]


class JobHistory:
    """The events of one job."""

    def __init__(self, job, events):
        self.job = job
        self.events = [event for event in events if event.get("job") == job]
        self.definition = next(e["definition"] for e in self.events if e["op"] == "create")
        self.bodies = {e["key"]: e["values"] for e in self.events if e["op"] == "body"}
        self.looks = [e for e in self.events if e["op"] == "look" and e["status"] == 200]
        self.reads = [e for e in self.events if e["op"] == "read" and e["status"] == 200]
        self.values = {v["n"]: (key, line, v) for key, values in self.bodies.items()
                       for line, v in enumerate(values)}

    def of(self, op, status=200):
        return [e for e in self.events if e["op"] == op and e["status"] == status]

    def told(self):
        """(event, key, lines): so many lines were acknowledged by that event."""
        for event in self.events:
            if event["op"] == "upload" and isinstance(event.get("reply"), dict) \
                    and event["reply"].get("next_offset") is not None:
                yield event, event["key"], event["reply"]["next_offset"]

    def acknowledged(self):
        lines = Counter()
        for _, key, count in self.told():
            lines[key] = max(lines[key], count)
        return lines


# -- uploads ---------------------------------------------------------------------------


def check_offsets(job):
    """What clients were told of an idempotency key is true and never falls."""
    tops = []  # (event, key, lines)
    for event in job.events:
        if event["op"] == "upload" and event["status"] == 200:
            reply = event["reply"]
            if reply["accepted"] + reply["duplicates"] + reply["rejected"] != event["lines"]:
                raise Broken("an upload's reply adds up", event)
            lines = reply["next_offset"]
            if lines < event["lines"]:
                raise Broken("200 means that the whole body was taken", event)
        elif event["op"] == "offset" and event["status"] == 200:
            lines = event["next_offset"]
        else:
            continue
        if lines > len(job.bodies[event["key"]]):
            raise Broken("next_offset is not beyond what was sent", event)
        for earlier, key, was in tops:
            if key == event["key"] and before(earlier, event) and was > lines:
                raise Broken("next_offset never falls", (earlier, event))
        tops.append((event, event["key"], lines))


# -- what is shown of a job ----------------------------------------------------------------


def check_counts(job):
    """At every moment the counts are consistent."""
    for event in job.looks:
        now, counts = event["reply"], event["reply"]["counts"]
        parts = sum(counts[name] for name in
                    ("pending", "running", "succeeded", "filtered", "failed", "cancelled"))
        if parts != now["input"]["received"]:
            raise Broken("received is the sum of the fates", (now["input"], counts))
        if any(value is not None and value < 0 for value in counts.values()):
            raise Broken("no count is negative", counts)
        if now["done"] != (now["state"] in DONE):
            raise Broken("done is true in the last states", now["state"])
        if now["done"] and counts["pending"] + counts["running"]:
            raise Broken("nothing is under way in a job that is done", counts)


def check_forward(job):
    """Counts, versions and states move forward only, whatever crashes in between."""
    retries = job.of("retry") + job.of("retry", None)
    for number, earlier in enumerate(job.looks):
        for later in job.looks[number + 1:]:
            if not before(earlier, later):
                continue
            was, now = earlier["reply"], later["reply"]
            retried = any(not before(r, earlier) and not before(later, r) for r in retries)
            for name in ("succeeded", "filtered", "results") + (() if retried else ("failed",)):
                if now["counts"][name] < was["counts"][name]:
                    raise Broken(f"{name} never falls", (was["counts"], now["counts"]))
            if now["input"]["received"] < was["input"]["received"]:
                raise Broken("received never falls", (was["input"], now["input"]))
            if was["input"]["state"] == "closed" and now["input"]["state"] != "closed":
                raise Broken("a closed input stays closed", (earlier["end"], later["end"]))
            if was["state"] in DONE and now["state"] != was["state"] and not retried:
                raise Broken("a last state stays", (was["state"], now["state"]))
            if now["state"] not in NEXT[was["state"]] and not retried:
                raise Broken("states follow the contract", (was["state"], now["state"]))
            if now["version"] < was["version"]:
                raise Broken("the version never falls", (was["version"], now["version"]))
            if was["version"] == now["version"] and was["counts"]["results"] != \
                    now["counts"]["results"]:
                raise Broken("what is different has another version", (was, now))


def check_acknowledged(job):
    """What was acknowledged is counted from then on."""
    for event, _, _ in job.told():
        lines = Counter()
        for earlier, key, count in job.told():
            if earlier["end"] <= event["end"]:
                lines[key] = max(lines[key], count)
        for look in job.looks:
            if before(event, look) and look["reply"]["input"]["received"] < sum(lines.values()):
                raise Broken("what was acknowledged is there",
                             (dict(lines), look["reply"]["input"], event["end"], look["end"]))


def last_before(events, look):
    """The last of these acknowledged events before `look`; None where another may lie between."""
    found = [e for e in events if before(e, look)]
    if not found:
        return None
    last = max(found, key=lambda e: e["end"])
    unsure = [e for e in events if e is not last and not before(e, last) and not before(look, e)]
    return None if unsure else last


def check_orders(job):
    """What was ordered and acknowledged holds, until something else is ordered."""
    patches = job.of("patch") + job.of("patch", None)
    for look in job.looks:
        for stage in look["reply"]["stages"]:
            told = last_before([p for p in patches if p["stage"] == stage["name"]], look)
            if told and told["status"] == 200 and stage["workers"] != told["workers"]:
                raise Broken("workers are as ordered", (told, stage))
        acts = [e for e in job.events if e["op"] == "act" and e["verb"] in ("pause", "resume", "cancel")
                and e["status"] in (200, None)]
        told = last_before(acts, look)
        state = look["reply"]["state"]
        if told and told["status"] == 200 and told["verb"] == "pause" and \
                state not in ("paused", *DONE):
            raise Broken("a paused job is paused", (told, state))
        if told and told["status"] == 200 and told["verb"] == "cancel" and not look["reply"]["done"] \
                and state not in ("finishing", "running", "paused"):
            raise Broken("a cancelled job ends", (told, state))
        closed = [e for e in job.of("act") if e["verb"] == "close" and before(e, look)]
        if closed and look["reply"]["input"]["state"] != "closed":
            raise Broken("a closed input is closed", (closed[0], look["reply"]["input"]))


def check_deleted(job):
    gone = job.of("delete", 204)
    for event in gone:
        for look in job.looks:
            if before(event, look):
                raise Broken("a deleted job is gone", (event, look["reply"]["id"]))


# -- results ---------------------------------------------------------------------------


class Log:
    """The results as all readers together saw them: which stands behind which cursor."""

    def __init__(self, job):
        self.behind = {}
        for read in job.reads:
            if read["what"] != "results":
                continue
            at = read["after"]
            for item in read["items"]:
                seen = self.behind.setdefault(at, item)
                if seen != item:
                    raise Broken("behind a cursor stands one result, for ever",
                                 (at, seen, item))
                at = item["cursor"]

    def whole(self):
        at, cursors = None, set()
        while at in self.behind:
            item = self.behind[at]
            at = item["cursor"]
            if at in cursors:
                raise Broken("a cursor comes once", at)
            cursors.add(at)
            yield item


def check_results(job, log):
    """No result of nothing, none twice, each under its item's number, in the order promised."""
    number_of, seen, last = {}, Counter(), -1
    for item in log:
        value = item["value"]
        if value.get("n") not in job.values:
            raise Broken("a result descends from an item that was sent", item)
        _, _, given = job.values[value["n"]]
        kind, outputs, _ = fate(job.definition["stages"], given)
        if kind != "succeeded" or value not in outputs:
            raise Broken("a result is what the stages make of its item", (item, given))
        text = repr(sorted(value.items()))
        seen[text] += 1
        if seen[text] > outputs.count(value):
            raise Broken("no result stands twice", item)
        if number_of.setdefault(value["n"], item["item"]) != item["item"]:
            raise Broken("an item has one number", item)
        if job.definition.get("order") == "input":
            if item["item"] < last:
                raise Broken("results stand in the order of their items", (last, item))
            last = item["item"]
    check_numbers(job, number_of)


def check_numbers(job, number_of):
    if len(set(number_of.values())) != len(number_of):
        raise Broken("a number is one item's", number_of)
    for values in job.bodies.values():
        numbers = [number_of[v["n"]] for v in values if v["n"] in number_of]
        if numbers != sorted(numbers):
            raise Broken("the lines of a body have rising numbers", numbers[:20])


def failed_values(job):
    """n → how often it stands among the failures, of the last whole reading; None without one."""
    whole = [r for r in job.reads if r["what"] == "failures" and r["whole"]]
    if not whole:
        return None
    found = Counter()
    for item in whole[-1]["items"]:
        found[item["input"]["n"]] += 1
        _, _, given = job.values[item["input"]["n"]]
        kind, _, stage = fate(job.definition["stages"], given)
        if kind != "failed" or item["stage"] != stage:
            raise Broken("a failure is what the stages make of its item", item)
    return found


def check_end(job, log):
    """The job has succeeded and was read to its end: everything acknowledged ended once."""
    end = job.looks[-1]["reply"] if job.looks else None
    whole = any(r["what"] == "results" and r["whole"] for r in job.reads)
    failed = failed_values(job)
    if end is None or end["state"] != "succeeded" or not whole or failed is None:
        return
    results = defaultdict(list)
    for item in log:
        results[item["value"]["n"]].append(item["value"])
    lines = job.acknowledged()
    tally = Counter()
    for key, values in job.bodies.items():
        tally += check_body(job, key, values, lines[key], results, failed)
    check_tally(end["counts"], tally, end["input"]["received"], len(log))


def check_body(job, key, values, acknowledged, results, failed):
    """The fates of one body; what was taken of it is its beginning, at least what was told."""
    tally, missing = Counter(), None
    for line, value in enumerate(values):
        kind, outputs, _ = fate(job.definition["stages"], value)
        if kind == "filtered":
            tally["filtered"] += line < acknowledged
            tally["may"] += line >= acknowledged
            continue
        there = len(results[value["n"]]) == len(outputs) if kind == "succeeded" \
            else failed[value["n"]] == 1
        if failed[value["n"]] > 1:
            raise Broken("an item fails once", (key, line, value))
        if not there and (line < acknowledged or results[value["n"]]):
            raise Broken("what was acknowledged ends exactly once",
                         (key, line, value, kind, results[value["n"]]))
        if there and missing is not None:
            raise Broken("what is taken of a body is its beginning", (key, missing, line))
        if not there:
            missing = line if missing is None else missing
        else:
            tally[kind] += 1
    return tally


def check_tally(counts, tally, received, results):
    for kind in ("succeeded", "failed"):
        if counts[kind] != tally[kind]:
            raise Broken(f"counts.{kind} is what there is", (counts, tally))
    if not tally["filtered"] <= counts["filtered"] <= tally["filtered"] + tally["may"]:
        raise Broken("counts.filtered is what there is", (counts, tally))
    if counts["results"] != results:
        raise Broken("counts.results is what can be read", (counts, results))
    if received != sum(counts[kind] for kind in ("succeeded", "failed", "filtered")):
        raise Broken("a job that succeeded has no item without a fate", (counts, received))


# -- all of it ---------------------------------------------------------------------------


def check(events):
    """Raises Broken with the first promise that was not kept."""
    for name in [e["job"] for e in events if e["op"] == "create" and e["status"] == 201]:
        job = JobHistory(name, events)
        check_offsets(job)
        check_counts(job)
        check_forward(job)
        check_acknowledged(job)
        check_orders(job)
        check_deleted(job)
        log = list(Log(job).whole())
        check_results(job, log)
        check_end(job, log)
