import { parseDurationMs, TrainyardError } from '@trainyard/protocol/plain';

/** Reads an option such as `30` (seconds), `10m` or `2h`. @throws TrainyardError USAGE */
export function readDuration(name: string, text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined) return ms;
  throw new TrainyardError(
    'USAGE',
    `--${name} "${text}" is not a duration; write for example 30, 10m or 2h.`,
  );
}
