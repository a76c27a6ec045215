"""The examples as a reader meets them: run as README.md says, and quoted there as they are."""

import glob
import os
import re
import subprocess

import pytest

from harness.client import Client
from harness.message import assert_problem
from harness.world import BUILD, HERE

TOP = os.path.join(HERE, os.pardir, os.pardir)
EXAMPLES = os.path.join(TOP, "examples")


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def example(world, nats):
    """example(NAME, ...): starts one, with the server in its environment."""
    def example(name, **options):
        child = world.start([os.path.join(BUILD, "examples", name)], name, env={"NATS_URL": nats.url},
                            **options)
        nats.wait_subscription(f"nrt.requests.{options.pop('host', name)}.nats.*")
        return child
    return example


@pytest.mark.parametrize("name", ["hello.c", "get.c"])
def test_the_readme_quotes_an_example_as_it_is(name):
    """Each is quoted whole, in a block of its own."""
    blocks = re.findall(r"^```c\n(.*?)^```$", read("README.md"), re.M | re.S)
    assert read("examples", name) in blocks


def test_examples_are_short_and_use_the_public_headers_only():
    paths = glob.glob(os.path.join(EXAMPLES, "*.c"))
    assert len(paths) >= 3
    for path in paths:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert text.count("\n") <= 100, path
        assert not re.search(r'#include "', text), path
    assert read("examples", "hello.c").count("\n") < 30
