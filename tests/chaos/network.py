"""Where the parts of a storm live: each in a network namespace of its own, behind one bridge, so
that its network can be paused as a switch would; or, where the machine allows no namespaces, all on
loopback, with TCP proxies between the NATS servers and their clients that can be paused."""

import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading

INSIDE = "NRT_CHAOS_INSIDE"  # set in the process that unshare has started
TOOLS = ("unshare", "nsenter", "ip", "bridge")


def _run(*argv):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=10)


def _works(argv):
    try:
        _run(*argv, sys.executable, os.path.abspath(__file__))
        return None
    except subprocess.CalledProcessError as error:
        return error.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it failed"]
    except (OSError, subprocess.TimeoutExpired) as error:
        return [str(error)]


def enter(argv):
    """Starts this program anew inside a network namespace; returns, with the reason, where that
    cannot be."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f"no {', '.join(missing)} here"
    ways = [["unshare", "--net"]] if os.geteuid() == 0 else []
    ways.append(["unshare", "--user", "--map-root-user", "--net"])
    why = None
    for way in ways:
        why = _works(way)
        if why is None:
            os.environ[INSIDE] = "1"
            os.execvp(way[0], [*way, sys.executable, *argv])
    return why[0]


class Place:
    """Where one part lives: its address, what its command line begins with, and its network."""

    def __init__(self, name, address, prefix=()):
        self.name, self.address, self.prefix = name, address, list(prefix)

    def pause(self):
        """From now on nothing comes in or goes out; nobody is told."""
        raise NotImplementedError

    def resume(self):
        raise NotImplementedError


# ---- namespaces ------------------------------------------------------------------------------


class Namespace(Place):
    def __init__(self, name, number):
        self.port = f"port{number}"
        # It keeps the namespace while the part is dead.
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        assert self.holder.stdout.read(1) == b"\n"
        path = f"/proc/{self.holder.pid}/ns/net"
        super().__init__(name, f"10.77.0.{number}", [shutil.which("nsenter"), f"--net={path}"])
        _run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns",
             str(self.holder.pid))
        _run("ip", "link", "set", self.port, "master", "hub", "up")
        for command in ("link set lo up", f"addr add {self.address}/24 dev eth0",
                        "link set eth0 up"):
            _run(*self.prefix, "ip", *command.split())

    def pause(self):
        _run("bridge", "link", "set", "dev", self.port, "state", "0")

    def resume(self):
        _run("bridge", "link", "set", "dev", self.port, "state", "3")

    def close(self):
        self.holder.stdin.close()
        self.holder.wait(10)
        self.holder.stdout.close()
        subprocess.run(["ip", "link", "del", self.port], capture_output=True, check=False)


class Namespaces:
    name = "network namespaces"

    def __init__(self):
        self.places = []
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "hub", "type", "bridge")
        _run("ip", "addr", "add", "10.77.0.1/24", "dev", "hub")
        _run("ip", "link", "set", "hub", "up")

    def place(self, name):
        place = Namespace(name, 10 + len(self.places))
        self.places.append(place)
        return place

    @staticmethod
    def url(server, _place):
        return server.url

    def close(self):
        for place in self.places:
            place.close()
        _run("ip", "link", "del", "hub")


# ---- proxies ---------------------------------------------------------------------------------


class Pipe:
    """One direction of a connection through a proxy."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.waiting, self.ended = b"", False

    def move(self):
        """Moves what there is. False where the connection is over."""
        try:
            if self.waiting:
                self.waiting = self.waiting[self.sink.send(self.waiting):]
            elif not self.ended:
                self.waiting = self.source.recv(65536)
                self.ended = not self.waiting
        except BlockingIOError:
            pass
        except OSError:
            return False
        return bool(self.waiting) or not self.ended


class Tunnel:
    def __init__(self, client, server, sides):
        self.sides = sides  # names of the places at its ends
        self.ends = (client, server)
        self.pipes = (Pipe(client, server), Pipe(server, client))
        for end in self.ends:
            end.setblocking(False)

    def interest(self, end):
        events = 0
        for pipe in self.pipes:
            if pipe.source is end and not pipe.waiting:
                events |= selectors.EVENT_READ
            if pipe.sink is end and pipe.waiting:
                events |= selectors.EVENT_WRITE
        return events


class Proxied(Place):
    def __init__(self, name, proxies):
        super().__init__(name, "127.0.0.1")
        self.proxies = proxies

    def pause(self):
        self.proxies.paused.add(self.name)

    def resume(self):
        self.proxies.paused.discard(self.name)


class Proxies:
    """One thread for all. What is paused is not read from, and its new connections wait."""

    name = "TCP proxies"

    def __init__(self):
        self.paused = set()
        self._listeners = {}  # socket -> (server, sides)
        self._urls = {}
        self._tunnels = []
        self._lock = threading.Lock()
        self._going = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def place(self, name):
        return Proxied(name, self)

    def url(self, server, place):
        """Of a NATS server, as the one at `place` reaches it."""
        key = (server.name, place.name)
        with self._lock:
            if key not in self._urls:
                listener = socket.create_server(("127.0.0.1", 0))
                listener.setblocking(False)
                self._listeners[listener] = (server, key)
                self._urls[key] = f"nats://127.0.0.1:{listener.getsockname()[1]}"
            return self._urls[key]

    def _run(self):
        while self._going:
            with selectors.DefaultSelector() as selector:
                self._watch(selector)
                if not selector.get_map():
                    threading.Event().wait(0.02)
                    continue
                for key, _ in selector.select(0.02):
                    if isinstance(key.data, Tunnel):
                        self._move(key.data)
                    else:
                        self._accept(key.fileobj, *key.data)

    def _watch(self, selector):
        with self._lock:
            listeners = list(self._listeners.items())
        for listener, data in listeners:
            if not self.paused.intersection(data[1]):
                selector.register(listener, selectors.EVENT_READ, data)
        for tunnel in self._tunnels:
            if self.paused.intersection(tunnel.sides):
                continue
            for end in tunnel.ends:
                events = tunnel.interest(end)
                if events:
                    selector.register(end, events, tunnel)

    def _accept(self, listener, server, sides):
        try:
            client, _ = listener.accept()
        except OSError:
            return
        try:
            upstream = socket.create_connection(("127.0.0.1", server.port), 1)
        except OSError:
            client.close()
            return
        for sock in (client, upstream):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tunnels.append(Tunnel(client, upstream, sides))

    def _move(self, tunnel):
        if tunnel in self._tunnels and not all([pipe.move() for pipe in tunnel.pipes]):
            self._tunnels.remove(tunnel)
            for end in tunnel.ends:
                end.close()

    def close(self):
        self._going = False
        self._thread.join(5)
        for sock in [*self._listeners, *(end for one in self._tunnels for end in one.ends)]:
            sock.close()


if __name__ == "__main__":  # is it allowed to make all that? Asked inside a new namespace.
    signal.alarm(10)
    hub = Namespaces()
    try:
        hub.place("try").pause()
    finally:
        hub.close()
