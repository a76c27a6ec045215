#!/usr/bin/python3
"""Writes files as C: embed.py OUT FILE..., for meson. The dashboard's are `nrt__assets`."""

import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def main(out, *files):
    lines = ["/* Made by tools/embed.py. */", '#include "bridge/admin_private.h"', ""]
    entries = []
    for number, path in enumerate(files):
        name = os.path.basename(path)
        with open(path, "rb") as file:
            data = file.read()
        lines.append(f"static const unsigned char bytes{number}[] = {{ /* {name} */")
        lines += ["    " + "".join(f"{byte}," for byte in data[at:at + 32]) for at in range(0, len(data), 32)]
        lines.append("};")
        where = "/" if name == "index.html" else f"/dashboard/{name}"
        entries.append(f'    {{"{where}", "{TYPES[os.path.splitext(name)[1]]}", bytes{number}, sizeof(bytes{number})}},')
    lines += ["", "const nrt__asset nrt__assets[] = {", *entries, "};",
              f"const size_t nrt__asset_count = {len(files)};", ""]
    with open(out, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
