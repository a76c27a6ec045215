"""`nrt doctor --json` run and read, and NATS users with permissions to be pasted."""

import json
import re

from .world import NRT


class Report:
    """What --json says."""

    def __init__(self, done):
        self.code, self.text = done.proc.returncode, done.stdout
        self.all = json.loads(done.stdout)
        assert set(self.all) == {"host", "checks", "permissions", "problems", "warnings", "not_checked"}
        for check in self.all["checks"]:
            assert check["status"] in ("ok", "info", "not checked", "warning", "problem")
            assert check["text"] and "\n" not in check["text"]
        assert self.code == (1 if self.with_status("problem") else 0)
        assert self.all["problems"] == len(self.with_status("problem"))
        assert self.all["warnings"] == len(self.with_status("warning"))
        assert self.all["not_checked"] == len(self.with_status("not checked"))

    def with_status(self, status):
        return [check["check"] for check in self.all["checks"] if check["status"] == status]

    @property
    def problems(self):
        return self.with_status("problem")

    def find(self, name, status=None):
        found = [check for check in self.all["checks"] if check["check"] == name]
        if status:
            found = [check for check in found if check["status"] == status]
        assert found, f"no {status} {name}:\n{self.text}"
        return found[0]

    def advice(self, name, status=None):
        return "\n".join(one["text"] for one in self.find(name, status).get("advice", []))

    def paste(self, name, status=None):
        return [line for one in self.find(name, status).get("advice", []) for line in one["paste"]]


def runner(world):
    """doctor(server, ARGS...): its report."""

    def run(server, *args, **options):
        where = () if server is None else ("--server", server if isinstance(server, str) else server.url)
        done = world.run([NRT, "doctor", "--json", *where, *args], expect=None, **options)
        assert done.proc.returncode in (0, 1), done.transcript()
        assert done.stderr == ""
        return Report(done)

    return run


def as_user(server, user="u"):
    return server.url.replace("nats://", f"nats://{user}:p@")


def users(**permissions):
    """A configuration: a user for each, with the text of its permissions."""
    lines = [f"{{ user: {name}, password: p, {text} }}" for name, text in permissions.items()]
    return "server_name: alpha\nauthorization { users [ " + "\n".join(lines) + " ] }"


def listed(subjects):
    return "[" + ", ".join(f'"{subject}"' for subject in subjects) + "]"


def permitted(publish, subscribe, more=""):
    """The text of permissions. An empty list permits nothing."""
    return (f"permissions: {{ publish: {{ allow: {listed(publish or ['none'])} }}, "
            f"subscribe: {{ allow: {listed(subscribe or ['none'])} }} {more} }}")


CLIENT = (["nrt.requests.>", "nrt.streams.>", "$SRV.>"], ["_INBOX.>"])
SERVICE = (["_INBOX.>"], ["nrt.requests.>", "nrt.streams.>", "$SRV.>"])


def pasted(line, publish, subscribe):
    """The user's permissions with the suggested line taken in, as an operator would."""
    kind, subject = re.fullmatch(r'permissions: \{ (\w+): \{ allow: \["([^"]+)"\] \} \}', line).groups()
    target = {"publish": publish, "subscribe": subscribe}[kind]
    target.append(subject)
    return permitted(publish, subscribe)
