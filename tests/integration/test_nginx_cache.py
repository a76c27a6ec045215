"""docs/nginx.md, Caching: proxy_cache in front of services, by a hop inside nginx, as it stands there."""

import threading

import pytest

from harness.clock import DEADLINE, until
from harness.nginx import Nginx
from harness.origin import plain
from harness.page import Section
from harness.world import free_port


class Cache:
    def __init__(self, world, nats):
        self.world, self.port = world, free_port()
        self.answers = {}
        self.origin = world.origin(lambda request: self.answers[request.target](request))
        self.sidecar = world.serve(nats, "weather.nats", self.origin)
        text = Section("Caching", "nginx.md").file("cache.conf")
        for old, new in (("/var/cache/nginx/weather", world.path("cache")), ("/run/nginx-weather.sock", world.path("inside.sock")),
                         ("listen 80;", f"listen 127.0.0.1:{self.port};")):
            assert old in text, old
            text = text.replace(old, new)
        nginx = Nginx(world, "", http=f"nrt_server {nats.url};\n{text}")
        fine, said = nginx.check()
        assert fine, said
        nginx.start()

    def answer(self, target, *fields, body="fine", status="200 OK"):
        self.answers[target] = lambda request: plain(body, status, fields)

    def get(self, target, **more):
        with self.world.client(f"http://127.0.0.1:{self.port}") as client:
            return client.get(target, **more)

    def asked(self, target):
        return sum(one.target == target for one in self.origin.requests)


@pytest.fixture(scope="module")
def cache(shared):
    return Cache(shared, shared.nats())


@pytest.mark.parametrize("field", [("Cache-Control", "max-age=60"), ("X-Accel-Expires", "60")])
def test_what_a_service_lets_be_kept_is_kept(cache, field):
    target = "/" + field[0]
    cache.answer(target, field, body=b"x" * 300_000)
    assert [cache.get(target).get("X-Cache") for _ in range(3)] == ["MISS", "HIT", "HIT"]
    got = cache.get(target)
    assert got.body == b"x" * 300_000 and got.get("X-Accel-Expires") is None and cache.asked(target) == 1


@pytest.mark.parametrize("fields", [(), (("Cache-Control", "no-store"),), (("X-Accel-Expires", "0"), ("Cache-Control", "max-age=60"))])
def test_what_it_does_not_is_not(cache, fields):
    target = f"/not/{len(fields)}"
    cache.answer(target, *fields)
    assert [cache.get(target).get("X-Cache") for _ in range(2)] == ["MISS", "MISS"]


def test_one_request_is_enough_for_many_that_want_the_same(cache):
    gate, answers = threading.Event(), []
    cache.answers["/many"] = lambda request: gate.wait(DEADLINE) and plain("fine", fields=[("Cache-Control", "max-age=60")])
    threads = [threading.Thread(target=lambda: answers.append(cache.get("/many").text)) for _ in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: cache.asked("/many") == 1, "the first one is asked for")
    gate.set()
    for thread in threads:
        thread.join(DEADLINE)
    assert answers == ["fine"] * 5 and cache.asked("/many") == 1


def test_the_service_learns_who_asked(cache):
    cache.answer("/who")
    cache.get("/who", fields=[("X-Forwarded-For", "6.6.6.6"), ("Accept", "a/b")])
    seen = cache.origin.requests[-1]
    assert (seen.get("X-Forwarded-For"), seen.get("Accept"), seen.get("Host")) == ("127.0.0.1", "a/b", "weather.nats")


def test_while_no_instance_is_there_what_is_kept_is_served(cache):
    """The last test of this file: the sidecar is gone after it."""
    cache.answer("/stale", ("Cache-Control", "max-age=1"))
    assert cache.get("/stale").get("X-Cache") == "MISS"
    assert cache.sidecar.stop() == 0
    got = until(lambda: (answer := cache.get("/stale")).get("X-Cache") == "STALE" and answer, "it is stale")
    assert (got.status, got.text) == (200, "fine")
    assert cache.get("/never").status == 503
