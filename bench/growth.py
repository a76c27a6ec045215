"""What becomes of row (d) as there is more: in flight, on a connection, waiting."""

import socket

from payload import PATH, REQUEST_FIELDS
from processes import Failed
from rows import GatewayService, OursOnly, Row

IN_FLIGHT = [1, 10, 64, 100, 1000, 10000]
SERVICES = [1, 10, 100, 1000]


class InFlight(OursOnly):
    letter = "in_flight"


def with_services(count):
    """Row (d) with so many services on one connection, asked in turn."""

    class Services(OursOnly):
        letter, name, services = f"services-{count}", f"row (d), {count} services", (count,)

        def drive(self, in_flight, seconds, services=1):
            return super().drive(in_flight, seconds, count)

    return Services


def measure(run):
    quick = run.chosen.quick
    growth = run.alternate([InFlight], [64, 1000] if quick else IN_FLIGHT, 64)
    counts = [1, 100] if quick else SERVICES
    found = run.alternate([with_services(count) for count in counts], [64], 64)
    growth["services"] = {
        "name": "our client -> our services, 64 in flight",
        "levels": {count: found[f"services-{count}"]["levels"][64] for count in counts},
        "peak_kib": found[f"services-{counts[-1]}"]["peak_kib"]}
    growth["memory"] = memory(run, 1000 if quick else 10000, 100 if quick else 1000)
    return growth


class Hold(Row):
    letter, name = "memory", "what waits"

    def start(self):
        url = f"nats://127.0.0.1:{self.nats()}"
        self.service = self.program("service", "nrt_hold", "serve", url)
        self.client = self.program("client", "nrt_hold", "ask", url)

    def each(self, kind, count):
        """Bytes that one of them takes, on either side."""
        ours = (self.client, self.service)
        before = [process.memory_kib() for process in ours]
        self.client.command(f"{kind} {count}", 30)
        after = [process.memory_kib() for process in ours]
        self.client.command("release", 30)
        return {process.role: (b - a) * 1024 / count for process, a, b in zip(ours, before, after)}


def memory(run, exchanges, streams):
    """Bytes of private memory for each thing that waits and does nothing: one process a kind, since
    memory that was used once is kept."""
    found = {"counts": {"exchange": exchanges, "stream": streams, "connection": 1000}}
    for kind, count in (("exchange", exchanges), ("stream", streams)):
        row = Hold(run)
        try:
            row.each(kind + "s", 1)
            found[kind] = row.each(kind + "s", count)
        finally:
            row.stop()
    found["connection"] = {"gateway": idle_connections(run, found["counts"]["connection"])}
    return found


def idle_connections(run, count):
    """Bytes of the gateway for a connection on which a request was answered, and no more comes."""
    row = GatewayService(run)
    socks = []
    try:
        gateway = next(process for process in row.processes if process.role == "gateway")
        row.measure(64, 1)
        before = gateway.memory_kib()
        for _ in range(count):
            socks.append(socket.create_connection(("127.0.0.1", row.port), 10))
            socks[-1].sendall(f"GET {PATH} HTTP/1.1\r\nHost: bench\r\n{REQUEST_FIELDS}\r\n"
                              .replace("\r\n", "\n").replace("\n", "\r\n").encode())
            if not socks[-1].recv(65536).startswith(b"HTTP/1.1 200"):
                raise Failed("the gateway gives another answer than expected")
        return (gateway.memory_kib() - before) * 1024 / count
    finally:
        for sock in socks:
            sock.close()
        row.stop()


def table(growth):
    memory_lines = [f"  {kind}: " + ", ".join(f"{role} {size:.0f}" for role, size in growth["memory"][kind].items())
                    for kind in ("exchange", "stream", "connection")]
    return "\n".join(["\nmemory of what waits, bytes each", *memory_lines])
