// Who saw the ads and where: bars of impressions.
import { byId, el, say } from './dom.js';
import { t, word } from './text.js';

const ROWS = 7;
const KINDS = [
  { dimension: 'country_code', title: 'breakdown.country' },
  { dimension: 'age', title: 'breakdown.age', natural: true }, // by age, not by size
  { dimension: 'gender', title: 'breakdown.gender' },
  { dimension: 'placement', title: 'breakdown.placement' },
];

function nameOf(dimension, value, format) {
  if (dimension !== 'country_code') return word(dimension, value);
  return value ? format.country(value) : t('unknown');
}

export class Breakdowns {
  constructor({ api, advertiser, format, signal }) {
    Object.assign(this, { api, advertiser, format, signal });
    this.cards = KINDS.map((kind) => {
      const list = el('ol', { class: 'bars' });
      const note = el('p', { class: 'hint' }, t('loading'));
      const title = el('h3', {}, t(kind.title));
      return { kind, list, note, bars: new Map(), node: el('article', { class: 'card' }, title, list, note) };
    });
    byId('breakdowns').replaceChildren(...this.cards.map((c) => c.node));
  }

  async refresh() {
    for (const card of this.cards) {
      const report = await this.api.report(this.advertiser, this.format.today(), {
        dimensions: [card.kind.dimension], metrics: ['impressions', 'spend', 'ctr'],
        order_field: card.kind.natural ? card.kind.dimension : 'impressions', order_type: card.kind.natural ? 'ASC' : 'DESC', page_size: ROWS, enable_total_metrics: true,
      }, this.signal);
      this.show(card, report);
    }
  }

  show(card, report) {
    const dimension = card.kind.dimension;
    const all = Number(report.total_metrics?.impressions ?? 0);
    const top = Math.max(1, ...report.list.map((r) => Number(r.metrics.impressions)));
    const wanted = report.list.map((r) => {
      const value = r.dimensions[dimension], n = Number(r.metrics.impressions);
      const bar = card.bars.get(value) ?? this.bar();
      card.bars.set(value, bar);
      say(bar.name, nameOf(dimension, value, this.format));
      say(bar.share, all > 0 ? this.format.percent(String((100 * n) / all)) : '–');
      say(bar.detail, t('breakdown.detail', { impressions: this.format.count(r.metrics.impressions), spend: this.format.money(r.metrics.spend), ctr: this.format.percent(r.metrics.ctr) }));
      bar.fill.style.inlineSize = `${((100 * n) / top).toFixed(2)}%`;
      return bar.node;
    });
    wanted.forEach((node, i) => {
      if (card.list.children[i] !== node) card.list.insertBefore(node, card.list.children[i] ?? null);
    });
    while (card.list.children.length > wanted.length) card.list.lastElementChild.remove();
    const rest = Number(report.page_info.total_number) - report.list.length;
    say(card.note, report.list.length === 0 ? t('breakdown.none') : rest > 0 ? t('breakdown.rest', { count: this.format.count(rest) }) : '');
  }

  bar() {
    const name = el('span', { class: 'bar-name', dir: 'auto' }), share = el('span', { class: 'bar-share' });
    const fill = el('span', { class: 'bar-fill' }), detail = el('span', { class: 'hint' });
    return { name, share, fill, detail, node: el('li', {}, el('span', { class: 'bar-head' }, name, share), el('span', { class: 'bar-track' }, fill), detail) };
  }
}
