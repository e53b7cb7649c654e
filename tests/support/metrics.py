"""Prometheus' text format, read strictly: what does not parse, or is said twice, is an error."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "counter": ("",)}


def _labels(text):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        assert found, f"labels do not parse: {text!r} at {at}"
        assert found[1] not in labels, f"label {found[1]} twice in {text!r}"
        labels[found[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], found[2])
        at = found.end()
    return tuple(sorted(labels.items()))


class Metrics:
    """One answer of /metrics. Values are found by name and labels: m("leat_jobs", state="paused")."""

    def __init__(self, text):
        self.text = text
        self.types, self.helps, self.values = {}, {}, {}
        assert text.endswith("\n"), "the last line has no end"
        family = None
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                family, help_text = line[7:].split(" ", 1)
                assert family not in self.helps, f"HELP of {family} twice"
                assert help_text.strip(), f"HELP of {family} is empty"
                self.helps[family] = help_text
            elif line.startswith("# TYPE "):
                name, kind = line[7:].split(" ")
                assert name == family and name not in self.types, f"TYPE out of place: {line}"
                self.types[name] = kind
            else:
                self._sample(line, family)

    def _sample(self, line, family):
        found = SAMPLE.match(line)
        assert found, f"not a sample: {line!r}"
        name, labels, value = found[1], _labels(found[2] or ""), float(found[3])
        suffixes = SUFFIXES[self.types[family]]
        assert name in [family + suffix for suffix in suffixes], f"{name} stands under {family}"
        assert (name, labels) not in self.values, f"twice: {line}"
        self.values[name, labels] = value

    def __call__(self, name, **labels):
        """0 where there is no such sample yet, but the family must exist."""
        family = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in self.types or family in self.types, f"there is no metric {name}"
        return self.values.get((name, tuple(sorted(labels.items()))), 0.0)

    def names(self):
        """Of all series, as an expression names them; histograms with their suffixes."""
        return {family + suffix for family, kind in self.types.items() for suffix in SUFFIXES[kind]}

    def label_values(self, label):
        return {dict(labels).get(label) for _, labels in self.values} - {None}


def scrape(api):
    response = api.get("/metrics")
    assert response.status == 200, f"{response!r}"
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8", \
        response.headers["content-type"]
    return Metrics(response.body.decode())
