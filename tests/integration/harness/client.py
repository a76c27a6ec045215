"""HTTP clients of the gateway: raw bytes on a socket, and the real curl."""

import json
import os
import re
import select
import socket
import subprocess

from .clock import DEADLINE
from .message import Closed, Reader
from .tlssocket import House, TlsSocket


class Client:
    """One connection to a gateway, `http://ADDR:PORT` or `unix:/path`, or to any HTTP server. With
    https:// it trusts the house (harness/tlssocket.py), unless there is another context."""

    def __init__(self, url, timeout=DEADLINE, context=None, name=None, session=None):
        if url.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(url[5:])
        else:
            scheme, host, port = re.fullmatch(r"(https?)://\[?([^/\]]+)\]?:(\d+)/?", url).groups()
            self.sock = socket.create_connection((host, int(port)), timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if scheme == "https":
                try:
                    self.sock = TlsSocket(self.sock, context or House.get().client(), False, name or host, session)
                except BaseException:
                    self.sock.close()
                    raise
        self.reader = Reader(self.sock)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def send(self, *parts):
        for part in parts:
            self.sock.sendall(part if isinstance(part, bytes) else part.encode("latin-1"))

    def answer(self, method="GET"):
        return self.reader.answer(method)

    def interim(self):
        return self.reader.interim()

    def request(self, method, target, host="gateway.test", fields=(), body=None):
        self.send(request_bytes(method, target, host, fields, body))
        return self.answer(method)

    def get(self, target, **more):
        return self.request("GET", target, **more)

    def post(self, target, body, **more):
        return self.request("POST", target, body=body, **more)

    def at_end(self):
        """True when the other side closes without another byte."""
        if self.reader.buffer:
            return False
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def readable(self, timeout):
        if self.reader.buffer:
            return True
        if isinstance(self.sock, TlsSocket):
            return self.sock.readable(timeout)
        return bool(select.select([self.sock], [], [], timeout)[0])

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()


def request_bytes(method, target, host="gateway.test", fields=(), body=None):
    lines = [f"{method} {target} HTTP/1.1"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def is_listening(url):
    try:
        Client(url, 1).close()
        return True
    except OSError:
        return False


class CurlResult:
    def __init__(self, done):
        self.code = done.returncode
        self.body = done.stdout
        self.errors = done.stderr.decode("utf-8", "replace")

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<curl exit {self.code}: {self.body!r} {self.errors!r}>"


def curl(*args, env=None, data=None):
    """The real curl: its exit code, standard output and error. It trusts the house, too."""
    clean = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    if any("https://" in str(arg) for arg in args):
        clean["CURL_CA_BUNDLE"] = House.get().ca.cert
    clean.update(env or {})
    argv = ["curl", "-q", "-sS", "--max-time", str(int(DEADLINE * 3)), *map(str, args)]
    return CurlResult(subprocess.run(argv, capture_output=True, env=clean, input=data, check=False))


__all__ = ["Client", "Closed", "curl", "is_listening", "request_bytes"]
