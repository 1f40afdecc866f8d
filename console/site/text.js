// Words of the page in the language that the person chose.

// Digits are the Latin ones in both languages, as on the time axis and in ids.
const LANGUAGES = {
  en: { locale: 'en-GB', dir: 'ltr', own: 'English' },
  ar: { locale: 'ar-u-ca-gregory-nu-latn', dir: 'rtl', own: 'العربية' },
};
const KEPT = 'mazad.language';

let code = 'en';
let words = {};

export const locale = () => LANGUAGES[code].locale;
export const other = () => (code === 'en' ? { code: 'ar', own: LANGUAGES.ar.own } : { code: 'en', own: LANGUAGES.en.own });

// preferred is the remembered language, else the browser's, else English.
export function preferred() {
  const kept = localStorage.getItem(KEPT);
  if (kept in LANGUAGES) return kept;
  return (navigator.language ?? '').startsWith('ar') ? 'ar' : 'en';
}

// speak loads a language and puts it on the page.
export async function speak(wanted) {
  const next = wanted in LANGUAGES ? wanted : 'en';
  const answer = await fetch(`/console/text.${next}.json`, { credentials: 'omit' });
  if (!answer.ok) throw new Error(`text.${next}.json: ${answer.status}`);
  words = await answer.json();
  code = next;
  localStorage.setItem(KEPT, code);
  document.documentElement.lang = code;
  document.documentElement.dir = LANGUAGES[code].dir;
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll('[data-t-label]')) node.setAttribute('aria-label', t(node.dataset.tLabel));
}

// t is the sentence of a key. What is put in is isolated, so that a Latin name
// in an Arabic sentence does not turn its order round.
export function t(key, values) {
  const sentence = words[key] ?? key;
  if (!values) return sentence;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? `\u2068${values[name]}\u2069` : whole));
}

// word is the name of one value of a closed list of the API; a value that is
// newer than this page is shown as it came, or as the given fallback.
export const word = (list, value, fallback) => words[`${list}.${value}`] ?? fallback ?? value;
