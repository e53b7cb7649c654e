#!/usr/bin/env python3
"""SQLite and PostgreSQL as sinks and sources: exact, whatever is killed, with reasons for what fails.

    tests/sql/run.py --program build/leat [--quick] [-k TEXT]

Starts a PostgreSQL of its own for each test that wants one: in a temporary folder, on a socket
there, as the user `postgres` where this runs as root. Without PostgreSQL those are skipped.
"""

import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)

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
