"""The ledger: what clients wrote down of each request, and services of each execution."""

import dataclasses
import json


@dataclasses.dataclass
class Request:
    """How one request ended, for the client."""

    name: str  # its id
    method: str  # GET, PUT, POST, or KEY: a POST with an Idempotency-Key
    way: str  # "library" or "gateway"
    sent: float
    ended: float
    outcome: str  # "ok": there was a response; else the error's code, or of plain HTTP:
    #               "closed", "silent", "unreachable"
    status: int = 0
    code: str = "-"  # NRT-Error
    attempts: int = None  # None: nobody knows
    own: str = "-"  # of a 200: "good", or "mixed" where it is another request's answer
    instance: str = "-"
    detail: str = ""

    @property
    def failed(self):
        return self.outcome != "ok" or not 200 <= self.status < 300

    @property
    def kind(self):
        """The class of its outcome."""
        if not self.failed:
            return "2xx"
        return self.outcome if self.outcome != "ok" else f"{self.status} {self.code}"


@dataclasses.dataclass
class Execution:
    at: float
    instance: str
    name: str
    method: str
    body: str  # "ok" or "mixed"


@dataclasses.dataclass
class Event:
    kind: str
    target: str
    alone: bool  # nothing else happened meanwhile
    begun: float = 0.0
    mended: float = 0.0  # restarted, resumed
    ended: float = 0.0  # nothing else was done until then

    @property
    def label(self):
        return f"{self.kind} of {self.target}"


def read_requests(path):
    """The file that ledger_client wrote."""
    requests = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("stats "):
                continue
            part = line.rstrip("\n").split(" ", 10)
            requests.append(Request(part[0], part[1], "library", float(part[2]), float(part[3]),
                                    part[4], int(part[5]), part[6], int(part[7]), part[8], part[9],
                                    part[10]))
    return requests


def uncounted(path, requests):
    """Attempts that the client's connection made and did not count as retries: a sentence each."""
    with open(path, encoding="utf-8") as lines:
        stats = [line.split() for line in lines if line.startswith("stats ")]
    if not stats:
        return [f"{path} has no stats: its client did not end well"]
    sent, _, _, refused, idempotent, _, _ = map(int, stats[0][1:])
    further = sum(max(one.attempts - 1, 0) for one in requests)
    problems = []
    if sent != len(requests):
        problems.append(f"{path}: {sent} requests counted, {len(requests)} written down")
    if further > refused + idempotent:
        problems.append(f"{path}: {further} further attempts, {refused + idempotent} counted")
    return problems


def read_executions(path):
    executions = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            at, instance, name, method, body = line.split()
            executions.append(Execution(float(at), instance, name, method, body))
    return executions


def read_attempts(log):
    """Of the gateway's log: the id of each request, and how often it was sent."""
    attempts = {}
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # cut short by kill -9
        if entry.get("event") == "request":
            attempts[entry["target"].split("/")[1]] = entry["attempts"]
    return attempts
