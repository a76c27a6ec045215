"""Steady load on the mesh, by the C library and by plain HTTP through the gateway."""

import os
import random
import socket
import subprocess
import threading
import time

from harness.client import Client
from harness.clock import DEADLINE
from harness.message import Closed, Malformed
from harness.world import program

from mesh import HOST, TIMEOUT, clean_environment
from records import Request, read_requests, uncounted

METHODS = ["GET"] * 4 + ["PUT"] * 2 + ["POST"] * 3 + ["KEY"]
WAITS = [0, 0, 0, 5, 20, 60, 120, 180, 300]
ANSWERS = [0, 0, 10, 100, 2000, 60000]
BODIES = [0, 10, 10, 10, 10, 300, 300, 5000, 5000, 90000]


def repeat(name, size):
    return (name * (size // len(name) + 1)).encode()[:size]


class HttpClient(threading.Thread):
    """One request after another, on a connection that is kept as long as it lasts."""

    def __init__(self, url, name, seed, rate):
        super().__init__(daemon=True)
        self.url, self.label, self.rate = url, name, rate
        self.random = random.Random(seed)
        self.requests = []
        self.going = threading.Event()
        self.client = None

    def run(self):
        while not self.going.is_set():
            self._one(f"{self.label}-{len(self.requests)}")
            self.going.wait(self.random.expovariate(self.rate))
        self._close()

    def _close(self):
        if self.client:
            self.client.close()
            self.client = None

    def _one(self, name):
        choose = self.random.choice
        method, wait, size = choose(METHODS), choose(WAITS), choose(ANSWERS)
        body = None if method == "GET" else repeat(name, choose(BODIES))
        fields = [("Idempotency-Key", name)] if method == "KEY" else []
        one = Request(name, method, "gateway", time.monotonic(), 0.0, "ok")
        try:
            if not self.client:
                self.client = Client(self.url, TIMEOUT * 3)
            answer = self.client.request(
                "POST" if method == "KEY" else method, f"/{name}/{wait}/{size}", fields=fields,
                body=body)
            self._check(one, answer, size)
        except (Closed, Malformed, ConnectionResetError, BrokenPipeError) as error:
            one.outcome, one.detail = "closed", repr(error)[:200]
        except socket.timeout:
            one.outcome = "silent"
        except OSError as error:
            one.outcome, one.detail = "unreachable", str(error)
        one.ended = time.monotonic()
        self.requests.append(one)
        if one.outcome != "ok":
            self._close()
            self.going.wait(0.02)

    def _check(self, one, answer, size):
        one.status, one.code = answer.status, answer.error or "-"
        if answer.status != 200:
            one.detail = answer.text[-200:]
        else:
            head, _, filler = answer.body.partition(b"\n")
            name, _, one.instance = head.decode("latin-1").partition(" ")
            good = (name == one.name == answer.get("Ledger-Id") and
                    filler == repeat(one.name, size))
            one.own = "good" if good else "mixed"
        if (answer.get("Connection") or "").lower() == "close":
            self._close()


class Load:
    def __init__(self, mesh, seed, rate, http_clients):
        self.ledgers, self.programs = [], []
        argv = [program("ledger_client")]
        for number in range(2):
            ledger = os.path.join(mesh.folder, f"c{number}.ledger")
            urls = mesh.urls().split(",")
            urls = ",".join(urls[number:] + urls[:number])
            with open(os.path.join(mesh.folder, f"c{number}.log"), "wb") as log:
                self.programs.append(subprocess.Popen(
                    [*argv, urls, HOST, f"c{number}", str(rate / 2), str(int(TIMEOUT * 1000)),
                     str(seed + number), ledger],
                    stdin=subprocess.PIPE, stdout=log, stderr=log,
                    env=clean_environment(mesh.folder)))
            self.ledgers.append(ledger)
        self.clients = [HttpClient(mesh.gateway_url, f"h{number}", seed * 100 + number, 6)
                        for number in range(http_clients)]
        for client in self.clients:
            client.start()

    def check(self):
        """The programs run on: they end only where something is wrong with them."""
        return [f"ledger_client ended with {one.poll()}" for one in self.programs
                if one.poll() is not None]

    def stop(self):
        """Ends it, and waits for what is under way. The problems with that, and all requests."""
        problems = self.check()
        for one in self.programs:
            one.stdin.close()
        for client in self.clients:
            client.going.set()
        for one in self.programs:
            try:
                code = one.wait(TIMEOUT + DEADLINE)
                if code and not problems:
                    problems.append(f"ledger_client ended with {code}")
            except subprocess.TimeoutExpired:
                problems.append("a ledger_client did not end: a request was never answered")
        requests = []
        for client in self.clients:
            client.join(TIMEOUT * 3 + DEADLINE)
            if client.is_alive():
                problems.append(f"HTTP client {client.label} did not end")
            requests += client.requests
        for ledger in self.ledgers:
            read = read_requests(ledger)
            problems += uncounted(ledger, read)
            requests += read
        return problems, requests

    def close(self):
        for one in self.programs:
            if one.poll() is None:
                one.kill()
            one.wait(DEADLINE)
        for client in self.clients:
            client.going.set()
