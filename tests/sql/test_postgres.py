"""The sink postgres: what is kept, what is refused, what is tried again."""

from rig import *
from support.items import ndjson


def orders(count):
    return [{"id": n, "city": f"Gräz {n % 7}", "price": n + 0.25, "paid": n % 2 == 0,
             "tags": [n, {"a": None}], "note": None} for n in range(count)]


def into(table="t", **more):
    return sink("postgres", connection="main", table=table, **more)


@timeout(60)
def test_items_are_rows_of_a_table_made_from_the_first(t):
    pg, api = with_postgres(t)
    job = t.job(into(), api=api)
    job.send(orders(3000), close=True)
    eq(job.wait_done()["report"], {"written": 3000, "repeated": 0, "refused": 0}, "report")
    types = pg.rows("SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
                    "WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum")
    eq([(c["attname"], c["type"]) for c in types],
       [("id", "bigint"), ("city", "text"), ("price", "double precision"), ("paid", "boolean"),
        ("tags", "jsonb"), ("note", "text"), ("_item", "text")], "columns")
    rows = pg.rows("SELECT * FROM t ORDER BY id")
    for row, n in zip(rows, range(3000)):
        eq(row.pop("_item"), f"{job.id}/{n}", "the item's id")
    same_list(rows, orders(3000), "rows")


@timeout(180)
def test_killed_leat_writes_each_row_once(t):
    pg, api = with_postgres(t)
    job = t.job(into(throttle=1500), api=api)
    job.send(orders(3000), close=True)
    for part in (300, 1000, 1800):
        pg.wait_count("t", part)
        api.close()
        api.server.restart()
    report = adds_up(job.wait_done(timeout=60), 3000)
    t.note(str(report))
    eq(pg.rows("SELECT count(*) AS n, count(DISTINCT id) AS ids, min(id), max(id) FROM t"),
       [{"n": 3000, "ids": 3000, "min": 0, "max": 2999}], "rows")


@timeout(180)
def test_killed_postgres_is_waited_for(t):
    """While it writes; and there is more to write when it is away."""
    pg, api = with_postgres(t)
    job = t.job(into(throttle=1500), api=api)
    values = orders(2700)
    for at, how in ((0, signal.SIGQUIT), (900, signal.SIGKILL), (1800, signal.SIGINT)):
        job.send(values[at:at + 800])
        pg.wait_count("t", at + 100)
        pg.end(how)
        before = job.get()["counts"]["retries"]
        job.send(values[at + 800:at + 900], close=at == 1800)
        job.wait(lambda j, b=before: j["counts"]["retries"] > b, 30, "it is tried again")
        pg.start()
    done = job.wait_done(timeout=60)
    adds_up(done, 2700)
    eq(done["counts"]["failed"], 0, "failed")
    eq(pg.rows("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM t"),
       [{"n": 2700, "ids": 2700}], "rows")


@timeout(60)
def test_refused_rows_fail_alone_and_say_why(t):
    pg, api = with_postgres(t)
    pg.do("CREATE TABLE t (id int PRIMARY KEY, qty smallint NOT NULL, day date, mail text UNIQUE,"
          " CHECK (qty > 0), short varchar(3), net inet, js json, num numeric(5,2), ints int[],"
          " b bytea, gen int GENERATED ALWAYS AS (qty * 2) STORED)")
    good = {"qty": 1, "day": "2026-02-28", "short": "abc", "net": "10.0.0.1", "js": "text",
            "num": 12.25, "ints": [1, None, 3], "b": "AQID"}
    bad = {3: ({"qty": "many"}, "column 'qty': invalid input syntax"),
           4: ({"qty": None}, "null value in column \"qty\""),
           9: ({"day": "2026-02-30"}, "column 'day': date/time field value out of range"),
           12: ({"qty": 0}, "violates check constraint"),
           13: ({"mail": "m2"}, "(mail)=(m2) already exists"),
           20: ({"short": "abcd"}, "value too long"),
           21: ({"net": {}}, "column 'net': invalid input syntax"),
           30: ({"num": 1e9}, "numeric field overflow"),
           31: ({"nope": 1}, "there is no column 'nope'"),
           32: ({"gen": 1}, "there is no column 'gen'"),
           33: ({"mail": "a\u0000b"}, "\\u0000"),
           40: ({"id": None}, "'id' is part of the key"),
           41: ({"ints": ["x"]}, "invalid input syntax"),
           42: ({"b": "*"}, "base64"),
           43: ({"qty": 99999}, "out of range"),
           44: ({"js": "\u0000"}, "(22P05)")}
    values = [{"id": n, "mail": f"m{n}", **good, **bad.get(n, ({},))[0]} for n in range(60)]
    del bad[44]  # of type json, not jsonb: kept as it is written
    values[50] = ["no object"]
    job = t.job(into(key="id", create=False), api=api)
    job.send(values, close=True)
    eq(job.wait_done()["report"],
       {"written": 59 - len(bad), "repeated": 0, "refused": len(bad) + 1}, "report")
    said = reasons(job)
    eq(sorted(said), sorted([*bad, 50]), "failed items")
    for item, (_, words) in bad.items():
        ok(words in said[item], f"item {item}: no {words!r} in {said[item]!r}")
    eq({f["kind"] for f in job.failures()}, {"permanent"}, "kinds")
    eq(pg.rows("SELECT count(*) AS n, sum(gen) AS gen, min(js::text) AS js, min(ints::text) AS ints,"
               " min(encode(b, 'hex')) AS b FROM t WHERE id <> 44"),
       [{"n": 58 - len(bad), "gen": 2 * (58 - len(bad)), "js": '"text"', "ints": "{1,NULL,3}",
         "b": "010203"}], "rows")


@timeout(60)
def test_all_rows_refused_among_many(t):
    pg, api = with_postgres(t)
    pg.do("CREATE TABLE t (_item text PRIMARY KEY, n int CHECK (n % 2 = 0))")
    job = t.job(into(), api=api)
    job.send([{"n": n} for n in range(600)] + [{"n": 1}] * 200, close=True)
    eq(job.wait_done()["report"], {"written": 300, "repeated": 0, "refused": 500}, "report")
    eq(pg.rows("SELECT count(*), sum(n) FROM t"), [{"count": 300, "sum": 89700}], "rows")


@timeout(60)
def test_a_deferred_constraint_refuses_its_row_only(t):
    pg, api = with_postgres(t)
    pg.do("CREATE TABLE up (id int PRIMARY KEY); INSERT INTO up VALUES (1);"
          "CREATE TABLE t (n int PRIMARY KEY,"
          " up int REFERENCES up DEFERRABLE INITIALLY DEFERRED)")
    job = t.job(into(key="n"), api=api)
    job.send([{"n": n, "up": 2 if n == 5 else 1} for n in range(10)], close=True)
    eq(job.wait_done()["report"], {"written": 9, "repeated": 0, "refused": 1}, "report")
    ok("(up)=(2) is not present" in reasons(job)[5], reasons(job))


@timeout(180)
def test_what_is_wrong_with_table_role_or_login_is_said(t):
    pg = Postgres(t)
    pg.do("CREATE ROLE guest LOGIN PASSWORD 'guest'; CREATE TABLE t (n int, _item text UNIQUE);"
          "CREATE TABLE keyless (n int, _item text); CREATE TABLE other (n int)")
    files = pg.stages_d(connect_timeout_ms=5000)
    files["connections"].update(
        guest={"dsn": pg.dsn("guest"), "password": "guest"},
        wrong={"dsn": pg.dsn(), "password": "wrong-but-secret"},
        nowhere={"dsn": pg.dsn(database="secret-base"), "password": PASSWORD},
        down={"dsn": "host=/nonexistent-secret"})
    api = serve(t, {"postgres.json": files})
    once = {"attempts": 2, "backoff_ms": 1}
    for params, words, kind in (
            ({"connection": "guest"}, "permission denied for table t (42501)", "permanent"),
            ({"connection": "guest", "table": "new"}, "permission denied for schema", "permanent"),
            ({"table": "new", "create": False}, "there is no table 'new'", "permanent"),
            ({"table": "new", "schema": "nowhere"}, "does not exist (3F000)", "permanent"),
            ({"table": "keyless"}, "no unique or exclusion constraint", "permanent"),
            ({"table": "other"}, "no column '_item' for the id of items", "permanent"),
            ({"columns": {"m": "text"}}, "no column 'm'", "permanent"),
            ({"key": ["n", "q"]}, "no column 'q' for the key", "permanent"),
            ({"extra": "column"}, "no column '_extra'", "permanent"),
            ({"connection": "wrong"}, "cannot connect to 'wrong': password authentication failed "
                                      "for user … (28P01)", "permanent"),
            ({"connection": "nowhere"}, "cannot connect to 'nowhere': database … does not exist "
                                        "(3D000)", "permanent"),
            ({"connection": "down"}, "cannot connect to 'down'", "transient")):
        job = t.job(sink("postgres", retry=once, **{"connection": "main", "table": "t", **params}),
                    api=api)
        job.send([{"n": 1}, {"n": 2}], close=True)
        done = job.wait_done()
        failures = job.failures()
        eq((done["counts"]["failed"], len(failures)), (2, 2), f"failed of {params}")
        for failure in failures:
            ok(words in failure["error"], f"{params}: no {words!r} in {failure['error']!r}")
            eq(failure["kind"], kind, f"kind of {failure['error']!r}")
    said = api.server.log.tail(4000) + json.dumps(api.jobs()) + api.get("/v1/stages").body.decode()
    for secret in (PASSWORD, "wrong-but-secret", "secret-base", "nonexistent-secret"):
        ok(secret not in said, f"{secret!r} is told")
    refused(t, api, sink("postgres", connection="none", table="t"), "there is no connection 'none'")


@timeout(60)
def test_a_full_disk_there_is_tried_again(t):
    """As the server says it: by a trigger that a rollback does not set back."""
    pg, api = with_postgres(t)
    pg.do("""CREATE TABLE t (n int, _item text PRIMARY KEY); CREATE SEQUENCE tries;
             CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('tries') <= 4 THEN
                 RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100';
             END IF; RETURN new; END $$;
             CREATE TRIGGER full_disk BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION full_disk()""")
    job = t.job(into(), api=api)
    job.send(numbers(500), close=True)
    done = job.wait_done()
    eq(done["report"], {"written": 500, "repeated": 0, "refused": 0}, "report")
    ok(done["counts"]["retries"] > 0, f"no retries in {done['counts']}")
    job = t.job(sink("postgres", connection="main", table="t", retry={"attempts": 2, "backoff_ms": 1}),
                api=api)
    pg.do("SELECT setval('tries', 1)")
    job.send([{"n": 1}], close=True)
    job.wait_done()
    ok("could not extend file (53100)" in reasons(job)[0], reasons(job))
    eq(job.failures()[0]["kind"], "transient", "kind")


@timeout(180)
def test_a_really_full_disk_there_is_waited_for(t):
    pg, api = with_postgres(t)
    disk = tempfile.mkdtemp(prefix="leat-full-")
    t.cleanup.append(lambda: os.rmdir(disk))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=777", "tmpfs", disk],
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        t.skip("a tmpfs cannot be mounted here: " + done.stderr.decode(errors="replace").strip())
    t.cleanup.append(lambda: subprocess.run(["umount", "-l", disk], check=False))
    t.cleanup.append(pg.remove)
    space, ballast = os.path.join(disk, "space"), os.path.join(disk, "ballast")
    os.mkdir(space)
    os.chown(space, os.stat(pg.data).st_uid, os.stat(pg.data).st_gid)
    with open(ballast, "wb") as file:
        file.write(bytes(5 << 20))
    pg.do(f"CREATE TABLESPACE small LOCATION '{space}'")
    pg.do("CREATE TABLE t (n int PRIMARY KEY, pad text) TABLESPACE small;"
          "ALTER TABLE t ALTER pad SET STORAGE PLAIN")
    job = t.job(into(key="n"), api=api)
    job.send([{"n": n, "pad": "x" * 1000} for n in range(4000)], close=True)
    job.wait(lambda j: j["counts"]["retries"] > 2, 30, "it is tried again")
    os.unlink(ballast)
    report = adds_up(job.wait_done(timeout=60), 4000)
    eq((report["refused"], pg.count("t")), (0, 4000), "refused, and rows")


@timeout(60)
def test_a_deadlock_is_tried_again(t):
    """Two jobs that replace the same rows in opposite orders."""
    pg, api = with_postgres(t)
    pg.do("CREATE TABLE t (k int PRIMARY KEY, v int)")
    jobs = [t.job(into(key="k", on_conflict="update"), api=api) for _ in range(2)]
    for job, step in zip(jobs, (1, -1)):
        job.send([{"k": k, "v": step} for k in list(range(400))[::step] * 4], close=True)
    for job in jobs:
        eq(adds_up(job.wait_done(), 1600)["refused"], 0, "refused")
    eq(pg.count("t"), 400, "rows")


@timeout(60)
def test_cancel_ends_a_wait_for_a_lock_here_and_there(t):
    pg, api = with_postgres(t)
    pg.do("CREATE TABLE t (n int, _item text PRIMARY KEY)")
    holder = pg.spawn("")
    try:
        holder.stdin.write(b"BEGIN; LOCK TABLE t; SELECT 'locked';\n")
        holder.stdin.flush()
        eq(holder.stdout.readline(), b"locked\n", "psql")
        job = t.job(into(), api=api)
        job.send(numbers(10), close=True)
        waits = ("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leat' AND "
                 "wait_event_type = 'Lock'")
        until(lambda: pg.do(waits) == "1", 20 * t.slow, "the sink waits for the lock")
        started = time.monotonic()
        job.must("cancel")
        job.wait_done("cancelled", 10)
        within(time.monotonic() - started, 0, 5 * t.slow, "seconds until it is cancelled")
        until(lambda: pg.do(waits) == "0", 20 * t.slow, "the server gives it up")
    finally:
        holder.kill()
        holder.communicate()
    eq(pg.count("t"), 0, "rows")


@timeout(60)
def test_keys_are_ignored_or_replaced(t):
    pg, api = with_postgres(t)
    declared = {"sku": "text", "qty": "integer", "at": {"type": "timestamp", "from": "/meta/at"}}
    for how, qty in (("ignore", 1), ("update", 3)):
        job = t.job(into(table=how, columns=declared, key=["sku"], on_conflict=how,
                         extra="ignore"), api=api)
        job.send([{"sku": f"s{n % 5}", "qty": 1 + n // 5, "meta": {"at": "2026-01-02T03:04:05Z"},
                   "x": 1} for n in range(15)], close=True)
        eq(job.wait_done()["report"], {"written": 5, "repeated": 10, "refused": 0}, how)
        eq(pg.rows(f"SELECT min(qty), max(qty), count(*), min(at)::text AS at FROM {how}"),
           [{"min": qty, "max": qty, "count": 5, "at": "2026-01-02 03:04:05+00"}], how)


@timeout(60)
def test_members_without_a_column_go_where_extra_says(t):
    pg, api = with_postgres(t)
    job = t.job(into(columns={"a": "integer"}, extra="column"), api=api)
    job.send([{"a": 1}, {"a": 2, "b": "x", "c": [1.50]}, {"b\"\\": {}}], close=True)
    eq(job.wait_done()["report"], {"written": 3, "repeated": 0, "refused": 0}, "report")
    same_list(pg.rows("SELECT a, _extra FROM t ORDER BY _item"),
              [{"a": 1, "_extra": None}, {"a": 2, "_extra": {"b": "x", "c": [1.5]}},
               {"a": None, "_extra": {"b\"\\": {}}}], "rows")


@timeout(180)
def test_hostile_names_and_values(t):
    pg, api = with_postgres(t)
    table = 'x"; DROP TABLE kept; --'
    names = ['a"b', "'; DROP TABLE kept; --", "{}", "$1", "\\", "é日", "n\nl", " ", "select"]
    values = ['"', "\\", "{1,2}", "NULL", "'; DROP TABLE kept; --", "\u2028\U0001f701", "", "\\N",
              "x" * 400000]
    pg.do("CREATE TABLE kept (n int)")
    items_ = [{name: values[(n + at) % len(values)] for at, name in enumerate(names)} | {"n": n}
              for n in range(len(values))]
    job = t.job(into(table=table), api=api)
    job.send(items_, close=True)
    eq(job.wait_done()["report"], {"written": len(values), "repeated": 0, "refused": 0}, "report")
    rows = pg.rows("SELECT * FROM \"x\"\"; DROP TABLE kept; --\" ORDER BY n")
    for row in rows:
        del row["_item"]
    same_list(rows, items_, "rows")
    eq(pg.count("kept"), 0, "the other table")
    job = t.job(into(table="long"), api=api)
    job.send([{"y" * 64: 1}], close=True)
    job.wait_done()
    ok("too long for a column's name" in reasons(job)[0], reasons(job))


@timeout(60)
def test_several_jobs_make_one_table(t):
    pg, api = with_postgres(t)
    jobs = [t.job(into(), api=api) for _ in range(4)]
    for job in jobs:
        job.send([{f"c{at}": n for at in range(150)} for n in range(50)], close=True)
    for job in jobs:
        eq(job.wait_done()["report"], {"written": 50, "repeated": 0, "refused": 0}, "report")
    eq(pg.rows("SELECT count(*) AS n, sum(c149) AS sum FROM t"), [{"n": 200, "sum": 4900}], "rows")


@timeout(60)
def test_a_table_that_changes_in_between_is_looked_at_again(t):
    pg, api = with_postgres(t)
    job = t.job(sink("postgres", connection="main", table="t", retry={"attempts": 3, "backoff_ms": 1}),
                api=api)
    job.send([{"n": 1, "s": "a"}])
    pg.wait_count("t", 1)
    pg.do("ALTER TABLE t DROP COLUMN s; ALTER TABLE t ADD COLUMN u text")
    job.send([{"n": 2}])
    job.wait(lambda j: j["counts"]["pending"] + j["counts"]["running"] == 0, 30, "nothing is left")
    job.send([{"n": 3, "u": "c"}], close=True)
    job.wait_done()
    ok("column \"s\" of relation" in reasons(job)[1], reasons(job))
    same_list(pg.rows("SELECT n, u FROM t ORDER BY n"), [{"n": 1, "u": None}, {"n": 3, "u": "c"}])
