#!/usr/bin/env python3
"""What is kept: damaged ledgers, those of older releases, backups, exports, retention.

    tests/ledger/run.py --program build/leat [-k TEXT] [--quick]
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support import runner  # noqa: E402  (the path must be set first)

if __name__ == "__main__":
    sys.exit(runner.main(HERE, __doc__, jobs=os.cpu_count() or 1))
