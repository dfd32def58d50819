#!/usr/bin/env python3
"""Drives nodes by the client of ZeroMQ that people use: pyzmq, from PyPI.

    cargo build --release && scripts/zeromq_clients.py [TASKS]

It is installed into a temporary folder. It drives three nodes as the client of a course does: it listens and
the nodes come to it, it connects and the nodes listen; it spreads keys over them by consistent hashing of its
own, reads one and all, deletes; and it makes mistakes. What it has stored is read at every node, and over HTTP.
Exit code 1 if anything is not as it must be.
"""

import bisect
import hashlib
import json
import socket
import time
import urllib.error
import urllib.request

from clients import check, run
from nodes import Ring, free_ports

CLIENTS = ["pyzmq==27.1.0"]
KEYS = 300
PATIENCE_MS = 15_000


def drive_all(node):
    for count, copies in [(3, 1), (4, 3)]:
        # Where this client will listen, and the nodes come.
        ours = [f"tcp://127.0.0.1:{port}" for port in free_ports(count)]
        with Ring(node, count, copies, zeromq=ours) as ring:
            print(f"{count} nodes, {copies} copies:", flush=True)
            drive(ring, "nodes come", ours, bind=True)
            drive(ring, "nodes listen", ring.zeromq, bind=False)
            mistakes(ring)
            many_sockets(ring)
            half_a_message(ring)


class Client:
    """Servers, one socket each, and which of them a key goes to."""

    def __init__(self, endpoints, bind):
        import zmq

        self.context = zmq.Context()
        self.sockets = {}
        for endpoint in endpoints:
            request = self.context.socket(zmq.REQ)
            request.setsockopt(zmq.LINGER, 0)
            request.setsockopt(zmq.RCVTIMEO, PATIENCE_MS)
            request.setsockopt(zmq.SNDTIMEO, PATIENCE_MS)
            (request.bind if bind else request.connect)(endpoint)
            self.sockets[endpoint] = request
        self.points = sorted((number(f"{name}-{n}"), name) for name in endpoints for n in range(50))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.destroy(linger=0)

    def ask(self, endpoint, **request):
        self.sockets[endpoint].send_json(request)
        return self.sockets[endpoint].recv_json()

    def of(self, key):
        """The server that a key goes to: the next on a circle."""
        place = bisect.bisect_left(self.points, (number(key), ""))
        return self.points[place % len(self.points)][1]

    def put(self, key, value):
        return self.ask(self.of(key), op="PUT", key=key, value=value)

    def get(self, key):
        return self.ask(self.of(key), op="GET_ONE", key=key)

    def delete(self, key):
        return self.ask(self.of(key), op="DELETE", key=key)

    def all(self):
        """What all servers hold, in pages."""
        items = []
        for endpoint in self.sockets:
            page = self.ask(endpoint, op="GET_ALL", limit=100)
            items += page["collection"]
            while page["next"]:
                page = self.ask(endpoint, op="GET_ALL", limit=100, after=page["next"])
                items += page["collection"]
        return items


def number(text):
    return int.from_bytes(hashlib.sha1(text.encode()).digest()[:8], "big")


def drive(ring, how, endpoints, bind):
    ok = {"status": "OK"}
    with Client(endpoints, bind) as client:
        many = {f"key-{n}": f"välue {n}" for n in range(KEYS)}
        check(all(client.put(key, value) == ok for key, value in many.items()), f"{how}: PUT")
        right = all(client.get(key) == {"key": key, "value": value} for key, value in many.items())
        check(right, f"{how}: GET_ONE")
        check(client.get("none") == {"key": "none", "value": None}, f"{how}: GET_ONE of nothing")
        held = {item["key"]: item["value"] for item in client.all()}
        check(held == many, f"{how}: GET_ALL, in pages, of all servers")
        whole = [client.ask(endpoint, op="GET_ALL") for endpoint in endpoints]
        check(sum(len(each["collection"]) for each in whole) == KEYS, f"{how}: GET_ALL, each item once")
        everywhere = all(
            client.ask(endpoint, op="GET_ONE", key=key)["value"] == value
            for key, value in list(many.items())[:30]
            for endpoint in endpoints
        )
        check(everywhere, f"{how}: any server has any key")
        check(all(over_http(port, "key-7") == "välue 7" for port in ring.http), f"{how}: the same over HTTP")
        for value in [7, 1.5, True, [1, "a", None], {"b": {"c": "ü"}}, "7", ""]:
            client.put("typed", value)
            same = client.get("typed")["value"]
            check(same == value and type(same) is type(value), f"{how}: {json.dumps(value)} stays what it is")
        check(all(client.delete(key) == ok for key in [*many, "typed"]), f"{how}: DELETE")
        check(client.delete("none") == ok, f"{how}: DELETE of nothing")
        check(client.all() == [], f"{how}: nothing is left")


def mistakes(ring):
    with Client(ring.zeromq, bind=False) as client:
        request = next(iter(client.sockets.values()))

        def code(*frames):
            request.send_multipart(list(frames))
            return request.recv_json().get("error", {}).get("code")

        check(code(b"nonsense") == "bad_json", "mistakes: no JSON")
        check(code(b"\xff\xfe") == "bad_json", "mistakes: no text")
        check(code(b"[]") == "bad_json", "mistakes: no object")
        check(code(b"{}") == "no_op", "mistakes: no op")
        check(code(b'{"op":"FLUSH"}') == "unknown_op", "mistakes: unknown op")
        check(code(b'{"op":"GET_ONE"}') == "no_key", "mistakes: no key")
        check(code(b'{"op":"GET_ONE","key":7}') == "bad_key", "mistakes: a number as key")
        check(code(b'{"op":"PUT","key":"k"}') == "no_value", "mistakes: no value")
        check(code(b'{"op":"GET_ALL"}', b'{"op":"GET_ALL"}') == "multipart", "mistakes: two frames")
        large = json.dumps({"op": "PUT", "key": "k", "value": "x" * (1 << 20) + "x"}).encode()
        check(code(large) == "too_large", "mistakes: a value of 1 MiB and a byte")
        largest = "x" * (1 << 20)
        check(client.put("k", largest) == {"status": "OK"}, "mistakes: a value of 1 MiB")
        check(client.get("k")["value"] == largest, "mistakes: it is there, and the socket lives on")
        client.delete("k")
        too_large(client, ring)


def too_large(client, ring):
    import zmq

    request = client.context.socket(zmq.REQ)
    request.setsockopt(zmq.LINGER, 0)
    request.setsockopt(zmq.RCVTIMEO, 1000)
    request.connect(ring.zeromq[0])
    request.send(b"x" * (9 << 20))
    try:
        request.recv()
        check(False, "mistakes: a frame of 9 MiB is answered")
    except zmq.Again:
        answer = client.ask(ring.zeromq[0], op="GET_ONE", key="none")
        check(answer["value"] is None, "mistakes: a frame of 9 MiB is not taken, and others are served")
    request.close()


def many_sockets(ring):
    import zmq

    with Client([], bind=False) as client:
        poller = zmq.Poller()
        sockets = [client.context.socket(zmq.REQ) for _ in range(150)]
        for place, request in enumerate(sockets):
            request.connect(ring.zeromq[0])
            request.send_json({"op": "PUT", "key": f"many-{place}", "value": place})
            poller.register(request, zmq.POLLIN)
        answers, deadline = [], time.monotonic() + PATIENCE_MS / 1000
        while len(answers) < len(sockets) and time.monotonic() < deadline:
            answers += [request.recv_json() for request, _ in poller.poll(200)]
        check(answers == [{"status": "OK"}] * len(sockets), f"{len(sockets)} sockets at once")
    with Client(ring.zeromq, bind=False) as client:
        check(len(client.all()) == 150, "what they have put is there")
        for place in range(150):
            client.delete(f"many-{place}")


def half_a_message(ring):
    """Half a message and then nothing: the node ends it, and serves others meanwhile."""
    host, port = ring.zeromq[0].removeprefix("tcp://").split(":")
    ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03REQ"
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48)
    with socket.create_connection((host, int(port)), timeout=30) as stream:
        stream.sendall(greeting + bytes([4, len(ready)]) + ready + b"\x01\x00\x02" + bytes(7) + b"\xff{")
        with Client(ring.zeromq, bind=False) as client:
            begun = time.monotonic()
            answers = [client.get("none")["value"] for _ in range(20)]
            quick = time.monotonic() - begun < 5
            check(answers == [None] * 20 and quick, "half a message: others are served meanwhile")
        try:
            while stream.recv(4096):
                pass
            ended = True
        except ConnectionResetError:
            ended = True
        except TimeoutError:
            ended = False
        check(ended, "half a message: the connection is ended")


def over_http(port, key):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/kv/{key}", timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code


if __name__ == "__main__":
    run(__file__, CLIENTS, drive_all)
