#!/usr/bin/env python3
"""The HTTP contract, sentence by sentence, against the real program over real sockets.

    tests/api/run.py --program build/leat --examples build/examples [-k TEXT] [--quick]
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support import runner  # noqa: E402  (the path must be set first)

if __name__ == "__main__":
    sys.exit(runner.main(HERE, __doc__, jobs=min(4, 2 * (os.cpu_count() or 1))))
