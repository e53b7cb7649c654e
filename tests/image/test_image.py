"""The image as an engine sees it and as a file system: small, nobody's but leat's, complete."""

import os
import re
import stat

import box
from support import expect
from support.context import timeout

SIZE_MAX = 25_000_000


def files(root):
    """Every file and link with what lstat says."""
    for folder, folders, names in os.walk(root):
        for name in names + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            path = os.path.join(folder, name)
            yield os.path.relpath(path, root), os.lstat(path)


def ours(root):
    """What the image has beyond its base, or other than that."""
    with box.Mounted(box.BASE) as base:
        below = {path: (at.st_size, at.st_mtime, at.st_mode) for path, at in files(base)}
    return {path: at for path, at in files(root)
            if below.get(path) != (at.st_size, at.st_mtime, at.st_mode)}


@timeout(120)
def test_what_lies_on_the_base_is_under_25_mb(t):
    with box.Mounted(box.IMAGE) as root:
        found = ours(root)
    size = sum(at.st_size for at in found.values())
    t.note(f"{size / 1e6:.1f} MB in {len(found)} files")
    assert "usr/bin/leat" in found
    assert size < SIZE_MAX, sorted(((at.st_size, path) for path, at in found.items()))[-10:]


@timeout(120)
def test_nothing_can_be_written_or_raised_to_but_the_volume(t):
    with box.Mounted(box.IMAGE) as root:
        found = ours(root)
        data = os.lstat(os.path.join(root, "data"))
        left = [path for path in found if path.startswith(("var/cache/apt", "var/lib/apt/lists"))]
    expect.eq((data.st_uid, data.st_gid, stat.S_IMODE(data.st_mode)), (10001, 10001, 0o700), "/data")
    for path, at in found.items():
        assert at.st_uid == 0, f"{path} belongs to {at.st_uid}"
        assert stat.S_ISLNK(at.st_mode) or not at.st_mode & 0o002, f"anybody may write {path}"
        assert not at.st_mode & (stat.S_ISUID | stat.S_ISGID) or not os.path.basename(path) == "leat"
    expect.eq([path for path in left if not path.endswith(("lock", "partial"))], [],
              "what apt left behind")


def test_it_says_how_to_run_it(t):
    config = box.inspect()["config"]
    expect.eq(config["User"], "10001:10001", "a number, which Kubernetes can tell from root")
    expect.eq(list(config["ExposedPorts"]), ["8080/tcp"], "EXPOSE")
    expect.eq(list(config["Volumes"]), ["/data"], "VOLUME")
    expect.eq(config["StopSignal"], "SIGTERM", "STOPSIGNAL")
    expect.eq((config["Entrypoint"], config["Cmd"]), (["leat"], ["serve"]), "no shell in between")
    expect.eq(config["Healthcheck"]["Test"], ["CMD", "leat", "health"], "HEALTHCHECK")
    with open(os.path.join(box.TOP, "meson.build"), encoding="utf-8") as file:
        version = re.search(r"version: '([^']+)'", file.read()).group(1)
    labels = config["Labels"]
    expect.eq(labels["org.opencontainers.image.version"], version, "the version's label")
    expect.eq(labels["org.opencontainers.image.title"], "leat", "the title")
    expect.eq(labels["org.opencontainers.image.licenses"], "MIT", "the licence")


@timeout(120)
def test_the_package_in_it_is_whole(t):
    with box.Mounted(box.IMAGE) as root:
        status = box.run("chroot", root, "dpkg-query", "--show", "--showformat=${Status}", "leat")
        expect.eq(status.stdout, "install ok installed", "dpkg's word")
        unit = os.path.join(root, "usr/lib/systemd/system/leat.service")
        with open(unit, encoding="utf-8") as file:
            program, config = re.search(r"^ExecStart=(\S+) serve --config (\S+)", file.read(),
                                        re.M).groups()
        printed = box.run("chroot", root, program, "serve", "--config", config, "--print-config")
        assert '"from": "' + config in printed.stdout or '"source": "file"' in printed.stdout, \
            printed.stdout


@timeout(120)
def test_the_packages_hold_all_that_is_installed(t):
    held = {}
    for name in os.listdir(os.path.join(box.WHERE, "packages")):
        said = box.run("dpkg-deb", "-c", os.path.join(box.WHERE, "packages", name)).stdout
        held[name.split("_")[0]] = {line.split()[-1] for line in said.splitlines()}
    for path in ("etc/leat/leat.json", "etc/leat/stages.d/", "usr/bin/leat", "usr/lib/systemd/system/leat.service",
                 "usr/share/man/man1/leat.1.gz", "usr/share/bash-completion/completions/leat",
                 "usr/share/zsh/vendor-completions/_leat",
                 "usr/share/fish/vendor_completions.d/leat.fish", "usr/share/doc/leat/copyright",
                 "usr/share/leat/sdk/python/leat_stage.py", "usr/share/leat/sdk/node/leat-stage.mjs"):
        assert "./" + path in held["leat"], f"{path}: not in the package leat"
    for path in ("usr/include/leat/stage.h", "usr/share/pkgconfig/leat-stage.pc"):
        assert "./" + path in held["leat-dev"], f"{path}: not in the package leat-dev"
    assert any("/usr/lib/debug/" in path for path in held["leat-dbgsym"]), "no symbols"
