import type { RetryPolicy } from './definition.ts';

/** Wait before the next try after so many failures (1 or more): 1x, factor x, factor^2 x ... up to the cap. */
export function retryDelayMs({ backoffMs, factor, maxBackoffMs }: RetryPolicy, failures: number): number {
  // Zero times an overflowing power would be NaN.
  if (backoffMs === 0) return 0;
  return Math.min(maxBackoffMs, backoffMs * factor ** (failures - 1));
}
