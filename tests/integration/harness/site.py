"""An nginx that all tests of a file share: its services, and the lines of its access log."""

import re

from .clock import until
from .nginx import Nginx
from .origin import plain
from .world import url_of


class Site:
    """`answers` maps the path of a request to what answers it: bytes, or a function of the request.
    Where there is nothing, the answer says host, method, target and body. Each host has a
    server of its own behind it; all keep what they were asked in `requests`."""

    def __init__(self, world, nats, server, http="", hosts=("weather.nats",), args=(), **more):
        self.world, self.nats = world, nats
        self.answers, self.requests = {}, []
        self.origin = world.origin(self.answer)
        if hosts:
            world.serve(nats, *[part for host in hosts for part in (host, self.origin)], args=args)
        self.nginx = Nginx(world, server, f"nrt_server {url_of(nats)};\n{http}", **more)
        fine, said = self.nginx.check()
        assert fine, said
        self.nginx.start()
        self.url, self.port = self.nginx.url, self.nginx.port

    def answer(self, request):
        self.requests.append(request)
        answer = self.answers.get(request.target.partition("?")[0])
        if callable(answer):
            return answer(request)
        return answer or plain(f"{request.get('Host')} {request.method} {request.target} ".encode() + request.body)

    def client(self, **options):
        return self.world.client(self.url, **options)

    def get(self, target, **more):
        """An answer on a connection of its own."""
        return self.request("GET", target, **more)

    def request(self, method, target, **more):
        with self.client() as client:
            return client.request(method, target, **more)

    def logged(self, pattern, name="access.log"):
        """The match of a line in a log of nginx's, once it is there."""
        path = f"{self.nginx.folder}/{name}"

        def look():
            with open(path, encoding="utf-8", errors="replace") as log:
                return re.search(pattern, log.read(), re.M)

        return until(look, f"/{pattern}/ in {name}")

    def told(self, pattern):
        """The same in its error log."""
        return self.nginx.child.wait_line(pattern)
