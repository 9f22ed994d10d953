/** As scripts take times: whole seconds, rounded up. */
export function wholeSeconds(ms: number): string {
  return String(Math.ceil(ms / 1000));
}
