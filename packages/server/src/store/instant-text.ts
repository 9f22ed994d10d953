// Rows and events of one tick are mostly of the same instant, so the last conversion each way is kept: one takes a
// microsecond, and a stage has a dozen.
let lastWritten = { ms: 0, text: new Date(0).toISOString() };
let lastRead = { text: '', ms: Number.NaN };

/** ISO 8601 text of an instant given in epoch milliseconds. @throws RangeError when there is no such date */
export function instantText(ms: number): string {
  if (ms !== lastWritten.ms) lastWritten = { ms, text: new Date(ms).toISOString() };
  return lastWritten.text;
}

/** Epoch milliseconds of an instant given as ISO 8601 text. NaN when it is none. */
export function instantMs(text: string): number {
  if (text !== lastRead.text) lastRead = { text, ms: Date.parse(text) };
  return lastRead.ms;
}
