import { z } from 'zod';

/** Limits of what an agent that has started again asks for its attempts. */
export const TOKEN_RENEWAL = {
  /** Attempts of one call. */
  maxAttempts: 500,
  /** Proofs of one attempt: one, and one more for each start whose call was not answered. */
  maxProofs: 32,
} as const;

/** SHA-256 of an attempt's token, in hex: proves that one has had it, and is no token itself. */
export const tokenProof = z.string().regex(/^[0-9a-f]{64}$/);

/**
 * An agent that was started again knows no token of the attempts that it goes on with, only their proofs. It makes
 * new tokens and tells their proofs; the old tokens are worth nothing from then on. Repeats do nothing.
 */
export const renewAttemptTokens = z.strictObject({
  attempts: z
    .array(
      z.strictObject({
        attemptId: z.string().max(100),
        epoch: z.int(),
        /** One of them is of the token that the server knows. */
        known: z.array(tokenProof).min(1).max(TOKEN_RENEWAL.maxProofs),
        next: tokenProof,
      }),
    )
    .min(1)
    .max(TOKEN_RENEWAL.maxAttempts),
});
export type RenewAttemptTokens = z.input<typeof renewAttemptTokens>;

export const attemptTokensRenewed = z.object({
  /** Those whose new token is good now; the others are not this agent's any more. */
  renewed: z.array(z.string()),
});
