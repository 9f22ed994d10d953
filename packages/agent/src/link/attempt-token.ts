import { createHash, randomBytes } from 'node:crypto';

/** A token as the server makes them for attempts. */
export function newAttemptToken(): string {
  return `tya_${randomBytes(32).toString('hex')}`;
}

/** What is kept of a token on disk: it cannot be used, but proves to the server that its owner has had the token. */
export function proofOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
