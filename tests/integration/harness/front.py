"""The two gateways, by one set of options: `nrt gateway` (also with TLS), and nginx with nrt_pass."""

import os
import re
import signal

import pytest

from .clock import DEADLINE
from .message import assert_problem
from .nginx import Nginx
from .world import tls_args

# For tests that are to run with TLS, too: it has a reading and a writing of its own.
OVER_TLS = pytest.mark.parametrize("front", ["nrt", "nginx", "tls"], indirect=True)

# What nginx is told to say of the client, as `nrt gateway` does by itself.
FORWARDED = """
    nrt_set_header X-Forwarded-For $remote_addr;
    nrt_set_header X-Forwarded-Proto $scheme;
    nrt_set_header X-Forwarded-Host $http_host;
    nrt_set_header Via "1.1 nrt";
""" + "".join(f'nrt_set_header {name} "";' for name in (
    "Forwarded", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Ssl",
    "X-Forwarded-Scheme", "X-Forwarded-User"))

# As much head as `nrt gateway` takes.
HEADS = "large_client_header_buffers 16 8k;"

# Of the options of `nrt gateway`, the directives that mean the same.
DIRECTIVES = {
    "--timeout": "nrt_timeout {};",
    "--max-body": "nrt_max_body {};",
    "--prefix": "nrt_prefix {};",
    "--head-timeout": "client_header_timeout {};",
    "--idle-timeout": "keepalive_timeout {0}; client_body_timeout {0}; send_timeout {0};",
    "--max-requests": "keepalive_requests {};",
}


def directives(args, streams):
    """nginx's words for options of `nrt gateway`."""
    lines, retry = [], {}
    for name, value in zip(args[::2], args[1::2]):
        if name == "--route":
            path, host = value.split("=")
            assert path == "/", "other paths are nginx's own locations"
            lines.append(f"location / {{ nrt_pass {host}; }}")
        elif name in ("--retry", "--retry-on"):
            retry[name] = value
        else:
            lines.append(DIRECTIVES[name].format(value))
    if retry:
        conditions = retry.get("--retry-on", "refused,idempotent").replace("no-service", "no_service")
        tries = f" tries={int(retry['--retry']) + 1}" if "--retry" in retry else ""
        lines.append(f"nrt_retry {conditions.replace(',', ' ')}{tries};")
    if streams:
        lines.append("nrt_buffering off; nrt_request_buffering off;")
    return " ".join(lines)


class Front:
    """Called with a server and options, starts one of the two. A test that takes it runs for both."""

    def __init__(self, world, kind):
        self.world, self.kind = world, kind

    @property
    def is_nginx(self):
        return self.kind == "nginx"

    def __call__(self, server, *args, streams=False, env=None):
        """`streams`: bodies go on as they come, which nginx has to be told."""
        if self.kind == "tls":
            args = (*args, *tls_args())
        if not self.is_nginx:
            return self.world.gateway(server, *args, env=env)
        urls = getattr(server, "url", server).replace(",", " ")
        nginx = NginxFront(self.world, f"nrt_server {urls}; {HEADS} {FORWARDED} {directives(args, streams)}", connections=4096)
        nginx.env = env
        return nginx.start()

    def assert_refused(self, answer, status, *codes):
        """Our own answer, or that of nginx where it has not got to us: a page, with the same status."""
        if answer.error is None:
            assert answer.status == status and self.is_refusal(answer), answer
        else:
            assert_problem(answer, status, *codes)

    def is_refusal(self, answer):
        """Whether it is no answer of the service."""
        own = b"<center>nginx" in answer.body if answer.body else answer.get("NRT-ID") is None
        return bool(answer.error) or (self.is_nginx and own)


class NginxFront(Nginx):
    """With the face of a child of ours: what is asked of the process is asked of the worker."""

    def __init__(self, world, server, **more):
        super().__init__(world, server, **more)
        self.expected = 0

    def start(self):
        super().start()
        self.child.wait_line("nrt: connected to NATS")
        return self

    def status(self, field):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(rf"^{field}:\s+(\d+)", status.read(), re.M).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def pid(self):
        return self.worker_pids[0]

    @property
    def stderr(self):
        return self.child.stderr

    def wait(self, timeout=DEADLINE):
        return self.child.wait(timeout)

    def kill(self):
        """kill -9 of all its processes: a master that is gone leaves its workers."""
        pids = self.worker_pids
        self.child.expected = None
        self.child.kill()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def stop(self):
        """Finishes what is in flight, and the exit code."""
        self.child.signal(signal.SIGQUIT)
        return self.child.wait()


