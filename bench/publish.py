"""Puts the figures of a run where people read them: the tables of docs/performance.md, and the chart
of README.md. What stands around the tables is written by hand."""

import os
import re

from results import own

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "performance.md")
CHART = os.path.join(ROOT, "docs", "performance.svg")


def number(value, digits=0):
    return f"{value:,.{digits}f}"


def markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def three_digits(value):
    return number(value, 0 if value >= 100 else 1 if value >= 10 else 2)


# ---- tables, by the name of their markers in the page

def table_machine(found):
    m, b = found["machine"], found["bytes"]
    return (f"{m['cpus']} cores ({m['cpu']}), Linux {m['kernel']}, {m['nats-server']}, {m['nginx']}, {m['nrt']}; "
            f"load average before: {m['load_before']:.1f}. {found['repetitions']} slices of {found['seconds']:g} s a "
            f"row and level. On NATS a request has {b['request']} bytes and an answer {number(b['answer'])}, "
            f"{number(b['body'])} of which are its body.")


def table_rows(found):
    rows = []
    for letter, row in found["rows"].items():
        for level, s in row["levels"].items():
            rows.append([f"({letter}) {row['name']}" if level == next(iter(row["levels"])) else "", str(level),
                         number(s["rps"]), f"{number(s['rps_min'])}-{number(s['rps_max'])}",
                         number(s["p50_us"]), number(s["p99_us"]), three_digits(s["cpu_us_all"])])
    return markdown(["row", "in flight", "requests/s", "lowest-highest", "p50 us", "p99 us", "CPU us"], rows)


def table_cpu(found):
    rows = []
    for letter, row in found["rows"].items():
        s = row["levels"][64]
        parts = ", ".join(f"{role} {three_digits(us)}" for role, us in s["cpu_us"].items())
        peaks = ", ".join(f"{role} {kib / 1024:.0f}" for role, kib in row["peak_kib"].items())
        rows.append([f"({letter})", parts, peaks])
    return markdown(["row", "CPU us per request at 64 in flight", "peak memory, MiB"], rows)


def table_bulk(found):
    rows = []
    for letter, row in found["bulk"].items():
        for mib, s in row["levels"].items():
            parts = ", ".join(f"{role} {number(us)}" for role, us in s["cpu_us"].items())
            rows.append([f"({letter}) {row['name']}, {mib} MiB", number(s["rps"]),
                         f"{number(s['rps_min'])}-{number(s['rps_max'])}", parts])
    return markdown(["row", "MiB/s", "lowest-highest", "CPU us per MiB"], rows)


def table_growth(found):
    rows = []
    for key, what in (("in_flight", "in flight"), ("services", "services on the connection, 64 in flight")):
        for count, s in found["growth"][key]["levels"].items():
            rows.append([f"{number(count)} {what}", number(s["rps"]), number(s["p50_us"]),
                         three_digits(own(s)), three_digits(s["cpu_us"]["nats-server"])])
    return markdown(["(d) with", "requests/s", "p50 us", "CPU us, client + service", "nats-server"], rows)


def table_memory(found):
    what = {"exchange": "exchange that waits for its answer", "stream": "open stream, nothing moves",
            "connection": "idle keep-alive connection of a client"}
    rows = [[what[kind], ", ".join(f"{role} {number(size)}" for role, size in found["growth"]["memory"][kind].items())]
            for kind in what]
    return markdown(["each", "bytes"], rows)


def table_micro(found):
    return markdown(["part", "ns per message", "MB/s", "instructions"], [
        [name, number(one["ns"]), number(one["bytes_per_s"] / 1e6), number(one["instructions"])]
        for name, one in found["micro"]["parts"].items()])


def table_instructions(found):
    return markdown(["process", "instructions", "allocations", "system calls"], [
        [role, number(one["instructions"]), f"{abs(one['allocations']):.2f}", f"{one['system calls']:.2f}"]
        for role, one in found["micro"]["exchange"].items()])


def table_promises(found):
    return markdown(["", "is", "target", ""], [
        [one["what"], number(one["value"], 0 if one["value"] >= 100 else 2), one["target"],
         "yes" if one["kept"] else "**no**"] for one in found["promises"]])


TABLES = {name[6:]: function for name, function in list(globals().items()) if name.startswith("table_")}


def fill(page, found):
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not pattern.search(page):
            raise ValueError(f"docs/performance.md has no place for {name}")
        text = make(found)
        page = pattern.sub(lambda match, text=text: f"{match[1]}{text}\n{match[2]}", page)
    return page


# ---- the chart

BARS = [("a", "nginx alone, a file", "theirs"), ("b", "nginx \u2192 nginx", "theirs"),
        ("f", "nrt gateway \u2192 NATS \u2192 nrt serve \u2192 nginx", "ours"),
        ("g", "nginx nrt_pass \u2192 NATS \u2192 C service", "ours"),
        ("e", "nrt gateway \u2192 NATS \u2192 C service", "ours"),
        ("c", "libnats \u2192 NATS \u2192 libnats, no HTTP", "theirs"),
        ("d", "libnrt \u2192 NATS \u2192 libnrt, HTTP", "ours")]

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #444 }
.theirs { fill: #9aa4ae } .ours { fill: #2b7bb9 } .small { font-size: 11px }
@media (prefers-color-scheme: dark) { text { fill: #ccc } .theirs { fill: #6c7680 } .ours { fill: #58a6e0 } }
"""


def best(found, letter, level):
    """Of the official client, its fastest mode that does the same work."""
    return max((row["levels"][level] for name, row in found["rows"].items()
                if name[0] == letter and name != "c-same"), key=lambda s: s["rps"])


def chart(found, level=64):
    figures = [(name, kind, best(found, letter, level)) for letter, name, kind in BARS]
    top = max(s["rps"] for _, _, s in figures)
    left, width, step = 300, 260, 28
    height = step * len(figures) + 58
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" width="760" height="{height}" '
           f'role="img" aria-label="Requests per second at {level} in flight">', f"<style>{STYLE}</style>",
           f'<text x="8" y="20">Requests per second, {level} in flight, and CPU of all processes for each request</text>']
    for i, (name, kind, s) in enumerate(figures):
        y = 34 + step * i
        length = width * s["rps"] / top
        out.append(f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{name}</text>'
                   f'<rect class="{kind}" x="{left}" y="{y}" width="{length:.1f}" height="20" rx="2"/>'
                   f'<text x="{left + length + 8:.1f}" y="{y + 15}">{number(s["rps"])}/s, '
                   f'{three_digits(s["cpu_us_all"])} \u00b5s</text>')
    m = found["machine"]
    out.append(f'<text class="small" x="8" y="{height - 8}">{m["cpus"]} cores, load and all servers on them; 1 KiB bodies; '
               f'each row the median of {found["repetitions"]} slices. How: docs/performance.md</text></svg>')
    return "\n".join(out) + "\n"


def publish(found):
    with open(PAGE, encoding="utf-8") as page:
        text = fill(page.read(), found)
    with open(PAGE, "w", encoding="utf-8") as page:
        page.write(text)
    with open(CHART, "w", encoding="utf-8") as svg:
        svg.write(chart(found))
