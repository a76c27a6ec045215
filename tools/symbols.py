#!/usr/bin/python3
"""Looks at what the compiler made of the library's sources, in a finished build directory.

- A symbol that other files can see is `nrt__name`, or `nrt_name` if a public header declares it:
  what is used in one file only is `static`.
- core/ keeps no state of its own: nothing writable outlives a call.
- A shared library exports `nrt_name` and nothing else.
"""

import glob
import json
import os
import re
import subprocess
import sys

LIBRARY = re.compile(r"(?:^|/)src/(core|lib|bridge|adapters)/.*\.c$")
WRITABLE = re.compile(r"\.data$|\.data\.(?!rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*|COMMON")


def nm(path, *options):
    """Yields (name, class letter, section) of the symbols defined in an object or a library."""
    command = ["nm", "--format=sysv", "--defined-only", *options, path]
    listing = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in listing.splitlines():
        columns = [column.strip() for column in line.split("|")]
        if len(columns) == 7 and columns[0] != "Name":
            yield columns[0], columns[2], columns[6]


def declared(root):
    """The names in public headers that could be functions or objects."""
    names = set()
    for header in glob.glob(os.path.join(root, "include", "nrt", "*.h")):
        with open(header, encoding="utf-8") as file:
            names.update(re.findall(r"\bnrt_[a-z0-9]\w*", file.read()))
    return names


def objects(build):
    """Yields (layer, source, object) for the library's sources, each object once."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        for entry in json.load(file):
            layer = LIBRARY.search(entry["file"])
            if layer:
                path = os.path.normpath(os.path.join(entry["directory"], entry["output"]))
                yield layer[1], layer[0].lstrip("/"), path


def main():
    if len(sys.argv) != 2:
        print("usage: symbols.py BUILD", file=sys.stderr)
        return 2
    build = sys.argv[1]
    public = declared(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    found = set()
    for layer, source, path in objects(build):
        if not os.path.exists(path):
            continue  # of a target that is not built by default
        for name, kind, section in nm(path):
            if kind.isupper() and not name.startswith("nrt__") and name not in public:
                found.add(f"{source}: {name} is visible to other files: static, or nrt__{name}")
            if layer == "core" and kind.upper() in "BCDS" and WRITABLE.search(section):
                found.add(f"{source}: {name} is writable state in core/: keep it in an object")
    for library in glob.glob(os.path.join(build, "**", "lib*.so"), recursive=True):
        # A version of symbols is listed as one, at no address of its own (src/libnrt.map).
        names = sorted(name for name, kind, _ in nm(library, "--dynamic") if kind != "A")
        others = [name for name in names if not re.match(r"nrt_[a-z0-9]", name)]
        if others:
            few = ", ".join(others[:5]) + (" …" if len(others) > 5 else "")
            found.add(f"{os.path.basename(library)}: exports {len(others)} names not ours: {few}")
    for line in sorted(found):
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
