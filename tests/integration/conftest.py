"""Fixtures: `world` starts things, `nats` is a server in it, `peer` a raw NATS client on that."""

import os
import signal
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
for name in ("message", "child", "clock", "natsserver", "rawnats", "world", "origin", "front"):
    pytest.register_assert_rewrite(f"harness.{name}")

from harness.front import Front  # noqa: E402
from harness.world import World  # noqa: E402

# A shell without job control starts what runs in the background with SIGINT ignored, nohup does so with
# SIGHUP, and all that is started from there inherits it. What is handled here is at its default there.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Another nats-server than the installed one: what is started by name is this one then.
if os.environ.get("NRT_NATS_SERVER"):
    other = tempfile.TemporaryDirectory(prefix="nrt-nats-server-")
    os.symlink(os.path.abspath(os.environ["NRT_NATS_SERVER"]), os.path.join(other.name, "nats-server"))
    os.environ["PATH"] = f"{other.name}:{os.environ['PATH']}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    given = getattr(item, "funcargs", {})
    world = given.get("world") or given.get("shared")
    if report.failed and world:
        report.sections.append(("what ran", world.logs()))


def play():
    things = World()
    yield things
    problems = things.finish()
    things.remove()
    if problems:
        pytest.fail("\n\n".join(problems), pytrace=False)


@pytest.fixture
def world():
    yield from play()


@pytest.fixture(scope="module")
def shared():
    """A world for all tests of a file, for what takes long to start."""
    yield from play()


@pytest.fixture
def nats(world):
    return world.nats()


@pytest.fixture
def peer(world, nats):
    return world.peer(nats)


@pytest.fixture(params=["nrt", "nginx"])
def front(world, request):
    """Starts a gateway: a test that uses it runs with `nrt gateway`, and with nginx."""
    return Front(world, request.param)
