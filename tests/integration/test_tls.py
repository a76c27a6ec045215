"""TLS to real servers: what is right connects, what is not is told in one clear line, and nothing
ever falls back to plain text."""

import ssl
import time
import warnings

import pytest

from harness import gowire
from harness.clock import SLOW, until
from harness.fakenats import FakeNats, info
from harness.origin import plain
from harness.pki import Authority, openssl, read, server_config, write
from harness.tlspeer import Secured, Terminator, handshake_only
from harness.world import NRT, program
from test_login import argv, connects, fails, login


@pytest.fixture
def ca(world):
    return Authority(world.path("ca"))


@pytest.fixture
def tls_server(world, ca):
    return world.nats(config=server_config(ca.issue("server")))


def tls(server, host="127.0.0.1"):
    """The server's URL with tls://, under another name."""
    return server.url.replace("nats://127.0.0.1", f"tls://{host}")


def test_tls_is_used_where_the_server_asks_for_it(world, ca, tls_server):
    assert connects(world, tls_server.url, f"tls_ca={ca.cert}") == tls_server.url
    assert connects(world, tls(tls_server), f"tls_ca={ca.cert}") == tls(tls_server)
    assert connects(world, tls(tls_server, "localhost"), f"tls_ca={ca.cert}") == tls(tls_server, "localhost")


def test_the_systems_certificates_are_trusted_where_no_ca_is_named(world, ca, tls_server):
    told = fails(world, tls(tls_server))
    assert told.startswith(f"tls {tls(tls_server)}: certificate verify failed: ") and "tls_ca" in told
    child = login(world, tls(tls_server), "until=connected", env={"SSL_CERT_FILE": ca.cert})
    assert child.wait() == 0


def test_a_certificate_by_another_ca_is_refused(world, tls_server):
    other = Authority(world.path("other"), "other CA")
    told = fails(world, tls(tls_server), f"tls_ca={other.cert}")
    assert "certificate verify failed: " in told and "the CA given is not the one that signed it" in told


def test_a_certificate_for_another_name_is_refused_with_the_names_it_has(world, ca):
    server = world.nats(config=server_config(ca.issue("s", "DNS:nats.example.org,IP:192.0.2.7")))
    told = fails(world, tls(server, "localhost"), f"tls_ca={ca.cert}")
    assert told == (f"tls {tls(server, 'localhost')}: certificate verify failed: hostname mismatch: not for "
                    "localhost; the certificate is for nats.example.org, 192.0.2.7")
    told = fails(world, tls(server), f"tls_ca={ca.cert}")
    assert "IP address mismatch: not for 127.0.0.1; the certificate is for nats.example.org" in told


def test_the_common_name_is_no_name(world, ca):
    server = world.nats(config=server_config(ca.issue("localhost", "")))
    assert "the certificate is for no name at all" in fails(
        world, tls(server, "localhost"), f"tls_ca={ca.cert}")


def test_an_expired_certificate_is_refused_with_its_date(world, ca):
    server = world.nats(config=server_config(ca.issue("server", days=-1)))
    assert "the certificate has expired (20" in fails(world, tls(server), f"tls_ca={ca.cert}")


def test_a_clients_certificate_is_no_servers(world, ca):
    server = world.nats(config=server_config(ca.issue("server", usage="clientAuth")))
    assert "certificate verify failed: " in fails(world, tls(server), f"tls_ca={ca.cert}")


def test_a_server_that_wants_a_certificate_gets_ours(world, ca):
    server = world.nats(config=server_config(ca.issue("server"), ca.cert))
    cert, key = ca.issue("client", usage="clientAuth")
    connects(world, tls(server), f"tls_ca={ca.cert}", f"tls_cert={cert}", f"tls_key={key}")
    both = ca.path("both.pem")
    write(both, read(cert) + read(key))
    connects(world, tls(server), f"tls_ca={ca.cert}", f"tls_cert={both}")
    told = fails(world, tls(server), f"tls_ca={ca.cert}")
    assert told.startswith("tls ") and "it may want a certificate of us (tls_cert)" in told
    other = Authority(world.path("other")).issue("client", usage="clientAuth")
    told = fails(world, tls(server), f"tls_ca={ca.cert}", f"tls_cert={other[0]}", f"tls_key={other[1]}")
    assert told.startswith("tls ") and "it may not like the certificate we have" in told


def test_a_client_certificate_comes_with_its_chain(world, ca):
    between = ca.issue("between", "", ca=True)
    cert, key = ca.issue("client", usage="clientAuth", issuer=between)
    server = world.nats(config=server_config(ca.issue("server"), ca.cert))
    chain = ca.path("chain.pem")
    write(chain, read(cert) + read(between[0]))
    connects(world, tls(server), f"tls_ca={ca.cert}", f"tls_cert={chain}", f"tls_key={key}")
    assert fails(world, tls(server), f"tls_ca={ca.cert}", f"tls_cert={cert}",
                 f"tls_key={key}").startswith("tls ")


def test_files_that_cannot_be_used_are_named(world, ca, tls_server):
    cert, key = ca.issue("client")
    other_key = ca.issue("other")[1]
    junk, missing = world.file("junk", "hello\n"), world.path("missing")
    broken = world.file("broken", read(ca.cert)[:200] + b"\n-----END CERTIFICATE-----\n")
    locked = ca.path("locked.pem")
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", locked)
    for options, told in (
        ([f"tls_ca={missing}"], f"{missing}: No such file or directory"),
        ([f"tls_ca={junk}"], f"{junk}: no certificate in it"),
        ([f"tls_ca={broken}"], f"{broken}: a certificate in it is not valid PEM"),
        ([f"tls_cert={cert}", f"tls_key={junk}"], f"{junk}: no private key in it"),
        ([f"tls_cert={cert}", f"tls_key={other_key}"], f"{other_key}: the key does not belong to the certificate"),
        ([f"tls_cert={cert}", f"tls_key={locked}"],
         f"{locked}: the key is encrypted, and nobody can be asked for its passphrase"),
    ):
        assert fails(world, tls_server.url, *options) == f"tls {tls_server.url}: {told}"


# ---- no way back to plain text -------------------------------------------------------------------


@pytest.mark.parametrize("insisting", ["scheme", "ca"])
def test_where_tls_is_insisted_on_a_plain_server_gets_nothing(world, ca, insisting):
    got = []

    def talk(session):
        session.send(info())
        got.append(session.sock.recv(1000))

    fake = world.closing(FakeNats(talk))
    url = fake.url.replace("nats:", "tls:") if insisting == "scheme" else fake.url
    told = fails(world, url, "user=bob", "password=secret", *([f"tls_ca={ca.cert}"] if insisting == "ca" else []))
    assert told == f"tls {url}: TLS is insisted on, but the server offers none"
    until(lambda: got, "the connection ends")
    assert got[0] == b""


def test_a_real_plain_server_is_refused_and_one_that_allows_both_is_used_with_tls(world, ca, nats):
    assert fails(world, tls(nats)).endswith("TLS is insisted on, but the server offers none")
    config = server_config(ca.issue("server")) + "allow_non_tls: true\n"
    both = world.nats(config=config, monitor=True)
    child = login(world, tls(both), f"tls_ca={ca.cert}")
    child.wait_line("^connected", "stdout")
    assert both.connections()[0]["tls_version"] == "1.3"
    assert connects(world, both) == both.url


def test_bytes_in_front_of_the_handshake_are_refused(world, ca):
    got = []

    def inject(session):
        session.send(info(tls_required=True) + b"INFO {\"max_payload\":1}\r\nPONG\r\n")
        got.append(session.sock.recv(1000))

    fake = world.closing(FakeNats(inject))
    told = fails(world, fake.url, f"tls_ca={ca.cert}")
    assert told.endswith("plain bytes came in front of the TLS handshake")
    until(lambda: got, "the connection ends")
    assert got[0] == b""


def test_bytes_that_come_a_moment_later_are_no_tls(world, ca):
    def inject(session):
        session.send(info(tls_required=True))
        session.sock.recv(5)  # the handshake has begun
        session.send(b"PONG\r\nPONG\r\n")
        session.wait_closed()

    fake = world.closing(FakeNats(inject))
    assert fails(world, fake.url, f"tls_ca={ca.cert}").endswith("what answers there does not speak TLS")


def test_tls_1_1_is_refused(world, ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.load_cert_chain(*ca.issue("server"))
    fake = world.closing(FakeNats(handshake_only(context)))
    told = fails(world, fake.url, f"tls_ca={ca.cert}")
    assert told.startswith("tls ") and "protocol version" in told, told


def test_tls_1_2_is_fine(world, ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(*ca.issue("front"))
    front = world.closing(Terminator(world.nats(), context))
    connects(world, front.url, f"tls_ca={ca.cert}", "tls_first=1")


# ---- TLS first -----------------------------------------------------------------------------------


@pytest.fixture
def terminator(world, ca, nats):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.issue("front"))
    return world.closing(Terminator(nats, context))


def test_tls_first_behind_a_terminator(world, ca, nats, terminator):
    handlers = world.handlers(nats, "echo.nats")
    child = login(world, terminator.url, f"tls_ca={ca.cert}", "tls_first=1", "get=http://echo.nats/echo",
                  "times=50", "in_flight=10", "bytes=10000", "until=answered")
    assert child.wait() == 0
    child.wait_line("^answered 50 50 ", "stdout")
    assert terminator.names == [None], "no SNI for an address"
    connects(world, terminator.url.replace("127.0.0.1", "localhost"), f"tls_ca={ca.cert}", "tls_first=1")
    assert terminator.names == [None, "localhost"]
    assert handlers.running


def test_without_tls_first_the_greeting_is_awaited_in_vain(world, ca, terminator):
    told = fails(world, terminator.url, f"tls_ca={ca.cert}", "connect_timeout_ms=300")
    assert told == f"timeout {terminator.url}: no answer in time"


def test_tls_first_to_a_server_that_greets_in_plain_text(world, ca, nats):
    assert fails(world, nats, f"tls_ca={ca.cert}", "tls_first=1").endswith("what answers there does not speak TLS")


# ---- servers that fail ---------------------------------------------------------------------------


def test_a_server_that_closes_in_the_middle_of_the_handshake(world, ca):
    def close(session):
        session.send(info(tls_required=True))
        session.sock.recv(100)

    fake = world.closing(FakeNats(close))
    told = fails(world, fake.url, f"tls_ca={ca.cert}")
    assert told.startswith("connect ") and ("in the TLS handshake" in told or "reset" in told)


@pytest.mark.parametrize("at", [0, 3, 5, 10, 60, 130, 400, -1])
def test_a_handshake_with_a_wrong_byte_fails_in_words(world, ca, at):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.issue("server"))

    def spoil(session):
        session.send(info(tls_required=True))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(session.sock.recv(65536))
        with pytest.raises(ssl.SSLWantReadError):
            peer.do_handshake()
        flight = bytearray(outgoing.read())
        flight[at] ^= 0x55
        session.send(bytes(flight))
        session.wait_closed()

    fake = world.closing(FakeNats(spoil))
    told = fails(world, fake.url, f"tls_ca={ca.cert}", "connect_timeout_ms=500")
    assert told.startswith(("tls ", "timeout ")) and told.isprintable() and len(told) < 300
    assert fake.failures == []


def test_a_handshake_that_stalls_ends_with_the_attempt(world, ca):
    def stall(session):
        session.send(info(tls_required=True))
        session.wait_closed()

    fake = world.closing(FakeNats(stall))
    start = time.monotonic()
    told = fails(world, fake.url, f"tls_ca={ca.cert}", "connect_timeout_ms=300")
    assert 0.3 <= time.monotonic() - start < 2 * SLOW
    assert told == f"timeout {fake.url}: no answer in time, in the TLS handshake"


def test_a_handshake_in_small_pieces_succeeds(world, ca, nats):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.issue("front"))
    slow = world.closing(Terminator(nats, context, piece=7))
    connects(world, slow.url, f"tls_ca={ca.cert}", "tls_first=1", "connect_timeout_ms=20000")


# ---- work through TLS ----------------------------------------------------------------------------


@pytest.fixture
def busy(world, ca):
    """A server with TLS and without, with large messages, and an echo on its plain side."""
    config = server_config(ca.issue("server")) + "allow_non_tls: true\nmax_payload: 4MB\n"
    server = world.nats(config=config, monitor=True)
    world.handlers(server, "echo.nats")
    return server


def answered(child, count):
    assert child.wait(60 * SLOW) == 0
    return float(child.wait_line(rf"^answered {count} {count} (\S+)", "stdout").group(1))


def test_large_messages_come_through_whole(world, ca, busy):
    child = login(world, tls(busy), f"tls_ca={ca.cert}", "get=http://echo.nats/echo", "times=40",
                  "in_flight=8", f"bytes={1 << 20}", "until=answered")
    answered(child, 40)


def test_many_small_ones_are_quick(world, ca, busy):
    child = login(world, tls(busy), f"tls_ca={ca.cert}", "get=http://echo.nats/echo", "times=20000",
                  "in_flight=64", "bytes=100", "until=answered")
    assert answered(child, 20000) < 20 * SLOW, "1,000 a second at least"


def test_records_that_came_in_one_piece_are_all_read(world, ca):
    """More of them than one turn reads, and nothing comes behind them that would wake anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ca.issue("server"))
    answers = []

    def script(session):
        session.send(info(tls_required=True))
        peer = Secured(session, context)
        while peer.line() != b"PING":
            pass
        peer.send(b"PONG\r\n", *[b"PING\r\n"] * 100)
        for _ in range(100):
            answers.append(peer.line())
        session.wait_closed()

    fake = world.closing(FakeNats(script))
    login(world, fake.url, f"tls_ca={ca.cert}")
    until(lambda: len(answers) == 100 or fake.failures, "an answer to each")
    assert answers == [b"PONG"] * 100 and fake.failures == []


def test_it_reconnects_through_tls_and_goes_on(world, ca, busy):
    child = login(world, tls(busy), f"tls_ca={ca.cert}")
    child.wait_line("^connected", "stdout")
    for _ in range(5):
        seen = len(child.lines())
        busy.restart()
        child.wait_line("^connected tls://", "stdout", skip=seen)
    assert "1.3" in [one.get("tls_version") for one in busy.connections()]


def test_a_renewed_ca_is_picked_up(world, ca):
    server = world.nats(config=server_config(ca.issue("server")))
    trusted = world.file("trusted.pem", read(ca.cert))
    child = login(world, tls(server), f"tls_ca={trusted}")
    child.wait_line("^connected", "stdout")
    other = Authority(world.path("other"))
    server.configure(server_config(other.issue("server")))
    server.restart()
    child.wait_line("^failed tls .*certificate verify failed", "stdout")
    write(trusted, read(other.cert))
    seen = len(child.lines())
    child.wait_line("^connected", "stdout", skip=seen)


def test_gateway_and_sidecar_through_tls(world, ca, tls_server):
    env = {"SSL_CERT_FILE": ca.cert}
    url = tls(tls_server, "localhost")
    serve = world.nrt("serve", "--server", url, "weather.nats", world.origin(plain("fine")).url, env=env)
    serve.wait_line("serving weather.nats on ")
    child = world.run([NRT, "get", "--server", url, "http://weather.nats/"], env=env)
    assert child.stdout.strip() == "fine"


@pytest.mark.parametrize("command", ["get", "serve", "gateway"])
def test_a_certificate_that_is_not_trusted_ends_a_program_at_once(world, tls_server, command):
    start = time.monotonic()
    child = world.run(argv(tls(tls_server), command), expect=1)
    assert time.monotonic() - start < 2 * SLOW
    told = [line for line in child.lines("stderr") if not line.startswith(" ")]
    assert len(told) == 1 and "certificate verify failed" in told[0], child.transcript()


# ---- programs of others, for which TLS changes nothing -------------------------------------------


@pytest.fixture
def trusted(ca):
    """The environment of a program that trusts our CA, as if the system did."""
    return {"SSL_CERT_FILE": ca.cert}


@pytest.mark.parametrize("name", ["forked", "wrong_thread"])
def test_processes_and_threads(world, busy, trusted, name):
    world.run([program(name), tls(busy), "http://echo.nats/"], env=trusted)


def test_a_server_that_dies_raises_no_sigpipe(world, busy, trusted):
    child = world.program("sigpipe", tls(busy), "http://echo.nats/", env=trusted)
    child.wait_line("^connected$", "stdout")
    busy.kill()
    child.wait_line("^disconnected$", "stdout")
    busy.start()
    assert child.wait() == 0


def test_callbacks_may_destroy_the_connection(world, busy, trusted):
    peer = world.peer(busy)
    gowire.OldService(peer, "silent.nats", None)
    slow = peer.subscribe("nrt.requests.slow.nats.*", "nrt")
    child = world.program("callbacks", tls(busy), env=trusted)
    request = slow.next()
    peer.publish(request.reply, gowire.response(None, b"slow"))
    assert child.wait() == 0


def test_another_loop(world, busy, trusted):
    world.run([program("on_libevent"), tls(busy)], env=trusted)


def test_learned_servers_are_used_with_tls_and_the_name_we_know(world, ca):
    """The second server is known by its address only; its certificate has the name alone."""
    pair = ca.issue("server", "DNS:localhost")
    first = world.nats(name="first", config=server_config(pair), monitor=True,
                       args=["--cluster", "nats://127.0.0.1:-1", "--cluster_name", "C"])
    second = world.nats(name="second", config=server_config(pair), monitor=True, args=[
        "--cluster", "nats://127.0.0.1:-1", "--cluster_name", "C", "--routes", first.route])
    until(lambda: first.monitoring("/routez")["num_routes"] >= 1, "the cluster stands")
    child = login(world, tls(first, "localhost"), f"tls_ca={ca.cert}")
    child.wait_line("^connected tls://localhost", "stdout")
    seen = len(child.lines())
    first.kill()
    child.wait_line(rf"^connected tls://127.0.0.1:{second.port}$", "stdout", skip=seen)
