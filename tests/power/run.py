#!/usr/bin/env python3
"""The power goes: whatever the disk kept of what was not synced, all that was promised is there.

    tests/power/run.py --program build/leat [--quick] [--seed N] [-k TEXT]

With a program built with -Dfaults=true it is also shown that a server which does not sync is
found out.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support import runner  # noqa: E402  (the path must be set first)

if __name__ == "__main__":
    sys.exit(runner.main(HERE, __doc__, jobs=2))
