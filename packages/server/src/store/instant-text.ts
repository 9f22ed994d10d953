// Rows and events of one tick are mostly of the same instant, so the last conversion is kept: each takes a microsecond,
// and a stage has a dozen.
let last = { ms: 0, text: new Date(0).toISOString() };

/** ISO 8601 text of an instant given in epoch milliseconds. @throws RangeError when there is no such date */
export function instantText(ms: number): string {
  if (ms !== last.ms) last = { ms, text: new Date(ms).toISOString() };
  return last.text;
}

/** Epoch milliseconds of an instant given as ISO 8601 text. NaN when it is none. */
export function instantMs(text: string): number {
  if (text !== last.text) last = { ms: Date.parse(text), text };
  return last.ms;
}
