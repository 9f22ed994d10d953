import { type DeliveryStatus, WEBHOOK_LIMITS } from '@trainyard/protocol';
import type { PostResult } from './post-message.ts';

const FIRST_DELAY_MS = 5000;
const FACTOR = 4;
const MAX_DELAY_MS = 6 * 3_600_000;
/** Delays differ by up to this part, so that what failed together does not come back together. */
const JITTER = 0.2;
const GONE = 410;

export interface NextStep {
  readonly status: DeliveryStatus;
  /** Set while it is pending. */
  readonly nextAttemptAtMs: number | null;
}

/**
 * What follows an attempt: 5 s after the first failure, then four times as long each time, at most six
 * hours; ten attempts take about twenty hours. A receiver may ask for a longer pause, and may say that it is gone.
 *
 * @param attempt counted from 1
 * @param random from 0 to 1
 */
export function afterAttempt(input: {
  readonly attempt: number;
  readonly result: Pick<PostResult, 'status' | 'retryAfterMs'>;
  readonly nowMs: number;
  readonly random: number;
}): NextStep {
  const { attempt, result, nowMs, random } = input;
  if (result.status !== null && result.status >= 200 && result.status < 300) {
    return { status: 'delivered', nextAttemptAtMs: null };
  }
  if (result.status === GONE || attempt >= WEBHOOK_LIMITS.attempts)
    return { status: 'failed', nextAttemptAtMs: null };
  const delayMs = Math.min(FIRST_DELAY_MS * FACTOR ** (attempt - 1), MAX_DELAY_MS);
  const jitteredMs = delayMs * (1 + JITTER * (2 * random - 1));
  const waitMs = Math.max(jitteredMs, Math.min(result.retryAfterMs ?? 0, MAX_DELAY_MS));
  return { status: 'pending', nextAttemptAtMs: nowMs + Math.round(waitMs) };
}
