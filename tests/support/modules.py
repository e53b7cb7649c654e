"""Stages that only tests want, built as modules from stages/*.c beside this file: what a
plugin's author would do, and what no built-in stage does (fail until something happens, sleep
in a thread, notice that it is entered twice)."""

import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, "stages")
TOP = os.path.dirname(os.path.dirname(HERE))
HEADERS = os.path.join(TOP, "stages")


def compile_module(source, into, *more, headers=HEADERS):
    """One stage as a module; what the compiler says is shown when it fails."""
    subprocess.run([*os.environ.get("CC", "cc").split(), "-std=gnu17", "-O1", "-shared", "-fPIC",
                    "-fvisibility=hidden", "-I", headers, "-o", into, source, *more], check=True)


def build(into):
    """Compiles each into the folder. Answers the folder, or None where there is no compiler."""
    if shutil.which(os.environ.get("CC", "cc").split()[0]) is None:
        return None
    for name in sorted(os.listdir(SOURCES)):
        if name.endswith(".c"):
            compile_module(os.path.join(SOURCES, name),
                           os.path.join(into, name[:-2] + ".so"))
    return into
