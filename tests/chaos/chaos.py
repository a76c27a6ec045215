#!/usr/bin/python3
"""Storms over a cluster of NATS servers, services and a gateway under load; a ledger that clients
and services keep proves that what is promised holds. See ./dev chaos --help."""

import argparse
import collections
import math
import os
import shutil
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "integration")]

import judge  # noqa: E402
import network  # noqa: E402
import storm  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(
        prog="./dev chaos", description="Kills, stops and cuts off NATS servers, instances and a "
        "gateway under load, and shows that no answer goes to the wrong request, no POST runs "
        "twice, nothing hangs, and all of it heals.")
    parser.add_argument("rounds", nargs="?", type=int, default=10, help="of about 25 s each; 10")
    parser.add_argument("--seed", type=int, help="of the first round; the next one has the next")
    parser.add_argument("--short", action="store_true", help="rounds of about 15 s")
    parser.add_argument("--network", choices=("auto", "namespaces", "proxies"), default="auto",
                        help="how networks are cut off: auto takes namespaces where they are "
                        "allowed, else TCP proxies")
    parser.add_argument("--keep", action="store_true", help="keep logs and ledgers of good rounds")
    options = parser.parse_args()
    if not 1 <= options.rounds <= 10000:
        parser.error("ROUNDS is from 1 to 10000")
    return options


def make_network(wanted):
    if wanted == "proxies":
        return network.Proxies
    if os.environ.pop(network.INSIDE, None):
        return network.Namespaces
    why = network.enter(sys.argv)
    if wanted == "namespaces":
        sys.exit(f"chaos: no network namespaces: {why}")
    print(f"chaos: no network namespaces here ({why}); networks are cut off by TCP proxies between "
          "NATS servers and their clients instead", flush=True)
    return network.Proxies


def replay(options, seed):
    words = ["./dev chaos 1 --seed", str(seed)]
    words += ["--short"] if options.short else []
    words += ["--network", options.network] if options.network != "auto" else []
    return " ".join(words)


def percentile(values, share):
    values = sorted(values)
    return values[max(0, math.ceil(share * len(values)) - 1)]


def show_outcomes(requests):
    for way, counts in judge.outcomes(requests).items():
        total = sum(counts.values())
        print(f"{way}: {total} requests")
        for kind, count in counts.most_common():
            print(f"    {kind:<28} {count:>7}  {100 * count / total:6.2f} %")


def show_effects(effects):
    print("event           times  requests failed         failing for           after it is mended")
    print("                                        p50    p99    max      p50    p99    max (s)")
    by_kind = collections.defaultdict(list)
    for one in effects:
        by_kind[one["kind"]].append(one)
    for kind, cases in sorted(by_kind.items()):
        failed = sum((one["failed"] for one in cases), collections.Counter())
        times = []
        for which in ("lasted", "after"):
            values = [one[which] for one in cases]
            times.append(" ".join(f"{value:6.2f}" for value in (
                percentile(values, 0.5), percentile(values, 0.99), max(values))))
        print(f"{kind:<15} {len(cases):>5} {sum(one['requests'] for one in cases):>9} "
              f"{sum(failed.values()):>6}  {times[0]}   {times[1]}")
        for (way, outcome), count in failed.most_common():
            print(f"    {way} {outcome}: {count}")


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # finally blocks end what was started
    net = make_network(options.network)
    first = options.seed if options.seed is not None else int(time.time()) % 1000000
    print(f"chaos: {options.rounds} rounds over {net.name}, seed {first}", flush=True)
    folder = tempfile.mkdtemp(prefix="nrt-chaos-")
    requests, effects, bad = [], [], []
    try:
        for seed in range(first, first + options.rounds):
            began = time.monotonic()
            where = os.path.join(folder, str(seed))
            one = storm.Round(where, net(), seed, options.short, lambda text: print(
                f"    {text}", flush=True))
            print(f"round with seed {seed}", flush=True)
            good = one.run()
            requests += one.requests
            effects += judge.effects(one.requests, one.events)
            print(f"    {len(one.requests)} requests, "
                  f"{sum(r.failed for r in one.requests)} failed, "
                  f"{len(one.executions)} executions, {time.monotonic() - began:.0f} s: "
                  f"{'all promises kept' if good else 'BROKEN'}", flush=True)
            if not good:
                bad.append(seed)
                for problem in one.problems:
                    print(f"    {problem}")
                print(f"    again: {replay(options, seed)}\n    logs and ledgers: {where}",
                      flush=True)
            elif not options.keep:
                shutil.rmtree(where)
    finally:
        if not bad and not options.keep and sys.exc_info()[0] is None:
            shutil.rmtree(folder, ignore_errors=True)
    print()
    if requests:
        show_outcomes(requests)
        show_effects(effects)
    print(f"\nchaos: {options.rounds - len(bad)} of {options.rounds} rounds kept all promises")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
