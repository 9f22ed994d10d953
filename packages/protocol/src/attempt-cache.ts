import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'not a SHA-256 in hexadecimal digits');
const hashes = z.array(sha256).max(1000);
const reason = z.string().max(2000);

/** What an agent is told of the cache of a stage whose key depends on files. Part of the spec of an attempt. */
export const attemptCache = z.object({
  /** Of all that the server knows of the key: with the hashes of the files it gives the key. */
  digest: sha256,
  /** Of the pipeline file; the patterns are relative to it. */
  baseDir: z.string(),
  inputs: z.array(z.string()),
  /** Null: the version of the repository around the file. */
  code: z.array(z.string()).nullable(),
  /** False: a result of another run is not wanted, only one for later. */
  lookUp: z.boolean(),
  /** Older results are not used; null: of any age. */
  maxAgeMs: z.number().nullable(),
});
export type AttemptCache = z.infer<typeof attemptCache>;

/** What was found in the files, each hash for one pattern, in their order. */
export const cacheHashes = z.strictObject({
  inputs: hashes,
  code: z.union([hashes, z.string().min(1).max(200)]),
});
export type CacheHashes = z.infer<typeof cacheHashes>;

export const askCached = z.strictObject({ epoch: z.int(), hashes: cacheHashes });
export type AskCached = z.infer<typeof askCached>;

/** `from`: the run whose result may be used; null: there is none. */
export const cachedAnswer = z.object({ from: z.string().nullable() });
export type CachedAnswer = z.infer<typeof cachedAnswer>;

/** What the end of an attempt says of its cache. Keys are made by the server, from the hashes. */
export const reportedCache = z.discriminatedUnion('kind', [
  /** No program was started: the result of `from` counts. */
  z.strictObject({ kind: z.literal('hit'), hashes: cacheHashes, from: z.string().max(100) }),
  /** The files were the same before and after the program ran. */
  z.strictObject({ kind: z.literal('ran'), hashes: cacheHashes }),
  /** They were not: the result belongs to no content of the files. */
  z.strictObject({ kind: z.literal('changed'), reason }),
  /** The files could not be read. */
  z.strictObject({ kind: z.literal('unknown'), reason }),
]);
export type ReportedCache = z.infer<typeof reportedCache>;
