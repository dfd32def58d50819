#!/usr/bin/env python3
"""Loads a real node through its door for clients of memcached, by libmemcached's own load generator.

    cargo build --release && scripts/memcached_load.py [--seconds 60] [TASKS]

Needs `memcaslap`, which Debian has in libmemcached-tools. 16 clients set and get at once, and a fifth of what comes
back is compared with what was stored. Exit code 1 unless everything was found and was right, and the node is still
ready afterwards.
"""

import argparse
import re
import shutil
import subprocess

from nodes import Ring, executable, is_ready

CLIENTS = 16
VERIFIED = 0.2
# What must be 0: an item that was stored is not there, or is another one.
MISTAKES = ("get_misses", "verify_misses", "verify_failed")
# Beside the load: the start of the generator, and what is under way at its end.
PATIENCE_SECONDS = 60


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="how long the load lasts [default: 60]")
    parser.add_argument("tasks", nargs="*", help="the executable [default: the release build]")
    args = parser.parse_args()
    if shutil.which("memcaslap") is None:
        raise SystemExit("error: memcaslap is missing: apt-get install libmemcached-tools")
    with Ring(executable(args.tasks), 1) as ring:
        text = load(ring.memcached[0], args.seconds)
        is_there = is_ready(ring.http[0])
    if text is None:
        raise SystemExit("FAIL memcaslap does not end")
    mistakes = mistakes_of(text)
    if not is_there:
        mistakes.append("the node is not ready any more")
    if mistakes:
        print(text)
        raise SystemExit(f"FAIL {'; '.join(mistakes)}")
    print(f"ok   {args.seconds} s of load: {text.strip().splitlines()[-1]}")


def load(port, seconds):
    command = ["memcaslap", "-s", f"127.0.0.1:{port}", "-t", f"{seconds}s", "-T", "1", "-c", str(CLIENTS)]
    command += ["-v", str(VERIFIED)]
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds + PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.decode(errors="replace")


def mistakes_of(text):
    """What the report of the generator says that should not be so; it ends with code 0 whatever happens."""
    counts = {name: int(number) for name, number in re.findall(r"^(\w+): (\d+)$", text, re.MULTILINE)}
    mistakes = [f"{name} is {counts.get(name, 'missing')}" for name in MISTAKES if counts.get(name) != 0]
    mistakes += [f"{name} is 0" for name in ("cmd_get", "cmd_set") if not counts.get(name)]
    mistakes += [f"it says `{line}`" for line in text.splitlines() if re.search(r"error|fail(?!ed: 0$)", line, re.I)]
    return mistakes


if __name__ == "__main__":
    main()
