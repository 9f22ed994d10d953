import { parseDurationMs } from '@trainyard/protocol/plain';
import { InvalidArgumentError } from 'commander';

/** Shorter, a look that is late, or an agent that is started anew, would end jobs. */
const MIN_SECONDS = 60;
/** A year. */
const MAX_SECONDS = 31_536_000;

/** Reads `--unwatched-for`, in seconds; 0 for `off`. */
export function unwatchedFor(text: string): number {
  if (text === 'off') return 0;
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= MIN_SECONDS * 1000 && ms <= MAX_SECONDS * 1000) return Math.ceil(ms / 1000);
  throw new InvalidArgumentError('write a duration from 1m to 365d, such as 30m or 6h, or "off".');
}
