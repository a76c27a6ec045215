"""What the manual pages say is what --help says, and the page of the nginx module what its code has."""

import glob
import os
import re
import subprocess

import pytest

from harness.world import HERE, NRT

TOP = os.path.join(HERE, os.pardir, os.pardir)
MAN = os.path.join(TOP, "man")
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


OPTION = r"(?<![\w-])(--[a-z][a-z-]+|-[A-Za-z])(?![\w-])"


def options_of_help(command):
    """Those it lists, by their letters and names: "  -X, --request METHOD  the method"."""
    text = help_of(command)
    lines = re.findall(r"^  (?:(-\w), |    )(--[a-z][a-z-]+)", text, re.M)
    assert lines[-1] == ("-h", "--help") and (len(lines) >= 2 or command == "completion")
    return {option for line in lines for option in line if option}


def options_of_page(name):
    """Those it explains, "*-X*, *--request* _METHOD_" above an indented paragraph; those of all that it lists."""
    text = page(name)
    lines = re.findall(r"^(\*-.*)\n\t", text, re.M) + re.findall(r"^The common options are (?:.+\n)+", text, re.M)
    return {option for line in lines for option in re.findall(rf"\*{OPTION}\*", line)}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_has_the_options_that_help_has_and_no_others(command):
    assert options_of_page(f"nrt-{command}.1.scd") == options_of_help(command)


def test_the_common_options_are_those_that_all_commands_have():
    common = set.intersection(*(options_of_help(command) for command in COMMANDS if command not in ("demo", "completion")))
    first = options_of_page("nrt.1.scd")
    assert first == common | {"-s"}, "-s is --silent to get"
    assert "*get*" in page("nrt.1.scd") and "-s" in options_of_help("get")


@pytest.mark.parametrize("name", sorted(name for name in os.listdir(MAN) if name.endswith(".1.scd")))
def test_no_page_speaks_of_an_option_that_is_not_there(name):
    known = {option for command in COMMANDS for option in options_of_help(command)} | {"--version"}
    assert set(re.findall(rf"\*{OPTION}", page(name))) - known == set()


# ---- the module for nginx ----------------------------------------------------------------------


def sources(folder):
    paths = glob.glob(os.path.join(TOP, "src", folder, "*.c"))
    assert paths
    return "\n".join(read(path) for path in paths)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_the_directives_of_nginx_are_those_of_its_page():
    code = sources("nginx")
    ours = set(re.findall(r'(?:NGX_HTTP_NRT_LOC\(|\{ ngx_string\()"(nrt_\w+)"[),]+ *(?:NGX_|\n *NGX_)', code))
    text = read(os.path.join(TOP, "docs", "nginx.md"))
    rows = "\n".join(re.findall(r"^\| (`nrt_.*?) \|", text, re.M))
    assert len(ours) > 15 and set(re.findall(r"`(nrt_\w+)[ ;]", rows)) == ours
    assert set(re.findall(r"(?<![\w$])nrt_[a-z_]+\b", text)) - ours == set()


def test_the_variables_of_nginx_are_those_of_its_page():
    ours = set(re.findall(r'\{ ngx_string\("(nrt_\w+)"\), NULL,', sources("nginx")))
    told = set(re.findall(r"\$(nrt_\w+)", read(os.path.join(TOP, "docs", "nginx.md"))))
    assert len(ours) > 3 and told == ours
