"""Nodes as processes of their own, for scripts that drive them from outside.

A ring is ideal from the beginning, on ports given by the system, and ends with its `with`.
"""

import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TASKS = os.path.join(ROOT, "target", "release", "tasks")
PATIENCE = 20


class Ring:
    """`count` nodes with `copies` of each item, each with a door for clients of memcached; and where `zeromq` has
    an endpoint for each, at which somebody listens or will, with a door for clients of ZeroMQ, who are visited
    there and let in at `self.zeromq`."""

    def __init__(self, tasks, count, copies=1, zeromq=()):
        self.tasks, self.count, self.copies = tasks, count, copies
        self.visited = list(zeromq)
        self.processes = []

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="dht-nodes-")
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        self.folder.cleanup()

    def start(self):
        ports = iter(free_ports(3 * self.count))
        self.http, self.memcached, zeromq = ([next(ports) for _ in range(self.count)] for _ in range(3))
        self.zeromq = [f"tcp://127.0.0.1:{port}" for port in zeromq]
        members = ",".join(f"n{place}@127.0.0.1:{port}#1" for place, port in enumerate(self.http))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DHT_")}
        for place, (http, memcached) in enumerate(zip(self.http, self.memcached)):
            command = [self.tasks, "node", "--name", f"n{place}", "--address", f"127.0.0.1:{http}", "--ring", members]
            command += ["--replicas", str(self.copies), "--memcached-port", str(memcached)]
            if self.visited:
                command += ["--zeromq", f"{self.zeromq[place]},connect:{self.visited[place]}"]
            with open(os.path.join(self.folder.name, f"n{place}"), "w") as log:
                self.processes.append(
                    subprocess.Popen(command, cwd=self.folder.name, env=environment, stderr=log, stdout=log)
                )
        for place in range(self.count):
            self.wait_for(place)

    def wait_for(self, place):
        deadline = time.monotonic() + PATIENCE
        while not is_ready(self.http[place]):
            if self.processes[place].poll() is not None or time.monotonic() > deadline:
                with open(os.path.join(self.folder.name, f"n{place}")) as log:
                    raise SystemExit(f"error: node n{place} does not get ready: {log.read()}")
            time.sleep(0.02)

    def addresses(self):
        """Where clients of memcached are let in."""
        return [("127.0.0.1", port) for port in self.memcached]


def is_ready(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def free_ports(count):
    """Ports that were free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def executable(words):
    """The `tasks` that starts nodes: the first of these words, or the release build of this checkout."""
    tasks = os.path.abspath(words[0]) if words else TASKS
    if not os.access(tasks, os.X_OK):
        raise SystemExit(f"error: {tasks} is not there: cargo build --release -p tasks")
    return tasks
