"""tests/vectors/http1/cases.jsonl: HTTP/1.1 messages with known outcomes, and what of them has to
come out at the other end of a bridge."""

import base64
import json
import os
import re

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CASES = os.path.join(HERE, os.pardir, "vectors", "http1", "cases.jsonl")

HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
       "upgrade", "proxy-authorization", "proxy-authenticate", "proxy-authentication-info",
       "http2-settings"}
FRAMING = {"content-length", "transfer-encoding"}
# Said anew by a bridge, or by the service.
OURS = {"host", "via", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
        "expect", "date"}
# Nobody may have these removed by a Connection field.
KEPT = {"host", "content-length", "authorization", "cookie", "content-type", "content-encoding",
        "range", "set-cookie", "location"}


class Case:
    def __init__(self, number, data):
        self.number = number
        self.id = data["id"]
        self.kind = data["kind"]
        self.expect = data["expect"]
        self.complete = data["complete"]
        self.trailing = data.get("trailing_bytes") or 0
        self.whole = base64.b64decode(data["raw_b64"])
        # The one message that the verdict is about.
        self.raw = self.whole[:len(self.whole) - self.trailing]
        self.next_steps = [base64.b64decode(step) for step in data.get("next_steps_b64", ())]
        self.method = data.get("method") or self._first_word()
        self.target = data.get("target")
        self.status = data.get("status")
        self.headers = [tuple(pair) for pair in data.get("headers", ())]
        self.trailers = [tuple(pair) for pair in data.get("trailers", ())]
        self.body = base64.b64decode(data.get("body_b64", ""))

    def _first_word(self):
        word = re.match(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}", self.whole)
        return word.group(0).decode() if word else "GET"

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name]

    def elements(self, name):
        joined = ",".join(self.all(name)).lower()
        return {element.strip() for element in joined.split(",") if element.strip()}

    @property
    def minor(self):
        found = re.search(rb"HTTP/1\.([01])", self.raw.split(b"\n")[0])
        return int(found.group(1)) if found else 1

    def end_to_end(self):
        """The fields that a bridge has to hand on, in their order."""
        nominated = self.elements("connection") - KEPT
        return [(name, value) for name, value in self.headers
                if name.lower() not in HOP | FRAMING | OURS | nominated
                and not name.lower().startswith("nrt-")]

    def with_host(self, host):
        """The same message for another host, where it has one: of the same length, so that no
        length in it changes."""
        return re.sub(rb"(?im)^(host:[ \t]*)a\.example", rb"\g<1>" + host.encode(), self.raw)

    def __repr__(self):
        return f"{self.id}: {self.raw[:200]!r}"


def load():
    """Every case of the file; an AssertionError that says what to do where it is missing."""
    assert os.path.exists(CASES), (
        f"no {os.path.normpath(CASES)}: the vectors belong there (cases.jsonl, format in the "
        "README.md beside it)")
    with open(CASES, encoding="utf-8") as lines:
        return [Case(number, json.loads(line)) for number, line in enumerate(lines)]


def decided(kind, *verdicts):
    """The cases of a kind that every conforming reader has to agree on."""
    return [case for case in load() if case.kind == kind and case.expect in (verdicts or (
        "accept", "reject"))]


def missing_fields(case, message):
    """The end-to-end fields of the case that `message` has not, in their order; [] is right."""
    wanted = case.end_to_end()
    have = list(message.fields)
    lost = []
    for name, value in wanted:
        found = next((i for i, (other, text) in enumerate(have)
                      if other.lower() == name.lower() and text == value), None)
        if found is None:
            lost.append((name, value))
        else:
            have = have[found + 1:]
    return lost


class Verdict:
    """Collects what is wrong with each case, to tell of all of them at once."""

    def __init__(self):
        self.problems = []

    def check(self, right, case, what):
        if not right:
            self.problems.append(f"{case.id}: {what}\n      {case.raw[:160]!r}")
        return bool(right)

    def done(self, count):
        assert not self.problems, (
            f"{len(self.problems)} problems with {count} cases:\n  " + "\n  ".join(self.problems))
        assert count > 0
