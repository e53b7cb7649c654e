"""Built-in stages against what one writes by hand for the same: bench/run's table of them.

  csv       a header line and rows of text into objects: Python's csv and json
  jq        a small program over every item: the command jq on the same file
  sqlite    rows of a table, by a key: Python's sqlite3, executemany, a commit each 10,000 rows
  postgres  the same in PostgreSQL: psql, COPY into a table of JSON, then INSERT … SELECT, all in
            one transaction

By hand it is file to file (or table) in one program, and starts again from the beginning when it
is killed; leat's rows come in over HTTP and survive a kill in the middle. All write to the
same disk with its syncs. What came out is compared.
"""

import csv
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = "{id, total: (.price * .qty), big: (.qty > 5)}"
COLUMNS = {"id": "integer", "qty": "integer", "price": "number"}
COMMIT_ROWS = 10_000


class Missing(Exception):
    """What is measured against is not installed here."""


def orders(path):
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line)


def seconds(call, *args, **options):
    began = time.perf_counter()
    call(*args, **options)
    return time.perf_counter() - began


def run(command, source=None, target=None, **options):
    with open(source or os.devnull, "rb") as given, open(target or os.devnull, "wb") as taken:
        subprocess.run([str(word) for word in command], stdin=given, stdout=taken, check=True, **options)


def sum_of(values):
    """Of many values, in whatever order."""
    total = 0
    for value in values:
        text = json.dumps(value, sort_keys=True).encode()
        total += int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
    return total & (1 << 64) - 1


# -- leat -----------------------------------------------------------------------------------


def upload(bench, path, stages, results, stages_d=None, kind="application/x-ndjson"):
    """Seconds from the first byte to the end of the job, and of its results where there are any."""
    bench.out.unlink(missing_ok=True)
    server = bench.server(["--stages-d", str(stages_d)] if stages_d else [])
    try:
        job = server.request("POST", "/v1/jobs", {"stages": stages})
        url = f"{server.url}/v1/jobs/{job['id']}"
        reader = subprocess.Popen(["curl", "-sSf", "-o", str(bench.out if results else os.devnull),
                                   f"{url}/results?follow=true"])
        began = time.perf_counter()
        subprocess.run(["curl", "-sSf", "-o", os.devnull, "-H", f"Content-Type: {kind}", "-T",
                        str(path), f"{url}/items?close=true"], check=True)
        if reader.wait(600) != 0:
            raise subprocess.SubprocessError(f"curl could not read the results: exit {reader.returncode}")
        took = time.perf_counter() - began
        done = server.request("GET", f"/v1/jobs/{job['id']}")
        if done["state"] != "succeeded":
            raise subprocess.SubprocessError(f"the job has {done['state']}: {done}")
        return took
    finally:
        server.stop()


def folder(bench, name, said):
    where = bench.folder / f"{name}.d"
    where.mkdir(exist_ok=True)
    (where / f"{name}.json").write_text(json.dumps(said))
    return where


# -- csv ------------------------------------------------------------------------------------


class Csv:
    base = "Python, csv and json"

    def __init__(self, bench, path):
        self.bench = bench
        self.table = bench.folder / "orders.csv"
        with self.table.open("w", newline="", encoding="utf-8") as out:
            rows = csv.DictWriter(out, ["id", "price", "qty", "text"], extrasaction="ignore")
            rows.writeheader()
            rows.writerows(orders(path))

    def _by_hand(self):
        dumps = json.JSONEncoder(separators=(",", ":")).encode
        with self.table.open(newline="", encoding="utf-8") as rows, self.bench.out.open("w") as out:
            for row in csv.DictReader(rows):
                out.write(dumps(row) + "\n")

    def rows(self):
        yield self.base, lambda: seconds(self._by_hand)
        yield "leat, text/csv", lambda: upload(self.bench, self.table, [{"use": "pass"}], True, kind="text/csv")

    def sum(self):
        return sum_of(orders(self.bench.out))

    def end(self):
        self.table.unlink()


# -- jq -------------------------------------------------------------------------------------


class Jq:
    base = "jq"

    def __init__(self, bench, path):
        self.bench, self.path = bench, path
        if not shutil.which("jq"):
            raise Missing("the command jq is not here")

    def rows(self):
        yield self.base, lambda: seconds(run, ["jq", "-c", PROGRAM, self.path], target=self.bench.out)
        stage = {"use": "jq", "workers": os.cpu_count(), "params": {"program": PROGRAM}}
        yield "leat, jq", lambda: upload(self.bench, self.path, [stage], True)

    def sum(self):
        return sum_of({**row, "total": float(row["total"])} for row in orders(self.bench.out))

    def end(self):
        pass


# -- sqlite ---------------------------------------------------------------------------------


class Sqlite:
    base = "Python, sqlite3"

    def __init__(self, bench, path):
        self.bench, self.path = bench, path
        self.where = folder(bench, "sqlite", {"folders": {"out": str(bench.folder / "sqlite.d")}})
        self.file = self.where / "orders.db"

    def _fresh(self):
        for path in self.where.glob("orders.db*"):
            path.unlink()

    def _by_hand(self):
        database = sqlite3.connect(self.file)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, qty INTEGER, price REAL)")
        rows = []

        def flush():
            database.executemany("INSERT OR IGNORE INTO orders VALUES (?, ?, ?)", rows)
            database.commit()
            rows.clear()

        for order in orders(self.path):
            rows.append((order["id"], order["qty"], order["price"]))
            if len(rows) == COMMIT_ROWS:
                flush()
        flush()
        database.close()

    def _by_leat(self):
        stage = {"use": "sqlite", "params": {"folder": "out", "file": "orders.db", "table": "orders",
                                             "columns": COLUMNS, "key": "id", "extra": "ignore"}}
        return upload(self.bench, self.path, [stage], False, self.where)

    def rows(self):
        yield self.base, lambda: self._fresh() or seconds(self._by_hand)
        yield "leat, sqlite", lambda: self._fresh() or self._by_leat()

    def sum(self):
        database = sqlite3.connect(self.file)
        try:
            return sum_of([int(i), int(q), float(p)] for i, q, p in
                          database.execute("SELECT id, qty, price FROM orders"))
        finally:
            database.close()

    def end(self):
        self._fresh()


# -- postgres -------------------------------------------------------------------------------

# NDJSON as CSV of one column, whose quote and delimiter no JSON text holds.
BY_HAND = r"""
BEGIN;
CREATE TABLE orders (id bigint PRIMARY KEY, qty bigint, price double precision);
CREATE TEMP TABLE raw (line json);
\copy raw FROM '%s' WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')
INSERT INTO orders SELECT (line->>'id')::bigint, (line->>'qty')::bigint, (line->>'price')::double precision
	FROM raw ON CONFLICT DO NOTHING;
COMMIT;
"""


class Postgres:
    base = "psql, COPY and INSERT"
    slow = 1

    def __init__(self, bench, path):
        sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
        from support import postgres  # the tests' own way to have one for a while

        self.bench, self.path, self.cleanup = bench, path, []
        self.template = tempfile.mkdtemp(prefix="leat-bench-")
        os.chmod(self.template, 0o755)
        self.cleanup.append(lambda: shutil.rmtree(self.template, ignore_errors=True))
        postgres.make_template(self.template)
        os.environ["TEST_PASSWORD"] = postgres.PASSWORD
        try:
            self.server = postgres.Postgres(self)
        except Missing:
            self.end()
            raise
        self.where = folder(bench, "postgres", self.server.stages_d())

    def skip(self, why):
        raise Missing(why)

    def _by_hand(self):
        self.server.do(BY_HAND % str(self.path).replace("'", "''"))

    def _by_leat(self):
        stage = {"use": "postgres", "params": {"connection": "main", "table": "orders",
                                               "columns": COLUMNS, "key": "id", "extra": "ignore"}}
        return upload(self.bench, self.path, [stage], False, self.where)

    def _fresh(self):
        self.server.do("DROP TABLE IF EXISTS orders")

    def rows(self):
        yield self.base, lambda: self._fresh() or seconds(self._by_hand)
        yield "leat, postgres", lambda: self._fresh() or self._by_leat()

    def sum(self):
        return self.server.do("SELECT count(*), md5(string_agg(id || ' ' || qty || ' ' || price, ',' ORDER BY id))"
                              " FROM orders")

    def end(self):
        while self.cleanup:
            self.cleanup.pop()()


# -- the table ------------------------------------------------------------------------------


def measure(group, count, runs, say):
    """{row: [items a second]}, its rows in turns."""
    rates, expected = {}, None
    for turn in range(runs):
        for name, once in group.rows():
            rates.setdefault(name, []).append(count / once())
            found = group.sum()
            expected = expected or found
            if found != expected:
                raise subprocess.SubprocessError(f"{name} makes something else than {group.base}")
            say(f"own stages, run {turn + 1}: {name:22} {rates[name][-1]:>12,.0f} items/s")
    return rates


def own_table(bench, path, runs, say):
    """What is not here is left out, and said."""
    count = sum(1 for _ in path.open("rb"))
    left_out = []
    yield f"| {count:,} orders | items/s | × by hand | lowest to highest of {runs} |"
    yield "| --- | ---: | ---: | ---: |"
    for kind in (Csv, Jq, Sqlite, Postgres):
        try:
            group = kind(bench, path)
        except Missing as missing:
            left_out.append(f"{kind.__name__.lower()}: {missing}.")
            say(f"own stages: {left_out[-1]}")
            continue
        try:
            rates = measure(group, count, runs, say)
        finally:
            group.end()
        base = statistics.median(rates[group.base])
        for name, values in rates.items():
            middle = statistics.median(values)
            yield f"| {name} | {middle:,.0f} | {middle / base:.2f} | {min(values):,.0f} to {max(values):,.0f} |"
    if left_out:
        yield ""
        yield "Left out: " + " ".join(left_out)
    yield ""
