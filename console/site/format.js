// Numbers, money and times as people read them. Amounts stay decimal text, or
// whole nanos in a BigInt: no float ever adds money.

const NANOS = 1_000_000_000n;

// nanos reads a decimal such as "-12.5" exactly; nine decimals are kept.
export function nanos(text) {
  const m = /^(-?)(\d+)(?:\.(\d{1,9})\d*)?$/.exec(String(text ?? '0'));
  if (!m) return 0n;
  const n = BigInt(m[2]) * NANOS + BigInt((m[3] ?? '').padEnd(9, '0'));
  return m[1] ? -n : n;
}

// decimal writes nanos as text again.
export function decimal(n) {
  const abs = n < 0n ? -n : n;
  return `${n < 0n ? '-' : ''}${abs / NANOS}.${String(abs % NANOS).padStart(9, '0')}`;
}

function zoned(locale, zone, options) {
  try {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone: zone });
  } catch {
    return new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' }); // a zone that this browser does not know
  }
}

// amount keeps a Latin currency sign such as US$ whole in a line that runs from
// right to left.
const amount = (format, text) => format.formatToParts(text ?? '0')
  .map((p) => (p.type === 'currency' && /[A-Za-z]/.test(p.value) ? `\u2066${p.value}\u2069` : p.value)).join('');

// Format speaks one language about one advertiser's currency and time zone.
export class Format {
  constructor(locale, currency, zone) {
    this.currency = currency;
    this.zone = zone;
    const money = (options) => new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'narrowSymbol', ...options });
    this.plainMoney = money({});
    this.fineMoney = money({ minimumFractionDigits: 2, maximumFractionDigits: 4 });
    this.plain = new Intl.NumberFormat(locale);
    this.short = new Intl.NumberFormat(locale, { notation: 'compact', maximumSignificantDigits: 3 });
    this.rates = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
    this.percents = new Intl.NumberFormat(locale, { style: 'unit', unit: 'percent', minimumFractionDigits: 2, maximumFractionDigits: 2 });
    this.clock = zoned(locale, zone, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
    this.minutes = zoned(locale, zone, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    this.dayNames = zoned(locale, zone, { weekday: 'long', day: 'numeric', month: 'long' });
    this.days = zoned('en-CA', zone, { year: 'numeric', month: '2-digit', day: '2-digit' });
    this.hours = zoned('en-GB', zone, { hour: '2-digit', hourCycle: 'h23' });
    this.regions = new Intl.DisplayNames(locale, { type: 'region', fallback: 'code' });
  }

  money(text) { return amount(this.plainMoney, text); }
  // moneyFine shows small amounts too, such as the price of a minute.
  moneyFine(text) { return amount(/^-?0\.\d*[1-9]/.test(text ?? '') ? this.fineMoney : this.plainMoney, text); }
  count(text) { return this.plain.format(text ?? '0'); }
  // tick is a number on an axis.
  tick(number) { return this.short.format(number); }
  rate(number) { return this.rates.format(number); }
  percent(text) { return this.percents.format(text ?? '0'); }
  minute(date) { return this.minutes.format(date); }
  time(date) { return this.clock.format(date); }
  dayName(date) { return this.dayNames.format(date); }
  hour(h) { return `${String(h % 24).padStart(2, '0')}:00`; }
  // hourSpan runs from left to right in an Arabic sentence too, as the axis does.
  hourSpan(h) { return `\u2066${this.hour(h)}–${this.hour(h + 1)}\u2069`; }
  country(code) {
    try {
      return this.regions.of(code);
    } catch {
      return code;
    }
  }

  // today is the advertiser's day, YYYY-MM-DD; hourNow the hour of it.
  today(now = new Date()) {
    const part = Object.fromEntries(this.days.formatToParts(now).map((p) => [p.type, p.value]));
    return `${part.year}-${part.month}-${part.day}`;
  }
  hourNow(now = new Date()) { return Number(this.hours.format(now)); }
}
