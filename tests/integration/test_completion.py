"""Shell completion: the scripts of `nrt completion` in bash, zsh and fish themselves, as someone types."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time

import pytest

from harness.clock import DEADLINE, SLOW
from harness.rawnats import SilentNats
from harness.world import BUILD, NRT

COMMANDS = re.findall(r"^  (\w+) ", subprocess.run([NRT, "help"], capture_output=True, text=True, check=True).stdout,
                      re.M)


def help_of(command):
    """Its options: ("-X", "--request", "METHOD"), without a letter or a value where there is none."""
    text = subprocess.run([NRT, command, "--help"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^  (?:(-\w), |    )(--[a-z][a-z-]+)(?: (\S+))?", text, re.M)
    assert found and found[-1][1] == "--help"
    return found


OPTIONS = {command: help_of(command) for command in COMMANDS if command not in ("help", "version")}


def script(shell):
    return subprocess.run([NRT, "completion", shell], capture_output=True, text=True, check=True).stdout


class Typing:
    """An interactive shell on a terminal. What it offers for a line is put into the line, all of it, and read back."""

    def __init__(self, folder, argv, setup, env):
        self.out = os.path.join(folder, "line")
        self.main, side = pty.openpty()
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 4000, 0, 0))
        self.process = subprocess.Popen(argv, stdin=side, stdout=side, stderr=side, env=env, cwd=folder,
                                        start_new_session=True)
        os.close(side)
        self.seen = b""
        self.round = 0
        for line in setup:
            self.write(line + "\n")
        self.write("echo rea''dy\n")
        self.wait(lambda: b"ready\r\n" in self.seen)

    def write(self, text):
        os.write(self.main, text.encode())

    def wait(self, done):
        """Until then; reading what is shown all the while, for a full terminal would hold the shell up."""
        end = time.monotonic() + DEADLINE
        while not done():
            assert time.monotonic() < end and self.process.poll() is None, self.seen[-4000:].decode(errors="replace")
            if select.select([self.main], [], [], 0.005)[0]:
                self.seen += os.read(self.main, 65536)

    def line_of(self, keys):
        """The line as it is after those keys."""
        self.round += 1
        self.write("\x15" + keys + "\x18r")
        end = f"\n{self.round}\n"
        self.wait(lambda: os.path.exists(self.out) and self.read().endswith(end))
        return self.read()[: -len(end)]

    def read(self):
        with open(self.out, encoding="utf-8") as file:
            return file.read()

    def close(self):
        os.close(self.main)
        self.process.kill()
        self.process.wait()


class Bash:
    all = "\x1b*"  # insert-completions

    def __init__(self, folder, env):
        setup = ["PS1='$ '", f"source {folder}/nrt.bash",
                 "record() { n=$((n + 1)); printf '%s\\n%d\\n' \"$READLINE_LINE\" $n >line.new; mv line.new line; }",
                 "bind -x '\"\\C-xr\": record'"]
        self.typing = Typing(folder, ["bash", "--norc", "--noprofile", "-i"], setup, {**env, "TERM": "dumb"})

    def offers(self, line):
        """The candidates, as the whole words that they would make of the last one."""
        got = self.typing.line_of(line + self.all)
        at = line.rfind(" ") + 1
        words = got[at:].split()
        # What bash does not replace is there once only: of --log=json text, "--log=" is of both.
        kept = max(*(line[at:].rfind(char) + 1 for char in ":="), line[at:].rfind("@"))
        return {words[0], *(line[at : at + kept] + word for word in words[1:])} - {line[at:]} if words else set()

    def close(self):
        self.typing.close()


class Zsh:
    all = "\x18a"

    def __init__(self, folder, env):
        setup = ["PS1='$ '", "autoload -U compinit && compinit -u -D", f"source {folder}/nrt.zsh",
                 "zle -C all-matches complete-word _generic",
                 "zstyle ':completion:all-matches:*' completer _all_matches _complete",
                 "zstyle ':completion:all-matches:*' insert yes", "bindkey '^Xa' all-matches",
                 "record() { (( ++n )); print -r -- $BUFFER$'\\n'$n >line.new; mv line.new line }",
                 "zle -N record", "bindkey '^Xr' record"]
        self.typing = Typing(folder, ["zsh", "-f", "-i"], setup, {**env, "TERM": "dumb"})

    def offers(self, line):
        got = self.typing.line_of(line + self.all)
        at = line.rfind(" ") + 1
        # Behind the last one there is what would be typed next: --output= and its value, refused, and another.
        return {word.rstrip(",") if word.endswith(",") else re.sub("^(--[a-z-]+)=$", r"\1", word)
                for word in got[at:].split()} - {line[at:]}

    def close(self):
        self.typing.close()


class Fish:
    def __init__(self, folder, env):
        self.folder, self.env = folder, env

    def ask(self, lines):
        """For each line, what is offered with its description."""
        asked = "; ".join(f"echo '== {number}'; complete -C '{line}'" for number, line in enumerate(lines))
        done = subprocess.run(["fish", "--no-config", "-c", f"source nrt.fish; {asked}"], cwd=self.folder, env=self.env,
                              capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert done.returncode == 0 and not done.stderr, done.stderr
        parts = re.split(r"^== \d+\n", done.stdout, flags=re.M)[1:]
        return [dict(row.partition("\t")[::2] for row in part.splitlines()) for part in parts]

    def offers(self, line):
        return set(self.ask([line])[0])

    def close(self):
        pass


SHELLS = {"bash": Bash, "zsh": Zsh, "fish": Fish}


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, shared):
    """A shell that has read the script, beside a NATS server with two services, and with two contexts."""
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    folder = shared.path(request.param)
    contexts = os.path.join(folder, "config", "nats", "context")
    os.makedirs(contexts)
    server, other = shared.nats(), shared.nats()
    shared.serve(server, "weather.nats", "http://127.0.0.1:1", "wind.nats", "http://127.0.0.1:1")
    shared.serve(other, "elsewhere.nats", "http://127.0.0.1:1")
    for name, url in (("prod", server.url), ("prod-eu", other.url)):
        with open(os.path.join(contexts, f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump({"url": url}, file)
    with open(os.path.join(folder, "config", "nats", "context.txt"), "w", encoding="utf-8") as file:
        file.write("prod")
    for name in ("body.json", "body.txt"):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write("{}")
    with open(os.path.join(folder, f"nrt.{request.param}"), "w", encoding="utf-8") as file:
        file.write(script(request.param))
    env = {key: value for key, value in os.environ.items() if not key.startswith(("NATS_", "LC_"))}
    env.update(HOME=folder, ZDOTDIR=folder, XDG_CONFIG_HOME=os.path.join(folder, "config"), LANG="C.UTF-8",
               PATH=f"{BUILD}:{env['PATH']}")
    things = SHELLS[request.param](folder, env)
    things.other = other
    yield things
    things.close()


# ---- what the help lists ------------------------------------------------------------------------


def test_all_commands_are_offered(shell):
    assert shell.offers("nrt ") >= set(COMMANDS)
    assert shell.offers("nrt to") == {"top"}
    assert shell.offers("nrt help ") >= set(COMMANDS)


@pytest.mark.parametrize("command", OPTIONS)
def test_all_options_of_the_help_are_offered(shell, command):
    names = {name for _, name, _ in OPTIONS[command]}
    assert shell.offers(f"nrt {command} --") == names
    if isinstance(shell, Fish):  # which completes letters apart from names
        assert shell.offers(f"nrt {command} -") >= {letter for letter, _, _ in OPTIONS[command] if letter}
    elif isinstance(shell, Bash):
        assert shell.offers(f"nrt {command} -") == names | {letter for letter, _, _ in OPTIONS[command] if letter}


@pytest.mark.parametrize("command", OPTIONS)
def test_words_of_the_help_are_offered_as_values(shell, command):
    """A value that is written "text|json" is one of these words: behind the name, behind = and behind the letter."""
    lists = [(letter, name, set(value.split("|"))) for letter, name, value in OPTIONS[command]
             if re.fullmatch(r"[a-z0-9-]+(\|[a-z0-9-]+)+", value)]
    for letter, name, words in lists:
        assert shell.offers(f"nrt {command} {name} ") == words
        assert shell.offers(f"nrt {command} {name}=") == {f"{name}={word}" for word in words}
        if letter:
            assert shell.offers(f"nrt {command} {letter} ") == words
    if not lists:
        assert not any("|" in value and value.islower() for _, _, value in OPTIONS[command])


# ---- values and operands ------------------------------------------------------------------------


def test_words_with_commas_between(shell):
    assert shell.offers("nrt get --retry-on ref") == {"refused"}
    rest = shell.offers("nrt get --retry-on refused,")
    assert rest == {"refused,idempotent", "refused,no-service"} or rest == {"idempotent", "no-service"}


def test_files_where_a_value_is_one(shell):
    assert shell.offers("nrt get -o body.") == {"body.json", "body.txt"}
    assert shell.offers("nrt get --output=body.j") == {"--output=body.json"}
    assert shell.offers("nrt serve --creds body.t") == {"body.txt"}
    assert shell.offers("nrt get -d @body.j") == {"@body.json"}
    assert shell.offers("nrt get --json @body.j") == {"@body.json"}
    assert shell.offers("nrt get --data-urlencode name@body.j") == {"name@body.json"}
    assert shell.offers("nrt get -d body.") == set(), "without the @ it is no file"


def test_contexts(shell):
    assert shell.offers("nrt ls --context ") == {"prod", "prod-eu"}
    assert shell.offers("nrt ls --context=prod-") == {"--context=prod-eu"}
    assert shell.offers("nrt context show ") == {"prod", "prod-eu"}
    assert shell.offers("nrt context s") == {"select", "show"}


def test_services_that_are_there(shell):
    assert shell.offers("nrt stats ") == {"weather.nats", "wind.nats"}
    assert shell.offers("nrt get ") == {"http://weather.nats/", "http://wind.nats/"}
    assert shell.offers("nrt bench http://we") == {"http://weather.nats/"}
    assert shell.offers("nrt get -o body.txt wi") == {"wind.nats/"}
    assert shell.offers("nrt gateway --route /city=we") == {"/city=weather.nats"}
    assert shell.offers("nrt gateway --route=/city=we") == {"--route=/city=weather.nats"}


def test_services_of_the_server_that_the_line_names(shell):
    assert shell.offers(f"nrt stats --server {shell.other.url} ") == {"elsewhere.nats"}
    assert shell.offers("nrt stats --json --context prod-eu ") == {"elsewhere.nats"}
    assert shell.offers(f"nrt get --server={shell.other.url} -sf ") == {"http://elsewhere.nats/"}
    assert shell.offers(f"nrt stats -s {shell.other.url} ") == {"elsewhere.nats"}
    assert shell.offers("nrt get -s --context prod-eu http://else") == {"http://elsewhere.nats/"}, "here -s is --silent"


def test_operands_are_counted(shell):
    assert shell.offers("nrt serve a.nats http://127.0.0.1:80 we") == {"weather.nats"}
    assert shell.offers("nrt serve we") == {"weather.nats"}
    assert shell.offers("nrt serve a.nats we") == set(), "a target stands there"
    assert shell.offers("nrt stats weather.nats we") == set(), "one is enough"
    assert shell.offers("nrt stats -- we") == {"weather.nats"}
    assert shell.offers("nrt get -sfo body.txt wi") == {"wind.nats/"}, "body.txt is the value of -o"
    assert shell.offers("nrt completion ") == {"bash", "zsh", "fish"}
    assert shell.offers("nrt ls w") == set()


def test_it_is_silent_and_quick_without_a_server(shell, world):
    """Nobody listens; and somebody listens who says nothing."""
    mute = world.closing(SilentNats())
    for url in ("nats://127.0.0.1:1", mute.url, "not-a-url://"):
        begun = time.monotonic()
        assert shell.offers(f"nrt stats --server {url} ") == set()
        assert time.monotonic() - begun < 2.5 * SLOW, url
    if not isinstance(shell, Fish):
        assert b"nats://127.0.0.1:1:" not in shell.typing.seen, "no message in the line"


def test_a_program_that_is_not_there_is_no_message_either(shell):
    assert shell.offers("/nonexistent/nrt stats ") == set()


# ---- the program --------------------------------------------------------------------------------


def test_fish_shows_what_the_help_says():
    """Descriptions are the help's first half sentences: of each option, in both shells that show them."""
    for name in ("zsh", "fish"):
        text = script(name)
        for command, options in OPTIONS.items():
            helped = re.sub(r"\s+", " ", subprocess.run([NRT, command, "--help"], capture_output=True, text=True,
                                                        check=True).stdout)
            told = re.findall(rf"^complete -c nrt -n '__nrt_in {command}'.* -l (\S+).* -d '(.*)'$", text, re.M)
            if name == "zsh":
                own = text[text.index(f"\n__nrt_{command}() {{") :].split("\n}\n")[0]
                told = re.findall(r"--([a-z-]+)=?\}?'?\[((?:[^\]\\]|\\.)*)\]", own)
            assert {f"--{option}" for option, _ in told} == {option for _, option, _ in options}, (name, command)
            for option, what in told:
                plain = re.sub(r"\\(.)", r"\1", what.replace("'\\''", "'"))
                assert len(plain) > 3 and plain in helped, (name, command, option)


def test_the_wrong_shell_is_refused(world):
    assert "there are bash, zsh and fish" in world.run([NRT, "completion", "tcsh"], expect=2).stderr
    assert "unexpected" in world.run([NRT, "completion", "bash", "zsh"], expect=2).stderr
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([NRT, "completion", "bash"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 23 and "cannot write" in done.stderr


def test_hosts_says_nothing_on_standard_error(world, nats):
    world.serve(nats, "weather.nats", "http://127.0.0.1:1")
    done = world.run([NRT, "completion", "hosts", "--", "get", "--server", nats.url, "--timeout"])
    assert done.stdout == "weather.nats\n" and done.stderr == ""
    done = world.run([NRT, "completion", "hosts", "--", "get", "--server", "nats://127.0.0.1:1"], expect=1)
    assert done.stdout == done.stderr == ""
