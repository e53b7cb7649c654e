"""sqlite-query and postgres-query: rows as items, each once, and nothing but reading."""

import sqlite3

from rig import *


def database(out, rows=0, file="a.db"):
    connection = sqlite3.connect(os.path.join(out, file))
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT, j TEXT)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)",
                           ((n * 3, f"é{n}", json.dumps({"n": [n]})) for n in range(rows)))
    connection.commit()
    return connection


def with_sqlite(t, rows=0):
    out = folder(t)
    database(out, rows).close()
    return out, serve(t, {"sqlite.json": {"folders": {"out": out}}})


def from_sqlite(query, throttle=None, **more):
    return source("sqlite-query", throttle, folder="out", file="a.db", query=query, **more)


def from_postgres(query, throttle=None, **more):
    return source("postgres-query", throttle, connection="main", query=query, **more)


def ends_with(t, api, stages, words):
    """The job fails with these words."""
    job = t.job(stages, api=api)
    error = json.dumps(job.wait_done("failed")["error"])
    ok(words in error, f"{stages[0]['params']}: no {words!r} in {error}")


# -- sqlite-query -----------------------------------------------------------------------------


@timeout(60)
def test_rows_of_sqlite_are_items(t):
    _, api = with_sqlite(t, 2500)
    job = t.job(from_sqlite("SELECT id, s, j FROM t WHERE id >= ? -- all", params=[30], key="id",
                            json=["j"]), api=api, order="input")
    job.wait_done()
    same_list(job.results(), [{"id": n * 3, "s": f"é{n}", "j": {"n": [n]}} for n in range(10, 2500)])
    job = t.job(from_sqlite("SELECT x'0001ff' AS b, 1.5 AS r, -9223372036854775808 AS i, NULL AS z,"
                            " 1e999 AS inf, 'a\"' || char(10) AS t, CAST(x'41ff42' AS TEXT) AS u,"
                            " :name AS p, :deep AS d;", params={"name": True, "deep": [1.50]}), api=api)
    job.wait_done()
    eq(job.results(), [{"b": "AAH/", "r": 1.5, "i": -9223372036854775808, "z": None, "inf": None,
                        "t": "a\"\n", "u": "A\ufffdB", "p": 1, "d": "[1.5]"}], "the row")


@timeout(180)
def test_a_sqlite_query_goes_on_where_it_was_killed(t):
    """With rows that come and go behind and before it meanwhile."""
    out, api = with_sqlite(t, 6000)
    keyed = t.job(from_sqlite("SELECT id, s FROM t", throttle=4000, key="id"), api=api, backlog={"bytes": 10000})
    plain = t.job(from_sqlite("SELECT id FROM t WHERE id % 3 = 0 ORDER BY id", throttle=4000), api=api,
                  backlog={"bytes": 10000})
    for part in (300, 1200):
        keyed.wait(lambda j, p=part: j["counts"]["succeeded"] > p, 40, f"{part} items")
        api.close()
        api.server.kill()
        other = sqlite3.connect(os.path.join(out, "a.db"))
        other.execute(f"INSERT INTO t VALUES ({-part}, 'before', NULL), ({18000 + 6 * part + 1}, 'behind', NULL)")
        other.commit()
        other.close()
        api.server.start()
    keyed.wait_done(timeout=40)
    ids = sorted(row["id"] for row in keyed.results())
    eq([i for i in ids if i % 3 == 0 and i >= 0], [3 * n for n in range(6000)], "ids")
    eq([i for i in ids if i > 17997], [19801, 25201], "ids behind the others")
    plain.wait_done(timeout=40)


@timeout(60)
def test_a_sqlite_query_can_only_read_its_file(t):
    out, api = with_sqlite(t, 3)
    for query, words in (
            ("DELETE FROM t RETURNING id", "not authorized"), ("DROP TABLE t", "not authorized"),
            ("ATTACH 'b.db' AS b", "not authorized"), ("PRAGMA journal_mode=WAL", "not authorized"),
            ("SELECT * FROM pragma_database_list", "not authorized"),
            ("SELECT load_extension('x')", "not authorized"),
            ("SELECT readfile('/etc/passwd') AS f", "no such function"),
            ("SELECT 1 AS a; SELECT 2 AS a", "one SELECT"), ("", "one SELECT"), ("-- x", "one SELECT"),
            ("VACUUM INTO 'c.db'", "one SELECT"), ("BEGIN", "not authorized"),
            ("EXPLAIN SELECT 1", "one SELECT"), ("SELECT * FROM nope", "no such table"),
            ("SELECT \"nope\" AS a", "no such column"), ("SELECT 1 AS a, 2 AS a", "two columns"),
            ("SELECT zeroblob(1000000000) AS z", "too big"), ("SELEC", "syntax error"),
            ("SELECT ? AS a", "has 1 parameters"), ("SELECT NULL AS k", "is null in a row")):
        ends_with(t, api, from_sqlite(query, key="k") if " k" in query else from_sqlite(query), words)
    ends_with(t, api, from_sqlite("SELECT 1 AS a) WHERE (1 = 1", key="a"), "syntax error")
    ends_with(t, api, from_sqlite("SELECT 1 AS a UNION ALL SELECT 1", key="a"), "not unique")
    ends_with(t, api, from_sqlite("SELECT 1 AS a", key="b"), "no column for the key")
    ends_with(t, api, from_sqlite("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
                                  "SELECT max(x) AS m FROM c", timeout_ms=50), "longer than timeout_ms")
    ends_with(t, api, source("sqlite-query", folder="out", file="none.db", query="SELECT 1"),
              "cannot be opened")
    os.symlink("/etc/passwd", os.path.join(out, "link.db"))
    ends_with(t, api, source("sqlite-query", folder="out", file="link.db", query="SELECT 1"),
              "cannot be opened")
    eq(sorted(os.listdir(out)), ["a.db", "link.db"], "files")


@timeout(60)
def test_cancel_ends_a_query_that_never_ends(t):
    _, api = with_sqlite(t)
    job = t.job(from_sqlite("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
                            "SELECT max(x) AS m FROM c"), api=api)
    job.must("cancel")
    job.wait_done("cancelled", 20)


# -- postgres-query -----------------------------------------------------------------------------


@timeout(60)
def test_rows_of_postgres_are_items_with_their_types(t):
    _, api = with_postgres(t)
    job = t.job(from_postgres("SELECT g AS n, repeat('y', g % 100) AS s FROM generate_series(1, 5000) g"
                              " WHERE g > $1 -- all", params=[10], key="n"), api=api, order="input")
    job.wait_done()
    same_list(job.results(), [{"n": n, "s": "y" * (n % 100)} for n in range(11, 5001)])
    job = t.job(from_postgres("""
        SELECT 1.50::numeric(9,2) AS dec, 12345678901234567890::numeric AS big, 9007199254740993::bigint AS i,
               'NaN'::float8 AS nan, true AS b, NULL AS z, '\\x0001ff'::bytea AS bytes,
               repeat('x', 100)::bytea AS long, '{"a":\n [1.10]}'::json AS js, '{"b": 1}'::jsonb AS jb,
               ARRAY[1,NULL,3] AS arr, timestamptz '2026-02-01 12:00:00+02' AS ts, date '2026-02-01' AS d,
               row(1, 'x') AS r, $1 || '' AS text, $2::jsonb AS doc;""",
                              params=["a\"'\\", {"k": [1]}]), api=api)
    job.wait_done()
    line = job.raw_results().decode()
    ok('"dec":1.50' in line and '"big":12345678901234567890' in line, line)
    row = job.results()[0]
    eq([row[n] for n in ("i", "nan", "b", "z", "bytes", "js", "jb", "arr", "ts", "d", "r", "text", "doc")],
       [9007199254740993, "NaN", True, None, "AAH/", {"a": [1.1]}, {"b": 1}, [1, None, 3],
        "2026-02-01T10:00:00+00:00", "2026-02-01", {"f1": 1, "f2": "x"}, "a\"'\\", {"k": [1]}], "the row")
    eq(len(row["long"]), 136, "characters of base64")


@timeout(180)
def test_a_postgres_query_goes_on_after_kills_of_both(t):
    pg, api = with_postgres(t)
    pg.do("CREATE TABLE t AS SELECT g * 3 AS id, 'x' || g AS s FROM generate_series(1, 8000) g;"
          "ALTER TABLE t ADD PRIMARY KEY (id)")
    job = t.job(from_postgres("SELECT * FROM t", throttle=4000, key="id"), api=api,
                backlog={"bytes": 10000})
    for part, how in ((300, "leat"), (1000, signal.SIGKILL), (1700, "leat"), (2400, signal.SIGINT)):
        job.wait(lambda j, p=part: j["counts"]["succeeded"] > p, 40, f"{part} items")
        if how == "leat":
            api.close()
            api.server.restart()
        else:
            pg.restart(how)
    job.wait_done(timeout=60)
    same_list(sorted(row["id"] for row in job.results()), [3 * n for n in range(1, 8001)], "ids")


@timeout(60)
def test_a_postgres_query_can_only_read(t):
    pg, api = with_postgres(t)
    pg.do("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3);"
          "CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM t RETURNING id'")
    for query, words in (
            ("DELETE FROM t RETURNING id", "syntax error"), ("DROP TABLE t", "one SELECT"),
            ("SELECT wipe() AS w", "read-only transaction"),
            ("WITH w AS (DELETE FROM t RETURNING id) SELECT * FROM w", "data-modifying"),
            ("SELECT 1) q; DROP TABLE t; --", "syntax error"), ("SELECT 1; DROP TABLE t", "multiple"),
            ("SELECT set_config('transaction_read_only', 'off', false)", "read-write"),
            ("SELECT * FROM nope", "does not exist (42P01)"), ("SELECT 1/(id - 2) AS x FROM t", "zero"),
            ("", "one SELECT"), ("SELECT $1::int AS a", "1 parameters"), ("SELECT 1 AS a, 2 AS a", "two"),
            ("SELEC", "syntax error")):
        ends_with(t, api, from_postgres(query), words)
    ends_with(t, api, from_postgres("SELECT 1 AS a) q WHERE (1 = 1", key="a"), "syntax error")
    ends_with(t, api, from_postgres("SELECT NULL::int AS a", key="a"), "is null in a row")
    ends_with(t, api, from_postgres("SELECT 1 AS a UNION ALL SELECT 1", key="a"), "not unique")
    ends_with(t, api, from_postgres("SELECT 1 AS a", key="b"), "no column for the key")
    refused(t, api, from_postgres("SELECT 1", params={"a": 1}), "/stages/0/params/params")
    eq(pg.count("t"), 3, "rows")


@timeout(60)
def test_a_result_is_not_held_in_memory(t):
    """100 MB of rows by 1 MB, read by a job that is paused in between."""
    _, api = with_postgres(t)
    before = api.server.rss_kib()
    job = t.job(from_postgres("SELECT g AS n, repeat(md5(g::text), 31250) AS s "
                              "FROM generate_series(1, 100) g")[:1]
                + [{"use": "pick", "params": {"fields": ["n"]}}], api=api, backlog={"bytes": 4 << 20})
    job.wait_done(timeout=50)
    eq(sorted(row["n"] for row in job.results()), list(range(1, 101)), "rows")
    if t.settings.sanitizer is None:  # which keeps what was freed
        within((api.server.peak_rss_kib() - before) / 1024, 0, 90, "MiB more than before")


@timeout(60)
def test_cancel_ends_a_slow_query_here_and_there(t):
    pg, api = with_postgres(t)
    job = t.job(from_postgres("SELECT pg_sleep(600)::text AS s"), api=api)
    runs = ("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leat' "
            "AND wait_event = 'PgSleep'")
    until(lambda: pg.do(runs) == "1", 20 * t.slow, "the query runs")
    job.must("cancel")
    job.wait_done("cancelled", 20)
    until(lambda: pg.do(runs) == "0", 20 * t.slow, "the server gives it up")


@timeout(60)
def test_no_answer_in_time_is_said(t):
    _, api = with_postgres(t, statement_timeout_ms=1)
    stages = from_postgres("SELECT pg_sleep(20)::text AS s")
    stages[0]["retry"] = {"attempts": 2, "backoff_ms": 1}
    job = t.job(stages, api=api)
    ok("did not answer in time" in json.dumps(job.wait_done("failed", 40)["error"]), job.get())


# -- from one to the other -------------------------------------------------------------------


@timeout(180)
def test_rows_go_from_one_database_to_another(t):
    pg = Postgres(t)
    out = folder(t)
    database(out, 1000).close()
    api = serve(t, {"postgres.json": pg.stages_d(), "sqlite.json": {"folders": {"out": out}}})
    job = t.job([from_sqlite("SELECT * FROM t", key="id", json="j")[0],
                 sink("postgres", connection="main", table="copy", key="id")[1]], api=api)
    eq(job.wait_done(timeout=40)["report"], {"written": 1000, "repeated": 0, "refused": 0}, "report")
    job = t.job([from_postgres("SELECT id, s, j FROM copy", key="id")[0],
                 sink("sqlite", folder="out", file="b.db", table="t", key="id")[1]], api=api)
    eq(job.wait_done(timeout=40)["report"], {"written": 1000, "repeated": 0, "refused": 0}, "report")
    first, second = (sqlite3.connect(os.path.join(out, name)) for name in ("a.db", "b.db"))
    rows = [[(i, s, json.loads(j)) for i, s, j in db.execute("SELECT id, s, j FROM t ORDER BY id")]
            for db in (first, second)]
    eq(rows[0], rows[1], "rows")
    first.close()
    second.close()
