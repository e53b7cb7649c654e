#!/usr/bin/env python3
"""The example of examples/catalogue, run as a person would, and its outcome counted anew in Python.

    tests/example/run.py --program build/leat [-k TEXT] [--quick]
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support import postgres  # noqa: E402  (the path must be set first)

if __name__ == "__main__":
    sys.exit(postgres.main(HERE, __doc__, jobs=2))
