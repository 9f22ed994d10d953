import type { MetricNumber } from '@trainyard/protocol';
import { texts } from '../texts.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A duration that ticks: whole seconds below an hour, so that the last digit does not flicker. */
export function formatDuration(ms: number): string {
  if (ms < 0) return '0 s';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${Math.floor(ms / 1000)} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} m ${pad(Math.floor((ms % MINUTE) / 1000))} s`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ${pad(Math.floor((ms % HOUR) / MINUTE))} m`;
  return `${Math.floor(ms / DAY)} d ${pad(Math.floor((ms % DAY) / HOUR))} h`;
}

/** "12 s ago", "in 3 m": one unit, rounded down. */
export function formatRelative(atMs: number, nowMs: number): string {
  const distance = Math.abs(nowMs - atMs);
  if (distance < 5000) return texts.time.justNow;
  const text =
    distance < MINUTE
      ? `${Math.floor(distance / 1000)} s`
      : distance < HOUR
        ? `${Math.floor(distance / MINUTE)} m`
        : distance < DAY
          ? `${Math.floor(distance / HOUR)} h`
          : `${Math.floor(distance / DAY)} d`;
  return atMs <= nowMs ? texts.time.ago(text) : texts.time.in(text);
}

const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });
const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

/** Full local date and time with the zone. */
export function formatAbsolute(atMs: number): string {
  return absolute.format(atMs);
}

/** Local time of day, hh:mm:ss. */
export function formatClock(atMs: number): string {
  return clock.format(atMs);
}

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit] ?? ''}`;
}

/** A metric's value in at most five significant digits. */
export function formatNumber(value: MetricNumber | null): string {
  if (value === null) return texts.common.none;
  if (typeof value === 'string') return value;
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return value.toLocaleString('en');
  if (size < 1e-4 || size >= 1e9) return value.toExponential(3);
  return String(Number(value.toPrecision(5)));
}

/** `run_01k9abcd…wxyz`: enough of an id to recognise it. */
export function shortId(id: string): string {
  const [prefix, rest = ''] = id.split('_');
  return rest.length <= 8 ? id : `${prefix}_…${rest.slice(-6)}`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
