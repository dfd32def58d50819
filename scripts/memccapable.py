#!/usr/bin/env python3
"""Runs libmemcached's own test of memcached's text protocol against a real node.

    cargo build --release && scripts/memccapable.py [TASKS]

Needs `memccapable`, which Debian has in libmemcached-tools. Exit code 1 unless every test passes, against
one node that keeps one copy and against a node of three that keep three.
"""

import re
import shutil
import subprocess
import sys

from nodes import Ring, executable

# As many as libmemcached 1.1 has: fewer would mean that it stopped half-way.
TESTS = 27


def main():
    if shutil.which("memccapable") is None:
        raise SystemExit("error: memccapable is missing: apt-get install libmemcached-tools")
    node = executable(sys.argv[1:])
    results = [run(node, count) for count in (1, 3)]
    sys.exit(0 if all(results) else 1)


def run(node, count):
    with Ring(node, count, copies=count) as ring:
        command = ["memccapable", "-a", "-h", "127.0.0.1", "-p", str(ring.memcached[0])]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        except subprocess.TimeoutExpired as error:
            print((error.stdout or b"").decode(errors="replace"))
            print(f"FAIL {count} copies: memccapable does not end")
            return False
    text = done.stdout.decode(errors="replace")
    passed = len(re.findall(r"\[pass\]", text))
    is_good = done.returncode == 0 and passed == TESTS and "[FAIL]" not in text
    if not is_good:
        print(text)
    print(f"{'ok  ' if is_good else 'FAIL'} {count} copies: {passed} of {TESTS} tests of memccapable pass")
    return is_good


if __name__ == "__main__":
    main()
