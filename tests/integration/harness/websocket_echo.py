"""An echo server for WebSocket (Debian's python3-websockets), with a page beside it that talks to it
and reports: run as a program, it prints its port."""

import asyncio
import http
import sys
import urllib.parse

import websockets

PAGE = """<!doctype html><title>echo</title><script>
const socket = new WebSocket(`ws://${location.host}/echo`, "chat");
socket.binaryType = "arraybuffer";
const large = new Uint8Array(1 << 20).map((_, i) => i * 31 % 251);
const said = [];
socket.onopen = () => { socket.send("hello"); };
socket.onmessage = ({data}) => {
  if (typeof data === "string") { said.push(data); socket.send(large); return; }
  const got = new Uint8Array(data);
  said.push(got.length === large.length && got.every((byte, i) => byte === large[i]));
  socket.close(4001, "bye");
};
socket.onclose = ({code, reason, wasClean}) => {
  said.push(code, reason, wasClean);
  fetch("/said?" + encodeURIComponent(JSON.stringify(said)));
};
socket.onerror = () => { said.push("error"); };
</script>"""


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def plain(path, headers):
    """What is no WebSocket: the page, and what it says when it is done."""
    if headers.get("Upgrade"):
        return None if path == "/echo" else (http.HTTPStatus.FORBIDDEN, [], b"not here\n")
    if path.startswith("/said?"):
        print("said", urllib.parse.unquote(path[6:]), flush=True)
        return http.HTTPStatus.OK, [], b"thanks\n"
    return http.HTTPStatus.OK, [("Content-Type", "text/html")], PAGE.encode()


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, process_request=plain, subprotocols=["chat"],
                                max_size=1 << 24, compression="deflate") as server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
