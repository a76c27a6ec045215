"""docs/operations.md, and other pages of docs, as the tests run them: the files and commands that a reader would paste.

Only ports change: each behind 127.0.0.1: or an option becomes one that is free here. A section is what stands below a heading."""

import os
import re
import shlex
import socket
import subprocess

from .clock import DEADLINE
from .world import HERE, NRT

DOCS = os.path.join(HERE, os.pardir, os.pardir, "docs")
ADDRESS = re.compile(r"(?<=127\.0\.0\.1:)\d+")


class Section:
    def __init__(self, title, name="operations.md"):
        with open(os.path.join(DOCS, name), encoding="utf-8") as page:
            text = page.read()
        found = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,3}} |\Z)", blind(text), re.M | re.S)
        assert found, f"docs/{name} has no section {title!r}"
        self.title = title
        self.blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text[found.start():found.end()],
                                 re.M | re.S)

    def file(self, name):
        """The block that begins with `# NAME`, as a file is named there."""
        for _, text in self.blocks:
            if text.startswith(f"# {name}\n"):
                return text
        raise AssertionError(f"{self.title!r} has no file {name}")

    def commands(self, pattern=""):
        """The lines of the blocks marked sh that match, without `&` and comments."""
        lines = [line for kind, text in self.blocks if kind == "sh"
                 for line in text.replace("\\\n", " ").splitlines()]
        found = [line for line in lines if re.search(pattern, line) and line[:1] != "#"]
        assert found, f"{self.title!r} has no command {pattern!r}"
        return found


def blind(text):
    """The page with what stands in its blocks made unlike headings, at the same places."""
    return re.sub(r"^```.*?^```$", lambda block: block.group().replace("#", "."), text,
                  flags=re.M | re.S)


class Stage:
    """Runs a section's commands, with ports of our own."""

    def __init__(self, world, title, name="operations.md"):
        self.world = world
        self.section = Section(title, name)
        self.ports = {}
        self.servers = {}

    def port(self, number):
        return self.ports.setdefault(int(number), fixed_port())

    def place(self, text):
        """A text of the page with our ports in it."""
        return ADDRESS.sub(lambda found: str(self.port(found.group())), text)

    def origin(self, port, answer):
        """An HTTP server where the page has one on 127.0.0.1:PORT."""
        origin = self.world.origin(answer)
        self.ports[port] = origin.port
        return origin

    def config(self, name):
        return self.place(self.section.file(name))

    def nats(self, **options):
        """Starts every nats-server of the section; by name."""
        for line in self.section.commands(r"\bnats-server -c"):
            env, argv = split(line)
            given = dict(zip(argv[1::2], argv[2::2]))
            rest = [self.place(word) for flag in given.keys() - {"-c", "-n", "-p"}
                    for word in (flag, given[flag])]
            config = self.config(given["-c"])
            name = given.get("-n") or re.search(r"^server_name: (\w+)$", config, re.M).group(1)
            self.servers[name] = self.world.nats(
                name=name, port=self.port(given["-p"]), config=config, args=rest,
                env={key: self.place(value) for key, value in env.items()}, monitor=True, **options)
        return self.servers

    def nrt(self, line, *more):
        """Starts a line `[NAME=VALUE]... nrt ...` of the page, with further options."""
        env, argv = split(self.place(line))
        assert argv[0] == "nrt", line
        if "--listen" in argv:
            at = argv.index("--listen") + 1
            argv[at] = str(self.port(argv[at]))
        child = self.world.start([NRT, argv[1], *more, *argv[2:]], f"nrt {argv[1]}", env=env)
        if argv[1] == "gateway":
            child.url = child.wait_line(r"listening on (http://\S+)").group(1)
        else:
            child.wait_line(r"serving \S+ on ")
        return child

    def shell(self, pattern):
        """What a line for the shell prints."""
        line, = self.section.commands(pattern)
        env = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        return subprocess.run(["/bin/bash", "-c", self.place(line)], env=env, check=True, text=True,
                              stdout=subprocess.PIPE, timeout=DEADLINE).stdout

    def all(self, pattern, *more):
        return [self.nrt(line, *more) for line in self.section.commands(pattern)]


def split(line):
    """A command's environment and words."""
    words = shlex.split(line.rstrip(" &"), comments=True)
    env = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        env[name] = value
    return env, words


def fixed_port():
    """A free port below those that the kernel gives out by itself: it stays free until it is used,
    and between two starts of a server."""
    while True:
        number = 10000 + int.from_bytes(os.urandom(2), "big") % 20000
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", number))
                return number
            except OSError:
                continue
