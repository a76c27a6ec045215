"""One round: load, a few events one after the other, then several at once, then calm. What happens
when follows from the seed alone."""

import os
import random
import threading
import time

from harness.clock import DEADLINE, SLOW, until
from harness.world import sanitized

import judge
from load import Load
from mesh import TIMEOUT, Mesh
from records import Event, read_attempts, read_executions

LATE = 1.0 * SLOW  # a request may end so much after its timeout
SETTLE = 3.0 * SLOW  # all is served again so soon after an event is mended
MORE_MEMORY = 8  # MiB that a process may take more than when the load had begun

ALONE = [
    "server-kill", "native-kill", "gateway-kill", "server-duck", "sidecar-kill", "origin-kill",
    "server-stop", "native-stop", "gateway-stop", "native-drain", "sidecar-stop", "origin-stop",
    "server-net", "native-net", "gateway-net", "sidecar-drain", "sidecar-net",
]
TOGETHER = [kind for kind in ALONE if kind != "server-duck"] * 2
SHORT = (
    [("server-kill", 1, 0.5), ("gateway-kill", 0, 0.3)],
    [(0.0, "server-duck", 0, 0), (0.2, "native-stop", 0, 1.0), (0.4, "sidecar-kill", 0, 0.5),
     (0.6, "server-net", 2, 1.0), (0.8, "native-kill", 1, 0.3), (1.0, "origin-stop", 1, 0.6)],
)


def plan(seed, short=False):
    """[(kind, which one, how long)] alone, and [(after, kind, which, how long)] at once. Seeds that
    follow each other have all kinds between them. The short one is the same for all."""
    if short:
        return SHORT
    dice = random.Random(seed)
    first = seed * 3 % len(ALONE)
    alone = [((ALONE + ALONE)[first + number], dice.randrange(6),
              dice.choice((dice.uniform(0.4, 2.0), dice.uniform(3.5, 5.0)))) for number in range(3)]
    together = [(dice.uniform(0, 2.0), kind, dice.randrange(6), dice.uniform(0.3, 2.5))
                for kind in dice.sample(TOGETHER, 6)]
    return alone, sorted(together)


class Storm:
    def __init__(self, mesh, say):
        self.mesh, self.say = mesh, say
        self.events = []
        self.problems = []
        self.busy = set()  # names of what something happens to
        self.lock = threading.Lock()

    def run(self, alone, together):
        for kind, which, long in alone:
            event = self._start(kind, which, True)
            self._happen(event, long)
            time.sleep(max(0.0, event.mended + SETTLE - time.monotonic()))  # what still fails?
            event.ended = time.monotonic()
        begin = time.monotonic()
        threads = []
        for after, kind, which, long in together:
            time.sleep(max(0.0, begin + after - time.monotonic()))
            event = self._start(kind, which, False)
            if event:
                threads.append(threading.Thread(target=self._happen, args=(event, long)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    def _start(self, kind, which, alone):
        """The event, on something that nothing happens to yet; None where nothing is left."""
        mesh, part = self.mesh, kind.split("-")[0]
        group = {"server": mesh.servers, "native": mesh.natives, "sidecar": mesh.sidecars,
                 "origin": mesh.origins, "gateway": [mesh.gateway]}[part]
        group = group[which % len(group):] + group[:which % len(group)]
        with self.lock:
            free = [one for one in group if one.name not in self.busy]
            if not free or part == "server" and len(free) < 2:  # one server is left
                return None
            self.busy.add(free[0].name)
        event = Event(kind, free[0].name, alone, begun=time.monotonic())
        event.mended = event.ended = float("inf")
        event.thing = free[0]
        self.events.append(event)
        return event

    def _happen(self, event, long):
        try:
            self._do(event, event.thing, event.kind.split("-")[1], long)
        except (AssertionError, OSError) as problem:
            self.problems.append(f"{event.label}: {problem}")
        event.mended = event.ended = time.monotonic()
        self.say(f"{event.label}, {event.mended - event.begun:.2f} s")
        with self.lock:
            self.busy.discard(event.thing.name)

    def _do(self, event, thing, what, long):
        if what == "kill":
            thing.kill()
            time.sleep(long)
            thing.start()
        elif what == "stop":
            thing.pause()
            time.sleep(long)
            thing.resume()
        elif what == "net":
            thing.place.pause()
            time.sleep(long)
            thing.place.resume()
        elif what == "duck":
            thing.leave()
            thing.start()
        elif what == "drain":
            self.problems += thing.drain()
            thing.start()
        else:
            raise AssertionError(event.kind)


def wait_served(mesh, load):
    """Both ways lead to answers again: nothing has failed for a while."""
    def served():
        return all(len(client.requests) > 2 and not client.requests[-1].failed
                   for client in load.clients)

    until(served, "all clients of the gateway are served")
    wait_whole(mesh)


def wait_whole(mesh):
    try:
        until(mesh.is_whole, "the queue group is whole: each instance in it, once")
    except AssertionError as problem:
        raise AssertionError(f"{problem}: {mesh.state()}") from None


def left_behind(mesh):
    """What a process holds although nothing is asked of it any more."""
    problems = []

    def quiet():
        told = mesh.told()
        return len(told) == len(mesh.instances) and not any(told.values())

    try:
        until(quiet, "no request is in flight")
    except AssertionError:
        problems.append(f"requests in flight at the end: {mesh.told()}")
    for origin in mesh.origins:  # with it go the connections that its sidecar keeps
        origin.kill()
    for part in mesh.instances + [mesh.gateway]:
        try:
            until(lambda part=part: part.descriptors() <= part.descriptors_before, part.name)
        except AssertionError:
            problems.append(f"{part.name} has {part.descriptors()} descriptors open, "
                            f"{part.descriptors_before} before")
    return problems + more_memory(mesh)


def more_memory(mesh):
    if sanitized():  # they keep what was freed; and find leaks themselves, when a process ends
        return []
    return [f"{part.name} has {part.memory():.1f} MiB of memory, {part.memory_before:.1f} before"
            for part in mesh.instances + [mesh.gateway]
            if part.memory_before and part.memory() > part.memory_before + MORE_MEMORY]


class Round:
    """After run(): problems, requests, events."""

    def __init__(self, folder, network, seed, short, say):
        self.folder, self.network, self.seed, self.short = folder, network, seed, short
        self.say = say
        self.problems, self.requests, self.events, self.executions = [], [], [], []

    def run(self):
        os.makedirs(self.folder)
        mesh = load = None
        try:
            mesh = Mesh(self.folder, self.network)
            load = Load(mesh, self.seed, 120 / SLOW, 10)
            self._storm(mesh, load)
        except (AssertionError, OSError) as problem:
            self.problems.append(str(problem))
        finally:
            if load:
                load.close()
            if mesh:
                mesh.close()
            self.network.close()
        return not self.problems

    def _storm(self, mesh, load):
        wait_served(mesh, load)
        started = {part.name: part.started for part in mesh.parts()}
        for part in mesh.parts():
            part.memory_before = part.memory()
        storm = Storm(mesh, self.say)
        storm.run(*plan(self.seed, self.short))
        for part in mesh.parts():  # a new process has no before
            if part.started != started[part.name]:
                part.memory_before = None
        self.events = storm.events
        self.problems += storm.problems
        try:
            wait_whole(mesh)
            calm = max(event.mended for event in self.events) + SETTLE + 0.5
            time.sleep(max(0.0, calm - time.monotonic()))
        finally:
            problems, self.requests = load.stop()
            self.problems += problems
        self.problems += left_behind(mesh)
        self._read(mesh)
        self.problems += judge.Judge(self.requests, self.executions, self.events, TIMEOUT, LATE,
                                     SETTLE).verdict()
        self.problems += mesh.finish()

    def _read(self, mesh):
        for part in mesh.instances:
            self.executions += read_executions(mesh.ledger(part.name))
        attempts = read_attempts(mesh.gateway.log())
        for one in self.requests:
            if one.way == "gateway":
                one.attempts = attempts.get(one.name)
