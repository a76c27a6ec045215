"""TLS between HTTP clients and `nrt gateway`: what clients of others see of it, what a client that
does not play by the rules can do to it, and files that change under load."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from harness import node
from harness.client import Client, curl, request_bytes
from harness.clock import DEADLINE, SLOW, Stopwatch, until
from harness.fresh import Fresh
from harness.message import Reader, assert_problem
from harness.origin import plain
from harness.pki import Authority, openssl, read, write
from harness.tlssocket import House, TlsSocket, client_context
from harness.world import HERE, NRT, free_port, tls_args

BIG = os.urandom(3 << 20)


@pytest.fixture
def ca(world):
    return Authority(world.path("ca"))


@pytest.fixture
def service(world, nats):
    """Answers with the protocol that the gateway says was spoken; /big is three megabytes."""
    def answer(request):
        if request.target == "/big":
            return plain(BIG)
        return plain(f"{request.get('X-Forwarded-Proto')} {len(request.body)}")

    origin = world.origin(answer)
    world.serve(nats, "weather.nats", origin)
    return origin


@pytest.fixture
def gateway(world, nats, service):
    return world.gateway(nats, "--route", "/=weather.nats", *tls_args())


def port_of(gateway):
    return int(gateway.url.rsplit(":", 1)[1])


def s_client(gateway, *args, data=b"", ca=None):
    """What the openssl program says of a connection."""
    trust = ["-CAfile", ca] if ca else []
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port_of(gateway)}", *trust, *map(str, args)],
                          input=data, capture_output=True, timeout=DEADLINE * 2, check=False)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def raw(gateway):
    return socket.create_connection(("127.0.0.1", port_of(gateway)), DEADLINE)


def hang_up(gateway, *lines):
    """SIGHUP, and what is said about it."""
    before = len(gateway.lines("stderr"))
    gateway.signal(signal.SIGHUP)
    for line in lines:
        gateway.wait_line(line, skip=before)


# ---- what clients see ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_talks_to_it(gateway, version):
    assert gateway.url.startswith("https://127.0.0.1:")
    said = "%{http_version} %{ssl_verify_result}"
    done = curl("--tls-max", version, f"--tlsv{version}", "-w", said, gateway.url + "/")
    assert (done.code, done.text) == (0, "https 01.1 0")
    done = curl("--tls-max", version, "--data-binary", f"@{NRT}", gateway.url + "/")
    assert done.text == f"https {os.path.getsize(NRT)}"
    assert curl("--tls-max", version, gateway.url + "/big").body == BIG


def test_what_it_takes_is_what_a_browser_would(gateway):
    for version in ("-tls1", "-tls1_1"):
        told = s_client(gateway, version, "-cipher", "DEFAULT@SECLEVEL=0")
        assert "alert protocol version" in told, told
    assert "alert handshake failure" in s_client(gateway, "-tls1_2", "-cipher", "AES128-SHA")
    assert "ALPN protocol: http/1.1" in s_client(gateway, "-alpn", "h2,http/1.1")
    assert "No ALPN negotiated" in s_client(gateway)
    assert "alert no application protocol" in s_client(gateway, "-alpn", "h2")


def test_a_client_on_tls_1_2_cannot_negotiate_anew(gateway):
    told = s_client(gateway, "-tls1_2", data=b"R\n")
    assert "RENEGOTIATING" in told and "no renegotiation" in told


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_are_resumed(world, gateway, version):
    saved = world.path("session")
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert "New, TLSv1" in s_client(gateway, version, "-ign_eof", "-sess_out", saved, data=request)
    assert "Reused, TLSv1" in s_client(gateway, version, "-ign_eof", "-sess_in", saved, data=request)


def test_many_requests_in_one_record_and_many_records_in_one_go_are_answered(world, gateway):
    client = world.client(gateway)
    count = 700  # in all more than is read at once
    client.send(b"".join(request_bytes("POST", f"/{i}", body=b"x" * 100) for i in range(count)))
    assert [client.answer().text for _ in range(count)] == ["https 100"] * count


def test_a_request_that_comes_byte_by_byte_in_records_of_its_own_is_answered(world, gateway):
    client = world.client(gateway)
    for byte in request_bytes("POST", "/", body=b"hello"):
        client.send(bytes([byte]))
    assert client.answer().text == "https 5"


def test_a_websocket_client_talks_to_an_echo_server(world, nats):
    server = world.start([sys.executable, os.path.join(HERE, "harness", "websocket_echo.py")],
                         "echo", stdin=subprocess.PIPE)
    server.expected = None
    port = server.wait_line(r"^port (\d+)$", "stdout").group(1)
    world.serve(nats, "echo.nats", f"http://127.0.0.1:{port}")
    gateway = world.gateway(nats, "--route", "/=echo.nats", *tls_args())
    url = gateway.url.replace("http", "ws") + "/echo"
    done = world.run(node.argv("websocket.js", url, 10), expect=None, timeout=DEADLINE * 9,
                     env={"NODE_PATH": node.modules(), "NODE_EXTRA_CA_CERTS": House.get().ca.cert})
    assert done.stdout.strip() == "ok", done.transcript()


def test_a_forward_proxy_is_reached_by_tls(world, nats, service):
    proxy = world.gateway(nats, "--proxy", *tls_args())
    done = curl("--proxy", proxy.url, "--proxy-cacert", House.get().ca.cert,
                "http://weather.nats/")
    assert (done.code, done.text) == (0, "https 0")


def test_a_unix_socket_speaks_tls_too(world, nats, service):
    path = world.path("gateway.sock")
    world.gateway(nats, "--route", "/=weather.nats", *tls_args(), listen=f"unix:{path}")
    done = curl("--unix-socket", path, "https://localhost/")
    assert (done.code, done.text) == (0, "https 0")


def test_whom_we_trust_may_say_what_was_spoken_before(world, nats, service):
    for args, seen in ((("--trust-forwarded", "127.0.0.1"), "http 0"), ((), "https 0")):
        gateway = world.gateway(nats, "--route", "/=weather.nats", *args, *tls_args())
        assert curl("-H", "X-Forwarded-Proto: http", gateway.url).text == seen


# ---- ends ------------------------------------------------------------------------------------------


def test_the_end_is_announced(world, nats, gateway, service):
    client = world.client(gateway)
    assert client.request("GET", "/", fields=[("Connection", "close")]).status == 200
    assert client.at_end()  # with close_notify, else it would have been an error
    idle = world.gateway(nats, "--route", "/=weather.nats", "--idle-timeout", "300ms", *tls_args())
    client = world.client(idle)
    assert client.get("/").status == 200
    assert client.at_end()


def test_a_response_that_is_cut_does_not_look_whole(world, nats):
    """Framed by the end of the connection, for a client of HTTP/1.0: what is missing shows."""
    origin = world.origin(script=lambda connection: (
        connection.read(), connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        connection.reader.exactly(1)))
    world.serve(nats, "weather.nats", origin)
    gateway = world.gateway(nats, "--route", "/=weather.nats", *tls_args())
    client = world.client(gateway)
    client.send("GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    assert client.reader.until(b"hello", "the beginning")
    origin.stop()
    with pytest.raises(ConnectionError):
        client.reader.rest()


def test_a_client_that_leaves_without_a_word_is_let_go(world, gateway, service):
    before = gateway.descriptors()
    client = world.client(gateway)
    assert client.get("/").status == 200
    client.sock.sock.shutdown(socket.SHUT_WR)  # no close_notify
    with pytest.raises(ConnectionError):
        client.at_end()
    client.close()
    until(lambda: gateway.descriptors() <= before, "the connection is gone")


# ---- clients that do not play by the rules ------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "CONNECT", "PRI"])
def test_plain_http_is_told_that_this_port_speaks_tls(world, gateway, method):
    client = world.client(gateway.url.replace("https", "http"))
    client.send(request_bytes(method, "/"))
    answer = client.answer()
    assert_problem(answer, 400, "bad-request")
    assert "https://" in answer.text and client.at_end()


def test_what_is_no_tls_is_closed_and_harms_nobody(gateway):
    for junk in (b"\x00" * 100, b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01\x00\x02" + b"x" * 100,
                 b"\x16\x03\x01\xff\xff" + b"y" * 70000, b"hello\r\n\r\n", os.urandom(5000)):
        with raw(gateway) as sock:
            try:
                sock.sendall(junk)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
            except OSError:  # it has been closed while we were talking
                pass
    with Client(gateway.url) as client:
        assert client.get("/").status == 200


def test_a_handshake_has_its_time_and_its_place_among_the_connections(world, nats, service):
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--head-timeout", "2s", "--max-connections", "3",
                            *tls_args())
    silent = [raw(gateway) for _ in range(2)]
    silent[1].sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a greeting
    client = world.client(gateway)
    assert client.get("/").status == 200
    with Client(gateway.url) as refused:
        assert_problem(refused.get("/"), 503, "busy")
    with Stopwatch() as watch:
        for sock in silent:
            sock.settimeout(DEADLINE)
            assert sock.recv(100) == b""
            sock.close()
    assert watch.seconds < 4 * SLOW
    with Client(gateway.url) as after:
        assert after.get("/").status == 200


def test_a_slow_handshake_comes_to_its_end(world, gateway):
    """A packet for each byte that the client has to say."""
    class Slowly:
        def __init__(self, sock):
            self.sock = sock

        def __getattr__(self, name):
            return getattr(self.sock, name)

        def sendall(self, data):
            for byte in data:
                self.sock.sendall(bytes([byte]))

    sock = raw(gateway)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = Client.__new__(Client)
    client.sock = TlsSocket(Slowly(sock), House.get().client(), False, "localhost")
    client.reader = Reader(client.sock)
    assert client.get("/").text == "https 0"
    client.close()


def test_many_that_never_finish_do_not_keep_others_out(gateway):
    waiting = [raw(gateway) for _ in range(200)]
    for sock in waiting:
        sock.sendall(b"\x16\x03\x01\x02\x00")
    load = Fresh(gateway.url, count=100)
    load.wait()
    for sock in waiting:
        sock.close()


# ---- certificates ----------------------------------------------------------------------------------


def subject(gateway, name, ca):
    told = s_client(gateway, "-servername", name, ca=ca)
    assert "Verify return code: 0 (ok)" in told, told
    return [line for line in told.splitlines() if line.startswith("subject=")][0]


def test_the_name_that_is_asked_for_chooses_the_certificate(world, nats, service, ca):
    one = ca.issue("one", "DNS:one.example")
    two = ca.issue("two", "DNS:two.example,DNS:*.two.example")
    both = ca.path("both.pem")
    write(both, read(two[0]) + read(two[1]))
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--tls-cert", one[0], "--tls-key", one[1],
                            "--tls-cert", two[0], "--tls-key", two[1])
    for name, right in (("one.example", "one"), ("two.example", "two"), ("x.two.example", "two"),
                        ("other.example", "one"), ("TWO.example", "two")):
        assert subject(gateway, name, ca.cert).endswith(right), name
    alone = world.gateway(nats, "--route", "/=weather.nats", "--tls-cert", both)
    assert subject(alone, "two.example", ca.cert).endswith("two")


def test_a_certificate_comes_with_its_chain(world, nats, service, ca):
    between = ca.issue("between", "", ca=True)
    cert, key = ca.issue("server", issuer=between)
    chain = ca.path("chain.pem")
    write(chain, read(cert) + read(between[0]))
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--tls-cert", chain, "--tls-key", key)
    with Client(gateway.url, context=client_context(ca.cert)) as client:
        assert client.get("/").text == "https 0"


def test_clients_show_a_certificate_where_that_is_asked_of_them(world, nats, service, ca):
    gateway = world.gateway(nats, "--route", "/=weather.nats", *tls_args(), "--tls-client-ca", ca.cert)
    cert, key = ca.issue("client", usage="clientAuth")
    for i in range(2):
        done = curl("--cert", cert, "--key", key, "-H", "Client-Cert: :AAAA:", gateway.url)
        assert done.text == "https 0"
        shown = service.requests[i].all("Client-Cert")
        assert [base64.b64decode(value.strip(":")) for value in shown] == [
            openssl("x509", "-in", cert, "-outform", "DER")]
    stranger = Authority(world.path("other")).issue("client", usage="clientAuth")
    for version in ("1.2", "1.3"):
        assert curl("--tls-max", version, gateway.url).code in (35, 56)
        assert curl("--tls-max", version, "--cert", stranger[0], "--key", stranger[1], gateway.url).code in (35, 56)
    assert len(service.requests) == 2


def test_who_has_shown_a_certificate_may_resume(world, nats, service, ca):
    gateway = world.gateway(nats, "--route", "/=weather.nats", *tls_args(), "--tls-client-ca", ca.cert)
    cert, key = ca.issue("client", usage="clientAuth")
    saved = world.path("session")
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert "200 OK" in s_client(gateway, "-cert", cert, "-key", key, "-ign_eof", "-sess_out", saved, data=request)
    told = s_client(gateway, "-cert", cert, "-key", key, "-ign_eof", "-sess_in", saved, data=request)
    assert "Reused, TLSv1.3" in told and "200 OK" in told


@pytest.mark.parametrize("args", [(), tls_args()], ids=["plain", "tls"])
def test_a_clients_certificate_is_not_forged_in_a_field(world, nats, service, args):
    gateway = world.gateway(nats, "--route", "/=weather.nats", *args)
    names = ("Client-Cert", "Client-Cert-Chain", "Client_Cert")
    curl(*(part for name in names for part in ("-H", f"{name}: :AAAA:")), gateway.url)
    assert not any(name.lower().startswith("client") for name in service.requests[0].names())


# ---- files -----------------------------------------------------------------------------------------


def test_files_that_cannot_be_used_are_told_at_the_start(world, nats, ca):
    cert, key = ca.issue("server")
    other_key = ca.issue("other")[1]
    junk = world.file("junk", "hello\n")
    weak = ca.path("weak-key.pem")
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024", "-out", weak)
    weak_cert = ca.path("weak.pem")
    openssl("req", "-x509", "-new", "-key", weak, "-out", weak_cert, "-days", "5", "-subj", "/CN=weak")
    for args, told in (
        (["--tls-cert", cert, "--tls-key", other_key], f"{other_key}: the key does not belong to the certificate"),
        (["--tls-cert", cert], f"{cert}: no private key in it"),
        (["--tls-cert", junk, "--tls-key", key], f"{junk}: no certificate in it"),
        (["--tls-cert", "/nowhere", "--tls-key", key], "--tls-cert: /nowhere: No such file or directory"),
        (["--tls-cert", cert, "--tls-key", "/nowhere"], "--tls-key: /nowhere: No such file or directory"),
        (["--tls-cert", weak_cert, "--tls-key", weak], f"{weak_cert}: a certificate in it cannot be used: ee key too small"),
        (["--tls-cert", cert, "--tls-cert", cert, "--tls-key", key], "each --tls-cert wants its --tls-key"),
        (["--tls-key", key], "go with a --tls-cert"),
        (["--tls-client-ca", ca.cert], "go with a --tls-cert"),
        (["--tls-cert", cert, "--tls-key", key, "--tls-client-ca", junk], f"{junk}: no certificate in it"),
    ):
        done = world.run([NRT, "gateway", "--server", nats.url, "--listen", "0", "--proxy", *args], expect=2)
        assert told in done.stderr and "listening" not in done.stderr, done.stderr


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"), reason="root may read all")
def test_a_key_that_may_not_be_read_is_told_with_what_to_do(world, nats, ca):
    cert, key = ca.issue("server")
    os.chmod(key, 0)
    as_somebody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    os.chmod(world.folder, 0o755)
    command = [NRT, "gateway", "--server", nats.url, "--listen", "0", "--proxy", "--tls-cert", cert, "--tls-key", key]
    done = subprocess.run([*as_somebody, *command], capture_output=True, text=True, check=False)
    if done.returncode in (126, 127):
        pytest.skip("the build is in a folder that others may not enter")
    assert done.returncode == 2
    assert f"--tls-key: {key}: Permission denied: make it readable" in done.stderr


def test_what_will_trouble_clients_is_warned_of(world, nats, service, ca):
    old, old_key = ca.issue("old", days=-1)
    os.chmod(old_key, 0o644)
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--tls-cert", old, "--tls-key", old_key)
    assert f"{old}: the certificate has expired (20" in gateway.stderr
    assert f"everybody on this machine may read the private key in it: chmod o= {old_key}" in gateway.stderr
    soon = world.gateway(nats, "--route", "/=weather.nats", *tls_args())
    assert "the certificate expires in 4 days" in soon.stderr
    lasting, key = ca.issue("lasting", days=90)
    quiet = world.gateway(nats, "--route", "/=weather.nats", "--tls-cert", lasting, "--tls-key", key)
    assert quiet.lines("stderr")[0].startswith("listening on https://")


def test_certificates_are_read_anew_under_load_and_no_request_fails(world, nats, service, ca):
    """1,200 requests, each on a connection of its own, while the files change eight times: five times
    they are good, and three times broken."""
    issued = [ca.issue(f"number{i}") for i in range(5)]
    cert, key = world.path("live.pem"), world.path("live-key.pem")

    def install(pair):
        for source, target in zip(pair, (cert, key)):
            write(target + ".new", read(source))
            os.chmod(target + ".new", 0o600)
            os.replace(target + ".new", target)

    install(issued[0])
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--tls-cert", cert, "--tls-key", key)
    kept = world.client(gateway, context=client_context(ca.cert))
    assert kept.get("/").status == 200
    load = Fresh(gateway.url, threads=4, count=1200, context=client_context(ca.cert))
    done = 0
    for i in range(1, 5):
        until(lambda: load.answered >= i * 200, "load", DEADLINE * 4)
        install(issued[i])
        hang_up(gateway, "--tls-cert hold is taken over")
        assert subject(gateway, "localhost", ca.cert).endswith(f"number{i}")
        if i < 4:
            install((issued[i][0], issued[0][1]))  # that do not belong together
            hang_up(gateway, "the key does not belong to the certificate", "all goes on as before")
            assert subject(gateway, "localhost", ca.cert).endswith(f"number{i}")
    assert load.wait() == 1200
    assert kept.get("/").status == 200  # on the connection of the beginning


def test_a_hangup_reads_certificates_and_opens_the_log_anew(world, nats, service):
    log = world.path("access.log")
    gateway = world.gateway(nats, "--route", "/=weather.nats", "--access-log", log, *tls_args())
    assert curl(gateway.url).text == "https 0"
    os.rename(log, log + ".1")
    hang_up(gateway, "opening the access log", "is taken over")
    assert curl(gateway.url).text == "https 0"
    until(lambda: os.path.exists(log) and b"GET /" in read(log), "a line in the new log")


def test_a_file_may_bring_tls_to_a_listener_and_leave_another_plain(world, nats, service):
    """And take it away again: connections that are there go on as they began."""
    house, path = House.get(), world.path("gateway.json")
    secure, plain_port = free_port(), free_port()

    def configure(**more):
        write(path, json.dumps({"listen": [str(secure), {"address": str(plain_port), "plain": True}],
                                "route": [{"service": "weather.nats"}], **more}).encode())

    configure()
    gateway = world.nrt("gateway", "--server", nats.url, "--config", path)
    gateway.wait_line(f"listening on http://127.0.0.1:{plain_port}")
    before = world.client(f"http://127.0.0.1:{secure}")
    assert before.get("/").text == "http 0"
    configure(**{"tls-cert": house.cert, "tls-key": house.key})
    hang_up(gateway, "is taken over")
    after = world.client(f"https://127.0.0.1:{secure}")
    assert after.get("/").text == "https 0"
    assert world.client(f"http://127.0.0.1:{plain_port}").get("/").text == "http 0"
    assert before.get("/").text == "http 0"
    configure(**{"tls-cert": house.cert, "tls-key": "/nowhere"})
    hang_up(gateway, "/nowhere: No such file or directory", "all goes on as before")
    configure()
    hang_up(gateway, "is taken over")
    assert world.client(f"http://127.0.0.1:{secure}").get("/").text == "http 0"
    assert after.get("/").text == "https 0"
