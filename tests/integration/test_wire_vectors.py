"""The collected HTTP/1.1 vectors on the wire: every decided case through the real gateway, the real
sidecar and a real service, in both directions. What is refused reaches nobody, and the exchange
after it is unharmed. Each test tells of all cases that went wrong, not only of the first."""

import re
import socket

import pytest

from harness import vectors
from harness.client import Client
from harness.message import Answer, Closed, Malformed, parse_answer
from harness.origin import plain

HOST = "vect.nats"  # as long as a.example, which most cases name
SUBJECT = f"nrt.requests.{HOST}."
GOOD = f"GET /good HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
SMUGGLED = f"GET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def policy(case, to_service):
    """The statuses for what is right HTTP but not ours to carry; () for everything else."""
    method = case.method
    if method == "CONNECT":
        return (501, 421, 400)
    if method not in (method.upper(), method.lower()) or re.search(r"[.*]", method):
        return (501, 403)
    if not to_service:
        if case.elements("upgrade") & {"h2c"}:
            return (501,)
        return (417,) if case.elements("expect") - {"100-continue"} else ()
    authority = re.match(r"[a-z]+://([^/?]*)", case.target or "")
    host = authority.group(1) if authority else (case.all("host") or [""])[0].lower()
    if not host:
        return (400,)
    return () if re.fullmatch(r"(a\.example|vect\.nats)(:\d*)?", host) else (421,)


def refused_by_nginx(case):
    """What nginx itself does not take, of what is right."""
    # It chooses its server by a host in the target, and nrt_pass could look at Host: they are to agree.
    absolute = re.match(r"[A-Za-z]+://([^/?]*)", case.target or "")
    return (case.method in ("TRACE", "CONNECT") or case.target == "*"
            or any(len(name) + len(value) > 8000 for name, value in case.headers)  # a line fits one buffer
            or (absolute and [absolute.group(1)] != case.all("host"))
            or len(case.all("if-match")) > 1)  # one line of those whose value it looks at


def origin_form(target):
    path = re.sub(r"^[A-Za-z]+://[^/?]*", "", target)
    return path if path[:1] in ("/", "*") else "/" + path


# ---- requests ----------------------------------------------------------------------------------


class Recorder:
    """An origin behind `nrt serve` that answers everything and remembers everything."""

    def __init__(self, world, nats):
        self.origin = world.origin(plain("fine"))
        world.serve(nats, HOST, self.origin)

    def taken(self):
        """What has come since it was asked last; a request that is not well-formed as its text."""
        seen = self.origin.requests + self.origin.failures
        self.origin.requests, self.origin.failures = [], []
        return seen


@pytest.fixture
def recorder(world, nats):
    return Recorder(world, nats)


def check_carried(verdict, case, seen, underscores=True):
    """Exactly one request came out, and it says what the case says."""
    if not verdict.check(len(seen) == 1 and not isinstance(seen[0], str), case, f"out came {seen}"):
        return
    request = seen[0]
    said = (request.method, request.target, request.body, request.all("Host"))
    meant = (case.method, origin_form(case.target), case.body, [HOST])
    verdict.check(said == meant, case, f"out came {said}, not {meant}")
    lost = vectors.missing_fields(case, request)
    if not underscores:  # nginx drops them, unless told underscores_in_headers
        lost = [pair for pair in lost if "_" not in pair[0]]
    verdict.check(not lost, case, f"fields did not come through: {lost} {request.fields}")
    hop = set(request.names()) & (vectors.HOP - {"transfer-encoding"})
    if request.get("Connection") == "Upgrade" and request.get("Upgrade"):  # made anew, to be passed on
        hop -= {"connection", "upgrade"}
    verdict.check(not hop, case, f"hop-by-hop fields came through: {hop}")


def final_answer(client, method="GET"):
    """The next final answer; None where the other side closes instead."""
    try:
        while True:
            head = client.reader.head(Answer)
            if head.status >= 200:
                break
    except (Closed, ConnectionResetError):
        return None
    if method != "HEAD" and head.status not in (204, 304):
        client.reader.body(head, framed_by_close=True)
    return head


def all_answers(client, method="GET"):
    """Final answers until the other side closes, and whether it did; the first is to `method`."""
    got = []
    try:
        while (answer := final_answer(client, "GET" if got else method)) is not None:
            got.append(answer)
        return got, True
    except socket.timeout:
        return got, False


def good_request(verdict, case, client, recorder):
    client.send(GOOD)
    answer = final_answer(client)
    seen = recorder.taken()
    verdict.check(answer is not None and answer.status == 200, case, f"then: {answer}")
    verdict.check([getattr(one, "target", one) for one in seen] == ["/good"], case, f"then: {seen}")


def test_what_is_right_goes_through_the_gateway_as_it_is_meant(front, nats, recorder):
    gateway = front(nats, "--route", f"/={HOST}")
    cases, verdict = vectors.decided("request", "accept"), vectors.Verdict()
    for case in cases:
        with Client(gateway.url, timeout=3) as client:
            client.send(case.raw)
            answer = final_answer(client, case.method)
            refused = policy(case, to_service=False)
            if front.is_nginx and refused_by_nginx(case):
                refused = (400, 405)
            seen = recorder.taken()
            if not verdict.check(answer is not None, case, "closed without an answer"):
                continue
            if refused:
                verdict.check(answer.status in refused and not seen, case, f"{answer} {seen}")
            elif verdict.check(answer.status == 200, case, f"{answer}"):
                check_carried(verdict, case, seen, underscores=not front.is_nginx)
            if (answer.get("Connection") or "").lower() == "close":
                verdict.check(client.at_end(), case, "says close and does not")
                with Client(gateway.url) as other:
                    good_request(verdict, case, other, recorder)
            else:
                good_request(verdict, case, client, recorder)
    verdict.done(len(cases))


def test_bytes_behind_a_request_do_not_change_it(front, nats, recorder):
    """Cases with the beginning of something else behind them, in the same packet."""
    gateway = front(nats, "--route", f"/={HOST}")
    verdict = vectors.Verdict()
    cases = [case for case in vectors.decided("request", "accept")
             if case.trailing and not policy(case, to_service=False)]
    for case in cases:
        with Client(gateway.url) as client:
            client.send(case.whole)
            answer = final_answer(client, case.method)
            verdict.check(answer is not None and answer.status == 200, case, f"{answer}")
            check_carried(verdict, case, recorder.taken()[:1])
        with Client(gateway.url) as client:
            client.send(GOOD)
            verdict.check(final_answer(client) is not None, case, "the next is harmed")
        recorder.taken()
    verdict.done(len(cases))


def test_what_is_wrong_is_refused_by_the_gateway_and_reaches_nobody(world, front, nats, recorder):
    """A request that is complete and wrong is answered with 4xx or 5xx and the connection closes:
    the good request right behind it is not believed either. A truncated one may just be closed."""
    gateway = front(nats, "--route", f"/={HOST}")
    everything = world.peer(nats).subscribe("nrt.>")
    cases, verdict = vectors.decided("request", "reject"), vectors.Verdict()
    for case in cases:
        with Client(gateway.url, timeout=3) as client:
            try:
                client.send(case.whole, SMUGGLED if case.complete else b"")
                if not case.complete:
                    client.half_close()
            except ConnectionError:
                pass
            if front.is_nginx and re.match(rb"[^ ]+ +[^ ]+ *\r?\n", case.whole):
                # It answers HTTP/0.9 in kind, without a head.
                verdict.check(re.search(rb'<title>400|"status": 400', client.reader.rest()), case, "not refused")
                continue
            try:
                # nginx has read the method, whatever is wrong behind it.
                answers, closed = all_answers(client, case.method if front.is_nginx else "GET")
            except Malformed as problem:
                verdict.check(False, case, f"{problem}")
                continue
        if front.is_nginx and b"Content-Length" in case.whole and len(answers) == 1:
            # It waits for the rest of the body, to throw it away.
            closed = closed or answers[0].get("Connection") == "close"
        verdict.check(closed, case, f"neither refused nor closed; answers: {answers}")
        verdict.check(len(answers) == 1 or not (answers or case.complete), case, f"{answers}")
        for answer in answers:
            verdict.check(answer.status >= 400 and front.is_refusal(answer), case, f"{answer}")
        everything.peer.flush()
        while not everything.none_waiting():
            verdict.check(False, case, f"published: {everything.next()}")
        verdict.check(not recorder.taken(), case, "it reached the origin")
    everything.unsubscribe()
    with Client(gateway.url) as client:
        for case in cases[:1]:
            good_request(verdict, case, client, recorder)
    verdict.done(len(cases))


def test_sequences_on_one_connection_are_never_answered_more_often_than_asked(front, nats, recorder):
    gateway = front(nats, "--route", f"/={HOST}")
    last = GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    cases = [case for case in vectors.load() if case.kind == "request" and case.next_steps]
    verdict = vectors.Verdict()
    for case in cases:
        with Client(gateway.url, timeout=3) as client:
            client.send(case.whole)
            first = final_answer(client, case.method)
            if not verdict.check(first is not None, case, "no answer to the first step"):
                continue
            try:
                client.send(*case.next_steps, last)
            except ConnectionError:
                pass
            answers, closed = all_answers(client)
        seen = recorder.taken()
        verdict.check(closed, case, "the connection stays open")
        if first.status >= 400:
            verdict.check(not answers and not seen, case, f"refused, then {answers} and {seen}")
            continue
        verdict.check(case.expect != "reject", case, f"{first}")
        verdict.check(len(answers) <= len(case.next_steps) + 1, case, f"{answers}")
        fine = 1 + sum(answer.status == 200 for answer in answers)
        verdict.check(len(seen) == fine, case, f"{fine} times 200, at the origin {seen}")
    verdict.done(len(cases))


# ---- requests as payloads ----------------------------------------------------------------------


def ask(peer, case, payload):
    reply = peer.request(SUBJECT + case.method.lower(), payload, timeout=3)
    assert reply.status is None, f"no responders: {reply}"
    # Where the head could not be read nobody knows that it was meant as HEAD.
    unread = b"NRT-Error: bad-request" in reply.payload
    return parse_answer(reply.payload, "GET" if unread else case.method)


def fits_a_subject(case):
    return not re.search(r"[.*]", case.method)


def payload_cases(verdict, cases, peer, taken, carried):
    for case in cases:
        payload = case.with_host(HOST) if case.expect == "accept" else case.whole
        try:
            answer = ask(peer, case, payload)
        except (AssertionError, Malformed) as problem:
            verdict.check(False, case, f"{problem}")
            continue
        seen = taken()
        refused = (400, 413, 414, 431, 403, 421, 501)
        if case.expect == "accept":
            refused = policy(case, to_service=True)
            if not refused:
                verdict.check(answer.error is None, case, f"{answer}")
                carried(case, seen)
                if case.trailing:
                    answer = ask(peer, case, payload + case.whole[-case.trailing:])
                    verdict.check(answer.status == 400, case, f"with bytes behind it: {answer}")
                    verdict.check(not taken(), case, "with bytes behind it: went through")
                continue
        verdict.check(answer.status in refused and answer.error, case, f"{answer}")
        verdict.check(not seen, case, f"refused, but it came through: {seen}")


def test_payloads_to_the_sidecar_go_through_or_are_refused(recorder, peer):
    cases = [case for case in vectors.decided("request") if fits_a_subject(case)]
    verdict = vectors.Verdict()
    payload_cases(verdict, cases, peer, recorder.taken,
                  lambda case, seen: check_carried(verdict, case, seen))
    reply = parse_answer(peer.request(SUBJECT + "get", GOOD).payload)
    assert reply.body == b"fine" and len(recorder.taken()) == 1
    verdict.done(len(cases))


def test_payloads_to_a_native_service_go_through_or_are_refused(world, nats, peer):
    """Its handler's answers have no NRT-Error, refusals have one."""
    service = world.handlers(nats, HOST)
    cases = [case for case in vectors.decided("request") if fits_a_subject(case)]
    verdict = vectors.Verdict()
    payload_cases(verdict, cases, peer, lambda: [], lambda case, seen: None)
    answer = parse_answer(peer.request(SUBJECT + "get", GOOD.replace(b"good", b"id")).payload)
    assert answer.body and service.running
    verdict.done(len(cases))


# ---- responses ---------------------------------------------------------------------------------


def ends_itself(case):
    chunked = "chunked" in case.elements("transfer-encoding")
    return chunked or case.all("content-length") or case.status in (204, 304)


def check_response(verdict, case, answer):
    if case.status < 200:
        final = re.findall(rb"HTTP/1\.1 ([2-5]\d\d)", case.whole)
        allowed = {502} | {int(status) for status in final if case.status != 101}
        verdict.check(answer.status in allowed, case, f"{answer}")
        return
    if not verdict.check(answer.status == case.status and not answer.error, case, f"{answer}"):
        return
    verdict.check(answer.body == case.body, case, f"body {answer.body[:80]!r}")
    lost = vectors.missing_fields(case, answer)
    verdict.check(not lost, case, f"fields did not come through: {lost} {answer.fields}")
    trailers = [pair for pair in case.trailers if pair not in answer.trailers]
    verdict.check(not trailers, case, f"trailers did not come through: {trailers}")


class Scripted:
    """An origin that answers GET /NUMBER with that case, /whole/NUMBER with the bytes behind it as
    well, and notes when a connection that must not be used again is."""

    def __init__(self, world, cases):
        self.cases = {str(case.number): case for case in cases}
        self.reused = []
        self.origin = world.origin(script=self.play)

    def play(self, connection):
        spoiled = None
        while True:
            target = connection.read().target
            if spoiled:
                self.reused.append(f"{spoiled} was followed by {target} on its connection")
            if target == "/good":
                connection.send(plain("good"))
                continue
            case = self.cases[target.rpartition("/")[2]]
            behind = target.startswith("/whole/")
            interim = case.expect == "accept" and case.status < 200
            connection.send(case.whole if behind or interim else case.raw)
            if case.expect == "reject" or behind or interim:
                spoiled = case.id
            if not case.complete or interim or (case.expect == "accept" and not ends_itself(case)):
                return


def get(peer, target):
    payload = f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    return parse_answer(peer.request(SUBJECT + "get", payload).payload)


def test_responses_of_an_origin_go_through_or_become_502(world, nats, peer):
    cases, verdict = vectors.decided("response"), vectors.Verdict()
    scripted = Scripted(world, cases)
    world.serve(nats, HOST, scripted.origin, args=["--timeout", "2s"])
    for case in cases:
        answer = get(peer, f"/{case.number}")
        if case.expect == "accept":
            check_response(verdict, case, answer)
        else:
            verdict.check(answer.status == 502 and answer.error, case, f"{answer}")
        if case.trailing and case.status >= 200:
            check_response(verdict, case, get(peer, f"/whole/{case.number}"))
        good = get(peer, "/good")
        verdict.check(good.body == b"good", case, f"then: {good}")
    assert scripted.reused == []
    verdict.done(len(cases))


def test_replies_of_a_nats_service_go_through_the_gateway_or_become_502(world, nats, peer):
    cases, verdict = vectors.decided("response"), vectors.Verdict()
    by_target = {f"/{case.number}": case.raw for case in cases}
    by_target |= {f"/whole/{case.number}": case.whole for case in cases}
    by_target["/good"] = plain("good")

    def reply(message):
        target = message.payload.split(b" ")[1].decode()
        peer.publish(message.reply, by_target[target])

    peer.subscribe(SUBJECT + "*", "nrt", reply)
    client = world.client(world.gateway(nats, "--route", f"/={HOST}"))
    for case in cases:
        answer = client.get(f"/{case.number}")
        if case.expect == "accept":
            check_response(verdict, case, answer)
        else:
            verdict.check(answer.status == 502 and answer.error, case, f"{answer}")
        if case.trailing:
            answer = client.get(f"/whole/{case.number}")
            verdict.check(answer.status == 502 and answer.error, case, f"bytes behind: {answer}")
        good = client.get("/good")
        verdict.check(good.body == b"good", case, f"then: {good}")
    verdict.done(len(cases))
