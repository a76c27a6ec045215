"""Clients of others, written in JavaScript: npm brings their packages, once for each lock file,
into a cache outside of the tree."""

import hashlib
import os
import shutil
import subprocess
import tempfile

import pytest

CLIENTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "clients")
FILES = ("package.json", "package-lock.json")


def modules():
    """The folder of installed packages; skips the test where they cannot be had."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    digest = hashlib.sha256()
    for name in FILES:
        with open(os.path.join(CLIENTS, name), "rb") as file:
            digest.update(file.read())
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(cache, "nrt-test-clients", digest.hexdigest()[:16])
    if not os.path.isdir(folder):
        _install(folder)
    return os.path.join(folder, "node_modules")


def _install(folder):
    """All or nothing, whoever else is at it at the same time."""
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    scratch = tempfile.mkdtemp(dir=os.path.dirname(folder))
    try:
        for name in FILES:
            shutil.copy(os.path.join(CLIENTS, name), scratch)
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=2"],
            cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )
        if done.returncode != 0:
            pytest.skip(f"npm ci failed; is its registry out of reach?\n{done.stdout[-2000:]}")
        os.rename(scratch, folder)
    except OSError:
        if not os.path.isdir(folder):
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def argv(script, *args):
    return [shutil.which("node"), os.path.join(CLIENTS, script), *args]
