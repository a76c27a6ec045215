// Asks the listener once a second, but not while nobody looks, and says how that goes.

const EVERY_MS = 1050; // the listener asks NATS once a second at most
const PATIENCE_MS = 8000;

async function get(path, signal) {
  const answer = await fetch(path, { signal, cache: "no-store", credentials: "same-origin" });
  const type = answer.headers.get("Content-Type") || "";
  const body = type.includes("json") ? await answer.json() : await answer.text();
  return { ok: answer.ok, status: answer.status, body };
}

// Prometheus's text: {name: [{labels, value}]}, without the buckets of histograms.
export function readMetrics(text) {
  const families = new Map();
  for (const line of text.split("\n")) {
    const found = /^([a-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/i.exec(line);
    if (!found || found[1].endsWith("_bucket")) continue;
    const labels = {};
    for (const [, name, value] of (found[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name] = value.replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char));
    }
    if (!families.has(found[1])) families.set(found[1], []);
    families.get(found[1]).push({ labels, value: Number(found[3]) });
  }
  return families;
}

// `tell` gets {state, services, process, metrics, why}; state: "live", "no-nats" or "lost".
export class Feed {
  constructor(tell) {
    this.tell = tell;
    this.timer = 0;
    this.busy = false;
    document.addEventListener("visibilitychange", () => this.turn());
  }

  // Now, and from then on.
  turn() {
    clearTimeout(this.timer);
    if (!document.hidden && !this.busy) this.ask();
  }

  async ask() {
    const began = performance.now();
    this.busy = true;
    try {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const [process, metrics] = await Promise.all([get("/process", signal), get("/metrics", signal)]);
      if (!process.ok || !metrics.ok) throw new Error(`it answers ${process.ok ? metrics.status : process.status}`);
      const { connected, why } = process.body.nats;
      const services = connected ? await get("/services", signal) : { ok: false, body: {} };
      this.tell({
        state: services.ok ? "live" : "no-nats",
        services: services.ok ? services.body : null,
        process: process.body,
        metrics: readMetrics(metrics.body),
        why: connected ? services.body.detail || `/services answers ${services.status}` : why,
      });
    } catch (error) {
      const whys = { TimeoutError: `no answer within ${PATIENCE_MS / 1000} s`, TypeError: "no connection" };
      this.tell({ state: "lost", why: whys[error.name] || error.message });
    }
    this.busy = false;
    this.timer = setTimeout(() => this.turn(), Math.max(200, EVERY_MS - (performance.now() - began)));
  }
}
