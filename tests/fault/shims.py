"""Steers the shims of this folder: a piece of memory shared with the server."""

import mmap
import os
import struct
import subprocess

from support.client import until

HERE = os.path.dirname(os.path.abspath(__file__))


def built(name, program, folder):
    """The shim: of the program's build folder, else compiled now. None without either."""
    made = os.path.join(os.path.dirname(os.path.abspath(program)), "tests", "fault",
                        f"lib{name}.so")
    if os.path.exists(made):
        return made
    made = os.path.join(folder, f"lib{name}.so")
    done = subprocess.run([*os.environ.get("CC", "cc").split(), "-D_GNU_SOURCE", "-std=gnu17",
                           "-O1", "-shared", "-fPIC", "-o", made,
                           os.path.join(HERE, f"{name}.c"), "-ldl", "-lpthread"], check=False)
    return made if done.returncode == 0 else None


class Shim:
    """One server's. `name` and `layout` are the subclass's."""

    def __init__(self, t):
        if t.settings.sanitizer:
            t.skip("a sanitizer has its own of what the shim takes the place of")
        folder = t.folder()
        self.path = os.path.join(folder, "control")
        with open(self.path, "wb") as file:
            file.write(bytes(self.layout.size))
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), self.layout.size)
        self.preload = built(self.name, t.settings.program, folder)
        if self.preload is None:
            t.skip("there is no C compiler here")

    def environment(self):
        return {"LD_PRELOAD": self.preload, f"LEAT_{self.name.upper()}_CONTROL": self.path}

    def write(self, *values):
        self.memory[:] = self.layout.pack(*values)

    def read(self):
        return self.layout.unpack(self.memory[:])


class Threads(Shim):
    """Refuses threads."""

    name, layout = "faultthread", struct.Struct("=QQQQ")

    def refuse(self, first=1, count=0):
        """The `first`-th from now on, and so many (0: all) from there."""
        self.write(0, first, count, 0)

    def allow(self):
        self.write(0, 0, 0, 0)

    @property
    def counted(self):
        return self.read()[0]

    @property
    def refused(self):
        return self.read()[3]


class Pages(Shim):
    """Takes pages of the ledger's file away."""

    name, layout = "faultpage", struct.Struct("=QQQQ")

    def take(self, first, count):
        _, _, asked, applied = self.read()
        self.write(first, count, asked, applied)
        self.memory[16:24] = struct.pack("=Q", asked + 1)
        until(lambda: self.read()[3] == asked + 1, 20, "the pages are away, or back")

    def give_back(self):
        self.take(0, 0)


class Clock(Shim):
    """Sets the clock on the wall."""

    name, layout = "faultclock", struct.Struct("=qQ")

    def shift(self, seconds):
        """By so much from the real time, forwards or back."""
        self.write(int(seconds * 1000), 0)

    @property
    def asked(self):
        return self.read()[1]
