// Where things stand on the map: clusters hold services, which hold instances, all of them as large
// as fits. Only numbers come and go here.

const GAP = 12; // between clusters
const HEADER = 30; // a cluster's name
const LABEL = 24; // a service's name
const LABEL_WIDTH = 132; // at least, where it is shown
const SIZES = [
  ...[46, 40, 34, 30, 26, 22, 19, 16, 14].map((cell) => ({ cell, labels: true, pad: 8 })),
  ...[26, 22, 19, 16, 14, 12, 10, 8, 7, 6, 5, 4].map((cell) => ({ cell, labels: false, pad: 3 })),
];

// A card of `count` cells, no wider than `most`.
function card(count, size, most) {
  const { cell, labels, pad } = size;
  const columns = Math.max(1, Math.min(Math.ceil(Math.sqrt(count * 1.8)), Math.floor((most - 2 * pad) / cell)));
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
    const one = { service, ...card(service.count, size, inner) };
    if (!row || row.w + gap + one.w > inner) rows.push((row = { cards: [], w: -gap, h: 0 }));
    row.cards.push(one);
    row.w += gap + one.w;
    row.h = Math.max(row.h, one.h);
  }
  let y = HEADER;
  for (const { cards, w, h } of rows) {
    // What is left of a row is shared out, but a card does not become a hall.
    const more = size.labels ? Math.min((inner - w) / cards.length, 90) : 0;
    let x = gap;
    for (const one of cards) {
      one.w += more;
      Object.assign(one, { x, y, h: size.labels ? h : one.h });
      x += one.w + gap;
    }
    y += h + gap;
  }
  return { cluster, cards: rows.flatMap((one) => one.cards), w: width, h: Math.max(y, HEADER + 20) };
}

function arrange(clusters, size, width, columnCount) {
  const w = (width - GAP * (columnCount - 1)) / columnCount;
  const heights = new Array(columnCount).fill(0);
  const boxes = clusters.map((cluster) => {
    const column = heights.indexOf(Math.min(...heights));
    const box = { ...fillCluster(cluster, size, w), x: column * (w + GAP), y: heights[column] };
    heights[column] += box.h + GAP;
    return box;
  });
  return { boxes, height: Math.max(0, ...heights) - GAP, size };
}

// `clusters`: [{name, services: [{key, count}]}]. Gives {height, cell, labels, clusters, cards, nodes};
// the n-th node of a card is that service's n-th instance there.
export function layOut(clusters, width, most) {
  let best = null;
  for (const size of SIZES) {
    for (let columns = 1; columns <= Math.max(1, Math.min(clusters.length, Math.floor(width / 260))); columns++) {
      const found = arrange(clusters, size, width, columns);
      if (!best || found.height < best.height) best = found;
    }
    if (best.height <= most) break;
  }
  const map = { height: best.height, cell: best.size.cell, labels: best.size.labels, clusters: [], cards: [], nodes: [] };
  for (const { cluster, cards, x, y, w, h } of best.boxes) {
    map.clusters.push({ name: cluster.name, count: cluster.count, x, y, w, h });
    for (const one of cards) {
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
