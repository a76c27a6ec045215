"""The real nginx with our module, started privately in a folder of the test."""

import os
import re
import shutil
import signal
import subprocess

import pytest

from .clock import until
from .client import is_listening
from .world import BUILD, free_port, sanitized

MODULE = os.path.join(BUILD, "src", "nginx", "ngx_http_nrt_module.so")
BINARY = shutil.which("nginx") or "/usr/sbin/nginx"

MAIN = """
load_module {module};
user root;
worker_processes {workers};
daemon off;
pid {folder}/nginx.pid;
error_log stderr info;
events {{ worker_connections 1024; }}
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
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""


class Nginx:
    def __init__(self, world, server, http="", workers=1):
        if not os.path.exists(MODULE) or not os.path.exists(BINARY):
            pytest.skip("nginx or its module is not there: nginx-dev brings what the module is built with")
        if sanitized():
            pytest.skip("nginx itself has no sanitizer")
        self.world, self.port, self.workers = world, free_port(), workers
        self.folder = os.path.join(world.folder, f"nginx-{self.port}")
        os.mkdir(self.folder)
        self.url = f"http://127.0.0.1:{self.port}"
        self.write(server, http)

    def write(self, server, http=""):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(MAIN.format(module=MODULE, folder=self.folder, port=self.port, server=server,
                                   http=http, workers=self.workers))

    @property
    def path(self):
        return os.path.join(self.folder, "nginx.conf")

    @property
    def argv(self):
        return [BINARY, "-p", self.folder, "-c", self.path]

    def check(self):
        """nginx -t: whether it takes the configuration, and what it says."""
        done = subprocess.run([*self.argv, "-t"], capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stderr

    def start(self):
        self.child = self.world.start(self.argv, "nginx")
        until(lambda: is_listening(self.url), "nginx listens")
        return self

    def reload(self):
        self.child.signal(signal.SIGHUP)

    @property
    def worker_pids(self):
        with open(f"/proc/{self.child.pid}/task/{self.child.pid}/children", encoding="ascii") as file:
            return [int(pid) for pid in re.findall(r"\d+", file.read())]
