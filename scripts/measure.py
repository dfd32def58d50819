#!/usr/bin/env python3
"""Measures a release build of `tasks` on real processes, and checks what it finds.

    cargo build --release && scripts/measure.py [SECTION ...]

Sections: content, churn, kill, hops, start, idle, throughput (all of them without an argument). Each
uses a network of its own in a temporary folder and cleans up after itself. Ownership is computed
here, from SHA-1 and a sorted list alone, and compared with what the nodes say. Exit code 1 if
anything is not as it must be.
"""

import hashlib
import json
import os
import random
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
