"""What an attacker's tests watch: every message that is published, and every connection that a
nats-server has."""

class Spy:
    """A subscriber on `>`: sees whatever anybody publishes."""

    def __init__(self, world, server):
        self.peer = world.peer(server, name="spy")
        self.sub = self.peer.subscribe(">")

    def new(self):
        """The messages since it was asked last. Who wants to be sure that a program has nothing on
        its way any more lets it do a good exchange first: messages of one connection keep their
        order."""
        self.peer.flush()
        seen = []
        while not self.sub.none_waiting():
            seen.append(self.sub.next())
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
