"""The engine's parts by themselves, and instructions for each exchange: the latter do not depend on
what else the machine does, so that a committed number can be held against them."""

import json
import os
import re
import statistics

from processes import Failed, run_and_account
from rows import GatewayServe, OursOnly

IN_FLIGHT = 16
COUNT = 2000  # messages, and thrice as many: the difference is what each costs


def callgrind(path):
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={path}"]


def instructions(path):
    with open(path, encoding="ascii", errors="replace") as profile:
        found = re.findall(r"^(?:totals|summary): (\d+)", profile.read(), re.MULTILINE)
    if not found:
        raise Failed(f"callgrind wrote no totals to {path}")
    return int(found[-1])


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
            totals.append(instructions(path))
        return {"ns": ns, "bytes": size, "bytes_per_s": size / ns * 1e9,
                "instructions": (totals[1] - totals[0]) / (2 * COUNT)}

    def parts(self):
        return run_and_account([self.program])[0].split()

    def difference(self, kind, roles, drive):
        """Instructions of each of `roles` for an exchange: two runs, with another number of
        exchanges; what is done once is in both."""
        runs = []
        for times in (1, 3):
            paths = {role: self.path() for role in roles}
            row = kind(self.run, {role: callgrind(path) for role, path in paths.items()})
            try:
                count = drive(row, times)
            finally:
                row.stop()
            runs.append((count, {role: instructions(path) for role, path in paths.items()}))
        (few, first), (many, last) = runs
        return {role: (last[role] - first[role]) / (many - few) for role in roles}

    def exchanges(self):
        def counted(row, times):
            sample = row.client.command(f"count {IN_FLIGHT} {COUNT * times}", 60)
            if sample["failed"] or sample["requests"] != COUNT * times:
                raise Failed(f"under callgrind: {sample}")
            return sample["requests"]

        def timed(row, times):
            return row.measure(IN_FLIGHT, times)["requests"]

        return {**self.difference(OursOnly, ("client", "service"), counted),
                **self.difference(GatewayServe, ("gateway", "serve"), timed)}

    def all(self):
        return {"parts": {part: self.part(part) for part in self.parts()},
                "exchange_instructions": self.exchanges()}


def table(micro):
    lines = [f"\n{'part':<22} {'ns':>7} {'MB/s':>7} {'instructions':>13}   for each message"]
    for name, one in micro["parts"].items():
        lines.append(f"{name:<22} {one['ns']:>7.0f} {one['bytes_per_s'] / 1e6:>7.0f} {one['instructions']:>13.0f}")
    lines.append(f"\ninstructions for each exchange, {IN_FLIGHT} in flight: " + ", ".join(
        f"{role} {count:.0f}" for role, count in micro["exchange_instructions"].items()))
    return "\n".join(lines)
