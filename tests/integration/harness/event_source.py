"""A server of events (text/event-stream), with a page beside it that listens to them and reports: run
as a program, it prints its port.

/ticks                    an event a second: its number, and when it was written (CLOCK_MONOTONIC)
/                         a page with an EventSource on /numbers
/numbers                  `seen` has to be told of each event before the next one is written; ends after three
/seen?N, /said?TEXT       what the page has seen, and what it says when it is done: printed
"""

import asyncio
import collections
import itertools
import sys
import time
import urllib.parse

EVENTS = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
          b"Connection: close\r\n\r\n")

PAGE = """<!doctype html><title>events</title><script>
const events = new EventSource("/numbers"), said = [];
let opened = 0;
events.onopen = () => { opened++; };
events.onmessage = ({data, lastEventId}) => {
  said.push([data, lastEventId]);
  if (said.length === 6) {
    events.close();
    fetch("/said?" + encodeURIComponent(JSON.stringify([opened, said])));
  } else {
    fetch("/seen?" + lastEventId);
  }
};
</script>"""


class Ticker:
    """Writes to all that listen at once, as a server of events does."""

    def __init__(self):
        self.listeners = set()

    async def listen(self, reader, writer):
        writer.write(EVENTS)
        self.listeners.add(writer)
        try:
            await reader.read()  # until the client leaves
        finally:
            self.listeners.discard(writer)

    async def run(self):
        for number in itertools.count():
            await asyncio.sleep(1)
            for writer in list(self.listeners):
                writer.write(b"data: %d %.3f\n\n" % (number, time.monotonic()))


class Numbers:
    """Three events a connection; the next one waits until somebody has seen the last."""

    def __init__(self):
        self.seen = collections.defaultdict(asyncio.Event)

    async def listen(self, writer, last):
        writer.write(EVENTS + b"retry: 20\n\n")
        for number in range(last + 1, last + 4):
            writer.write(b"id: %d\ndata: event %d\n\n" % (number, number))
            await writer.drain()
            print("wrote", number, flush=True)
            if number < 6:
                await self.seen[number].wait()


async def head_of(reader):
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
    return lines[0].split(" ")[1], fields


async def main():
    ticker, numbers = Ticker(), Numbers()

    async def serve(reader, writer):
        try:
            target, fields = await head_of(reader)
            path, _, query = target.partition("?")
            if path == "/ticks":
                await ticker.listen(reader, writer)
            elif path == "/numbers":
                await numbers.listen(writer, int(fields.get("last-event-id", 0)))
            else:
                if path == "/seen":
                    numbers.seen[int(query)].set()
                elif path == "/said":
                    print("said", urllib.parse.unquote(query), flush=True)
                body = PAGE.encode() if path == "/" else b"thanks\n"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
                             b"Content-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    ticking = asyncio.ensure_future(ticker.run())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    ticking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
