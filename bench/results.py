"""What is made of slices: medians, tables, and the ratios that the project promises."""

import statistics

EVENT_LOOP = ("c-loop", "c-asap")  # of the official client: each figure against the better of them


def summary(samples):
    """Medians of slices, and how far they lie apart."""
    def median(of):
        return statistics.median(of(sample) for sample in samples)

    result = {
        "rps": median(lambda s: s["rps"]),
        "rps_min": min(s["rps"] for s in samples), "rps_max": max(s["rps"] for s in samples),
        "cpu_us": {role: median(lambda s, role=role: s["cpu_us"][role]) for role in samples[0]["cpu_us"]},
        "cpu_us_all": median(lambda s: sum(s["cpu_us"].values())),
    }
    for key in ("p50_us", "p99_us"):
        if key in samples[0]:
            result[key] = median(lambda s, key=key: s[key])
    return {**result, "samples": samples}


def by_role(figures, digits):
    return ", ".join(f"{role} {value:.{digits}f}" for role, value in figures.items())


def peak_line(row):
    return "  peak memory, MiB: " + by_role({k: v / 1024 for k, v in row["peak_kib"].items()}, 1)


def table(results, first="in flight"):
    """Rows of many small exchanges."""
    lines = []
    for letter, row in results.items():
        lines.append(f"\n({letter}) {row['name']}")
        lines.append(f"  {first:>9} {'requests/s':>10} {'lowest':>8} {'highest':>8} {'p50 us':>8} "
                     f"{'p99 us':>8}  CPU us per request")
        for level, s in row["levels"].items():
            lines.append(f"  {level:>9} {s['rps']:>10.0f} {s['rps_min']:>8.0f} {s['rps_max']:>8.0f} "
                         f"{s['p50_us']:>8.0f} {s['p99_us']:>8.0f}  {s['cpu_us_all']:.1f}: "
                         f"{by_role(s['cpu_us'], 2)}")
        lines.append(peak_line(row))
    return "\n".join(lines)


def bulk_table(results):
    lines = []
    for letter, row in results.items():
        for mib, s in row["levels"].items():
            lines.append(f"\n({letter}) {row['name']}, {mib} MiB\n  {s['rps']:.0f} MiB/s ({s['rps_min']:.0f} to "
                         f"{s['rps_max']:.0f}); CPU us per MiB {s['cpu_us_all']:.0f}: {by_role(s['cpu_us'], 0)}")
        lines.append(peak_line(row))
    return "\n".join(lines)


# ---- ratios

class Promises:
    """Each is a figure of this run, beside what it has to be. Those without rows are left out."""

    def __init__(self, everything):
        self.rows = everything.get("rows", {})
        self.bulk = everything.get("bulk", {})
        self.growth = everything.get("growth", {})
        self.found = []

    def add(self, what, value, relation, target):
        kept = value >= target if relation == ">=" else value <= target
        self.found.append({"what": what, "value": value, "target": f"{relation} {target:g}", "kept": kept})

    def at(self, letter, level):
        return self.rows.get(letter, {}).get("levels", {}).get(level)

    def all(self):
        for level in (64, 256):
            self.exchanges(level)
        self.latency()
        self.gateway()
        self.large()
        self.grown()
        return self.found

    def exchanges(self, level):
        ours = self.at("d", level)
        theirs = [s for s in (self.at(letter, level) for letter in EVENT_LOOP) if s]
        if ours and theirs:
            self.add(f"(d) / (c) event loop, requests/s at {level}",
                     ours["rps"] / max(s["rps"] for s in theirs), ">=", 1.1)
        if ours:
            cpu = ours["cpu_us"]
            self.add(f"(d) client + service / nats-server, CPU at {level}",
                     (cpu["client"] + cpu["service"]) / cpu["nats-server"], "<=", 1)

    def latency(self):
        ours, default = self.at("d", 1), self.at("c", 1)
        theirs = [s for s in (self.at(letter, 1) for letter in EVENT_LOOP) if s]
        if ours and theirs:
            self.add("(d) / (c) event loop, p50 at 1",
                     ours["p50_us"] / min(s["p50_us"] for s in theirs), "<=", 1.1)
        if ours and default:
            self.add("(d) / (c) default, p50 at 1", ours["p50_us"] / default["p50_us"], "<=", 0.2)

    def gateway(self):
        for letter, target in (("e", 1.5), ("f", 0.9), ("g", 1.4)):
            for level in (64, 256):
                ours, proxy = self.at(letter, level), self.at("b", level)
                if ours and proxy:
                    self.add(f"({letter}) / (b), requests/s at {level}", ours["rps"] / proxy["rps"],
                             ">=", target)

    def large(self):
        for mib, ours in self.bulk.get("i", {}).get("levels", {}).items():
            theirs = self.bulk.get("h", {}).get("levels", {}).get(mib)
            if theirs:
                self.add(f"(i) / (h), bytes/s of {mib} MiB", ours["rps"] / theirs["rps"], ">=", 0.8)

    def grown(self):
        for key, what, few, many, target in (
                ("in_flight", "in flight", 64, 10000, 1.2), ("services", "services", 1, 1000, 1.1)):
            levels = self.growth.get(key, {}).get("levels", {})
            if few in levels and many in levels:
                self.add(f"(d) with {many} {what} / with {few}, CPU of client + service",
                         own(levels[many]) / own(levels[few]), "<=", target)
        memory = self.growth.get("memory", {})
        for key, what, target in (("exchange", "a waiting exchange", 1536), ("stream", "an open stream", 24576)):
            if key in memory:
                self.add(f"bytes for {what}, the larger of client and service",
                         max(memory[key].values()), "<=", target)


def own(figures):
    return figures["cpu_us"]["client"] + figures["cpu_us"]["service"]


def promise_table(promises):
    lines = [f"\n{'ratio, of medians of this run':<62} {'is':>8} {'target':>9}"]
    for one in promises:
        lines.append(f"{one['what']:<62} {one['value']:>8.2f} {one['target']:>9} "
                     f"{'yes' if one['kept'] else 'no'}")
    return "\n".join(lines)
