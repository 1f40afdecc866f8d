// What went wrong, as a sentence that says what to do.
import { byId, el, say } from './dom.js';
import { t } from './text.js';
import { Refusal } from './api.js';

const NO_TOKEN = 40104, BAD_TOKEN = 40105, FORBIDDEN = 40001, NOT_READY = 50002, INTERNAL = 50000;

// signedOut reports whether only another token can help.
export const signedOut = (e) => e instanceof Refusal && (e.code === NO_TOKEN || e.code === BAD_TOKEN);

// reportsAway reports whether figures are missing for now and nothing else.
export const reportsAway = (e) => e instanceof Refusal && e.code === NOT_READY;

// sentence explains a failure; listed says that fieldList is shown with it.
export function sentence(e, listed = false) {
  if (!(e instanceof Refusal)) return t('problem.page', { detail: e?.message ?? e });
  if (e.lost) return t('problem.lost');
  if (signedOut(e)) return t('problem.token');
  switch (e.code) {
    case FORBIDDEN: return t('problem.forbidden', { detail: e.message });
    case NOT_READY: return t('problem.later', { detail: e.message });
    case INTERNAL: return t('problem.internal', { id: e.requestId });
  }
  if (listed && e.fields.length > 0) return t('problem.fields');
  return t('problem.refused', { detail: e.message });
}

// fieldList shows what the API says about each field.
export function fieldList(e) {
  if (!(e instanceof Refusal) || e.fields.length === 0) return null;
  return el('ul', {}, e.fields.map((f) => el('li', {}, el('code', { dir: 'ltr' }, f.field), ' ', el('span', { dir: 'auto' }, f.message),
    f.value ? el('span', { class: 'hint' }, ' ', t('problem.sent', { value: f.value })) : null,
    f.limit ? el('span', { class: 'hint' }, ' ', t('problem.limit', { limit: f.limit })) : null)));
}

const shown = new Map();

// notice shows one sentence per cause at the top of the page; no text takes it away.
export function notice(cause, text, kind = 'bad') {
  let node = shown.get(cause);
  if (!text) {
    node?.remove();
    shown.delete(cause);
    return;
  }
  if (!node) {
    node = el('p');
    shown.set(cause, node);
    byId('notices').append(node);
  }
  node.className = `notice ${kind}`;
  say(node, text);
}

export function noNotices() {
  for (const cause of [...shown.keys()]) notice(cause, '');
}
