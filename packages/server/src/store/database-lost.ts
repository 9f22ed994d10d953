/** SQLSTATE classes that tell of the connection or the server, not of the statement. */
const LOST_CLASSES: ReadonlySet<string> = new Set(['08', '53', '57']);

/** True when an error says that the database cannot be reached now: trying again later may help. */
export function isDatabaseLost(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  // First the codes of the operating system: EPIPE looks like an SQLSTATE too.
  if (/^E(CONN|PIPE|HOST|NET|TIMEDOUT|AI_|NOENT)/.test(code)) return true;
  if (/^[0-9A-Z]{5}$/.test(code)) return LOST_CLASSES.has(code.slice(0, 2));
  return /^Connection terminated|timeout exceeded when trying to connect|not queryable/.test(error.message);
}
