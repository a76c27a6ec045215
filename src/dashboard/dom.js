// Building and changing the page. What peers say only ever becomes text: nothing here takes HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value === true ? "" : value);
    }
  }
  node.append(...children);
  return node;
}

export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// Only what has changed is written: the page is brought up to date each second.
export function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

export function setAttribute(node, name, value) {
  if (value === null) {
    node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

let numbers = 0;
export const newId = () => `id${++numbers}`;

// A part of the page with a heading of its own.
export function panel(name, title, ...children) {
  const heading = el("h2", { id: newId() }, title);
  const head = el("div", { class: "panel-head" }, heading);
  const root = el("section", { class: `panel ${name}`, "aria-labelledby": heading.id }, head, ...children);
  return { root, head, heading };
}
