#!/usr/bin/env python3
"""A stand-in for Consul's HTTP API, for tests and walkthroughs: it is not Consul.

    scripts/consul_stand_in.py [--port 8500] [--token TOKEN]

One agent that keeps everything in memory: services with HTTP health checks that it really performs, blocking
queries, and the key-value store. With port 0 the system chooses one; the first line on standard output names
the address. Nothing but Python's standard library.
"""

import argparse
import base64
import json
import re
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WAIT_SECONDS_MAX = 600.0
WAIT_SECONDS = 300.0
BODY_BYTES_MAX = 1 << 20
FIELDS = """ID Name Address Port Meta Tags Check HTTP Interval Timeout Status FailuresBeforeCritical
DeregisterCriticalServiceAfter""".split()
FIELDS = {name.lower(): name for name in FIELDS}
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text):
    """A duration as Go writes it: 10s, 1m30s, 250ms."""
    parts = re.findall(r"([0-9.]+)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"invalid duration {text!r}")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def canonical(definition):
    """A definition with its fields as they are documented: Go reads them in any case."""
    named = {FIELDS.get(name.lower(), name): value for name, value in definition.items()}
    if named.get("Check"):
        named["Check"] = canonical(named["Check"])
    return named


class Agent:
    """What is registered, under one lock. Every change raises the index and wakes those who wait."""

    def __init__(self):
        self.changed = threading.Condition()
        self.index = 1
        self.services = {}
        self.values = {}

    def change(self):
        self.index += 1
        self.changed.notify_all()

    def register(self, definition):
        definition = canonical(definition)
        definition["ID"] = definition.get("ID") or definition["Name"]
        check = definition.get("Check")
        if check and "HTTP" in check:
            seconds(check["Interval"]), seconds(check.get("Timeout", "10s"))
        with self.changed:
            old = self.services.get(definition["ID"])
            service = {
                "definition": definition,
                # As with Consul, one that is registered again keeps the status of its check.
                "status": old["status"] if old else (check or {}).get("Status", "critical" if check else "passing"),
            }
            self.services[definition["ID"]] = service
            self.change()
        if check and "HTTP" in check:
            threading.Thread(target=self.watch, args=(service, check), daemon=True).start()

    def deregister(self, name):
        with self.changed:
            is_there = self.services.pop(name, None) is not None
            if is_there:
                self.change()
            return is_there

    def watch(self, service, check):
        """Performs the check until the service is gone, or is registered anew."""
        name = service["definition"]["ID"]
        needed = max(1, check.get("FailuresBeforeCritical", 1))
        gone_after = seconds(check.get("DeregisterCriticalServiceAfter", "8760h"))
        failures, critical_since = 0, time.monotonic()
        while self.services.get(name) is service:
            passes = self.passes(check)
            failures = 0 if passes else failures + 1
            if passes:
                critical_since = None
            elif failures >= needed and critical_since is None:
                critical_since = time.monotonic()
            with self.changed:
                status = "passing" if passes else "critical" if failures >= needed else service["status"]
                if status != service["status"]:
                    service["status"] = status
                    self.change()
            if critical_since is not None and time.monotonic() - critical_since > gone_after:
                self.deregister(name)
            time.sleep(seconds(check["Interval"]))

    @staticmethod
    def passes(check):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(check["HTTP"], timeout=seconds(check.get("Timeout", "10s"))) as answer:
                return 200 <= answer.status < 300
        except (OSError, urllib.error.URLError, ValueError):
            return False

    def wait(self, index, limit):
        """Blocks while nothing has changed since `index`, for a while. The lock is held."""
        if index > 0:
            self.changed.wait_for(lambda: self.index > index, min(limit, WAIT_SECONDS_MAX))

    def health(self, name, passing):
        entries = []
        for service in self.services.values():
            definition, status = service["definition"], service["status"]
            if definition["Name"] == name and (status == "passing" or not passing):
                entries.append(
                    {
                        "Node": {"Node": "stand-in", "Address": "127.0.0.1"},
                        "Service": described(definition),
                        "Checks": [{"CheckID": f"service:{definition['ID']}", "Status": status}],
                    }
                )
        return entries


def described(definition):
    return {
        "ID": definition["ID"],
        "Service": definition["Name"],
        "Tags": definition.get("Tags") or [],
        "Meta": definition.get("Meta") or {},
        "Address": definition.get("Address", ""),
        "Port": definition.get("Port", 0),
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go out in two writes.
    disable_nagle_algorithm = True
    agent = None
    token = None

    def log_message(self, *_):
        pass

    def answer(self, status, body, index=None):
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if index is not None:
            self.send_header("X-Consul-Index", str(index))
        self.end_headers()
        self.wfile.write(text)

    def route(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_BYTES_MAX:
            self.close_connection = True
            return self.answer(413, b"Request body too large")
        body = self.rfile.read(length)
        if self.token and self.headers.get("X-Consul-Token") != self.token:
            return self.answer(403, b"Permission denied")
        address = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))
        parts = [urllib.parse.unquote(part) for part in address.path.split("/")[1:]]
        try:
            return self.call(parts, query, body)
        except (KeyError, TypeError, ValueError) as error:
            return self.answer(400, f"Request decode failed: {error}".encode())

    do_GET = do_PUT = do_DELETE = route

    def call(self, parts, query, body):
        agent = self.agent
        match self.command, parts:
            case "PUT", ["v1", "agent", "service", "register"]:
                agent.register(json.loads(body))
                self.answer(200, b"")
            case "PUT", ["v1", "agent", "service", "deregister", name]:
                known = agent.deregister(name)
                self.answer(*((200, b"") if known else (404, b"Unknown service")))
            case "GET", ["v1", "agent", "services"]:
                services = agent.services.items()
                self.answer(200, {name: described(service["definition"]) for name, service in services})
            case "GET", ["v1", "agent", "service", name]:
                service = agent.services.get(name)
                if service:
                    self.answer(200, described(service["definition"]))
                else:
                    self.answer(404, b"unknown service ID")
            case "GET", ["v1", "health", "service", name]:
                with agent.changed:
                    agent.wait(int(query.get("index", 0)), seconds(query.get("wait") or f"{WAIT_SECONDS:g}s"))
                    entries, index = agent.health(name, "passing" in query), agent.index
                self.answer(200, entries, index)
            case "GET", ["v1", "status", "leader"]:
                self.answer(200, "127.0.0.1:8300")
            case _, ["v1", "kv", *key] if key and key[0]:
                self.kv("/".join(key), query, body)
            case _:
                self.answer(404, b"the stand-in has no such call")

    def kv(self, key, query, body):
        agent = self.agent
        with agent.changed:
            if self.command == "GET":
                agent.wait(int(query.get("index", 0)), seconds(query.get("wait") or f"{WAIT_SECONDS:g}s"))
                value, index = agent.values.get(key), agent.index
            elif self.command == "PUT":
                agent.values[key] = {"Value": body, "ModifyIndex": agent.index + 1}
                agent.change()
            else:
                agent.values.pop(key, None)
                agent.change()
        if self.command != "GET":
            self.answer(200, True)
        elif value is None:
            self.answer(404, b"", index)
        elif "raw" in query:
            self.answer(200, value["Value"], index)
        else:
            text = base64.b64encode(value["Value"]).decode()
            modified = value["ModifyIndex"]
            pair = {"Key": key, "Value": text, "Flags": 0, "LockIndex": 0}
            self.answer(200, [{**pair, "CreateIndex": modified, "ModifyIndex": modified}], index)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # Those who were connected before do not keep its port from the next one.
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        # Who waits for a change may go at any time.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8500)
    parser.add_argument("--token", help="what each request must have as X-Consul-Token")
    options = parser.parse_args()
    Handler.agent, Handler.token = Agent(), options.token
    server = Server(("127.0.0.1", options.port), Handler)
    print(f"127.0.0.1:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
