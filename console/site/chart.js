// Small charts in SVG. Time runs from left to right in every language.
import { svg } from './dom.js';

const HOURS = 24;
const MARGIN = { top: 14, bottom: 24, left: 50, right: 50 };

// niceTop is a round number at or above max, so that ticks are round too.
export function niceTop(max) {
  if (!(max > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(max));
  return [1, 2, 4, 5, 8, 10].find((m) => m * unit >= max) * unit;
}

// watchWidth redraws when the room for a chart changes.
export function watchWidth(node, draw) {
  const seen = new ResizeObserver(() => draw());
  seen.observe(node);
  return () => seen.disconnect();
}

const number = (nanos) => Number(nanos) / 1e9; // for the height of a mark only

// hourChart draws impressions as bars and spend as a line over the hours of a
// day. rows: 24 x {impressions: Number, nanos: BigInt} or null where none was yet.
export function hourChart(node, rows, { now, picked, format, label, pick }) {
  const width = Math.max(280, node.clientWidth), height = width < 480 ? 210 : 260;
  const inner = { w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - MARGIN.bottom };
  const tops = {
    count: niceTop(Math.max(4, ...rows.map((r) => r?.impressions ?? 0))),
    money: niceTop(Math.max(0, ...rows.map((r) => number(r?.nanos ?? 0n)))),
  };
  const slot = inner.w / HOURS, base = MARGIN.top + inner.h;
  const x = (h) => MARGIN.left + slot * h;
  const y = (share) => base - inner.h * share;
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label, tabindex: 0, direction: 'ltr' });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    picture.append(svg('line', { class: share ? 'grid' : 'axis', x1: MARGIN.left, x2: width - MARGIN.right, y1: y(share), y2: y(share) }));
    if (share && (tops.count * share) % 1 === 0) picture.append(svg('text', { class: 'tick', x: MARGIN.left - 8, y: y(share) + 4, 'text-anchor': 'end' }, format.tick(tops.count * share)));
    if (share) picture.append(svg('text', { class: 'tick', x: width - MARGIN.right + 8, y: y(share) + 4 }, format.tick(tops.money * share)));
  }
  const every = slot < 15 ? 6 : slot < 26 ? 3 : 2;
  rows.forEach((row, h) => {
    if (h % every === 0) picture.append(svg('text', { class: 'tick', x: x(h + 0.5), y: height - 6, 'text-anchor': 'middle' }, format.hour(h)));
    if (h === picked) picture.append(svg('rect', { class: 'picked', x: x(h), y: MARGIN.top, width: slot, height: inner.h }));
    if (!row) return;
    const high = Math.max(row.impressions > 0 ? 1.5 : 0, (inner.h * row.impressions) / tops.count);
    picture.append(svg('rect', { class: h === now ? 'col open' : 'col', x: x(h) + slot * 0.14, width: slot * 0.72, y: base - high, height: high, rx: Math.min(3, slot * 0.2) }));
  });
  const points = rows.flatMap((row, h) => (row ? [[x(h + 0.5), y(number(row.nanos) / tops.money)]] : []));
  if (points.length > 1) picture.append(svg('polyline', { class: 'line', points: points.map((p) => p.join(',')).join(' ') }));
  for (const [cx, cy] of points) picture.append(svg('circle', { class: 'dot', cx, cy, r: slot < 15 ? 2 : 3 }));
  listen(picture, { x0: MARGIN.left, slot, picked: picked ?? now, pick });
  const focused = node.contains(document.activeElement);
  node.replaceChildren(picture);
  if (focused) picture.focus({ preventScroll: true });
}

// listen lets a pointer or the arrow keys pick an hour.
function listen(picture, { x0, slot, picked, pick }) {
  const at = (e) => Math.floor((e.clientX - picture.getBoundingClientRect().left - x0) / slot);
  picture.addEventListener('pointermove', (e) => {
    const h = at(e);
    if (h >= 0 && h < HOURS && h !== picked) pick(h);
  });
  picture.addEventListener('pointerleave', () => pick(null));
  picture.addEventListener('keydown', (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (e.key === 'Escape') pick(null);
    if (!step) return;
    e.preventDefault();
    pick(Math.min(HOURS - 1, Math.max(0, picked + step)));
  });
}

// spark draws rates over the last minutes; the newest is at the right edge.
// samples: [{at: ms, value: Number}], oldest first.
export function spark(node, samples, { now, spanMS, label }) {
  const width = Math.max(160, node.clientWidth), height = Math.max(64, node.clientHeight), room = height - 8;
  const top = niceTop(Math.max(0, ...samples.map((s) => s.value)));
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label, direction: 'ltr' });
  picture.append(svg('line', { class: 'axis', x1: 0, x2: width, y1: height - 1, y2: height - 1 }));
  if (samples.length > 0) {
    const x = (s) => width - 4 - ((now - s.at) / spanMS) * (width - 4);
    const y = (s) => height - 2 - (s.value / top) * room;
    const line = samples.map((s) => `${x(s).toFixed(1)},${y(s).toFixed(1)}`);
    const first = samples[0], last = samples[samples.length - 1];
    if (samples.length > 1) {
      picture.append(svg('polygon', { class: 'area', points: `${x(first)},${height - 1} ${line.join(' ')} ${x(last)},${height - 1}` }));
      picture.append(svg('polyline', { class: 'stroke', points: line.join(' ') }));
    }
    picture.append(svg('circle', { class: 'head', cx: x(last), cy: y(last), r: 3.5 }));
  }
  node.replaceChildren(picture);
}
