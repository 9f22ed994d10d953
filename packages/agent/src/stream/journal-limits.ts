/** Bounds of what the files of attempts take on the agent's disk, and of what of them is sent. */
export interface JournalLimits {
  /** Bytes of one stream that may wait for the server; the oldest are left out above that. */
  readonly waitingBytesPerStream: number;
  /** The same for all streams of the agent together. */
  readonly waitingBytesInAll: number;
  /** Delivered bytes of an output that stay on disk for people on the machine; older ones are removed. */
  readonly keptBytesPerStream: number;
  /** Bytes of the output of one attempt that are sent; above that only its last lines follow. */
  readonly logBytesPerAttempt: number;
  /** Directories of attempts that ended longer ago are removed, where nobody needs them. */
  readonly attemptAgeMs: number;
  /** The same for those above this number, the oldest first. */
  readonly attemptCount: number;
}

const GIB = 1024 ** 3;

export const DEFAULT_JOURNAL_LIMITS: JournalLimits = {
  waitingBytesPerStream: GIB,
  waitingBytesInAll: 8 * GIB,
  keptBytesPerStream: 256 * 1024 ** 2,
  logBytesPerAttempt: 4 * GIB,
  attemptAgeMs: 30 * 86_400_000,
  attemptCount: 10_000,
};

/**
 * The most bytes that each stream may keep waiting, given how many each has: its own limit, and where all
 * together are too many, an equal share that those with less leave to those with more.
 */
export function waitingAllowance(waiting: readonly number[], limits: JournalLimits): number {
  const own = limits.waitingBytesPerStream;
  const held = waiting.map((bytes) => Math.min(bytes, own)).sort((a, b) => a - b);
  let left = limits.waitingBytesInAll;
  for (const [index, bytes] of held.entries()) {
    const share = Math.floor(left / (held.length - index));
    if (bytes > share) return share;
    left -= bytes;
  }
  return own;
}
