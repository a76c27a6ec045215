"""An HTTP server behind a sidecar, with the manners of programs/ledger_service.c.

    origin.py SOCKET INSTANCE LEDGER
"""

import http.server
import os
import socketserver
import sys
import time

PATH, INSTANCE, LEDGER = sys.argv[1:4]


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    request_queue_size = 512
    daemon_threads = True


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        _, name, wait, size = self.path.split("/")
        whole = (name * (len(body) // len(name) + 1)).encode()[:len(body)]
        line = (f"{time.monotonic():.6f} {INSTANCE} {name} {self.command} "
                f"{'ok' if body == whole else 'mixed'}\n")
        assert os.write(ledger, line.encode()) == len(line)
        time.sleep(int(wait) / 1000)
        filler = (name * (int(size) // len(name) + 1)).encode()[:int(size)]
        text = f"{name} {INSTANCE}\n".encode() + filler
        head = (f"HTTP/1.1 200 OK\r\nLedger-Id: {name}\r\n"
                f"Content-Length: {len(text)}\r\n\r\n")
        self.wfile.write(head.encode() + text)

    do_GET = do_POST = do_PUT = answer


ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
if os.path.exists(PATH):
    os.unlink(PATH)
with Server(PATH, Handler) as server:
    print("ready", flush=True)
    server.serve_forever(0.5)
