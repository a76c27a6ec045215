"""docs/migrating.md: its guides are followed literally, and its map has all that there is to move, and what is there."""

import glob
import json
import os
import re
import shutil
import subprocess

import pytest

from harness.clock import until
from harness.client import is_listening
from harness.nginx import Nginx
from harness.origin import plain
from harness.reader import INSTALL, TOP, Page, Reader
from harness.world import NRT

PAGE = Page("docs", "migrating.md")
MHD = "From libmicrohttpd to NATS in five minutes"
CURL = "From libcurl to NATS in five minutes"


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


# ---- the guides ----------------------------------------------------------------------------------


def test_the_five_minutes_from_libmicrohttpd(world):
    reader = Reader(world, installed=True)
    reader.start("nats-server")
    assert f"`{INSTALL}`" in PAGE.sections[MHD]
    (build, start), asked = PAGE.commands(MHD)
    shutil.copy(os.path.join(TOP, "examples", "mhd_service.c"), reader.folder)
    for line in ("#include <nrt/mhd.h>", 'nrt_serve_mhd(conn, "greet.nats", httpd)', "nrt_conn_open"):
        assert line in PAGE.sections[MHD] and line in read("examples", "mhd_service.c")
    reader.run(build)
    child = reader.start(start, serves="greet.nats", stdin=subprocess.PIPE)
    assert [reader.run(line) for line in asked] == ["greetings to you\n"] * 2
    assert "`greetings to you`" in PAGE.sections[MHD]
    child.stdin.close()
    assert child.wait() == 0


def test_the_five_minutes_from_libcurl(world):
    """From nothing: a server to ask, the program as it was, the patch, and both ways from the same program."""
    reader = Reader(world, installed=True)
    assert f"`{INSTALL}`" in PAGE.sections[CURL]
    servers, before, patch, after = PAGE.commands(CURL)
    for line in servers:
        assert line.endswith(" &")
        reader.start(line)
    *make, ask = before
    assert [reader.run(line) for line in make] == ["", ""]
    with open(os.path.join(reader.folder, "fetch.c"), encoding="utf-8") as file:
        program = file.read()
    assert reader.run(ask) == program and "nrt" not in program
    reader.run(ask.replace("127.0.0.1:8080", "files.nats"), expect=1)  # no such host, so far
    assert [reader.run(line) for line in patch] == [""]
    build, by_nats, by_tcp = after
    reader.run(f"{build} -Wall -Wextra -Werror")
    with open(os.path.join(reader.folder, "fetch.c"), encoding="utf-8") as file:
        program = file.read()
    assert program.count("nrt_curl_attach(easy, conn);") == 1 == read("examples", "curl_client.c").count(
        "nrt_curl_attach(easy, conn);")
    assert ".nats/" in by_nats and "127.0.0.1" in by_tcp
    assert [reader.run(line) for line in (by_nats, by_tcp)] == [program] * 2


# ---- the map -------------------------------------------------------------------------------------


# All that the original has: its Go API, the fields it writes, its variables, its programs.
ORIGINAL = """
nrt.New nrt.Must WithContextNamed WithNatsServer WithPrefix WithTimeout WithNatsOptions WithConnection
http.Client{Transport ListenAndServ http.DefaultServeMux
NRT-ID NRT-Connected-Server NRT-Connected-Cluster NRT-Client NRT-Method NRT-Path NRT-HostName
NATS_CONTEXT NATS_ENV NATS_URL NATS_USER NATS_PASSWORD NATS_CREDS NATS_NKEY NATS_CERT NATS_KEY NATS_CA NATS_PREFIX
WEATHER_API HTTP_PORT nrtget VERBOSE
""".split()
GO = ("From the Go nats-roundtripper", "Fields", "Variables", "nrtget", "The Caddyfile")


def rows():
    """The rows of the tables: what is there, and what is here."""
    return [line.strip("| ").split(" | ") for title in GO for line in PAGE.sections[title].splitlines()
            if line.startswith("| ")]


def test_all_that_the_original_has_is_in_the_map():
    theirs = " ".join(row[0] + " " + row[1] * ("`nil`" in row[1]) for row in rows())
    assert [name for name in ORIGINAL if name not in theirs] == []
    caddy = [row[0] for row in rows() if len(row) == 3]
    block, = PAGE.blocks("The Caddyfile", "caddy")
    for line in (line.strip() for line in block.splitlines()):
        if line not in ("", "{", "}"):
            assert any(line.rstrip(" {") in row for row in caddy), line


def test_what_it_maps_to_is_there():
    ours = " ".join(text for row in rows() for text in row[1:])
    headers = "\n".join(map(read, glob.glob(os.path.join(TOP, "include", "nrt", "*.h"))))
    helps = "".join(subprocess.run([NRT, command, "--help"], capture_output=True, text=True, check=True).stdout
                    for command in ("get", "serve", "gateway"))
    nginx = "\n".join(map(read, glob.glob(os.path.join(TOP, "src", "nginx", "*.c"))))
    names = set(re.findall(r"(?<!\$)\bnrt_[a-z_]+", ours))
    assert len(names) > 10
    for name in names:
        assert re.search(rf"\b{name}\b", headers) or f'"{name}"' in nginx, name
    for name in re.findall(r"\$(nrt_\w+)", ours):
        assert f'ngx_string("{name}")' in nginx, name
    for name in set(re.findall(r"options\.(\w+)", ours)):
        assert re.search(rf"\b{name};", headers), name
    for flag in set(re.findall(r"--[a-z-]+", ours)):
        assert f"{flag} " in helps or f"{flag}\n" in helps, flag


# ---- nrtget and the Caddyfile ----------------------------------------------------------------------


def echo(request):
    return plain(f"{request.method} {request.target} {request.get('Content-Length')} ".encode() + request.body + b"\n",
                 "201 Created", [("X-Own", "yes")])


@pytest.fixture
def reader(world):
    reader = Reader(world)
    reader.start("nats-server")
    origin = world.origin(echo)
    reader.ports[8080] = origin.port
    reader.start("nrt serve weather.nats http://127.0.0.1:8080")
    return reader


def test_lines_of_nrtget(reader):
    lines = {row[0]: row[1].strip("`") for row in rows() if "nrtget" in row[0]}
    body = """'{"city":"london"}'"""
    typed = {there: here.replace("BODY", body).replace("URL", "http://weather.nats/city")
             for there, here in lines.items() if here.startswith("nrt get")}
    plain_one, empty, verbose = (reader.run(line) for line in typed.values())
    assert plain_one == 'GET /city 17 {"city":"london"}\n'
    assert empty == "GET /city None \n"
    head, _, rest = verbose.partition("\n\n")
    assert rest == plain_one and "X-Own: yes" in head and "NRT-ID: " in head
    assert list(typed)[2].startswith("`VERBOSE=1")


def test_both_sides_of_the_caddyfile_work(world, reader):
    """The gateway's line and nginx's lines, as the page has them, with the context that both name; and its request."""
    folder = os.path.join(reader.env["XDG_CONFIG_HOME"], "nats", "context")
    os.makedirs(folder)
    with open(os.path.join(folder, "weather.json"), "w", encoding="utf-8") as out:
        json.dump({"url": reader.env.pop("NATS_URL")}, out)
    (line,), (ask,) = PAGE.commands("The Caddyfile")
    block, = PAGE.blocks("The Caddyfile", "nginx")
    shown = ask.replace("curl ", "curl -si ")
    gateway = reader.start(line)
    by_gateway = reader.run(shown)
    assert gateway.stop() == 0
    Nginx(world, "", http=reader.place(block)).start()
    until(lambda: is_listening(f"http://127.0.0.1:{reader.port(9090)}"), "nginx listens")
    by_nginx = reader.run(shown)
    for said in (by_gateway, by_nginx):
        assert said.startswith("HTTP/1.1 201 Created\n") and "NRT-ID: " in said and "X-Own: yes" in said
        assert said.endswith('POST /city 17 {"city":"london"}\n')


@pytest.mark.parametrize("location, below", [("location / ", 201), ("location = /city ", 404)])
def test_lines_of_the_table_for_nginx(world, reader, location, below):
    cells = [cell for row in rows() if len(row) == 3 for cell in re.findall(r"`(location [^`]*)`", row[2])]
    server, = (cell for cell in cells if cell.startswith(location))
    nginx = Nginx(world, f"nrt_server {reader.env['NATS_URL']}; {server}").start()
    client = world.client(nginx.url)
    assert (client.get("/city").status, client.get("/city/more").status) == (201, below)


@pytest.mark.parametrize("route, below", [("/=weather.nats", 201), ("/city=weather.nats", 201)])
def test_lines_of_the_table_for_the_gateway(world, reader, route, below):
    assert any(f"`--route {route}`" in row[1] for row in rows() if len(row) == 3)
    client = world.client(world.gateway(reader.env["NATS_URL"], "--route", route))
    assert (client.get("/city").status, client.get("/city/more").status) == (201, below)
    assert client.get("/other").status == (201 if route[1] == "=" else 404)
