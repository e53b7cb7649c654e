#!/usr/bin/env python3
"""Nothing accepted is lost and nothing stands twice, however often the server is killed.

    tests/crash/run.py --program build/leat [--seed N] [--rounds N] [--quick] [-k TEXT]

Every round is drawn from a seed that is printed; the same seed makes the same items, kinds of
kills and orders (the moments depend on the machine).
"""

import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "sql"))

import postgres  # noqa: E402  (the path must be set first)
from support import runner  # noqa: E402

if __name__ == "__main__":
    folder = tempfile.mkdtemp(prefix="leat-postgres-")
    os.chmod(folder, 0o755)
    try:
        postgres.make_template(folder)
        code = runner.main(HERE, __doc__, jobs=2)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)
