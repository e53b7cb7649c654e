#!/usr/bin/env python3
"""Memory, disk, threads and waits stay within their bounds, whatever comes in.

    tests/bounded/run.py --program build/leat [--quick] [-k TEXT]

The tests measure, so they run one after the other.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support import runner  # noqa: E402  (the path must be set first)

if __name__ == "__main__":
    sys.exit(runner.main(HERE, __doc__, jobs=1))
