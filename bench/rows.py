"""The rows of the benchmark: what runs in each, and how one slice of it is measured."""

import json
import os
import shutil
import time
import urllib.request

from payload import PATH, REQUEST_FIELDS
from processes import DEADLINE, Failed, Process, Program, free_port, run_and_account, wait_for_port

NGINX = """
{load}
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 2048; }}
http {{
    access_log {log};
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    default_type application/json;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {http}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""

# No function for each request: wrk formats one, once, and sends its bytes again and again.
WRK = """
done = function(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format('\\nBENCH {"requests": %d, "seconds": %.6f, "bytes": %d, "failed": %d, ' ..
        '"p50_us": %d, "p99_us": %d}\\n', summary.requests, summary.duration / 1e6, summary.bytes,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"""


def find_nginx():
    return shutil.which("nginx") or "/usr/sbin/nginx"


class Row:
    """One row: processes that stay for the whole run, so that slices of all rows can alternate."""

    letter = name = None

    def __init__(self, run, wrap=None):
        self.run = run
        self.wrap = wrap or {}  # what command lines of some roles begin with
        self.processes = []
        self.start()

    def start(self):
        raise NotImplementedError

    # ---- what rows are made of

    def add(self, process):
        self.processes.append(process)
        return process

    def nats(self):
        port = free_port()
        argv = ["nats-server", "-a", "127.0.0.1", "-p", str(port)]
        wait_for_port(port, self.add(Process("nats-server", argv, self.run.folder)))
        return port

    def nginx(self, role, server, http="", load=""):
        port = free_port()
        folder = os.path.join(self.run.folder, f"nginx-{port}")
        os.mkdir(folder)
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w", encoding="utf-8") as conf:
            log = f"{folder}/access.log combined" if self.run.chosen.access_log else "off"
            conf.write(NGINX.format(folder=folder, port=port, server=server, http=http, load=load, log=log))
        argv = [find_nginx(), "-p", folder, "-c", path]
        wait_for_port(port, self.add(Process(role, argv, self.run.folder)))
        return port

    def static(self):
        return self.nginx("nginx", f"root {self.run.payload.root};")

    def proxy(self, origin):
        http = f"""upstream origin {{
            server 127.0.0.1:{origin};
            keepalive 256;
            keepalive_requests 100000;
        }}"""
        return self.nginx("nginx proxy", """location / {
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }""", http)

    def program(self, role, name, *args):
        argv = [os.path.join(self.run.build, "bench", name), *map(str, args)]
        return self.add(Program(role, self.wrap.get(role, []) + argv, self.run.folder))

    def service(self, nats, *args):
        payload = self.run.payload
        return self.program("service", "nrt_service", f"nats://127.0.0.1:{nats}", PATH,
                            payload.response_fields, payload.body, *args)

    def nrt(self, role, *args):
        argv = [os.path.join(self.run.build, "nrt"), *map(str, args)]
        return self.add(Process(role, self.wrap.get(role, []) + argv, self.run.folder))

    def gateway(self, nats, *options):
        port = free_port()
        process = self.nrt("gateway", "gateway", "-s", f"nats://127.0.0.1:{nats}", "-l", port, "-r",
                           "/=bench-0.nats", *options)
        wait_for_port(port, process)
        return port

    # ---- measuring

    def measure(self, in_flight, seconds):
        """One slice: what came of it, with the microseconds of CPU that each process took for each
        request."""
        before = [process.cpu_ns() for process in self.processes]
        sample, extra = self.drive(in_flight, seconds)
        after = [process.cpu_ns() for process in self.processes]
        if sample["failed"] or not sample["requests"]:
            raise Failed(f"row ({self.letter}), {in_flight} in flight: {sample}\n" +
                         "\n".join(process.errors() for process in self.processes))
        cpu = dict(extra)
        for process, ns in zip(self.processes, (b - a for a, b in zip(before, after))):
            cpu[process.role] = cpu.get(process.role, 0) + ns
        sample["cpu_us"] = {role: ns / 1000 / sample["requests"] for role, ns in cpu.items()}
        sample["rps"] = sample["requests"] / sample["seconds"]
        return sample

    def drive(self, in_flight, seconds):
        raise NotImplementedError

    def peaks(self):
        return {process.role: process.peak_kib() for process in self.processes}

    def stop(self):
        for process in reversed(self.processes):
            process.stop()


class WrkRow(Row):
    """wrk asks `self.port`: one thread, as many connections as requests are in flight."""

    port = None

    def __init__(self, run, wrap=None):
        super().__init__(run, wrap)
        try:
            self.wait_until_right()
        except Failed:
            self.stop()
            raise

    def wait_until_right(self):
        """wrk looks at status and length only, so each byte of one answer is looked at here; and a
        service may take a moment until it is known."""
        with open(self.run.payload.body, "rb") as file:
            body = file.read()
        end = time.monotonic() + DEADLINE
        answer = None
        while time.monotonic() < end:
            for process in self.processes:
                process.check()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{PATH}", timeout=5) as got:
                    answer = got.read()
                if answer == body:
                    return
                break
            except OSError as error:
                answer = error
                time.sleep(0.02)
        raise Failed(f"row ({self.letter}) does not answer as it should: {answer!r}")

    def drive(self, in_flight, seconds):
        seconds = max(1, round(seconds))  # wrk knows whole seconds
        argv = ["wrk", "-t1", f"-c{in_flight}", f"-d{seconds}s", "-s", self.run.script]
        for line in REQUEST_FIELDS.splitlines():
            argv += ["-H", line]
        output, cpu = run_and_account([*argv, f"http://127.0.0.1:{self.port}{PATH}"])
        lines = [line[6:] for line in output.splitlines() if line.startswith("BENCH ")]
        if not lines:
            raise Failed(f"wrk says nothing of its run:\n{output}")
        sample = json.loads(lines[0])
        least = sample["requests"] * self.run.payload.sizes()["body"]
        if sample["bytes"] < least and not sample["failed"]:
            raise Failed(f"row ({self.letter}): answers are too short: {sample}")
        return sample, {"wrk": cpu}


class ProgramRow(Row):
    """One of our C clients runs a closed loop."""

    client = None

    def drive(self, in_flight, seconds, services=1):
        self.client.check()
        command = f"run {in_flight} {round(seconds * 1000)} {services}"
        return self.client.command(command, seconds), {}


class NginxStatic(WrkRow):
    letter, name = "a", "wrk -> nginx, a file"

    def start(self):
        self.port = self.static()


class NginxProxy(WrkRow):
    letter, name = "b", "wrk -> nginx -> nginx, keep-alive"

    def start(self):
        self.port = self.proxy(self.static())


class RawRow(ProgramRow):
    mode = None

    def start(self):
        nats, payload = self.nats(), self.run.payload
        url = f"nats://127.0.0.1:{nats}"
        files = [payload.subject, payload.request, payload.answer]
        self.program("service", "raw_service", url, *files, self.mode)
        self.client = self.program("client", "raw_client", url, *files, payload.body, self.mode)


class RawDefault(RawRow):
    letter, name, mode = "c", "libnats request-reply, default mode", "default"


class RawLoop(RawRow):
    letter, name, mode = "c-loop", "libnats request-reply, event loop", "loop"


class RawLoopAsap(RawRow):
    letter, name, mode = "c-asap", "libnats request-reply, event loop, SendAsap", "loop-asap"


class RawLoopSame(RawRow):
    letter, name, mode = "c-same", "as c-loop, reply subjects used again", "loop-same"


class OursOnly(ProgramRow):
    letter, name = "d", "our client -> our service"
    services = ()

    def start(self):
        self.port = self.nats()
        self.service(self.port, *self.services)
        payload = self.run.payload
        self.client = self.program("client", "nrt_client", f"nats://127.0.0.1:{self.port}", PATH,
                                   payload.request_fields, payload.body)


class GatewayService(WrkRow):
    letter, name = "e", "wrk -> nrt gateway -> our service"

    def start(self):
        nats = self.nats()
        self.service(nats)
        self.port = self.gateway(nats)


class GatewayServe(WrkRow):
    letter, name = "f", "wrk -> nrt gateway -> nrt serve -> nginx"
    watched = ""

    def start(self):
        origin, nats = self.static(), self.nats()
        self.nrt("serve", "serve", "-s", f"nats://127.0.0.1:{nats}", *self.options("serve"), "bench-0.nats",
                 f"http://127.0.0.1:{origin}")
        self.port = self.gateway(nats, *self.options("gateway"))

    def options(self, role):
        """Those of `watched`, with what they need."""
        values = {"--admin": lambda: ["0"], "--trace-export": lambda: [self.collector()],
                  "--access-log": lambda: [os.path.join(self.run.folder, f"{role}-{free_port()}.log")],
                  "--access-log-format": lambda: ["json"]}
        return [word for name in self.watched.split() for word in (name, *values.get(name, list)())]

    def collector(self):
        """Of traces: takes all, and throws it away."""
        port = self.nginx("collector", "client_max_body_size 0; location / { return 200; }")
        return f"http://127.0.0.1:{port}/v1/traces"


def watched(names):
    """Row (f) with what those who operate it may ask for."""
    return type("GatewayServeWatched", (GatewayServe,), {"watched": names})


class NginxService(WrkRow):
    letter, name = "g", "wrk -> nginx nrt_pass -> our service"

    def start(self):
        nats = self.nats()
        self.service(nats)
        module = os.path.join(self.run.build, "src", "nginx", "ngx_http_nrt_module.so")
        if not os.path.exists(module):
            raise Failed(f"row (g): there is no {module}: install nginx-dev, build, try again")
        self.port = self.nginx("nginx", "location / { nrt_pass bench-0.nats; }",
                               f"nrt_server nats://127.0.0.1:{nats};", f"load_module {module};")


ROWS = [NginxStatic, NginxProxy, RawDefault, RawLoop, RawLoopAsap, RawLoopSame, OursOnly, GatewayService,
        GatewayServe, NginxService]
