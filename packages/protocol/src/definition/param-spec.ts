import { z } from 'zod';
import { identifier, jsonValue } from './values.ts';

export const paramSpec = z.strictObject({
  type: z.enum(['string', 'integer', 'number', 'boolean', 'json']),
  default: jsonValue.optional(),
  description: z.string().max(2000).optional(),
});
export type ParamSpec = z.infer<typeof paramSpec>;

/** The params that a pipeline declares. */
export const paramSpecs = z.record(identifier('a parameter'), paramSpec).default({});
