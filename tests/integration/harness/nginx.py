"""The real nginx with our module, started privately in a folder of the test."""

import os
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from .clock import until
from .client import is_listening
from .world import BUILD, HERE, free_port, sanitized

MODULE = os.path.join(BUILD, "src", "nginx", "ngx_http_nrt_module.so")
BINARY = shutil.which("nginx") or "/usr/sbin/nginx"

MAIN = """
load_module {module};
user {user};
worker_processes {workers};
daemon {daemon};
pid {folder}/nginx.pid;
error_log {log} info;
{main}
events {{ worker_connections {connections}; }}
http {{
    access_log {folder}/access.log;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    server {{
        listen 127.0.0.1:{port}{listen};
        {server}
    }}
}}
"""


class Nginx:
    def __init__(self, world, server, http="", workers=1, **more):
        """`more`: what else the configuration has: main (text), user, connections (for each worker),
        listen (parameters), daemon ("on": its log is a file then)."""
        if not os.path.exists(MODULE) or not os.path.exists(BINARY):
            pytest.skip("nginx or its module is not there: nginx-dev brings what the module is built with")
        self.world, self.port = world, free_port()
        self.settings = {"workers": workers, "main": "", "user": "root", "connections": 1024, "listen": "",
                         "daemon": "off", "log": "stderr", **more}
        self.child, self.env = None, None
        self.folder = tempfile.mkdtemp(prefix="nginx-", dir=world.folder)
        if self.daemon:
            self.settings["log"] = self.log_path
        self.wrapper = wrapper(self.folder)
        if self.wrapper:  # programs that it starts itself, in an upgrade, are watched as well
            self.settings["main"] += "env LD_PRELOAD; env ASAN_OPTIONS; env UBSAN_OPTIONS; env LSAN_OPTIONS;"
        self.url = f"http://127.0.0.1:{self.port}"
        self.write(server, http)

    def write(self, server, http=""):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(MAIN.format(module=MODULE, folder=self.folder, port=self.port, server=server,
                                   http=http, **self.settings))

    @property
    def path(self):
        return os.path.join(self.folder, "nginx.conf")

    @property
    def argv(self):
        return [*self.wrapper, BINARY, "-p", self.folder, "-c", self.path]

    def check(self):
        """nginx -t: whether it takes the configuration, and what it says."""
        env = {**os.environ, "XDG_CONFIG_HOME": self.world.path("config")}  # as World.start has it
        done = subprocess.run([*self.argv, "-t"], capture_output=True, text=True, check=False, env=env)
        return done.returncode == 0, done.stderr

    def start(self):
        if self.daemon:
            self.world.run(self.argv)
            self.world.closing(Master(until(lambda: self.master, "a pid file")))
        else:
            self.child = self.world.start(self.argv, "nginx", env=self.env)
        until(lambda: self.master and is_listening(self.url), "nginx listens")
        until(lambda: len(self.worker_pids) >= self.settings["workers"], "its workers")
        return self

    @property
    def daemon(self):
        return self.settings["daemon"] == "on"

    @property
    def log_path(self):
        return os.path.join(self.folder, "error.log")

    @property
    def log(self):
        """What it has logged."""
        if not self.daemon:
            return self.child.stderr
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def signal(self, name):
        """nginx -s NAME"""
        self.world.run([*self.argv, "-s", name])

    def reload(self):
        os.kill(self.master, signal.SIGHUP)

    @property
    def worker_pids(self):
        return children(self.master)

    @property
    def master(self):
        """The pid of the master, which is another one after an upgrade."""
        try:
            with open(os.path.join(self.folder, "nginx.pid"), encoding="ascii") as file:
                return int(file.read())
        except (OSError, ValueError):
            return None

    def upgrade(self):
        """Another master with workers of its own beside the one that is there, as USR2 starts it."""
        before = self.master
        os.kill(before, signal.SIGUSR2)
        after = until(lambda: self.master not in (before, None) and self.master, "another master")
        self.world.closing(Master(after))
        until(lambda: children(after), "the other master has workers")
        return after


def wrapper(folder):
    """What nginx is run by, so that faults of our module are told: World.finish finds the reports."""
    reports = os.path.join(folder, "report")
    if os.environ.get("NRT_TEST_VALGRIND"):
        return ["/usr/bin/valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=definite",
                f"--suppressions={os.path.join(HERE, 'harness', 'nginx.supp')}", f"--log-file={reports}.%p"]
    if not sanitized():
        return []
    with open(MODULE, "rb") as module:
        if b"__asan_init" not in module.read():
            pytest.skip("nginx has one thread: there is nothing that this sanitizer would find")
    runtime = subprocess.run(["clang", "-print-file-name=libclang_rt.asan-x86_64.so"], capture_output=True,
                             text=True, check=True).stdout.strip()
    assert os.path.exists(runtime), f"{runtime} is not there, which nginx needs for a module with AddressSanitizer"
    options = os.environ.get("ASAN_OPTIONS", "") + f":log_path={reports}:fast_unwind_on_malloc=0"
    # nginx leaves things behind at its end: the reports are read, the exit code is its own.
    return ["/usr/bin/env", f"LD_PRELOAD={runtime}", f"ASAN_OPTIONS={options}", "LSAN_OPTIONS=exitcode=0"]


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(pid) for pid in re.findall(r"\d+", file.read())]
    except FileNotFoundError:
        return []


def is_running(pid):
    """Whether there is such a process, and it has not ended: nobody need have waited for it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Master:
    """A master that is nobody's child."""

    def __init__(self, pid):
        self.pid = pid

    def close(self):
        if is_running(self.pid):
            os.kill(self.pid, signal.SIGTERM)
            until(lambda: not is_running(self.pid), "the master ends")
