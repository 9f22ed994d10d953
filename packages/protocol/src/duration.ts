const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/y;

/** Longest duration that is accepted: 366 days. Longer ones would overflow timers and are typing errors. */
export const MAX_DURATION_MS = 366 * 86_400_000;

/**
 * Reads a duration such as `90s`, `1h30m`, `500ms`, or a plain number of seconds.
 * Returns milliseconds, or `undefined` when it is not a duration or is longer than 366 days.
 */
export function parseDurationMs(value: string | number): number | undefined {
  if (typeof value === 'number') return bounded(value * 1000);
  const text = value.trim();
  if (/^\d+(\.\d+)?$/.test(text)) return bounded(Number(text) * 1000);
  let totalMs = 0;
  PART.lastIndex = 0;
  if (text === '') return undefined;
  while (PART.lastIndex < text.length) {
    const match = PART.exec(text);
    if (match === null) return undefined;
    totalMs += Number(match[1]) * UNIT_MS[match[2]!]!;
  }
  return bounded(totalMs);
}

/** Writes milliseconds for people: `340 ms`, `12.3 s`, `4 m 05 s`, `2 h 10 m`. */
export function formatDurationMs(durationMs: number): string {
  const ms = Math.round(durationMs);
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${pad(Math.floor((seconds % 3600) / 60))} m`;
}

function bounded(ms: number): number | undefined {
  return Number.isFinite(ms) && ms >= 0 && ms <= MAX_DURATION_MS ? Math.round(ms) : undefined;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
