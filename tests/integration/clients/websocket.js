// The `ws` client against an echo server: websocket.js URL COUNT. Prints one line, "ok" or what is
// wrong, and ends with 0 or 1.
const WebSocket = require("ws");
const crypto = require("crypto");

const [url, count] = [process.argv[2], Number(process.argv[3])];

function next(socket, event) {
  return new Promise((resolve, reject) => {
    socket.once(event, (...args) => resolve(args));
    socket.once("error", reject);
  });
}

function same(got, wanted, what) {
  if (!Buffer.from(got).equals(Buffer.from(wanted))) {
    throw new Error(`${what}: ${got.length} bytes came, of ${wanted.length}`);
  }
}

async function converse(number) {
  const socket = new WebSocket(url, ["chat", `number-${number}`]);
  await next(socket, "open");
  if (socket.protocol !== "chat") throw new Error(`protocol ${socket.protocol}`);
  for (const size of [0, 1, 125, 126, 65535, 65536]) {
    const data = crypto.randomBytes(size);
    socket.send(data);
    const [echoed, binary] = await next(socket, "message");
    if (!binary) throw new Error("binary came back as text");
    same(echoed, data, `${size} bytes`);
  }
  socket.send("grüße, 世界");
  const [text, binary] = await next(socket, "message");
  if (binary || text.toString() !== "grüße, 世界") throw new Error(`text: ${text}`);
  const large = crypto.randomBytes(1 << 20);
  socket.send(large, { fin: false });
  socket.send(large, { fin: true }); // a message in two frames
  same((await next(socket, "message"))[0], Buffer.concat([large, large]), "2 MiB");
  socket.ping("are you there");
  same((await next(socket, "pong"))[0], "are you there", "pong");
  socket.close(4000 + (number % 100), "enough");
  const [code, reason] = await next(socket, "close");
  if (code !== 4000 + (number % 100) || reason.toString() !== "enough") {
    throw new Error(`closed with ${code} ${reason}`);
  }
}

const all = [];
for (let number = 0; number < count; number++) all.push(converse(number));
Promise.all(all).then(
  () => console.log("ok"),
  (error) => {
    console.log(`failed: ${error.message}`);
    process.exit(1);
  });
