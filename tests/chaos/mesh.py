"""What the storm goes over: three NATS servers, five instances, a gateway. Each can be killed,
stopped, cut off and brought back; logs and ledgers stay over that."""

import json
import os
import re
import signal
import subprocess
import sys
import time

from harness.child import SANITIZER
from harness.clock import DEADLINE, SLOW, until
from harness.natsserver import NatsServer
from harness.world import NRT, free_port, program

HOST = "ledger.nats"
TIMEOUT = 2.0 * SLOW  # of each request, seconds
HERE = os.path.dirname(os.path.abspath(__file__))

# Servers find out soon about clients and each other that hang.
SERVER = """
ping_interval: "1s"
ping_max: 2
lame_duck_duration: "30s"
lame_duck_grace_period: "3s"
cluster { no_advertise: true }
"""


def clean_environment(folder):
    env = {
        key: value for key, value in os.environ.items()
        if not key.startswith(("NATS_", "NRT_", "WEATHER_")) and "proxy" not in key.lower()
    }
    return {**env, "XDG_CONFIG_HOME": os.path.join(folder, "config"), "PYTHONDONTWRITEBYTECODE": "1"}


class Part:
    """A process of ours that comes back under the same name. Its log goes on over restarts."""

    def __init__(self, name, place, folder, argv, ready):
        self.name, self.place, self.folder = name, place, folder
        self.argv, self.ready = list(map(str, argv)), re.compile(ready, re.MULTILINE)
        self.log_path = os.path.join(folder, name + ".log")
        self.proc = None
        self.started = 0.0
        self.descriptors_before = self.memory_before = None

    def start(self):
        assert self.proc is None, self.name
        self.started = time.monotonic()
        before = len(self.log())
        with open(self.log_path, "ab") as log:
            self.proc = subprocess.Popen(
                [*self.place.prefix, *self.argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=clean_environment(self.folder),
            )

        def is_ready():
            assert self.proc.poll() is None, f"{self.name} ended:\n{self.log()[-2000:]}"
            return self.ready.search(self.log()[before:])

        return until(is_ready, f"{self.name} is ready")

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def kill(self):
        self.proc.kill()
        self.proc.wait(DEADLINE)
        self.proc = None

    def drain(self):
        """SIGTERM; the problems with its end."""
        proc, self.proc = self.proc, None
        proc.terminate()
        try:
            code = proc.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            proc.kill()
            proc.wait(DEADLINE)
            return [f"{self.name} did not end {DEADLINE:.0f} s after SIGTERM"]
        return [f"{self.name} ended with exit code {code}"] if code else []

    def pause(self):
        self.proc.send_signal(signal.SIGSTOP)

    def resume(self):
        self.proc.send_signal(signal.SIGCONT)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.proc.pid}/fd"))

    def memory(self):
        """Resident, in MiB."""
        with open(f"/proc/{self.proc.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20

    def end(self):
        if self.proc:
            self.proc.kill()
            self.proc.wait(DEADLINE)
            self.proc = None


class Server(NatsServer):
    """A NATS server with a place; NatsServer has kill, pause and resume."""

    def __init__(self, folder, name, place, route, routes):
        # All know the routes to all: who learns of a server by hearsay does not look for it again.
        args = ["--cluster", route, "--cluster_name", "chaos", "--routes", ",".join(routes)]
        super().__init__(folder, name, SERVER, args, monitor=True, address=place.address,
                         prefix=place.prefix)
        self.place = place
        self.start()

    def leave(self):
        """Lame duck mode, until it has ended."""
        self.stop(signal.SIGUSR2)


def port_at(place, port):
    """One that can be listened on there: any, where it has an address of its own."""
    return free_port() if place.address == "127.0.0.1" else port


class Mesh:
    def __init__(self, folder, network):
        self.folder, self.network = folder, network
        self.servers, self.natives, self.sidecars, self.origins = [], [], [], []
        self.gateway = None
        places = [network.place(name) for name in ("n1", "n2", "n3")]
        routes = [f"nats://{place.address}:{port_at(place, 6222)}" for place in places]
        for place, route in zip(places, routes):
            self.servers.append(Server(folder, place.name, place, route, routes))
        until(lambda: self.is_cluster_whole(), "the cluster is whole")
        self.here = network.place("clients") if network.name == "TCP proxies" else None
        #                       workers, in flight at most
        for name, workers, most in (("s1", 0, 500), ("s2", 16, 500), ("s3", 0, 12)):
            place = network.place(name)
            argv = [program("ledger_service"), self.urls(place), HOST, name, self.ledger(name),
                    workers, most]
            self._add(self.natives, name, place, argv, "^ready$")
        for name in ("s4", "s5"):
            place, socket = network.place(name), os.path.join(folder, name + ".sock")
            argv = [sys.executable, os.path.join(HERE, "origin.py"), socket, name,
                    self.ledger(name)]
            self._add(self.origins, name + "-origin", place, argv, "^ready$")
            argv = [NRT, "serve", "-v", "--server", self.urls(place), "--name", name, HOST, "unix:" + socket]
            self._add(self.sidecars, name, place, argv, "^serving ")
        place = network.place("gateway")
        port = port_at(place, 9090)
        self.gateway_url = f"http://{place.address}:{port}"
        argv = [NRT, "gateway", "-v", "--log", "json", "--server", self.urls(place), "--listen",
                f"{place.address}:{port}", "--route", "/=" + HOST, "--timeout", f"{TIMEOUT:.0f}s"]
        self.gateway = Part("gateway", place, folder, argv, '"listening"')
        self.gateway.start()
        until(self.is_whole, "all instances are in the queue group")
        for part in self.parts():
            part.descriptors_before = part.descriptors()

    def _add(self, parts, name, place, argv, ready):
        part = Part(name, place, self.folder, argv, ready)
        parts.append(part)
        part.start()

    @property
    def instances(self):
        return self.natives + self.sidecars

    def parts(self):
        return self.instances + self.origins + ([self.gateway] if self.gateway else [])

    def ledger(self, name):
        return os.path.join(self.folder, name + ".ledger")

    def urls(self, place=None):
        """All servers, as they are reached from `place`; the first is another one for each."""
        place = place or self.here
        urls = [self.network.url(server, place) for server in self.servers]
        first = len(self.parts()) % len(urls)
        return ",".join(urls[first:] + urls[:first])

    # ---- is it whole? ------------------------------------------------------------------------

    def is_cluster_whole(self):
        return all(server.monitoring("/routez")["num_routes"] >= 2 for server in self.servers)

    def queue_members(self):
        """How many subscriptions the queue group has, on all servers."""
        subject = f"nrt.requests.{HOST}.*"
        return sum(one.get("subscriptions_list", []).count(subject)
                   for server in self.servers for one in server.connections())

    def told(self):
        """What nrt stats tells of the instances: id -> requests in flight."""
        argv = [NRT, "stats", "--json", "--server", self.urls(), HOST]
        done = subprocess.run(argv, capture_output=True, timeout=DEADLINE, check=False,
                              env=clean_environment(self.folder))
        try:
            services = json.loads(done.stdout)["services"]
        except ValueError:
            return {}
        return {one["id"]: one["in_flight"]
                for service in services for one in service["instances"]}

    def is_whole(self):
        try:
            return (self.is_cluster_whole() and self.queue_members() == len(self.instances) and
                    len(self.told()) == len(self.instances))
        except OSError:
            return False

    def state(self):
        """For the report of what is not whole."""
        parts = []
        for server in self.servers:
            try:
                routes = server.monitoring("/routez")["num_routes"]
                names = [one.get("name", "?") for one in server.connections()]
                parts.append(f"{server.name}: {routes} routes; {' '.join(names)}")
            except OSError as error:
                parts.append(f"{server.name}: {error}")
        return f"{self.queue_members()} members; told: {self.told()}; " + "; ".join(parts)

    # ---- the end -----------------------------------------------------------------------------

    def finish(self):
        """Ends all in good order; the problems that show only now."""
        problems = []
        for part in self.parts():
            if part.proc:
                problems += part.drain() if part not in self.origins else []
            found = SANITIZER.search(part.log())
            if found:
                problems.append(f"{part.name}: a sanitizer reports:\n{part.log()[-3000:]}")
        return problems

    def close(self):
        for part in self.parts():
            part.end()
        for server in self.servers:
            server.kill()
