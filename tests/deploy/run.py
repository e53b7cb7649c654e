#!/usr/bin/env python3
"""What carries leat to other machines: the unit, the manifests, what is installed.

    tests/deploy/run.py --program build/leat [-k TEXT]

Each file is held against what the program says of itself, and against the others.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

try:
    import yaml  # noqa: F401  (asked for here, used by the tests)
except ImportError:
    # Another Python may stand before Debian's in the path, which has the package.
    if sys.executable == "/usr/bin/python3":
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

from support import runner  # noqa: E402  (the path must be set first)

if __name__ == "__main__":
    sys.exit(runner.main(HERE, __doc__, jobs=os.cpu_count() or 1))
