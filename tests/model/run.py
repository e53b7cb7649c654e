#!/usr/bin/env python3
"""Random runs with faults, judged by an independent checker that sees requests and replies only.

    tests/model/run.py --program build/leat [--quick] [--seed N] [--rounds N] [-k TEXT]

A history that breaks a promise is left in build/logs; `tests/model/judge FILE` judges it again.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support import runner  # noqa: E402  (the path must be set first)

if __name__ == "__main__":
    sys.exit(runner.main(HERE, __doc__, jobs=2))
