import { z } from 'zod';
import { duration, name } from './values.ts';

const command = z.union([
  z.string().min(1).max(100_000),
  z
    .array(z.union([z.string().max(100_000), z.number().transform(String)]))
    .min(1)
    .max(1000),
]);

/** A stage of kind `job`: a program that an agent runs. */
export const job = z.strictObject({
  command,
  workingDir: z.string().min(1).max(4096).default('.'),
  env: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of an environment variable'),
      z.union([z.string(), z.number().transform(String), z.boolean().transform(String)]),
    )
    .default({}),
  queue: name.default('default'),
  resources: z.strictObject({ gpus: z.int().min(0).max(64).default(0) }).default({ gpus: 0 }),
  executor: z.literal('local').default('local'),
  /** Time from the first polite signal to KILL. */
  grace: duration.default(10_000),
});
export type JobDefinition = z.infer<typeof job>;

export const retry = z.strictObject({
  attempts: z.int().min(1).max(100),
  backoff: duration.default(1000),
  factor: z.number().min(1).max(100).default(2),
  maxBackoff: duration.default(600_000),
  /** Shortens each wait by up to this part of it, so that many do not try again at the same moment. */
  jitter: z.number().min(0).max(1).default(0),
  /** What is tried again: `failed`, `timed_out`, `lost`, or codes of errors such as `exit_code`. */
  retryOn: z.array(z.string().min(1).max(100)).min(1).max(100).default(['failed']),
});
