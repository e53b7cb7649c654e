"""Stages that only tests want, built as modules from stages/*.c beside this file: what a
plugin's author would do, and what no built-in stage does (fail until something happens, sleep
in a thread, notice that it is entered twice)."""

import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, "stages")
HEADERS = os.path.join(os.path.dirname(os.path.dirname(HERE)), "stages")


def build(into):
    """Compiles each into the folder. Answers the folder, or None where there is no compiler."""
    compiler = os.environ.get("CC", "cc").split()
    if shutil.which(compiler[0]) is None:
        return None
    for name in sorted(os.listdir(SOURCES)):
        if name.endswith(".c"):
            subprocess.run([*compiler, "-std=gnu17", "-O1", "-shared", "-fPIC",
                            "-fvisibility=hidden", "-I", HEADERS, "-o",
                            os.path.join(into, name[:-2] + ".so"), os.path.join(SOURCES, name)],
                           check=True)
    return into
