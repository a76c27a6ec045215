// The map: two canvases, one for what stands still and one for what changes with each answer, and
// the keyboard's and the screen reader's way through it.

import { calm, el, setAttribute, setText } from "./dom.js";
import * as format from "./format.js";
import { layOut } from "./layout.js";

const MOVE_MS = 400; // to the new sizes after an answer
const LEAST = 500; // pixels high, where there is not much on it
const STRIP = 62; // for the gateway that this process is
const COLOURS = ["surface", "raised", "line", "ink", "muted", "accent", "idle", "ok", "warn", "bad"];

// By the share of errors; without requests it is idle.
export function healthOf(one) {
  if (one.missed > 0) return "gone";
  if (!one.rate && !one.recentRequests) return "idle";
  return one.errorShare >= 0.05 ? "bad" : one.errorShare >= 0.005 ? "warn" : "ok";
}

const HEALTH = { ok: "well", warn: "some errors", bad: "many errors", idle: "no requests", gone: "does not answer" };

export function describe(one) {
  return `${HEALTH[healthOf(one)]}, ${format.rate(one.rate)} requests a second` +
    (one.errorShare ? `, ${format.share(one.errorShare)} errors` : "") +
    (one.p99 === null ? "" : `, p99 ${format.time(one.p99)}`);
}

export class ServiceMap {
  // `open(service, instance)` follows a choice; with `only` it is about that service's instances.
  constructor(open, only) {
    this.open = open;
    this.only = only;
    this.still = el("canvas", { "aria-hidden": "true" });
    this.moving = el("canvas", { "aria-hidden": "true" });
    this.tip = el("div", { class: "tip", hidden: true });
    this.said = el("p", { class: "unseen", "aria-live": "polite" });
    this.root = el("div", {
      class: "map", tabindex: 0, role: "application", "aria-roledescription": "map",
      onkeydown: (event) => this.onKey(event),
      onpointermove: (event) => this.point(event),
      onpointerleave: () => this.choose(null),
      onclick: (event) => this.point(event) && this.enter(),
      onblur: () => this.choose(null),
      onfocus: () => this.choose(this.items && this.items[0], true),
    }, this.still, this.moving, this.tip, this.said);
    this.probe = el("span", { class: "unseen" });
    this.root.append(this.probe);
    this.nodes = [];
    this.chosen = null;
    this.version = -1;
    this.frame = 0;
    this.watcher = new ResizeObserver(() => this.place());
    this.watcher.observe(this.root);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.onTheme = () => this.paint();
    this.dark.addEventListener("change", this.onTheme);
    document.addEventListener("themechange", this.onTheme);
  }

  destroy() {
    cancelAnimationFrame(this.frame);
    this.watcher.disconnect();
    this.dark.removeEventListener("change", this.onTheme);
    document.removeEventListener("themechange", this.onTheme);
  }

  // ---- what there is ----

  update(model, here) {
    this.model = model;
    this.here = here;
    const services = this.services();
    const strip = Boolean(!this.only && here.role === "gateway");
    if (this.version !== model.version || this.strip !== strip) {
      this.version = model.version;
      this.strip = strip;
      this.place();
    } else {
      this.aim();
    }
    setAttribute(this.root, "aria-label", (this.only
      ? `Map of the instances of ${this.only.label} by cluster: `
      : `Map of ${format.several(services.length, "service")} by cluster: `) +
      "arrow keys choose, Enter opens. The table below has the same.");
  }

  services() {
    return this.only ? [this.only] : [...this.model.services.values()];
  }

  // Where everything stands: again when something comes or goes, or there is another width.
  place() {
    const width = this.root.clientWidth;
    if (!this.model || width === 0) return;
    const clusters = new Map();
    for (const service of this.services()) {
      for (const instance of service.instances.values()) {
        const name = instance.told.cluster;
        if (!clusters.has(name)) clusters.set(name, new Map());
        const at = clusters.get(name);
        if (!at.has(service)) at.set(service, []);
        at.get(service).push(instance);
      }
    }
    const list = [...clusters.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, at]) => ({
      name,
      count: [...at.values()].reduce((sum, one) => sum + one.length, 0),
      services: [...at.entries()]
        .map(([service, instances]) => ({ service, instances, count: instances.length }))
        .sort((a, b) => b.count - a.count || (a.service.label < b.service.label ? -1 : 1)),
    }));
    const top = this.strip ? STRIP : 0;
    const narrow = width < 600; // there it may be as long as it wants to
    const most = narrow ? 1000 : Math.max(400, Math.min(640, innerHeight * 0.65));
    this.map = layOut(list, width, (this.only || narrow ? 0 : Math.min(most, LEAST)) - top, most - top);
    for (const one of [...this.map.clusters, ...this.map.cards, ...this.map.nodes]) one.y += top;
    this.width = width;
    this.height = Math.max(120, this.map.height + top);
    const before = new Map(this.nodes.map((one) => [one.instance, one]));
    this.nodes = this.map.nodes.map((one) => {
      const instance = one.card.service.instances[one.index];
      return { ...one, instance, r: before.get(instance)?.r || 0 };
    });
    this.items = this.only ? this.nodes : this.map.cards;
    const scale = devicePixelRatio || 1;
    for (const canvas of [this.still, this.moving]) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(this.height * scale);
      canvas.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
    }
    this.root.style.height = `${this.height}px`;
    const same = this.chosen && this.items.find((one) => this.nameOf(one) === this.nameOf(this.chosen));
    this.chosen = same || null;
    this.paint();
  }

  // Where the sizes are to go.
  aim() {
    const most = Math.max(1, ...this.nodes.map((one) => one.instance.rate || 0));
    for (const one of this.nodes) {
      const part = Math.log1p(one.instance.rate || 0) / Math.log1p(most);
      one.from = one.r;
      one.to = this.map.cell * (0.2 + 0.26 * part);
      one.health = healthOf(one.instance);
    }
    this.paintStill();
    cancelAnimationFrame(this.frame);
    if (calm()) {
      for (const one of this.nodes) one.r = one.to;
      this.paintNodes();
      return;
    }
    const began = performance.now();
    const step = (now) => {
      const part = Math.min(1, Math.max(0, (now - began) / MOVE_MS));
      const eased = 1 - (1 - part) ** 3;
      for (const one of this.nodes) one.r = one.from + (one.to - one.from) * eased;
      this.paintNodes();
      if (part < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  // ---- how it looks ----

  paint() {
    if (!this.map) return;
    this.colours = {};
    for (const name of COLOURS) {
      this.probe.style.color = `var(--${name})`;
      this.colours[name] = getComputedStyle(this.probe).color;
    }
    this.font = getComputedStyle(this.root).fontFamily;
    this.aim();
  }

  // Text that is cut where there is no room for it.
  write(c, text, x, y, most) {
    let shown = text;
    for (let len = text.length; len > 1 && c.measureText(shown).width > most; ) {
      len = Math.min(len - 1, Math.floor(len * (most / c.measureText(shown).width)));
      shown = `${text.slice(0, Math.max(1, len))}…`;
    }
    c.fillText(shown, x, y);
  }

  paintStill() {
    const c = this.still.getContext("2d");
    const { colours, map } = this;
    c.clearRect(0, 0, this.width, this.height);
    c.textBaseline = "middle";
    for (const one of map.clusters) {
      c.fillStyle = colours.raised;
      c.beginPath();
      c.roundRect(one.x, one.y, one.w, one.h, 12);
      c.fill();
    }
    if (this.strip) this.paintTraffic(c);
    for (const one of map.clusters) {
      c.font = `600 12px ${this.font}`;
      c.fillStyle = colours.muted;
      c.textAlign = "right";
      const told = format.several(one.count, "instance");
      c.fillText(told, one.x + one.w - 12, one.y + 16);
      c.textAlign = "left";
      this.write(c, one.name ? `Cluster ${one.name}` : "No cluster told", one.x + 12, one.y + 16,
        one.w - c.measureText(told).width - 36);
    }
    for (const one of map.cards) this.paintCard(c, one);
  }

  // Requests a second of this gateway to what is on a card: the service's, by what its instances there do.
  trafficTo({ service: { service, instances } }) {
    const rate = (this.strip && this.here.rates.get(service.label)) || 0;
    const part = instances.reduce((all, one) => all + (one.rate || 0), 0);
    return service.rate > 0 ? (rate * part) / service.rate : 0;
  }

  paintCard(c, one) {
    const { colours, map } = this;
    const { service, instances } = one.service;
    c.fillStyle = colours.surface;
    c.strokeStyle = colours.line;
    c.lineWidth = 1;
    c.beginPath();
    c.roundRect(one.x + 0.5, one.y + 0.5, one.w - 1, one.h - 1, map.labels ? 8 : 4);
    c.fill();
    c.stroke();
    if (this.trafficTo(one) > 0) {
      c.fillStyle = colours.accent;
      c.beginPath();
      c.roundRect(one.x + 1, one.y + 1, one.w - 2, 3, [map.labels ? 8 : 4, map.labels ? 8 : 4, 0, 0]);
      c.fill();
    }
    if (!map.labels) return;
    const sum = instances.reduce((all, instance) => all + (instance.rate || 0), 0);
    const told = service.rate === null ? "" : `${format.rate(sum)}/s`;
    c.font = `12px ${this.font}`;
    c.textAlign = "right";
    c.fillStyle = colours.muted;
    c.fillText(told, one.x + one.w - 9, one.y + 15);
    const room = one.w - c.measureText(told).width - 26;
    c.font = `600 12px ${this.font}`;
    c.textAlign = "left";
    c.fillStyle = colours.ink;
    this.write(c, this.only ? service.label : service.label.replace(/\.nats$/, ""), one.x + 9, one.y + 15, room);
  }

  // From the gateway that this process is to the clusters with the services that it asks.
  paintTraffic(c) {
    const { colours, map, here } = this;
    const x = this.width / 2;
    const rates = map.clusters.map((one) => map.cards.reduce((sum, card) => sum + (card.cluster === one.name ? this.trafficTo(card) : 0), 0));
    const most = Math.max(...rates);
    c.strokeStyle = colours.accent;
    c.globalAlpha = 0.5;
    map.clusters.forEach((one, at) => {
      if (!(rates[at] > 0)) return;
      const to = Math.max(one.x + 20, Math.min(one.x + one.w - 20, one.x + one.w / 2));
      c.lineWidth = 1.5 + 5 * (Math.log1p(rates[at]) / Math.log1p(most));
      c.beginPath();
      c.moveTo(x, 38);
      c.bezierCurveTo(x, 38 + (one.y - 38) * 0.7, to, 38 + (one.y - 38) * 0.3, to, one.y);
      c.stroke();
    });
    c.globalAlpha = 1;
    c.font = `600 12.5px ${this.font}`;
    const text = `This gateway · ${format.rate(here.rate)} requests/s`;
    const w = c.measureText(text).width + 32;
    c.fillStyle = colours.accent;
    c.beginPath();
    c.roundRect(x - w / 2, 6, w, 34, 17);
    c.fill();
    c.fillStyle = colours.surface;
    c.textAlign = "center";
    c.fillText(text, x, 23);
    c.textAlign = "left";
  }

  paintNodes() {
    const c = this.moving.getContext("2d");
    const { colours } = this;
    c.clearRect(0, 0, this.width, this.height);
    for (const health of ["idle", "ok", "warn", "bad"]) {
      c.fillStyle = colours[health];
      c.beginPath();
      for (const { x, y, r, health: is } of this.nodes) {
        if (is !== health) continue;
        c.moveTo(x + r, y);
        c.arc(x, y, r, 0, 2 * Math.PI);
      }
      c.fill();
    }
    c.lineWidth = 1.5;
    for (const { x, y, r, health, instance } of this.nodes) {
      if (health === "gone") {
        this.ring(c, x, y, r, colours.muted, [3, 3]);
      } else if ((health === "bad" || health === "warn") && r > 6) { // not by colour alone
        c.fillStyle = colours.surface;
        c.font = `700 ${Math.round(r * 1.3)}px ${this.font}`;
        c.textAlign = "center";
        c.textBaseline = "middle";
        c.fillText("!", x, y + 0.5);
      }
      if (this.here.ids.has(instance.id)) this.ring(c, x, y, r + 3, colours.accent, []);
    }
    if (this.chosen) {
      c.strokeStyle = colours.accent;
      c.lineWidth = 2.5;
      c.beginPath();
      if (this.only) c.arc(this.chosen.x, this.chosen.y, this.map.cell / 2 + 1, 0, 2 * Math.PI);
      else c.roundRect(this.chosen.x, this.chosen.y, this.chosen.w, this.chosen.h, this.map.labels ? 8 : 4);
      c.stroke();
    }
  }

  ring(c, x, y, r, colour, dash) {
    c.strokeStyle = colour;
    c.setLineDash(dash);
    c.beginPath();
    c.arc(x, y, r, 0, 2 * Math.PI);
    c.stroke();
    c.setLineDash([]);
  }

  // ---- choosing ----

  nameOf(item) {
    return this.only ? item.instance.id : `${item.service.service.key} ${item.cluster}`;
  }

  // What is under the pointer.
  point(event) {
    const box = this.root.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const half = this.map ? this.map.cell / 2 : 0;
    const node = this.nodes.find((one) => Math.abs(one.x - x) <= half && Math.abs(one.y - y) <= half);
    const card = this.map && this.map.cards.find((one) => x >= one.x && x <= one.x + one.w && y >= one.y && y <= one.y + one.h);
    this.choose((this.only ? node : card) || null, false, node);
    this.root.style.cursor = this.chosen ? "pointer" : "";
    return this.chosen;
  }

  choose(item, aloud, node) {
    this.chosen = item || null;
    this.tip.hidden = !item;
    if (this.map && this.colours) this.paintNodes();
    if (!item) return;
    const { service, instances } = this.only ? { service: this.only } : item.service;
    const one = this.only ? item.instance : node ? node.instance : service;
    const mine = this.here.ids.has(one.id) ? " (this process)" : "";
    const lines = one === service
      ? [service.label, `${format.several(instances.length, "instance")} in ${item.cluster || "no cluster"}`, describe(service)]
      : [this.only ? one.id + mine : service.label, this.only ? `on ${one.told.server || "?"}` : `instance ${one.id}${mine}`, describe(one)];
    this.tip.replaceChildren(...lines.map((text, at) => el(at === 0 ? "b" : "span", null, text)));
    if (aloud) setText(this.said, lines.join(", "));
    const at = node || item;
    const below = at.y + (at.h || this.map.cell / 2) + 8;
    const width = this.tip.offsetWidth;
    const middle = at.x + (at.w ? at.w / 2 : 0);
    this.tip.style.left = `${Math.max(0, Math.min(this.width - width, middle - width / 2))}px`;
    this.tip.style.top = `${below}px`;
  }

  enter() {
    if (!this.chosen) return;
    if (this.only) this.open(this.only, this.chosen.instance);
    else this.open(this.chosen.service.service, null);
  }

  onKey(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const items = this.items || [];
    if (event.key === "Enter" || event.key === " ") {
      this.enter();
    } else if (event.key === "Home" || event.key === "End") {
      this.choose(items[event.key === "Home" ? 0 : items.length - 1], true);
    } else if (ways[event.key] && items.length > 0) {
      this.choose(this.chosen ? this.next(ways[event.key]) : items[0], true);
    } else {
      return;
    }
    event.preventDefault();
  }

  // The nearest one that way; aside counts more than ahead.
  next([dx, dy]) {
    const middle = (one) => [one.x + (one.w || 0) / 2, one.y + (one.h || 0) / 2];
    const [x, y] = middle(this.chosen);
    let best = this.chosen;
    let least = Infinity;
    for (const one of this.items) {
      const [toX, toY] = middle(one);
      const ahead = (toX - x) * dx + (toY - y) * dy;
      const aside = Math.abs((toX - x) * dy) + Math.abs((toY - y) * dx);
      if (ahead > 1 && ahead + 2 * aside < least) {
        least = ahead + 2 * aside;
        best = one;
      }
    }
    return best;
  }
}
