"""The built-in stages again, in Python: what a pipeline must make of its items.

Written from the contract and not from the C code, so that the two can disagree. It knows
nothing of workers, queues or time; results come out in input order.
"""

import copy
import hashlib
import json
import re


class Fail(Exception):
    """An item's attempt failed."""

    def __init__(self, kind, text=""):
        super().__init__(text)
        self.kind = kind


MISSING = object()


def pointer(value, path):
    """RFC 6901; a bare name `a` means `/a`. MISSING where it points nowhere."""
    if path == "":
        return value
    if not path.startswith("/"):
        path = "/" + path
    for token in path[1:].split("/"):
        token = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and re.fullmatch(r"0|[1-9]\d*", token) \
                and int(token) < len(value):
            value = value[int(token)]
        else:
            return MISSING
    return value


def _last(path):
    return path.rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")


def stage_pass(params, value, number, attempt):
    return [value]


def stage_fail(params, value, number, attempt):
    every = params.get("every", 1)
    until = params.get("until_attempt", 0)
    hit = every > 0 and (number + 1) % every == 0
    if hit and (until == 0 or attempt < until):
        raise Fail(params.get("kind", "permanent"))
    return [value]


def stage_sha256(params, value, number, attempt):
    text = pointer(value, params["field"])
    if not isinstance(value, dict) or not isinstance(text, str):
        raise Fail("permanent")
    return [{**value, params.get("into", "sha256"): hashlib.sha256(text.encode()).hexdigest()}]


def stage_pick(params, value, number, attempt):
    fields = params["fields"]
    if isinstance(fields, list):
        fields = {_last(path): path for path in fields}
    found = {name: pointer(value, path) for name, path in fields.items()}
    return [{name: one for name, one in found.items() if one is not MISSING}]


def _comparable(a, b):
    number = (int, float)
    if isinstance(a, bool) or isinstance(b, bool):
        return False
    return isinstance(a, number) and isinstance(b, number) or \
        isinstance(a, str) and isinstance(b, str)


def _equal(a, b):
    """JSON equality: 1 and 1.0 are the same number, 1 and true are not the same value."""
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    return a == b


def stage_filter(params, value, number, attempt):
    found = pointer(value, params["pointer"])
    op, want = params.get("op", "exists"), params.get("value")
    if op == "exists":
        keep = found is not MISSING
    elif op == "eq":
        keep = found is not MISSING and _equal(found, want)
    elif op == "ne":
        keep = found is MISSING or not _equal(found, want)
    elif op == "matches":
        keep = isinstance(found, str) and re.search(want, found) is not None
    elif found is MISSING or not _comparable(found, want):
        keep = False
    else:
        keep = {"lt": found < want, "le": found <= want,
                "gt": found > want, "ge": found >= want}[op]
    return [value] if keep else []


def stage_explode(params, value, number, attempt):
    found = pointer(value, params.get("field", ""))
    if not isinstance(found, list):
        raise Fail("permanent")
    return list(found)


def stage_sleep(params, value, number, attempt):
    return [value]


def stage_orders(params, value, number, attempt):
    """The example: total = price × qty, the text's hash, items with qty 0 dropped."""
    if value["qty"] == 0:
        return []
    sha = hashlib.sha256((value["text"] * params.get("rounds", 1)).encode()).hexdigest()
    return [{"id": value["id"], "total": value["price"] * value["qty"], "sha": sha}]


STAGES = {name[6:]: function for name, function in globals().items() if name.startswith("stage_")}


class Outcome:
    """What becomes of the items. `results` are (item number, value) in input order."""

    def __init__(self):
        self.results = []
        self.failures = []
        self.succeeded = self.filtered = self.failed = self.retries = 0

    @property
    def values(self):
        return [value for _, value in self.results]

    def counts(self):
        return {"succeeded": self.succeeded, "filtered": self.filtered, "failed": self.failed,
                "results": len(self.results)}

    def failure_keys(self):
        return [(f["item"], f["stage"], f["kind"], f["attempts"]) for f in self.failures]


def names(stages):
    """use, use-2, … where no name is given."""
    given, seen = [], {}
    for stage in stages:
        use = stage["use"]
        seen[use] = seen.get(use, 0) + 1
        given.append(stage.get("name") or (use if seen[use] == 1 else f"{use}-{seen[use]}"))
    return given


def _attempts(stage):
    return stage.get("retry", {}).get("attempts", 3)


def _through(stage, value, number, outcome):
    """One item through one stage, with its retries. Raises Fail when they are used up."""
    attempt = 1
    while True:
        try:
            made = STAGES[stage["use"]](stage.get("params", {}), copy.deepcopy(value), number,
                                        attempt)
            outcome.retries += attempt - 1
            return made
        except Fail as failure:
            if failure.kind != "transient" or attempt >= _attempts(stage):
                outcome.retries += attempt - 1
                failure.attempts = attempt
                raise
            attempt += 1


def _item(stages, given, number, value, outcome):
    """One input item through all of the stages."""
    alive, failed = [value], False
    for stage, name in zip(stages, given):
        following = []
        for one in alive:
            try:
                following += _through(stage, one, number, outcome)
            except Fail as failure:
                failed = True
                if stage.get("on_error", "dead_letter") == "dead_letter":
                    outcome.failures.append({"item": number, "stage": name, "input": one,
                                             "kind": failure.kind, "attempts": failure.attempts})
        alive = following
    outcome.results += [(number, one) for one in alive]
    if failed:
        outcome.failed += 1
    elif alive:
        outcome.succeeded += 1
    else:
        outcome.filtered += 1


def run(stages, values, first=0):
    """The outcome of `values` as items numbered from `first`."""
    outcome = Outcome()
    given = names(stages)
    for number, value in enumerate(values, first):
        _item(stages, given, number, value, outcome)
    return outcome


def filled(template, number):
    """The source `range`: "$i" alone is the number, $i inside a string its digits."""
    if isinstance(template, dict):
        return {key.replace("$i", str(number)): filled(value, number)
                for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, number) for value in template]
    if template == "$i":
        return number
    if isinstance(template, str):
        return template.replace("$i", str(number))
    return template


def aggregate(params, values):
    """The report of the sink `aggregate` over items that all have the field."""
    report = _sums(params, values)
    if "by" in params:
        groups = {}
        for value in values:
            key = pointer(value, params["by"])
            key = "null" if key is MISSING else key if isinstance(key, str) else json.dumps(key)
            groups.setdefault(key, []).append(value)
        report["groups"] = {key: _sums(params, groups[key]) for key in sorted(groups)}
    return report


def _sums(params, values):
    if "field" not in params:
        return {"count": len(values)}
    numbers = [pointer(value, params["field"]) for value in values]
    return {"count": len(numbers), "sum": sum(numbers), "min": min(numbers, default=None),
            "max": max(numbers, default=None),
            "avg": sum(numbers) / len(numbers) if numbers else None}
