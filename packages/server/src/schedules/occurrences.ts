import { TrainyardError } from '@trainyard/protocol';
import { Cron } from 'croner';

const DAY_MS = 86_400_000;

/** Instants that repeat. All in milliseconds since 1970. */
export interface Occurrences {
  /** The first one after `ms`; null when there is none. */
  after(ms: number): number | null;
  /** The last one before `ms`. */
  before(ms: number): number | null;
  /** The newest ones up to and including `ms`, at most `count`, oldest first. */
  newest(count: number, ms: number): number[];
}

/**
 * The instants of a cron pattern of five fields (or a nickname such as `@daily`) in a time zone.
 *
 * Where the clock is put forward, a pattern of fixed hours and minutes that names a skipped time has the
 * first instant after the gap; others skip it. Where it is put back, fixed ones have the first of the two
 * equal times, others both (Vixie cron's rule).
 *
 * @throws TrainyardError INVALID_REQUEST
 */
export function cronOccurrences(pattern: string, timezone: string): Occurrences {
  checkTimezone(timezone);
  const isNickname = /^@[a-z]+$/i.test(pattern.trim());
  if (!isNickname && pattern.trim().split(/\s+/).length !== 5) {
    throw invalidCron(pattern, 'it must have five fields: minute, hour, day of month, month, day of week');
  }
  let cron: Cron;
  try {
    cron = new Cron(pattern.trim(), { timezone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true });
  } catch (error) {
    throw invalidCron(
      pattern,
      error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error),
    );
  }
  const result: Occurrences = {
    after: (ms) => cron.nextRun(new Date(ms))?.getTime() ?? null,
    // What is asked for is before an instant that croner takes in whole seconds.
    before: (ms) => cron.previousRuns(1, new Date(wholeSecondsUp(ms)))[0]?.getTime() ?? null,
    newest: (count, ms) =>
      cron
        .previousRuns(count, new Date(wholeSecondsUp(ms + 1)))
        .map((date) => date.getTime())
        .reverse(),
  };
  if (result.after(Date.UTC(2026, 0, 1)) === null) throw invalidCron(pattern, 'it names no day that exists');
  return result;
}

/** Steps of one length from a first instant on; whole days are days of the time zone, whatever its clock does. */
export function everyOccurrences(firstMs: number, everyMs: number, timezone: string): Occurrences {
  checkTimezone(timezone);
  const days = everyMs / DAY_MS;
  const at = Number.isInteger(days) ? dayStep(firstMs, days, timezone) : (k: number) => firstMs + k * everyMs;
  /** The last step at or before `ms`. */
  const stepAt = (ms: number): number => {
    let k = Math.floor((ms - firstMs) / everyMs) + 1;
    while (at(k) > ms) k -= 1;
    return k;
  };
  return {
    after: (ms) => at(stepAt(ms) + 1),
    before: (ms) => at(stepAt(ms - 1)),
    newest(count, ms) {
      const last = stepAt(ms);
      const first = Math.max(0, last - count + 1);
      return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => at(first + i));
    },
  };
}

/** The instants from `fromMs` up to, without, `toMs`; stops after `limit`. */
export function occurrencesBetween(
  occurrences: Occurrences,
  fromMs: number,
  toMs: number,
  limit: number,
): number[] {
  const found: number[] = [];
  for (let at = occurrences.after(fromMs - 1); at !== null && at < toMs; at = occurrences.after(at)) {
    found.push(at);
    if (found.length >= limit) break;
  }
  return found;
}

/** The instant at which a day begins in a time zone. @param day such as 2026-01-31 */
export function startOfDay(day: string, timezone: string): number {
  checkTimezone(timezone);
  return localInstant(`${day}T00:00:00`, timezone);
}

/** The date of an instant in a time zone, such as 2026-01-31. */
export function localDate(ms: number, timezone: string): string {
  return localText(ms, timezone).slice(0, 10);
}

/** @throws TrainyardError INVALID_REQUEST */
function checkTimezone(timezone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
  } catch (error) {
    throw new TrainyardError(
      'INVALID_REQUEST',
      `"${timezone}" is no time zone; write an IANA name such as Europe/Berlin or UTC.`,
      { cause: error },
    );
  }
}

function dayStep(firstMs: number, days: number, timezone: string): (k: number) => number {
  const local = localText(firstMs, timezone);
  const [date, time] = [local.slice(0, 10), local.slice(10)];
  const msOfSecond = ((firstMs % 1000) + 1000) % 1000;
  return (k) => {
    if (k === 0) return firstMs;
    const day = new Date(Date.parse(`${date}T00:00:00Z`) + k * days * DAY_MS).toISOString().slice(0, 10);
    return localInstant(day + time, timezone) + msOfSecond;
  };
}

/** The wall clock of a time zone, such as 2026-01-31T06:00:00. */
function localText(ms: number, timezone: string): string {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).formatToParts(ms);
  const of = (type: Intl.DateTimeFormatPartTypes): string =>
    parts.find((part) => part.type === type)?.value ?? '';
  return `${of('year').padStart(4, '0')}-${of('month')}-${of('day')}T${of('hour')}:${of('minute')}:${of('second')}`;
}

/** The instant at which a clock of the time zone shows `text`; after a gap where it never does. */
function localInstant(text: string, timezone: string): number {
  const once = new Cron(text, { timezone, paused: true, allowPast: true }).getOnce();
  if (once === null) throw new TrainyardError('INVALID_REQUEST', `"${text}" is no time in ${timezone}.`);
  return once.getTime();
}

function wholeSecondsUp(ms: number): number {
  return Math.ceil(ms / 1000) * 1000;
}

function invalidCron(pattern: string, problem: string): TrainyardError {
  return new TrainyardError('INVALID_REQUEST', `The cron pattern "${pattern}" cannot be used: ${problem}.`);
}
