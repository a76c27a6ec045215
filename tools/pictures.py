#!/usr/bin/python3
"""Takes docs/dashboard-*.png: the dashboard of a gateway, of real services under real load.

    tools/pictures.py [BUILD]

Starts two clusters of NATS that know each other, services in them and load on those, all on loopback, and looks for
most of a minute. Wants what the tests want: chromium, node and npm."""

import os
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.environ.setdefault("NRT_BUILD", os.path.join(TOP, sys.argv[1] if len(sys.argv) > 1 else "build"))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, "tests", "integration"))

from harness.browser import Browser  # noqa: E402
from harness.client import Client  # noqa: E402
from harness.clock import until  # noqa: E402
from harness.world import World, free_port  # noqa: E402

WIDTH, HEIGHT = 1200, 960
# HOST=INSTANCES,ERRORS in a thousand,MS, as tests/integration/programs/swarm.c has it.
SERVICES = {
    "eu": (280, ["weather.nats=6,2,8", "city.nats=4,0,2", "orders.nats=9,80,20", "login.nats=3,0,1", "search.nats=12,0,30"]),
    "us": (120, ["weather.nats=4,0,12", "search.nats=8,0,25", "billing.nats=2,9,4"]),
}
PATHS = ["/weather/berlin", "/weather/lima", "/search/", "/orders/1204", "/weather/oslo", "/search/"]


def ask(url, until_set):
    """Steady load on the gateway, with a route to nowhere now and then."""
    with Client(url) as client:
        for number in range(10 ** 9):
            if until_set.wait(0.01):
                return
            client.get("/payments/17" if number % 200 == 0 else PATHS[number % len(PATHS)], host="www.example.net")


def start(world):
    ports = {name: free_port() for name in SERVICES}
    others = ", ".join(f'{{name: {name}, url: "nats://127.0.0.1:{port}"}}' for name, port in ports.items())
    servers = {name: world.nats(name=f"{name}-1", monitor=True,
                                config=f"gateway {{name: {name}, listen: \"127.0.0.1:{port}\", gateways: [{others}]}}")
               for name, port in ports.items()}
    for server in servers.values():
        until(lambda server=server: server.monitoring("/gatewayz")["outbound_gateways"], "the clusters know each other", timeout=60)
    for name, (rate, hosts) in SERVICES.items():
        swarm = world.program("swarm", servers[name].url, rate, *hosts)
        swarm.expected = None
        swarm.wait_line("^ready$", "stdout")
    routes = [arg for name in ("weather", "search", "orders", "payments") for arg in ("--route", f"/{name}={name}.nats")]
    gateway = world.gateway(servers["eu"], *routes, "--admin", "0")
    gateway.admin = gateway.wait_line(r"admin on (http://\S+)").group(1)
    return gateway


def main():
    world = World()
    over = threading.Event()
    load = None
    try:
        gateway = start(world)
        load = threading.Thread(target=ask, args=(gateway.url, over))
        load.start()
        browser = Browser(world)
        browser.open({"url": gateway.admin + "/", "width": WIDTH, "height": HEIGHT})
        time.sleep(45)  # a history to show
        for name, dark, link in (("light", False, "#/"), ("dark", True, "#/"), ("service", False, "#/service/weather.nats")):
            browser.dark(dark)
            browser.evaluate(f"location.hash = '{link}'")
            browser.wait(f"location.hash === '{link}' && document.querySelector('.tile b').textContent !== '–'")
            browser.evaluate("document.activeElement.blur()")
            time.sleep(2)
            print(browser.picture(os.path.join(TOP, "docs", f"dashboard-{name}.png"), False))
        print("\n".join(browser.said()))
    finally:
        over.set()
        if load:
            load.join()
        problems = world.finish()
        world.remove()
    assert not problems, problems


main()
