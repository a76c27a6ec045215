"""A NATS client written straight on the text protocol: the independent old peer of the tests.

Reads with one thread of its own; subscriptions are queues, or call a handler on that thread.
"""

import itertools
import json
import queue
import re
import secrets
import socket
import threading
import time
from urllib.parse import urlsplit

from .clock import DEADLINE


class Message:
    def __init__(self, subject, sid, reply, headers, payload):
        self.subject = subject
        self.sid = sid
        self.reply = reply
        self.headers = headers  # the raw header block of an HMSG, None for a MSG
        self.payload = payload
        self.at = time.monotonic()

    @property
    def status(self):
        """The status in the header block's first line: 503 where nobody listens."""
        found = re.match(rb"NATS/1\.0 (\d{3})", self.headers or b"")
        return int(found.group(1)) if found else None

    def __repr__(self):
        return f"<{self.subject} reply={self.reply} {self.headers!r} {self.payload!r}>"


class Subscription:
    def __init__(self, peer, sid, subject, handler):
        self.peer, self.sid, self.subject, self.handler = peer, sid, subject, handler
        self.messages = queue.Queue()

    def next(self, timeout=DEADLINE):
        try:
            return self.messages.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no message on {self.subject} in {timeout} s") from None

    def none_waiting(self):
        return self.messages.empty()

    def unsubscribe(self, after=None):
        self.peer.write(f"UNSUB {self.sid}{f' {after}' if after else ''}\r\n".encode())


class RawNats:
    def __init__(self, url, name="raw", headers=True, no_responders=True, **connect):
        where = urlsplit(url)
        self.sock = socket.create_connection((where.hostname, where.port), DEADLINE)
        self.sock.settimeout(None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.sock.makefile("rb")
        self._lock = threading.Lock()
        self._sids = itertools.count(1)
        self._subs = {}
        self._pongs = queue.Queue()
        self.errors = []
        self.closed = threading.Event()
        verb, _, rest = self._line().partition(b" ")
        assert verb == b"INFO", verb
        self.info = json.loads(rest)
        options = {
            "verbose": False, "pedantic": False, "tls_required": False, "name": name,
            "lang": "raw", "version": "0", "protocol": 1, "echo": True,
            "headers": headers, "no_responders": no_responders and headers,
        }
        if where.username:
            options["user"], options["pass"] = where.username, where.password
        options.update(connect)
        self.write(b"CONNECT " + json.dumps(options).encode() + b"\r\n")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.flush()

    def _line(self):
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        return line[:-2]

    def _read(self):
        try:
            while True:
                line = self._line()
                verb, _, rest = line.partition(b" ")
                if verb == b"PING":
                    self.write(b"PONG\r\n")
                elif verb == b"PONG":
                    self._pongs.put(True)
                elif verb == b"INFO":
                    self.info = json.loads(rest)
                elif verb == b"-ERR":
                    self.errors.append(rest.decode())
                elif verb in (b"MSG", b"HMSG"):
                    self._message(verb, rest.decode().split(" "))
                elif verb != b"+OK":
                    raise ConnectionError(f"unexpected line {line!r}")
        except (OSError, ValueError):
            pass
        finally:
            self.closed.set()
            self._pongs.put(False)

    def _message(self, verb, args):
        header_size = int(args.pop(-2)) if verb == b"HMSG" else None
        subject, sid, reply, size = args if len(args) == 4 else [args[0], args[1], None, args[2]]
        data = self._file.read(int(size))
        assert self._file.read(2) == b"\r\n"
        headers = None if header_size is None else data[:header_size]
        message = Message(subject, int(sid), reply, headers, data[header_size or 0:])
        sub = self._subs.get(message.sid)
        if sub is None:
            return
        if sub.handler:
            sub.handler(message)
        else:
            sub.messages.put(message)

    def write(self, data):
        with self._lock:
            self.sock.sendall(data)

    def flush(self, timeout=DEADLINE):
        """PING, and wait for the PONG: the server has seen all that was written before."""
        self.write(b"PING\r\n")
        try:
            alive = self._pongs.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError("no PONG in time") from None
        if not alive:
            raise ConnectionError(f"the server closed the connection: {self.errors}")

    def subscribe(self, subject, group=None, handler=None):
        sid = next(self._sids)
        sub = self._subs[sid] = Subscription(self, sid, subject, handler)
        self.write(f"SUB {subject} {f'{group} ' if group else ''}{sid}\r\n".encode())
        self.flush()
        return sub

    def publish(self, subject, payload=b"", reply=None, headers=None):
        to = f"{subject} {reply} " if reply else f"{subject} "
        if headers is None:
            head = f"PUB {to}{len(payload)}\r\n"
            block = b""
        else:
            block = headers if isinstance(headers, bytes) else header_block(headers)
            head = f"HPUB {to}{len(block)} {len(block) + len(payload)}\r\n"
        self.write(head.encode() + block + payload + b"\r\n")

    def inbox(self):
        return f"_INBOX.{secrets.token_hex(11)}"

    def request(self, subject, payload, headers=None, timeout=DEADLINE):
        """Publishes with an inbox of its own and returns the first message that comes back."""
        inbox = self.inbox()
        sub = self.subscribe(inbox)
        self.publish(subject, payload, inbox, headers)
        message = sub.next(timeout)
        sub.unsubscribe()
        return message

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._reader.join(2)
        self._file.close()
        self.sock.close()


def header_block(pairs):
    lines = "".join(f"{name}: {value}\r\n" for name, value in dict(pairs).items())
    return f"NATS/1.0\r\n{lines}\r\n".encode()


class SilentNats:
    """Takes connections like a nats-server would, and writes exactly what it is told to."""

    def __init__(self, greeting=b""):
        self.greeting = greeting
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.accepted = queue.Queue()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.sendall(self.greeting)
            self.accepted.put(sock)

    def close(self):
        self.listener.close()
        while not self.accepted.empty():
            self.accepted.get().close()
