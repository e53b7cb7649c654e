"""Checks that say what was wrong. They raise AssertionError and nothing else."""

import json
from collections import Counter


def _short(value, limit=400):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[:limit] + f"… ({len(text)} characters)"


def ok(condition, message):
    if not condition:
        raise AssertionError(message)


def eq(actual, expected, what="value"):
    if actual != expected:
        raise AssertionError(f"{what}: expected {_short(expected)}, got {_short(actual)}")


def within(actual, low, high, what="value"):
    if not low <= actual <= high:
        raise AssertionError(f"{what}: expected {low} to {high}, got {actual}")


def status(response, expected):
    if response.status != expected:
        raise AssertionError(f"expected status {expected}, got {response!r}")
    return response


def problem(response, expected_status, slug):
    """The reply is an RFC 9457 problem with this status and slug; answers its object."""
    if response.status != expected_status:
        raise AssertionError(f"expected {expected_status} {slug}, got {response!r}")
    eq(response.type, "application/problem+json", "type of an error reply")
    body = response.json()
    eq(body.get("type"), f"/problems/{slug}", "problem type")
    eq(body.get("status"), expected_status, "status member")
    ok(body.get("title"), f"a problem without title: {body}")
    ok(isinstance(body.get("detail"), str) and body["detail"], f"a problem without detail: {body}")
    return body


def pointers(body):
    return [error.get("pointer") for error in body.get("errors", [])]


def has_pointers(body, wanted):
    """Every wanted pointer is named, and each error says something."""
    found = pointers(body)
    for pointer in wanted:
        ok(pointer in found, f"no error points at {pointer!r}, only at {found}: {_short(body)}")
    for error in body.get("errors", []):
        ok(error.get("detail"), f"an error without detail: {error}")


def canonical(value):
    """One spelling for one JSON value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def same_multiset(actual, expected, what="results"):
    """The same values, each the same number of times, in any order."""
    have = Counter(map(canonical, actual))
    want = Counter(map(canonical, expected))
    if have == want:
        return
    missing, extra = want - have, have - want
    raise AssertionError(f"{what}: {sum(missing.values())} missing, {sum(extra.values())} too many; "
                         f"missing {_short(list(missing)[:3])}, too many {_short(list(extra)[:3])}")


def same_list(actual, expected, what="results"):
    """The same values in the same order."""
    have, want = list(map(canonical, actual)), list(map(canonical, expected))
    if have == want:
        return
    for at, (a, b) in enumerate(zip(have, want)):
        if a != b:
            raise AssertionError(f"{what}: differ first at {at}: expected {_short(b)}, got {_short(a)}")
    raise AssertionError(f"{what}: expected {len(want)}, got {len(have)}")


FATES = ("pending", "running", "succeeded", "filtered", "failed", "cancelled")
STATES = ("running", "finishing", "succeeded", "paused", "failed", "cancelled")
DONE = ("succeeded", "failed", "cancelled")


def counts_add_up(job):
    """The invariant of a job: every item received has exactly one fate."""
    counts, received = job["counts"], job["input"]["received"]
    for name in FATES + ("results", "retries"):
        ok(isinstance(counts[name], int) and counts[name] >= 0, f"counts.{name} is {counts[name]!r}")
    total = sum(counts[name] for name in FATES)
    eq(total, received, f"the sum of all fates against input.received in {counts}")
    ok(job["state"] in STATES, f"unknown state {job['state']!r}")
    eq(job["done"], job["state"] in DONE, f"done in state {job['state']}")
    if job["done"]:
        eq((counts["pending"], counts["running"]), (0, 0), "pending and running of a job that is done")
    if counts["total"] is not None:
        eq(counts["total"], received, "total of a job whose input is closed")
    return job
