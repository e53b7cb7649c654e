"""The image, built by buildah in a storage of its own, and containers of it.

A container here is what an engine makes of the image, less the namespaces that not every
machine gives: its root mounted read-only, the volume on the image's /data, its user, without
capabilities and without the way to new ones, its variables and its command. The network is the
machine's, so LEAT_LISTEN is given, as `docker run -e` would.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

from support.server import Log, die_with_parent

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WHERE = os.path.join(TOP, "build", "image")
BASE = "docker.io/library/debian:trixie-slim"
IMAGE = "localhost/leat-test"
CACHE_MAX = 6 << 30
DISK_MIN = 6 << 30


class Cannot(Exception):
    """Why no image can be built here: a reason to skip."""


def environment():
    return dict(os.environ, BUILDAH_ISOLATION="chroot", LEAT_BUILDER="buildah", LEAT_NO_PULL="1",
                CONTAINERS_STORAGE_CONF=os.path.join(WHERE, "storage.conf"))


def run(*command, check=True, timeout=120):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace", env=environment(),
                          cwd=TOP, timeout=timeout, preexec_fn=die_with_parent)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-2000:]}"
                             f"{done.stderr[-2000:]}")
    return done


def storage(driver):
    """The storage is of this tree alone: nothing else on the machine is seen or touched."""
    os.makedirs(WHERE, exist_ok=True)
    with open(os.path.join(WHERE, "storage.conf"), "w", encoding="utf-8") as file:
        file.write(f'[storage]\ndriver = "{driver}"\ngraphroot = "{WHERE}/storage"\n'
                   f'runroot = "{WHERE}/run"\n')


def works():
    """Can a container be made, mounted and committed? (A chroot has no root to remount.)"""
    made = run("buildah", "from", "scratch", check=False)
    if made.returncode != 0:
        return False
    name = made.stdout.strip()
    mounted = run("buildah", "mount", name, check=False)
    probe = "localhost/leat-probe"
    committed = run("buildah", "commit", "-q", name, probe, check=False)
    run("buildah", "rm", name, check=False)
    run("buildah", "rmi", probe, check=False)
    return mounted.returncode == 0 and committed.returncode == 0


def prepare():
    """Raises Cannot where no image can be built."""
    if os.geteuid() != 0:
        raise Cannot("it takes root to mount what was built")
    for tool in ("buildah", "mmdebstrap", "setpriv", "unshare"):
        if shutil.which(tool) is None:
            raise Cannot(f"there is no {tool} here")
    os.makedirs(WHERE, exist_ok=True)
    if shutil.disk_usage(WHERE).free < DISK_MIN:
        raise Cannot(f"less than {DISK_MIN >> 30} GiB of disk are free")
    for driver in ("overlay", "vfs"):
        storage(driver)
        if works():
            break
        shutil.rmtree(os.path.join(WHERE, "storage"), ignore_errors=True)
    else:
        raise Cannot("buildah cannot mount a container here")
    if size_of(os.path.join(WHERE, "storage")) > CACHE_MAX:
        clean()
        storage(driver)


def size_of(folder):
    done = subprocess.run(["du", "-sxB1", folder], stdout=subprocess.PIPE, text=True, check=False)
    return int(done.stdout.split()[0]) if done.stdout else 0


def clean():
    """Takes all of it away; called also when something is left of a run that was killed."""
    run("buildah", "rm", "--all", check=False)
    run("buildah", "rmi", "--all", "--force", check=False)
    run("umount", "-l", os.path.join(WHERE, "storage", "overlay"), check=False)
    shutil.rmtree(WHERE, ignore_errors=True)


def inspect():
    """What the image says of itself, as the Docker format has it."""
    return json.loads(run("buildah", "inspect", "--type", "image", IMAGE).stdout)["Docker"]


class Mounted:
    """The files of an image, to look at: `with Mounted(IMAGE) as root`."""

    def __init__(self, image):
        self.name = run("buildah", "from", "--pull-never", image).stdout.strip()
        self.root = run("buildah", "mount", self.name).stdout.strip()

    def __enter__(self):
        return self.root

    def __exit__(self, *_):
        self.close()

    def close(self):
        run("buildah", "umount", self.name, check=False)
        run("buildah", "rm", self.name, check=False)


# The command is started by exec all the way: the process is leat itself, and signals reach it.
ENTER = r"""
set -e
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
mount --bind "$VOLUME" "$ROOT/data"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs -o mode=755 dev "$ROOT/dev"
for name in null zero random urandom; do
	: >"$ROOT/dev/$name"
	mount --bind "/dev/$name" "$ROOT/dev/$name"
done
exec env -i "$@"
"""


class Box:
    """A container of the image: start, exec, stop. It has the shape of support.server.Server."""

    slow = 1.0

    def __init__(self, env=None):
        self.image = Mounted(IMAGE)
        self.config = inspect()["config"]
        self.volume = tempfile.mkdtemp(prefix="leat-volume-")
        # A new volume gets the owner of the folder that it is mounted on.
        owner = os.stat(os.path.join(self.image.root, "data"))
        os.chown(self.volume, owner.st_uid, owner.st_gid)
        os.chmod(self.volume, owner.st_mode & 0o7777)
        self.env = env or {}
        self.process = self.port = self.log = None

    def command(self, words):
        """As the image's user and with its variables, in namespaces of mounts of its own."""
        uid, gid = self.config["User"].split(":")
        given = {name: value for name, _, value in
                 (line.partition("=") for line in self.config["Env"])}
        given.update(self.env)
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "enter",
                *(f"{name}={value}" for name, value in given.items()),
                "chroot", self.image.root, "setpriv", "--reuid", uid, "--regid", gid,
                "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs",
                *words]

    def surroundings(self):
        return dict(os.environ, ROOT=self.image.root, VOLUME=self.volume)

    def start(self):
        self.env["LEAT_LISTEN"] = f"127.0.0.1:{self.port or 0}"
        words = [*self.config["Entrypoint"], *self.config["Cmd"]]
        self.process = subprocess.Popen(self.command(words), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        env=self.surroundings(), preexec_fn=die_with_parent)
        self.log = Log(self.process.stderr)
        found = self.log.wait(r"event=listening\b.*\bport=(\d+)", 120)
        if found is None:
            raise AssertionError(f"leat did not start in the image:\n{self.log.tail()}")
        self.port = int(found.group(1))
        self.env["LEAT_LISTEN"] = f"127.0.0.1:{self.port}"
        return self

    def exec(self, *words, timeout=120):
        """Runs another command in it; answers what subprocess.run does."""
        return subprocess.run(self.command(list(words)), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=self.surroundings(), timeout=timeout, check=False)

    def health(self):
        """What the HEALTHCHECK says: its exit status."""
        kind, *words = self.config["Healthcheck"]["Test"]
        assert kind == "CMD", f"HEALTHCHECK in the form {kind}: there may be no shell"
        return self.exec(*words)

    def status(self, name):
        """A line of /proc/PID/status of leat."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return re.search(rf"^{name}:[ \t]*(.*?)[ \t]*$", file.read(), re.M).group(1)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self):
        """The signal that an engine ends it with."""
        self.process.send_signal(getattr(signal, self.config["StopSignal"]))

    def wait(self):
        """Its exit status."""
        code = self.process.wait(120)
        self.log.thread.join(10)
        return code

    def remove(self):
        if self.running():
            self.process.kill()
            self.wait()
        shutil.rmtree(self.volume, ignore_errors=True)
        self.image.close()
