"""The bytes that the Go original puts on the wire, written out by hand.

What http.Request.Write and http.Response.Write of Go's net/http make: the response's protocol is
HTTP/0.0 whenever the handler set a status, because the original then leaves Proto at its zero.
"""

REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified", 400: "Bad Request",
    404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable",
}
OWN = [("Nrt-Client", "7"), ("Nrt-Connected-Server", "oldserver"), ("Nrt-Id", "GoNuid0123456789abcdef")]


def request(method, target, host, body=None, chunked=False, fields=()):
    """http.Request.Write: Content-Length for a body of known size, else chunked."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "User-Agent: Go-http-client/1.1"]
    payload = b""
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        payload = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    elif body is not None:
        lines.append(f"Content-Length: {len(body)}")
        payload = body
    lines += [f"{name}: {value}" for name, value in sorted(fields)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def request_headers(method, path, host):
    """The NATS headers that the original's client adds."""
    return {"NRT-Method": method, "NRT-Path": path, "NRT-HostName": host}


def response(status=None, body=None, fields=(), content_type="text/plain; charset=utf-8"):
    """http.Response.Write after a handler that called WriteHeader(status) and Write(body).

    status None and a body: Write alone, which sets HTTP/1.1 200. Both None: a handler that did
    nothing, whose status is 000.
    """
    proto = "HTTP/1.1" if status is None and body is not None else "HTTP/0.0"
    code = 200 if proto == "HTTP/1.1" else (status or 0)
    reason = REASONS.get(code, f"status code {code}")
    rest = list(fields) + OWN
    if body is not None:
        rest.append(("Content-Type", content_type))
    lines = [f"{proto} {code:03d} {reason}"]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in sorted(rest)]
    if not body and code not in (204, 304):
        lines.append("Content-Length: 0")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class OldService:
    """The original's server on a RawNats connection: queue group nrt, no look at NATS headers.

    answer(payload) returns the reply's bytes, or None for a service that stays silent.
    """

    def __init__(self, peer, host, answer, prefix="nrt"):
        self.peer = peer
        self.answer = answer if callable(answer) else lambda payload: answer
        self.requests = []
        self.sub = peer.subscribe(f"{prefix}.requests.{host}.*", "nrt", self._handle)

    def _handle(self, message):
        self.requests.append(message)
        reply = self.answer(message.payload)
        if reply is not None:
            self.peer.publish(message.reply, reply)
