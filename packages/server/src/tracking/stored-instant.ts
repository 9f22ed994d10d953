/** What JavaScript's dates and PostgreSQL's instants both hold. */
const LAST_MS = 8_640_000_000_000_000;

/** The instant of epoch milliseconds that a client has set to whatever it likes. */
export function storedInstant(ms: number): Date {
  return new Date(Math.min(Math.max(ms, 0), LAST_MS));
}
