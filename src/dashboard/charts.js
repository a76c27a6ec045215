// Lines over time and histograms, as SVG.

import { el, newId, setAttribute, setText, svg } from "./dom.js";
import * as format from "./format.js";
import { bucketBounds, HISTORY } from "./model.js";

// How many of the last values are shown: not two minutes of nothing when there are ten seconds.
function shownOf(...lists) {
  const first = Math.min(...lists.map((values) => values.findIndex((value) => !Number.isNaN(value))).map((at) => (at < 0 ? HISTORY : at)));
  return [30, 60].find((some) => HISTORY - first <= some) || HISTORY;
}

// A path through what is known of the last `shown` values; gaps stay gaps. The whole height is `most`.
function line(values, shown, width, height, most, base = height) {
  const step = width / (shown - 1);
  let path = "";
  let open = false;
  for (let i = 0; i < shown; i++) {
    const value = values[HISTORY - shown + i];
    if (Number.isNaN(value)) {
      open = false;
      continue;
    }
    path += `${open ? "L" : "M"}${(i * step).toFixed(1)} ${(base - (value / most) * height).toFixed(1)}`;
    open = true;
  }
  return path;
}

// The same, down to the ground: what lies below the line.
function area(values, shown, width, height, most) {
  return line(values, shown, width, height, most).split("M").filter((part) => part.includes("L")).map((part) => {
    const first = part.slice(0, part.indexOf(" "));
    const last = part.slice(part.lastIndexOf("L") + 1).split(" ")[0];
    return `M${first} ${height}L${part}L${last} ${height}Z`;
  }).join("") || "M0 0";
}

const largest = (...lists) => {
  let most = 0;
  for (const list of lists) for (const value of list) if (value > most) most = value;
  return most;
};

// 1, 2 or 5 and zeros, not below `value`.
function roundUp(value) {
  const unit = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 2, 5, 10].map((by) => by * unit).find((one) => one >= value * 0.999);
}

export class Sparkline {
  constructor() {
    this.fill = svg("path", { class: "fill" });
    this.path = svg("path", { class: "stroke" });
    this.root = svg("svg", { class: "spark", viewBox: "0 0 96 24", preserveAspectRatio: "none", "aria-hidden": "true" }, this.fill, this.path);
  }

  update(series) {
    const most = (largest(series.values) || 1) * 1.1;
    const shown = shownOf(series.values);
    setAttribute(this.path, "d", line(series.values, shown, 96, 22, most, 23) || "M0 23");
    setAttribute(this.fill, "d", area(series.values, shown, 96, 24, most));
  }
}

// Several series over the last minutes. `lines`: [{name, label}], the first one filled.
export class TimeChart {
  constructor(lines, write) {
    this.lines = lines;
    this.write = write;
    this.grid = [0, 1, 2].map((at) => svg("line", { class: "grid", x1: 0, x2: 600, y1: at * 80, y2: at * 80 }));
    this.fill = svg("path", { class: `fill ${lines[0].name}` });
    this.paths = lines.map((one) => svg("path", { class: `stroke ${one.name}` }));
    this.picture = svg("svg", { viewBox: "0 0 600 160", preserveAspectRatio: "none", role: "img" }, ...this.grid, this.fill, ...this.paths);
    this.scale = [0, 1].map(() => el("span"));
    this.values = lines.map(() => el("b"));
    this.legend = el("p", { class: "legend" }, ...lines.map((one, at) =>
      el("span", { class: one.name }, el("i", { "aria-hidden": "true" }), `${one.label} `, this.values[at])));
    this.since = el("span");
    this.root = el("div", { class: "chart" }, this.legend,
      el("div", { class: "plot" }, this.picture, el("div", { class: "scale", "aria-hidden": "true" }, ...this.scale)),
      el("p", { class: "axis", "aria-hidden": "true" }, this.since, el("span", null, "now")));
  }

  // `seconds(n)` tells how long n answers take.
  update(history, seconds) {
    const all = this.lines.map((one) => history[one.name].values);
    const shown = shownOf(...all);
    const most = roundUp(largest(...all)) || 1;
    all.forEach((values, at) => {
      setAttribute(this.paths[at], "d", line(values, shown, 600, 156, most, 159) || "M0 159");
      const last = values[HISTORY - 1];
      setText(this.values[at], this.write(Number.isNaN(last) ? null : last));
    });
    setAttribute(this.fill, "d", area(all[0], shown, 600, 160, most));
    setText(this.since, `${format.span(seconds(shown))} ago`);
    setText(this.scale[0], this.write(most));
    setText(this.scale[1], this.write(most / 2));
    setAttribute(this.picture, "aria-label", `Over the last ${format.span(seconds(shown))}: ${this.lines.map((one, at) => `${one.label} now ${this.values[at].textContent}, at most ${this.write(largest(all[at]))}`).join("; ")}`);
  }
}

const LITTLE = 0.0005; // of all requests: no bar is drawn for less
const BARS = 40;

// The part of a histogram that has something in it, 40 bars at most.
function coarse(recent, total) {
  let first = Math.max(0, recent.findIndex((value) => value > total * LITTLE) - 2);
  const last = Math.max(recent.findLastIndex((value) => value > total * LITTLE) + 2, first + 15);
  let size = 1;
  while ((last - first + 1) / size > BARS) size *= 2;
  first -= first % size;
  const bars = new Array(Math.ceil((last - first + 1) / size)).fill(0);
  for (let i = first; i <= Math.min(last, recent.length - 1); i++) bars[Math.floor((i - first) / size)] += recent[i];
  return { first, size, bars };
}

// How long recent requests took: bars from the quickest to the slowest.
export class Histogram {
  constructor() {
    this.bars = svg("g");
    this.marks = ["p50", "p99"].map((name) => ({ name, line: svg("line", { class: `mark ${name}`, y1: 0, y2: 120 }) }));
    this.picture = svg("svg", { viewBox: "0 0 600 120", preserveAspectRatio: "none", role: "img" }, this.bars, ...this.marks.map((one) => one.line));
    this.axis = el("p", { class: "axis", "aria-hidden": "true" });
    this.values = { p50: el("b"), p99: el("b") };
    this.rows = el("tbody");
    const id = newId();
    this.more = el("details", null, el("summary", { id }, "As a table"),
      el("table", { "aria-labelledby": id }, el("thead", null, el("tr", null, el("th", { scope: "col" }, "From"), el("th", { scope: "col" }, "To"), el("th", { scope: "col", class: "number" }, "Share"))), this.rows));
    this.more.addEventListener("toggle", () => this.fillTable());
    this.none = el("p", { class: "none" }, "No request lately.");
    this.body = el("div", null, el("p", { class: "legend" },
      el("span", { class: "p50" }, el("i", { "aria-hidden": "true" }), "half within ", this.values.p50),
      el("span", { class: "p99" }, el("i", { "aria-hidden": "true" }), "99 % within ", this.values.p99)),
    el("div", { class: "plot low" }, this.picture), this.axis, this.more);
    this.root = el("div", { class: "chart" }, this.body, this.none);
  }

  update(one) {
    const { recent } = one;
    const known = one.p50 !== null;
    this.body.hidden = !known;
    this.none.hidden = known;
    if (!known) return;
    const total = recent.reduce((sum, value) => sum + value, 0);
    const { first, size, bars } = coarse(recent, total);
    const width = 600 / bars.length;
    const most = largest(bars);
    while (this.bars.childElementCount > bars.length) this.bars.lastChild.remove();
    while (this.bars.childElementCount < bars.length) this.bars.append(svg("rect", { class: "bar", rx: 2 }));
    bars.forEach((value, i) => {
      const height = value > total * LITTLE ? Math.max(2, (value / most) * 112) : 0;
      const bar = this.bars.children[i];
      setAttribute(bar, "x", (i * width + width * 0.07).toFixed(1));
      setAttribute(bar, "width", (width * 0.86).toFixed(1));
      setAttribute(bar, "y", (120 - height).toFixed(1));
      setAttribute(bar, "height", height.toFixed(1));
    });
    const bounds = (i) => [bucketBounds(first + i * size)[0], bucketBounds(first + (i + 1) * size - 1)[1]];
    const at = (us) => {
      const i = bars.findIndex((_, one) => us < bounds(one)[1]);
      const [from, to] = bounds(i);
      return i < 0 ? 600 : (i + Math.max(0, (us - from) / (to - from))) * width;
    };
    for (const { name, line: mark } of this.marks) {
      setAttribute(mark, "x1", at(one[name]).toFixed(1));
      setAttribute(mark, "x2", at(one[name]).toFixed(1));
      setText(this.values[name], format.time(one[name]));
    }
    const labels = [0, 0.25, 0.5, 0.75, 1].map((part) => format.time(bounds(Math.round(bars.length * part))[0]));
    if (this.axis.textContent !== labels.join("")) this.axis.replaceChildren(...labels.map((text) => el("span", null, text)));
    setAttribute(this.picture, "aria-label", `Histogram of how long recent requests took: half within ${format.time(one.p50)}, 99 % within ${format.time(one.p99)}`);
    this.shown = { bars, bounds, total };
    this.fillTable();
  }

  fillTable() {
    if (!this.more.open || !this.shown) return;
    const { bars, bounds, total } = this.shown;
    const rows = bars.map((value, i) => [bounds(i), value]).filter(([, value]) => value > total * LITTLE).map(([[from, to], value]) =>
      el("tr", null, el("td", null, format.time(from)), el("td", null, format.time(to)), el("td", { class: "number" }, format.share(value / total))));
    this.rows.replaceChildren(...rows);
  }
}
