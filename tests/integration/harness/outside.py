"""Programs that nobody here wrote: taken from Debian's packages when a test wants them, not
committed; and how they are built against the library."""

import os
import re
import shutil
import subprocess

import pytest

from .world import BUILD, HERE, sanitized

ROOT = os.path.dirname(os.path.dirname(HERE))


def unpacked(package):
    """The folder of the files of a Debian package; skips the test where it cannot be had. Slim systems
    leave documentation out, so the package is not installed but unpacked."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(cache, "nrt-test-clients", package)
    if os.path.isdir(folder):
        return folder
    scratch = f"{folder}.{os.getpid()}"
    os.makedirs(scratch)
    try:
        done = subprocess.run(["apt-get", "-q", "download", package], cwd=scratch, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        archives = [name for name in os.listdir(scratch) if name.endswith(".deb")]
        if done.returncode != 0 or len(archives) != 1:
            pytest.skip(f"{package} cannot be downloaded:\n{done.stdout[-1000:]}")
        subprocess.run(["dpkg", "-x", archives[0], "files"], cwd=scratch, check=True)
        os.rename(os.path.join(scratch, "files"), folder)
    except OSError:
        if not os.path.isdir(folder):
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


# What stands before each program: the connection that its one new line uses.
PRELUDE = """
#define _GNU_SOURCE
#include <nrt/nrt.h>
#include <nrt/{header}.h>
#include <stdio.h>
#include <stdlib.h>
static inline nrt_conn *nrt_test_conn(void) {{
    static nrt_conn *conn;
    nrt_options options;
    nrt_options_init(&options);
    options.environment = true; /* NATS_URL */
    conn = conn ? conn : nrt_conn_open(&options, NULL);
    return conn;
}}
static inline void nrt_test_check(int error) {{
    if (error != 0) {{
        fprintf(stderr, "nrt: %s\\n", nrt_error_text(error));
        exit(3);
    }}
}}
"""


def compile_program(world, name, text, header, libs=()):
    """Builds `text` with the new line's header before it; the program's path."""
    if sanitized():
        pytest.skip("a library with a sanitizer wants programs with the same one")
    source = world.file(f"{name}.c", text)
    prelude = world.file(f"{name}-prelude.h", PRELUDE.format(header=header))
    binary = world.path(name)
    library = os.path.join(BUILD, "src")
    subprocess.run(["cc", "-w", "-g", "-include", prelude, f"-I{ROOT}/include", source, "-o", binary,
                    f"-L{library}", f"-Wl,-rpath,{library}", "-lnrt", "-pthread",
                    *(f"-l{lib}" for lib in libs)], check=True)
    return binary


def insert_before(text, pattern, line):
    """`line` (with the groups of `pattern`) before each statement that matches; there must be one."""
    changed, count = re.subn(rf"(?m)^([ \t]*)(.*{pattern}.*)$",
                             lambda match: match.expand(rf"\1{line}\n\1\2"), text)
    assert count > 0, f"nothing matches {pattern}"
    return changed
