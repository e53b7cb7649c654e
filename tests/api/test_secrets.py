"""Secrets are planted wherever there are any, and looked for wherever something is shown."""

import base64

from support.leat import *
from support.tokens import Tokens

# What stands in each is a word that nobody else writes.
PLANTED = {name: f"planted{n}x{name}x9d2e71" for n, name in enumerate(
    ("env", "file", "bound", "dsn", "password", "program", "basic", "cookie", "query", "wrong", "header"))}
SLOW_ROUTES = {"/v1/events", "/v1/jobs/{id}/events"}


def configure(folder):
    """stages.d with a secret of each kind; the environment that it wants."""
    os.makedirs(folder)
    secret = os.path.join(folder, "..", "secret-file")
    with open(secret, "w", encoding="utf-8") as file:
        file.write(PLANTED["file"] + "\n")
    files = {
        "http": {"hosts": ["http://127.0.0.1:9"],
                 "secrets": {"one": {"$env": "A_SECRET"}, "two": {"$file": os.path.abspath(secret)},
                             "three": {"value": PLANTED["bound"], "hosts": ["127.0.0.1:9"]}}},
        "postgres": {"connections": {"main": {"dsn": f"host=/nonexistent/{PLANTED['dsn']} dbname=x",
                                              "password": {"$env": "PG_SECRET"}}}},
        "shout": {"argv": ["/bin/cat"], "env": {"KEY": {"$env": "PROGRAM_SECRET"}}},
    }
    for name, content in files.items():
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(content, file)
    return {"A_SECRET": PLANTED["env"], "PG_SECRET": PLANTED["password"],
            "PROGRAM_SECRET": PLANTED["program"]}


def server_with_secrets(t, **options):
    tokens = Tokens(t, **{"log-level": "debug", "access-log": "all", **options})
    folder = os.path.join(tokens.server.folder, "stages.d")
    tokens.server.env.update(configure(folder))
    tokens.server.options["stages-d"] = folder
    return tokens


class Ear:
    """All that was heard; asks with a token and remembers the replies."""

    def __init__(self, api):
        self.api = api
        self.heard = []

    def ask(self, method, path, body=None, headers=None, query=None):
        reply = self.api.request(method, path, body, headers, query)
        self.heard.append((f"{method} {path}", reply.body + repr(reply.headers.pairs).encode()
                           + repr(reply.trailers.pairs).encode()))
        return reply


def run_job(t, ear, stages, items=b'{"a":1}\n'):
    reply = ear.ask("POST", "/v1/jobs", {"stages": stages}, {"X-Header": PLANTED["header"]})
    if reply.status != 201:
        return None
    job = Job(ear.api, reply.json()["id"])
    ear.ask("POST", f"{job.path}/items", items, {"Content-Type": NDJSON}, {"close": "true"})
    return job


def expect_none(heard, secrets):
    for name, text in secrets.items():
        for kind in (text, base64.b64encode(text.encode()).decode().rstrip("=")[:-2]):
            for where, said in heard:
                ok(kind.encode() not in said, f"{where} tells the secret '{name}'")


def test_nothing_that_is_said_holds_a_secret(t):
    tokens = server_with_secrets(t)
    good, gone = tokens.new("me", "admin"), tokens.new("gone", "admin")
    secrets = {**PLANTED, "token": good[18:], "revoked": gone[18:]}
    tokens.start()
    ear = Ear(tokens.client(good))
    jobs = [run_job(t, ear, stages) for stages in (
        [{"use": "http", "params": {"url": "http://127.0.0.1:9/x", "headers": {
            "A": "{$secret:one}", "B": "{$secret:two}", "C": "{$secret:three}"}},
          "retry": {"attempts": 1}}],
        [{"use": "shout"}],
        [{"use": "http", "params": {"url": "http://127.0.0.1:9/{$secret:one}"}}],
        [{"use": "http", "params": {"url": "http://127.0.0.1:9/", "headers": {"A": "{$secret:no}"}}}],
        [{"use": "postgres", "params": {"connection": "main", "table": "x"}, "retry": {"attempts": 1}}],
    )]
    jobs = [job for job in jobs if job is not None]
    ok(len(jobs) >= 2, "the jobs of the stages")
    for job in jobs[:2]:
        job.wait_done(state=None)
    for stranger in (gone[:-1] + "x", f"{PLANTED['wrong']}"):
        reply = tokens.client(stranger).get("/v1/jobs", {"name": PLANTED["query"]}, {
            "Cookie": PLANTED["cookie"]})
        ear.heard.append(("a refusal", reply.body + repr(reply.headers.pairs).encode()))
    basic = base64.b64encode(f"me:{PLANTED['basic']}".encode()).decode()
    reply = tokens.client(None).get("/v1/jobs", headers={"Authorization": f"Basic {basic}"})
    ear.heard.append(("Basic", reply.body + repr(reply.headers.pairs).encode()))
    tokens.client(gone).get("/v1/jobs")
    tokens.revoke("gone")
    tokens.reload()
    tokens.client(gone).get("/v1/jobs")
    for path, item in ear.api.get("/openapi.json").json()["paths"].items():
        if "get" not in item or path in SLOW_ROUTES:
            continue
        for name in [job.id for job in jobs] if "{id}" in path else ("http", "postgres", "shout"):
            ear.ask("GET", path.replace("{id}", name).replace("{name}", name), query={"key": "k"}
                    if path.endswith("/items") else None)
    with open(tokens.path, "rb") as file:
        ear.heard.append(("the file of tokens", file.read()))
    for job in jobs[2:]:
        job.delete()
    tokens.server.stop()
    ear.heard.append(("the log", "\n".join(tokens.server.log.lines).encode()))
    expect_none(ear.heard, secrets)
    ok(len(ear.heard) > 40, f"{len(ear.heard)} replies")


def test_the_configuration_that_is_printed_holds_none(t):
    tokens = server_with_secrets(t)
    tokens.new("me", "admin")
    words = tokens.server.arguments() + ["--print-config"]
    done = subprocess.run(words, env=tokens.server.environment(), capture_output=True,
                          timeout=30 * t.slow, check=True)
    ok(tokens.path.encode() in done.stdout, "the path of the file stands there")
    with open(tokens.path, encoding="utf-8") as file:
        kept = json.loads(file.readline())
    expect_none([("--print-config", done.stdout + done.stderr)],
                {**PLANTED, "hash": kept["hash"], "salt": kept["salt"]})


def test_a_configuration_that_is_wrong_is_named_without_what_is_in_it(t):
    planted = PLANTED["dsn"]
    for name, content in (
            ("postgres", {"connections": {"a": {"dsn": f"postgres {planted}"}}}),
            ("postgres", {"connections": {"a": {"dsn": f"host=x {planted}=1"}}}),
            ("http", {"secrets": {"a": {"value": planted, "hosts": "x"}}}),
            ("http", {"secrets": {"a": planted + "\n"}}),
            ("http", {"secrets": {"a": {"value": {"$env": "TOO_SECRET"}, "hosts": [7]}}}),
            ("shout", {"argv": ["/bin/cat"], "env": {"KEY": {"$env": "TOO_SECRET"}, "B": 7}})):
        server = t.server(start=False)
        folder = os.path.join(server.folder, "stages.d")
        os.makedirs(folder)
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(content, file)
        server.options["stages-d"] = folder
        server.env["TOO_SECRET"] = planted
        server.spawn()
        found = server.log.wait(r"event=listening\b.*\bport=(\d+)", 20 * t.slow)
        said = ""
        if found:
            server.port = int(found.group(1))
            api = t.client(server)
            said = "".join(api.get(path).body.decode() for path in ("/v1/stages", "/v1/server"))
            server.stop()
        else:
            server.wait()
        said += "\n".join(server.log.lines)
        ok(name in said, f"{content}: nobody says what is wrong: {said}")
        expect_none([(f"{content}", said.encode())], {"planted": planted})


# ---- memory ----


def memory(pid, most=1 << 30):
    """All that the process can write to."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as file:
        for line in maps:
            span, mode = line.split()[:2]
            low, high = (int(word, 16) for word in span.split("-"))
            if mode.startswith("rw") and mode.endswith("p") and high - low <= most:
                file.seek(low)
                try:
                    yield file.read(high - low)
                except OSError:  # a guard page, or gone meanwhile
                    continue


def test_a_token_that_was_looked_at_is_not_in_memory_any_more(t):
    if t.settings.sanitizer:
        t.skip("a sanitizer keeps copies of its own")
    tokens = Tokens(t)
    good, wrong = tokens.new("me", "admin"), tokens.new("gone", "admin")
    tokens.revoke("gone")
    tokens.start()
    api, stranger = tokens.client(good), tokens.client(wrong)
    job = t.job(api=api)
    for n in range(20):
        job.upload(b"%d\n" % n)
        status(api.get("/v1/jobs"), 200)
        problem(stranger.get("/v1/jobs"), 401, "unauthorized")
        problem(stranger.post("/v1/jobs", b"{}"), 401, "unauthorized")
    follow = job.follow()
    for _ in range(20):
        follow.readline(timeout=20 * t.slow)
    with api.connect() as connection:
        connection.request("GET", "/v1/jobs", headers={**api.shown(None), "X-Mark": PLANTED["header"]})
        try:
            seen = list(memory(tokens.server.pid))
        except PermissionError as error:
            t.skip(f"the memory of another process may not be read here: {error}")
    for name, text in (("good", good), ("wrong", wrong)):
        for part in (text, text[18:], text[18:40]):
            count = sum(piece.count(part.encode()) for piece in seen)
            eq(count, 0, f"times that the {name} token stands in memory")
    ok(any(b"leat" in piece for piece in seen), "nothing was read")
    follow.close()
