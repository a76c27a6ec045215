// The page: what comes from the feed goes into the model, and the view that the address names shows it.

import { el, setAttribute, setText } from "./dom.js";
import { Feed } from "./feed.js";
import * as format from "./format.js";
import { Here } from "./here.js";
import { Model } from "./model.js";
import { Gone, InstanceView, Overview, serviceLink, ServiceView } from "./views.js";

const at = (id) => document.getElementById(id);
const model = new Model();
const here = new Here();
let view = null;
let left = null; // the link to where we were before going back

// ---- which view ----

function route() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  const [kind, key, , id] = parts;
  if (kind !== "service" || !key) return () => new Overview(model);
  const service = model.services.get(key);
  if (!service) return () => new Gone(key, "#/");
  if (parts[2] !== "instance") return () => new ServiceView(model, service);
  const instance = service.instances.get(id);
  return instance ? () => new InstanceView(model, instance) : () => new Gone(`Instance ${id} of ${service.label}`, serviceLink(service));
}

function show(focus) {
  if (view) view.destroy();
  view = route()();
  at("content").replaceChildren(view.root);
  document.title = `${view.title} · nrt`;
  view.update(model, here);
  if (!focus) return;
  scrollTo(0, 0);
  const back = left && view.root.querySelector(`a[href="${CSS.escape(left)}"]`);
  (back || view.heading).focus();
  left = null;
}

// ---- what comes ----

const words = { live: "Live", "no-nats": "No NATS", lost: "Listener lost", loading: "Connecting…", paused: "Paused" };

function tellState(state, why) {
  const box = at("state");
  const text = state === "live" ? `Live: ${format.several(model.services.size, "service")}, ${format.several(model.instanceCount, "instance")}` : words[state];
  setAttribute(box, "data-state", state);
  // Said aloud when the state changes, not with each number.
  if (box.dataset.said !== state) {
    box.dataset.said = state;
    at("state-text").replaceChildren(words[state], el("span", { class: "unseen" }, text.slice(words[state].length)));
  }
  const trouble = at("trouble");
  const told = state === "lost" ? `The listener at ${location.host} does not answer (${why}). What is shown is from before; asking again each second.`
    : state === "no-nats" ? `${here.process.nats.connected ? "NATS does not answer" : "This process is not connected to NATS"}${why ? `: ${why}` : ""}. What is shown is from before; asking again each second.`
      : here.process?.missing.length ? `Not ready: ${here.process.missing.join("; ")}.` : "";
  setText(trouble, told);
  setAttribute(trouble, "data-state", state);
  trouble.hidden = told === "";
}

function tellProcess({ role, version, pid, nats }) {
  const where = nats.connected ? ` · ${nats.server}${nats.cluster ? ` in cluster ${nats.cluster}` : ""}` : "";
  setText(at("process"), `${role} ${pid} at ${location.host} · nrt ${version}${where}`);
}

const feed = new Feed((told) => {
  document.documentElement.dataset.state = told.state;
  if (told.process) {
    here.take(told.process, told.metrics, performance.now());
    tellProcess(told.process);
  }
  if (told.services) model.take(told.services);
  if (told.process) {
    if (!view) show(false);
    else if (view instanceof Gone || (view.isThere && !view.isThere(model))) showAgain();
    else view.update(model, here);
  }
  tellState(told.state, told.why);
  document.documentElement.dataset.asked = model.asked;
});

// What was shown has gone, or what had gone is back.
function showAgain() {
  const wanted = route()();
  const same = wanted instanceof Gone && view instanceof Gone;
  wanted.destroy();
  if (!same) show(false);
}

// ---- keys ----

function back() {
  if (!view || !view.parent) return;
  left = location.hash;
  location.hash = view.parent;
}

addEventListener("hashchange", () => {
  if (model.asked !== null && location.hash !== "#content") show(true);
});

addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape" && typing) {
    event.target.value = "";
    event.target.dispatchEvent(new Event("input"));
    event.target.blur();
  } else if (event.key === "Escape") {
    back();
  } else if (event.key === "/" && !typing && view && view.filter) {
    event.preventDefault();
    view.filter.focus();
  }
});

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  at("content").focus();
});

// ---- light and dark ----

const themes = ["auto", "light", "dark"];

function kept() {
  try {
    return localStorage.getItem("nrt-theme");
  } catch {
    return null; // storage may be forbidden
  }
}

function wear(theme) {
  document.documentElement.dataset.theme = theme;
  setText(at("theme"), `Theme: ${theme}`);
  document.dispatchEvent(new Event("themechange"));
}

at("theme").addEventListener("click", () => {
  const next = themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length];
  try {
    localStorage.setItem("nrt-theme", next);
  } catch {
    // then it lasts as long as the page
  }
  wear(next);
});

wear(themes.includes(kept()) ? kept() : "auto");
feed.turn();
