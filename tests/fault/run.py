#!/usr/bin/env python3
"""Full disks, failing writes and syncs, and no memory: nothing is lost and nothing crashes.

    tests/fault/run.py --program build/leat [--quick] [-k TEXT]
    tests/fault/run.py --program build-faults/leat -k memory    a build with -Dfaults=true

The tests of full disks mount a small tmpfs: as root, or in a namespace of their own where the
system allows that.
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support import runner  # noqa: E402  (the path must be set first)

INSIDE = "LEAT_TEST_NAMESPACE"


def enter_namespace():
    """Starts this program again where it may mount, if it may not here."""
    if os.geteuid() == 0 or INSIDE in os.environ:
        return
    try:
        may = subprocess.run(["unshare", "-rm", "true"], stderr=subprocess.DEVNULL,
                             check=False).returncode == 0
    except FileNotFoundError:
        may = False
    if may:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "-rm", sys.executable, *sys.argv])


if __name__ == "__main__":
    enter_namespace()
    sys.exit(runner.main(HERE, __doc__, jobs=2))
