"""HTTP servers behind a sidecar: one scripted byte for byte, and Python's own http.server."""

import http.server
import os
import socket
import struct
import threading

from .clock import DEADLINE, until
from .message import Malformed, Reader
from .tlssocket import TlsSocket


def plain(body, status="200 OK", fields=()):
    """A response framed by Content-Length."""
    body = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class Connection:
    """One accepted connection, as the script sees it."""

    def __init__(self, sock, number):
        self.sock, self.number = sock, number
        self.reader = Reader(sock)

    def secure(self, context):
        self.sock = TlsSocket(self.sock, context, server_side=True)
        self.reader = Reader(self.sock)

    def read(self, before_body=None):
        request = self.reader.request(before_body)
        request.connection = self.number
        return request

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def wait_closed(self):
        """Waits until the other side has closed; what still came."""
        try:
            return self.reader.rest()
        except ConnectionResetError:
            return b""

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def reset(self):
        """Closes with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Origin:
    """answer(request) returns bytes to send, or None to close; a bytes object answers everything.

    script(connection) instead plays a whole connection. `tls` is a context, for https://.
    """

    def __init__(self, answer=None, script=None, path=None, address="127.0.0.1", tls=None):
        self._answer = answer if callable(answer) else lambda request: answer
        self._script = script or self._serve
        self.path = path
        self.address = address
        self.tls = tls
        self.port = None
        self.requests = []
        self.failures = []  # what came in and was not HTTP
        self.connections = 0
        self._open = set()
        self._lock = threading.Lock()
        self._listener = None
        self.start()

    def start(self):
        if self.path:
            if os.path.exists(self.path):
                os.unlink(self.path)
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(self.path)
        else:
            family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
            self._listener = socket.create_server((self.address, self.port or 0), family=family)
            self.port = self._listener.getsockname()[1]
        self._listener.listen(512)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    @property
    def url(self):
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"unix:{self.path}" if self.path else f"http{'s' * bool(self.tls)}://{host}:{self.port}"

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if not self.path:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                connection = Connection(sock, self.connections)
                self._open.add(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        try:
            if self.tls:
                connection.secure(self.tls)
            self._script(connection)
        except Malformed as failure:
            self.failures.append(str(failure))
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _serve(self, connection):
        while True:
            request = connection.read(lambda head: expect(connection, head))
            self.requests.append(request)
            answer = self._answer(request)
            if answer is None:
                return
            connection.send(answer)

    def note(self, request):
        """For scripts: records a request that they read."""
        self.requests.append(request)
        return request

    @property
    def open_connections(self):
        with self._lock:
            return len(self._open)

    def wait_requests(self, count, timeout=None):
        until(lambda: len(self.requests) >= count, f"{count} requests at the origin", timeout)
        return self.requests

    def stop(self):
        """Stops as a process that ends does: the listener and every connection are closed."""
        if self._listener:
            try:
                self._listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self._listener.close()
            self._listener = None
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.close()

    def restart(self):
        self.stop()
        self.start()

    close = stop


def expect(connection, head):
    if (head.get("Expect") or "").lower() == "100-continue":
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")


class Gate:
    """Holds requests at an origin until open() is called: requests in flight without a sleep."""

    def __init__(self):
        self._event = threading.Event()
        self._entered = threading.Semaphore(0)

    def wait(self):
        self._entered.release()
        assert self._event.wait(DEADLINE * 2), "the gate was never opened"

    def wait_entered(self, count=1):
        for _ in range(count):
            assert self._entered.acquire(timeout=DEADLINE), "nobody came to the gate"

    def open(self):
        self._event.set()


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024  # its own, 5, drops connections under load, for seconds


class PythonServer:
    """Python's threaded http.server with keep-alive: an ordinary server that nobody scripted."""

    def __init__(self, handler=None):
        self.server = Server(("127.0.0.1", 0), handler or Echo)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the method, the target and the body that came."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        text = f"{self.command} {self.path} ".encode() + body
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = answer

    def log_message(self, *args):
        pass
