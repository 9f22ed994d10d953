import type { IncomingHttpHeaders } from 'node:http';
import { TrainyardError } from '@trainyard/protocol';

const MAX_KEY_LENGTH = 200;

/** The Idempotency-Key of a request that creates; null without one. @throws TrainyardError INVALID_REQUEST */
export function idempotencyKey(headers: IncomingHttpHeaders): string | null {
  const key = headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key === 'string' && key !== '' && key.length <= MAX_KEY_LENGTH) return key;
  throw new TrainyardError('INVALID_REQUEST', `Idempotency-Key must have 1 to ${MAX_KEY_LENGTH} characters.`);
}
