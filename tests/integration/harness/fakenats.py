"""A NATS server that lies: greets as it is told to, and then writes whatever the test wants."""

import json
import queue
import socket
import threading

from .clock import DEADLINE

INFO = {
    "server_id": "X", "server_name": "fake", "version": "2.9.10", "proto": 1, "headers": True,
    "max_payload": 1048576, "client_id": 7, "auth_required": False,
}

PROBE = "_INBOX.nrt.probe"  # by it a service learns whether it may publish to inboxes


def info(**changes):
    return b"INFO " + json.dumps({**INFO, **changes}).encode() + b"\r\n"


class Session:
    """One connection of a client to the fake server."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.settimeout(DEADLINE)
        self.file = sock.makefile("rb")
        self.subs = {}  # subject -> sid

    def send(self, data):
        self.sock.sendall(data)

    def line(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the client closed")
        return line.rstrip(b"\r\n")

    def handshake(self):
        """CONNECT, SUBs and the PONG for the PING behind them, as a good server does. Services ask before, with a PUB and a PING."""
        asked = False
        while True:
            verb, _ = self._step()
            if verb == b"PING" and not asked:
                return self
            asked = verb == b"PUB" or asked and verb != b"PING"

    def _step(self):
        """One operation of the client: SUBs are remembered, PINGs answered."""
        verb, *words = self.line().split(b" ")
        if verb == b"SUB":
            self.subs[words[0].decode()] = words[-1].decode()
        elif verb == b"PING":
            self.send(b"PONG\r\n")
        return verb, words

    def sid(self, start):
        """Of the subscription that begins so; waits for it."""
        while True:
            for subject, sid in self.subs.items():
                if subject.startswith(start):
                    return sid
            self._step()

    def publish(self):
        """The next PUB of the client: subject, reply and payload; answers its PINGs meanwhile."""
        while True:
            verb, words = self._step()
            if verb == b"PUB":
                payload = self.file.read(int(words[-1]) + 2)[:-2]
                if words[0] != PROBE.encode():
                    return words[0].decode(), words[1].decode() if len(words) == 3 else None, payload

    def wait_closed(self):
        """Reads until the client closes, and answers its PINGs: it may want to drain."""
        try:
            while line := self.file.readline():
                if line.startswith(b"PING"):
                    self.send(b"PONG\r\n")
        except OSError:
            pass

    def hang_up(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        self.hang_up()
        self.sock.close()


class FakeNats:
    """script(session) plays each connection; its end closes that."""

    def __init__(self, script):
        self.script = script
        self.sessions = queue.Queue()
        self.count = 0
        self.failures = []
        self.open = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
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
            self.count += 1
            self.open.append(Session(sock))
            threading.Thread(target=self._run, args=(self.open[-1],), daemon=True).start()

    def _run(self, session):
        try:
            self.script(session)
        except OSError:
            pass
        except Exception as failure:  # pylint: disable=broad-except
            self.failures.append(repr(failure))
        finally:
            session.close()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for session in self.open:
            session.hang_up()
