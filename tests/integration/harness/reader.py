"""Somebody who reads a page and types what stands there, line by line: pages cannot go stale that way.

Only ports change, to ones that are free here. The library is installed as the pages say, below a folder of this test's
instead of /usr/local."""

import os
import re
import shutil
import socket
import subprocess
import urllib.request

import pytest

from .clock import DEADLINE, until
from .page import blind, fixed_port
from .world import BUILD, HERE, sanitized

TOP = os.path.abspath(os.path.join(HERE, os.pardir, os.pardir))
INSTALL = "./dev build && sudo ninja -C build install && sudo ldconfig"
PORTS = re.compile(r"\b(4222|8080|9090)\b")


class Page:
    """A page of the project's: its sections, and the blocks in them."""

    def __init__(self, *path):
        with open(os.path.join(TOP, *path), encoding="utf-8") as file:
            self.text = file.read()
        headings = re.split(r"^#{2,3} (.*)\n", blind(self.text), flags=re.M)
        self.sections, at = {}, len(headings[0])
        for title, body in zip(headings[1::2], headings[2::2]):
            at = self.text.index(f" {title}\n", at) + len(title) + 2
            self.sections[title] = self.text[at:at + len(body)]
            at += len(body)

    def blocks(self, title, kind=""):
        """The blocks of that kind below a heading, without what they are indented by."""
        found = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", self.sections[title], re.M | re.S)
        return [re.sub(rf"^{indent}", "", text, flags=re.M) for indent, marked, text in found if marked == kind]

    def commands(self, title):
        """What is typed there, block by block: commands without comments."""
        return [list(split(block)) for block in self.blocks(title)]


def split(block):
    """Its commands: lines, and with `<<'END'` all of them up to that."""
    lines = iter(block.replace("\\\n", "").splitlines())
    for line in lines:
        line = re.sub(r" +#.*", "", line)
        if line.endswith("<<'END'"):
            line += "".join(f"\n{more}" for more in iter(lambda: next(lines), "END")) + "\nEND"
        yield line


class Reader:
    """Types lines in a folder of its own, in bash."""

    def __init__(self, world, installed=False):
        self.world = world
        self.folder = world.path("reader")
        self.tools = world.path("tools")
        self.ports = {}
        self.monitor = fixed_port()
        os.makedirs(self.folder)
        os.makedirs(self.tools)
        server = shutil.which("nats-server")
        assert server, "nats-server is not installed"
        self.tool("nats-server", f'exec {server} -a 127.0.0.1 -p {self.port(4222)} -m {self.monitor} -n n1 "$@"')
        self.env = {"NATS_URL": f"nats://127.0.0.1:{self.port(4222)}", "HOME": self.folder,
                    "XDG_CONFIG_HOME": world.path("config"),
                    "PATH": f"{self.tools}:{BUILD}:{os.environ['PATH']}"}
        if installed:
            self.install()

    def tool(self, name, script):
        """A program of that name, for what is typed."""
        path = os.path.join(self.tools, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)

    def install(self):
        """INSTALL, into a folder; compilers and loaders find it as they find /usr/local."""
        if sanitized():
            pytest.skip("a library with a sanitizer wants programs with the same one")
        root = self.world.path("root")
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--tags", "devel,runtime",
                        "--destdir", root], check=True, stdout=subprocess.DEVNULL)
        config, = (folder for folder, _, files in os.walk(root) if "nrt.pc" in files)
        library = os.path.dirname(config)
        program, = (folder for folder, _, files in os.walk(root) if "nrt" in files and folder.endswith("/bin"))
        self.env.update(PKG_CONFIG_PATH=config, PKG_CONFIG_SYSROOT_DIR=root, LD_LIBRARY_PATH=library,
                        PATH=f"{self.tools}:{program}:{os.environ['PATH']}")

    def file(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as out:
            out.write(text)

    def port(self, number):
        return self.ports.setdefault(int(number), fixed_port())

    def place(self, line):
        return PORTS.sub(lambda found: str(self.port(found.group())), line)

    def run(self, line, expect=0):
        """Types a line and waits for its end; what it printed."""
        clean = {key: value for key, value in os.environ.items()
                 if not key.startswith(("NATS_", "NRT_")) and "proxy" not in key.lower()}
        done = subprocess.run(["/bin/bash", "-c", self.place(line)], cwd=self.folder, env={**clean, **self.env},
                              text=True, capture_output=True, timeout=DEADLINE * 4, check=False)
        assert done.returncode == expect, f"{line}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, line, serves=None, **options):
        """Types a line that goes on, until it is ready: NATS, an HTTP server, or a service with a host."""
        line = self.place(line.removesuffix("&").strip())
        child = self.world.start(["/bin/bash", "-c", line], line, env=self.env, cwd=self.folder, **options)
        if line.startswith("nats-server"):
            child.expected = 1  # at SIGTERM, in 2.9
            until(lambda: listens(self.port(4222)) and listens(self.monitor), "nats-server listens")
        elif "nrt gateway" in line:
            child.wait_line("listening on ")
        elif "nrt serve" in line:
            child.wait_line("serving ")
        elif "http.server" in line:
            child.expected = -15
            until(lambda: listens(self.port(8080)), "an HTTP server listens")
        else:
            until(lambda: self.serves(serves), f"{serves} is served")
        return child

    def serves(self, host):
        url = f"http://127.0.0.1:{self.monitor}/subsz?subs=1"
        with urllib.request.urlopen(url, timeout=DEADLINE) as got:
            return f"nrt.requests.{host}.*" in got.read().decode()


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
