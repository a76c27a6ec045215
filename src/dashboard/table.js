// A table that can be sorted and filtered. Rows stay the same elements for as long as they are
// there, so that neither focus nor selection gets lost each second.

import { el, setAttribute, setText } from "./dom.js";
import * as format from "./format.js";

const ROWS = 50; // and as many more each time somebody asks

// `columns`: [{name, label, number, by(row), write(row), link(row), make(), change(node, row)}]: `write`
// gives the text of a cell; or `make` an element that `change` brings up to date.
export class Table {
  constructor(caption, columns, { key, sort, down = true, filter, empty }) {
    Object.assign(this, { columns, key, sort, down, filter, wanted: "", limit: ROWS, rows: new Map() });
    this.heads = columns.map((one) => {
      const button = el("button", { type: "button", onclick: () => this.sortBy(one) }, one.label);
      return el("th", { scope: "col", class: this.classOf(one) }, one.by ? button : one.label);
    });
    this.body = el("tbody");
    const title = el("caption", { class: "unseen" }, caption);
    this.table = el("table", { class: "rows" }, title, el("thead", null, el("tr", null, ...this.heads)), this.body);
    this.input = el("input", {
      type: "search", placeholder: "Filter", "aria-label": `Filter: ${caption}`, spellcheck: "false", autocomplete: "off",
      oninput: () => this.look(this.input.value),
    });
    this.more = el("button", { type: "button", onclick: () => this.showMore() });
    this.none = el("p", { class: "none" }, empty);
    this.frame = el("div", { class: "scroll", role: "region", tabindex: 0, "aria-label": `Table: ${caption}` }, this.table);
    this.root = el("div", { class: "sheet" }, this.frame, this.none, this.more);
  }

  classOf(column) {
    return `${column.number ? "number " : ""}${column.minor ? "minor " : ""}${column.name}`;
  }

  sortBy(column) {
    this.down = this.sort === column.name ? !this.down : Boolean(column.number);
    this.sort = column.name;
    this.update(this.all);
  }

  look(text) {
    this.wanted = text.trim().toLowerCase();
    this.update(this.all);
  }

  showMore() {
    this.limit += ROWS;
    this.update(this.all);
  }

  update(all) {
    this.all = all;
    const column = this.columns.find((one) => one.name === this.sort);
    const value = (row) => column.by(row) ?? -1;
    const shown = all
      .filter((row) => !this.wanted || this.filter(row).toLowerCase().includes(this.wanted))
      .sort((a, b) => {
        const [x, y] = [value(a), value(b)];
        return (x < y ? -1 : x > y ? 1 : 0) * (this.down ? -1 : 1) || (this.key(a) < this.key(b) ? -1 : 1);
      });
    this.heads.forEach((head, at) => {
      if (this.columns[at].by) {
        setAttribute(head, "aria-sort", this.columns[at].name !== this.sort ? "none" : this.down ? "descending" : "ascending");
      }
    });
    this.fill(shown.slice(0, this.limit));
    this.none.hidden = shown.length > 0;
    this.frame.hidden = shown.length === 0;
    this.more.hidden = shown.length <= this.limit;
    setText(this.more, `${format.count(this.limit)} of ${format.count(shown.length)} are shown: show more`);
  }

  fill(list) {
    const keys = new Set(list.map(this.key));
    for (const [key, one] of this.rows) {
      if (!keys.has(key)) {
        one.row.remove();
        this.rows.delete(key);
      }
    }
    list.forEach((row, at) => {
      const key = this.key(row);
      if (!this.rows.has(key)) this.rows.set(key, this.makeRow());
      const one = this.rows.get(key);
      this.columns.forEach((column, i) => this.change(column, one.cells[i], row));
      if (this.body.children[at] !== one.row) this.body.insertBefore(one.row, this.body.children[at] || null);
    });
  }

  makeRow() {
    const cells = this.columns.map((column, at) => {
      const inner = column.make ? column.make() : column.link ? { root: el("a") } : null;
      const cell = el(at === 0 ? "th" : "td", { class: this.classOf(column), scope: at === 0 ? "row" : null });
      if (inner) cell.append(inner.root);
      return { cell, inner };
    });
    return { row: el("tr", null, ...cells.map((one) => one.cell)), cells };
  }

  change(column, { cell, inner }, row) {
    if (column.change) {
      column.change(inner, row, cell);
      return;
    }
    setText(column.link ? inner.root : cell, column.write(row));
    if (column.link) setAttribute(inner.root, "href", column.link(row));
  }
}
