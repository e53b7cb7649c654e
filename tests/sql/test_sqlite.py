"""The sink sqlite, read back by Python's module."""

import sqlite3

from rig import *


def with_sqlite(t, **more):
    """(the folder, a client of a leat that may use it)"""
    out = folder(t)
    return out, serve(t, {"sqlite.json": {"folders": {"out": out}, **more}})


def into(table="t", file="a.db", **more):
    return sink("sqlite", folder="out", file=file, table=table, **more)


def rows(out, query, file="a.db"):
    connection = sqlite3.connect(os.path.join(out, file), timeout=60)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]
    finally:
        connection.close()


def count(out, table="t"):
    try:
        return rows(out, f"SELECT count(*) AS n FROM {table}")[0]["n"]
    except sqlite3.OperationalError:
        return 0


@timeout(60)
def test_items_are_rows_in_one_file(t):
    out, api = with_sqlite(t)
    job = t.job(into(), api=api)
    values = [{"id": n, "s": f"é{n}", "r": n + 0.5, "b": n % 2 == 0, "j": {"a": [n]}, "z": None}
              for n in range(2000)]
    job.send(values, close=True)
    eq(job.wait_done()["report"], {"written": 2000, "repeated": 0, "refused": 0}, "report")
    eq(os.listdir(out), ["a.db"], "files")
    found = rows(out, "SELECT * FROM t ORDER BY id")
    same_list(found, [{**v, "b": int(v["b"]), "j": json.dumps(v["j"], separators=(",", ":")),
                       "_item": f"{job.id}/{v['id']}"} for v in values], "rows")
    eq(rows(out, "PRAGMA integrity_check"), [{"integrity_check": "ok"}], "integrity")
    eq(rows(out, "PRAGMA journal_mode"), [{"journal_mode": "delete"}], "journal mode")


@timeout(180)
def test_killed_leat_writes_each_row_once(t):
    out, api = with_sqlite(t)
    job = t.job(into(throttle=1500), api=api)
    job.send(numbers(3000), close=True)
    for part in (300, 1000, 1800):
        until(lambda p=part: count(out) >= p, 60 * t.slow, f"{part} rows", pause=0.02)
        api.close()
        api.server.restart()
    t.note(str(adds_up(job.wait_done(timeout=60), 3000)))
    eq(rows(out, "SELECT count(*) AS n, count(DISTINCT n) AS d, max(n) AS m FROM t"),
       [{"n": 3000, "d": 3000, "m": 2999}], "rows")
    eq(os.listdir(out), ["a.db"], "files")


@timeout(60)
def test_a_locked_database_is_waited_for(t):
    out, api = with_sqlite(t, busy_timeout_ms=30)
    other = sqlite3.connect(os.path.join(out, "a.db"), isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN IMMEDIATE")
    try:
        job = t.job(into(), api=api)
        job.send(numbers(300), close=True)
        job.wait(lambda j: j["counts"]["retries"] > 1, 30, "it is tried again")
        other.execute("COMMIT")
        done = job.wait_done()
        eq(done["report"], {"written": 300, "repeated": 0, "refused": 0}, "report")
        other.execute("BEGIN IMMEDIATE")
        job = t.job(sink("sqlite", folder="out", file="a.db", table="t",
                         retry={"attempts": 2, "backoff_ms": 1}), api=api)
        job.send([{"n": 1}], close=True)
        job.wait_done()
        eq(job.failures()[0]["kind"], "transient", "kind")
        ok("another program has locked the database" in reasons(job)[0], reasons(job))
    finally:
        other.close()


@timeout(60)
def test_cancel_ends_the_wait_for_a_lock(t):
    out, api = with_sqlite(t, busy_timeout_ms=600000)
    other = sqlite3.connect(os.path.join(out, "a.db"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        job = t.job(into(), api=api)
        job.send(numbers(10), close=True)
        job.wait(lambda j: j["counts"]["running"] > 0, 20, "the sink works")
        job.must("cancel")
        job.wait_done("cancelled", 20)
    finally:
        other.close()


@timeout(60)
def test_a_full_disk_is_waited_for(t):
    out = folder(t)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", out],
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        t.skip("a tmpfs cannot be mounted here: " + done.stderr.decode(errors="replace").strip())
    t.cleanup.append(lambda: subprocess.run(["umount", "-l", out], check=False))
    with open(os.path.join(out, "ballast"), "wb") as file:
        file.write(bytes(11 << 20))
    api = serve(t, {"sqlite.json": {"folders": {"out": out}}})
    job = t.job(into(), api=api)
    job.send([{"n": n, "pad": "x" * 1000} for n in range(3000)], close=True)
    job.wait(lambda j: j["counts"]["retries"] > 2, 40, "it is tried again")
    os.unlink(os.path.join(out, "ballast"))
    eq(adds_up(job.wait_done(timeout=40), 3000)["refused"], 0, "refused")
    eq(count(out), 3000, "rows")


@timeout(60)
def test_a_database_may_be_as_large_as_the_operator_says(t):
    out, api = with_sqlite(t, max_bytes=100000)
    job = t.job(sink("sqlite", folder="out", file="a.db", table="t",
                     retry={"attempts": 2, "backoff_ms": 1}), api=api)
    job.send([{"n": n, "pad": "x" * 2000} for n in range(100)], close=True)
    done = job.wait_done(timeout=50)
    ok(any("database or disk is full" in why for why in reasons(job).values()), reasons(job))
    eq(count(out), done["report"]["written"], "rows")
    within(os.path.getsize(os.path.join(out, "a.db")), 4096, 100000, "bytes")


@timeout(60)
def test_refused_rows_fail_alone_and_say_why(t):
    out, api = with_sqlite(t)
    setup = sqlite3.connect(os.path.join(out, "a.db"))
    setup.executescript("""
        CREATE TABLE t (id INTEGER PRIMARY KEY, qty INTEGER NOT NULL CHECK (qty > 0), mail TEXT UNIQUE,
                        b BLOB, doc JSON, gen INT AS (qty * 2)) ;
        CREATE TRIGGER odd BEFORE INSERT ON t WHEN new.qty = 13 BEGIN
            SELECT RAISE(ABORT, 'no thirteen'); END;""")
    setup.close()
    bad = {3: ({"qty": None}, "NOT NULL constraint failed: t.qty"),
           4: ({"qty": 0}, "CHECK constraint failed"),
           5: ({"mail": "m1"}, "UNIQUE constraint failed: t.mail"),
           6: ({"b": "AB*="}, "column 'b': the value is no base64"),
           7: ({"qty": 13}, "no thirteen"),
           8: ({"gen": 1}, "there is no column 'gen'"),
           9: ({"id": None}, "'id' is part of the key"),
           10: ({"id": "text"}, "datatype mismatch")}
    values = [{"id": n, "qty": 1, "mail": f"m{n}", "b": "AQID", "doc": "x",
               **bad.get(n, ({},))[0]} for n in range(20)]
    values[15] = 7
    job = t.job(into(key="id"), api=api)
    job.send(values, close=True)
    eq(job.wait_done()["report"], {"written": 19 - len(bad), "repeated": 0, "refused": len(bad) + 1},
       "report")
    said = reasons(job)
    eq(sorted(said), sorted([*bad, 15]), "failed items")
    for item, (_, words) in bad.items():
        ok(words in said[item], f"item {item}: no {words!r} in {said[item]!r}")
    eq(rows(out, "SELECT count(*) AS n, sum(gen) AS g, min(b) AS b, min(doc) AS d FROM t"),
       [{"n": 19 - len(bad), "g": 2 * (19 - len(bad)), "b": b"\1\2\3", "d": '"x"'}], "rows")


@timeout(60)
def test_values_of_another_type_than_declared_fail(t):
    out, api = with_sqlite(t)
    job = t.job(into(columns={"i": "integer", "n": "number", "d": "numeric", "s": "text",
                              "y": "bytes", "a": "any"}, extra="ignore"), api=api)
    big = "123456789012345678901234567890.12345"
    job.send(b'{"i":1,"n":1,"d":%s,"s":1.50,"y":"AA==","a":9223372036854775808}\n'
             b'{"i":1.5}\n{"i":"x"}\n{"n":"x"}\n{"i":2.0,"a":[1.10]}\n{"i":18446744073709551616}\n'
             % big.encode(), close=True)
    eq(job.wait_done()["report"], {"written": 2, "repeated": 0, "refused": 4}, "report")
    found = rows(out, "SELECT * FROM t ORDER BY _item")
    eq([found[0][n] for n in "indsya"], [1, 1.0, big, "1.50", b"\0", "9223372036854775808"], "row")
    eq([found[1][n] for n in "ia"], [2, "[1.10]"], "row")


@timeout(60)
def test_keys_are_ignored_or_replaced(t):
    out, api = with_sqlite(t)
    for how, qty in (("ignore", 1), ("update", 3)):
        job = t.job(into(table=how, key=["sku", "at"], on_conflict=how, extra="column"), api=api)
        job.send([{"sku": f"s{n % 5}", "qty": 1 + n // 5, "at": 1} for n in range(15)], close=True)
        eq(job.wait_done()["report"], {"written": 5, "repeated": 10, "refused": 0}, how)
        eq(rows(out, f"SELECT min(qty) AS a, max(qty) AS b, count(*) AS n FROM \"{how}\""),
           [{"a": qty, "b": qty, "n": 5}], how)


@timeout(60)
def test_two_jobs_share_a_table(t):
    out, api = with_sqlite(t)
    jobs = [t.job(into(file="b.db"), api=api) for _ in range(2)]
    for job in jobs:
        job.send(numbers(500), close=True)
    for job in jobs:
        eq(job.wait_done()["report"], {"written": 500, "repeated": 0, "refused": 0}, "report")
    eq(rows(out, "SELECT count(*) AS n FROM t", "b.db"), [{"n": 1000}], "rows")


@timeout(60)
def test_hostile_names_and_values(t):
    out, api = with_sqlite(t)
    table = 'x"; DROP TABLE kept; --'
    names = ['a"b', "'; DROP TABLE kept; --", "?1", "[x]", "é日", "n\nl", " ", "select"]
    values = ['"', "';--", "", "\u0000", "a\u0000b", "\u2028\U0001f701", "x" * 400000]
    values_ = [{name: values[(n + at) % len(values)] for at, name in enumerate(names)} | {"n": n}
               for n in range(len(values))]
    job = t.job(into(table=table, file="strange 'name\".db"), api=api)
    job.send(values_, close=True)
    eq(job.wait_done()["report"], {"written": len(values), "repeated": 0, "refused": 0}, "report")
    found = rows(out, "SELECT * FROM \"x\"\"; DROP TABLE kept; --\" ORDER BY n", "strange 'name\".db")
    for row in found:
        del row["_item"]
    same_list(found, values_, "rows")
    job = t.job(into(table="sqlite_master"), api=api)
    job.send([{"name": "x"}], close=True)
    job.wait_done()
    eq(len(job.failures()), 1, "failures")


def test_a_job_reaches_the_folder_s_files_and_no_others(t):
    out, api = with_sqlite(t)
    elsewhere = os.path.join(folder(t), "victim.db")
    sqlite3.connect(elsewhere).close()
    for file in ("../a.db", "/etc/passwd", "a/b.db", ".hidden", "", "a.db-wal", "x" * 201, "a\u0001"):
        refused(t, api, into(file=file), "/stages/1/params/file")
    refused(t, api, sink("sqlite", folder=out, file="a.db", table="t"), "there is no folder")
    os.symlink(elsewhere, os.path.join(out, "link.db"))
    os.mkdir(os.path.join(out, "dir.db"))
    with open(os.path.join(out, "text.db"), "w", encoding="utf-8") as file:
        file.write("this is no database, but long enough to be looked at " * 20)
    for file in ("link.db", "dir.db", "text.db"):
        job = t.job(sink("sqlite", folder="out", file=file, table="t",
                         retry={"attempts": 2, "backoff_ms": 1}), api=api)
        job.send([{"n": 1}], close=True)
        job.wait_done()
        eq(len(job.failures()), 1, f"failures of {file}")
        ok(out not in json.dumps(job.failures()), "the folder's path is told")
    eq(os.path.getsize(elsewhere), 0, "bytes of the file behind the link")


def test_without_the_operator_s_word_there_is_no_folder(t):
    api = t.client(t.server())
    refused(t, api, into(), "there is no folder 'out'")
    refused(t, api, sink("postgres", connection="main", table="t"), "there is no connection 'main'")
    refused(t, api, source("sqlite-query", folder="out", file="a.db", query="SELECT 1"),
            "there is no folder 'out'")
    refused(t, api, source("postgres-query", connection="main", query="SELECT 1"),
            "there is no connection 'main'")


def test_a_wrong_configuration_is_refused_without_telling_it(t):
    for name, config, words in (
            ("sqlite.json", {"folders": {"out": "relative/secret"}}, "must be an absolute path"),
            ("sqlite.json", {"folders": ["secret"]}, "/folders"),
            ("sqlite.json", {"max_bytes": -1}, "/max_bytes"),
            ("postgres.json", {"connections": {"a": "secret"}}, "must be an object with `dsn`"),
            ("postgres.json", {"connections": {"a": {"dsn": "host=x secret"}}}, "no connection string"),
            ("postgres.json", {"connections": {"a": {"dsn": "host=x", "secret": 1}}}, "neither `dsn`")):
        server = t.server({"stages-d": folder(t, {name: config})})
        api = t.client(server)
        told = json.dumps(api.get("/v1/stages").json()["refused"])
        ok(words in told, f"{config}: no {words!r} in {told}")
        ok("relative/secret" not in told and "x secret" not in told, told)
        api.close()
        server.stop()
