#!/usr/bin/python3
"""Shows that Doxygen, as docs/Doxyfile has it, finds what is wrong in a header: each of these breaks a
copy of them, and must be told of.

    doxygen-gate.py
"""

import os
import shutil
import subprocess
import sys
import tempfile

# What is done to a header (a file, a text in it, what takes its place), and what Doxygen must say.
BREAKS = {
    "a function without a comment": (
        "conn.h", "NRT_API int nrt_conn_run(", "NRT_API int nrt_walk(nrt_conn *conn);\n\nNRT_API int nrt_conn_run(",
        "nrt_conn_run(nrt_conn *conn) (function) of file conn.h is not documented"),
    "a comment that is not about the second declaration": (
        "conn.h", "NRT_API int nrt_conn_run(nrt_conn *conn);", "NRT_API int nrt_conn_run(nrt_conn *conn);\nNRT_API int nrt_walk(void);",
        "nrt_walk(void) (function) of file conn.h is not documented"),
    "a struct without a comment": (
        "loop.h", "/* Called by the adapter: descriptor", "typedef struct nrt_bare {\n    int fd; /* it */\n} nrt_bare;\n\n/* Called by the adapter: descriptor",
        "Compound nrt_bare is not documented"),
    "a member without a comment": (
        "client.h", "    bool long_poll;", "    int bare;\n    bool long_poll;",
        "Member bare (variable) of struct nrt_send_options is not documented"),
    "a constant without a comment": (
        "options.h", "/* each connection, each refusal */", "", "NRT_LOG_DEBUG_has_no_comment"),
    "a macro without a comment": (
        "base.h", "#ifdef __cplusplus\nextern", "#define NRT_BARE 1\n\n#ifdef __cplusplus\nextern",
        "Member NRT_BARE (macro definition) of file base.h is not documented"),
    "a parameter by another name": (
        "message.h", "The field line at `index`", "The field line at `position`", "reference to 'position'"),
    "an output parameter by another name": (
        "conn.h", "sets *error (may be NULL)", "sets *code (may be NULL)", "reference to 'code'"),
    "a function that does not exist": (
        "conn.h", "nrt_conn_drain is the polite way", "nrt_conn_leave is the polite way", "reference to 'nrt_conn_leave'"),
    "an error that does not exist": (
        "http.h", "NRT_ERR_MEDIA where", "NRT_ERR_TYPE where", "reference to 'NRT_ERR_TYPE'"),
    "a member that does not exist": (
        "client.h", "above nrt_options.max_body,", "above nrt_options.max_size,", "reference to 'nrt_options::max_size'"),
    "a command of Doxygen's with a wrong parameter": (
        "base.h", "(https://semver.org). Static. */", "(https://semver.org). Static.\n * @param name of it */",
        "argument 'name' of command @param is not found"),
    "a command that there is not": (
        "base.h", "(https://semver.org). Static. */", "(https://semver.org). Static.\n * @returned it */", "unknown command"),
}


def doxygen(folder):
    """What it says of the headers in there, and whether it is content."""
    done = subprocess.run(["doxygen", "docs/Doxyfile"], cwd=folder, capture_output=True, text=True)
    return done.stderr, done.returncode == 0


def copy_to(folder):
    for name in ("include/nrt", "docs", "tools"):
        shutil.copytree(name, os.path.join(folder, name))
    with open(os.path.join(folder, "docs/Doxyfile"), "a", encoding="utf-8") as file:
        file.write("GENERATE_HTML = NO\nGENERATE_XML = YES\n")  # references are looked up for some output only
    os.mkdir(os.path.join(folder, "build-docs"))


def broken(folder, header, old, new):
    """What Doxygen says while the header is broken."""
    path = os.path.join(folder, "include/nrt", header)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if old not in text:
        return None, True
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new, 1))
    said = doxygen(folder)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return said


def main():
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        copy_to(folder)
        text, content = doxygen(folder)
        if not content:
            sys.exit(f"doxygen-gate: the headers themselves are not right:\n{text}")
        for name, (header, old, new, wanted) in BREAKS.items():
            text, content = broken(folder, header, old, new)
            if text is None:
                missed.append(f"{name}: {header} does not hold any more: {old}")
            elif content or wanted not in text:
                missed.append(f"{name}: not found\n{text}")
    for one in missed:
        print(f"doxygen-gate: {one}", file=sys.stderr)
    sys.exit(1 if missed else 0)


main()
