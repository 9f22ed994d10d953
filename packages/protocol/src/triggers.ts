import { z } from 'zod';
import { automationName, pipelineToRun, templateParams } from './automation.ts';
import { answeredJson } from './definition/values.ts';
import { pipelineVersionRef } from './pipelines-api.ts';

export const TRIGGER_LIMITS = {
  triggers: 200,
  payloadBytes: 1024 * 1024,
  /** Characters of the id that a sender gives a message. */
  messageIdLength: 256,
} as const;

export const createTrigger = z.strictObject({
  name: automationName,
  ...pipelineToRun.shape,
  /** Texts may hold expressions over `payload`, the JSON that was sent. */
  params: templateParams.default({}),
  /** An expression over `payload`: without it every signed message starts a run. */
  when: z.string().min(1).max(2000).optional(),
  /** `whsec_` and Base64 of 24 to 64 bytes, or any text of 16 to 256 characters. Made when left out. */
  secret: z.string().min(16).max(256).optional(),
});
export type CreateTrigger = z.input<typeof createTrigger>;

export const trigger = z.object({
  id: z.string(),
  name: z.string(),
  /** Path of the address that messages are sent to. */
  path: z.string(),
  pipeline: z.string(),
  version: pipelineVersionRef,
  params: z.record(z.string(), answeredJson),
  when: z.string().nullable(),
  createdAt: z.iso.datetime(),
  lastRunId: z.string().nullable(),
  lastRunAt: z.iso.datetime().nullable(),
  /** False when the server that answers has another secret key and so can check no signature. */
  canVerify: z.boolean(),
});
export type Trigger = z.infer<typeof trigger>;

/** The answer to its creation: the only time that the secret is shown. */
export const createdTrigger = z.object({ trigger, secret: z.string() });
export type CreatedTrigger = z.infer<typeof createdTrigger>;

/** What a sender is answered: `id` is null when the trigger's condition was false. */
export const triggered = z.object({ id: z.string().nullable() });
