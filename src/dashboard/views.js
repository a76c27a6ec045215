// The three views: all services, one service, one instance. Each has `root`, `title` and `update`.

import { Histogram, Sparkline, TimeChart } from "./charts.js";
import { el, newId, panel, setAttribute, setText } from "./dom.js";
import * as format from "./format.js";
import { describe, healthOf, ServiceMap } from "./map.js";
import { Table } from "./table.js";

export const serviceLink = (service) => `#/service/${encodeURIComponent(service.key)}`;
export const instanceLink = (one) => `${serviceLink(one.service)}/instance/${encodeURIComponent(one.id)}`;

// ---- parts ----

// Numbers in a row: [{label, value(), series(), note()}].
class Tiles {
  constructor(label, list) {
    this.list = list.map((one) => ({ ...one, number: el("b"), small: el("small"), spark: one.series ? new Sparkline() : null }));
    this.root = el("dl", { class: "tiles", "aria-label": label }, ...this.list.map((one) =>
      el("div", { class: one.label === "Errors" ? "tile errors" : "tile" }, el("dt", null, one.label), el("dd", null, one.number, one.small), ...(one.spark ? [one.spark.root] : []))));
  }

  update() {
    for (const one of this.list) {
      setText(one.number, one.value());
      setText(one.small, one.note ? one.note() : "");
      setAttribute(one.number, "class", one.tone ? one.tone() : null);
      if (one.spark) one.spark.update(one.series());
    }
  }
}

const tone = (part) => (part >= 0.05 ? "bad" : part >= 0.005 ? "warn" : null);

// What services, instances and all of them have in common.
const tilesOf = (get) => [
  { label: "Requests / s", value: () => format.rate(get()?.rate), series: () => get().history.rate },
  { label: "Errors", value: () => format.share(get()?.errorShare), tone: () => tone(get()?.errorShare), series: () => get().history.errors, note: () => (get()?.errorRate > 0 ? `${format.rate(get().errorRate)} / s` : "") },
  { label: "Half within", value: () => format.time(get()?.p50), series: () => get().history.p50, note: () => "p50" },
  { label: "99 % within", value: () => format.time(get()?.p99), series: () => get().history.p99, note: () => "p99" },
  { label: "In flight", value: () => format.count(get()?.inFlight) },
];

// A list of names and values.
class Facts {
  constructor() {
    this.root = el("dl", { class: "facts" });
    this.values = new Map();
  }

  update(list) {
    const names = list.map(([name]) => name).join("\n");
    if (this.names !== names) {
      this.names = names;
      this.values = new Map(list.map(([name]) => [name, el("dd")]));
      this.root.replaceChildren(...list.map(([name]) => el("div", null, el("dt", null, name), this.values.get(name))));
    }
    for (const [name, value] of list) setText(this.values.get(name), value || "–");
  }
}

function healthMark() {
  const dot = el("i", { class: "dot", "aria-hidden": "true" });
  const link = el("a");
  return { root: el("span", { class: "named" }, dot, link), dot, link };
}

const linkColumn = (name, label, text, link, mine) => ({
  name, label, by: text, make: healthMark,
  change: (cell, row) => {
    setText(cell.link, text(row) + (mine && mine(row) ? " (this process)" : ""));
    setAttribute(cell.link, "href", link(row));
    setAttribute(cell.dot, "data-health", healthOf(row));
  },
});

const numberColumns = [
  {
    name: "rate", label: "Req / s", number: true, by: (row) => row.rate,
    make: () => {
      const spark = new Sparkline();
      const text = el("span");
      return { root: el("span", { class: "with-spark" }, spark.root, text), spark, text };
    },
    change: (cell, row) => {
      setText(cell.text, format.rate(row.rate));
      cell.spark.update(row.history.rate);
    },
  },
  {
    name: "errors", label: "Errors", number: true, by: (row) => row.errorShare, make: () => ({ root: el("span") }),
    change: ({ root }, row) => {
      setText(root, format.share(row.errorShare));
      setAttribute(root, "class", tone(row.errorShare));
    },
  },
  { name: "p50", label: "p50", number: true, minor: true, by: (row) => row.p50, write: (row) => format.time(row.p50) },
  { name: "p99", label: "p99", number: true, by: (row) => row.p99, write: (row) => format.time(row.p99) },
  { name: "in-flight", label: "In flight", number: true, minor: true, by: (row) => row.inFlight, write: (row) => format.count(row.inFlight) },
];

const mapLegend = (...more) => el("p", { class: "legend" },
  ...[["ok", "well"], ["warn", "errors"], ["bad", "5 % errors and more"], ["idle", "no requests"]].map(([health, text]) =>
    el("span", null, el("i", { class: "dot", "data-health": health, "aria-hidden": "true" }), text)),
  el("span", { class: "hint" }, "larger: more requests"),
  ...more);

// Which requests failed at this process: `of` is a service, or null for all.
class Failures {
  constructor(of) {
    this.of = of;
    this.table = new Table("Requests that failed at this process, by reason", [
      { name: "when", label: "Last", by: (row) => row.last, write: (row) => format.ago(row.last, this.now), number: false },
      { name: "service", label: "Service", by: (row) => row.service, write: (row) => row.service || "–" },
      { name: "reason", label: "Reason", by: (row) => row.code, make: () => ({ root: el("span"), code: el("code"), text: el("span") }), change: (cell, row) => this.writeReason(cell, row) },
      { name: "request", label: "Last request", write: (row) => [row.method, row.path].filter(Boolean).join(" ") || "–", minor: true },
      { name: "count", label: "Times", number: true, by: (row) => row.count, write: (row) => format.count(row.count) },
    ], {
      key: (row) => JSON.stringify([row.service, row.status, row.code, row.detail]), sort: "when",
      filter: (row) => Object.values(row).join(" "),
      empty: of ? "No request to it failed at this process." : "No request failed at this process.",
    });
    const { root, head } = panel("failures", "Last errors", this.table.root);
    this.root = root;
    head.append(el("span", { class: "hint" }, "of this process, the latest first"));
  }

  writeReason(cell, row) {
    if (!cell.root.firstChild) cell.root.append(cell.code, " ", cell.text);
    setText(cell.code, row.code || String(row.status));
    setText(cell.text, row.detail || (row.code ? "" : "the service's own answer"));
  }

  update(model, here) {
    this.now = Date.now();
    this.table.update(here.failures.filter((one) => !this.of || one.service === this.of.label));
  }
}

function hereFacts({ now, role, process }) {
  return [
    ["Role", role === "gateway" ? "HTTP gateway" : role === "service" ? "serves " + process.services.map((one) => one.host).join(", ") : "client"],
    ["Requests", `${format.rate(now.rate)} / s, ${format.count(now.requests)} in all`],
    ["Failed", `${format.rate(now.failed)} / s`],
    ["In flight", format.count(now.inFlight)],
    ...(role === "gateway" ? [["HTTP connections", format.count(now.connections)]] : []),
    ...(role === "service" ? [] : [["Sent again", `${format.rate(now.retries)} / s`]]),
    ["From and to NATS", `${format.bytes(now.received)} / s, ${format.bytes(now.sent)} / s`],
    ["Reconnects", format.count(now.reconnects)],
    ["Memory", format.bytes(now.memory)],
  ];
}

function crumbs(...list) {
  return el("nav", { "aria-label": "Where this is", class: "crumbs" },
    el("ol", null, ...list.map(([text, link], at) =>
      el("li", null, link ? el("a", { href: link }, text) : el("span", { "aria-current": "page" }, text), at < list.length - 1 ? el("i", { "aria-hidden": "true" }, "/") : ""))));
}

const goTo = (link) => {
  location.hash = link;
};

// ---- all services ----

export class Overview {
  constructor(model) {
    this.title = "All services";
    this.parent = null;
    this.heading = el("h1", { tabindex: -1, class: "unseen" }, this.title);
    this.tiles = new Tiles("All services together", [
      ...tilesOf(() => model.all),
      { label: "Instances", value: () => format.count(model.instanceCount), note: () => `of ${format.several(model.services.size, "service")}` },
    ]);
    this.map = new ServiceMap((service) => goTo(serviceLink(service)));
    this.hint = el("span", { class: "hint" });
    const map = panel("wide", "Map", mapLegend(this.hint), this.map.root);
    this.histogram = new Histogram();
    const latency = panel("latency", "Latency of all requests", this.histogram.root);
    this.facts = new Facts();
    const here = panel("here", "This process", this.facts.root);
    this.table = new Table("Services", [
      linkColumn("service", "Service", (row) => row.label, serviceLink),
      { name: "clusters", label: "Clusters", minor: true, by: (row) => row.clusters.join(", "), write: (row) => row.clusters.filter(Boolean).join(", ") || "–" },
      { name: "instances", label: "Instances", number: true, by: (row) => row.instances.size, write: (row) => format.count(row.instances.size) },
      ...numberColumns,
    ], {
      key: (row) => row.key, sort: "rate", filter: (row) => `${row.label} ${row.clusters.join(" ")}`,
      empty: "No service answers.",
    });
    const services = panel("services", "Services", this.table.root);
    services.head.append(this.table.input);
    this.filter = this.table.input;
    this.failures = new Failures(null);
    this.root = el("div", { class: "view" }, this.heading, this.tiles.root,
      el("div", { class: "columns" }, map.root, el("div", { class: "aside" }, latency.root, here.root)),
      services.root, this.failures.root);
  }

  update(model, here) {
    this.tiles.update();
    setText(this.hint, { gateway: "bar on top: asked by this gateway", service: "ring: this process" }[here.role] || "");
    this.map.update(model, here);
    this.histogram.update(model.all);
    this.facts.update(hereFacts(here));
    this.table.update([...model.services.values()]);
    this.failures.update(model, here);
  }

  destroy() {
    this.map.destroy();
  }
}

// ---- one ----

const rateChart = () => new TimeChart([{ name: "rate", label: "requests / s" }, { name: "errors", label: "errors / s" }], format.rate);
const timeChart = () => new TimeChart([{ name: "p99", label: "99 % within" }, { name: "p50", label: "half within" }], format.time);

// What the views of a service and of an instance have in common.
class One {
  constructor(title, trail, get) {
    this.title = title;
    this.heading = el("h1", { tabindex: -1 }, title);
    this.state = el("p", { class: "sub" });
    this.charts = [rateChart(), timeChart()];
    this.histogram = new Histogram();
    this.top = [el("div", { class: "title" }, crumbs(...trail), this.heading, this.state)];
    this.chartPanels = el("div", { class: "thirds" },
      panel("", "Requests", this.charts[0].root).root,
      panel("", "Latency over time", this.charts[1].root).root,
      panel("", "Latency of recent requests", this.histogram.root).root);
    this.get = get;
  }

  update(model) {
    const one = this.get();
    this.tiles.update();
    for (const chart of this.charts) chart.update(one.history, (answers) => model.seconds(answers));
    this.histogram.update(one);
  }

  destroy() {}
}

export class ServiceView extends One {
  constructor(model, service) {
    super(service.label, [["All services", "#/"], [service.label, null]], () => service);
    this.service = service;
    this.parent = "#/";
    this.tiles = new Tiles(service.label, [
      ...tilesOf(() => service),
      { label: "Instances", value: () => format.count(service.instances.size) },
    ]);
    this.map = new ServiceMap((_, instance) => goTo(instanceLink(instance)), service);
    this.table = new Table(`Instances of ${service.label}`, [
      linkColumn("instance", "Instance", (row) => row.id, instanceLink, (row) => this.here.ids.has(row.id)),
      { name: "cluster", label: "Cluster", by: (row) => row.told.cluster, write: (row) => row.told.cluster || "–" },
      { name: "server", label: "NATS server", minor: true, by: (row) => row.told.server, write: (row) => row.told.server || "–" },
      ...numberColumns,
      { name: "last-error", label: "Last error", minor: true, by: (row) => row.told.last_error, write: (row) => row.told.last_error || "–" },
    ], {
      key: (row) => row.id, sort: "rate",
      filter: (row) => `${row.id} ${row.told.cluster} ${row.told.server} ${row.told.last_error}`,
      empty: "No instance answers.",
    });
    const instances = panel("services", "Instances", this.table.root);
    instances.head.append(this.table.input);
    this.filter = this.table.input;
    this.failures = new Failures(service);
    this.root = el("div", { class: "view" }, ...this.top, this.tiles.root, this.chartPanels,
      panel("", "Map", mapLegend(), this.map.root).root, instances.root, this.failures.root);
  }

  isThere(model) {
    return model.services.get(this.service.key) === this.service;
  }

  update(model, here) {
    this.here = here;
    super.update(model);
    setText(this.state, `Service of ${format.several(this.service.instances.size, "instance")} in ${this.service.clusters.filter(Boolean).join(", ") || "no cluster"}`);
    this.map.update(model, here);
    this.table.update([...this.service.instances.values()]);
    this.failures.update(model, here);
  }

  destroy() {
    this.map.destroy();
  }
}

export class InstanceView extends One {
  constructor(model, instance) {
    const { service } = instance;
    super(`Instance ${instance.id}`, [["All services", "#/"], [service.label, serviceLink(service)], [instance.id, null]], () => instance);
    this.instance = instance;
    this.parent = serviceLink(service);
    this.tiles = new Tiles(`Instance ${instance.id}`, tilesOf(() => instance));
    this.facts = new Facts();
    this.root = el("div", { class: "view" }, ...this.top, this.tiles.root, this.chartPanels, panel("facts-panel", "What it tells of itself", this.facts.root).root);
  }

  isThere(model) {
    const { service, id } = this.instance;
    return model.services.get(service.key)?.instances.get(id) === this.instance;
  }

  update(model, here) {
    const { told, id, service } = this.instance;
    super.update(model);
    setText(this.state, `${service.label}: ${describe(this.instance)}${here.ids.has(id) ? " · this process" : ""}`);
    this.facts.update([
      ["Last error", told.last_error], ["Requests", format.count(told.requests)], ["Errors", format.count(told.errors)],
      ["Refused at its limit", format.count(told.refused)], ["Started", told.started], ["Version", told.version],
      ["Cluster", told.cluster], ["NATS server", told.server], ["nrt", told.library], ["Round trip", format.time(told.rtt_us)],
    ]);
  }
}

// Where a link leads to something that is not there, or not any more.
export class Gone {
  constructor(what, parent) {
    this.title = "Not there";
    this.parent = parent;
    this.heading = el("h1", { tabindex: -1, id: newId() }, `${what} is not there`);
    this.root = el("div", { class: "view" }, el("section", { class: "panel", "aria-labelledby": this.heading.id }, this.heading,
      el("p", null, "It has stopped, or does not answer. When it comes back, it shows up here."), el("p", null, el("a", { href: parent }, "Back"))));
  }

  update() {}

  destroy() {}
}
