// The NATS service API as nats.js has it: an independent client, and an independent service.
//
//     services.js ask SERVER ping|info|stats [NAME [ID]]   a line of JSON for each answer
//     services.js serve SERVER NAME                        until standard input ends
"use strict";
const { connect } = require("nats");

async function ask(nc, verb, name, id) {
  const client = nc.services.client({ strategy: "stall", maxWait: 700 });
  for await (const answer of await client[verb](name, id)) {
    console.log(JSON.stringify(answer));
  }
  await nc.close();
}

async function serve(nc, name) {
  const service = await nc.services.add({
    name,
    version: "1.0.3",
    description: "adds up",
    metadata: { team: "a" },
  });
  service.addEndpoint("sum", { handler: (_, message) => message.respond("3") });
  await nc.flush();
  console.log("ready");
  process.stdin.resume();
  process.stdin.on("end", () => nc.close());
}

async function main([command, server, ...rest]) {
  const nc = await connect({ servers: server });
  await (command === "ask" ? ask : serve)(nc, ...rest);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
