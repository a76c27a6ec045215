"""Bodies in pieces through the public API: programs/streamer.c and programs/stream_client.c."""

import pytest

from harness import gowire, node
from harness.client import Client, curl, request_bytes
from harness.clock import DEADLINE, SLOW, Stopwatch, until
from harness.message import Answer, Malformed, parse_answer
from harness.world import program, sanitized

MIB = 1 << 20
LARGE = 64 * MIB
WINDOW = 256 * 1024
pytestmark = pytest.mark.threads


def pattern_sum(count):
    total = 0
    for byte in (i * 7 % 251 for i in range(count)):
        total = (total * 31 + byte) % 1000000007
    return total


@pytest.fixture(params=[0, 4], ids=["callbacks", "workers"])
def workers(request):
    return request.param


@pytest.fixture
def service(world, nats, workers):
    child = world.program("streamer", nats.url, "weather.nats", workers)
    child.wait_line(r"^ready$", "stdout")
    return child


@pytest.fixture
def client(world, nats):
    def run(path, mode, count=0, code=0):
        child = world.run([program("stream_client"), nats.url, f"http://weather.nats{path}", mode, count],
                          expect=code, timeout=DEADLINE * 4)
        return child.lines("stdout")
    return run


@pytest.fixture
def gateway(world, nats):
    return world.gateway(nats, "--route", "/=weather.nats")


def test_bodies_of_all_sizes_go_both_ways(service, client):
    for size in (0, 1, 16384, 16385, WINDOW - 1, WINDOW, WINDOW + 1, MIB + 1):
        assert client("/echo", "echo", size)[-1] == "closed ok"
        wanted = f"bytes {len(f'{size} {pattern_sum(size)}')} "
        for mode in ("put", "chunks"):
            assert client("/sum", mode, size)[1].startswith(wanted)
        assert client(f"/bytes/{size}", "get")[1].startswith(f"bytes {size} ")


def test_much_goes_both_ways_and_costs_no_memory(world, service, client):
    client("/echo", "echo", 1000)
    before = service.status("VmRSS")
    for path, mode in (("/echo", "echo"), (f"/bytes/{LARGE}", "get"), ("/sum", "put")):
        assert client(path, mode, LARGE)[-1] == "closed ok"
    assert sanitized() or service.status("VmRSS") - before < 16 * 1024


def test_a_client_that_takes_nothing_is_sent_a_window(service, client):
    said = client("/bytes/5000000", "hold")
    assert said[0] == "status 200" and said[1] == f"held {WINDOW}"
    assert said[2].startswith("bytes 5000000 ") and said[3] == "closed ok"


def test_a_slow_client_does_not_hold_up_another(world, nats, service, client):
    slow = world.start([program("stream_client"), nats.url, "http://weather.nats/bytes/50000000", "hold", 0])
    slow.wait_line("^status 200", "stdout")
    with Stopwatch() as watch:
        assert client("/bytes/1000000", "get")[-1] == "closed ok"
    assert watch.seconds < DEADLINE
    assert slow.wait(DEADLINE * 3) == 0


def test_eight_at_once(world, nats, service):
    ran = [world.start([program("stream_client"), nats.url, "http://weather.nats/echo", "echo", 8 * MIB])
           for _ in range(8)]
    for child in ran:
        assert child.wait(DEADLINE * 4) == 0, child.transcript()


def test_a_client_that_leaves_cancels_the_handler(service, client):
    assert client("/bytes/100000000", "cancel", code=1)[-1] == "closed canceled"
    service.wait_line("^canceled /bytes/100000000", "stdout")


def test_a_handler_that_knows_no_streams_learns_that_its_client_has_left(world, nats):
    plain = world.handlers(nats, "plain.nats", workers=2)
    gateway = world.gateway(nats, "--route", "/=plain.nats")
    for _ in range(2):  # before and after the gateway knows the service
        seen = len(plain.lines("stdout"))
        with Client(gateway.url) as client:
            client.send(request_bytes("GET", "/wait"))
            plain.wait_line("^waiting", "stdout", skip=seen)
        with Stopwatch() as watch:
            plain.wait_line("^canceled", "stdout", skip=seen)
        assert watch.seconds < 1.5 * SLOW


def test_a_client_that_leaves_while_it_waits_cancels_the_handler_within_a_second(service, gateway):
    with Client(gateway.url) as client:
        client.send(request_bytes("GET", "/wait"))
        service.wait_line("^waiting", "stdout")
    with Stopwatch() as watch:
        service.wait_line("^canceled /wait", "stdout")
    assert watch.seconds < 1.5 * SLOW


def test_a_service_that_is_killed_ends_its_streams_in_time(world, nats, service):
    child = world.start([program("stream_client"), nats.url, "http://weather.nats/bytes/2000000000", "get", 0])
    child.expected = None
    child.wait_line("^status 200", "stdout")
    service.expected = None
    service.kill()
    with Stopwatch() as watch:
        assert child.wait(DEADLINE * 2) == 1
    assert child.lines("stdout")[-1] == "closed aborted" and watch.seconds < 12


def test_a_broker_that_is_restarted_ends_streams_and_leaves_nothing(world, nats, service, gateway):
    descriptors = service.descriptors()
    child = world.start([program("stream_client"), nats.url, "http://weather.nats/bytes/2000000000", "get", 0])
    child.expected = None
    child.wait_line("^status 200", "stdout")
    nats.restart()
    assert child.wait(DEADLINE) == 1
    assert child.lines("stdout")[-1] == "closed aborted"
    service.wait_line("^canceled /bytes/", "stdout")
    until(lambda: Client(gateway.url).get("/bytes/10").body == b"x" * 10, "it serves again")
    until(lambda: service.descriptors() == descriptors, "as many descriptors as before")


def test_a_service_that_drains_finishes_its_streams(world, nats, service):
    child = world.start([program("stream_client"), nats.url, "http://weather.nats/bytes/30000000", "hold", 0])
    child.wait_line("^status 200", "stdout")
    service.signal(15)
    assert child.wait(DEADLINE * 2) == 0
    assert child.lines("stdout")[-1] == "closed ok"


# ---- what handlers do -------------------------------------------------------------------------------


def test_what_is_written_before_the_start_goes_before_what_is_written_after(service, gateway):
    assert Client(gateway.url).get("/order").body == b"one, two, three"


def test_a_length_that_a_handler_gives_is_told(service, gateway):
    answer = Client(gateway.url).get("/bytes/1000000")
    assert answer.get("Content-Length") == "1000000" and len(answer.body) == 1000000
    assert Client(gateway.url).request("HEAD", "/bytes/77").get("Content-Length") == "77"


def test_an_upload_that_no_handler_reads_does_not_hold_up_the_answer(service, client):
    for _ in range(5):
        said = client("/ignore", "chunks", 20 * MIB)
        assert said[0] == "status 200" and said[1].startswith("bytes 2000000 ") and said[2] == "closed ok"


def test_another_protocol_for_a_native_handler(service, client, gateway):
    assert client("/protocol", "protocol", 3000000)[-1] == "closed ok"
    assert client("/protocol", "get")[0] == "status 426"
    with Client(gateway.url) as raw:
        raw.send(request_bytes("GET", "/protocol", fields=[("Connection", "Upgrade"), ("Upgrade", "x")]))
        assert raw.reader.head(Answer).status == 101
        raw.send(b"hello")
        assert raw.reader.exactly(5) == b"hello"
        raw.half_close()
        assert raw.reader.rest() == b""


def test_interim_responses_and_broken_ones(service, client, gateway):
    assert client("/hints", "get")[:2] == ["interim 103", "status 200"]
    assert client("/broken", "get", code=1)[-1] == "closed aborted"
    with Client(gateway.url) as raw:
        raw.send(request_bytes("GET", "/broken"))
        with pytest.raises((Malformed, ConnectionError)):
            raw.answer()


def test_old_peers_get_their_answers_in_one_message(peer, service):
    def ask(target, body=None):
        payload = gowire.request("POST" if body else "GET", target, "weather.nats", body)
        subject = "nrt.requests.weather.nats." + ("post" if body else "get")
        return parse_answer(peer.request(subject, payload).payload)
    assert ask("/sum", b"\1\2").text == f"2 {1 * 31 + 2}"
    assert ask("/ignore").error == "response-too-large"


def test_a_program_that_waits_has_bodies_of_any_size_too(service, client):
    for size in (0, 1, WINDOW + 1, 8 * MIB):
        got = client(f"/bytes/{size}", "do")
        assert got[0] == "status 200" and got[1].startswith(f"bytes {size} ") and got[2] == "done 0 "
        wanted = f"bytes {len(f'{size} {pattern_sum(size)}')} "
        assert client("/sum", "do-put", size)[1].startswith(wanted)
    assert client("/bytes/200000000", "do-stop", code=1)[-1] == "done -1000 a callback has ended it"
    service.wait_line("^canceled /bytes/200000000", "stdout")
    assert "done -24 weather.nats: the service broke off" in client("/broken", "do", code=1)[-1]


@pytest.mark.parametrize("count", [1, 20])
def test_a_native_handler_speaks_websocket_with_the_ws_client(world, nats, count):
    service = world.program("websocket", nats.url, "echo.nats", 20)
    service.wait_line("^ready$", "stdout")
    gateway = world.gateway(nats, "--route", "/=echo.nats")
    url = gateway.url.replace("http", "ws") + "/"
    done = world.run([*node.argv("websocket.js", url, count)], env={"NODE_PATH": node.modules()},
                     expect=None, timeout=DEADLINE * 9)
    assert done.stdout.strip() == "ok", done.transcript()
    until(lambda: service.lines("stdout")[1:] == ["ended: closed"] * count, "all have ended")
    assert Client(gateway.url).get("/").status == 426
    with Client(gateway.url) as raw:  # and one that leaves in the middle
        raw.send(request_bytes("GET", "/", fields=[
            ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]))
        assert raw.reader.head(Answer).get("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        raw.send(b"\x82\xfe\xff\xff....half of a frame")
    service.wait_line("^ended: (canceled|aborted)", "stdout")


@pytest.mark.parametrize("workers", [4], indirect=True)
def test_a_worker_may_hand_its_exchange_to_another_thread(service, client):
    for count in (3, 3 * MIB):
        assert client("/handed", "chunks", count)[-1] == "closed ok"


@pytest.mark.parametrize("workers", [4], indirect=True)
def test_a_worker_need_not_wait_for_ever(service, gateway):
    with Client(gateway.url) as raw:
        raw.send(request_bytes("POST", "/patience", fields=[("Content-Length", "3000000")]), b"x" * 2000)
        answer = raw.answer()
    assert (answer.status, answer.body) == (408, b"no more came")


def test_curl_uploads_with_expect(world, service, gateway):
    path = world.file("upload", bytes(i * 7 % 251 for i in range(3 * MIB)))
    for _ in range(2):  # before and after the gateway knows the service
        done = curl("-T", path, "-X", "POST", "-H", "Expect: 100-continue", "--expect100-timeout", "30",
                    gateway.url + "/sum")
        assert done.text == f"{3 * MIB} {pattern_sum(3 * MIB)}", done
