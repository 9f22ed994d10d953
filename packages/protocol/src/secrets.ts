import { z } from 'zod';

/** Secrets for jobs: `${{ secrets.NAME }}`. Their values are never part of a run or of an answer to people. */
export const SECRET_LIMITS = { secrets: 1000, valueBytes: 64 * 1024, perJob: 50 } as const;

export const secretName = z
  .string()
  .max(100)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a secret has letters, digits and "_", and no digit at the beginning');

export const putSecret = z.strictObject({ value: z.string().min(1).max(SECRET_LIMITS.valueBytes) });

export const secretInfo = z.object({
  name: z.string(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});
export type SecretInfo = z.infer<typeof secretInfo>;

/** Where a secret stands in the texts of an attempt's spec until its agent puts the value in. */
export const secretPlace = z.object({ name: z.string(), placeholder: z.string() });
export type SecretPlace = z.infer<typeof secretPlace>;

/** Values by name, for the agent that is about to start the attempt. */
export const attemptSecrets = z.object({ values: z.record(z.string(), z.string()) });
