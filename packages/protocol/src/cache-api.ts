import { z } from 'zod';

const instant = z.iso.datetime();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'not a SHA-256 in hexadecimal digits');

/** Limits of what a request says about the files of cached stages. */
const MAX_FILES = 5000;

/**
 * What cached stages are judged by that only the machine with the files can know. The command line finds it out
 * when it submits a file.
 */
export const cacheBasis = z.strictObject({
  /** Version of the code around the pipeline file, for example a commit with a hash of what was changed since. */
  code: z.string().min(1).max(200).optional(),
  /** Of each pattern of `inputs` and `code` as it is written in the definition: the hash of the files it stands for. */
  files: z
    .record(z.string().max(1000), sha256)
    .default({})
    .refine((files) => Object.keys(files).length <= MAX_FILES, `at most ${MAX_FILES} patterns`),
});
export type CacheBasis = z.infer<typeof cacheBasis>;

/** A result that runs which ask for the same use again. */
export const cacheEntry = z.object({
  key: z.string(),
  /** The run that produced it. */
  runId: z.string(),
  rootId: z.string(),
  pipeline: z.string(),
  /** Path of the stage in the definition. */
  stage: z.string(),
  createdAt: instant,
});
export type CacheEntry = z.infer<typeof cacheEntry>;

const entriesOf = {
  pipeline: z.string().max(100).optional(),
  stage: z.string().max(2000).optional(),
};

export const listCacheQuery = z.object({
  ...entriesOf,
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

export const clearCacheQuery = z.object({
  ...entriesOf,
  /** Only entries that are at least so old. */
  olderThanMs: z.coerce.number().int().min(0).optional(),
});
