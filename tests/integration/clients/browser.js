// A browser that does what it is told: a line of JSON in, [command, argument...], a line of JSON out.
//
//     browser.js CHROMIUM
"use strict";
const { chromium } = require("playwright-core");
const readline = require("readline");

const PATIENCE = Number(process.env.NRT_TEST_SLOW || 1) * 15000;
let browser, context, page, said, asked;

const commands = {
  // A page of its own, with nothing kept: {width, height, dark, calm, url}.
  async open({ width = 1280, height = 800, dark = false, calm = false, url }) {
    if (context) await context.close();
    said = [];
    asked = [];
    context = await browser.newContext({
      viewport: { width, height }, colorScheme: dark ? "dark" : "light", reducedMotion: calm ? "reduce" : "no-preference",
    });
    context.setDefaultTimeout(PATIENCE);
    page = await context.newPage();
    page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => said.push(`error: ${error.stack}`));
    page.on("request", (request) => asked.push(request.url()));
    const answer = await page.goto(url);
    return answer.status();
  },
  evaluate: (text) => page.evaluate(text),
  // Until it is true. (waitForFunction would need a page that allows eval.)
  async wait(text) {
    for (const end = Date.now() + PATIENCE; ; await new Promise((done) => setTimeout(done, 25))) {
      const value = await page.evaluate(text);
      if (value) return value;
      if (Date.now() > end) throw new Error(`not in time: ${text}\n${await page.evaluate("document.body.innerText")}`);
    }
  },
  press: (keys) => keys.split(" ").reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve()),
  type: (text) => page.keyboard.type(text),
  click: (selector) => page.click(selector),
  size: (width, height) => page.setViewportSize({ width, height }),
  dark: (is) => page.emulateMedia({ colorScheme: is ? "dark" : "light" }),
  picture: (path, whole) => page.screenshot({ path, fullPage: whole }).then(() => path),
  said: () => said,
  asked: () => asked,
  // What axe-core complains of.
  async complaints() {
    // Not as a script of the page: its Content-Security-Policy allows none but its own.
    await page.evaluate(require("axe-core").source);
    const found = await page.evaluate(() => globalThis.axe.run());
    return found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.html).join(" ")}`);
  },
};

async function main() {
  browser = await chromium.launch({
    handleSIGTERM: false, executablePath: process.argv[2], args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  });
  process.on("SIGTERM", () => browser.close().finally(() => process.exit(0)));
  console.log("ready");
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, ...rest] = JSON.parse(line);
    const answer = await Promise.resolve(commands[command](...rest)).then((value) => ({ value: value ?? null }), (error) => ({ error: error.message }));
    console.log(JSON.stringify(answer));
  }
  await browser.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
