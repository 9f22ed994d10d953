import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * What a token is for shows in its prefix, so that a leaked one is recognised: `tyu` users and agents, `tya`
 * attempts, `tyj` programs of attempts, `wak` keys of the older training API.
 */
export type TokenPrefix = 'tyu' | 'tya' | 'tyj' | 'wak';

/**
 * Makes a secret of 256 random bits. Only its SHA-256 is ever stored: with this much entropy a slow hash
 * would add nothing.
 */
export function newSecretToken(prefix: TokenPrefix): { token: string; hash: Buffer } {
  const token = `${prefix}_${randomBytes(32).toString('base64url')}`;
  return { token, hash: hashToken(token) };
}

export function hashToken(token: string): Buffer {
  return hash('sha256', token, 'buffer');
}

/** Whether it looks like a token of an attempt or of its program, which is good for the routes of that job only. */
export function isOfAttempt(token: string | undefined): boolean {
  return token !== undefined && /^ty[aj]_/.test(token);
}

/** Compares in constant time: how far a guess is right shows in nothing. */
export function isTokenOf(token: string, hash: Buffer | null): boolean {
  return hash !== null && timingSafeEqual(hashToken(token), hash);
}

/**
 * Tokens of attempts that are claimed together, made without knowing how many there will be: token n is
 * `tya_` and the hex SHA-256 of the seed followed by n. The claim statement computes the hashes from the
 * same seed, which exists only in that call. One token tells nothing about another one.
 */
export function newAttemptTokens(): { readonly seed: Buffer; token(number: number): string } {
  const seed = randomBytes(32);
  return {
    seed,
    token: (number) => `tya_${hash('sha256', Buffer.concat([seed, Buffer.from(String(number))]))}`,
  };
}

/** The hash of attempt token n in SQL, given the seed and n as SQL expressions. */
export function attemptTokenHashSql(seed: string, number: string): string {
  return `sha256(convert_to('tya_' || encode(sha256(${seed} || convert_to((${number})::text, 'UTF8')), 'hex'), 'UTF8'))`;
}
