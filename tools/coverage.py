#!/usr/bin/python3
"""Line coverage of src/ from the data a -Db_coverage build has left behind, by way of gcov.

Prints one line a file, lowest first, and one a layer. A source compiled into several targets counts
once: a line is covered if any of them ran it.
"""

import json
import os
import subprocess
import sys


def objects(build, root):
    """Yields (source relative to the root, object) for what lies in src/."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        for entry in json.load(file):
            source = os.path.abspath(os.path.join(entry["directory"], entry["file"]))
            source = os.path.relpath(source, root)
            if source.startswith("src" + os.sep):
                yield source, os.path.join(entry["directory"], entry["output"])


def lines_of(build, root, target):
    """Yields (source, line, times it ran), headers included, for one object."""
    notes = os.path.splitext(target)[0] + ".gcno"
    if not os.path.exists(notes):
        notes = target[: -len(".c.o")] + ".gcno"
    if not os.path.exists(notes):
        return
    listing = subprocess.run(
        ["gcov", "--json-format", "--stdout", notes],
        cwd=build, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ).stdout  # no data file beside the notes means that nothing ran: all counts are 0
    for document in listing.splitlines():
        data = json.loads(document)
        for file in data["files"]:
            path = os.path.normpath(os.path.join(data["current_working_directory"], file["file"]))
            for line in file["lines"]:
                yield os.path.relpath(path, root), line["line_number"], line["count"]


def percent(lines):
    return 100 * sum(lines.values()) / len(lines)


def main():
    if len(sys.argv) != 2:
        print("usage: coverage.py BUILD", file=sys.stderr)
        return 2
    build = os.path.abspath(sys.argv[1])
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    covered = {}  # source -> line -> whether it ran
    for source, target in objects(build, root):
        for path, line, count in lines_of(build, root, target):
            if path.startswith("src" + os.sep):
                lines = covered.setdefault(path, {})
                lines[line] = lines.get(line, False) or count > 0
    covered = {source: lines for source, lines in covered.items() if lines}
    if not covered:
        print(f"no coverage data in {sys.argv[1]}")
        return 1
    layers = {}
    for source in sorted(covered, key=lambda source: (percent(covered[source]), source)):
        lines = covered[source]
        print(f"{source:<40} {percent(lines):5.1f} %  {sum(lines.values())} of {len(lines)} lines")
        whole = layers.setdefault(os.path.dirname(source), {})
        whole.update({(source, line): ran for line, ran in lines.items()})
    print()
    for layer, lines in sorted(layers.items()):
        print(f"{layer:<40} {percent(lines):5.1f} %  {sum(lines.values())} of {len(lines)} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
