"""What an attacker's tests watch: every message that is published, and every connection that a
nats-server has."""

from .fakenats import PROBE

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nspy"


class Spy:
    """A subscriber on `>`: sees whatever anybody publishes. To nats-server it is a responder for
    every request: where there is no service, `answer` makes it answer as one."""

    def __init__(self, world, server, answer=False):
        self.answer = answer
        self.peer = world.peer(server, name="spy")
        self.messages = []
        self.sub = self.peer.subscribe(">", handler=self._see)

    def _see(self, message):
        if message.payload == ANSWER or message.subject == PROBE:
            return
        self.messages.append(message)
        if self.answer and message.reply and ".requests." in message.subject:
            self.peer.publish(message.reply, ANSWER)

    def new(self):
        """The messages since it was asked last. Who wants to be sure that a program has nothing on
        its way any more lets it do a good exchange first: messages of one connection keep their
        order."""
        self.peer.flush()
        seen, self.messages = self.messages, []
        return seen

    def subjects(self):
        return [message.subject for message in self.new()]


class Connections:
    """That no connection to a server was lost in between; the server needs monitor=True."""

    def __init__(self, server):
        self.server = server
        self.before = self.ids()

    def ids(self):
        """Of the programs of nrt: they say lang "c"."""
        found = self.server.monitoring("/connz?limit=10000")["connections"]
        return {one["cid"] for one in found if one.get("lang") == "c"}

    def unharmed(self):
        assert self.before, "nobody was connected before"
        now = self.ids()
        assert now == self.before, f"connections were {self.before}, and are {now}"

    def closed(self):
        """Connections that were ended, with the reason."""
        path = "/connz?state=closed&limit=10000"
        return [one for one in self.server.monitoring(path)["connections"]
                if one.get("lang") == "c"]
