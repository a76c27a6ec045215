"""Real nats-server processes: private, on free ports, killed by pid."""

import itertools
import json
import os
import signal
import socket
import subprocess
import urllib.request

from .clock import DEADLINE, until

_numbers = itertools.count(1)


class NatsServer:
    """One nats-server. Keeps its ports over restart(), so that clients come back to it."""

    def __init__(self, folder, name="alpha", config="", args=(), monitor=False, port=None,
                 env=None, address="127.0.0.1", prefix=()):
        self.folder = os.path.join(str(folder), f"nats-{next(_numbers)}")
        os.makedirs(self.folder)
        self.name = name
        self.args = list(args)
        self.monitor = monitor
        self.address = address
        self.prefix = list(prefix)  # what its command line begins with
        self.log_path = os.path.join(self.folder, "log")
        self.config_path = None
        if config:
            self.configure(config)
        self.port, self.env = port, env
        self.monitor_port = self.cluster_port = None
        self.proc = None

    def configure(self, config):
        self.config_path = os.path.join(self.folder, "conf")
        with open(self.config_path, "w", encoding="utf-8") as out:
            out.write(config)

    def start(self):
        assert self.proc is None
        argv = [*self.prefix, "nats-server", "-a", self.address, "-p", str(self.port or -1)]
        argv += ["-n", self.name]
        argv += ["-l", self.log_path, "--ports_file_dir", self.folder]
        if self.monitor:
            argv += ["-m", str(self.monitor_port or -1)]
        if self.config_path:
            argv += ["-c", self.config_path]
        args = self.args
        if self.cluster_port:
            args = [arg.replace(f"nats://{self.address}:-1", self.route) for arg in args]
        self.proc = subprocess.Popen(
            argv + args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, **(self.env or {})},
        )
        ports = until(self._ports, f"nats-server {self.name} says its ports\n{self.log()}")
        self.port = _port(ports["nats"])
        self.monitor_port = _port(ports.get("monitoring"))
        self.cluster_port = _port(ports.get("cluster"))
        until(self.greets, f"nats-server {self.name} greets")
        return self

    def _ports(self):
        assert self.proc.poll() is None, f"nats-server {self.name} ended:\n{self.log()}"
        path = os.path.join(self.folder, f"nats-server_{self.proc.pid}.ports")
        try:
            with open(path, encoding="ascii") as ports:
                return json.load(ports)
        except (OSError, ValueError):
            return None

    def greets(self):
        """Whether it takes a connection."""
        try:
            with socket.create_connection((self.address, self.port), 1) as sock:
                return sock.recv(5) == b"INFO "
        except OSError:
            return False

    @property
    def url(self):
        return f"nats://{self.address}:{self.port}"

    @property
    def route(self):
        return f"nats://{self.address}:{self.cluster_port}"

    @property
    def running(self):
        return self.proc is not None and self.proc.poll() is None

    def reload(self, config):
        """Puts another configuration in place, as an operator does."""
        if "server_name" not in config:
            # 2.9.10 forgets a name given by -n when it reads its file again, and refuses the file.
            config = f"server_name: {self.name}\n{config}"
        self.configure(config)
        before = self.log().count("Reloaded server configuration")
        self.proc.send_signal(signal.SIGHUP)
        until(lambda: self.log().count("Reloaded server configuration") > before,
              f"nats-server {self.name} reloads:\n{self.log()}")

    def stop(self, number=signal.SIGTERM):
        if self.running:
            self.proc.send_signal(number)
            self.proc.wait(DEADLINE)
        self.proc = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def restart(self):
        self.kill()
        return self.start()

    def pause(self):
        """The server hangs: its sockets stay open and nothing is read."""
        self.proc.send_signal(signal.SIGSTOP)

    def resume(self):
        self.proc.send_signal(signal.SIGCONT)

    def monitoring(self, path):
        """What /connz, /varz, /routez ... say."""
        url = f"http://{self.address}:{self.monitor_port}{path}"
        with urllib.request.urlopen(url, timeout=5) as got:
            return json.load(got)

    def connections(self):
        return self.monitoring("/connz?subs=1")["connections"]

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return log.read()
        except OSError:
            return ""


def _port(urls):
    return int(urls[0].rsplit(":", 1)[1]) if urls else None


def cluster(make, names, name="C1", **options):
    """Starts a full mesh; make(**NatsServer arguments) returns a started server."""
    servers = []
    for server in names:
        args = ["--cluster", "nats://127.0.0.1:-1", "--cluster_name", name]
        if servers:
            args += ["--routes", ",".join(other.route for other in servers)]
        servers.append(make(name=server, args=args, monitor=True, **options))
    for server in servers:
        until(
            lambda server=server: server.monitoring("/routez")["num_routes"] >= len(names) - 1,
            f"{server.name} has its routes",
        )
    return servers
