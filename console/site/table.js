// A table whose rows are updated in place, so that focus, open rows and
// selections survive the next figures. The roles are written out because the
// narrow layout turns rows into cards, and browsers then forget what a table is.
import { el, say } from './dom.js';

export class Table {
  // columns: [{name, label, number, head, text(row) or fill(td, record)}]
  // detail(record) gives what is shown under a row that is open, or null.
  constructor(mount, { caption, empty, columns, detail }) {
    this.columns = columns;
    this.detail = detail;
    this.records = new Map();
    this.body = el('tbody', { role: 'rowgroup' });
    this.none = el('p', { class: 'hint' }, empty);
    this.none.hidden = true;
    mount.replaceChildren(el('table', { role: 'table', class: 'grid-table', 'aria-label': caption },
      el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' },
        columns.map((c) => el('th', { role: 'columnheader', scope: 'col', class: c.number ? 'number' : null }, c.label)))),
      this.body), this.none);
  }

  // update shows rows, in their order; a row is known by its id.
  update(rows) {
    const wanted = new Set(rows.map((r) => r.id));
    for (const [id, record] of this.records) {
      if (wanted.has(id)) continue;
      record.tr.remove();
      record.more?.remove();
      this.records.delete(id);
    }
    let at = this.body.firstElementChild;
    for (const row of rows) {
      const record = this.records.get(row.id) ?? this.add(row);
      record.row = row;
      this.columns.forEach((c, i) => (c.fill ? c.fill(record.cells[i], record) : say(record.cells[i], c.text(row))));
      if (record.tr !== at) this.body.insertBefore(record.tr, at);
      at = record.tr.nextElementSibling;
      if (record.more) {
        if (record.more !== at) this.body.insertBefore(record.more, at);
        at = record.more.nextElementSibling;
      }
    }
    this.none.hidden = rows.length > 0;
  }

  add(row) {
    const cells = this.columns.map((c) => el(c.head ? 'th' : 'td', {
      role: c.head ? 'rowheader' : 'cell', scope: c.head ? 'row' : null, class: [c.name, c.number ? 'number' : ''].join(' ').trim(), 'data-label': c.head ? null : c.label,
    }));
    const record = { row, cells, tr: el('tr', { role: 'row' }, cells), more: null };
    this.records.set(row.id, record);
    return record;
  }

  // open shows or hides what is under a row.
  open(record, wanted) {
    record.more?.remove();
    record.more = null;
    if (!wanted) return;
    record.more = el('tr', { role: 'row', class: 'more' }, el('td', { role: 'cell', colspan: this.columns.length }, this.detail(record)));
    record.tr.after(record.more);
  }
}

// pager shows where we are in a list of pages and lets a person turn them.
export function pager(node, info, labels, turn) {
  const page = Number(info.page), last = Math.max(1, Number(info.total_page));
  if (last === 1 && page === 1) {
    node.replaceChildren();
    return;
  }
  const button = (text, to) => el('button', { type: 'button', class: 'small', disabled: to < 1 || to > last, onclick: () => turn(to) }, text);
  node.replaceChildren(button(labels.before, page - 1), el('span', {}, labels.where(page, last)), button(labels.after, page + 1));
}
