"""TLS from the other side: a terminator in front of a plain nats-server, and servers that get no
further than the handshake."""

import socket
import ssl
import threading

from .clock import DEADLINE
from .fakenats import info


def handshake_only(context):
    """A script for FakeNats: greets, asks for TLS, and tries it."""
    def script(session):
        session.send(info(tls_required=True))
        try:
            context.wrap_socket(session.sock, server_side=True).close()
        except (ssl.SSLError, OSError):
            pass

    return script


class Terminator:
    """TLS on one side, plain bytes on the other. With `piece`, TLS goes out in pieces of so many
    bytes, one packet each. `names` are those that clients asked for (SNI)."""

    def __init__(self, server, context, piece=0):
        self.server, self.context, self.piece = server, context, piece
        self.names, self.open = [], []
        self.context.sni_callback = lambda sock, name, _: self.names.append(name)
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"tls://127.0.0.1:{self.listener.getsockname()[1]}"

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(sock)
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock):
        """TLS in memory: what is to be sent can be cut as one likes, and one thread at a time
        touches it."""
        incoming, outgoing, lock = ssl.MemoryBIO(), ssl.MemoryBIO(), threading.Lock()
        peer = self.context.wrap_bio(incoming, outgoing, server_side=True)
        sock.settimeout(DEADLINE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while not self._shake(peer):
                self._send(sock, outgoing)
                data = sock.recv(65536)
                if not data:
                    return
                incoming.write(data)
            self._send(sock, outgoing)
            sock.settimeout(None)
            plain = socket.create_connection(("127.0.0.1", self.server.port))
            self.open.append(plain)
            threading.Thread(target=self._back, args=(plain, sock, peer, outgoing, lock),
                             daemon=True).start()
            while True:
                with lock:
                    data = self._read(peer)
                if data:
                    plain.sendall(data)
                    continue
                got = sock.recv(65536)
                if not got:
                    break
                with lock:
                    incoming.write(got)
            plain.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        finally:
            sock.close()

    def _back(self, plain, sock, peer, outgoing, lock):
        try:
            while data := plain.recv(65536):
                with lock:
                    peer.write(data)
                    self._send(sock, outgoing)
        except OSError:
            pass
        _hang_up(sock)

    @staticmethod
    def _shake(peer):
        try:
            peer.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False

    @staticmethod
    def _read(peer):
        try:
            return peer.read(65536)
        except ssl.SSLWantReadError:
            return b""

    def _send(self, sock, outgoing):
        data = outgoing.read()
        size = self.piece or len(data) or 1
        for start in range(0, len(data), size):
            sock.sendall(data[start:start + size])

    def close(self):
        _hang_up(self.listener)
        self.listener.close()
        for sock in self.open:
            _hang_up(sock)


def _hang_up(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class Secured:
    """TLS on a session of FakeNats, record by record."""

    def __init__(self, session, context):
        self.sock = session.sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.peer = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.rest = b""
        self._do(self.peer.do_handshake)

    def _do(self, action):
        while True:
            try:
                result = action()
                self.send()
                return result
            except ssl.SSLWantReadError:
                self.send()
                data = self.sock.recv(65536)
                if not data:
                    raise ConnectionError("the client closed") from None
                self.incoming.write(data)

    def send(self, *records):
        """Each in a record of its own, all in one piece."""
        for record in records:
            self.peer.write(record)
        data = self.outgoing.read()
        if data:
            self.sock.sendall(data)

    def line(self):
        while b"\r\n" not in self.rest:
            self.rest += self._do(lambda: self.peer.read(65536))
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line
