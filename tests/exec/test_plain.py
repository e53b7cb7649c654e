"""Plain programs: what people have already, and what a process is given and is not."""

import grp
import pwd
import shutil
import subprocess

from programs import *

ECHO_LOOP = 'while IFS= read -r line; do printf "%s\\n" "$line"; done'


def numbers_to(count):
    return [{"n": n} for n in range(count)]


def test_sed_works_as_it_is(t):
    programs = Programs(t).add("mine", argv=["sed", "-u", 's/"n"/"m"/'])
    job = run(t, programs.serve(), numbers_to(500))
    same_multiset(job.results(), [{"m": n} for n in range(500)])


def test_a_loop_of_a_shell_works_as_it_is(t):
    programs = Programs(t).add("mine", argv=["sh", "-c", ECHO_LOOP])
    job = run(t, programs.serve(), numbers_to(300), order="input")
    eq(job.results(), numbers_to(300))


def test_jq_works_as_it_is(t):
    if shutil.which("jq") is None:
        t.skip("jq is not here")
    programs = Programs(t).add("mine", argv=["jq", "-c", "--unbuffered", ".n * 2"])
    job = run(t, programs.serve(), numbers_to(300))
    same_multiset(job.results(), [n * 2 for n in range(300)])


def test_every_byte_of_an_answer_stays(t):
    values = [b'{"a":1.10,"b":123456789012345678901234567890}', '"é\\u00e9 \\ud83d\\ude00"'.encode(),
              b'[1e5, -0.0]', b'""', b"null", b'{"a":{"a":{"a":[]}}}', b'"' + b"x" * 200000 + b'"']
    programs = Programs(t).add("mine", argv=["cat"])
    job = run(t, programs.serve(), b"\n".join(values) + b"\n", order="input")
    eq(job.raw_results().splitlines(), values)


def test_an_empty_line_filters_the_item(t):
    _, api = one(t, "for x in lines():\n    print('' if x % 3 == 0 else x, flush=True)\n")
    job = run(t, api, list(range(100)))
    same_multiset(job.results(), [n for n in range(100) if n % 3])
    eq(job.get()["counts"]["filtered"], 34)


def test_answers_belong_to_their_items_with_many_processes(t):
    _, api = one(t, DOUBLE)
    job = run(t, api, list(range(5000)), {"workers": 4}, order="input")
    eq(job.results(), [n * 2 for n in range(5000)])


def test_several_programs_stand_in_one_job(t):
    programs = Programs(t).add("mine", DOUBLE).add("more", "for x in lines(): say(x + 1)\n")
    job = t.job(["mine", "more", "mine"], api=programs.serve(), order="input")
    job.send(list(range(500)), close=True)
    job.wait_done()
    eq(job.results(), [(n * 2 + 1) * 2 for n in range(500)])


def test_the_environment_is_the_operators_and_no_more(t):
    programs = Programs(t).add("mine", "for x in lines(): say(dict(os.environ))\n",
                               env={"MY_OWN": "a b", "LANG": "C"})
    api = programs.serve(env={"A_SECRET_OF_THE_SERVER": "hidden"})
    env, = run(t, api, [1]).results()
    eq((env["MY_OWN"], env["LANG"], env["LEAT_STAGE"], env["LEAT_PROTOCOL"], env["LEAT_PARAMS"]),
       ("a b", "C", "mine", "plain", "{}"))
    ok(env["PATH"] and env["HOME"], f"no PATH or HOME: {env}")
    eq([name for name in env if "SECRET" in name or "SANITIZER" in name or "ASAN" in name], [])


def test_parameters_come_by_the_environment(t):
    programs = Programs(t).add("mine", "p = json.loads(os.environ['LEAT_PARAMS'])\n"
                               "for x in lines(): say(p)\n",
                               params={"lang": {"type": "string", "enum": ["en", "de"], "required": True},
                                       "many": {"type": "integer", "default": 4}})
    api = programs.serve()
    job = run(t, api, [1], {"params": {"lang": "de"}})
    eq(job.results(), [{"lang": "de", "many": 4}])
    for params, pointer in (({"lang": "fr"}, "lang"), ({"lang": "en", "argv": ["sh"]}, "argv"),
                            ({"lang": "en", "command": "sh"}, "command"),
                            ({"lang": "en", "env": {}}, "env"), ({}, "lang")):
        reply = api.post("/v1/jobs", {"stages": [{"use": "mine", "params": params}]})
        has_pointers(problem(reply, 422, "definition-invalid"), [f"/stages/0/params/{pointer}"])


LOOK = r"""
import resource
def limit(which): return resource.getrlimit(which)[0]
def take(size):
    try:
        return len(bytearray(size))
    except MemoryError:
        return "no memory"
status = dict(line.rstrip("\n").split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
fds = {int(fd): os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
       if os.path.exists(f"/proc/self/fd/{fd}")}
for x in lines():
    say({"files": limit(resource.RLIMIT_NOFILE), "cpu": limit(resource.RLIMIT_CPU),
         "core": limit(resource.RLIMIT_CORE), "big": take(1 << 30), "small": take(1 << 20),
         "fds": sorted(fds), "pipes": sorted(set(fds[fd].split(":")[0] for fd in fds)),
         "cwd": os.getcwd(), "leads": os.getpgid(0) == os.getpid(), "parent": os.getppid(),
         "privileges": status["NoNewPrivs"], "blocked": int(status["SigBlk"], 16),
         "ignored": int(status["SigIgn"], 16) & ~(1 << 24 | 1 << 12)})
"""


def test_a_process_has_its_limits_and_none_of_our_descriptors(t):
    programs = Programs(t)
    programs.add("mine", LOOK, cwd=programs.folder,
                 limits={"memory_bytes": 400 << 20, "cpu_seconds": 77, "files": 33})
    api = programs.serve()
    got, = run(t, api, [1]).results()
    eq((got["files"], got["cpu"], got["big"], got["small"]), (33, 77, "no memory", 1 << 20), "limits")
    eq((got["fds"][:3], got["pipes"]), ([0, 1, 2], ["pipe"]), "descriptors")
    eq(len(got["fds"]), 3, f"descriptors {got['fds']}")
    eq((got["cwd"], got["leads"], got["privileges"]), (os.path.realpath(programs.folder), True, "1"))
    eq((got["blocked"], got["ignored"]), (0, 0), "signals")


WHO = 'while read -r line; do echo "\\"$(id -un) $(id -gn) $(id -Gn)\\""; done'


def test_a_program_runs_as_its_user(t):
    if os.geteuid() != 0:
        _, api = one(t, None, argv=["cat"], user="root")
        said, = reasons(run(t, api, [1], {"retry": {"attempts": 1}}))
        ok("cannot become the user 'root'" in said, said)
        t.skip("only root can become somebody else")
    nobody = pwd.getpwnam("nobody")
    try:
        subprocess.run(["true"], user="nobody", group=nobody.pw_gid, extra_groups=[], check=True)
    except (PermissionError, OSError):
        t.skip("nobody cannot be anybody else here")
    programs = Programs(t).add("mine", argv=["sh", "-c", WHO], user="nobody", cwd="/")
    programs.add("none", argv=["cat"], user="no-such-user-of-ours")
    api = programs.serve()
    group = grp.getgrgid(nobody.pw_gid).gr_name
    eq(run(t, api, [1]).results(), [f"nobody {group} {group}"])
    job = t.job([{"use": "none", "retry": {"attempts": 1}}], api=api)
    job.send([1], close=True)
    job.wait_done()
    ok("cannot become the user 'no-such-user-of-ours'" in reasons(job)[0], reasons(job))


NODE = """
const readline = require("readline");
let kept = [];
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const x = JSON.parse(line);
  if (x === "grow") for (;;) kept.push(Buffer.alloc(1 << 20, 1));
  console.log(JSON.stringify(x * 2));
});
"""


def test_node_lives_within_a_limit_of_memory(t):
    """What it reserves and never writes to does not count; what it writes to does."""
    if not shutil.which("node"):
        t.skip("node is not here")
    programs = Programs(t).add("mine", argv=["node", "-e", NODE], limits={"memory_bytes": 768 << 20})
    api = programs.serve()
    same_multiset(run(t, api, list(range(1000))).results(), [2 * n for n in range(1000)])
    job = run(t, api, ["grow", 1, 2], {"retry": {"attempts": 1}}, timeout=60)
    eq(job.results(), [2, 4])
    eq([f["input"] for f in job.failures()], ["grow"])


def test_a_wrong_file_is_refused_with_the_reason(t):
    programs = Programs(t)
    for name, config in {"a": {"argv": "ls -l"}, "b": {"argv": []}, "c": {"argv": ["ls", 1]},
                         "d": {"argv": ["ls"], "protocol": "xml"}, "e": {"argv": ["ls"], "limits": {"cpu": 1}},
                         "f": {"argv": ["ls"], "limits": {"files": -1}}, "g": {},
                         "h": {"argv": ["ls"], "env": {"A=B": "c"}}, "i": {"argv": ["ls"], "env": {"A": 1}},
                         "j": {"argv": ["ls\u0000"]}, "k": {"argv": ["ls"], "window_max": 0},
                         "l": {"argv": ["ls"], "idle": 1}, "m": {"argv": ["ls"], "limits": []},
                         "n": {"argv": ["ls"], "env": {"LEAT_PARAMS": "{}"}}}.items():
        with open(os.path.join(programs.stages_d, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
    programs.add("mine", argv=["cat"])
    api = programs.serve()
    refused = {os.path.basename(row["file"]): row["reason"] for row in api.get("/v1/stages").json()["refused"]}
    eq(sorted(refused), [f"{name}.json" for name in "abcdefghijklmn"])
    for name, word in zip("abcdefghijklmn", ("argv", "argv", "argv", "protocol", "limits", "limits", "argv",
                                            "env", "env", "U+0000", "window_max", "idle", "limits", "LEAT_")):
        ok(word in refused[f"{name}.json"], f"{name}: {refused[f'{name}.json']!r}")
    eq(run(t, api, [1]).results(), [1])
