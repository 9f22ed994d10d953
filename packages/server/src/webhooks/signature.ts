import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { TrainyardError } from '@trainyard/protocol';

/** How far the time of a signed message may be from ours. */
export const SIGNATURE_TOLERANCE_MS = 5 * 60_000;

const PREFIX = 'whsec_';
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;
/** A sender that changes its secret signs with both for a while; more than a few are no sender. */
const MAX_SIGNATURES = 10;

/** A secret as receivers' libraries expect it: `whsec_` and Base64. */
export function newSigningSecret(): string {
  return PREFIX + randomBytes(32).toString('base64');
}

/**
 * The bytes that sign: those after `whsec_`, which is the form of Standard Webhooks, or else the text itself.
 * @throws TrainyardError INVALID_REQUEST; the message does not hold the secret
 */
export function signingKey(secret: string): Buffer {
  if (!secret.startsWith(PREFIX)) return Buffer.from(secret, 'utf8');
  const text = secret.slice(PREFIX.length);
  const key = Buffer.from(text, 'base64');
  const isBase64 = key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
  if (isBase64 && key.length >= MIN_KEY_BYTES && key.length <= MAX_KEY_BYTES) return key;
  throw new TrainyardError(
    'INVALID_REQUEST',
    `The secret begins with ${PREFIX}, so Base64 of ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES} bytes must follow.`,
  );
}

export interface SignedMessage {
  readonly id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: string | Buffer;
}

/**
 * The headers of a message: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * The signature is HMAC-SHA256 over `id.timestamp.body`.
 */
export function signedHeaders(key: Buffer, message: SignedMessage): Record<string, string> {
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(message.timestamp),
    'webhook-signature': `v1,${hmac(key, message).toString('base64')}`,
  };
}

/** Judges the `webhook-…` headers of a message that came in. Takes the same time for any wrong signature. */
export function hasValidSignature(
  key: Buffer,
  message: {
    readonly id: string;
    readonly timestamp: string;
    readonly signature: string;
    readonly body: Buffer;
  },
  nowMs: number,
): boolean {
  if (!/^\d{1,12}$/.test(message.timestamp)) return false;
  const timestamp = Number(message.timestamp);
  if (Math.abs(nowMs - timestamp * 1000) > SIGNATURE_TOLERANCE_MS) return false;
  const expected = hmac(key, { id: message.id, timestamp, body: message.body });
  const candidates = message.signature.split(' ', MAX_SIGNATURES);
  return (
    candidates.filter((text) => text.startsWith('v1,') && isSame(text.slice(3), 'base64', expected)).length >
    0
  );
}

/** Judges GitHub's `X-Hub-Signature-256: sha256=…`, an HMAC of the body alone. */
export function hasValidHubSignature(key: Buffer, header: string, body: Buffer): boolean {
  if (!header.startsWith('sha256=')) return false;
  const expected = createHmac('sha256', key).update(body).digest();
  return isSame(header.slice('sha256='.length), 'hex', expected);
}

function hmac(key: Buffer, { id, timestamp, body }: SignedMessage): Buffer {
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
}

function isSame(text: string, encoding: 'base64' | 'hex', expected: Buffer): boolean {
  const given = Buffer.from(text, encoding);
  return given.length === expected.length && timingSafeEqual(given, expected);
}
