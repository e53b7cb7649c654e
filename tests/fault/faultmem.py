"""Steers the allocations of a server: those of the program in a build with -Dfaults=true
(server/base/fault.c), or all of a process by a shim (faultmalloc.c)."""

import mmap
import os
import struct

from shims import Shim

LAYOUT = struct.Struct("=qqqq")  # count, nth, many, failed
COUNT = slice(0, 8)
NTH = slice(8, 16)


class Counter:
    """Counts allocations and fails some, in `memory` that is shared with the server."""

    def arm(self, nth, many=1):
        """The `nth` allocation from now on fails, and the many - 1 behind it (0: all)."""
        self.disarm()
        self.memory[:] = LAYOUT.pack(0, 0, many, 0)
        self.memory[NTH] = struct.pack("=q", nth)

    def disarm(self):
        """No more fail; what was counted and what has failed stand."""
        self.memory[NTH] = bytes(8)

    def count(self):
        """Counts from now on, failing nothing."""
        self.disarm()
        self.memory[COUNT] = bytes(8)

    @property
    def counted(self):
        return LAYOUT.unpack(self.memory[:])[0]

    @property
    def failed(self):
        return LAYOUT.unpack(self.memory[:])[3]


class FaultMem(Counter):
    """What the program itself allocates."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "faultmem")
        with open(self.path, "wb") as file:
            file.write(bytes(LAYOUT.size))
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), LAYOUT.size)

    def environment(self):
        return {"LEAT_FAULT_CONTROL": self.path}


class Malloc(Shim, Counter):
    """What anything in the process allocates, libraries and stages too."""

    name, layout = "faultmalloc", LAYOUT
