// The marketing API as the page uses it.

const TIMEOUT_MS = 15_000;
const BASE = '/open_api/v1.3';

// Refusal is an answer that is not "OK", or no answer at all (code 0).
export class Refusal extends Error {
  constructor({ code, message, requestId, fields, transient, lost }) {
    super(message);
    this.code = code;
    this.requestId = requestId ?? '';
    this.fields = fields ?? []; // [{field, code, message, value, limit}]
    this.transient = Boolean(transient);
    this.lost = Boolean(lost); // nothing came back, or not from this API
  }
}

// exact keeps numbers as the text that was sent, where the browser tells it:
// amounts have more digits than a float holds.
const exact = (_key, value, context) => (typeof value === 'number' ? (context?.source ?? String(value)) : value);

// oneTime names one write, so that a repetition is answered and not done twice.
const oneTime = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');

export class Api {
  constructor(token) {
    this.token = token;
    this.stopped = new AbortController();
  }

  // stop ends every request under way; a stopped Api asks nothing more.
  stop() { this.stopped.abort(); }

  get(path, query, signal) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) search.set(name, typeof value === 'string' ? value : JSON.stringify(value));
    }
    return this.ask(`${BASE}${path}?${search}`, { method: 'GET' }, signal);
  }

  post(path, body, signal) {
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': oneTime() };
    return this.ask(BASE + path, { method: 'POST', headers, body: JSON.stringify(body) }, signal);
  }

  async ask(url, init, signal) {
    const signals = [this.stopped.signal, AbortSignal.timeout(TIMEOUT_MS)];
    if (signal) signals.push(signal);
    let body;
    try {
      const answer = await fetch(url, {
        ...init, cache: 'no-store', credentials: 'omit', redirect: 'error',
        headers: { ...init.headers, 'Access-Token': this.token }, signal: AbortSignal.any(signals),
      });
      body = JSON.parse(await answer.text(), exact);
    } catch (cause) {
      if (this.stopped.signal.aborted || signal?.aborted) throw new DOMException('stopped', 'AbortError');
      throw new Refusal({ code: 0, message: String(cause?.message ?? cause), lost: true, transient: true });
    }
    if (body?.code !== '0') {
      throw new Refusal({
        code: Number(body?.code ?? 0), message: body?.message ?? '', requestId: body?.request_id,
        fields: body?.errors, transient: body?.transient, lost: body?.code === undefined,
      });
    }
    return { data: body.data, requestId: body.request_id };
  }

  // advertisers is what the token reaches.
  async advertisers() {
    return (await this.get('/oauth2/advertiser/get/')).data.list;
  }

  async advertiser(id, signal) {
    return (await this.get('/advertiser/info/', { advertiser_ids: [id] }, signal)).data.list[0];
  }

  // report asks for the figures of one day of an advertiser.
  async report(advertiser, day, query, signal) {
    return (await this.get('/report/integrated/get/', {
      advertiser_id: advertiser, report_type: 'BASIC', data_level: 'AUCTION_ADVERTISER', start_date: day, end_date: day, ...query,
    }, signal)).data;
  }
}

// idsIn is the report filter for a list of ids.
export const idsIn = (field, ids) => [{ field_name: field, filter_type: 'IN', filter_value: JSON.stringify(ids) }];
