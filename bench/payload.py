"""What is asked and answered, the same in all rows: a GET with a head as browsers send it, and 1 KiB
of JSON with the fields that a file server gives it."""

import os
import re
import socket
import time

from processes import Failed

PATH = "/observations/berlin.json"

REQUEST_FIELDS = """\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0
Accept: application/json,text/html;q=0.9,*/*;q=0.8
Accept-Language: en-GB,en;q=0.7,de;q=0.3
Accept-Encoding: identity
Cache-Control: max-age=0
"""

RESPONSE_FIELDS = """\
Content-Type: application/json
Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT
ETag: "6955b900-400"
Accept-Ranges: bytes
"""

BODY_SIZE = 1024


def body():
    parts = []
    while sum(map(len, parts)) < BODY_SIZE:
        parts.append('{"hour": %d, "celsius": %.1f},' % (len(parts), 20 - len(parts) / 3))
    return "".join(parts)[:BODY_SIZE].encode()


class Payload:
    """The files in `folder` that programs and servers are given."""

    def __init__(self, folder):
        self.root = os.path.join(folder, "root")
        self.body = self.root + PATH
        self.request_fields = os.path.join(folder, "request-fields")
        self.response_fields = os.path.join(folder, "response-fields")
        self.subject = None  # these three once `capture` has seen them
        self.request = os.path.join(folder, "request")
        self.answer = os.path.join(folder, "answer")
        os.makedirs(os.path.dirname(self.body))
        write(self.body, body())
        os.utime(self.body, (1767225600, 1767225600))
        write(self.request_fields, REQUEST_FIELDS.encode())
        write(self.response_fields, RESPONSE_FIELDS.encode())

    def capture(self, port, ask):
        """Keeps the two messages that one exchange is on NATS: `ask` causes it. The official client
        sends just those."""
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            sock.sendall(b'CONNECT {"verbose":false}\r\nSUB > 1\r\nPING\r\n')
            stream = sock.makefile("rb")
            while stream.readline() != b"PONG\r\n":
                pass
            ask()
            messages = {}
            end = time.monotonic() + 10
            while len(messages) < 2 and time.monotonic() < end:
                words = stream.readline().split()
                if words[0] not in (b"MSG", b"HMSG"):
                    continue
                data = stream.read(int(words[-1]))
                stream.read(2)
                http = data[int(words[-2]):] if words[0] == b"HMSG" else data
                kind = "answer" if http.startswith(b"HTTP/1.1 ") else "request"
                if re.match(rb"GET |HTTP/1.1 200", http):
                    messages.setdefault(kind, (words[1].decode(), http))
        if len(messages) < 2:
            raise Failed("no exchange was seen on NATS")
        self.subject = messages["request"][0]
        write(self.request, messages["request"][1])
        write(self.answer, messages["answer"][1])

    def sizes(self):
        return {"request": os.path.getsize(self.request), "answer": os.path.getsize(self.answer),
                "body": BODY_SIZE}


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)
