// Where things stand on the map: clusters hold services, which hold instances, all of them as large
// as fits. Only numbers come and go here.

const GAP = 12; // between clusters
const HEADER = 30; // a cluster's name
const LABEL = 24; // a service's name
const LABEL_WIDTH = 132; // at least, where it is shown
const SIZES = [
  ...[56, 48, 40, 34, 30, 26, 22, 19, 16, 14].map((cell) => ({ cell, labels: true, pad: 8 })),
  ...[26, 22, 19, 16, 14, 12, 10, 8, 7, 6, 5, 4].map((cell) => ({ cell, labels: false, pad: 3 })),
];

// A card of `count` cells, no wider than `most`.
function card(count, size, most, alone) {
  const { cell, labels, pad } = size;
  const columns = Math.max(1, Math.min(count, Math.ceil(Math.sqrt(count * (alone ? 9 : 1.8))), Math.floor((most - 2 * pad) / cell)));
  const rows = Math.ceil(count / columns);
  const width = columns * cell + 2 * pad;
  return {
    columns,
    rows,
    w: Math.min(most, labels ? Math.max(width, LABEL_WIDTH) : width),
    h: rows * cell + 2 * pad + (labels ? LABEL : 0),
  };
}

// The cards of a cluster in rows, as wide as the cluster.
function fillCluster(cluster, size, width) {
  const gap = size.labels ? 8 : 3;
  const inner = width - 2 * gap;
  const rows = [];
  let row = null;
  for (const service of cluster.services) {
    const one = { service, ...card(service.count, size, inner, cluster.services.length === 1) };
    if (!row || row.w + gap + one.w > inner) rows.push((row = { cards: [], w: -gap, h: 0 }));
    row.cards.push(one);
    row.w += gap + one.w;
    row.h = Math.max(row.h, one.h);
  }
  for (const { cards, w } of rows) {
    // What is left of a row is shared out, but a card does not become a hall.
    const more = size.labels ? Math.min((inner - w) / cards.length, rows.length === 1 ? Infinity : 180) : 0;
    let x = gap;
    for (const one of cards) {
      one.w += more;
      one.x = x;
      x += one.w + gap;
    }
  }
  return { cluster, rows, gap, w: width, h: rows.reduce((sum, one) => sum + one.h + gap, HEADER) };
}

function arrange(clusters, size, width, columnCount) {
  const w = (width - GAP * (columnCount - 1)) / columnCount;
  const columns = Array.from({ length: columnCount }, (_, at) => ({ x: at * (w + GAP), boxes: [], h: -GAP }));
  for (const cluster of clusters) {
    const column = columns.reduce((least, one) => (one.h < least.h ? one : least));
    const box = fillCluster(cluster, size, w);
    column.boxes.push(box);
    column.h += box.h + GAP;
  }
  const height = Math.max(0, ...columns.map((one) => one.h));
  const waste = columns.reduce((sum, one) => sum + (height - one.h), 0) / columnCount;
  return { columns, size, height, cost: waste + height / 10 };
}

// Columns become as high as the map: rows share what is left, within reason.
function stretch({ columns, size, height }) {
  for (const { boxes, h } of columns) {
    const rows = boxes.flatMap((one) => one.rows);
    const more = Math.min((height - h) / rows.length, 240);
    for (const row of rows) {
      row.h += more;
      for (const one of row.cards) one.h = size.labels ? row.h : one.h;
    }
    let top = 0;
    for (const box of boxes) {
      box.y = top;
      let y = HEADER;
      for (const row of box.rows) {
        for (const one of row.cards) one.y = y;
        y += row.h + box.gap;
      }
      box.h = y;
      top += y + GAP;
    }
  }
}

// `clusters`: [{name, services: [{key, count}]}]. Gives {height, cell, labels, clusters, cards, nodes};
// the n-th node of a card is that service's n-th instance there. It is no higher than `most`, if that
// can be, and where it would be lower than `least`, it is stretched.
export function layOut(clusters, width, least, most) {
  let best = null;
  for (const size of SIZES) {
    const found = [];
    for (let columns = 1; columns <= Math.max(1, Math.min(clusters.length, Math.floor(width / 260))); columns++) {
      found.push(arrange(clusters, size, width, columns));
    }
    const fit = found.filter((one) => one.height <= most);
    best = [...fit, ...(fit.length ? [] : found)].reduce((a, b) => (fit.length ? b.cost < a.cost : b.height < a.height) ? b : a);
    if (fit.length > 0) break;
  }
  best.height = Math.max(best.height, Math.min(least, best.height * 2));
  stretch(best);
  const map = { height: 0, cell: best.size.cell, labels: best.size.labels, clusters: [], cards: [], nodes: [] };
  for (const { cluster, rows, x, y, w, h } of best.columns.flatMap((one) => one.boxes.map((box) => ({ ...box, x: one.x })))) {
    map.clusters.push({ name: cluster.name, count: cluster.count, x, y, w, h });
    map.height = Math.max(map.height, y + h);
    for (const one of rows.flatMap((row) => row.cards)) {
      const at = { service: one.service, cluster: cluster.name, x: x + one.x, y: y + one.y, w: one.w, h: one.h };
      const top = at.y + (map.labels ? LABEL : 0);
      const left = at.x + (at.w - one.columns * map.cell) / 2;
      const middle = top + (at.h - (top - at.y) - one.rows * map.cell) / 2;
      map.cards.push(at);
      for (let i = 0; i < one.service.count; i++) {
        map.nodes.push({
          card: at,
          index: i,
          x: left + ((i % one.columns) + 0.5) * map.cell,
          y: middle + (Math.floor(i / one.columns) + 0.5) * map.cell,
        });
      }
    }
  }
  return map;
}
