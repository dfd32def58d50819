#!/usr/bin/env python3
"""Drives nodes by clients of memcached that people use: pymemcache and pylibmc, from PyPI.

    cargo build --release && scripts/memcached_clients.py [TASKS]

Both are installed into a temporary folder. They drive one node, and four nodes by their own rings of
servers (pymemcache's HashClient, pylibmc's ketama): once with one copy, once with three. Where a client
sends a key is its own affair, since any node serves any key: what it has stored is read at every node, and
over HTTP. Exit code 1 if anything is not as it must be.
"""

import urllib.request

from clients import check, run
from nodes import Ring

CLIENTS = ["pymemcache==4.0.0", "pylibmc==1.6.3"]
KEYS = 500


def drive(node):
    for count, copies in [(1, 1), (4, 1), (4, 3)]:
        with Ring(node, count, copies) as ring:
            print(f"{count} nodes, {copies} copies:", flush=True)
            alone_by_pymemcache(ring)
            alone_by_pylibmc(ring)
            together_by_pymemcache(ring)
            together_by_pylibmc(ring)


def alone_by_pymemcache(ring):
    from pymemcache.client.base import Client

    client = Client(ring.addresses()[0], connect_timeout=5, timeout=10, default_noreply=False)
    check(client.version() != b"", "pymemcache: version")
    check(client.set("a", b"1", flags=7) and client.get("a") == b"1", "pymemcache: set, get")
    check(client.raw_command("get a", b"END\r\n").startswith(b"VALUE a 7 1"), "pymemcache: flags")
    check(not client.add("a", b"x") and client.add("new", b"x"), "pymemcache: add")
    check(client.replace("a", b"2") and not client.replace("none", b"2"), "pymemcache: replace")
    check(client.append("a", b"3") and client.prepend("a", b"1"), "pymemcache: append, prepend")
    check(client.get("a") == b"123", "pymemcache: what they make of it")
    value, unique = client.gets("a")
    check(client.cas("a", b"4", unique) is True, "pymemcache: cas")
    check(client.cas("a", b"5", unique) is False, "pymemcache: cas of an old version")
    check(client.cas("none", b"5", unique) is None, "pymemcache: cas of nothing")
    check(client.incr("a", 6) == 10 and client.decr("a", 99) == 0, "pymemcache: incr, decr")
    check(client.incr("none", 1) is None, "pymemcache: incr of nothing")
    check(client.touch("a", 100) and not client.touch("none", 100), "pymemcache: touch")
    gat = client.raw_command("gat 0 a", b"END\r\n")
    check(b"\r\n0\r\n" in gat, "pymemcache: gat")
    check(client.delete("a") and not client.delete("a"), "pymemcache: delete")
    many = {f"m{number}": str(number).encode() for number in range(KEYS)}
    check(client.set_many(many) == [], "pymemcache: set_many")
    check(client.get_many(list(many) + ["none"]) == many, "pymemcache: get_many")
    client.set("quiet", b"1", noreply=True)
    client.incr("quiet", 1, noreply=True)
    check(client.get("quiet") == b"2", "pymemcache: noreply")
    client.set("brief", b"1", expire=-1)
    check(client.get("brief") is None, "pymemcache: what expires at once")
    large = bytes(range(256)) * 4096
    check(client.set("large", large) and client.get("large") == large, "pymemcache: 1 MiB")
    check(refuses(lambda: client.set("large", large + b"x")), "pymemcache: 1 MiB and a byte")
    check(client.get("large") == large, "pymemcache: the connection lives on")
    check(b"curr_connections" in client.stats(), "pymemcache: stats")
    check(client.flush_all() and client.get_many(list(many)) == {}, "pymemcache: flush_all")
    client.quit()


def refuses(attempt):
    from pymemcache.exceptions import MemcacheError

    try:
        attempt()
    except MemcacheError:
        return True
    return False


def alone_by_pylibmc(ring):
    import pylibmc

    client = pylibmc.Client([name(ring.addresses()[0])], behaviors={"cas": True, "tcp_nodelay": True})
    check(client.set("a", 1) and client.get("a") == 1, "pylibmc: set, get")
    check(client.set("b", "ü" * 99) and client.get("b") == "ü" * 99, "pylibmc: a text, by its flags")
    check(not client.add("a", 2) and client.replace("a", 2), "pylibmc: add, replace")
    value, unique = client.gets("a")
    check(client.cas("a", 3, unique) and not client.cas("a", 4, unique), "pylibmc: cas")
    check(client.incr("a", 39) == 42 and client.decr("a", 2) == 40, "pylibmc: incr, decr")
    many = {f"m{number}": number for number in range(KEYS)}
    check(client.set_multi(many) == [], "pylibmc: set_multi")
    check(client.get_multi(list(many) + ["none"]) == many, "pylibmc: get_multi")
    check(client.touch("a", 100) and client.delete("a"), "pylibmc: touch, delete")
    check(client.get("a") is None, "pylibmc: what is deleted")
    check(len(client.get_stats()) == 1, "pylibmc: stats")
    check(client.flush_all() and client.get_multi(list(many)) == {}, "pylibmc: flush_all")
    client.disconnect_all()


def together_by_pymemcache(ring):
    from pymemcache.client.hash import HashClient

    client = HashClient(ring.addresses(), connect_timeout=5, timeout=10)
    many = {f"hash{number}": str(number).encode() for number in range(KEYS)}
    check(client.set_many(many, noreply=False) == [], "pymemcache's ring: set_many")
    check(client.get_many(list(many)) == many, "pymemcache's ring: get_many")
    check(all(client.get(key) == value for key, value in many.items()), "pymemcache's ring: get")
    everywhere(ring, many)
    check(all(client.delete(key, noreply=False) for key in many), "pymemcache's ring: delete")
    check(client.get_many(list(many)) == {}, "pymemcache's ring: nothing is left")
    client.close()


def together_by_pylibmc(ring):
    import pylibmc

    behaviors = {"ketama": True, "tcp_nodelay": True}
    client = pylibmc.Client([name(address) for address in ring.addresses()], behaviors=behaviors)
    many = {f"ketama{number}": str(number).encode() for number in range(KEYS)}
    check(client.set_multi(many) == [], "pylibmc's ring: set_multi")
    check(client.get_multi(list(many)) == many, "pylibmc's ring: get_multi")
    everywhere(ring, many)
    check(client.delete_multi(list(many)), "pylibmc's ring: delete_multi")
    check(client.get_multi(list(many)) == {}, "pylibmc's ring: nothing is left")
    client.disconnect_all()


def everywhere(ring, many):
    """What was stored by somebody's ring is read at each node, and at the other door."""
    from pymemcache.client.base import Client

    for address in ring.addresses():
        client = Client(address, connect_timeout=5, timeout=10)
        check(client.get_many(list(many)) == many, f"every key is read at {name(address)}")
        client.close()
    key, value = next(iter(many.items()))
    for port in ring.http:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/kv/{key}", timeout=10) as answer:
            check(answer.read() == value, f"and over HTTP at port {port}")


def name(address):
    return f"{address[0]}:{address[1]}"


if __name__ == "__main__":
    run(__file__, CLIENTS, drive)
