"""Everything one test has started: it is stopped, and checked, when the test is over."""

import glob
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile

from .child import Child
from .client import Client
from .clock import DEADLINE
from .natsserver import NatsServer
from .origin import Origin, PythonServer
from .rawnats import RawNats
from .tlssocket import House

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(
    os.environ.get("NRT_BUILD") or os.path.join(HERE, os.pardir, os.pardir, "build")
)
NRT = os.path.join(BUILD, "nrt")


def program(name):
    """A C program of tests/integration/programs."""
    return os.path.join(BUILD, "tests", "integration", name)


def sanitized(*kinds):
    """Whether the build under test carries a sanitizer (of these kinds: asan, tsan), whose memory and time are
    another matter."""
    with open(NRT, "rb") as binary:
        data = binary.read()
    return any(f"__{kind}_init".encode() in data for kind in kinds or ("asan", "tsan"))


# What no program of ours may ever write, in whatever test: seeds of nkeys, JWTs, credentials in URLs.
SECRETS = re.compile(r"\bS[UAO][A-Z2-7]{56}\b|\beyJ[\w-]{12,}\.|\b(?:nats|tls)://(?!\*+@|user:password@host)[^\s/@\"']+@\S+")


class Nrt(Child):
    """A program of ours that runs until SIGTERM."""

    def __init__(self, argv, name, env=None, **more):
        assert os.access(argv[0], os.X_OK), f"no {argv[0]}: build first, or set NRT_BUILD"
        clean = {
            key: value for key, value in os.environ.items()
            if not key.startswith(("NATS_", "NRT_", "WEATHER_")) and "proxy" not in key.lower()
        }
        clean.update(env or {})
        super().__init__(argv, name, env=clean, **more)
        self.expected = 0  # the exit code at the end of the test; None: any
        self.url = None


class World:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="nrt-test-")
        self._servers, self._children, self._origins, self._clients = [], [], [], []

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, data):
        with open(self.path(name), "wb") as out:
            out.write(data if isinstance(data, bytes) else data.encode())
        return self.path(name)

    # ---- NATS --------------------------------------------------------------------------------

    def nats(self, **options):
        server = NatsServer(self.folder, **options)
        self._servers.append(server)
        return server.start()

    def peer(self, server, **options):
        url = server if isinstance(server, str) else server.url
        peer = RawNats(url, **options)
        self._clients.append(peer)
        return peer

    # ---- HTTP --------------------------------------------------------------------------------

    def origin(self, answer=None, **options):
        origin = Origin(answer, **options)
        self._origins.append(origin)
        return origin

    def python_server(self, handler=None):
        server = PythonServer(handler)
        self._origins.append(server)
        return server

    def client(self, gateway, **options):
        """A kept connection to a gateway."""
        client = Client(gateway if isinstance(gateway, str) else gateway.url, **options)
        self._clients.append(client)
        return client

    def closing(self, thing):
        """Has thing.close() called at the end."""
        self._clients.append(thing)
        return thing

    # ---- programs of ours --------------------------------------------------------------------

    def start(self, argv, name=None, env=None, **options):
        # No context of whoever runs the tests; a test makes its own below this folder.
        env = {"XDG_CONFIG_HOME": self.path("config"), **(env or {})}
        child = Nrt(argv, name or os.path.basename(str(argv[0])), env=env, **options)
        self._children.append(child)
        return child

    def nrt(self, *args, name=None, **options):
        return self.start([NRT, *args], name or f"nrt {args[0]}", **options)

    def program(self, name, *args, **options):
        return self.start([program(name), *args], name, **options)

    def serve(self, server, *pairs, args=(), wait=True, env=None):
        """nrt serve HOST TARGET [HOST TARGET]... until each has its ready line."""
        pairs = [pair if isinstance(pair, str) else pair.url for pair in pairs]
        child = self.nrt("serve", "--server", url_of(server), *args, *pairs, env=env)
        for host in pairs[::2] if wait else ():
            child.wait_line(rf"serving {re.escape(host.lower())} on ")
        return child

    def gateway(self, server, *args, listen="0", wait=True, env=None):
        if os.environ.get("NRT_TEST_TLS") and "--tls-cert" not in args and not listen.startswith("unix:"):
            args = (*args, *tls_args())
        child = self.nrt("gateway", "--server", url_of(server), "--listen", listen, *args, env=env)
        if wait:
            child.url = child.wait_line(r"listening on ((https?://|unix:)\S+)").group(1)
        return child

    def handlers(self, server, host, workers=0, max_in_flight=0):
        """The test service programs/handlers.c, ready."""
        child = self.program("handlers", url_of(server), host, workers, max_in_flight)
        child.wait_line(r"^ready$", "stdout")
        return child

    def run(self, argv, expect=0, data=None, timeout=DEADLINE * 2, env=None):
        """Runs to the end and checks the exit code; expect=None: any."""
        child = self.start(argv, env=env, stdin=subprocess.PIPE if data is not None else
                           subprocess.DEVNULL)
        if data is not None:
            try:
                child.stdin.write(data)
                child.stdin.close()
            except BrokenPipeError:
                pass
        code = child.wait(timeout)
        child.expected = None
        child.check_sanitizers()
        assert expect is None or code == expect, f"exit code {code}:\n{child.transcript()}"
        return child

    def get(self, server, *args, **options):
        """nrt get, to its end."""
        return self.run([NRT, "get", "--server", url_of(server), *args], **options)

    # ---- the end -----------------------------------------------------------------------------

    def finish(self):
        """Stops everything; the problems that show only now."""
        problems = []
        for client in self._clients:
            client.close()
        for child in self._children:
            child.signal(15)
        for child in self._children:
            problems += self._end(child)
        problems += self.reports()
        for thing in self._origins:
            thing.close()
        for server in self._servers:
            server.kill()
        return problems

    def reports(self):
        """What sanitizers and valgrind say of nginx, in files (harness/nginx.py). A leak counts where
        our code has allocated, or where a request or a client's connection was not given back: nginx
        leaves much else to the kernel."""
        ours, found = re.compile(r"ngx_http_nrt|unknown module|ngx_http_create_request|ngx_event_accept"), []
        for path in glob.glob(self.path("nginx-*/report.*")):
            with open(path, encoding="utf-8", errors="replace") as report:
                text = report.read()
            if "LeakSanitizer" in text:
                text = "\n\n".join(block for block in text.split("\n\n") if " leak of " in block and ours.search(block))
            found += [f"{path}:\n{text}"] if text else []
        return found

    def _end(self, child):
        try:
            code = child.wait()
            child.check_sanitizers()
            secret = SECRETS.search(child.stdout + child.stderr)
            if secret:
                return [f"{child.name} wrote a secret, {secret.group()}:\n{child.transcript()}"]
            if child.expected is not None and code != child.expected:
                return [f"{child.name} ended with exit code {code}:\n{child.transcript()}"]
        except AssertionError as problem:
            child.kill()
            return [str(problem)]
        return []

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def logs(self):
        """For the report of a failed test."""
        parts = [child.transcript() for child in self._children]
        parts += [f"nats-server {server.name}:\n{server.log()[-4000:]}" for server in self._servers]
        for origin in self._origins:
            if isinstance(origin, Origin):
                parts.append(f"origin {origin.url}: {origin.requests[-5:]} {origin.failures}")
        return "\n\n".join(parts)


def tls_args():
    """Options of a gateway whose clients trust the house."""
    house = House.get()
    return ("--tls-cert", house.cert, "--tls-key", house.key)


def url_of(server):
    return server if isinstance(server, str) else server.url


def free_port():
    """A port that was free a moment ago, for programs that cannot pick one: none of those that the
    kernel gives to connections, which would take it meanwhile."""
    while True:
        try:
            with socket.create_server(("127.0.0.1", random.randint(10000, 32000))) as sock:
                return sock.getsockname()[1]
        except OSError:
            pass
