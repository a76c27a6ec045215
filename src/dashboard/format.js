// Numbers as people read them. What is not known is a dash.

const DASH = "–";
const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

function short(value) {
  if (value >= 1e9) return [value / 1e9, "G"];
  if (value >= 1e6) return [value / 1e6, "M"];
  if (value >= 1e4) return [value / 1e3, "k"];
  return [value, ""];
}

function digits(value) {
  return value === 0 ? "0" : value < 0.1 ? "<0.1" : value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}

export function rate(value) {
  if (!known(value)) return DASH;
  const [number, unit] = short(value);
  return digits(number) + unit;
}

export function count(value) {
  return known(value) ? Math.round(value).toLocaleString("en") : DASH;
}

export function share(value) {
  if (!known(value)) return DASH;
  const percent = value * 100;
  return (percent === 0 ? "0" : percent < 0.1 ? "<0.1" : percent < 10 ? percent.toFixed(1) : percent.toFixed(0)) + " %";
}

export function time(us) {
  if (!known(us)) return DASH;
  const [value, unit] = us < 1000 ? [us, "µs"] : us < 1e6 ? [us / 1000, "ms"] : [us / 1e6, "s"];
  return `${value < 10 && unit !== "µs" ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

export function bytes(value) {
  if (!known(value)) return DASH;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${at > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

export function span(seconds) {
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export function ago(text, now) {
  const seconds = Math.max(0, (now - Date.parse(text)) / 1000);
  return known(seconds) ? `${span(seconds)} ago` : DASH;
}

export const several = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
