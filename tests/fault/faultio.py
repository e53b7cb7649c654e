"""Steers the shim faultio.c: a piece of memory shared with the server."""

import errno
import mmap
import os
import struct

from fault.shims import built

LAYOUT = struct.Struct("=QQQQiIII")  # struct control
WRITE, SYNC, READ = 1, 2, 4
FAIL, HALF, KILL, SLOW = 0, 1, 2, 3


class FaultIo:
    """One server's shim."""

    def __init__(self, program, folder):
        self.path = os.path.join(folder, "faultio")
        with open(self.path, "wb") as file:
            file.write(bytes(LAYOUT.size))
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), LAYOUT.size)
        self.preload = built("faultio", program, folder)

    def environment(self):
        return {"LD_PRELOAD": self.preload, "LEAT_FAULTIO_CONTROL": self.path}

    def arm(self, at, error, kinds=WRITE | SYNC, count=1, half=False, kill=False):
        """The `at`-th call from now on fails, and the count - 1 behind it (0: all). With `half`
        a write takes half of its bytes, with `kill` the server ends instead."""
        self.disarm()
        self.memory[:] = LAYOUT.pack(0, at, count, 0, getattr(errno, error), kinds,
                                     HALF if half else KILL if kill else FAIL, 0)

    def slow_down(self, kinds, delay_ms):
        """Every call takes that much longer."""
        self.memory[:] = LAYOUT.pack(0, 1, 0, 0, errno.EIO, kinds, SLOW, delay_ms)

    def disarm(self):
        self.memory[:] = LAYOUT.pack(0, 0, 1, 0, errno.EIO, 0, 0, 0)

    def release(self):
        """No more calls fail; what was counted stands."""
        counted, _, _, failed, error, *_ = LAYOUT.unpack(self.memory[:])
        self.memory[:] = LAYOUT.pack(counted, 0, 1, failed, error, 0, 0, 0)

    def count(self, kinds=WRITE | SYNC):
        """Counts from now on, failing nothing."""
        self.memory[:] = LAYOUT.pack(0, 0, 1, 0, errno.EIO, kinds, 0, 0)

    @property
    def counted(self):
        return LAYOUT.unpack(self.memory[:])[0]

    @property
    def failed(self):
        return LAYOUT.unpack(self.memory[:])[3]
