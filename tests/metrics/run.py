#!/usr/bin/env python3
"""What Prometheus and Grafana are told, against the real Prometheus and promtool.

    tests/metrics/run.py --program build/leat --examples build/examples [-k TEXT]

tools/get-prometheus finds or fetches them; where it cannot, the tests that need them are
skipped with its reason, and the others run.
"""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))

from support import runner  # noqa: E402  (the path must be set first)


def find_prometheus():
    found = subprocess.run([os.path.join(TOP, "tools", "get-prometheus"),
                            os.path.join(TOP, "build", "deps")],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if found.returncode == 0:
        os.environ["PROMETHEUS_FOLDER"] = found.stdout.strip()
    else:
        os.environ["PROMETHEUS_MISSING"] = found.stderr.strip() or "tools/get-prometheus fails"


if __name__ == "__main__":
    find_prometheus()
    sys.exit(runner.main(HERE, __doc__, jobs=2))
