#!/usr/bin/env python3
"""Nothing accepted is lost and nothing stands twice, however often the server is killed.

    tests/crash/run.py --program build/leat [--seed N] [--rounds N] [--quick] [-k TEXT]

Every round is drawn from a seed that is printed; the same seed makes the same items, kinds of
kills and orders (the moments depend on the machine).
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support import postgres  # noqa: E402  (the path must be set first)

if __name__ == "__main__":
    sys.exit(postgres.main(HERE, __doc__, jobs=2))
