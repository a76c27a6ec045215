#!/usr/bin/python3
"""Draws docs/top.svg: what `nrt top` shows in a terminal of 80 by 14, of real services under real load.

    tools/screen.py [BUILD]

Starts two joined clusters of NATS servers, services in them and load on those, all on loopback, and looks for a
quarter of a minute."""

import html
import os
import re
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.environ.setdefault("NRT_BUILD", os.path.join(TOP, sys.argv[1] if len(sys.argv) > 1 else "build"))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "tests", "integration"))

from harness.natsserver import cluster  # noqa: E402
from harness.world import World  # noqa: E402
from test_top import Terminal  # noqa: E402

COLUMNS, ROWS, WIDE, HIGH = 80, 14, 8.4, 18
COLORS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "36": "#76e3ea"}
FRONT, BACK, DIM = "#e6edf3", "#0d1117", "#8b949e"
SERVICES = {"weather.nats": 3, "accounts.nats": 2, "search.nats": 4, "mail.nats": 2, "maps.nats": 1}  # instances
LOADS = ((0, "weather.nats/", 220), (0, "weather.nats/status/500", 4), (0, "accounts.nats/", 180), (0, "mail.nats/", 12),
         (6, "weather.nats/", 120), (9, "search.nats/", 60), (10, "weather.nats/", 80), (12, "search.nats/", 35))


def spans(line):
    """Runs of characters with one look each: (column, text, codes that are on)."""
    codes, column = set(), 0
    for part in re.split(r"(\033\[[0-9;]*[A-Za-z])", line):
        code = re.fullmatch(r"\033\[([0-9;]*)m", part)
        if code:
            codes = set() if code.group(1) in ("", "0") else codes | {code.group(1)}
        elif part and not part.startswith("\033"):
            yield column, part, codes
            column += len(part)


def draw(lines):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * WIDE + 24:.0f} {ROWS * HIGH + 24}" role="img" '
           'font-family="ui-monospace, DejaVu Sans Mono, Consolas, monospace" font-size="14">',
           "<title>nrt top: services, their instances, load, errors and latencies</title>",
           f'<rect width="100%" height="100%" rx="6" fill="{BACK}"/>']
    for row, line in enumerate(lines):
        y = 12 + row * HIGH
        for column, text, codes in spans(line):
            x = 12 + column * WIDE
            turned = "7" in codes
            color = BACK if turned else next((COLORS[code] for code in codes if code in COLORS), DIM if "2" in codes else FRONT)
            if turned:
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{len(text) * WIDE:.1f}" height="{HIGH}" fill="{FRONT}"/>')
            if text.strip():
                bold = ' font-weight="bold"' if "1" in codes else ""
                out.append(f'<text x="{x:.1f}" y="{y + 13}" fill="{color}"{bold} xml:space="preserve" '
                           f'textLength="{len(text) * WIDE:.1f}">{html.escape(text)}</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    world = World()
    try:
        east = cluster(world.nats, ["n1", "n2"], name="east")
        for name, instances in SERVICES.items():
            for number in range(instances):
                world.handlers(east[number % 2], name)
        top = world.closing(Terminal(east[0], rows=ROWS, columns=COLUMNS, env={"NO_COLOR": ""}))
        begun, waiting = time.monotonic(), list(LOADS)
        while time.monotonic() < begun + 15:
            top.read()
            if waiting and time.monotonic() > begun + waiting[0][0]:
                _, url, rate = waiting.pop(0)
                world.nrt("bench", "--server", east[0].url, "--rate", str(rate), "-d", "1h", f"http://{url}").expected = None
            time.sleep(0.02)
        frame = top.seen.split(b"\033[H")[-1].split(b"\033[J")[0].decode()
        lines = [re.sub(r"\033\[K|\r", "", line) for line in frame.split("\n")]
        assert len(lines) == ROWS, lines
        with open(os.path.join(TOP, "docs", "top.svg"), "w", encoding="utf-8") as file:
            file.write(draw(lines))
        print("\n".join(re.sub(r"\033\[[0-9;]*m", "", line) for line in lines))
    finally:
        problems = world.finish()
        world.remove()
    assert not problems, problems


main()
