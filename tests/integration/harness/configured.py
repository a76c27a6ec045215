"""`nrt gateway --config`, and what becomes of another configuration."""

import json
import os
import re
import signal

ROUTE = [{"service": "weather.nats"}]


def write(path, keys):
    """As an editor does it: nobody sees half a file."""
    with open(path + ".new", "w", encoding="utf-8") as out:
        out.write(keys if isinstance(keys, str) else json.dumps(keys, indent=1))
    os.replace(path + ".new", path)


class Configured:
    """A gateway with a configuration file, and what it says of changes of that."""

    def __init__(self, world, nats, keys, *args, wait=True, env=None):
        self.path = world.path("gateway.json")
        self.keys = {"server": nats.url, "listen": "0", "route": ROUTE, **keys}
        write(self.path, self.keys)
        self.child = world.nrt("gateway", "--config", self.path, *args, env=env)
        self.urls = []
        count = len(self.keys["listen"]) if isinstance(self.keys["listen"], list) else 1
        while wait and len(self.urls) < count:
            self.urls.append(self.child.wait_line(rf"^listening on (?!{'$|'.join(map(re.escape, self.urls)) or '-'}$)(\S+)").group(1))
        self.url = self.urls[0] if wait else None

    def reload(self, keys=None, expect="is taken over", **changes):
        """Writes the file, with `changes` of what was there (None: without that key), and waits for what becomes
        of it: the lines since then."""
        if keys is None:
            self.keys = {key: value for key, value in {**self.keys, **changes}.items() if value is not None}
            keys = self.keys
        write(self.path, keys)
        return self.hangup(expect)

    def hangup(self, expect):
        seen = len(self.child.lines("stderr"))
        self.child.signal(signal.SIGHUP)
        self.child.wait_line(r"is (not )?taken over", skip=seen)
        lines = self.child.lines("stderr")[seen:]
        assert any(expect in line for line in lines), lines
        return "\n".join(lines)


def fine(**keys):
    """A configuration in which nothing is wrong."""
    return {"listen": "0", "route": ROUTE, **keys}
