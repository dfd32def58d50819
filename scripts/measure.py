#!/usr/bin/env python3
"""Measures a release build of `tasks` on real processes, and checks what it finds.

    cargo build --release && scripts/measure.py [SECTION ...]

Sections: content, churn, kill, hops, start, million, idle, throughput; and of a network with three copies on disks,
gaps and join, which takes some minutes (all of them without an argument). Each
uses a network of its own in a temporary folder and cleans up after itself. Ownership is computed
here, from SHA-1 and a sorted list alone, and compared with what the nodes say. Exit code 1 if
anything is not as it must be.
"""

import hashlib
import http.client as http_client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TASKS = os.path.join(ROOT, "target", "release", "tasks")
TICKS = os.sysconf("SC_CLK_TCK")
# What is measured of the ring and of one server is measured without groups.
ONE_COPY = ["--replicas", "1", "--store", "memory"]
failures = []


def check(holds, text):
    if not holds:
        failures.append(text)
    print(f"  {'ok  ' if holds else 'FAIL'} {text}", flush=True)


def sha1(text):
    return hashlib.sha1(text.encode()).hexdigest()


class Network:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="dht-measure-")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run("destroy", "--yes", may_fail=True)
        self.folder.cleanup()

    def run(self, *words, may_fail=False):
        command = [TASKS, "--state", self.folder.name, *words]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode and not may_fail:
            raise SystemExit(f"tasks {' '.join(words)}: exit {done.returncode}\n{done.stderr}")
        return done

    def json(self, *words, may_fail=False):
        done = self.run(*words, "--json", may_fail=may_fail)
        return json.loads(done.stdout) if done.stdout else None

    def ring(self):
        return self.json("ring", may_fail=True)

    def processes(self):
        with open(os.path.join(self.folder.name, "default", "network.json")) as file:
            return json.load(file)["processes"]

    def settle(self, seconds=20):
        """Milliseconds until the ring is ideal."""
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            ring = self.ring()
            if ring and ring["ideal"]:
                return (time.monotonic() - start) * 1000
            time.sleep(0.02)
        raise SystemExit(f"not ideal after {seconds} s: {self.ring()['problems']}")


def http(address, path, method="GET", body=None, timeout=10):
    request = urllib.request.Request(f"http://{address}{path}", data=body, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def content(address):
    keys, after = {}, ""
    while after is not None:
        _, page = http(address, f"/content?limit=1000{after and '&after=' + after}")
        for item in page["items"]:
            keys[item["key"]] = item["value"]
        after = page["next"]
    return keys


def owner(ids, key, rule):
    """The identifier of the owner, from a sorted list of identifiers and nothing else."""
    if rule == "successor":
        return next((node for node in ids if node >= key), ids[0])
    return next((node for node in reversed(ids) if node <= key), ids[-1])


def check_placement(network, values, rule):
    """Every value lies on just the node that SHA-1 and the rule name. Returns whether so."""
    nodes = {node["id"]: node["address"] for node in network.ring()["nodes"]}
    names = {process["id"]: process["name"] for process in network.processes()}
    ids = sorted(nodes)
    wrong = [node for node in ids if sha1(names[node]) != node]
    held = {node: content(address) for node, address in nodes.items()}
    expected = {node: {} for node in ids}
    for value in values:
        expected[owner(ids, sha1(value), rule)][sha1(value)] = value
    return not wrong and held == expected


def lookup(address, value, routing=None):
    path = "/lookup/" + urllib.parse.quote(value, safe="")
    status, answer = http(address, path + (f"?routing={routing}" if routing else ""))
    return status, answer


def section_content():
    for rule in ["successor", "predecessor"]:
        print(f"content, {rule} rule: boot + addmany 10 + storemany 100")
        with Network() as network:
            network.run("boot", "--ownership", rule, *ONE_COPY)
            network.run("addmany", "10")
            network.run("storemany", "100")
            addresses = [node["address"] for node in network.ring()["nodes"]]
            values = [value for address in addresses for value in content(address).values()]
            check(len(set(values)) == 100 == len(values), "100 values are held, none twice")
            check(check_placement(network, values, rule), "each where SHA-1 and the rule put it")
            found = 0
            for address in addresses:
                for value in values:
                    key = sha1(value)
                    for routing in ["linear", "finger"]:
                        _, way = http(address, f"/findNode/{key}?routing={routing}")
                        ids = sorted(node["id"] for node in network_nodes(network))
                        found += way["node"]["id"] == owner(ids, key, rule)
                    status, answer = lookup(address, value)
                    found += status == 200 and answer["value"] == value
            check(found == 12 * 100 * 3, f"{found} of 3,600 finds and lookups right, from 12 nodes")
            for name in [process["name"] for process in network.processes()][::2]:
                network.run("leave", name)
                nodes = [node["address"] for node in network_nodes(network, fresh=True)]
                held = [value for address in nodes for value in content(address).values()]
                answers = [lookup(random.choice(nodes), value)[0] for value in values]
                good = sorted(held) == sorted(values) and set(answers) == {200}
                check(good, f"after {name} left, {len(nodes)} nodes: all found, none twice")
            network.settle()
            check(check_placement(network, values, rule), "each where SHA-1 and the rule put it")


def network_nodes(network, fresh=False, known={}):
    if fresh or network not in known:
        known[network] = network.ring()["nodes"]
    return known[network]


def section_churn():
    for rule in ["successor", "predecessor"]:
        print(f"churn, {rule} rule: 20 joins and leaves at random, 4 clients store and look up")
        with Network() as network:
            network.run("boot", "--nodes", "8", "--ownership", rule, *ONE_COPY)
            stop, lock, written, errors = threading.Event(), threading.Lock(), [], {}
            retries, reads = [0], [0]
            present = {process["name"]: process["address"] for process in network.processes()}

            def client(number):
                source = random.Random(number)
                count = 0
                while not stop.is_set():
                    count += 1
                    value = f"client {number} value {count}"
                    operate(source, "POST", "/store", value)
                    with lock:
                        written.append(value)
                        old = source.choice(written)
                    answer = operate(source, "GET", "/lookup/" + urllib.parse.quote(old), None)
                    reads[0] += 1
                    if answer.get("value") != old:
                        with lock:
                            errors[f"{old} is not found"] = errors.get(f"{old} is not found", 0) + 1

            def operate(source, method, path, value):
                """As the README says: a 503 or a refused connection is tried again elsewhere."""
                while True:
                    with lock:
                        address = source.choice(list(present.values()))
                    try:
                        body = value.encode() if value else None
                        status, answer = http(address, path, method, body)
                    except (urllib.error.URLError, ConnectionError):
                        status = None
                    if status in (200, 201):
                        return answer
                    retries[0] += 1
                    if status not in (None, 503):
                        with lock:
                            key = f"{method} answers {status}"
                            errors[key] = errors.get(key, 0) + 1
                        return answer
                    time.sleep(0.02)

            clients = [threading.Thread(target=client, args=[n]) for n in range(4)]
            for thread in clients:
                thread.start()
            steps = random.Random(1)
            for _ in range(20):
                if len(present) < 4 or steps.random() < 0.5:
                    network.run("add")
                    names = {p["name"]: p["address"] for p in network.processes()}
                    with lock:
                        present.update(names)
                else:
                    with lock:
                        name = steps.choice(list(present))
                        del present[name]
                    network.run("leave", name)
            stop.set()
            for thread in clients:
                thread.join()
            network.settle()
            addresses = list(present.values())
            lost = [value for value in written if lookup(random.choice(addresses), value)[0] != 200]
            check(not lost, f"{len(written)} values stored, {len(lost)} lost, {reads[0]} read meanwhile")
            check(not errors, f"errors {errors or 'none'}, {retries[0]} documented retries")
            check(check_placement(network, written, rule), "each where SHA-1 and the rule put it")


def section_kill():
    print("kill: one of 12 nodes, until the ring is ideal again")
    times = []
    for _ in range(5):
        with Network() as network:
            network.run("boot", "--nodes", "12", *ONE_COPY)
            victim = random.choice(network.processes())["name"]
            start = time.monotonic()
            network.run("kill", victim)
            network.settle()
            times.append((time.monotonic() - start) * 1000)
    text = ", ".join(f"{ms:.0f}" for ms in times)
    check(max(times) <= 3000, f"milliseconds in 5 runs: {text} (limit 3,000)")


def section_hops():
    print("hops: 64 nodes, 640 random keys each way")
    with Network() as network:
        network.run("boot", "--nodes", "2", *ONE_COPY)
        network.run("addmany", "62")
        network.settle()
        time.sleep(5)
        addresses = [process["address"] for process in network.processes()]
        for routing, limit in [("finger", 3.8), ("linear", 40)]:
            hops = []
            for number in range(640):
                key = sha1(f"{routing} {number}")
                address = addresses[number % 64]
                hops.append(http(address, f"/findNode/{key}?routing={routing}")[1]["hops"])
            mean = statistics.mean(hops)
            check(mean <= limit, f"{routing}: mean {mean:.2f}, largest {max(hops)} (limit {limit})")


def section_start():
    print("start: from a node's start until it listens; memory of an idle node")
    with Network() as network:
        network.run("boot", *ONE_COPY)
        via = network.processes()[0]["address"]
        times = []
        for number in range(9):
            address = f"127.0.0.1:{20001 + number}"
            command = [TASKS, "node", "--address", address, "--join", via, *ONE_COPY]
            start = time.monotonic()
            node = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            try:
                while True:
                    try:
                        http(address, "/healthz")
                        break
                    except urllib.error.URLError:
                        time.sleep(0.0005)
                times.append((time.monotonic() - start) * 1000)
            finally:
                node.terminate()
                node.wait()
        text = f"median {statistics.median(times):.0f} ms, largest {max(times):.0f} ms of 9"
        check(statistics.median(times) <= 50, f"listening: {text} (limit 50)")
        network.run("addmany", "10")
        time.sleep(5)
        sizes = [memory_kb(process["pid"]) / 1024 for process in network.processes()]
        check(max(sizes) <= 12, f"resident: largest of 12 idle nodes {max(sizes):.1f} MiB (limit 12)")
        start = time.monotonic()
        network.run("addmany", "30")
        seconds = time.monotonic() - start
        check(seconds <= 10, f"addmany 30: {seconds:.1f} s (limit 10)")


def section_million():
    print("million: a node that keeps 1,000,000 keys of 100 bytes on disk")
    with tempfile.TemporaryDirectory(prefix="dht-measure-") as folder:
        former = None
        for life, end in enumerate([signal.SIGKILL, signal.SIGTERM, signal.SIGKILL], start=1):
            entry = ["--ring" if life == 1 else "--again", f"a@127.0.0.1:20001#{life}"]
            command = [TASKS, "node", "--name", "a", "--address", "127.0.0.1:20001", *entry]
            command += ["--replicas", "1", "--store", "disk", "--data", folder, "--memcached-port", "20002"]
            start = time.monotonic()
            node = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            try:
                wait_until_ready("127.0.0.1:20001")
                ready = time.monotonic() - start
                if former:
                    check(ready <= 1, f"ready {ready * 1000:.0f} ms after its start, after {former.name} (limit 1 s)")
                else:
                    set_all(20002, 1_000_000)
                    print(f"  memory {memory_kb(node.pid) / 1024:.0f} MiB, disk {size(folder) / 2**20:.0f} MiB")
                keys = http("127.0.0.1:20001", "/nodeinfo")[1]["keys"]
                check(keys == 1_000_000, f"{keys} keys are there")
            finally:
                node.send_signal(end)
                node.wait()
            former = end


def wait_until_ready(address):
    """Asks until it serves."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            if http(address, "/readyz")[0] == 200:
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.001)
    raise SystemExit(f"{address} is not ready after 30 s")


def set_all(port, count):
    """Stores so many keys by way of memcached's door, over 16 connections, 100 at a time."""

    def work(number, failed):
        link = socket.create_connection(("127.0.0.1", port), timeout=60)
        answers = link.makefile("rb")
        keys = range(number, count, 16)
        for first in range(0, len(keys), 100):
            batch = keys[first : first + 100]
            link.sendall(b"".join(b"set key%d 0 0 100\r\n%s\r\n" % (key, b"x" * 100) for key in batch))
            failed.extend(key for key in batch if answers.readline() != b"STORED\r\n")

    side_by_side(work, 16)


def size(folder):
    """Bytes that the files in a folder take on the disk."""
    return sum(entry.stat().st_blocks * 512 for entry in os.scandir(folder))


def memory_kb(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def section_idle():
    for count, limit in [(50, 100), (100, 10)]:
        with Network() as network:
            network.run("boot", "--nodes", str(count), *ONE_COPY)
            time.sleep(10)
            pids = [process["pid"] for process in network.processes()]
            before, start = sum(map(cpu_seconds, pids)), time.monotonic()
            time.sleep(20)
            used = sum(map(cpu_seconds, pids)) - before
            share = 100 * used / (time.monotonic() - start)
            print(f"idle: a ring of {count} nodes for 20 s")
            check(share <= limit, f"{share:.1f} % of one core in all (limit {limit} %)")


def section_throughput():
    print("throughput: storemany 1000 on 12 nodes")
    with Network() as network:
        network.run("boot", "--nodes", "12", *ONE_COPY)
        rates = []
        for _ in range(5):
            report = network.json("storemany", "1000")
            check(report["stored"] == 1000 and report["failed"] == 0, "1,000 stored, 0 failed")
            rates.append(1000 / (report["ms"] / 1000))
        text = ", ".join(f"{rate:.0f}" for rate in rates)
        check(statistics.median(rates) >= 1000, f"stores a second in 5 runs: {text} (limit 1,000)")


class Writers:
    """Clients that write keys of their own, each to some node, and take note of how long each write took.

    As the README says: a refused connection or a 503 is tried again at another node; so is, here, a write
    that had no answer within a second, which does no harm as it writes the same.
    """

    def __init__(self, keys, addresses, count):
        self.ends, self.slowest, self.stop, self.lock = [], 0, threading.Event(), threading.Lock()
        self.threads = [
            threading.Thread(target=self.work, args=[keys[n::count], addresses, n]) for n in range(count)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def work(self, keys, addresses, number):
        source, links = random.Random(number), {}
        while not self.stop.is_set():
            start = time.monotonic()
            key, body = source.choice(keys), b"x" * 100
            while not self.stop.is_set() and not self.put(links, source.choice(addresses), key, body):
                pass
            end = time.monotonic()
            if not self.stop.is_set():
                with self.lock:
                    self.ends.append(end)
                    self.slowest = max(self.slowest, end - start)

    def put(self, links, address, key, body):
        try:
            if address not in links:
                links[address] = http_client.HTTPConnection(address, timeout=1)
            links[address].request("PUT", f"/kv/{key}", body)
            answer = links[address].getresponse()
            answer.read()
            if answer.status < 300:
                return True
            time.sleep(0.01)
        except (OSError, http_client.HTTPException):
            links.pop(address).close()
        return False

    def gap_ms(self, since, until):
        """The longest time without a write that succeeded."""
        ends = sorted(end for end in self.ends if since <= end <= until)
        return 1000 * max(b - a for a, b in zip([since, *ends], [*ends, until]))


def kv_leader(groups, key):
    return groups[owner(sorted(groups), sha1(f"kv:{key}"), "successor")]


def groups_of(ring):
    """Who leads, by the ends of arcs, and who keeps a copy."""
    groups = {}
    for node in ring["nodes"]:
        for group in node["groups"]:
            if group["leader"]["id"] == node["id"]:
                groups[group["end"]] = (node["id"], {member["id"] for member in group["members"]})
    return groups


def section_gaps():
    """A node is killed, or stands still for 9 s, while clients write what it leads, or only follows."""
    for kind, seconds in [("kill", 4), ("pause", 12)]:
        print(f"gaps: {kind} of one of 8 nodes that keep three copies on disks, 5 times")
        worst = {"leads": [], "follows": []}
        for _ in range(5):
            with Network() as network:
                network.run("boot", "--nodes", "8")
                network.settle()
                time.sleep(1)
                groups = groups_of(network.ring())
                victim = random.choice(network.processes())
                sets = {"leads": [], "follows": []}
                for number in range(4000):
                    leader, members = kv_leader(groups, f"key{number}")
                    if victim["id"] == leader:
                        sets["leads"].append(f"key{number}")
                    elif victim["id"] in members:
                        sets["follows"].append(f"key{number}")
                addresses = [p["address"] for p in network.processes() if p["name"] != victim["name"]]
                if len(sets["leads"]) < 8:
                    continue
                with Writers(sets["leads"], addresses, 4) as led, Writers(sets["follows"], addresses, 4) as others:
                    time.sleep(2)
                    begun = time.monotonic()
                    os.kill(victim["pid"], signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
                    time.sleep(min(seconds, 9))
                    if kind == "pause":
                        os.kill(victim["pid"], signal.SIGCONT)
                        time.sleep(seconds - 9)
                    ended = time.monotonic()
                worst["leads"].append(led.gap_ms(begun, ended))
                worst["follows"].append(others.gap_ms(begun, ended))
        for role, limit in [("follows", 500), ("leads", 2000)]:
            text = ", ".join(f"{ms:.0f}" for ms in worst[role])
            check(max(worst[role]) <= limit, f"keys that it {role}: longest ms without a write {text} (limit {limit})")


def section_join():
    """A node joins a ring that holds 200,000 keys, while clients write."""
    count = int(os.environ.get("KEYS", 200_000))
    print(f"join: into 5 nodes that keep {count} values of 100 bytes in three copies on disks")
    with Network() as network:
        network.run("boot", "--nodes", "5")
        network.settle()
        addresses = [process["address"] for process in network.processes()]
        start = time.monotonic()
        fill(addresses, count)
        rate = count / (time.monotonic() - start)
        print(f"  filled by {rate:.0f} writes a second")
        keys = [f"fill{number}" for number in range(0, count, 97)]
        with Writers(keys, addresses, 8) as writers:
            time.sleep(3)
            usual, writers.slowest = writers.slowest, 0
            begun = time.monotonic()
            network.run("add")
            while not is_redundant(network, 6):
                time.sleep(0.05)
            seconds = time.monotonic() - begun
            stall = 1000 * writers.slowest
        check(seconds <= 10, f"all arcs have three copies again after {seconds:.1f} s (limit 10)")
        check(stall <= 200, f"slowest write meanwhile {stall:.0f} ms, before {1000 * usual:.0f} ms (limit 200)")


def is_redundant(network, nodes):
    ring = network.ring()
    led = [
        group
        for node in ring["nodes"]
        for group in node["groups"]
        if group["leader"]["id"] == node["id"] == group["end"]
    ]
    return ring["ideal"] and len(led) == nodes and all(len(group["synced"]) == 3 for group in led)


def fill(addresses, count):
    """Writes so many keys over 32 connections."""

    def work(number, failed):
        link = http_client.HTTPConnection(addresses[number % len(addresses)], timeout=30)
        for key in range(number, count, 32):
            link.request("PUT", f"/kv/fill{key}", b"x" * 100)
            answer = link.getresponse()
            answer.read()
            if answer.status >= 300:
                failed.append(key)

    side_by_side(work, 32)


def side_by_side(work, count):
    """Does it in so many threads, each of which gets its number, and a list for the keys that it can't write."""
    failed = []
    threads = [threading.Thread(target=work, args=[number, failed]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SystemExit(f"{len(failed)} writes failed")


def main():
    sections = {
        name.removeprefix("section_"): function
        for name, function in globals().items()
        if name.startswith("section_")
    }
    wanted = sys.argv[1:] or list(sections)
    unknown = [name for name in wanted if name not in sections]
    if unknown:
        raise SystemExit(f"no section {', '.join(unknown)}; there are {', '.join(sections)}")
    if not os.path.exists(TASKS):
        raise SystemExit("there is no target/release/tasks yet: cargo build --release")
    for name in wanted:
        sections[name]()
    raise SystemExit(1 if failures else 0)


main()
