// The campaigns of an advertiser with today's figures, their ad groups, and the
// switch that pauses and enables them.
import { byId, el, say } from './dom.js';
import { t, word } from './text.js';
import { idsIn } from './api.js';
import { Table, pager } from './table.js';
import { fieldList, reportsAway, sentence } from './problems.js';
import { bidText, budgetText, statusCell } from './status.js';

const PAGE = 20, GROUPS = 50, ANSWERS = 3;
const METRICS = ['spend', 'impressions', 'clicks', 'ctr'];

export class Campaigns {
  constructor({ api, advertiser, format, signal }) {
    Object.assign(this, { api, advertiser, format, signal, page: 1, groups: new Map() });
    this.table = new Table(byId('campaigns'), {
      caption: t('campaigns'), empty: t('campaigns.none'), detail: (record) => this.drill(record),
      columns: [
        { name: 'name', label: t('column.name'), head: true, fill: (th, record) => this.nameCell(th, record) },
        { name: 'status', label: t('column.status'), fill: statusCell },
        { name: 'budget', label: t('column.budget'), number: true, text: (row) => budgetText(row, format) },
        ...this.figures(),
        { name: 'power', label: t('column.on'), fill: (td, record) => this.switchCell(td, record) },
      ],
    });
    byId('answers').replaceChildren();
  }

  figures() {
    const shown = (name, how) => ({ name, number: true, label: t(name), text: (row) => (row.figures ? how(row.figures[name]) : '–') });
    return [shown('spend', (v) => this.format.money(v)), shown('impressions', (v) => this.format.count(v)),
      shown('clicks', (v) => this.format.count(v)), shown('ctr', (v) => this.format.percent(v))];
  }

  // refresh reads the page of campaigns and what is open under it. Without
  // reports the campaigns are shown all the same.
  async refresh() {
    const { data } = await this.api.get('/campaign/get/', { advertiser_id: this.advertiser, page: this.page, page_size: PAGE }, this.signal);
    const rows = data.list.map((c) => ({ ...c, id: c.campaign_id }));
    const figures = await this.figuresOf('AUCTION_CAMPAIGN', 'campaign_id', idsIn('campaign_ids', rows.map((r) => r.id)), rows.length);
    for (const row of rows) row.figures = figures && (figures.get(row.id) ?? {});
    this.table.update(rows);
    pager(byId('campaign-pages'), data.page_info, { before: t('page.before'), after: t('page.after'), where: (page, last) => t('page.where', { page, last }) }, (to) => {
      this.page = to;
      this.again();
    });
    for (const id of [...this.groups.keys()]) {
      if (this.table.records.get(id)?.more) await this.refreshGroups(id);
      else this.groups.delete(id);
    }
  }

  // again refreshes out of turn, after something a person did.
  again() {
    this.refresh().catch((e) => {
      if (e.name !== 'AbortError') this.answer('bad', sentence(e, true), fieldList(e));
    });
  }

  async figuresOf(level, dimension, filtering, count) {
    if (count === 0) return new Map();
    try {
      const report = await this.api.report(this.advertiser, this.format.today(),
        { data_level: level, dimensions: [dimension], metrics: METRICS, filtering, page_size: count }, this.signal);
      return new Map(report.list.map((r) => [r.dimensions[dimension], r.metrics]));
    } catch (e) {
      if (reportsAway(e)) return null;
      throw e;
    }
  }

  nameCell(th, record) {
    if (!record.opener) {
      record.opener = el('button', { type: 'button', class: 'opener', 'aria-expanded': 'false', title: t('campaign.open'), onclick: () => this.toggle(record) }, el('bdi'));
      record.under = el('span', { class: 'hint' });
      th.append(record.opener, record.under);
    }
    say(record.opener.firstElementChild, record.row.campaign_name);
    record.under.textContent = word('objective', record.row.objective_type);
  }

  toggle(record) {
    const open = record.opener.getAttribute('aria-expanded') !== 'true';
    record.opener.setAttribute('aria-expanded', String(open));
    this.table.open(record, open);
    if (!open) this.groups.delete(record.row.id);
  }

  drill(record) {
    const id = record.row.id, mount = el('div', { class: 'drill' });
    const table = new Table(mount, {
      caption: t('adgroups.of', { name: record.row.campaign_name }), empty: t('adgroups.none'),
      columns: [
        { name: 'name', label: t('column.adgroup'), head: true, text: (row) => row.adgroup_name },
        { name: 'status', label: t('column.status'), fill: statusCell },
        { name: 'budget', label: t('column.budget'), number: true, text: (row) => budgetText(row, this.format) },
        { name: 'bid', label: t('column.bid'), number: true, text: (row) => bidText(row, this.format) },
        ...this.figures(),
      ],
    });
    const note = el('p', { class: 'hint' }, t('loading'));
    mount.append(note);
    this.groups.set(id, { table, note });
    this.refreshGroups(id).catch((e) => {
      if (e.name !== 'AbortError') note.textContent = sentence(e);
    });
    return mount;
  }

  async refreshGroups(id) {
    const { data } = await this.api.get('/adgroup/get/', { advertiser_id: this.advertiser, filtering: { campaign_ids: [id] }, page_size: GROUPS }, this.signal);
    const rows = data.list.map((g) => ({ ...g, id: g.adgroup_id }));
    const figures = await this.figuresOf('AUCTION_ADGROUP', 'adgroup_id', idsIn('adgroup_ids', rows.map((r) => r.id)), rows.length);
    for (const row of rows) row.figures = figures && (figures.get(row.id) ?? {});
    const open = this.groups.get(id);
    if (!open) return;
    open.table.update(rows);
    const total = Number(data.page_info.total_number);
    open.note.textContent = total > rows.length ? t('adgroups.more', { shown: rows.length, total: this.format.count(total) }) : '';
  }

  switchCell(td, record) {
    if (!record.power) {
      record.power = el('button', { type: 'button', role: 'switch', class: 'switch', onclick: () => this.flip(record) }, el('span', { class: 'knob' }));
      td.append(record.power);
    }
    const on = record.row.operation_status === 'ENABLE';
    record.power.setAttribute('aria-checked', String(on));
    record.power.setAttribute('aria-label', t('campaign.switch', { name: record.row.campaign_name }));
  }

  // flip asks the API and shows what it answered: the switch moves when the
  // change is made, not before.
  async flip(record) {
    const { row, power } = record;
    if (power.getAttribute('aria-busy') === 'true') return;
    const wanted = row.operation_status === 'ENABLE' ? 'DISABLE' : 'ENABLE';
    power.setAttribute('aria-busy', 'true');
    try {
      const { data, requestId } = await this.api.post('/campaign/status/update/',
        { advertiser_id: this.advertiser, campaign_ids: [row.id], operation_status: wanted }, this.signal);
      const name = row.campaign_name, id = requestId;
      record.row = { ...record.row, operation_status: data.status };
      this.switchCell(null, record);
      this.answer('good', data.status === 'ENABLE' ? t('campaign.enabled', { name, id }) : t('campaign.paused', { name, id }));
      this.again();
    } catch (e) {
      if (e.name !== 'AbortError') this.answer('bad', `${t('campaign.unchanged', { name: row.campaign_name })} ${sentence(e, true)}`, fieldList(e));
    } finally {
      power.removeAttribute('aria-busy');
    }
  }

  // answer shows what came of an action; the newest comes first.
  answer(kind, text, more) {
    const box = byId('answers');
    const note = el('div', { class: `notice ${kind}` }, el('p', {}, text), more,
      el('button', { type: 'button', class: 'close', 'aria-label': t('close'), onclick: () => note.remove() }, '×'));
    box.prepend(note);
    while (box.children.length > ANSWERS) box.lastElementChild.remove();
  }
}
