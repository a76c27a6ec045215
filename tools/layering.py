#!/usr/bin/python3
"""Who may include what, and who may not print or end the process: the layers of the design.

    cli/   nginx/   adapters/
        bridge/
        lib/
        core/          no I/O, no clock, no threads

An include may only point down. Prints `file:line: what, and what to do` for each breach, exits 1.
"""

import os
import re
import sys

# What a file may include of ours: folders below src/, and public headers.
MAY_INCLUDE = {
    "core": ["core"],
    "lib": ["core", "lib"],
    "bridge": ["core", "lib", "bridge"],
    "adapters": ["core", "lib", "bridge", "adapters"],
    "cli": ["core", "lib", "bridge", "adapters", "cli"],
    "nginx": ["core", "lib", "bridge", "adapters", "nginx"],
    "include/nrt": [],
    "examples": [],
}

# The same inside core/, for its folders: exchange and discovery ask each other.
CORE_MAY_INCLUDE = {
    "base": ["base"],
    "nats": ["base", "nats"],
    "http": ["base", "nats", "http"],
    "discovery": ["base", "nats", "http", "discovery", "exchange"],
    "exchange": ["base", "nats", "http", "discovery", "exchange"],
    "handler": ["base", "nats", "http", "discovery", "exchange", "handler"],
}

# The C17 standard headers, but for those that reach for a clock, a thread or a signal.
PURE = set(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp stdalign "
    "stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath uchar wchar "
    "wctype".split()
)
STANDARD = PURE | {"signal", "threads", "time"}
CORE_LIBRARIES = {"llhttp.h", "jansson.h", "openssl/evp.h", "openssl/rand.h"}

# Public headers that bring another library along belong to the adapters: what else they may include.
ADAPTER_HEADERS = {
    "nrt/libevent.h": ("event2/",),
    "nrt/curl.h": ("curl/", "strings.h", "sys/socket.h"),
    "nrt/mhd.h": ("microhttpd.h", "netinet/in.h", "sys/socket.h", "unistd.h"),
}
# Which other libraries stay out of a layer.
NOT_IN = {
    "lib": ("event2/", "curl/", "microhttpd.h", "ngx_", "uv.h", "ev.h"),
    "bridge": ("curl/", "microhttpd.h", "ngx_", "uv.h", "ev.h"),
    "adapters": ("ngx_",),
    "cli": ("ngx_",),
    "examples": ("ngx_",),
}

QUIET = ("core", "lib", "bridge")  # layers that neither print nor end the process
LOUD_CALL = re.compile(
    r"(?<![\w.])(?<!->)"
    r"(printf|vprintf|puts|putchar|perror|exit|_exit|_Exit|quick_exit|abort)\s*\("
)
LOUD_STREAM = re.compile(r"(?<![\w.])(?<!->)(stdout|stderr)\b")

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL
)


def layer_of(path):
    """The layer a path (relative to the root) lies in, or None."""
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[:2] == ["include", "nrt"]:
        return "include/nrt"
    return "examples" if parts[0] == "examples" else None


def without_comments(text, strings):
    """Blanks comments, and strings too if asked, but keeps every newline."""

    def blank(match):
        token = match[0]
        if token[0] in "\"'" and not strings:
            return token
        return " " + "\n" * token.count("\n")

    return TOKEN.sub(blank, text)


def standard_or(name, names):
    return name.endswith(".h") and name[:-2] in names


def breach_of_system(layer, name):
    """What is wrong with `#include <name>` in this layer, or None."""
    if name in ADAPTER_HEADERS and layer in QUIET + ("include/nrt",):
        return f"<{name}> belongs to adapters/, above {layer}/: hand over an nrt_loop instead"
    if name.startswith("nrt/"):
        return None
    if layer == "core" and not standard_or(name, PURE) and name not in CORE_LIBRARIES:
        return (
            f"core/ is an engine without I/O and may not include <{name}>: let lib/ do it and hand"
            " bytes, the time and events over"
        )
    if layer == "include/nrt" and not standard_or(name, STANDARD):
        return f"a public header includes <nrt/...> and C standard headers only, not <{name}>"
    if name.startswith(NOT_IN.get(layer, ())):
        return f"<{name}> stays out of {layer}/: an adapter or a layer above is the place for it"
    return None


def breach_of_own(root, path, layer, name):
    """What is wrong with `#include "name"` in this layer, or None."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
    if layer_of("src/" + name) in MAY_INCLUDE:
        target = "src/" + name
    elif os.path.exists(os.path.join(root, beside)):
        target = beside
    else:
        return None  # generated, or the compiler will say so
    its_layer = layer_of(target)
    if layer == its_layer == "core":
        part, its_part = path.split("/")[2], target.split("/")[2]
        if its_part not in CORE_MAY_INCLUDE.get(part, []):
            return f'core/{part}/ may not include "{name}": core/{its_part}/ stands above it'
        return None
    if layer == "examples":
        if its_layer != "examples":
            return f'an example shows the public API: include <nrt/...>, not "{name}"'
        return None
    if layer == "include/nrt":
        return f'installed headers include each other as <nrt/...>, not "{name}"'
    if its_layer == "include/nrt" or its_layer in MAY_INCLUDE[layer]:
        return None
    return (
        f'{layer}/ may not include "{name}" of {its_layer}/: move what is needed down, or hand it'
        " over as a callback"
    )


def breaches(root, path):
    """Yields (line, text) for each breach in one file."""
    layer = layer_of(path)
    if layer not in MAY_INCLUDE:
        yield 1, "in no layer: src/ has core, lib, bridge, adapters, cli and nginx"
        return
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = file.read()
    for number, line in enumerate(without_comments(text, strings=False).split("\n"), 1):
        include = INCLUDE.match(line)
        if not include:
            continue
        kind, name = include.groups()
        if kind == "<":
            adapter = ADAPTER_HEADERS.get(path.removeprefix("include/"))
            allowed = adapter and name.startswith(adapter)
            breach = None if allowed else breach_of_system(layer, name)
        else:
            breach = breach_of_own(root, path, layer, name)
        if breach:
            yield number, breach
    if layer not in QUIET:
        return
    for number, line in enumerate(without_comments(text, strings=True).split("\n"), 1):
        loud = LOUD_CALL.search(line)
        if loud and ("xit" in loud[1] or loud[1] == "abort"):
            yield number, f"{loud[1]}() in {layer}/: a library returns an error instead"
        elif loud or LOUD_STREAM.search(line):
            yield number, f"a library prints nothing, and this is {layer}/: use the log callback"


def sources(root):
    for top in ("include/nrt", "src", "examples"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(here)
    found = False
    for path in sorted(sources(root)):
        for line, text in breaches(root, path):
            found = True
            print(f"{path}:{line}: {text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
