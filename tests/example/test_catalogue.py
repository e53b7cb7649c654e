"""examples/catalogue, from an empty folder to the tables."""

import os
import shutil
import sqlite3
import sys
import tempfile

import catalogue
from support.postgres import PASSWORD, Postgres
from support.leat import *
from support.server import die_with_parent

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
ROWS = 50_000
STEPS = ["jq", "http", "score"]


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def ran(t, rows, *more, **secret):
    """Runs the example; answers its folder, its summary, what must have come out, what it said."""
    for tool in ("node", "curl"):
        if not shutil.which(tool):
            t.skip(f"{tool} is not here")
    into = tempfile.TemporaryDirectory(prefix="leat-catalogue-")
    t.cleanup.append(into.cleanup)
    env = {name: value for name, value in os.environ.items() if not name.startswith("LEAT_")}
    env.update(secret)
    done = subprocess.run([sys.executable, "-B", os.path.join(TOP, "examples/catalogue/run"), "--leat",
                           t.settings.program, "--rows", str(rows), "--steps", ",".join(STEPS), *more, into.name],
                          capture_output=True, text=True, env=env, timeout=400 * t.slow,
                          preexec_fn=die_with_parent, check=False)
    eq(done.returncode, 0, done.stdout + done.stderr)
    with open(os.path.join(into.name, "summary.json"), encoding="utf-8") as file:
        summary = json.load(file)
    return into.name, summary, catalogue.Expected(os.path.join(into.name, "products.csv"), STEPS), done.stdout


def first_job_is_right(folder, summary, expected):
    made = summary["catalogue"]
    eq(made["rejected"], expected.rejected, "rejected")
    eq([made[key] for key in ("total", "filtered", "failed", "results")],
       [expected.rows, expected.filtered, len(expected.reasons), len(expected.products)])
    scored = lines(os.path.join(folder, "scored.ndjson"))
    same_multiset([{**value, "price": float(value["price"]), "stock": float(value["stock"])} for value in scored],
                  expected.products)
    failures = lines(os.path.join(folder, "catalogue-failures.ndjson"))
    found = sorted((failure["input"]["sku"], failure["stage"]) for failure in failures)
    eq(found, sorted((sku, stage) for sku, stage, _ in expected.reasons))
    reasons = {(sku, stage): reason for sku, stage, reason in expected.reasons}
    for failure in failures:
        reason = reasons[failure["input"]["sku"], failure["stage"]]
        ok(reason in failure["error"], f"{failure} does not say {reason!r}")


def rows_are_right(rows, expected):
    """(sku, name, price, stock, added, weight_g, score): of articles that came twice either one."""
    report, table = expected.stored()
    eq(len(rows), report["written"])
    for row in rows:
        ok(any((made["sku"], made["name"], made["price"], int(made["stock"]), made["added"],
                made.get("weight_g"), made.get("score")) == row for made in table[row[0]]),
           f"{row} is none of {table[row[0]]}")


QUERY = "SELECT sku, name, price, stock, {added}, weight_g, score FROM products ORDER BY sku"


def kept_is_right(folder, summary, expected):
    report, _ = expected.stored()
    eq(summary["sqlite"]["report"], report)
    eq(summary["sqlite"]["failed"], report["refused"])
    with sqlite3.connect(os.path.join(folder, "out/products.db")) as db:
        rows_are_right(db.execute(QUERY.format(added="added")).fetchall(), expected)
    db.close()
    groups = summary["aggregate"]["report"]["groups"]
    eq({name: (group["count"], group["sum"]) for name, group in groups.items()}, expected.weights())
    eq(summary["aggregate"]["failed"],
       len(expected.products) - sum(count for count, _ in expected.weights().values()))


@timeout(450)
def test_every_row_ends_where_it_should(t):
    folder, summary, expected, said = ran(t, ROWS)
    ok(all(expected.lost[stage] > 100 for stage in STEPS), expected.lost)
    first_job_is_right(folder, summary, expected)
    kept_is_right(folder, summary, expected)
    for stage in (*STEPS, "sqlite", "aggregate"):
        ok(f"failed at {stage}" in said, said)
    t.note(f"{len(expected.products)} of {expected.rows} rows came through")


@timeout(450)
def test_postgres_gets_the_same_rows(t):
    pg = Postgres(t)
    _, summary, expected, said = ran(t, 5000, "--postgres", pg.dsn(), PGPASSWORD=PASSWORD)
    report, _ = expected.stored()
    eq(summary["postgres"]["report"], report)
    eq(summary["sqlite"]["report"], report)
    rows = pg.rows(QUERY.format(added="added::text"))
    rows_are_right([tuple(row[name] for name in ("sku", "name", "price", "stock", "added", "weight_g", "score"))
                    for row in rows], expected)
    ok("failed at postgres" in said and PASSWORD not in said, said)


def test_a_folder_with_something_in_it_is_left_alone(t):
    into = tempfile.TemporaryDirectory(prefix="leat-catalogue-")
    t.cleanup.append(into.cleanup)
    with open(os.path.join(into.name, "mine"), "w", encoding="utf-8"):
        pass
    done = subprocess.run([sys.executable, "-B", os.path.join(TOP, "examples/catalogue/run"), "--leat",
                           t.settings.program, into.name], capture_output=True, text=True,
                          timeout=60 * t.slow, check=False)
    eq(done.returncode, 1)
    ok("is not empty" in done.stderr, done.stderr)
    eq(os.listdir(into.name), ["mine"])
