"""leat token, and clients that show what it makes; where a server may listen without."""

import re
import stat
import threading

from remote import *
from support.tokens import Tokens

RANDOM = r"leat_[0-9a-f]{12}_[A-Za-z0-9_-]{43}"


def in_folder(t):
    return os.path.join(folder(t), "tokens")


def test_a_token_is_shown_once_and_kept_nowhere(t):
    path = in_folder(t)
    done = leat(t, "token", "new", "--tokens", path, "--name", "ci", "--scope", "submit,read",
                "--scope", "operate", "--label", "team=a", "--label", "env=x=y").exits(0)
    text = done.out.decode().strip()
    ok(re.fullmatch(RANDOM, text), f"a token: {text!r}")
    eq(done.err, "", "on stderr")
    eq(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode")
    with open(path, encoding="utf-8") as file:
        kept = file.read()
    ok(text[18:] not in kept, "the file holds the token")
    eq(json.loads(kept)["scopes"], ["read", "submit", "operate"], "scopes")
    eq(json.loads(kept)["labels"], {"team": "a", "env": "x=y"}, "labels")
    listed = json.loads(leat(t, "token", "ls", "--json", env={"LEAT_TOKENS": path}).exits(0).out)
    eq([(row["name"], row["token"], row["scopes"], row["labels"]) for row in listed],
       [("ci", True, ["read", "submit", "operate"], {"team": "a", "env": "x=y"})], "ls")
    ok(json.loads(kept)["hash"] not in json.dumps(listed), "who lists has no use for the hash")
    eq(os.listdir(os.path.dirname(path)), ["tokens"], "files beside it")


def test_many_at_once_are_all_kept(t):
    path = in_folder(t)

    def make(n):
        leat(t, "token", "new", "--tokens", path, "--name", f"n{n}", "--scope", "read").exits(0)
    threads = [threading.Thread(target=make, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listed = json.loads(leat(t, "token", "ls", "--json", "--tokens", path).exits(0).out)
    eq(sorted(row["name"] for row in listed), sorted(f"n{n}" for n in range(8)), "tokens")
    leat(t, "token", "revoke", "n3", "--tokens", path).exits(0)
    text = leat(t, "token", "ls", "--tokens", path).exits(0).out.decode()
    eq(("n3" in text, "n4" in text, len(text.splitlines())), (False, True, 8), "ls")


def test_what_is_wrong_is_said_and_changes_nothing(t):
    path = in_folder(t)
    env = {"LEAT_TOKENS": path}
    new = ["token", "new", "--name", "a", "--scope", "read"]
    leat(t, *new, env=env).exits(0)
    with open(path, "rb") as file:
        before = file.read()
    for words_, text in (
            (["token"], "say what to do: leat token new, ls or revoke"),
            (["token", "neu"], "say what to do"),
            (["token", "ls", "x"], "'x' is one too many"),
            (new, "there is a token 'a' already"),
            (["token", "new", "--scope", "read"], "whose is it?"),
            (["token", "new", "--name", "b"], "what may it do?"),
            (["token", "new", "--name", "b", "--scope", "read,all"], "'all' is none of read, submit"),
            (["token", "new", "--name", "", "--scope", "read"], "1 to 63 characters"),
            (["token", "new", "--name", "b", "--scope", "admin", "--label", "a=b"], "spans all labels"),
            (["token", "new", "--name", "b", "--scope", "read", "--label", "a"], "KEY=VALUE, as in team=a"),
            (["token", "new", "--name", "b", "--scope", "read", "--label", "a\n=b"], "labels"),
            (["token", "revoke"], "which one?"),
            (["token", "revoke", "nobody"], "there is no token 'nobody'")):
        leat(t, *words_, env=env).exits(2).says("leat token: ", text)
    with open(path, "rb") as file:
        eq(file.read(), before, "the file")
    leat(t, "token", "ls").exits(2).says("which file? Give --tokens FILE, or set LEAT_TOKENS")
    leat(t, "token", "new", "--tokens", "/nowhere/tokens", "--name", "a", "--scope", "read").exits(2) \
        .says("/nowhere/tokens")
    with open(path, "ab") as file:
        file.write(b"{\n")
    leat(t, "token", "new", "--name", "b", "--scope", "read", env=env).exits(2).says(f"{path}, line 2")
    eq(leat(t, "token", "ls", "--tokens", path + "-none").exits(0).lines()[0].split()[0], "NAME")


def test_clients_show_their_token(t):
    tokens = Tokens(t)
    good, half = tokens.new("me", "read", "submit", "operate"), tokens.new("half", "read")
    tokens.start()
    env = at(tokens.server, LEAT_TOKEN=good)
    done = leat(t, "submit", "sha256:2", "--set", "sha256.field=text", "--results", env=env,
                stdin='{"text":"a"}\n{"text":"b"}\n').exits(0)
    eq(len(done.values()), 2, "results")
    job = leat(t, "ls", "--json", env=env).exits(0).values()[0]["id"]
    for line in (["show", job], ["watch", job], ["results", job], ["failures", job], ["stages", "--server",
                 url(tokens.server)]):
        leat(t, *line, env=env).exits(0)
    leat(t, "results", job, "--token", good, "--server", url(tokens.server)).exits(0)
    for line in (["ls"], ["show", job], ["submit", "pass"], ["rm", job], ["watch", job], ["results", job]):
        done = leat(t, *line, env=at(tokens.server), stdin="1\n")
        ok(done.code in (1, 2), f"{line}: exit {done.code}")
        done.says("LEAT_TOKEN")
    done = leat(t, "rm", job, env=at(tokens.server, LEAT_TOKEN=half))
    ok(done.code in (1, 2), f"exit {done.code}")
    done.says("this needs the scope operate, which the token 'half' lacks")
    ok(half not in done.err, done.err)
    leat(t, "health", env=at(tokens.server)).exits(0)
    leat(t, "rm", job, env=env).exits(0)


def test_a_server_listens_where_others_come_in_only_with_tokens_or_in_words(t):
    data = ["--data", os.path.join(folder(t), "data")]
    path = in_folder(t)
    leat(t, "token", "new", "--tokens", path, "--name", "me", "--scope", "admin").exits(0)
    for address in ("0.0.0.0:0", "[::]:0", "10.11.12.13:0", "leat.example:0", "[::ffff:10.0.0.1]:0"):
        done = leat(t, "serve", "--listen", address, *data).exits(2)
        done.says("without tokens they could do everything", "leat token new", "--tokens FILE",
                  "--insecure", "listen on 127.0.0.1")
    leat(t, "serve", "--listen", "0.0.0.0:0", *data, env={"LEAT_INSECURE": "no"}).exits(2)
    leat(t, "serve", "--listen", "0.0.0.0:0", *data, env={"LEAT_INSECURE": "maybe"}).exits(2) \
        .says("LEAT_INSECURE: 'maybe' is none of no|yes")
    ok(not os.path.exists(data[1]), "the folder of the data was made")
    for more, warned in ((["--insecure"], True), (["--tokens", path], False)):
        process = start(t, "serve", "--listen", "0.0.0.0:0", *data, *more)
        line = ""
        said = []
        while "event=listening" not in line:
            line = read_line(t, process.stderr, 20)
            said.append(line)
        eq(any("event=insecure" in one for one in said), warned, f"{more}: {said}")
        process.terminate()
        ends(t, process, 0)


def test_a_file_of_tokens_that_is_not_right_ends_the_start(t):
    path = in_folder(t)
    data = ["--data", os.path.join(folder(t), "data")]
    leat(t, "serve", "--tokens", path, *data).exits(2).says(path, "leat token new --tokens FILE")
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"name":"a","scopes":["read"]}\n{"name":"a"}\n')
    leat(t, "serve", "--tokens", path, *data).exits(2).says(f"tokens: {path}, line 2: scopes must be")
    ok(not os.path.exists(data[1]), "the folder of the data was made")


def test_a_crash_leaves_no_core_unless_it_is_asked_for(t):
    for options, wanted in (({}, ["0", "0"]), ({"core-dumps": None}, None)):
        server = t.server(options, start=False)
        if wanted is None:
            server.env["LEAT_CORE_DUMPS"] = "yes"
        server.start()
        with open(f"/proc/{server.pid}/limits", encoding="ascii") as file:
            row = next(line for line in file if line.startswith("Max core file size"))
        mine = open("/proc/self/limits", encoding="ascii").read().splitlines()
        theirs = wanted or next(line for line in mine if line.startswith("Max core")).split()[4:6]
        eq(row.split()[4:6], theirs, "the limit of core files")
        server.stop()
