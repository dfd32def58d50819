"""Clients from PyPI that drive real nodes: where they are installed, and what they find."""

import os
import subprocess
import sys
import tempfile
import venv

from nodes import executable

failures = []


def check(holds, text):
    """Prints what should hold, and whether it does."""
    if not holds:
        failures.append(text)
    print(f"  {'ok  ' if holds else 'FAIL'} {text}", flush=True)


def run(script, packages, drive):
    """Calls `drive` with the path of `tasks` where the packages are to be had. Exit code 1 if a check fails."""
    words = sys.argv[1:]
    if words[:1] != ["--inside"]:
        sys.exit(again_with(script, packages, executable(words)))
    drive(executable(words[1:]))
    sys.exit(1 if failures else 0)


def again_with(script, packages, node):
    with tempfile.TemporaryDirectory(prefix="dht-clients-") as folder:
        venv.create(folder, with_pip=True)
        python = os.path.join(folder, "bin", "python")
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(install + ["--only-binary", ":all:"] + packages, check=True)
        return subprocess.run([python, os.path.abspath(script), "--inside", node]).returncode
