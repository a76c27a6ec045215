"""A collector of traces: OTLP over HTTP, read strictly. What is not by opentelemetry-proto's
trace.proto in its JSON form is noted as a failure: a member that is not in it, a wrong type, ids that are
no ids."""

import json
import re

from .clock import until
from .origin import Origin, plain

TAKEN = plain(b"{}", fields=[("Content-Type", "application/json")])
ID = re.compile(r"[0-9a-f]{32}")
SPAN_ID = re.compile(r"[0-9a-f]{16}")
KINDS = {2: "SERVER", 3: "CLIENT"}


class Wrong(AssertionError):
    pass


def check(condition, what):
    if not condition:
        raise Wrong(what)


def members(thing, where, required, optional=()):
    check(isinstance(thing, dict), f"{where} is no object: {thing!r}")
    unknown = set(thing) - {*required, *optional}
    check(not unknown, f"{where} has {unknown}")
    check(set(required) <= set(thing), f"{where} lacks {set(required) - set(thing)}")
    return thing


def whole(text, where):
    """A 64-bit number: a string of digits."""
    check(isinstance(text, str) and re.fullmatch(r"0|[1-9]\d*", text) and int(text) < 2**63, f"{where}: {text!r}")
    return int(text)


def attributes(found, where):
    check(isinstance(found, list), f"{where} is no list")
    values = {}
    for one in found:
        members(one, f"{where}: an attribute", ["key", "value"])
        check(isinstance(one["key"], str) and one["key"], f"{where}: {one}")
        check(one["key"] not in values, f"{where}: {one['key']} is there twice")
        (kind, value), = members(one["value"], f"{where}: {one['key']}", [], ["stringValue", "intValue"]).items()
        if kind == "intValue":
            value = whole(value, f"{where}: {one['key']}")
        check(isinstance(value, (str, int)), f"{where}: {one}")
        values[one["key"]] = value
    return values


class Span:
    def __init__(self, found, resource):
        members(found, "a span", ["traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
                                  "attributes", "status", "flags"], ["parentSpanId", "traceState"])
        self.resource = resource
        self.trace, self.id, self.parent = found["traceId"], found["spanId"], found.get("parentSpanId")
        check(ID.fullmatch(self.trace) and int(self.trace, 16), f"traceId: {self.trace!r}")
        check(SPAN_ID.fullmatch(self.id) and int(self.id, 16), f"spanId: {self.id!r}")
        check(self.parent is None or (SPAN_ID.fullmatch(self.parent) and int(self.parent, 16)), f"{found}")
        check(isinstance(found["name"], str) and found["name"], f"name: {found['name']!r}")
        check(found["kind"] in KINDS and isinstance(found["flags"], int), f"kind, flags: {found}")
        self.name, self.kind, self.flags = found["name"], KINDS[found["kind"]], found["flags"]
        self.began = whole(found["startTimeUnixNano"], "startTimeUnixNano")
        self.ended = whole(found["endTimeUnixNano"], "endTimeUnixNano")
        check(self.began <= self.ended, f"it ends before it begins: {found}")
        self.attributes = attributes(found["attributes"], "a span")
        status = members(found["status"], "status", [], ["code", "message"])
        check(status.get("code", 0) in (0, 2) and isinstance(status.get("message", ""), str), f"status: {status}")
        self.failed, self.message = status.get("code") == 2, status.get("message", "")

    def __getitem__(self, name):
        return self.attributes[name]

    def get(self, name):
        return self.attributes.get(name)


def spans(body):
    """Those of one ExportTraceServiceRequest."""
    found = []
    for group in members(json.loads(body), "the request", ["resourceSpans"])["resourceSpans"]:
        members(group, "resourceSpans", ["resource", "scopeSpans"])
        resource = attributes(members(group["resource"], "resource", ["attributes"])["attributes"], "resource")
        check(resource.get("service.name"), f"who sends it? {resource}")
        for scope in group["scopeSpans"]:
            members(scope, "scopeSpans", ["scope", "spans"])
            check(members(scope["scope"], "scope", ["name", "version"])["name"] == "nrt", f"{scope['scope']}")
            found += [Span(one, resource) for one in scope["spans"]]
    check(found, "no spans at all")
    return found


class Collector(Origin):
    """answer(request) says what it answers instead of taking them: bytes, or None to hang up."""

    def __init__(self, answer=None, target="/v1/traces", **more):
        self.spans, self.batches, self.wrong, self.target = [], [], [], target
        self.instead = answer or (lambda request: TAKEN)
        super().__init__(self._take, **more)

    def _take(self, request):
        try:
            check((request.method, request.target) == ("POST", self.target), f"{request.method} {request.target}")
            check(request.get("Content-Type") == "application/json", f"type {request.get('Content-Type')}")
            found = spans(request.body)
        except (Wrong, ValueError) as error:
            self.wrong.append(str(error))
            return plain(b"{}", "400 Bad Request")
        answer = self.instead(request)
        if answer == TAKEN:
            self.spans += found
            self.batches.append(len(found))
        return answer

    def wait_spans(self, count):
        """At least as many, once they are there: none of them twice."""
        until(lambda: self.wrong or len(self.spans) >= count, f"{count} spans at the collector")
        assert not self.wrong, self.wrong
        assert len({span.id for span in self.spans}) == len(self.spans)
        return self.spans
