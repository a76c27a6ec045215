"""The manual pages say all that --help does."""

import os
import re
import subprocess

import pytest

from harness.world import HERE, NRT

MAN = os.path.join(HERE, os.pardir, os.pardir, "man")
COMMANDS = sorted(name[4:-6] for name in os.listdir(MAN) if re.fullmatch(r"nrt-\w+\.1\.scd", name))


def help_of(command):
    return subprocess.run([NRT, command, "--help"], capture_output=True, text=True, check=True).stdout


def page(name):
    with open(os.path.join(MAN, name), encoding="utf-8") as file:
        return file.read()


def test_every_command_has_a_page_and_stands_in_the_first():
    listed = re.findall(r"^  (\w+) ", subprocess.run([NRT, "help"], capture_output=True, text=True, check=True).stdout,
                        re.M)
    assert set(listed) - {"help", "version"} == set(COMMANDS)
    for command in COMMANDS:
        assert re.search(rf"nrt[- ]{command}", page("nrt.1.scd")), command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_in_its_page(command):
    """Or in nrt(1), for those that all have."""
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", help_of(command)))
    assert "--help" in options or options
    text = page(f"nrt-{command}.1.scd").replace("\\", "") + page("nrt.1.scd").replace("\\", "")
    missing = sorted(option for option in options if not re.search(rf"{re.escape(option)}(?![\w-])", text))
    assert missing == []
