#!/usr/bin/env python3
"""SQLite and PostgreSQL as sinks and sources: exact, whatever is killed, with reasons for what fails.

    tests/sql/run.py --program build/leat [--quick] [-k TEXT]

Starts a PostgreSQL of its own for each test that wants one: in a temporary folder, on a socket
there, as the user `postgres` where this runs as root. Without PostgreSQL those are skipped.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support import postgres  # noqa: E402  (the path must be set first)

if __name__ == "__main__":
    sys.exit(postgres.main(HERE, __doc__, jobs=2))
