"""A container's life: as nobody, on a read-only root, through jobs, SIGTERM and a new start."""

import os
import re
import shutil
import subprocess

import box
from support import expect
from support.client import Api, until
from support.context import timeout


def contained(t, env=None):
    made = box.Box(env)
    t.cleanup.append(made.remove)
    return made.start()


def results(job):
    reply = expect.status(job.api.get(job.path + "/results", {"follow": "true"}), 200)
    return reply.body.splitlines()


def numbers(count):
    return b"".join(b'{"n":%d,"text":"t"}\n' % i for i in range(count))


def send(job, body):
    reply = job.api.post(job.path + "/items", body, {"Content-Type": "application/x-ndjson"},
                         {"close": "true"})
    return expect.status(reply, 200).json()


@timeout(300)
def test_jobs_live_on_through_sigterm_and_a_new_container(t):
    server = contained(t)
    api = t.client(server)
    first = api.create({"stages": [{"use": "sha256", "workers": 4, "params": {"field": "text"}}]})
    expect.eq(send(first, numbers(1000))["accepted"], 1000, "items taken")
    before = results(first)
    expect.eq(len(before), 1000, "results")

    # Far too slow to end in time: what is not begun goes on in the next container.
    second = api.create({"stages": [{"use": "sleep", "workers": 2, "params": {"ms": 20}}]})
    expect.eq(send(second, numbers(400))["accepted"], 400, "items taken")
    until(lambda: second.get()["counts"]["succeeded"] > 0, 60, "an item has gone through")
    expect.eq(server.health().returncode, 0, "HEALTHCHECK while it serves")

    api.close()
    server.signal()
    expect.eq(server.wait(), 0, "exit status after STOPSIGNAL")
    assert server.log.wait(r"event=draining\b", 1), "it drained"
    assert server.log.wait(r"event=ended\b", 1), "it came to its end"
    sick = server.health()
    assert sick.returncode != 0 and sick.stderr, "HEALTHCHECK where nobody listens"

    server.start()
    expect.eq(server.health().returncode, 0, "HEALTHCHECK after the new start")
    expect.eq(results(first), before, "the first job's results")
    expect.eq(len(set(results(second))), 400, "each item of the second job once")
    counts = second.get()["counts"]
    expect.eq((counts["succeeded"], counts["results"]), (400, 400), "and counted once")


@timeout(120)
def test_it_runs_as_nobody_and_cannot_write(t):
    server = contained(t)
    expect.eq(server.status("Uid").split(), ["10001"] * 4, "user")
    expect.eq(server.status("Gid").split(), ["10001"] * 4, "group")
    expect.eq(server.status("Groups"), "", "further groups")
    for name in ("CapEff", "CapPrm", "CapBnd"):
        expect.eq(int(server.status(name), 16), 0, name)
    expect.eq(server.status("NoNewPrivs"), "1", "NoNewPrivs")
    for folder in ("/", "/tmp", "/etc", "/var/tmp"):
        tried = server.exec("touch", f"{folder}/leat-was-here")
        assert tried.returncode != 0 and "Read-only" in tried.stderr, (folder, tried.stderr)
    expect.eq(sorted(os.listdir(server.volume)), ["data.mdb", "leat.lock", "lock.mdb"],
              "all that was written")


@timeout(120)
def test_the_pages_are_built_in(t):
    api = t.client(contained(t))
    for path in ("/", "/docs"):
        page = expect.status(api.get(path), 200)
        text = page.body.decode()
        assets = re.findall(r'(?:src|href)="(/assets/[^"]+)"', text)
        assert assets, f"{path} is the page of a build without Node.js:\n{text[:400]}"
        for asset in assets:
            expect.status(api.get(asset), 200)
    expect.eq(expect.status(api.get("/openapi.json"), 200).json()["openapi"][:3], "3.1", "OpenAPI")


@timeout(180)
def test_a_stage_built_against_the_headers_package_runs_in_it(t):
    if shutil.which("pkg-config") is None:
        t.skip("there is no pkg-config here")
    server = box.Box({"LEAT_STAGES": "/data/stages"})
    t.cleanup.append(server.remove)
    folder = os.path.join(server.volume, "stages")
    os.mkdir(folder)
    headers = os.path.join(server.volume, "headers")
    package = [name for name in os.listdir(os.path.join(box.WHERE, "packages"))
               if name.startswith("leat-dev_")]
    expect.eq(len(package), 1, "packages with headers")
    box.run("dpkg-deb", "-x", os.path.join(box.WHERE, "packages", package[0]), headers)
    flags = subprocess.run(
        ["pkg-config", "--define-prefix", "--cflags", "leat-stage"], check=True, text=True,
        stdout=subprocess.PIPE, env=dict(os.environ, PKG_CONFIG_LIBDIR="",
                                         PKG_CONFIG_PATH=f"{headers}/usr/share/pkgconfig"))
    box.run("cc", "-std=gnu17", "-O2", "-shared", "-fPIC", *flags.stdout.split(),
            os.path.join(box.TOP, "tests/support/stages/deaf.c"), "-o", f"{folder}/mine.so")
    shutil.rmtree(headers)
    api = t.client(server.start())
    stage = expect.status(api.get("/v1/stages/deaf"), 200).json()
    expect.eq(stage["summary"], "Sleep and hear nothing", "the stage of the module")
    job = api.create({"stages": [{"use": "deaf", "params": {"ms": 1}}]})
    send(job, numbers(3))
    expect.eq(len(results(job)), 3, "results of it")
