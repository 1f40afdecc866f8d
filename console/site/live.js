// Today's figures, asked for every two seconds, and the rates between askings.
import { byId, el, say } from './dom.js';
import { t } from './text.js';
import { decimal, nanos } from './format.js';
import { hourChart, spark } from './chart.js';

const TILES = [['spend', 'money'], ['impressions', 'count'], ['clicks', 'count'], ['ctr', 'percent'], ['cpm', 'money'], ['reach', 'count']];
const METRICS = TILES.map(([name]) => name);
const KEEP_MS = 180_000, SHORTEST_MS = 40_000;
const BEHIND_MS = 60_000;

// Past is what was seen of one advertiser since the page was opened; it
// survives a change of language.
export class Past {
  day = '';
  last = null;      // {at, impressions, nanos}
  impressions = []; // a second
  money = [];       // a minute, in main units: for the height of a mark
  spent = 0n;       // nanos a minute, the newest

  // add takes the sums of the day so far and keeps the rates since the last.
  add(day, at, impressions, spent) {
    if (day !== this.day) Object.assign(this, { day, last: null, impressions: [], money: [], spent: 0n });
    if (this.last) {
      const ms = Math.max(1, at - this.last.at);
      const more = spent > this.last.nanos ? spent - this.last.nanos : 0n;
      this.spent = (more * 60_000n) / BigInt(Math.round(ms));
      this.impressions.push({ at, value: (Math.max(0, impressions - this.last.impressions) * 1000) / ms });
      this.money.push({ at, value: Number(this.spent) / 1e9 });
    }
    this.last = { at, impressions, nanos: spent };
    for (const list of [this.impressions, this.money]) {
      while (list.length && at - list[0].at > KEEP_MS) list.shift();
    }
  }
}

export class Live {
  constructor({ api, advertiser, format, signal, past }) {
    Object.assign(this, { api, advertiser, format, signal, past, rows: null, picked: null });
    this.values = new Map(TILES.map(([name]) => [name, el('dd', {}, '–')]));
    byId('tiles').replaceChildren(...TILES.map(([name]) => el('div', { class: `tile ${name}` }, el('dt', {}, t(name)), this.values.get(name),
      name === 'reach' ? el('dd', { class: 'hint' }, t('reach.hint')) : null)));
    for (const id of ['hours', 'spark-imp', 'spark-money', 'hours-table']) byId(id).replaceChildren();
    for (const id of ['through', 'hour-readout', 'beat']) byId(id).textContent = '';
    for (const id of ['live-imp', 'live-money']) byId(id).textContent = '–';
    byId('key-money').textContent = `${t('spend')} (${format.currency})`;
    this.drawPulse();
  }

  async refreshTotals() {
    const day = this.format.today();
    const report = await this.api.report(this.advertiser, day, { dimensions: ['stat_time_day'], metrics: METRICS }, this.signal);
    const sums = report.list[0]?.metrics ?? {};
    for (const [name, how] of TILES) say(this.values.get(name), this.format[how](sums[name] || '0'));
    this.past.add(day, Date.now(), Number(sums.impressions ?? 0), nanos(sums.spend));
    this.showThrough(report.data_through);
    this.drawPulse();
  }

  showThrough(text) {
    const node = byId('through'), at = text ? new Date(text) : null;
    const known = at && at.getTime() > 0;
    const behind = known ? Date.now() - at.getTime() : 0;
    node.classList.toggle('late', behind > BEHIND_MS);
    if (!known) say(node, t('through.none'));
    else if (behind > BEHIND_MS) say(node, t('through.late', { time: this.format.time(at) }));
    else say(node, t('through', { time: this.format.time(at) }));
    if (known) node.title = `${this.format.dayName(at)}, ${this.format.time(at)} (${this.format.zone})`;
  }

  drawPulse() {
    const { impressions, money } = this.past, now = Date.now();
    const newest = impressions.at(-1);
    if (newest) {
      say(byId('live-imp'), this.format.rate(newest.value));
      say(byId('live-money'), this.format.moneyFine(decimal(this.past.spent)));
    }
    const spanMS = Math.max(SHORTEST_MS, now - (impressions[0]?.at ?? now));
    say(byId('beat'), newest ? t('live.span', { seconds: this.format.count(Math.round(spanMS / 1000)) }) : t('live.wait'));
    spark(byId('spark-imp'), impressions, { now, spanMS, label: t('live.impressions') });
    spark(byId('spark-money'), money, { now, spanMS, label: t('live.spend') });
  }

  async refreshHours() {
    const report = await this.api.report(this.advertiser, this.format.today(),
      { dimensions: ['stat_time_hour'], metrics: ['impressions', 'spend'], page_size: 100 }, this.signal);
    const now = this.format.hourNow();
    this.rows = Array.from({ length: 24 }, (_, h) => (h <= now ? { impressions: 0, nanos: 0n } : null));
    for (const r of report.list) {
      const h = Number(r.dimensions.stat_time_hour.slice(11, 13));
      this.rows[h] = { impressions: Number(r.metrics.impressions), nanos: nanos(r.metrics.spend) };
    }
    this.drawHours();
    this.drawTable();
  }

  drawHours() {
    const rows = this.rows ?? Array.from({ length: 24 }, () => null);
    const now = this.format.hourNow(), shown = this.picked ?? now, row = rows[shown];
    const hour = this.format.hourSpan(shown);
    byId('hour-readout').setAttribute('aria-live', this.picked === null ? 'off' : 'polite'); // said only to who asks for an hour
    say(byId('hour-readout'), row
      ? t('hours.readout', { hour, impressions: this.format.count(row.impressions), spend: this.format.money(decimal(row.nanos)) })
      : this.rows ? t('hours.later', { hour }) : t('loading'));
    hourChart(byId('hours'), rows, {
      now, picked: this.picked, format: this.format, label: t('hours.label'),
      pick: (h) => {
        if (h === this.picked) return;
        this.picked = h;
        this.drawHours();
      },
    });
  }

  // drawTable says in text what the chart shows.
  drawTable() {
    const rows = this.rows.flatMap((r, h) => (r && r.impressions > 0 ? [el('tr', {}, el('th', { scope: 'row', dir: 'ltr' }, this.format.hour(h)),
      el('td', { class: 'number' }, this.format.count(r.impressions)), el('td', { class: 'number' }, this.format.money(decimal(r.nanos))))] : []));
    byId('hours-table').replaceChildren(el('table', { class: 'plain' },
      el('thead', {}, el('tr', {}, ['hour', 'impressions', 'spend'].map((name, i) => el('th', { scope: 'col', class: i ? 'number' : null }, [t('hour'), t('impressions'), t('spend')][i])))),
      el('tbody', {}, rows)));
  }
}
