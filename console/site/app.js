// Sign-in, choice of advertiser, language.
import { byId, el } from './dom.js';
import { other, preferred, speak, t } from './text.js';
import { Api } from './api.js';
import { Past } from './live.js';
import { startOverview } from './overview.js';
import { noNotices, notice, sentence } from './problems.js';

const TOKEN = 'mazad.token', CHOSEN = 'mazad.advertiser'; // sessionStorage: gone with the tab
const MOST = 1000; // advertisers in one answer

const state = { api: null, advertisers: [], chosen: '', past: null, stop: null, turn: 0 };

// fromFragment takes #token=... out of the address, where it would be kept in
// the history and shown to whoever looks at the screen.
function fromFragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (!given.has('token') && !given.has('lang')) return {};
  history.replaceState(null, '', location.pathname + location.search);
  return { token: given.get('token')?.trim(), language: given.get('lang') };
}

function show(view) {
  byId('signin').hidden = view !== 'signin';
  byId('overview').hidden = view !== 'overview';
  byId('leave').hidden = view !== 'overview';
  byId('pick').hidden = view !== 'overview';
}

function halt() {
  state.turn += 1;
  state.stop?.();
  state.stop = null;
  noNotices();
}

// leave forgets the token; why is shown above the form.
function leave(why) {
  halt();
  state.api?.stop();
  Object.assign(state, { api: null, advertisers: [], chosen: '', past: null });
  sessionStorage.removeItem(TOKEN);
  sessionStorage.removeItem(CHOSEN);
  document.title = t('brand');
  show('signin');
  byId('token').value = '';
  byId('token-error').textContent = why ? sentence(why) : '';
  byId('token').focus();
}

// enter signs in with a token: what it reaches decides what is shown.
async function enter(token) {
  if (!/^[\x21-\x7e]{1,512}$/.test(token)) {
    leave();
    byId('token-error').textContent = t('signin.malformed');
    return;
  }
  halt();
  state.api?.stop();
  const api = new Api(token);
  let list;
  try {
    list = await api.advertisers();
  } catch (e) {
    leave(e);
    return;
  }
  sessionStorage.setItem(TOKEN, token);
  Object.assign(state, { api, advertisers: list });
  fillPicker();
  if (list.length === 0) {
    leave();
    byId('token-error').textContent = t('problem.nobody');
    return;
  }
  const kept = sessionStorage.getItem(CHOSEN);
  await choose(list.some((a) => a.advertiser_id === kept) ? kept : list[0].advertiser_id);
}

function fillPicker() {
  byId('advertisers').replaceChildren(...state.advertisers.map((a) => el('option', { value: a.advertiser_id }, a.advertiser_name)));
  byId('advertisers').disabled = state.advertisers.length < 2;
}

async function choose(id) {
  if (id !== state.chosen) state.past = new Past();
  state.chosen = id;
  byId('advertisers').value = id;
  sessionStorage.setItem(CHOSEN, id);
  await begin();
}

// begin shows the chosen advertiser; the last call wins.
async function begin() {
  halt();
  const turn = state.turn;
  show('overview');
  if (state.advertisers.length >= MOST) notice('many', t('advertisers.many', { count: MOST }), 'calm');
  try {
    const stop = await startOverview({ api: state.api, advertiser: state.chosen, past: state.past, leave });
    if (turn !== state.turn) {
      stop();
      return;
    }
    state.stop = stop;
    document.title = `${byId('account-name').textContent} · ${t('brand')}`;
  } catch (e) {
    if (turn !== state.turn || e.name === 'AbortError') return;
    notice('begin', sentence(e));
    setTimeout(() => turn === state.turn && begin(), 5_000);
  }
}

async function changeLanguage(code) {
  await speak(code);
  const next = other();
  Object.assign(byId('language'), { textContent: next.own, lang: next.code });
  if (state.api) await begin();
}

async function boot() {
  const given = fromFragment();
  await changeLanguage(given.language ?? preferred());
  byId('language').addEventListener('click', () => changeLanguage(other().code).catch((e) => notice('language', sentence(e))));
  byId('leave').addEventListener('click', () => leave());
  byId('advertisers').addEventListener('change', (e) => choose(e.target.value));
  byId('signin-form').addEventListener('submit', (e) => {
    e.preventDefault();
    const token = byId('token').value.trim();
    byId('token-error').textContent = token ? '' : t('signin.empty');
    if (token) enter(token);
  });
  addEventListener('hashchange', () => {
    const { token } = fromFragment();
    if (token) enter(token);
  });
  const token = given.token || sessionStorage.getItem(TOKEN);
  if (token) await enter(token);
  else show('signin');
}

boot();
