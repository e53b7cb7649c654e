"""The source `files`: what stands in files becomes items, each once, and nothing outside of the
roots is ever read."""

import csv
import gzip
import io
import random
import shutil
import tempfile

from support.leat import *


class Place:
    """A server with a root `data`, and the folder that it is."""

    def __init__(self, t, options=None, **config):
        self.t = t
        self.top = tempfile.mkdtemp(prefix="leat-files-")
        t.cleanup.append(lambda: shutil.rmtree(self.top))
        self.root = os.path.join(self.top, "data")
        os.mkdir(self.root)
        stages_d = os.path.join(self.top, "stages.d")
        os.mkdir(stages_d)
        with open(os.path.join(stages_d, "files.json"), "w") as file:
            json.dump({"roots": {"data": self.root}, **config}, file)
        self.server = t.server({"stages-d": stages_d, "compute": 2, "flush-ms": 5, **(options or {})})
        self.api = t.client(self.server)

    def path(self, name):
        return os.path.join(self.root, name)

    def put(self, name, content):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)

    def stage(self, glob, **params):
        return {"use": "files", "params": {"root": "data", "glob": glob, **params},
                "retry": {"attempts": 2, "backoff_ms": 1, "max_backoff_ms": 1}}

    def job(self, glob, then=("pass",), **params):
        return self.t.job([self.stage(glob, **params), *then], api=self.api, order="input")

    def read(self, glob, **params):
        """What comes out."""
        job = self.job(glob, **params)
        job.wait_done()
        return job.results()

    def fails(self, glob, word, **params):
        job = self.job(glob, **params)
        error = job.wait_done("failed")["error"]
        ok(word in error["detail"], f"{word!r} is not in {error['detail']!r}")
        ok(self.root not in json.dumps(error), "the root's path is shown")
        return job


def zstd(data, *options):
    """Packed by the zstd tool; tests that want it are skipped where it is not."""
    return subprocess.run(["zstd", "-q", "-c", *options], input=data, stdout=subprocess.PIPE,
                          check=True).stdout


def need_zstd(t):
    if shutil.which("zstd") is None:
        t.skip("there is no zstd here to pack with")


def rows(values):
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(values[0]))
    writer.writeheader()
    writer.writerows(values)
    return out.getvalue().encode()


# ---- what comes out ----

def test_lines_come_in_the_order_of_paths_and_lines(t):
    place = Place(t)
    values = texts(3000)
    for n, part in ((0, values[:5]), (1, values[5:1700]), (2, values[1700:])):
        place.put(f"day-{n}/a.ndjson", ndjson(part))
    place.put("day-1/b.txt", b"not meant\n")
    place.put("other.ndjson", b"7\n")
    same_list(place.read("day-*/*.ndjson"), values)


def test_formats_and_packings_by_name(t):
    place = Place(t)
    values = [{"n": str(n), "text": 'a "b", c\nd é'} for n in range(500)]
    place.put("1.ndjson", ndjson(values))
    place.put("2.jsonl.gz", gzip.compress(ndjson(values)))
    place.put("3.csv", rows(values))
    place.put("4.CSV.GZ", gzip.compress(rows(values)[:4000]) + gzip.compress(rows(values)[4000:]))
    place.put("5.json", json.dumps(values[0]).encode())
    same_list(place.read("*"), values * 4 + values[:1])


def test_zstd(t):
    need_zstd(t)
    place = Place(t)
    values = texts(5000)
    place.put("a.ndjson.zst", zstd(ndjson(values)))
    place.put("b.ndjson.zst", zstd(ndjson(values), "-19") + zstd(ndjson(values[:10])))
    same_list(place.read("*.zst"), values * 2 + values[:10])
    place.put("b.ndjson.zst", zstd(ndjson(values))[:-20])
    place.fails("b*", "ends in the middle")
    place.put("b.ndjson.zst", zstd(b"1\n" * 100000, "--long=27"))
    place.fails("b*", "--long=23")


def test_csv_as_the_job_says(t):
    place = Place(t)
    place.put("a.tsv", b"id\tv\n1\tx\n2\t\n")
    eq(place.read("a.tsv", infer=True), [{"id": 1, "v": "x"}, {"id": 2, "v": None}])
    place.put("b.txt", b"1;x\n2;y\n")
    eq(place.read("b.txt", format="csv", delimiter=";", header=False, columns="id,v"),
       [{"id": "1", "v": "x"}, {"id": "2", "v": "y"}])
    place.put("c.csv", b"1,2\n")
    eq(place.read("c.csv", header=False), [{"c1": "1", "c2": "2"}])
    place.put("d.csv", b"a,a\n1,2\n")
    place.fails("d.csv", "the header")


def test_where_an_item_comes_from(t):
    place = Place(t)
    place.put('x "1"/é.ndjson', b'\n{"a":1}\n\n2\n')
    place.put("y.csv", b'a\n"two\nlines"\n3\n')
    eq(place.read("**/*", with_origin=True),
       [{"file": 'x "1"/é.ndjson', "line": 2, "value": {"a": 1}},
        {"file": 'x "1"/é.ndjson', "line": 4, "value": 2},
        {"file": "y.csv", "line": 2, "value": {"a": "two\nlines"}},
        {"file": "y.csv", "line": 4, "value": {"a": "3"}}])


def test_edges_of_lines(t):
    place = Place(t)
    place.put("a.ndjson", b"\xef\xbb\xbf1\r\n\r\n  \n 2 \n3")
    place.put("b.ndjson", b"")
    place.put("c.ndjson", b"\n\n")
    place.put("d.ndjson.gz", b"")
    place.put("e.csv", b"a,b\n")
    long = {"text": "x" * 300000}
    place.put("f.ndjson", ndjson([long, 4, long]))
    same_list(place.read("**"), [1, 2, 3, long, 4, long])


def test_patterns(t):
    place = Place(t)
    names = ["a.json", "b.json", "ab.json", ".hidden.json", "x/a.json", "x/y/a.json",
             "x/y/z/a.json", ".git/a.json", "[1].json", "x/é.json"]
    for name in names:
        place.put(name, json.dumps(name).encode())
    for glob, wanted in {"*.json": ["[1].json", "a.json", "ab.json", "b.json"],
                         "?.json": ["a.json", "b.json"], "x/?.json": ["x/a.json", "x/é.json"],
                         "[ab].json": ["a.json", "b.json"], "[!a-z]*.json": ["[1].json"],
                         "**/a.json": ["a.json", "x/a.json", "x/y/a.json", "x/y/z/a.json"],
                         "x/**": ["x/a.json", "x/y/a.json", "x/y/z/a.json", "x/é.json"],
                         "**/y/**/a.json": ["x/y/a.json", "x/y/z/a.json"],
                         ".*.json": [".hidden.json"], ".git/*": [".git/a.json"],
                         "[[]1].json": ["[1].json"], "*a*b*": ["ab.json"]}.items():
        eq(place.read(glob), wanted, f"what {glob} means")


# ---- what is refused ----

def test_without_a_root_the_stage_says_who_can_give_one(t):
    reply = t.api.post("/v1/jobs", {"stages": [{"use": "files",
                                                "params": {"root": "data", "glob": "*"}}]})
    body = problem(reply, 422, "definition-invalid")
    has_pointers(body, ["/stages/0/params/root"])
    ok("files.json" in body["errors"][0]["detail"], body)


def test_params_that_are_wrong_are_refused_at_once(t):
    place = Place(t)
    for params, pointer in (({"root": "etc", "glob": "*"}, "root"), ({"root": "data"}, "glob"),
                            ({"root": "data", "glob": "../x"}, "glob"),
                            ({"root": "data", "glob": "/etc/passwd"}, "glob"),
                            ({"root": "data", "glob": "a//b"}, "glob"),
                            ({"root": "data", "glob": "a/./b"}, "glob"),
                            ({"root": "data", "glob": "a/"}, "glob"),
                            ({"root": "data", "glob": ""}, "glob"),
                            ({"root": "data", "glob": "[a"}, "glob"),
                            ({"root": "data", "glob": "**/**/**/a"}, "glob"),
                            ({"root": "data", "glob": "x" * 1001}, "glob"),
                            ({"root": "data", "glob": "*", "format": "xml"}, "format"),
                            ({"root": "data", "glob": "*", "delimiter": "ab"}, "delimiter"),
                            ({"root": "data", "glob": "*", "columns": "a,b"}, "columns"),
                            ({"root": "data", "glob": "*", "bad_line": "maybe"}, "bad_line")):
        reply = place.api.post("/v1/jobs:validate", {"stages": [{"use": "files", "params": params}]})
        has_pointers(problem(reply, 422, "definition-invalid"), [f"/stages/0/params/{pointer}"])


def test_the_way_out_of_the_root_is_barred(t):
    place = Place(t)
    with open(os.path.join(place.top, "secret.json"), "w") as file:
        file.write('"secret"')
    os.symlink("../secret.json", place.path("link.json"))
    os.symlink("..", place.path("up"))
    os.symlink("/etc/passwd", place.path("passwd"))
    place.put("inner/a.json", b"1")
    os.symlink("inner", place.path("inside"))
    eq(place.read("**/*"), [1])
    place.fails("link.json", "links")
    place.fails("up/*.json", "no file")
    place.fails("inside/*.json", "no file")
    place.fails("passwd", "links")


def test_pipes_and_devices_are_not_opened(t):
    place = Place(t)
    os.mkfifo(place.path("pipe.json"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place.path("socket.json"))
    place.fails("*.json", "pipes")
    place.put("a.json", b"1")
    eq(place.read("*.json"), [1])


def test_a_configuration_that_is_wrong_is_refused(t):
    for config, word in (({"roots": ["/srv"]}, "roots"), ({"roots": {"a": "srv"}}, "roots/a"),
                         ({"roots": {"a": 1}}, "roots/a"), ({"line_max": 1}, "line_max"),
                         ({"root": "/srv"}, "root")):
        top = tempfile.mkdtemp(prefix="leat-files-")
        t.cleanup.append(lambda top=top: shutil.rmtree(top))
        with open(os.path.join(top, "files.json"), "w") as file:
            json.dump(config, file)
        server = t.server({"stages-d": top})
        ok(server.log.wait(f"stage_refused.*{word}", 5), f"{config} is not refused")
        server.kill()


# ---- what is bad in a file ----

def test_a_bad_line_ends_the_job_and_says_where(t):
    place = Place(t)
    for content, word in ((b'1\n{"a":}\n', "line 2"), (b"1\n2\n[1\n", "line 3"),
                          (b'"\xff"\n', "line 1"), (b"1\n" + b"[" * 2000 + b"]" * 2000, "1024 deep")):
        place.put("x/a.ndjson", content)
        place.fails("x/*", word)
    place.put("x/a.csv", b"a,b\n1,2\n1\n")
    os.remove(place.path("x/a.ndjson"))
    place.fails("x/*", "line 3")


def test_bad_lines_can_be_passed_over(t):
    place = Place(t, line_max=5000)
    place.put("a.ndjson", b"1\nnonsense\n2\n" + b'"' + b"x" * 6000 + b'"\n3\n' + b"y" * 200000)
    place.put("b.csv", b"a,b\n1,2\n1\n3,4\n")
    job = place.job("*", bad_line="skip")
    job.wait_done()
    eq(job.results(), [1, 2, 3, {"a": "1", "b": "2"}, {"a": "3", "b": "4"}])
    for word in ("line 2: not JSON", "line 4: longer than the 5000 bytes", "b.csv, line 3"):
        ok(place.server.log.wait(word, 5), f"{word} is not in the log")


def test_the_items_before_what_is_bad_are_kept(t):
    """So that it does not matter how much was read at once."""
    place = Place(t)
    values = texts(5000)
    place.put("a.ndjson", ndjson(values) + b"nonsense\n")
    job = place.job("a.ndjson")
    job.wait_done("failed")
    eq(job.get()["input"]["received"], 5000, "items taken before")


def test_files_that_cannot_be_read(t):
    place = Place(t)
    whole = gzip.compress(ndjson(texts(20000)))
    noise = random.Random(1).randbytes(300)
    for content, word in ((whole[:-9], "cut off"), (whole[:1000], "cut off"), (whole[:5], "cut off"),
                          (whole[:5000] + noise + whole[5300:], "damaged"), (noise, "damaged"),
                          (whole + b"trailing", "damaged"), (whole[:-8] + b"\0" * 8, "damaged")):
        place.put("x/a.ndjson.gz", content)
        place.fails("x/*", word)
    place.put("x/b.ndjson", b"7\n")
    eq(place.read("x/*", bad_file="skip")[-1], 7, "what comes behind a bad file")
    place.put("y/a.what", b"1\n")
    place.fails("y/*", "format")
    place.fails("z/*", "no file")
    eq(place.read("z/*", bad_file="skip"), [])


def test_a_file_without_permission(t):
    place = Place(t)
    place.put("a.ndjson", b"1\n")
    os.chmod(place.path("a.ndjson"), 0)
    if os.access(place.path("a.ndjson"), os.R_OK):
        t.skip("root may read everything")
    place.fails("*", "Permission denied")


def test_too_many_files(t):
    place = Place(t, files_max=10)
    for n in range(11):
        place.put(f"{n}.ndjson", b"1\n")
    place.fails("*", "more than 10 files")


def test_output_max_is_about_one_item(t):
    """However many are made at once."""
    place = Place(t, {"output-max": "2KiB"})
    values = [{"n": n, "text": "x" * 1500} for n in range(2000)]
    place.put("a.ndjson", ndjson(values))
    same_list(place.read("a*"), values)
    place.put("b.ndjson", ndjson([{"text": "x" * 3000}]))
    place.fails("b*", "output-max")


def test_folders_that_are_too_deep(t):
    place = Place(t)
    place.put("/".join(["x"] * 31) + "/a.json", b"1")
    eq(place.read("**"), [1])
    place.put("/".join(["x"] * 32) + "/a.json", b"2")
    place.fails("**", "deep")


# ---- in the middle ----

class Gated:
    """A job whose items wait behind a gate, so that it stands in the middle of its files."""

    def __init__(self, place, glob="*", **params):
        self.place = place
        self.gate = os.path.join(place.top, "gate")
        open(self.gate, "w").close()
        gate = {"use": "gate", "params": {"file": self.gate, "kind": "transient"},
                "retry": {"attempts": 1000, "backoff_ms": 20, "max_backoff_ms": 50}}
        self.job = place.t.job([place.stage(glob, **params), gate], api=place.api, order="input",
                               backlog={"bytes": 1000})
        self.job.wait(lambda j: j["stages"][1]["retries"] > 0 and j["input"]["received"] > 0,
                      what="an item has come to the gate, and some of them are kept")

    def open(self):
        os.remove(self.gate)
        return self.job


def test_a_file_that_changes_while_the_server_is_down(t):
    t.need_modules()
    place = Place(t)
    changes = {"shorter": lambda path: os.truncate(path, 10),
               "another file": lambda path: (shutil.copy(path, path + "~"), os.rename(path + "~", path)),
               "not there any more": os.remove}
    for word, change in changes.items():
        place.put("a.ndjson", ndjson(texts(20000)))
        gated = Gated(place)
        place.server.kill()
        change(place.path("a.ndjson"))
        place.server.start()
        place.api.close()
        error = gated.open().wait_done("failed")["error"]["detail"]
        ok(word in error and "a.ndjson" in error, f"{word!r} is not in {error!r}")


def test_a_file_that_becomes_shorter_while_it_is_read(t):
    t.need_modules()
    place = Place(t)
    place.put("a.ndjson", ndjson(texts(20000)))
    gated = Gated(place)
    os.truncate(place.path("a.ndjson"), 10)
    error = gated.open().wait_done("failed")["error"]["detail"]
    ok("shorter" in error, error)


def test_what_is_appended_while_it_is_read_comes_too(t):
    t.need_modules()
    place = Place(t)
    values = texts(20000)
    place.put("a.ndjson", ndjson(values[:10000]))
    gated = Gated(place)
    with open(place.path("a.ndjson"), "ab") as file:
        file.write(ndjson(values[10000:]))
    gated.open().wait_done()
    same_list(gated.job.results(), values)


def test_a_file_that_is_removed_while_it_is_read_is_read_to_its_end(t):
    t.need_modules()
    place = Place(t)
    values = texts(20000)
    place.put("a.ndjson", ndjson(values))
    gated = Gated(place)
    os.remove(place.path("a.ndjson"))
    gated.open().wait_done()
    same_list(gated.job.results(), values)


def packed(place, name, content):
    place.put(name, gzip.compress(content) if name.endswith(".gz") else content)


@timeout(90)
def test_killed_in_the_middle_every_line_comes_once(t):
    place = Place(t)
    values = [{"n": str(n), "text": "x" * (n % 50) + ("\n" if n % 7 == 0 else "")} for n in range(9000)]
    packed(place, "1/a.ndjson", ndjson(values[:2000]))
    packed(place, "1/b.ndjson.gz", ndjson(values[2000:4000]))
    packed(place, "2/c.csv", rows(values[4000:6000]))
    packed(place, "2/d.csv.gz", rows(values[6000:]))
    job = t.job([place.stage("**/*"), {"use": "sleep", "params": {"ms": 1}, "workers": 4}],
                api=place.api, order="input", backlog={"bytes": 20000})
    for share in (300, 1500, 2500, 3700, 4500, 6500, 8000):
        job.wait(lambda j: j["counts"]["succeeded"] >= share, what=f"{share} are done")
        place.server.restart("kill")
    job.wait_done(timeout=60)
    same_list(job.results(), values)


def zeros(count):
    """That many times 10 MB of zeros, packed."""
    return gzip.compress(b"0" * 10_000_000) * count


def test_a_line_without_an_end_takes_no_memory(t):
    place = Place(t)
    place.put("a.ndjson.gz", zeros(30))
    before = place.server.peak_rss_kib()
    place.fails("a*", "longer than")
    ok(place.server.peak_rss_kib() - before < 60000 * t.slow, "it took memory")


def test_cancel_while_it_is_unpacking(t):
    place = Place(t)
    place.put("a.ndjson.gz", zeros(5000))
    job = place.job("a*", bad_line="skip")
    job.wait(lambda j: j["stages"][0]["busy"] == 1, what="it is read")
    job.must("cancel")
    job.wait_done("cancelled", timeout=10 * t.slow)
    place.server.stop()
