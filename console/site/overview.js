// The overview of one advertiser: which figures are asked for, and how often.
import { byId, el, say } from './dom.js';
import { locale, t, word } from './text.js';
import { Format } from './format.js';
import { Live } from './live.js';
import { Campaigns } from './campaigns.js';
import { Breakdowns } from './breakdown.js';
import { watchWidth } from './chart.js';
import { notice, reportsAway, sentence, signedOut } from './problems.js';

const AFTER_FAILURE_MS = 5_000;

// visible waits until somebody can see the page.
const visible = () => new Promise((done) => {
  if (!document.hidden) {
    done();
    return;
  }
  document.addEventListener('visibilitychange', done, { once: true });
});

const pause = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    done();
  }, { once: true });
});

// repeat runs work again and again, one at a time, as long as the page is seen.
async function repeat({ name, everyMS, run }, signal, leave) {
  while (!signal.aborted) {
    await visible();
    let wait = everyMS;
    try {
      await run();
      notice(name, '');
      notice('lost', '');
    } catch (e) {
      if (e.name === 'AbortError' || signal.aborted) return;
      if (signedOut(e)) {
        leave(e);
        return;
      }
      if (reportsAway(e)) notice(name, name === 'totals' ? t('problem.reports') : '', 'calm');
      else notice(e.lost ? 'lost' : name, sentence(e)); // one sentence for all that fail when nothing answers
      wait = Math.max(everyMS, AFTER_FAILURE_MS);
    }
    await pause(wait, signal);
  }
}

// showAccount puts the advertiser's own facts at the top.
function showAccount(account, format) {
  say(byId('account-name'), account.name);
  say(byId('balance'), format.money(account.balance));
  byId('balance').classList.toggle('empty', !/[1-9]/.test(account.balance ?? '') || String(account.balance).startsWith('-'));
  const fact = (name, value) => el('span', {}, `${name} `, el('bdi', {}, value));
  byId('account-facts').replaceChildren(
    fact(t('currency'), account.currency), fact(t('zone'), account.timezone), fact(t('localtime'), `${format.dayName(new Date())}, ${format.minute(new Date())}`),
    account.status === 'STATUS_ENABLE' ? '' : el('span', { class: 'chip bad' }, word('account', account.status)),
  );
}

// startOverview shows an advertiser until the returned function is called.
export async function startOverview({ api, advertiser, past, leave }) {
  const stopping = new AbortController(), signal = stopping.signal;
  const account = await api.advertiser(advertiser, signal);
  const format = new Format(locale(), account.currency, account.timezone);
  const parts = { api, advertiser, format, signal, past };
  const live = new Live(parts), campaigns = new Campaigns(parts), breakdowns = new Breakdowns(parts);
  const widths = watchWidth(byId('hours'), () => live.drawHours());
  showAccount(account, format);
  for (const task of [
    { name: 'totals', everyMS: 2_000, run: () => live.refreshTotals() },
    { name: 'hours', everyMS: 4_000, run: () => live.refreshHours() },
    { name: 'campaigns', everyMS: 6_000, run: () => campaigns.refresh() },
    { name: 'account', everyMS: 8_000, run: async () => showAccount(await api.advertiser(advertiser, signal), format) },
    { name: 'breakdowns', everyMS: 10_000, run: () => breakdowns.refresh() },
  ]) repeat(task, signal, leave);
  return () => {
    stopping.abort();
    widths();
  };
}
