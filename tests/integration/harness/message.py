"""HTTP/1.1 messages read strictly: what is not well-formed fails the test that reads it."""

import json
import re

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class Malformed(AssertionError):
    pass


class Closed(ConnectionError):
    """The other side closed where a message should begin."""


class Head:
    def __init__(self, raw):
        self.raw = raw
        start, *lines = raw[:-4].split(b"\r\n")
        if b"\n" in start or any(b"\n" in line or b"\r" in line for line in lines):
            raise Malformed(f"bare CR or LF in {raw!r}")
        self.start = start.decode("latin-1")
        self.fields = []
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not TOKEN.match(name):
                raise Malformed(f"field line {line!r}")
            self.fields.append((name.decode(), value.strip(b" \t").decode("latin-1")))

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def get(self, name):
        """The one value of a field, None where it is absent; repeated fields fail."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is repeated: {values}"
        return values[0] if values else None

    def names(self):
        return [name.lower() for name, _ in self.fields]


class Answer(Head):
    """A response."""

    def __init__(self, raw):
        super().__init__(raw)
        match = re.fullmatch(r"HTTP/1\.([01]) (\d{3}) ([^\r\n]*)", self.start)
        if not match:
            raise Malformed(f"status line {self.start!r}")
        self.minor, self.status, self.reason = int(match[1]), int(match[2]), match[3]
        self.body = b""
        self.trailers = []

    @property
    def text(self):
        return self.body.decode()

    @property
    def error(self):
        return self.get("NRT-Error")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.raw.decode('latin-1')}{self.body[:300]!r}>"


class Request(Head):
    def __init__(self, raw):
        super().__init__(raw)
        match = re.fullmatch(r"([^ ]+) ([^ ]+) HTTP/1\.([01])", self.start)
        if not match:
            raise Malformed(f"request line {self.start!r}")
        self.method, self.target, self.minor = match[1], match[2], int(match[3])
        self.body = b""
        self.trailers = []
        self.connection = None  # which connection of an origin it came on, from 1

    def __repr__(self):
        return f"<{self.raw.decode('latin-1')}{self.body[:300]!r}>"


class Reader:
    """Reads messages off a socket or, with None, off bytes that are all there is."""

    def __init__(self, sock=None, data=b""):
        self.sock = sock
        self.buffer = data

    def _more(self):
        chunk = self.sock.recv(65536) if self.sock else b""
        self.buffer += chunk
        return bool(chunk)

    def until(self, mark, what):
        while mark not in self.buffer:
            if not self._more():
                if not self.buffer:
                    raise Closed(f"closed before {what}")
                raise Malformed(f"closed in the middle of {what}: {self.buffer!r}")
        end = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:end], self.buffer[end:]
        return taken

    def exactly(self, count):
        have, more = len(self.buffer), []
        try:
            while have < count:
                more.append(self.sock.recv(1 << 18) if self.sock else b"")
                have += len(more[-1])
                if not more[-1]:
                    break
        finally:
            self.buffer += b"".join(more)
        if have < count:
            raise Malformed(f"closed {count - have} bytes before the body's end")
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def rest(self):
        while self._more():
            pass
        taken, self.buffer = self.buffer, b""
        return taken

    def head(self, kind):
        return kind(self.until(b"\r\n\r\n", f"the head of a {kind.__name__.lower()}"))

    def body(self, message, framed_by_close):
        length, coding = message.get("Content-Length"), message.get("Transfer-Encoding")
        if length is not None and coding is not None:
            raise Malformed(f"both Content-Length and Transfer-Encoding: {message.raw!r}")
        if coding is not None:
            assert coding.lower() == "chunked", coding
            assert message.minor == 1, f"chunked in HTTP/1.0: {message.raw!r}"
            message.body, message.trailers = self._chunks()
        elif length is not None:
            if not re.fullmatch(r"\d+", length):
                raise Malformed(f"Content-Length {length!r}")
            message.body = self.exactly(int(length))
        elif framed_by_close:
            message.body = self.rest()

    def _chunks(self):
        body = b""
        while True:
            line = self.until(b"\r\n", "a chunk size")
            if not re.fullmatch(rb"[0-9A-Fa-f]+\r\n", line):
                raise Malformed(f"chunk size {line!r}")
            size = int(line, 16)
            if size == 0:
                break
            body += self.exactly(size)
            if self.exactly(2) != b"\r\n":
                raise Malformed("a chunk without its CRLF")
        lines = b""
        while True:
            line = self.until(b"\r\n", "trailers")
            if line == b"\r\n":
                break
            lines += line
        return body, Head(b"x\r\n" + lines + b"\r\n").fields if lines else []

    def answer(self, method="GET"):
        """One final response to `method`; a 1xx before it is left to interim()."""
        answer = self.head(Answer)
        assert answer.status >= 200, f"an interim response: {answer!r}"
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        self.body(answer, framed_by_close=True)
        return answer

    def interim(self):
        answer = self.head(Answer)
        assert answer.status < 200, f"a final response: {answer!r}"
        return answer

    def request(self, before_body=None):
        request = self.head(Request)
        if before_body:
            before_body(request)
        self.body(request, framed_by_close=False)
        return request


def parse_answer(payload, method="GET"):
    """Exactly one response that is all of `payload`, as in a NATS reply."""
    reader = Reader(data=payload)
    answer = reader.answer(method)
    assert not reader.buffer, f"bytes after the response: {reader.buffer!r}"
    return answer


def parse_request(payload):
    reader = Reader(data=payload)
    request = reader.request()
    assert not reader.buffer, f"bytes after the request: {reader.buffer!r}"
    return request


def assert_problem(answer, status, *codes):
    """An error of the system itself: status, NRT-Error, and RFC 9457's body. Returns that body."""
    assert answer.status == status, answer
    assert answer.error in codes, answer
    assert answer.get("Content-Type") == "application/problem+json", answer
    problem = answer.json
    assert problem["status"] == status, problem
    assert isinstance(problem["title"], str) and problem["title"], problem
    return problem
