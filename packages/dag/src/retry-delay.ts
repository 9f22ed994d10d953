import type { RetryPolicy } from './definition.ts';

/**
 * Wait before the next try after so many failures (1 or more): 1x, factor x, factor^2 x ... up to the cap, and
 * then shortened by up to `jitter` of it. `chance` is from 0 to 1.
 */
export function retryDelayMs(
  { backoffMs, factor, maxBackoffMs, jitter = 0 }: RetryPolicy,
  failures: number,
  chance: () => number,
): number {
  // Zero times an overflowing power would be NaN.
  if (backoffMs === 0) return 0;
  const delayMs = Math.min(maxBackoffMs, backoffMs * factor ** (failures - 1));
  return jitter === 0 ? delayMs : Math.round(delayMs * (1 - jitter * chance()));
}

/**
 * What stands in for chance, because deciding again has to give the same: a number from 0 to below 1 out of a
 * text. FNV-1a over its UTF-16 units, finished as in MurmurHash3 so that similar texts end far apart.
 */
export function chanceOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
