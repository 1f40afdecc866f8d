// What is true of a campaign or an ad group, and what is configured.
import { el } from './dom.js';
import { t, word } from './text.js';

const QUIET = new Set(['PAUSED', 'CAMPAIGN_PAUSED', 'ADGROUP_PAUSED', 'NOT_STARTED', 'ENDED', 'IN_REVIEW', 'ADVERTISER_PENDING']);
const RUNS = /_STATUS_(ENABLE|DELIVERY_OK)$/;

// statusCell shows the effective status and every reason for it.
export function statusCell(td, { row }) {
  const issues = row.issues_info ?? [];
  const key = JSON.stringify([row.secondary_status, issues, t('status.OK')]);
  if (td.shown === key) return;
  td.shown = key;
  const first = issues[0]?.code ?? (RUNS.test(row.secondary_status ?? '') ? 'OK' : '');
  const kind = first === 'OK' ? 'good' : QUIET.has(first) ? 'calm' : 'bad';
  td.replaceChildren(
    el('span', { class: `chip ${kind}`, title: row.secondary_status }, word('status', first, row.secondary_status ?? '')),
    issues.length ? el('ul', { class: 'why' }, issues.map((i) => el('li', { dir: 'auto', title: i.code }, word('issue', i.code, i.message)))) : '',
  );
}

// budgetText says how much may be spent and in what time.
export function budgetText(row, format) {
  if (!row.budget || row.budget_mode === 'BUDGET_MODE_INFINITE') return word('budget', 'BUDGET_MODE_INFINITE');
  return word('budget', row.budget_mode, '{amount}').replace('{amount}', format.money(row.budget));
}

// bidText is the highest price and what it is paid for.
export function bidText(row, format) {
  if (!row.bid_price) return '–';
  return `${format.moneyFine(row.bid_price)} ${word('billing', row.billing_event)}`;
}
