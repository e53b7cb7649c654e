"""deploy/leat.service, and what `meson install` puts where."""

import os
import re
import shutil
import subprocess
import tempfile

import tree
from support import expect
from support.client import until
from support.context import timeout

# Of 100: below 20 is what systemd-analyze calls OK for a service with a network.
EXPOSURE_MAX = 15


def unit():
    """[(NAME, VALUE)] of all its sections."""
    return re.findall(r"(?m)^(\w+)=(.*)$", tree.text("deploy/leat.service"))


def one(name):
    found = [value for key, value in unit() if key == name]
    assert len(found) == 1, f"{name} stands {len(found)} times"
    return found[0]


def need(t, tool):
    if shutil.which(tool) is None:
        t.skip(f"there is no {tool} here")


def folder(t):
    made = tempfile.mkdtemp(prefix="leat-deploy-")
    t.cleanup.append(lambda: shutil.rmtree(made, ignore_errors=True))
    return made


def ran(*command, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=100, **more)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


def test_systemd_takes_the_unit(t):
    need(t, "systemd-analyze")
    # The program lies where it was built, and its manual where nobody has installed it yet.
    text = tree.text("deploy/leat.service").replace("/usr/bin/leat", t.settings.program)
    path = os.path.join(folder(t), "leat.service")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    said = ran("systemd-analyze", "verify", "--man=no", path)
    mine = [line for line in said.splitlines() if "leat.service" in line]
    expect.eq(mine, [], "what systemd says of it")


def test_systemd_takes_the_socket_and_it_is_where_leat_would_listen(t):
    need(t, "systemd-analyze")
    made = folder(t)
    for name in ("leat.service", "leat.socket"):
        with open(os.path.join(made, name), "w", encoding="utf-8") as file:
            file.write(tree.text(f"deploy/{name}").replace("/usr/bin/leat", t.settings.program))
    said = ran("systemd-analyze", "verify", "--man=no", os.path.join(made, "leat.socket"))
    expect.eq([line for line in said.splitlines() if "leat.so" in line], [], "what systemd says")
    listen = re.search(r"(?m)^ListenStream=(.*)$", tree.text("deploy/leat.socket")).group(1)
    expect.eq(tree.settings(t, None)["listen"]["value"], listen, "where")


def test_the_unit_is_sandboxed(t):
    need(t, "systemd-analyze")
    said = ran("systemd-analyze", "security", "--offline=true", "--no-pager",
               f"--threshold={EXPOSURE_MAX}", tree.path("deploy/leat.service"))
    t.note(said.strip().splitlines()[-1])


def test_the_unit_starts_what_leat_understands(t):
    words = one("ExecStart").split()
    expect.eq(words[:2], ["/usr/bin/leat", "serve"], "ExecStart")
    options = words[2:]
    options[options.index("--config") + 1] = tree.path("deploy/leat.json")
    found = tree.settings(t, None, *options)
    state = "/var/lib/" + one("StateDirectory")
    expect.eq(found["data"]["value"], state, "the data lies where the unit may write")
    expect.eq(found["listen"]["value"], "127.0.0.1:8080", "nobody is let in unasked")
    assert int(one("TimeoutStopSec")) * 1000 > found["drain_ms"]["value"], "SIGKILL before the end"
    assert int(one("LimitNOFILE")) > found["connections_max"]["value"], "descriptors"
    assert int(one("TasksMax")) > found["blocking_max"]["value"] + 512, "threads"
    expect.eq([name for name, _ in unit() if name in ("LimitAS", "LimitFSIZE", "LimitDATA")], [],
              "limits that the ledger's map would hit")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def allowed():
    """The system calls that SystemCallFilter leaves."""
    groups = {}
    for line in ran("systemd-analyze", "syscall-filter", "--no-pager").splitlines():
        line = re.sub(r"\x1b\[[0-9;]*m", "", line)
        if line.startswith("@"):
            name = line.strip()
            groups[name] = []
        elif line.startswith("    ") and not line.strip().startswith("#"):
            groups[name].append(line.strip())

    def members(word):
        if not word.startswith("@"):
            return {word}
        return set().union(*(members(inner) for inner in groups[word]))

    left = members("@default")
    for _, value in [row for row in unit() if row[0] == "SystemCallFilter"]:
        words = set().union(*(members(word) for word in value.lstrip("~").split()))
        left = left - words if value.startswith("~") else left | words
    return left


@timeout(120)
def test_the_sandbox_leaves_all_that_leat_does(t):
    need(t, "systemd-analyze")
    need(t, "strace")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        t.skip("strace may not trace here")
    if t.settings.sanitizer:
        t.skip("a sanitizer does more than leat")
    trace = os.path.join(folder(t), "trace")
    server = t.server(start=False)
    plain = server.arguments
    # SIGTERM goes to leat itself: strace -D stands beside it, not above it.
    server.arguments = lambda: ["strace", "-D", "-f", "-q", "-o", trace, *plain()]
    server.start(60)
    api = t.client(server)
    for path in ("/v1/server", "/metrics", "/", "/readyz", "/v1/stages"):
        expect.status(api.get(path), 200)
    reply = api.request("PUT", "/v1/run", b'{"text":"a"}\n' * 500,
                        query={"stages": "sha256:4,sleep:4", "sha256.field": "text",
                               "sleep.ms": 1})
    expect.eq(len(expect.status(reply, 200).body.splitlines()), 500, "results")
    api.close()
    pid = server.pid
    server.stop()
    until(lambda: re.search(rf"(?m)^{pid} +\+\+\+ exited", read(trace)), 60, "strace has ended")
    lines = [line.split(None, 1)[1] for line in read(trace).splitlines()]
    calls = {line.split("(")[0] for line in lines if re.match(r"[a-z_0-9]+\(", line)}
    assert {"execve", "futex", "mmap", "accept4"} <= calls, "the trace is not one of leat"
    expect.eq(sorted(calls - allowed()), [], "system calls that the unit forbids")
    families = {found.group(1) for line in lines
                if (found := re.match(r"socket(?:pair)?\((AF_\w+)", line))}
    assert families and families <= set(one("RestrictAddressFamilies").split()), families
    both = [line for line in lines if "PROT_WRITE|PROT_EXEC" in line]
    later = [line for line in lines if line.startswith("mprotect(") and "PROT_EXEC" in line]
    expect.eq(both + later, [], "memory that MemoryDenyWriteExecute refuses")
    written = {found.group(1) for line in lines
               if (found := re.match(r'(?:openat\(AT_FDCWD, |mkdir\(|unlink\()"(/[^"]*)".*'
                                     r'(?:O_WRONLY|O_RDWR|mkdir|unlink)', line))}
    outside = {name for name in written if not name.startswith((server.data, "/dev/null"))}
    expect.eq(outside, set(), "written outside the data folder")


@timeout(120)
def test_what_is_installed_is_enough_to_write_a_stage_with(t):
    need(t, "meson")
    need(t, "pkg-config")
    tree_of_build = os.path.dirname(t.settings.program)
    if not os.path.exists(os.path.join(tree_of_build, "build.ninja")):
        t.skip("the program does not lie in its build")
    into = folder(t)
    ran("meson", "install", "-C", tree_of_build, "--no-rebuild", "--destdir", into)
    found = {os.path.relpath(os.path.join(where, name), into)
             for where, _, names in os.walk(into) for name in names}
    prefix = next(name for name in found if name.endswith("bin/leat"))[:-len("bin/leat")]
    for name in ("lib/systemd/system/leat.service", "share/leat/leat.socket", "include/leat/stage.h",
                 "include/leat/stage_jansson.h", "share/pkgconfig/leat-stage.pc",
                 "share/man/man1/leat.1", "share/bash-completion/completions/leat",
                 "share/leat/sdk/python/leat_stage.py", "share/leat/sdk/node/leat-stage.mjs"):
        assert prefix + name in found, f"{name} is not installed: {sorted(found)}"
    with open(os.path.join(into, prefix, "lib/systemd/system/leat.service"),
              encoding="utf-8") as file:
        assert f"ExecStart=/{prefix}bin/leat serve" in file.read(), "the unit starts another leat"

    env = dict(os.environ, PKG_CONFIG_LIBDIR=os.path.join(into, prefix, "share/pkgconfig"))
    flags = ran("pkg-config", "--define-prefix", "--cflags", "leat-stage", env=env).split()
    stages = os.path.join(into, "mine")
    os.mkdir(stages)
    ran(*os.environ.get("CC", "cc").split(), "-std=gnu17", "-shared", "-fPIC", *flags,
        tree.path("tests/support/stages/deaf.c"), "-o", os.path.join(stages, "deaf.so"))
    said = ran(os.path.join(into, prefix, "bin/leat"), "stages", "deaf", "--stages", stages,
               env=dict(os.environ, LD_LIBRARY_PATH=os.path.join(tree.TOP, "build/deps/yyjson/lib")))
    assert "Sleep and hear nothing" in said, said
