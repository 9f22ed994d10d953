import { createHash, randomBytes } from 'node:crypto';

/** What a token is for shows in its prefix, so that a leaked one is recognised. */
export type TokenPrefix = 'tyu' | 'tya';

/**
 * Makes a secret of 256 random bits. Only its SHA-256 is ever stored: with this much entropy a slow hash
 * would add nothing.
 */
export function newSecretToken(prefix: TokenPrefix): { token: string; hash: Buffer } {
  const token = `${prefix}_${randomBytes(32).toString('base64url')}`;
  return { token, hash: hashToken(token) };
}

export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
