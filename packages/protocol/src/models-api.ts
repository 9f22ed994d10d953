import { z } from 'zod';
import { numberCursor } from './page-cursor.ts';

export const MODELS_API_LIMITS = { maxModels: 500, maxVersions: 500 } as const;

const tags = z.array(z.object({ key: z.string(), value: z.string() }));

export const modelName = z
  .string()
  .min(1)
  .max(256)
  .refine((name) => name.trim() !== '' && !/[/:]/.test(name) && name !== '.' && name !== '..', {
    message: 'is no name of a model: it has no "/" and no ":"',
  });

export const aliasName = z
  .string()
  .max(255)
  .regex(/^[\w-]+$/, { message: 'may only have letters, digits, "_" and "-"' })
  .refine((alias) => alias.toLowerCase() !== 'latest' && !/^v\d+$/i.test(alias), {
    message: 'means a version by itself',
  });

export const registeredModel = z.object({
  name: z.string(),
  description: z.string().nullable(),
  /** The highest version that is there. */
  latestVersion: z.int().nullable(),
  aliases: z.array(z.object({ alias: z.string(), version: z.int() })),
  tags,
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});
export type RegisteredModelInfo = z.infer<typeof registeredModel>;

export const modelVersion = z.object({
  version: z.int(),
  description: z.string().nullable(),
  stage: z.string(),
  source: z.string(),
  /** Where its files are. */
  location: z.string(),
  runId: z.string().nullable(),
  loggedModelId: z.string().nullable(),
  checkpointId: z.string().nullable(),
  aliases: z.array(z.string()),
  tags,
  createdBy: z.string().nullable(),
  createdAt: z.iso.datetime(),
});
export type ModelVersionInfo = z.infer<typeof modelVersion>;

export const modelDetails = registeredModel.extend({
  /** The newest first. */
  versions: z.array(modelVersion),
});
export type ModelDetails = z.infer<typeof modelDetails>;

export const modelsQuery = z.strictObject({
  /** As in the MLflow API: `name LIKE 'net%' AND tags.team = 'vision'`. */
  filter: z.string().max(65_536).optional(),
  limit: z.coerce.number().int().min(1).max(MODELS_API_LIMITS.maxModels).optional(),
  cursor: numberCursor,
});

export const registerCheckpoint = z.strictObject({
  /** Of a model checkpoint that a run has recorded. */
  checkpointId: z.string().max(200),
  description: z.string().max(5000).optional(),
});
