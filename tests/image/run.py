#!/usr/bin/env python3
"""The container image and the Debian packages: really built, looked at, and run.

    tests/image/run.py [--program build/leat] [-k TEXT]

Builds with buildah in build/image, on a base image that tools/base-image makes; nothing comes
from a registry of images. What was built is kept there, so that the next run builds only what
has changed; CI=true takes it away. Where no image can be built, a line says why.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from support import runner  # noqa: E402  (the path must be set first)

import box  # noqa: E402


def build():
    """The image and the packages; what the builder says goes to the log."""
    packages = os.path.join(box.WHERE, "packages")
    for words in (["build", box.IMAGE], ["packages", packages]):
        done = box.run(os.path.join(box.TOP, "tools", "image"), *words, check=False, timeout=1500)
        if done.returncode != 0:
            print(f"not ok 1 - tools/image {words[0]}")
            print("\n".join("# " + line for line in
                            (done.stdout[-6000:] + done.stderr[-3000:]).splitlines()))
            print("0 passed, 1 failed")
            return False
    return True


def main():
    try:
        box.prepare()
    except box.Cannot as reason:
        print(f"ok 1 - image # SKIP {reason}\n0 passed, 0 failed")
        return 0
    try:
        return runner.main(HERE, __doc__, jobs=1) if build() else 1
    finally:
        if os.environ.get("CI"):
            box.clean()


if __name__ == "__main__":
    sys.exit(main())
