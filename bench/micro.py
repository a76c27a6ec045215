"""The engine's parts by themselves, and instructions for each exchange: the latter do not depend on
what else the machine does, so that a committed number can be held against them."""

import json
import os
import re
import statistics

from processes import Failed, run_and_account
from rows import GatewayServe, OursOnly, RawLoop, watched

IN_FLIGHT = 16
# What operators may ask a gateway and a sidecar for, and pay: all of it is held to bounds, each by itself is shown.
WATCHED = ("--admin --access-log --trace-export", "--admin", "--access-log", "--access-log --access-log-format", "--trace",
           "--trace-export")
BOUNDED = 1
COUNT = 2000  # messages, and thrice as many: the difference is what each costs
BOUNDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bounds.json")
SLACK = {"instructions": lambda bound: bound * 1.1, "allocations": lambda bound: bound + 0.5}

CALLS = {  # functions of the C library, as a profile names them
    "allocations": re.compile(r"malloc|calloc|realloc|posix_memalign|strdup"),
    "system calls": re.compile(r"(recv|send|read|write|readv|writev|recvmsg|sendmsg|sendto|recvfrom|epoll_wait|"
                               r"epoll_pwait|epoll_ctl|timerfd_settime|accept4?|close)"),
}


def callgrind(path):
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={path}"]


def counts(path):
    """Of a profile: the instructions, and how often those functions of the library were called."""
    names, found = {}, {"instructions": 0, **{kind: 0 for kind in CALLS}}
    callee = ""
    with open(path, encoding="ascii", errors="replace") as profile:
        for line in profile:
            if line.startswith(("fn=", "cfn=")):  # (number) name; the name is there once
                number, _, name = line.strip().partition("=")[2].partition(" ")
                names.setdefault(number, name)
                callee = names[number] if line[0] == "c" else callee
            elif line.startswith("calls="):
                for kind, functions in CALLS.items():
                    if functions.fullmatch(callee.partition("@")[0]):
                        found[kind] += int(line[6:].split()[0])
            elif line.startswith("totals: "):
                found["instructions"] = int(line.split()[1])
    if not found["instructions"]:
        raise Failed(f"callgrind wrote no totals to {path}")
    return found


class Micro:
    def __init__(self, run):
        self.run = run
        self.program = os.path.join(run.build, "bench", "micro")
        self.number = 0

    def path(self):
        self.number += 1
        return os.path.join(self.run.folder, f"callgrind-{self.number}")

    def once(self, part, count, before=()):
        argv = [*before, self.program, self.run.payload.request, self.run.payload.answer, part, str(count)]
        return json.loads(run_and_account(argv)[0])

    def part(self, part):
        """Nanoseconds, bytes and instructions for each message."""
        ms = 20 if self.run.chosen.quick else 200
        first = self.once(part, 10000)
        count = max(1000, int(10000 * ms * 1e6 / first["ns"]))
        slices = [self.once(part, count) for _ in range(self.run.chosen.repetitions)]
        ns = statistics.median(s["ns"] / s["messages"] for s in slices)
        size = first["bytes"] / first["messages"]
        totals = []
        for times in (COUNT, 3 * COUNT):
            path = self.path()
            self.once(part, times, callgrind(path))
            totals.append(counts(path)["instructions"])
        return {"ns": ns, "bytes": size, "bytes_per_s": size / ns * 1e9,
                "instructions": (totals[1] - totals[0]) / (2 * COUNT)}

    def parts(self):
        return run_and_account([self.program])[0].split()

    def difference(self, kind, roles, drive):
        """What each of `roles` does for an exchange: two runs, with another number of exchanges;
        what is done once is in both."""
        runs = []
        for times in (1, 3):
            paths = {role: self.path() for role in roles}
            row = kind(self.run, {role: callgrind(path) for role, path in paths.items()})
            try:
                done = drive(row, times)
            finally:
                row.stop()
            runs.append((done, {role: counts(path) for role, path in paths.items()}))
        (few, first), (many, last) = runs
        return {role: {kind: (last[role][kind] - first[role][kind]) / (many - few) for kind in last[role]}
                for role in roles}

    def exchanges(self):
        def counted(row, times):
            sample = row.client.command(f"count {IN_FLIGHT} {COUNT * times}", 60)
            if sample["failed"] or sample["requests"] != COUNT * times:
                raise Failed(f"under callgrind: {sample}")
            return sample["requests"]

        def timed(row, times):
            return row.measure(IN_FLIGHT, times)["requests"]

        found = {**self.difference(OursOnly, ("client", "service"), counted),
                 **self.difference(GatewayServe, ("gateway", "serve"), timed)}
        for names in WATCHED[:BOUNDED] if self.run.chosen.quick else WATCHED:
            roles = self.difference(watched(names), ("gateway", "serve"), timed)
            found.update((f"{role} {names}", one) for role, one in roles.items())
        if not self.run.chosen.quick:
            theirs = self.difference(RawLoop, ("client", "service"), counted)
            found.update((f"libnats {role}", one) for role, one in theirs.items())
        return found

    def all(self):
        return {"parts": {part: self.part(part) for part in self.parts()}, "exchange": self.exchanges()}


# ---- what the project holds itself to

def bounded(micro):
    """What bounds.json holds: instructions of parts and processes, allocations of the latter."""
    unbound = {f"{role} {names}" for role in ("gateway", "serve") for names in WATCHED[BOUNDED:]}
    ours = {role: one for role, one in micro["exchange"].items()
            if not role.startswith("libnats") and role not in unbound}
    return {"instructions": {name: round(one["instructions"]) for name, one in [*micro["parts"].items(), *ours.items()]},
            "allocations": {name: round(abs(one["allocations"]), 2) for name, one in ours.items()}}


def write_bounds(micro):
    with open(BOUNDS, "w", encoding="ascii") as out:
        json.dump(bounded(micro), out, indent=2)
        out.write("\n")


def beyond_bounds(micro):
    """A line for each figure that has grown: they do not depend on the machine, but somewhat on the
    compiler."""
    with open(BOUNDS, encoding="ascii") as file:
        bounds = json.load(file)
    found = bounded(micro)
    return [f"{name}: {found[kind].get(name, 'no')} {kind} for each message or exchange, where {bound} are written in "
            f"bench/bounds.json"
            for kind, slack in SLACK.items() for name, bound in bounds[kind].items()
            if name not in found[kind] or found[kind][name] > slack(bound)]


def table(micro):
    lines = [f"\n{'part':<22} {'ns':>7} {'MB/s':>7} {'instructions':>13}   for each message"]
    for name, one in micro["parts"].items():
        lines.append(f"{name:<22} {one['ns']:>7.0f} {one['bytes_per_s'] / 1e6:>7.0f} {one['instructions']:>13.0f}")
    lines.append(f"\n{'process':<42} {'instructions':>13} {'allocations':>12} {'system calls':>13}   for each "
                 f"exchange, {IN_FLIGHT} in flight")
    for role, one in micro["exchange"].items():
        lines.append(f"{role:<42} {one['instructions']:>13.0f} {one['allocations']:>12.2f} {one['system calls']:>13.2f}")
    return "\n".join(lines)
