"""A socket that speaks TLS, of a client or a server: one that can say that it writes no more and
still read (Python's own cannot), and that can be cut without a word."""

import atexit
import select
import shutil
import socket
import ssl
import tempfile
import threading

from .pki import Authority


class TlsSocket:
    """With the methods of a socket that the harness uses; the handshake is done when it is made."""

    def __init__(self, sock, context, server_side=False, name=None, session=None):
        self.sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side, name, session)
        self._lock, self._order = threading.Lock(), threading.Lock()
        self._unsent = b""
        self._do(self.tls.do_handshake)

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def _flush(self):
        """BlockingIOError where the socket, which does not block, takes no more now."""
        with self._order:
            with self._lock:
                self._unsent += self._out.read()
            while self._unsent:
                self._unsent = self._unsent[self.sock.send(self._unsent):]

    def _do(self, action):
        while True:
            try:
                with self._lock:
                    result = action()
            except ssl.SSLWantReadError:
                self._flush()
            except ssl.SSLError:
                self._flush()  # the alert
                raise
            else:
                try:
                    self._flush()
                except BlockingIOError:
                    pass
                return result
            data = self.sock.recv(65536)
            with self._lock:
                if data:
                    self._in.write(data)
                else:
                    self._in.write_eof()

    def sendall(self, data):
        with self._lock:
            self.tls.write(data)
        self._flush()

    def send(self, data):
        """For a socket that does not block: all of it counts as sent, or BlockingIOError."""
        self._flush()
        with self._lock:
            self.tls.write(data)
        try:
            self._flush()
        except BlockingIOError:
            pass
        return len(data)

    def recv(self, size):
        """b"" at the end that the other side has announced; ConnectionError where it did not."""
        try:
            return self._do(lambda: self.tls.read(size))
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as problem:
            raise ConnectionError(f"TLS was cut: {problem}") from problem

    def say_bye(self):
        """close_notify; reading goes on."""
        try:
            with self._lock:
                self.tls.unwrap()
        except ssl.SSLError:  # it would wait for the other side's
            pass
        self._flush()

    def shutdown(self, how):
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            try:
                self.say_bye()
            except OSError:
                pass
        self.sock.shutdown(how)

    def readable(self, timeout):
        with self._lock:
            waiting = self._in.pending or self.tls.pending()
        return bool(waiting) or bool(select.select([self.sock], [], [], timeout)[0])

    def close(self):
        self.sock.close()


class House:
    """An authority for all tests of this run, and a certificate for this machine."""

    _one = None

    def __init__(self):
        folder = tempfile.mkdtemp(prefix="nrt-test-house-")
        atexit.register(shutil.rmtree, folder, True)
        self.ca = Authority(folder, "the house")
        self.cert, self.key = self.ca.issue("house")

    @classmethod
    def get(cls):
        cls._one = cls._one or cls()
        return cls._one

    def client(self, **versions):
        return client_context(self.ca.cert, **versions)


def client_context(ca, maximum=None, protocols=("http/1.1",)):
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(protocols)
    if maximum:
        context.maximum_version = maximum
    return context


def server_context(pair, maximum=None, client_ca=None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
    context.load_cert_chain(*pair)
    context.set_alpn_protocols(["http/1.1"])
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    if maximum:
        context.maximum_version = maximum
    return context
