import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { TRIGGER_LIMITS } from '@trainyard/protocol';
import { hasValidHubSignature, hasValidSignature, signingKey } from '../webhooks/signature.ts';

/**
 * Judges a message that came in: by the headers of Standard Webhooks, or by GitHub's. Gives the id under
 * which the message counts once, or undefined when the signature is missing or wrong.
 *
 * GitHub signs the body alone, so its body is its id: a recorded message that is sent again starts nothing.
 */
export function verifiedMessageId(
  secret: string,
  headers: IncomingHttpHeaders,
  body: Buffer,
  nowMs: number,
): string | undefined {
  const one = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === 'string' ? value : undefined;
  };
  const id = one('webhook-id');
  const timestamp = one('webhook-timestamp');
  const signature = one('webhook-signature');
  if (id !== undefined && timestamp !== undefined && signature !== undefined) {
    if (id === '' || id.length > TRIGGER_LIMITS.messageIdLength) return undefined;
    const message = { id, timestamp, signature, body };
    return hasValidSignature(signingKey(secret), message, nowMs) ? `id ${id}` : undefined;
  }
  const hub = one('x-hub-signature-256');
  // GitHub takes the secret as it is written, whatever it begins with.
  if (hub === undefined || !hasValidHubSignature(Buffer.from(secret, 'utf8'), hub, body)) return undefined;
  return `body ${createHash('sha256').update(body).digest('hex')}`;
}
